/* The shared runner of all verbs: flags, loop, client, the way to the exit code, and cleaning up.
 *
 *     int verb_x(int argc, char **argv)
 *     {
 *         struct x x = { ... };
 *         const struct cli_flag flags[] = { ... into x ... };
 *         const struct cli_spec spec = { "x", USAGE, flags, ARRAY_LEN(flags), .start = x_start };
 *         int code = cli_main(&x.cli, &spec, argc, argv);
 *         ... free x ...
 *         return code;
 *     }
 *
 * start(cli) looks at the arguments and submits the first call; callbacks go on from there; the
 * verb ends with cli_end, or with one of the cli_fail calls, which print "barque x: what. Next:
 * command". After the end further results are ignored (cli->ended), so a callback may call
 * cli_fail blindly. Threads: loop. */
#ifndef BARQUE_CLI_RUN_H
#define BARQUE_CLI_RUN_H

#include "api/object.h"
#include "cli/exit.h"
#include "cli/flags.h"
#include "cli/table.h"
#include "cli/user.h"
#include "client/client.h"
#include "lib/base/rng.h"
#include "lib/io/timer.h"

struct cli;

struct cli_spec {
    const char *name;
    const char *usage; /* synopsis, what it does, examples */
    const struct cli_flag *flags;
    size_t n_flags;
    void (*start)(struct cli *cli);
    /* Closes what the verb opened on the loop itself; before the client goes. May be NULL. */
    void (*stop)(struct cli *cli);
    /* What --timeout is without the flag: for verbs that wait, of the wait (0 = for ever); for the
     * others, of each request (0 = 10 s). */
    uint64_t timeout_ms;
    bool waits;
    bool no_client; /* needs no cluster */
};

struct cli {
    const struct cli_spec *spec;
    char **args; /* arguments after the verb */
    size_t n_args;

    /* flags that every verb has */
    const char *endpoints, *namespace_;
    struct cli_user user;
    uint64_t timeout_ms;

    struct loop *loop;
    struct client *client;
    struct client_watch *watch; /* the verb's, if it has one: the runner stops it at the end */
    struct rng rng;
    struct table_style style; /* of stdout */
    bool screen;              /* stdout is a terminal */
    struct buf out;           /* gathered for stdout; see cli_flush */

    bool running, ended;
    int code;
    struct timer deadline;
    /* Says what had not come when --timeout was over; may be NULL. */
    void (*on_timeout)(struct cli *cli);
};

#define CLI_OF(cli_, type) CONTAINER_OF(cli_, type, cli)

int cli_main(struct cli *cli, const struct cli_spec *spec, int argc, char **argv);
/* Flushes, and leaves with this code. The first end counts. */
void cli_end(struct cli *cli, int code);
/* Writes cli->out to stdout now; a reader that has gone ends the verb. */
void cli_flush(struct cli *cli);
/* "barque x: ...". `next` is the command to try ("barque get pods"), or NULL. */
void cli_fail(struct cli *cli, enum cli_exit code, const char *next, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The end of a call: `status` gives the code, `err` the text, the code the next command. */
void cli_fail_call(struct cli *cli, int status, const struct err *err);
/* The store has said no to this user. */
bool cli_is_refusal(int status);
/* Wrong arguments: exit code 2 and where to read more. */
void cli_fail_usage(struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line on stderr that is no error. */
void cli_note(struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Starts the clock of --timeout. */
void cli_wait_start(struct cli *cli, void (*on_timeout)(struct cli *cli));

/* The kind of a word ("po", "deployments.apps"); NULL with the nearest name said and the verb
 * ended. */
const struct kind *cli_kind(struct cli *cli, const char *word);
/* NULL for kinds without a namespace. */
const char *cli_namespace_of(const struct cli *cli, const struct kind *kind);
/* "KIND/NAME" in one argument, or KIND and NAME in two: arguments from `at` on. The name is
 * borrowed from the arguments. False when the verb was ended. */
bool cli_kind_and_name(struct cli *cli, size_t at, const struct kind **ret_kind,
                       const char **ret_name);

/* Addresses of --endpoints, cut at commas: at most LIMIT_ENDPOINTS; the texts live in *ret_text
 * (mem_free). 0 or E_INVAL. */
int cli_endpoints_split(const char *text, char **ret_text, const char **ret_items, size_t *ret_n,
                        struct err *err);

#endif
