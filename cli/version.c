/* `barque version`: this program's. */
#include "cli/cli.h"

#include "cli/run.h"

static const char usage[] = "barque version: of this program\n"
                            "\n"
                            "  barque version\n"
                            "\n"
                            "`barque status` shows the version of each member.\n";

static void start(struct cli *cli)
{
    buf_printf(&cli->out, "barque %s\n", BARQUE_VERSION);
    cli_end(cli, CLI_OK);
}

int verb_version(int argc, char **argv)
{
    struct cli cli = { .code = 0 };
    const struct cli_spec spec = { .name = "version", .usage = usage, .start = start,
                                   .no_client = true };

    return cli_main(&cli, &spec, argc, argv);
}
