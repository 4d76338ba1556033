/* `barque describe`: an object for people, and the events that concern it. */
#include "cli/cli.h"

#include <stdlib.h>

#include "api/core.h"
#include "cli/columns.h"
#include "cli/describe_text.h"
#include "cli/run.h"
#include "client/objects.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

static const char usage[] =
    "barque describe: one object for people, with the events that concern it\n"
    "\n"
    "  barque describe KIND/NAME | KIND NAME\n"
    "\n"
    "Examples:\n"
    "  barque describe pod/web-1          why it does not run stands under Conditions and Events\n"
    "  barque describe node n1\n";

struct describe {
    struct cli cli;
    struct object *object;
};

static bool concerns(const struct event *e, const struct object *o)
{
    const struct object_reference *r = &e->involved_object;
    const char *uid = o->metadata.uid;

    if (r->uid != NULL && r->uid[0] != 0 && uid != NULL) {
        return str_eq(r->uid, uid);
    }
    return str_eq(r->kind, o->kind->kind) && str_eq(r->name, o->metadata.name);
}

static int by_time(const void *a_, const void *b_)
{
    const struct event *a = object_event(*(struct object *const *)a_);
    const struct event *b = object_event(*(struct object *const *)b_);

    int d = strcmp(a->last_timestamp != NULL ? a->last_timestamp : "",
                   b->last_timestamp != NULL ? b->last_timestamp : "");
    int64_t ra = a->object.metadata.resource_version, rb = b->object.metadata.resource_version;

    return d != 0 ? d : ra < rb ? -1 : ra > rb;
}

static void on_events(void *arg, struct objects_result *r)
{
    static const struct column_options options = { 0 };
    struct describe *d = arg;
    struct buf *out = &d->cli.out;
    struct table t;
    size_t n = 0;

    if (r->status != 0) {
        cli_fail_call(&d->cli, r->status, r->err);
        return;
    }
    qsort(r->items, r->n_items, sizeof *r->items, by_time);
    table_init(&t, columns_count(&kind_event, &options));
    columns_title(&kind_event, &options, &t);
    for (size_t i = 0; i < r->n_items; i++) {
        if (concerns(object_event(r->items[i]), d->object)) {
            columns_row(r->items[i], &options, loop_wall_ms(d->cli.loop), &t);
            n++;
        }
    }
    buf_append_str(out, n == 0 ? "Events:            <none>\n" : "Events:\n");
    if (n != 0) {
        table_print(&t, &d->cli.style, out);
    }
    table_fini(&t);
    cli_end(&d->cli, CLI_OK);
}

static void on_got(void *arg, struct objects_result *r)
{
    struct describe *d = arg;

    if (r->status != 0) {
        cli_fail_call(&d->cli, r->status, r->err);
        return;
    }
    d->object = TAKE(r->object);
    describe_text(d->object, loop_wall_ms(d->cli.loop), &d->cli.out);
    /* Events of nodes and the like lie in some namespace of their writer's. */
    objects_list(d->cli.client, &kind_event, d->object->metadata.namespace_, on_events, d);
}

static void start(struct cli *cli)
{
    struct describe *d = CLI_OF(cli, struct describe);
    const struct kind *kind;
    const char *name;

    if (cli_kind_and_name(cli, 0, &kind, &name)) {
        objects_get(cli->client, kind, cli_namespace_of(cli, kind), name, on_got, d);
    }
}

int verb_describe(int argc, char **argv)
{
    struct describe d = { .object = NULL };
    const struct cli_spec spec = { .name = "describe", .usage = usage, .start = start };
    int code = cli_main(&d.cli, &spec, argc, argv);

    object_free(d.object);
    return code;
}
