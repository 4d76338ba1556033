/* Shared by the tests of raft/. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/limits.h"
#include "lib/base/map.h"
#include "lib/io/conn.h"

enum { DEADLINE_MS = 10000, POLL_MS = 1 };

char *temp_dir_new(void)
{
    const char *base = getenv("TMPDIR");
    char *path = mem_printf("%s/barque-raft-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(path));
    return path;
}

void temp_dir_free(char *path)
{
    assert_int_equal(fs_remove_tree(NULL, path, NULL), 0);
    mem_free(path);
}

struct wait {
    struct timer timer;
    const bool *flag;
    uint64_t until_ms;
};

static void on_poll(struct timer *t)
{
    struct wait *w = CONTAINER_OF(t, struct wait, timer);
    if ((w->flag != NULL && *w->flag) || loop_now_ms(t->loop) >= w->until_ms) {
        loop_stop(t->loop);
        return;
    }
    timer_start(t, POLL_MS);
}

static void wait_run(struct loop *loop, const bool *flag, uint64_t ms)
{
    struct wait w = { .flag = flag, .until_ms = loop_now_ms(loop) + ms };
    timer_init(loop, &w.timer, on_poll);
    timer_start(&w.timer, POLL_MS);
    loop_run(loop);
    timer_stop(&w.timer);
}

void run_until(struct loop *loop, const bool *flag)
{
    if (!*flag) {
        wait_run(loop, flag, DEADLINE_MS);
    }
    assert_true(*flag);
}

void run_until_some(struct loop *loop, const unsigned *count)
{
    for (int i = 0; i < DEADLINE_MS && *count == 0; i++) {
        wait_run(loop, NULL, 1);
    }
    assert_true(*count > 0);
}

void run_for(struct loop *loop, uint64_t ms)
{
    wait_run(loop, NULL, ms);
}

/* --- the state machine --- */

static void on_apply(void *arg, uint64_t index, uint64_t term, struct slice command,
                     struct rnode_proposal *own)
{
    struct machine *s = arg;
    (void)term;
    (void)own;
    assert_true(index > s->applied);
    s->applied = index;
    s->hash = hash_u64(s->hash ^ hash_bytes(command.data, command.len));
    s->count++;
}

static void on_apply_end(void *arg, uint64_t applied)
{
    (void)arg;
    (void)applied;
}

static void *on_pin(void *arg)
{
    return mem_dup(arg, sizeof(struct machine));
}

static int on_next(void *arg, void *pin, struct buf *out)
{
    (void)arg;
    buf_append(out, pin, sizeof(struct machine));
    return 0;
}

static void on_unpin(void *arg, void *pin)
{
    (void)arg;
    mem_free(pin);
}

static void *on_restore_begin(void *arg)
{
    (void)arg;
    return mem_zalloc(sizeof(struct machine));
}

static int on_restore_chunk(void *arg, void *restore, struct slice bytes, struct err *err)
{
    (void)arg;
    if (bytes.len != sizeof(struct machine)) {
        return err_set(err, E_CORRUPT, "not a machine");
    }
    memcpy(restore, bytes.data, bytes.len);
    return 0;
}

static int on_restore_commit(void *arg, void *restore, uint64_t index, struct err *err)
{
    struct machine *s = arg;
    (void)err;
    memcpy(s, restore, sizeof *s);
    s->applied = index;
    s->restored = true;
    mem_free(restore);
    return 0;
}

static void on_restore_abort(void *arg, void *restore)
{
    (void)arg;
    mem_free(restore);
}

static uint64_t on_digest(void *arg)
{
    const struct machine *s = arg;
    return s->hash ^ s->lie;
}

/* --- members --- */

static void no_accept(void *arg, struct conn *c)
{
    (void)arg;
    conn_close(c);
}

void address_pick(struct loop *loop, char *ret_address, size_t size)
{
    struct listener *l;
    assert_int_equal(listener_open(loop, "127.0.0.1:0", no_accept, NULL, &l, NULL), 0);
    snprintf(ret_address, size, "%s", listener_address(l));
    listener_close(l);
}

static void on_fatal(void *arg, const struct err *err)
{
    struct member *m = arg;
    m->fatal = *err;
}

void member_options(struct member *m, struct loop *loop, const char *dir,
                    struct rnode_options *ret_options)
{
    struct member fresh = { .loop = loop, .id = m->id };
    memcpy(fresh.address, m->address, sizeof fresh.address);
    *m = fresh;
    *ret_options = (struct rnode_options){
        .loop = loop,
        .dir = dir,
        .cluster_id = 0xc1,
        .member_id = m->id,
        .name = "m",
        .peer_listen = m->address,
        .client_url = "",
        .seed = 7 + m->id,
        .election_timeout_ms = 200,
        .heartbeat_ms = 20,
        .fsm = { .arg = &m->machine, .apply = on_apply, .apply_end = on_apply_end,
                 .snapshot_pin = on_pin, .snapshot_next = on_next, .snapshot_unpin = on_unpin,
                 .restore_begin = on_restore_begin, .restore_chunk = on_restore_chunk,
                 .restore_commit = on_restore_commit, .restore_abort = on_restore_abort,
                 .digest = on_digest },
        .fatal = on_fatal,
        .arg = m,
    };
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

void member_close(struct member *m)
{
    rnode_close(m->node, on_closed, &m->closed);
    run_until(m->loop, &m->closed);
    m->node = NULL;
}

static void on_proposed(struct rnode_proposal *p, int status)
{
    struct call *c = CONTAINER_OF(p, struct call, p);
    c->done = true;
    c->status = status;
}

int propose(struct member *m, const char *command)
{
    struct call c = { .p.done = on_proposed };
    rnode_propose(m->node, &c.p, slice_str(command), 5000);
    assert_false(c.done);
    run_until(m->loop, &c.done);
    return c.status;
}

int propose_in_term(struct member *m, const char *command, uint64_t term)
{
    struct call c = { .p.done = on_proposed };
    rnode_propose_in_term(m->node, &c.p, slice_str(command), 5000, term);
    assert_false(c.done);
    run_until(m->loop, &c.done);
    return c.status;
}

static void on_read(struct rnode_read *r, int status)
{
    struct call *c = CONTAINER_OF(r, struct call, r);
    c->done = true;
    c->status = status;
}

int read_index(struct member *m)
{
    struct call c = { .r.done = on_read };
    rnode_read_index(m->node, &c.r, 5000);
    assert_false(c.done);
    run_until(m->loop, &c.done);
    return c.status;
}

bool wait_for_leader(struct loop *loop, struct member *const *members, size_t n,
                     struct member **ret_leader)
{
    for (int tries = 0; tries < 1000; tries++) {
        for (size_t i = 0; i < n; i++) {
            struct rnode_status s;
            if (members[i]->node == NULL) {
                continue;
            }
            rnode_get_status(members[i]->node, &s);
            if (s.state == RNODE_LEADER) {
                *ret_leader = members[i];
                return true;
            }
        }
        run_for(loop, 5);
    }
    return false;
}

void file_flip_bit(const char *path, size_t offset, unsigned bit)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)offset, SEEK_SET), 0);
    int c = fgetc(f);
    assert_true(c != EOF);
    assert_int_equal(fseek(f, (long)offset, SEEK_SET), 0);
    assert_true(fputc(c ^ (1 << bit), f) != EOF);
    assert_int_equal(fclose(f), 0);
}
