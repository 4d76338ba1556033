/* `barque delete`: objects go; a pod that has processes is first stopped by its node.
 *
 *     for each object:   GET --> a bound pod: mark deletionTimestamp (guarded) --+
 *                         ^  \-> all else: delete (guarded)                      |
 *                         +---- changed in between ------------------------------+
 *     then, unless --wait=false, for each marked pod: watch its key until it is gone
 *
 * What a Deployment or ReplicaSet owns is removed by the owner-gc controller. */
#include "cli/cli.h"

#include "api/meta.h"
#include "api/selector.h"
#include "cli/files.h"
#include "client/objects.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/base/timestamp.h"

static const char usage[] =
    "barque delete: remove objects\n"
    "\n"
    "  barque delete KIND NAME... | KIND/NAME... | KIND -l LABELS | KIND --all | -f FILE\n"
    "\n"
    "A running pod gets its grace period; the command waits until it is gone. What a Deployment\n"
    "made goes with it.\n"
    "\n"
    "Examples:\n"
    "  barque delete deployment web\n"
    "  barque delete pods -l app=web --wait=false\n"
    "  barque delete pod/web-1 --force          at once, without its node's answer\n";

enum { WAIT_MS = 120000, TRIES_MAX = 16 };

struct target {
    const struct kind *kind;
    char *namespace_, *name;
    int64_t marked_at; /* revision of the mark that a pod got; 0 = nothing to wait for */
};

struct delete {
    struct cli cli;
    struct cli_list files;
    const char *selector_text;
    struct label_selector selector;
    bool all, force, no_error, wait;
    const struct kind *listed;
    struct target *targets;
    size_t n, cap, at;
    uint32_t tries;
    size_t missing;
    bool waiting;
};

static void delete_next(struct delete *d);
static void wait_next(struct delete *d);

static void target_add(struct delete *d, const struct kind *kind, const char *namespace_,
                       const char *name)
{
    d->targets = mem_grow(d->targets, &d->cap, d->n + 1, sizeof *d->targets);
    d->targets[d->n++] = (struct target){
        kind, namespace_ != NULL ? mem_strdup(namespace_) : NULL, mem_strdup(name), 0,
    };
}

static struct target *present(struct delete *d)
{
    return &d->targets[d->at];
}

static void say(struct delete *d, const char *what)
{
    buf_printf(&d->cli.out, "%s/%s %s\n", present(d)->kind->singular, present(d)->name, what);
    cli_flush(&d->cli);
    d->at++;
}

/* --- one object ------------------------------------------------------------------------------- */

static void look(struct delete *d);

static void missing(struct delete *d)
{
    const struct target *t = present(d);

    if (!d->no_error) {
        cli_note(&d->cli, "barque delete: %s/%s not found", t->kind->singular, t->name);
        d->missing++;
    }
    d->at++;
    delete_next(d);
}

/* True when the answer of a guarded write was dealt with. */
static bool failed(struct delete *d, const struct objects_result *r)
{
    if (r->status == 0) {
        return false;
    }
    if (r->status == E_CONFLICT && d->tries < TRIES_MAX) {
        look(d);
    } else if (r->status == E_NOTFOUND) {
        missing(d);
    } else {
        cli_fail_call(&d->cli, r->status, r->err);
    }
    return true;
}

static void on_deleted(void *arg, struct objects_result *r)
{
    struct delete *d = arg;

    if (!failed(d, r)) {
        say(d, d->force ? "deleted by force" : "deleted");
        delete_next(d);
    }
}

static void on_marked(void *arg, struct objects_result *r)
{
    struct delete *d = arg;

    if (!failed(d, r)) {
        present(d)->marked_at = r->revision;
        if (d->wait) {
            d->at++;
        } else {
            say(d, "is being deleted");
        }
        delete_next(d);
    }
}

static void mark(struct delete *d, const struct object *o)
{
    struct object *copy = object_copy(o);
    char now[32];

    clock_format(loop_wall_ms(d->cli.loop), now, sizeof now);
    string_set(&copy->metadata.deletion_timestamp, now);
    copy->metadata.deletion_grace_period_seconds =
        object_pod(o)->spec.termination_grace_period_seconds;
    objects_update(d->cli.client, copy, on_marked, d);
    object_free(copy);
}

static void on_looked(void *arg, struct objects_result *r)
{
    struct delete *d = arg;
    const struct object *o = r->object;

    if (failed(d, r)) {
        return;
    }
    if (o->kind != &kind_pod || d->force || object_pod(o)->spec.node_name == NULL ||
        pod_is_terminal(object_pod(o))) {
        objects_delete(d->cli.client, o->kind, o->metadata.namespace_, o->metadata.name,
                       o->metadata.resource_version, on_deleted, d);
    } else if (o->metadata.deletion_timestamp == NULL) {
        mark(d, o);
    } else {
        struct objects_result marked = { .revision = o->metadata.resource_version };
        on_marked(d, &marked);
    }
}

static void look(struct delete *d)
{
    const struct target *t = present(d);

    d->tries++;
    objects_get(d->cli.client, t->kind, t->namespace_, t->name, on_looked, d);
}

