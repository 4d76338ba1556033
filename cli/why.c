/* `barque why`: the chain from what was asked for to the cause why it is not there.
 *
 *     deployment/web: 6 wanted, 0 available
 *       replicaset/web-mz2mwvglzf: 6 wanted, 0 ready
 *         6 pods: each has no node: 0/3 nodes fit: 3 cpu short by 86
 *           pod/web-mz2mwvglzf-7c2d2 and 5 more
 *     Next: barque get nodes -o wide
 *
 * Pods with the same cause are told once, with their count. */
#include "cli/cli.h"

#include "api/apps.h"
#include "cli/run.h"
#include "cli/why_text.h"
#include "client/objects.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

static const char usage[] =
    "barque why: the chain of causes why something is not as it should be\n"
    "\n"
    "  barque why pod/NAME | replicaset/NAME | deployment/NAME\n"
    "\n"
    "Examples:\n"
    "  barque why deploy/web            which constraint no node satisfies, which container ends\n"
    "  barque why pod web-1\n";

enum { SETS, PODS, NODES, LISTS };

struct list_of {
    struct object **items;
    size_t n;
};

struct why {
    struct cli cli;
    struct object *target;
    struct list_of lists[LISTS];
    size_t at;
    char *next; /* the command to try: of the first cause found */
};

/* One cause and the pods that it holds for. */
struct group {
    char *text;
    const char *first;
    size_t n;
};

/* --- telling ---------------------------------------------------------------------------------- */

static const struct node *node_of(const struct why *w, const struct pod *p)
{
    for (size_t i = 0; i < w->lists[NODES].n; i++) {
        if (str_eq(w->lists[NODES].items[i]->metadata.name, p->spec.node_name)) {
            return object_node(w->lists[NODES].items[i]);
        }
    }
    return NULL;
}

static void keep_next(struct why *w, enum why_cause cause, const struct pod *p)
{
    const char *ns = p->object.metadata.namespace_, *name = p->object.metadata.name;

    if (w->next != NULL) {
        return;
    }
    if (cause == WHY_UNPLACED) {
        w->next = mem_strdup("barque get nodes -o wide");
    } else if (cause == WHY_NODE) {
        w->next = mem_printf("barque describe node/%s", p->spec.node_name);
    } else if (cause == WHY_CONTAINER) {
        w->next = mem_printf("barque logs %s%s -n %s", name,
                             p->status.n_container_statuses > 0 &&
                                     p->status.container_statuses[0].restart_count > 0
                                 ? " -p"
                                 : "",
                             ns);
    }
}

/* Pods owned by `uid`, or all when it is NULL, by cause. */
static void put_pods(struct why *w, const struct list_of *pods, const char *uid, int indent)
{
    autofree struct group *groups = mem_zalloc((pods->n + 1) * sizeof *groups);
    size_t n = 0;

    for (size_t i = 0; i < pods->n; i++) {
        const struct pod *p = object_pod(pods->items[i]);
        const struct owner_reference *owner = object_controller_of(pods->items[i]);
        autobuf text = BUF_INIT;
        size_t k = 0;

        if (uid != NULL && (owner == NULL || !str_eq(owner->uid, uid))) {
            continue;
        }
        keep_next(w, why_pod(p, node_of(w, p), &text), p);
        while (k < n && !str_eq(groups[k].text, buf_str(&text))) {
            k++;
        }
        if (k == n) {
            groups[n++] = (struct group){ buf_take(&text), p->object.metadata.name, 0 };
        }
        groups[k].n++;
    }
    for (size_t k = 0; k < n; k++) {
        struct buf *out = &w->cli.out;

        if (groups[k].n == 1) {
            buf_printf(out, "%*spod/%s %s\n", indent, "", groups[k].first, groups[k].text);
        } else {
            buf_printf(out, "%*s%zu pods: each %s\n%*spod/%s and %zu more\n", indent, "",
                       groups[k].n, groups[k].text, indent + 2, "", groups[k].first,
                       groups[k].n - 1);
        }
        mem_free(groups[k].text);
    }
    if (n == 0) {
        buf_printf(&w->cli.out, "%*sno pods\n", indent, "");
    }
}

