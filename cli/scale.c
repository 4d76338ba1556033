/* `barque scale`: spec.replicas of a Deployment or ReplicaSet, read, changed and written
 * guarded. */
#include "cli/cli.h"

#include "api/apps.h"
#include "cli/run.h"
#include "client/objects.h"
#include "lib/base/alloc.h"

static const char usage[] =
    "barque scale: how many pods a Deployment or ReplicaSet shall have\n"
    "\n"
    "  barque scale KIND/NAME --replicas N\n"
    "\n"
    "Examples:\n"
    "  barque scale deployment/web --replicas 3\n"
    "  barque scale deploy web --replicas 5 --current-replicas 3     exit code 4 when it is not 3\n"
    "  barque scale deploy/web --replicas 0 && barque rollout status deploy/web\n";

enum { REPLICAS_MAX = 1000000 };

struct scale {
    struct cli cli;
    int64_t replicas, expected;
    int32_t was;
    const struct kind *kind;
    const char *name;
};

static int32_t *replicas_of(struct object *o)
{
    if (o->kind == &kind_deployment) {
        object_deployment(o)->spec.has_replicas = true;
        return &object_deployment(o)->spec.replicas;
    }
    object_replicaset(o)->spec.has_replicas = true;
    return &object_replicaset(o)->spec.replicas;
}

static int edit(void *arg, struct object *o, struct err *err)
{
    struct scale *s = arg;
    int32_t *replicas = replicas_of(o);

    s->was = *replicas;
    if (s->expected >= 0 && s->was != s->expected) {
        return err_set(err, E_CONFLICT, "%s/%s has %d replicas, not %lld", s->kind->singular,
                       s->name, (int)s->was, (long long)s->expected);
    }
    *replicas = (int32_t)s->replicas;
    return 0;
}

static void on_done(void *arg, struct objects_result *r)
{
    struct scale *s = arg;

    if (r->status != 0) {
        cli_fail_call(&s->cli, r->status, r->err);
        return;
    }
    buf_printf(&s->cli.out, "%s/%s scaled from %d to %lld\n", s->kind->singular, s->name,
               (int)s->was, (long long)s->replicas);
    cli_end(&s->cli, CLI_OK);
}

static void start(struct cli *cli)
{
    struct scale *s = CLI_OF(cli, struct scale);

    if (!cli_kind_and_name(cli, 0, &s->kind, &s->name)) {
        return;
    }
    if (s->kind != &kind_deployment && s->kind != &kind_replicaset) {
        cli_fail_usage(cli, "%s have no replicas: scale a deployment or a replicaset",
                       s->kind->plural);
    } else if (s->replicas < 0 || s->replicas > REPLICAS_MAX) {
        cli_fail_usage(cli, "say how many with --replicas N (0 to %d)", REPLICAS_MAX);
    } else {
        objects_modify(cli->client, s->kind, cli->namespace_, s->name, edit, on_done, s);
    }
}

int verb_scale(int argc, char **argv)
{
    struct scale s = { .replicas = -1, .expected = -1 };
    const struct cli_flag flags[] = {
        { "replicas", 0, CLI_INT, &s.replicas, "N", "how many" },
        { "current-replicas", 0, CLI_INT, &s.expected, "N", "only if there are N now" },
    };
    const struct cli_spec spec = { .name = "scale", .usage = usage, .flags = flags,
                                   .n_flags = ARRAY_LEN(flags), .start = start };

    return cli_main(&s.cli, &spec, argc, argv);
}
