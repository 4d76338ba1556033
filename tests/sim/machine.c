/* rnode's state machine callbacks over machine_ops; every apply and restore is judged by check.c.
 * */
#include "tests/sim/machine.h"

#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"

struct machine {
    struct node *node;
    const struct machine_ops *ops;
    void *state;
    uint64_t index; /* the last apply or restore that rnode told */
};

struct restore {
    void *state;
    uint64_t bytes;
};

static const struct {
    const char *name;
    const struct machine_ops *ops;
} MACHINES[] = {
    { "chain", &CHAIN_OPS },
    { "store", &STORE_OPS },
    { "world", &WORLD_OPS },
};

const char *machine_name(const struct machine_ops *ops)
{
    for (size_t i = 0; i < ARRAY_LEN(MACHINES); i++) {
        if (MACHINES[i].ops == ops) {
            return MACHINES[i].name;
        }
    }
    UNREACHABLE();
}

const struct machine_ops *machine_named(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(MACHINES); i++) {
        if (str_eq(MACHINES[i].name, name)) {
            return MACHINES[i].ops;
        }
    }
    return NULL;
}

struct machine *machine_new(struct node *n)
{
    struct machine *m = mem_zalloc(sizeof *m);
    m->node = n;
    m->ops = n->sim->machine;
    m->state = m->ops->new(n);
    return m;
}

void machine_free(struct machine *m)
{
    if (m != NULL) {
        m->ops->free(m->state);
        mem_free(m);
    }
}

uint64_t machine_applied(const struct machine *m)
{
    return m->ops->applied(m->state);
}

uint64_t machine_digest(const struct machine *m)
{
    return m->ops->digest(m->state);
}

uint64_t machine_content(struct machine *m)
{
    return m->ops->content(m->state);
}

void *machine_state(const struct machine *m)
{
    return m->state;
}

void machine_command(struct sim *s, uint64_t id, struct buf *out)
{
    s->machine->command(s, id, out);
}

uint64_t machine_command_id(struct slice command)
{
    uint64_t id = 0;
    for (size_t i = 0; i < sizeof id && i < command.len; i++) {
        id = id << 8 | command.data[i];
    }
    return id;
}

static void on_apply(void *arg, uint64_t index, uint64_t term, struct slice command,
                     struct rnode_proposal *own)
{
    struct machine *m = arg;
    struct node *n = m->node;
    uint64_t id = machine_command_id(command);
    if (index <= m->index) {
        sim_violation(n->sim, "APPLIED BACKWARDS: member %u index %" PRIu64 " after %" PRIu64,
                      n->id, index, m->index);
    }
    m->index = index;
    m->ops->apply(m->state, index, term, command);
    check_applied(n, index, term, m->ops->digest(m->state), id);
    if (own != NULL) {
        clients_check_own(n, own, id);
    }
}

static void on_apply_end(void *arg, uint64_t applied)
{
    struct machine *m = arg;
    if (applied < m->index) {
        sim_violation(m->node->sim, "APPLIED BACKWARDS: member %u ends at %" PRIu64, m->node->id,
                      applied);
    }
}

static void *on_pin(void *arg)
{
    struct machine *m = arg;
    return m->ops->pin(m->state);
}

static int on_next(void *arg, void *pin, struct buf *out)
{
    struct machine *m = arg;
    return m->ops->next(pin, out);
}

static void on_unpin(void *arg, void *pin)
{
    struct machine *m = arg;
    m->ops->unpin(pin);
}

static void *on_restore_begin(void *arg)
{
    struct machine *m = arg;
    struct restore *r = mem_zalloc(sizeof *r);
    r->state = m->ops->new(m->node);
    return r;
}

static int on_restore_chunk(void *arg, void *restore, struct slice bytes, struct err *err)
{
    struct machine *m = arg;
    struct restore *r = restore;
    int rv = m->ops->restore(r->state, bytes, r->bytes);
    r->bytes += bytes.len;
    return rv != 0 ? err_set(err, rv, "snapshot bytes cannot be taken") : 0;
}

static int on_restore_commit(void *arg, void *restore, uint64_t index, struct err *err)
{
    struct machine *m = arg;
    struct restore *r = restore;
    struct node *n = m->node;
    if (!m->ops->restored(r->state, r->bytes)) {
        sim_violation(n->sim, "SNAPSHOT NOT WHOLE: member %u index %" PRIu64, n->id, index);
    }
    if (index < m->index || m->ops->applied(r->state) > index) {
        sim_violation(n->sim, "SNAPSHOT BACKWARDS: member %u index %" PRIu64, n->id, index);
    }
    (void)err;
    check_restored(n, m->ops->applied(r->state), m->ops->digest(r->state));
    m->ops->free(m->state);
    m->state = r->state;
    m->index = index;
    mem_free(r);
    return 0;
}

static void on_restore_abort(void *arg, void *restore)
{
    struct machine *m = arg;
    struct restore *r = restore;
    m->ops->free(r->state);
    mem_free(r);
}

static uint64_t on_digest(void *arg)
{
    const struct machine *m = arg;
    return m->ops->digest(m->state);
}

struct rnode_fsm machine_fsm(struct machine *m)
{
    return (struct rnode_fsm){
        .arg = m,
        .apply = on_apply,
        .apply_end = on_apply_end,
        .snapshot_pin = on_pin,
        .snapshot_next = on_next,
        .snapshot_unpin = on_unpin,
        .restore_begin = on_restore_begin,
        .restore_chunk = on_restore_chunk,
        .restore_commit = on_restore_commit,
        .restore_abort = on_restore_abort,
        .digest = on_digest,
    };
}
