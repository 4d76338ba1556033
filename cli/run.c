/* See run.h. Nothing is printed to stdout but through cli->out, so what a script reads is whole
 * lines. */
#include "cli/run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

enum { REQUEST_MS = 10000, OWN_FLAGS = 3, COMMON_FLAGS = OWN_FLAGS + CLI_USER_FLAGS,
       FLAGS_MAX = 32 };

/* --- ends ------------------------------------------------------------------------------------- */

void cli_flush(struct cli *cli)
{
    size_t at = 0;

    while (at < cli->out.len) {
        ssize_t n = write(STDOUT_FILENO, cli->out.data + at, cli->out.len - at);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) { /* somebody else made the pipe non-blocking */
            struct pollfd p = { .fd = STDOUT_FILENO, .events = POLLOUT };
            poll(&p, 1, -1);
            continue;
        }
        if (n < 0) {
            if (errno != EPIPE) {
                fprintf(stderr, "barque %s: cannot write: %s\n", cli->spec->name, strerror(errno));
            }
            buf_reset(&cli->out);
            if (!cli->ended) {
                cli_end(cli, CLI_FAILED);
            }
            cli->code = CLI_FAILED;
            return;
        }
        at += (size_t)n;
    }
    buf_reset(&cli->out);
}

void cli_end(struct cli *cli, int code)
{
    if (cli->ended) {
        return;
    }
    cli->ended = true;
    cli->code = code;
    cli_flush(cli);
    if (cli->running) {
        loop_stop(cli->loop);
    }
}

static void say(struct cli *cli, const char *next, const char *text)
{
    size_t len = strlen(text);
    const char *dot = len > 0 && text[len - 1] == '.' ? "" : ".";

    cli_flush(cli);
    if (next != NULL) {
        fprintf(stderr, "barque %s: %s%s Next: %s\n", cli->spec->name, text, dot, next);
    } else {
        fprintf(stderr, "barque %s: %s\n", cli->spec->name, text);
    }
}

void cli_fail(struct cli *cli, enum cli_exit code, const char *next, const char *fmt, ...)
{
    char text[2048];
    va_list args;

    if (cli->ended) {
        return;
    }
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    say(cli, next, text);
    cli_end(cli, (int)code);
}

void cli_fail_usage(struct cli *cli, const char *fmt, ...)
{
    autofree char *next = mem_printf("barque %s --help", cli->spec->name);
    char text[1024];
    va_list args;

    if (cli->ended) {
        return;
    }
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    say(cli, next, text);
    cli_end(cli, CLI_USAGE);
}

/* What is absent is named by its plural first: `pods "default/web-1" not found`. */
static char *next_for_absent(const char *text)
{
    autofree char *word = mem_printf("%.*s", (int)strcspn(text, " "), text);
    const struct kind *kind = kind_by_word(word);

    return kind == NULL ? NULL : mem_printf("barque get %s%s", kind->plural,
                                            kind->namespaced ? " -A" : "");
}

/* What the store asks of users. */
static const char *next_for_refused(int status)
{
    switch (status) {
    case E_USER_EMPTY:
        return "--user NAME with --password-file FILE, or BARQUE_USER=NAME:PASSWORD";
    case E_AUTH_FAILED:
        return "check --user, --password-file, BARQUE_USER and BARQUE_PASSWORD";
    case E_PERM:
        return "a user who may: etcdctl role grant-permission, etcdctl user grant-role";
    default:
        return NULL;
    }
}

bool cli_is_refusal(int status)
{
    return next_for_refused(status) != NULL || status == E_NO_PASSWORD || status == E_AUTH_TOKEN;
}

void cli_fail_call(struct cli *cli, int status, const struct err *err)
{
    enum cli_exit code = exit_of_status(status);
    const char *text = err != NULL ? err->msg : err_text(status);
    autofree char *absent = code == CLI_NOTFOUND ? next_for_absent(text) : NULL;
    const char *next = absent != NULL ? absent : next_for_refused(status);

    if (code == CLI_UNREACHABLE) {
        cli_fail(cli, code, "barque status, or --endpoints with other members", "%s%s",
                 status != E_UNAVAILABLE ? "no quorum: " : "", text);
    } else {
        cli_fail(cli, code, next, "%s", text);
    }
}

void cli_note(struct cli *cli, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    cli_flush(cli);
    fprintf(stderr, "%s\n", text);
}

static void on_deadline(struct timer *t)
{
    struct cli *cli = CONTAINER_OF(t, struct cli, deadline);

    if (cli->on_timeout != NULL) {
        cli->on_timeout(cli);
    }
    cli_fail(cli, CLI_TIMEOUT, NULL, "not done within %llu ms (--timeout)",
             (unsigned long long)cli->timeout_ms);
}

