/* `barque rollout`: the history of a Deployment's templates, and moving in it.
 *
 * Each template that a Deployment ever had is kept in a ReplicaSet, numbered by an annotation. Undo
 * writes an old template back; the controller does the rest. */
#include "cli/cli.h"

#include <inttypes.h>
#include <stdlib.h>

#include "api/meta.h"
#include "cli/rollout_wait.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/base/timestamp.h"

static const char usage[] =
    "barque rollout: the history of a Deployment\n"
    "\n"
    "  barque rollout status deploy/NAME     waits until it is complete (exit code 6: --timeout)\n"
    "  barque rollout history deploy/NAME    its revisions\n"
    "  barque rollout undo deploy/NAME       back to the previous one, or --to-revision N\n"
    "  barque rollout restart deploy/NAME    new pods, a few at a time\n"
    "  barque rollout pause|resume deploy/NAME\n"
    "\n"
    "Examples:\n"
    "  barque rollout undo deploy/web --to-revision 1 && barque rollout status deploy/web\n";

#define ANNOTATION_RESTARTED "kubectl.kubernetes.io/restartedAt"

struct rollout {
    struct cli cli;
    int64_t to_revision;
    bool watching;
    const char *action, *name;
    struct object *deployment;
    struct object **sets; /* owned by it, oldest revision first */
    size_t n_sets;
    const struct replicaset *target;
    struct rollout_wait wait;
};

static int64_t revision_of(const struct object_meta *m)
{
    const char *text = string_map_get(&m->annotations, ANNOTATION_REVISION);
    int64_t v = 0;

    return text != NULL && str_parse_i64(text, &v) == 0 ? v : 0;
}

/* --- status ----------------------------------------------------------------------------------- */

static void on_complete(struct rollout_wait *w)
{
    cli_end(w->cli, CLI_OK);
}

static void on_timeout(struct cli *cli)
{
    rollout_wait_timeout(&CLI_OF(cli, struct rollout)->wait);
}

static void on_state(void *arg, struct objects_result *r)
{
    struct rollout *o = arg;

    if (r->status != 0) {
        cli_fail_call(&o->cli, r->status, r->err);
        return;
    }
    enum rollout_state state = rollout_state_of(object_deployment(r->object), &o->cli.out);
    buf_append_char(&o->cli.out, '\n');
    cli_end(&o->cli, state == ROLLOUT_FAILED ? CLI_FAILED : CLI_OK);
}

static void status(struct rollout *o)
{
    if (!o->watching) {
        objects_get(o->cli.client, &kind_deployment, o->cli.namespace_, o->name, on_state, o);
        return;
    }
    cli_wait_start(&o->cli, on_timeout);
    rollout_wait_start(&o->wait, &o->cli, o->cli.namespace_, o->name, on_complete);
}

/* --- history, undo: with the ReplicaSets ------------------------------------------------------ */

static void put_history(struct rollout *o)
{
    static const char *const titles[] = { "REVISION", "REPLICASET", "PODS", "AGE", "CHANGE-CAUSE" };
    struct table t;

    table_init(&t, ARRAY_LEN(titles));
    for (size_t i = 0; i < ARRAY_LEN(titles); i++) {
        table_add(&t, titles[i], TONE_PLAIN);
    }
    for (size_t i = 0; i < o->n_sets; i++) {
        const struct object_meta *m = &o->sets[i]->metadata;
        int64_t born_ms = 0;
        char age[24] = "<unknown>";

        if (m->creation_timestamp != NULL && clock_parse(m->creation_timestamp, &born_ms) == 0) {
            clock_format_age(loop_wall_ms(o->cli.loop) - born_ms, age, sizeof age);
        }
        table_addf(&t, TONE_PLAIN, "%" PRId64, revision_of(m));
        table_add(&t, m->name, TONE_PLAIN);
        table_addf(&t, TONE_PLAIN, "%d", (int)object_replicaset(o->sets[i])->status.replicas);
        table_add(&t, age, TONE_PLAIN);
        table_add(&t, string_map_get(&m->annotations, ANNOTATION_CHANGE_CAUSE), TONE_PLAIN);
    }
    table_print(&t, &o->cli.style, &o->cli.out);
    table_fini(&t);
    cli_end(&o->cli, CLI_OK);
}

static int write_back(void *arg, struct object *object, struct err *err)
{
    struct rollout *o = arg;
    struct pod_template *t = &object_deployment(object)->spec.template_;

    if (object_deployment(object)->spec.paused) {
        return err_set(err, E_CONFLICT, "deployment \"%s\" is paused: `barque rollout resume "
                       "deploy/%s` first", o->name, o->name);
    }
    pod_template_copy(t, &o->target->spec.template_);
    string_map_remove(&t->metadata.labels, LABEL_POD_TEMPLATE_HASH);
    return 0;
}

static void on_undone(void *arg, struct objects_result *r)
{
    struct rollout *o = arg;

    if (r->status != 0) {
        cli_fail_call(&o->cli, r->status, r->err);
        return;
    }
    buf_printf(&o->cli.out, "deployment/%s rolled back to revision %" PRId64 "\n", o->name,
               revision_of(&o->target->object.metadata));
    cli_end(&o->cli, CLI_OK);
}

/* The wanted revision, or the newest whose template is not the present one. */
static const struct replicaset *choose(const struct rollout *o)
{
    const struct pod_template *now = &object_deployment(o->deployment)->spec.template_;

    for (size_t i = o->n_sets; i-- > 0;) {
        const struct replicaset *rs = object_replicaset(o->sets[i]);

        if (o->to_revision != 0 ? revision_of(&o->sets[i]->metadata) == o->to_revision
                                : !pod_template_equal(&rs->spec.template_, now)) {
            return rs;
        }
    }
    return NULL;
}

