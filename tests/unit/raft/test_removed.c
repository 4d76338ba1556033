/* Members that end: the leader sees it at once; and those that were removed, or replaced, while
 * they were down find out (raft/removed.c). */
#include "tests/unit/raft/trio.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "raft/membership.h"
#include "raft/node.h"
#include "raft/quarantine.h"

enum { BOUND = 6000 /* ms; two looks are 2 s here */ };

struct fixture {
    struct trio t;
    size_t leader, down;
};

/* Three members that have committed something; one of them, not the leader, is down. */
static void fixture_open(struct fixture *f)
{
    trio_open(&f->t);
    f->leader = (size_t)(trio_leader(&f->t) - f->t.m);
    f->down = f->leader == 0 ? 1 : 0;
    assert_int_equal(propose(&f->t.m[f->down], "before"), 0);
    trio_end(&f->t, f->down);
}

static struct member *victim(struct fixture *f)
{
    return &f->t.m[f->down];
}

static void wait_done(struct fixture *f, const int *done)
{
    for (int i = 0; i < BOUND && *done == 0; i++) {
        run_for(f->t.loop, 1);
    }
    assert_int_equal(*done, 1);
}

/* etcd's strict reconfiguration check asks who is active, a moment after one was killed, too. */
static void who_has_just_ended_is_not_active_although_it_was_heard(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    const struct rnode *leader = f.t.m[f.leader].node;
    uint64_t down = victim(&f)->id;
    uint64_t other = f.t.m[MEMBERS - f.leader - f.down].id;
    assert_true(change_heard_lately(leader, down));
    for (int i = 0; i < BOUND && rnode_member_active(leader, down); i++) {
        run_for(f.t.loop, 1);
    }
    assert_false(rnode_member_active(leader, down));
    assert_true(change_heard_lately(leader, down)); /* else it proves nothing */
    assert_true(rnode_member_active(leader, other));
    assert_true(rnode_member_active(leader, leader->id));
    trio_close(&f.t);
}

/* It is started with all it had, and ends by itself. */
static int finds_out(struct fixture *f)
{
    assert_int_equal(trio_start(&f->t, f->down, NULL), 0);
    for (int i = 0; i < BOUND && victim(f)->fatal.code == 0; i += 5) {
        run_for(f->t.loop, 5);
    }
    return victim(f)->fatal.code;
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
    struct rnode_member m = { .id = victim(&f)->id };
    rnode_change(f.t.m[f.leader].node, MEMBER_REMOVE, &m, on_changed, &done);
    wait_done(&f, &done);
    assert_int_equal(finds_out(&f), E_MEMBER_NOT_FOUND);
    assert_non_null(strstr(victim(&f)->fatal.msg, "was removed from cluster"));
    trio_close(&f.t);
}

/* It had found damage and asked; at its next start the same bytes were good again. */
static void who_was_replaced_while_it_was_down_finds_out_and_marks_its_data(void **state)
{
    (void)state;
    struct fixture f;
    int done = 0;
    fixture_open(&f);
    const char *all[] = { f.t.m[0].address, f.t.m[1].address, f.t.m[2].address };
    struct join_options o = { .loop = f.t.loop, .what = JOIN_REPLACE, .cluster_id = 0xc1,
                              .name = "m", .address = victim(&f)->address, .ask = all,
                              .n_ask = MEMBERS, .timeout_ms = BOUND };
    join_start(&o, on_replaced, &done);
    wait_done(&f, &done);
    assert_int_equal(finds_out(&f), E_CORRUPT);
    autofree char *dir = trio_dir(&f.t, f.down);
    assert_int_equal(quarantine_check(NULL, dir, NULL), E_CORRUPT);
    trio_close(&f.t);
}

/* Without a quorum nobody can say that it is gone; it waits, and can be closed while it asks. */
static void who_hears_nobody_waits(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    assert_int_equal(trio_start(&f.t, f.down, NULL), 0);
    trio_end(&f.t, f.leader);
    trio_end(&f.t, MEMBERS - f.leader - f.down);
    for (int i = 0; i < BOUND && victim(&f)->node->removed.asking == NULL; i++) {
        run_for(f.t.loop, 1);
    }
    assert_non_null(victim(&f)->node->removed.asking);
    member_close(victim(&f));
    assert_int_equal(victim(&f)->fatal.code, 0);
    /* They are back, and it is a member like any other. */
    for (size_t i = 0; i < MEMBERS; i++) {
        assert_int_equal(trio_start(&f.t, i, NULL), 0);
    }
    trio_leader(&f.t);
    assert_int_equal(propose(victim(&f), "after"), 0);
    assert_int_equal(victim(&f)->fatal.code, 0);
    trio_close(&f.t);
}

int test_removed_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_just_ended_is_not_active_although_it_was_heard),
        cmocka_unit_test(who_was_removed_while_it_was_down_finds_out),
        cmocka_unit_test(who_was_replaced_while_it_was_down_finds_out_and_marks_its_data),
        cmocka_unit_test(who_hears_nobody_waits),
    };
    return cmocka_run_group_tests_name("raft/removed", tests, NULL, NULL);
}
