/* `barque`: one binary, a table of subcommands. Servers and tools are rows here; everything people
 * type at a cluster (apply, get, kv, ...) is a row in cli's table. */
#include <stdio.h>

#include "bench/bench.h"
#include "cli/cli.h"
#include "cmd/command.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

#ifndef BARQUE_COMMIT
#define BARQUE_COMMIT "unknown"
#endif
const char *const barque_commit = BARQUE_COMMIT;

struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help; /* NULL = not for people */
    bool tool;        /* else a server */
};

static const struct subcommand subcommands[] = {
    { "master", command_master, "run a member with the controllers and the scheduler", false },
    { "agent", command_agent, "run one node's agent", false },
    { "store", command_store, "run one store member (etcd's v3 API, flags and variables)", false },
    { "demo", command_demo, "a whole cluster on this machine: look at it, kill it, measure", true },
    { "chaos", command_chaos, "break a cluster on purpose and check what it promised", true },
    { "bench", command_bench, "measure any server of etcd's v3 API", true },
    { "snapshot", command_snapshot, "save, look at and restore backups (etcd's files)", true },
    { "import", command_import, "make a cluster out of an etcd, or of its backup", true },
    { "export", command_import, "write the state as a file that etcd can be restored from", true },
    { "recover", command_recover, "a majority is lost for good: go on with what is left", true },
    { "shim", command_shim, NULL, false },
};

static void line(FILE *out, const char *name, const char *help)
{
    fprintf(out, "  %-12s %s\n", name, help);
}

static void own_lines(FILE *out, bool tools)
{
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++) {
        if (subcommands[i].help != NULL && subcommands[i].tool == tools) {
            line(out, subcommands[i].name, subcommands[i].help);
        }
    }
}

static void usage(FILE *out)
{
    fprintf(out, "barque: a fault-tolerant control plane\n\nUsage: barque COMMAND [flags]\n");
    for (size_t g = 0; g < CLI_GROUPS; g++) {
        fprintf(out, "\n%s:\n", cli_group_titles[g]);
        for (size_t i = 0; i < cli_verbs_n; i++) {
            if (cli_verbs[i].group == g) {
                line(out, cli_verbs[i].name, cli_verbs[i].help);
            }
        }
        if (g == CLI_GROUP_TOOLS) {
            own_lines(out, true);
        }
    }
    fprintf(out, "\nServers:\n");
    own_lines(out, false);
    fprintf(out, "\nbarque COMMAND --help tells more. BARQUE_ENDPOINTS names the cluster's "
                 "members.\n");
}

static int unknown(const char *name)
{
    autofree const char **names =
        mem_alloc((ARRAY_LEN(subcommands) + cli_verbs_n) * sizeof *names);
    const char *near;
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++) {
        if (subcommands[i].help != NULL) {
            names[n++] = subcommands[i].name;
        }
    }
    for (size_t i = 0; i < cli_verbs_n; i++) {
        names[n++] = cli_verbs[i].name;
    }
    near = str_nearest(name, names, n);
    fprintf(stderr, "barque: unknown command \"%s\"%s%s%s. Next: barque --help\n", name,
            near != NULL ? " (did you mean " : "", near != NULL ? near : "",
            near != NULL ? "?)" : "");
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    const struct cli_verb *verb;

    if (argc < 2 || str_eq(argv[1], "-h") || str_eq(argv[1], "--help") ||
        str_eq(argv[1], "help")) {
        usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++) {
        if (str_eq(argv[1], subcommands[i].name)) {
            return subcommands[i].run(argc - 1, argv + 1);
        }
    }
    verb = cli_verb_find(str_eq(argv[1], "--version") ? "version" : argv[1]);
    return verb != NULL ? verb->run(argc - 1, argv + 1) : unknown(argv[1]);
}