void cli_wait_start(struct cli *cli, void (*on_timeout)(struct cli *cli))
{
    cli->on_timeout = on_timeout;
    if (cli->timeout_ms != 0) {
        timer_start(&cli->deadline, cli->timeout_ms);
    }
}

/* --- the beginning ---------------------------------------------------------------------------- */

int cli_endpoints_split(const char *text, char **ret_text, const char **ret_items, size_t *ret_n,
                        struct err *err)
{
    char *copy = mem_strdup(text);
    char *save = NULL;

    *ret_text = copy;
    *ret_n = 0;
    for (char *p = strtok_r(copy, ", ", &save); p != NULL; p = strtok_r(NULL, ", ", &save)) {
        if (*ret_n == LIMIT_ENDPOINTS) {
            return err_set(err, E_INVAL, "--endpoints: more than %d", LIMIT_ENDPOINTS);
        }
        ret_items[(*ret_n)++] = p;
    }
    if (*ret_n == 0) {
        return err_set(err, E_INVAL, "--endpoints: no address in \"%s\"", text);
    }
    return 0;
}

static void look_at_stdout(struct cli *cli)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    struct winsize size;

    cli->screen = isatty(STDOUT_FILENO);
    if (!cli->screen) {
        return;
    }
    cli->style.width = 80;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        cli->style.width = size.ws_col;
    }
    cli->style.color = (no_color == NULL || no_color[0] == 0) && !str_eq(term, "dumb");
}

static const char *from_environment(const char *name, const char *other, const char *fallback)
{
    const char *value = getenv(name);

    if ((value == NULL || value[0] == 0) && other != NULL) {
        value = getenv(other);
    }
    return value != NULL && value[0] != 0 ? value : fallback;
}

static size_t all_flags(struct cli *cli, const struct cli_spec *spec, struct cli_flag *ret_flags)
{
    const struct cli_flag common[OWN_FLAGS] = {
        { "endpoints", 0, CLI_STRING, &cli->endpoints, "LIST",
          "the members, with commas between (BARQUE_ENDPOINTS; 127.0.0.1:2379)" },
        { "namespace", 'n', CLI_STRING, &cli->namespace_, "NAME",
          "the namespace (BARQUE_NAMESPACE; default)" },
        { "timeout", 0, CLI_DURATION, &cli->timeout_ms, "TIME",
          spec->waits ? "how long to wait until it is done (0s = for ever)"
                      : "how long to wait for an answer (10s)" },
    };

    PRE(spec->n_flags + COMMON_FLAGS <= FLAGS_MAX);
    for (size_t i = 0; i < spec->n_flags; i++) {
        ret_flags[i] = spec->flags[i];
    }
    memcpy(ret_flags + spec->n_flags, common, sizeof common);
    cli_user_flags(&cli->user, ret_flags + spec->n_flags + OWN_FLAGS);
    return spec->n_flags + (spec->no_client ? 0 : COMMON_FLAGS);
}

static void print_help(struct cli *cli, const struct cli_flag *flags, size_t n)
{
    buf_append_str(&cli->out, cli->spec->usage);
    if (n != 0) {
        buf_append_str(&cli->out, "\nFlags:\n");
        cli_flags_print(flags, n, &cli->out);
    }
    buf_append_str(&cli->out, "\nExit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, "
                              "5 no quorum or unreachable, 6 timeout.\n");
}

/* Of each request. Of a verb that waits it ends a little before the wait does: when nobody answers,
 * that is the reason to tell. */
static uint64_t request_timeout(const struct cli *cli)
{
    uint64_t timeout_ms = cli->timeout_ms;

    if (timeout_ms == 0) {
        return REQUEST_MS;
    }
    if (!cli->spec->waits) {
        return timeout_ms;
    }
    timeout_ms -= timeout_ms / 8;
    return timeout_ms > REQUEST_MS ? REQUEST_MS : timeout_ms > 0 ? timeout_ms : 1;
}

