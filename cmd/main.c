/* `barque`: one binary, a table of subcommands. Servers are rows here; everything people type at
 * a cluster (apply, get, kv, ...) is a row in cli's table. */
#include <stdio.h>

#include "bench/bench.h"
#include "bench/bench.h"
#include "cmd/command.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

#ifndef BARQUE_COMMIT
#define BARQUE_COMMIT "unknown"
#endif
const char *const barque_commit = BARQUE_COMMIT;

struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
};

static const struct subcommand subcommands[] = {
    { "store", command_store, "run one store member (etcd's v3 API, flags and variables)" },
    { "master", command_master, "run a member with the controllers and the scheduler" },
    { "agent", command_agent, "run one node's agent" },
    { "bench", command_bench, "load for this or any server of etcd's API, and what it costs" },
    { "demo", command_demo, "a whole cluster on this machine: look at it, kill it, measure it" },
    { "bench", command_bench, "load generator for Barque and etcd alike" },
    { "shim", command_shim, NULL },
};

static void usage(FILE *out)
{
    fprintf(out, "barque: a fault-tolerant control plane\n\nUsage: barque COMMAND [flags]\n\n");
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++) {
        if (subcommands[i].help != NULL) {
            fprintf(out, "  %-12s %s\n", subcommands[i].name, subcommands[i].help);
        }
    }
    fprintf(out, "\nbarque COMMAND --help tells more.\n");
}

int main(int argc, char **argv)
{
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
    const char *names[ARRAY_LEN(subcommands)];
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++) {
        names[i] = subcommands[i].name;
    }
    const char *near = str_nearest(argv[1], names, ARRAY_LEN(names));
    fprintf(stderr, "barque: unknown command \"%s\"%s%s%s. Next: barque --help\n", argv[1],
            near != NULL ? " (did you mean " : "", near != NULL ? near : "",
            near != NULL ? "?)" : "");
    return EXIT_USAGE;
}
