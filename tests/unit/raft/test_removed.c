/* Members that were removed, or replaced, while they were down: they find out (raft/removed.c). */
#include "tests/unit/raft/test.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "raft/join.h"
#include "raft/membership.h"
#include "raft/node.h"
#include "raft/quarantine.h"

enum { MEMBERS = 3, BOUND = 6000 /* ms; two looks are 2 s here */ };

struct fixture {
    struct loop *loop;
    char *dir;
    struct member m[MEMBERS];
    struct rnode_member founders[MEMBERS];
    struct member *leader;
    size_t down; /* not the leader */
};

static char *dir_of(const struct fixture *f, size_t i)
{
    return mem_printf("%s/%zu", f->dir, i);
}

static int start(struct fixture *f, size_t i)
{
    struct rnode_options o;
    struct err err = ERR_INIT;
    char *dir = dir_of(f, i);
    member_options(&f->m[i], f->loop, dir, &o);
    o.initial = f->founders;
    o.n_initial = MEMBERS;
    int rv = rnode_open(&o, &f->m[i].node, &err);
    mem_free(dir);
    return rv;
}

static void end(struct fixture *f, size_t i)
{
    rnode_abandon(f->m[i].node);
    f->m[i].node = NULL;
}

/* Three members that have committed something; one of them is down. */
static void fixture_open(struct fixture *f)
{
    *f = (struct fixture){ .loop = loop_new(), .dir = temp_dir_new() };
    for (size_t i = 0; i < MEMBERS; i++) {
        f->m[i].id = 500 + i;
        address_pick(f->loop, f->m[i].address, sizeof f->m[i].address);
        f->founders[i] = (struct rnode_member){ .id = f->m[i].id, .role = RNODE_VOTER };
        memcpy(f->founders[i].peer_address, f->m[i].address, sizeof f->m[i].address);
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        assert_int_equal(start(f, i), 0);
    }
    struct member *all[MEMBERS] = { &f->m[0], &f->m[1], &f->m[2] };
    assert_true(wait_for_leader(f->loop, all, MEMBERS, &f->leader));
    f->down = f->leader == &f->m[0] ? 1 : 0;
    assert_int_equal(propose(&f->m[f->down], "before"), 0);
    end(f, f->down);
}

static void fixture_close(struct fixture *f)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        if (f->m[i].node != NULL) {
            rnode_abandon(f->m[i].node);
        }
    }
    run_for(f->loop, 20);
    loop_free(f->loop);
    temp_dir_free(f->dir);
}

static bool has_ended(const struct fixture *f)
{
    return f->m[f->down].fatal.code != 0;
}

static void on_changed(void *arg, int status)
{
    *(int *)arg = status == 0 ? 1 : status;
}

static void on_replaced(void *arg, int status, const struct join_answer *answer,
                        const struct err *err)
{
    (void)answer;
    (void)err;
    on_changed(arg, status);
}

static void who_was_removed_while_it_was_down_finds_out(void **state)
{
    (void)state;
    struct fixture f;
    int done = 0;
    fixture_open(&f);
    struct rnode_member m = { .id = f.m[f.down].id };
    rnode_change(f.leader->node, MEMBER_REMOVE, &m, on_changed, &done);
    for (int i = 0; i < BOUND && done == 0; i++) {
        run_for(f.loop, 1);
    }
    assert_int_equal(done, 1);
    assert_int_equal(start(&f, f.down), 0);
    for (int i = 0; i < BOUND && !has_ended(&f); i += 5) {
        run_for(f.loop, 5);
    }
    assert_int_equal(f.m[f.down].fatal.code, E_MEMBER_NOT_FOUND);
    assert_non_null(strstr(f.m[f.down].fatal.msg, "was removed from cluster"));
    fixture_close(&f);
}

/* It had found damage and asked; at its next start the same bytes were good again. */
static void who_was_replaced_while_it_was_down_finds_out_and_marks_its_data(void **state)
{
    (void)state;
    struct fixture f;
    int done = 0;
    fixture_open(&f);
    const char *others[] = { f.m[0].address, f.m[1].address, f.m[2].address };
    struct join_options o = { .loop = f.loop, .what = JOIN_REPLACE, .cluster_id = 0xc1,
                              .name = "m", .address = f.m[f.down].address, .ask = others,
                              .n_ask = MEMBERS, .timeout_ms = BOUND };
    join_start(&o, on_replaced, &done);
    for (int i = 0; i < BOUND && done == 0; i++) {
        run_for(f.loop, 1);
    }
    assert_int_equal(done, 1);
    assert_int_equal(start(&f, f.down), 0);
    for (int i = 0; i < BOUND && !has_ended(&f); i += 5) {
        run_for(f.loop, 5);
    }
    assert_int_equal(f.m[f.down].fatal.code, E_CORRUPT);
    char *dir = dir_of(&f, f.down);
    assert_int_equal(quarantine_check(NULL, dir, NULL), E_CORRUPT);
    mem_free(dir);
    fixture_close(&f);
}

/* Without a quorum nobody can say that it is gone; it waits, and can be closed while it asks. */
static void who_hears_nobody_waits(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    size_t other = 3 - f.down - (size_t)(f.leader - f.m);
    assert_int_equal(start(&f, f.down), 0);
    end(&f, other);
    end(&f, (size_t)(f.leader - f.m));
    struct member *lone = &f.m[f.down];
    for (int i = 0; i < BOUND && lone->node->removed.asking == NULL; i++) {
        run_for(f.loop, 1);
    }
    assert_non_null(lone->node->removed.asking);
    member_close(lone);
    assert_int_equal(lone->fatal.code, 0);
    /* They are back, and it is a member like any other. */
    for (size_t i = 0; i < MEMBERS; i++) {
        assert_int_equal(start(&f, i), 0);
    }
    struct member *all[MEMBERS] = { &f.m[0], &f.m[1], &f.m[2] };
    assert_true(wait_for_leader(f.loop, all, MEMBERS, &f.leader));
    assert_int_equal(propose(&f.m[f.down], "after"), 0);
    assert_false(has_ended(&f));
    fixture_close(&f);
}

int test_removed_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_was_removed_while_it_was_down_finds_out),
        cmocka_unit_test(who_was_replaced_while_it_was_down_finds_out_and_marks_its_data),
        cmocka_unit_test(who_hears_nobody_waits),
    };
    return cmocka_run_group_tests_name("raft/removed", tests, NULL, NULL);
}
