/* Journals beside the objects, and the end of the run. */
#include <inttypes.h>
#include <stdlib.h>

#include "check/internal.h"
#include "check/orch_state.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

enum { ORPHAN_US = 60000000 };

static struct buf *broken(struct check_verdict *v, const struct check_process *p)
{
    struct buf *out = check_violated(v);
    if (out != NULL) {
        buf_printf(out, "process of pod %s (%s) on node %s [", p->pod, p->pod_uid, p->node);
        check_print_time(p->start_us, out);
        buf_append_str(out, ", ");
        check_print_time(p->stop_us, out);
        buf_append_str(out, "]: ");
    }
    return out;
}

/* --- where ------------------------------------------------------------------------------------ */

static void check_node(struct orch *o, const struct check_process *p)
{
    const struct orch_pod *pod = map_get_str(&o->pods, p->pod_uid);
    o->bound->checked++;
    if (pod == NULL || pod->node == NULL || !str_eq(pod->node->name, p->node)) {
        struct buf *out = broken(o->bound, p);
        if (out != NULL) {
            buf_printf(out, "its pod %s%s", pod == NULL ? "was never stored" : "is bound to ",
                       pod == NULL         ? ""
                       : pod->node == NULL ? "none"
                                           : pod->node->name);
        }
    }
}

static int by_pod(const void *a, const void *b)
{
    const struct check_process *x = *(const struct check_process *const *)a;
    const struct check_process *y = *(const struct check_process *const *)b;
    int c = strcmp(x->pod_uid, y->pod_uid);
    return c != 0 ? c : x->start_us < y->start_us ? -1 : x->start_us > y->start_us;
}

/* Of each pod, in the order of starts: nothing starts on another node before the last has ended. */
static void check_overlaps(struct orch *o)
{
    size_t n = o->facts->n_processes;
    const struct check_process **sorted = mem_alloc((n + 1) * sizeof *sorted);
    for (size_t i = 0; i < n; i++) {
        sorted[i] = &o->facts->processes[i];
    }
    if (n > 1) {
        qsort(sorted, n, sizeof *sorted, by_pod);
    }
    const struct check_process *longest = NULL; /* of this pod, the one that ends last */
    for (size_t i = 0; i < n; i++) {
        const struct check_process *p = sorted[i];
        bool same = longest != NULL && strcmp(longest->pod_uid, p->pod_uid) == 0;
        if (same && longest->stop_us > p->start_us && strcmp(longest->node, p->node) != 0) {
            struct buf *out = broken(o->bound, p);
            if (out != NULL) {
                buf_printf(out, "it still ran on node %s, until ", longest->node);
                check_print_time(longest->stop_us, out);
            }
        }
        if (!same || p->stop_us > longest->stop_us) {
            longest = p;
        }
    }
    mem_free(sorted);
}

/* --- orphans ---------------------------------------------------------------------------------- */

/* Since when the process has no pod that it may run for; INT64_MAX: it has one. */
static int64_t orphaned_us(struct orch *o, const struct check_process *p)
{
    const struct orch_pod *pod = map_get_str(&o->pods, p->pod_uid);
    if (pod == NULL || pod->node == NULL || !str_eq(pod->node->name, p->node)) {
        return p->start_us;
    }
    return pod->gone_us == INT64_MAX    ? INT64_MAX
           : pod->gone_us > p->start_us ? pod->gone_us
                                        : p->start_us;
}

static void check_orphan(struct orch *o, const struct check_process *p)
{
    int64_t since = orphaned_us(o, p);
    int64_t most = o->facts->orphan_us != 0 ? o->facts->orphan_us : ORPHAN_US;
    o->orphan->checked++;
    for (size_t i = 0; since != INT64_MAX && i < o->facts->n_contacts; i++) {
        const struct check_contact *c = &o->facts->contacts[i];
        int64_t from = c->from_us > since ? c->from_us : since;
        int64_t to = c->to_us < o->facts->end_us ? c->to_us : o->facts->end_us;
        if (strcmp(c->node, p->node) != 0 || from > to || to - from < most ||
            p->stop_us <= from + most) {
            continue;
        }
        struct buf *out = broken(o->orphan, p);
        if (out != NULL) {
            buf_append_str(out, "without a pod since ");
            check_print_time(since, out);
            buf_append_str(out, ", and in contact since ");
            check_print_time(from, out);
        }
        return;
    }
}

void orch_check_journals(struct orch *o)
{
    for (size_t i = 0; i < o->facts->n_processes; i++) {
        check_node(o, &o->facts->processes[i]);
        check_orphan(o, &o->facts->processes[i]);
    }
    check_overlaps(o);
}

/* --- the end ---------------------------------------------------------------------------------- */

static int64_t ready_of_set(struct orch *o, const char *uid)
{
    int64_t n = 0;
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&o->pods, &at)) != NULL) {
        const struct orch_pod *p = e->value;
        n += p->live && p->ready && !p->deleting && !p->terminal && str_eq(p->owner, uid);
    }
    return n;
}

static void check_wanted(struct orch *o, const char *kind, const char *name, int64_t wanted,
                         int64_t ready)
{
    o->lost->checked++;
    if (ready != wanted) {
        check_violatedf(o->lost, "%s %s wants %" PRId64 " pods, %" PRId64 " are ready", kind, name,
                        wanted, ready);
    }
}

static bool runs(const struct orch *o, const struct orch_pod *pod)
{
    for (size_t i = 0; i < o->facts->n_processes; i++) {
        const struct check_process *p = &o->facts->processes[i];
        if (strcmp(p->pod_uid, pod->uid) == 0 && p->start_us <= o->facts->end_us &&
            p->stop_us > o->facts->end_us) {
            return true;
        }
    }
    return false;
}

void orch_check_end(struct orch *o)
{
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&o->deployments, &at)) != NULL) {
        const struct orch_deployment *d = e->value;
        if (d->live && !d->paused) {
            check_wanted(o, "Deployment", d->name, d->replicas, orch_ready(o, d->uid, INT64_MAX));
        }
    }
    at = 0;
    while ((e = map_next(&o->sets, &at)) != NULL) {
        const struct orch_set *s = e->value;
        if (s->live) {
            check_wanted(o, "ReplicaSet", s->name, s->replicas, ready_of_set(o, s->uid));
        }
    }
    at = 0;
    while (o->facts->has_journals && (e = map_next(&o->pods, &at)) != NULL) {
        const struct orch_pod *p = e->value;
        if (p->live && p->node != NULL && p->restarts && !p->terminal && !p->deleting) {
            o->lost->checked++;
            if (!runs(o, p)) {
                check_violatedf(o->lost,
                                "pod %s (%s) is bound to node %s, but no process of it "
                                "runs",
                                p->name, p->uid, p->node->name);
            }
        }
    }
}