static void put_set(struct why *w, const struct replicaset *rs, int indent)
{
    buf_printf(&w->cli.out, "%*sreplicaset/%s: %d wanted, %d ready\n", indent, "",
               rs->object.metadata.name, (int)rs->spec.replicas, (int)rs->status.ready_replicas);
    put_pods(w, &w->lists[PODS], rs->object.metadata.uid, indent + 2);
}

static void put_deployment(struct why *w)
{
    const struct deployment *d = object_deployment(w->target);
    struct buf *out = &w->cli.out;
    size_t n = 0;

    buf_printf(out, "deployment/%s: %d wanted, %d available%s\n", w->target->metadata.name,
               (int)d->spec.replicas, (int)d->status.available_replicas,
               d->spec.paused ? ", paused" : "");
    for (size_t i = 0; i < w->lists[SETS].n; i++) {
        const struct replicaset *rs = object_replicaset(w->lists[SETS].items[i]);
        const struct owner_reference *owner = object_controller_of(w->lists[SETS].items[i]);

        if (owner != NULL && str_eq(owner->uid, w->target->metadata.uid) &&
            (rs->spec.replicas > 0 || rs->status.replicas > 0)) {
            put_set(w, rs, 2);
            n++;
        }
    }
    if (n == 0 && d->spec.replicas > 0) {
        buf_append_str(out, "  no replicaset: no controller has looked at it yet\n");
        if (w->next == NULL) {
            w->next = mem_strdup("barque status (does somebody lead the controllers?)");
        }
    }
}

static void show(struct why *w)
{
    if (w->target->kind == &kind_deployment) {
        put_deployment(w);
    } else if (w->target->kind == &kind_replicaset) {
        put_set(w, object_replicaset(w->target), 0);
    } else {
        struct list_of one = { &w->target, 1 };

        put_pods(w, &one, NULL, 0);
    }
    if (w->next != NULL) {
        buf_printf(&w->cli.out, "Next: %s\n", w->next);
    }
    cli_end(&w->cli, CLI_OK);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void ask_lists(struct why *w);

static void on_listed(void *arg, struct objects_result *r)
{
    struct why *w = arg;
    struct list_of *to = &w->lists[w->at++];

    if (r->status != 0) {
        cli_fail_call(&w->cli, r->status, r->err);
        return;
    }
    to->items = mem_zalloc((r->n_items + 1) * sizeof *to->items);
    for (size_t i = 0; i < r->n_items; i++) {
        to->items[to->n++] = TAKE(r->items[i]);
    }
    ask_lists(w);
}

static void ask_lists(struct why *w)
{
    static const struct kind *const wanted[LISTS] = { &kind_replicaset, &kind_pod, &kind_node };

    if (w->at == LISTS) {
        show(w);
        return;
    }
    objects_list(w->cli.client, wanted[w->at],
                 wanted[w->at]->namespaced ? w->target->metadata.namespace_ : NULL, on_listed, w);
}

static void on_got(void *arg, struct objects_result *r)
{
    struct why *w = arg;

    if (r->status != 0) {
        cli_fail_call(&w->cli, r->status, r->err);
        return;
    }
    w->target = TAKE(r->object);
    ask_lists(w);
}

static void start(struct cli *cli)
{
    struct why *w = CLI_OF(cli, struct why);
    const struct kind *kind;
    const char *name;

    if (!cli_kind_and_name(cli, 0, &kind, &name)) {
        return;
    }
    if (kind != &kind_pod && kind != &kind_replicaset && kind != &kind_deployment) {
        cli_fail_usage(cli, "%s: why is for pods, replicasets and deployments", kind->plural);
        return;
    }
    objects_get(cli->client, kind, cli->namespace_, name, on_got, w);
}

int verb_why(int argc, char **argv)
{
    struct why w = { .at = 0 };
    const struct cli_spec spec = { .name = "why", .usage = usage, .start = start };
    int code = cli_main(&w.cli, &spec, argc, argv);

    for (size_t k = 0; k < LISTS; k++) {
        for (size_t i = 0; i < w.lists[k].n; i++) {
            object_free(w.lists[k].items[i]);
        }
        mem_free(w.lists[k].items);
    }
    object_free(w.target);
    mem_free(w.next);
    return code;
}
