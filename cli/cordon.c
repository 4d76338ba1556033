/* `barque cordon` and `uncordon`: whether the scheduler may put new pods on a node. */
#include "cli/cli.h"

#include "api/core.h"
#include "cli/run.h"
#include "client/objects.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

static const char usage[] =
    "barque cordon, barque uncordon: whether new pods may be put on a node\n"
    "\n"
    "  barque cordon NODE\n"
    "  barque uncordon NODE\n"
    "\n"
    "Pods that run there go on running.\n"
    "\n"
    "Examples:\n"
    "  barque cordon n1 && barque get nodes\n";

struct cordon {
    struct cli cli;
    bool unschedulable, unchanged;
};

static int edit(void *arg, struct object *o, struct err *err)
{
    struct cordon *c = arg;
    bool *field = &object_node(o)->spec.unschedulable;

    (void)err;
    c->unchanged = *field == c->unschedulable;
    *field = c->unschedulable;
    return 0;
}

static void on_done(void *arg, struct objects_result *r)
{
    struct cordon *c = arg;

    if (r->status != 0) {
        cli_fail_call(&c->cli, r->status, r->err);
        return;
    }
    buf_printf(&c->cli.out, "node/%s %s%sed\n", r->object->metadata.name,
               c->unchanged ? "already " : "", c->cli.spec->name);
    cli_end(&c->cli, CLI_OK);
}

static void start(struct cli *cli)
{
    struct cordon *c = CLI_OF(cli, struct cordon);
    const char *name = cli->n_args == 1 ? cli->args[0] : "";

    name += str_starts(name, "node/") ? strlen("node/") : 0;
    if (name[0] == 0) {
        cli_fail_usage(cli, "say which node: barque %s NODE", cli->spec->name);
        return;
    }
    objects_modify(cli->client, &kind_node, NULL, name, edit, on_done, c);
}

static int run(const char *name, bool unschedulable, int argc, char **argv)
{
    struct cordon c = { .unschedulable = unschedulable };
    const struct cli_spec spec = { .name = name, .usage = usage, .start = start };

    return cli_main(&c.cli, &spec, argc, argv);
}

int verb_cordon(int argc, char **argv)
{
    return run("cordon", true, argc, argv);
}

int verb_uncordon(int argc, char **argv)
{
    return run("uncordon", false, argc, argv);
}