static void delete_next(struct delete *d)
{
    if (d->cli.ended) {
        return;
    }
    d->tries = 0;
    if (d->at < d->n) {
        look(d);
        return;
    }
    d->at = 0;
    d->waiting = true;
    wait_next(d);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void gone(struct delete *d)
{
    client_watch_stop(TAKE(d->cli.watch));
    say(d, "deleted");
    wait_next(d);
}

static void on_events(void *arg, const struct client_event *events, size_t n, int64_t revision)
{
    struct delete *d = arg;

    (void)revision;
    for (size_t i = 0; i < n; i++) {
        if (events[i].type == EVENT_DELETE) {
            gone(d);
            return;
        }
    }
}

static void on_watch_end(void *arg, int status, int64_t compact_revision, const struct err *err)
{
    struct delete *d = arg;

    (void)compact_revision;
    d->cli.watch = NULL;
    cli_fail_call(&d->cli, status, err);
}

static void wait_next(struct delete *d)
{
    autobuf key = BUF_INIT;

    while (d->at < d->n && (present(d)->marked_at == 0 || !d->wait)) {
        d->at++;
    }
    if (d->at == d->n) {
        cli_end(&d->cli, d->missing != 0 ? CLI_NOTFOUND : CLI_OK);
        return;
    }
    kind_key(present(d)->kind, present(d)->namespace_, present(d)->name, &key);
    struct client_watch_options options = {
        .key = buf_slice(&key),
        .start_revision = present(d)->marked_at + 1,
        .on_events = on_events,
        .on_end = on_watch_end,
        .arg = d,
    };
    d->cli.watch = client_watch_start(d->cli.client, &options);
}

static void on_timeout(struct cli *cli)
{
    struct delete *d = CLI_OF(cli, struct delete);

    if (d->waiting && d->at < d->n) {
        cli_fail(cli, CLI_TIMEOUT, "barque get pods -o wide, or delete with --force",
                 "time is over (--timeout): %s/%s is still there", present(d)->kind->singular,
                 present(d)->name);
    }
}

/* --- which ------------------------------------------------------------------------------------ */

static void on_listed(void *arg, struct objects_result *r)
{
    struct delete *d = arg;

    if (r->status != 0) {
        cli_fail_call(&d->cli, r->status, r->err);
        return;
    }
    for (size_t i = 0; i < r->n_items; i++) {
        const struct object_meta *m = &r->items[i]->metadata;

        if (label_selector_matches(&d->selector, &m->labels)) {
            target_add(d, d->listed, m->namespace_, m->name);
        }
    }
    if (d->n == 0) {
        cli_note(&d->cli, "No such %s.", d->listed->plural);
    }
    delete_next(d);
}

/* False when the arguments are wrong (the verb was ended). */
static bool from_arguments(struct delete *d)
{
    struct cli *cli = &d->cli;
    const struct kind *kind;
    const char *name;

    if (cli->n_args > 0 && strchr(cli->args[0], '/') == NULL) {
        kind = cli_kind(cli, cli->args[0]);
        for (size_t i = 1; kind != NULL && i < cli->n_args; i++) {
            target_add(d, kind, cli_namespace_of(cli, kind), cli->args[i]);
        }
        d->listed = cli->n_args == 1 ? kind : NULL;
        return kind != NULL;
    }
    for (size_t i = 0; i < cli->n_args; i++) {
        if (!cli_kind_and_name(cli, i, &kind, &name)) {
            return false;
        }
        target_add(d, kind, cli_namespace_of(cli, kind), name);
    }
    return true;
}

static bool from_files(struct delete *d)
{
    struct manifest_objects m = { 0 };
    bool ok = d->files.n == 0 || manifest_objects_read(&d->cli, &d->files, &m);

    /* The last first: what is in a namespace before the namespace. */
    for (size_t i = m.n; i-- > 0;) {
        if (m.items[i]->metadata.name != NULL) {
            target_add(d, m.items[i]->kind, m.items[i]->metadata.namespace_,
                       m.items[i]->metadata.name);
        }
    }
    manifest_objects_fini(&m);
    return ok;
}

static void start(struct cli *cli)
{
    struct delete *d = CLI_OF(cli, struct delete);
    bool selecting = d->all || d->selector_text[0] != 0;
    struct err err;

    if (label_selector_parse(d->selector_text, &d->selector, &err) != 0) {
        cli_fail_usage(cli, "-l: %s", err.msg);
        return;
    }
    if (!from_arguments(d) || !from_files(d)) {
        return;
    }
    if (d->listed != NULL ? !selecting : selecting || d->n == 0) {
        cli_fail_usage(cli, "say what to delete: KIND NAME, KIND -l LABELS, KIND --all or -f FILE");
        return;
    }
    cli_wait_start(cli, on_timeout);
    if (d->listed != NULL) {
        objects_list(cli->client, d->listed, cli_namespace_of(cli, d->listed), on_listed, d);
    } else {
        delete_next(d);
    }
}

int verb_delete(int argc, char **argv)
{
    struct delete d = { .selector_text = "", .wait = true };
    const struct cli_flag flags[] = {
        { "filename", 'f', CLI_LIST, &d.files, "FILE", "what these manifests name" },
        { "selector", 'l', CLI_STRING, &d.selector_text, "LABELS", "all of the kind with them" },
        { "all", 0, CLI_BOOL, &d.all, NULL, "all of the kind in the namespace" },
        { "force", 0, CLI_BOOL, &d.force, NULL, "pods: at once, not waiting for their node" },
        { "wait", 0, CLI_BOOL, &d.wait, NULL, "until pods are gone (true)" },
        { "ignore-not-found", 0, CLI_BOOL, &d.no_error, NULL, "what is gone already is fine" },
    };
    const struct cli_spec spec = { .name = "delete", .usage = usage, .flags = flags,
                                   .n_flags = ARRAY_LEN(flags), .start = start,
                                   .timeout_ms = WAIT_MS, .waits = true };
    int code = cli_main(&d.cli, &spec, argc, argv);

    for (size_t i = 0; i < d.n; i++) {
        mem_free(d.targets[i].namespace_);
        mem_free(d.targets[i].name);
    }
    mem_free(d.targets);
    label_selector_fini(&d.selector);
    return code;
}