static void undo(struct rollout *o)
{
    autofree char *next = mem_printf("barque rollout history deploy/%s", o->name);

    o->target = choose(o);
    if (o->target == NULL && o->to_revision != 0) {
        cli_fail(&o->cli, CLI_NOTFOUND, next, "deployment \"%s\" has no revision %" PRId64,
                 o->name, o->to_revision);
    } else if (o->target == NULL) {
        cli_fail(&o->cli, CLI_NOTFOUND, next, "deployment \"%s\" has no previous revision",
                 o->name);
    } else {
        objects_modify(o->cli.client, &kind_deployment, o->cli.namespace_, o->name, write_back,
                       on_undone, o);
    }
}

static int by_revision(const void *a, const void *b)
{
    int64_t ra = revision_of(&(*(struct object *const *)a)->metadata);
    int64_t rb = revision_of(&(*(struct object *const *)b)->metadata);

    return ra < rb ? -1 : ra > rb;
}

static void on_sets(void *arg, struct objects_result *r)
{
    struct rollout *o = arg;

    if (r->status != 0) {
        cli_fail_call(&o->cli, r->status, r->err);
        return;
    }
    o->sets = mem_zalloc((r->n_items + 1) * sizeof *o->sets);
    for (size_t i = 0; i < r->n_items; i++) {
        const struct owner_reference *owner = object_controller_of(r->items[i]);

        if (owner != NULL && str_eq(owner->uid, o->deployment->metadata.uid)) {
            o->sets[o->n_sets++] = TAKE(r->items[i]);
        }
    }
    qsort(o->sets, o->n_sets, sizeof *o->sets, by_revision);
    if (str_eq(o->action, "undo")) {
        undo(o);
    } else {
        put_history(o);
    }
}

static void on_deployment(void *arg, struct objects_result *r)
{
    struct rollout *o = arg;

    if (r->status != 0) {
        cli_fail_call(&o->cli, r->status, r->err);
        return;
    }
    o->deployment = TAKE(r->object);
    objects_list(o->cli.client, &kind_replicaset, o->cli.namespace_, on_sets, o);
}

static void with_history(struct rollout *o)
{
    objects_get(o->cli.client, &kind_deployment, o->cli.namespace_, o->name, on_deployment, o);
}

/* --- restart, pause, resume ------------------------------------------------------------------- */

static int restart_or_pause(void *arg, struct object *object, struct err *err)
{
    struct rollout *o = arg;
    struct deployment *d = object_deployment(object);
    char now[32];

    (void)err;
    if (!str_eq(o->action, "restart")) {
        d->spec.paused = str_eq(o->action, "pause");
        return 0;
    }
    clock_format(loop_wall_ms(o->cli.loop), now, sizeof now);
    string_map_set(&d->spec.template_.metadata.annotations, ANNOTATION_RESTARTED, now);
    return 0;
}

static void on_edited(void *arg, struct objects_result *r)
{
    struct rollout *o = arg;

    if (r->status != 0) {
        cli_fail_call(&o->cli, r->status, r->err);
        return;
    }
    buf_printf(&o->cli.out, "deployment/%s %s%s\n", o->name, o->action,
               str_eq(o->action, "restart") ? "ed" : "d");
    cli_end(&o->cli, CLI_OK);
}

static void change(struct rollout *o)
{
    objects_modify(o->cli.client, &kind_deployment, o->cli.namespace_, o->name, restart_or_pause,
                   on_edited, o);
}

/* --- which ------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    void (*run)(struct rollout *o);
} actions[] = {
    { "status", status },    { "history", with_history }, { "undo", with_history },
    { "restart", change },   { "pause", change },         { "resume", change },
};

static void start(struct cli *cli)
{
    struct rollout *o = CLI_OF(cli, struct rollout);
    const char *names[ARRAY_LEN(actions)];
    const struct kind *kind;
    const char *near;

    if (cli->n_args == 0) {
        cli_fail_usage(cli, "what? status, history, undo, restart, pause or resume");
        return;
    }
    o->action = cli->args[0];
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        names[i] = actions[i].name;
        if (!str_eq(o->action, actions[i].name)) {
            continue;
        }
        if (!cli_kind_and_name(cli, 1, &kind, &o->name)) {
            return;
        }
        if (kind != &kind_deployment) {
            cli_fail_usage(cli, "%s have no rollouts: name a deployment", kind->plural);
            return;
        }
        actions[i].run(o);
        return;
    }
    near = str_nearest(o->action, names, ARRAY_LEN(names));
    cli_fail_usage(cli, "unknown action \"%s\"%s%s%s", o->action,
                   near != NULL ? " (did you mean " : "", near != NULL ? near : "",
                   near != NULL ? "?)" : "");
}

int verb_rollout(int argc, char **argv)
{
    struct rollout o = { .watching = true };
    const struct cli_flag flags[] = {
        { "to-revision", 0, CLI_INT, &o.to_revision, "N", "undo: to this one (the previous)" },
        { "watch", 'w', CLI_BOOL, &o.watching, NULL, "status: until it is complete (true)" },
    };
    const struct cli_spec spec = { .name = "rollout", .usage = usage, .flags = flags,
                                   .n_flags = ARRAY_LEN(flags), .start = start, .waits = true };
    int code = cli_main(&o.cli, &spec, argc, argv);

    for (size_t i = 0; i < o.n_sets; i++) {
        object_free(o.sets[i]);
    }
    mem_free(o.sets);
    object_free(o.deployment);
    rollout_wait_fini(&o.wait);
    return code;
}