static void run(struct cli *cli)
{
    struct err err = ERR_INIT;
    autofree char *text = NULL;
    const char *items[LIMIT_ENDPOINTS];
    size_t n = 0;
    struct client_options options = { .endpoints = items, .seed = rng_os_seed() };
    int rv = cli_endpoints_split(cli->endpoints, &text, items, &n, &err);

    rv = rv == 0 ? cli_user_read(&cli->user, &err) : rv;
    if (rv != 0) {
        cli_fail_usage(cli, "%s", err.msg);
        return;
    }
    cli->loop = loop_new();
    rng_init(&cli->rng, rng_os_seed());
    timer_init(cli->loop, &cli->deadline, on_deadline);
    options.loop = cli->loop;
    options.n_endpoints = n;
    options.timeout_ms = request_timeout(cli);
    options.user = cli->user.name;
    options.password = cli->user.password;
    options.password_file = cli->user.password_file;
    rv = client_new(&options, &cli->client, &err);
    if (rv != 0) {
        cli_fail_usage(cli, "%s", err.msg);
    } else {
        cli->spec->start(cli);
    }
    if (!cli->ended) {
        cli->running = true;
        loop_run(cli->loop);
        cli->running = false;
    }
    timer_stop(&cli->deadline);
    if (cli->watch != NULL) {
        client_watch_stop(cli->watch);
    }
    if (cli->spec->stop != NULL) {
        cli->spec->stop(cli);
    }
    if (cli->client != NULL) {
        client_free(cli->client);
    }
    loop_free(cli->loop);
}

int cli_main(struct cli *cli, const struct cli_spec *spec, int argc, char **argv)
{
    struct cli_flag flags[FLAGS_MAX];
    struct err err = ERR_INIT;
    bool help;
    size_t n;

    log_set_level(LOG_OFF);
    signal(SIGPIPE, SIG_IGN);
    cli->spec = spec;
    cli->endpoints = from_environment("BARQUE_ENDPOINTS", "ETCDCTL_ENDPOINTS", "127.0.0.1:2379");
    cli->namespace_ = from_environment("BARQUE_NAMESPACE", NULL, "default");
    cli->timeout_ms = spec->timeout_ms;
    buf_init(&cli->out);
    look_at_stdout(cli);
    n = all_flags(cli, spec, flags);
    if (cli_flags_parse(flags, n, &argc, argv, &help, &err) != 0) {
        cli_fail_usage(cli, "%s", err.msg);
    } else if (help) {
        print_help(cli, flags, n);
        cli_end(cli, CLI_OK);
    } else {
        cli->args = argv + 1;
        cli->n_args = (size_t)argc - 1;
        if (spec->no_client) {
            spec->start(cli);
        } else {
            run(cli);
        }
    }
    cli_user_fini(&cli->user);
    buf_fini(&cli->out);
    return cli->code;
}

/* --- what people call things ------------------------------------------------------------------ */

const struct kind *cli_kind(struct cli *cli, const char *word)
{
    const struct kind *kind = kind_by_word(word);
    autofree const char **names = NULL;
    const char *near;
    size_t n = 0;

    if (kind != NULL) {
        return kind;
    }
    names = mem_alloc(6 * kinds_n * sizeof *names);
    for (size_t i = 0; i < kinds_n; i++) {
        names[n++] = kinds[i]->plural;
        names[n++] = kinds[i]->singular;
        for (size_t s = 0; s < ARRAY_LEN(kinds[i]->short_names); s++) {
            if (kinds[i]->short_names[s] != NULL) {
                names[n++] = kinds[i]->short_names[s];
            }
        }
    }
    near = str_nearest(word, names, n);
    if (near != NULL) {
        cli_fail_usage(cli, "unknown kind \"%s\" (did you mean %s?)", word, near);
    } else {
        cli_fail_usage(cli, "unknown kind \"%s\" (known: pods, deployments, nodes, ...)", word);
    }
    return NULL;
}

const char *cli_namespace_of(const struct cli *cli, const struct kind *kind)
{
    return kind->namespaced ? cli->namespace_ : NULL;
}

bool cli_kind_and_name(struct cli *cli, size_t at, const struct kind **ret_kind,
                       const char **ret_name)
{
    char *slash;

    if (at >= cli->n_args) {
        cli_fail_usage(cli, "which object? Say KIND/NAME or KIND NAME");
        return false;
    }
    slash = strchr(cli->args[at], '/');
    if (slash != NULL) {
        *slash = 0;
        *ret_name = slash + 1;
    } else if (at + 1 < cli->n_args) {
        *ret_name = cli->args[at + 1];
    } else {
        cli_fail_usage(cli, "%s: which one? Say %s/NAME", cli->args[at], cli->args[at]);
        return false;
    }
    *ret_kind = cli_kind(cli, cli->args[at]);
    if (*ret_kind != NULL && *ret_name[0] == 0) {
        cli_fail_usage(cli, "the name after %s/ is empty", cli->args[at]);
        return false;
    }
    return *ret_kind != NULL;
}
