/* A whole member on the real loop and disk: a cluster of one. */
#include "test.h"

#include <stdio.h>

static struct rnode_member self(struct member *m)
{
    struct rnode_member s = { .id = m->id, .role = RNODE_VOTER };
    snprintf(s.peer_address, sizeof s.peer_address, "127.0.0.1:1");
    return s;
}

static int member_open(struct member *m, struct loop *loop, const char *dir, struct err *err)
{
    struct rnode_options o;
    m->id = 1;
    snprintf(m->address, sizeof m->address, "127.0.0.1:0");
    member_options(m, loop, dir, &o);
    struct rnode_member initial = self(m);
    o.initial = &initial;
    o.n_initial = 1;
    o.snapshot_entries = 3000;
    o.snapshot_trailing = 500;
    struct rnode_tuning tuning = { .wal_segment_bytes = 256 * 1024 };
    return rnode_open_tuned(&o, &tuning, &m->node, err);
}

static void a_cluster_of_one_leads_at_once_and_applies_what_it_is_told(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    char *dir = temp_dir_new();
    struct member m = { 0 };
    struct err err = ERR_INIT;
    assert_int_equal(member_open(&m, loop, dir, &err), 0);
    assert_int_equal(propose(&m, "a"), 0);
    assert_int_equal(propose(&m, "b"), 0);
    assert_int_equal(read_index(&m), 0);
    struct rnode_status s;
    rnode_get_status(m.node, &s);
    assert_int_equal(s.state, RNODE_LEADER);
    assert_int_equal(s.leader_id, 1);
    assert_int_equal(m.machine.count, 2);
    assert_false(s.learner);
    member_close(&m);
    assert_string_equal(m.fatal.msg, "");
    loop_free(loop);
    temp_dir_free(dir);
}

struct many {
    struct rnode_proposal p[10000];
    size_t answered;
    size_t failed;
    bool done;
    struct member *m;
};

static struct many many;

static void on_many(struct rnode_proposal *p, int status)
{
    many.failed += status != 0;
    many.answered++;
    if (p->index != many.m->machine.applied) {
        many.failed++;
    }
    many.done = many.answered == ARRAY_LEN(many.p);
}

static void propose_many(struct member *m)
{
    memset(&many, 0, sizeof many);
    many.m = m;
    for (size_t i = 0; i < ARRAY_LEN(many.p); i++) {
        char text[300];
        memset(text, 'x', sizeof text);
        snprintf(text, sizeof text, "command %zu", i);
        many.p[i].done = on_many;
        rnode_propose(m->node, &many.p[i], slice_make(text, sizeof text), 10000);
    }
    run_until(m->loop, &many.done);
    assert_int_equal(many.failed, 0);
}

static void ten_thousand_proposals_survive_a_restart(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    char *dir = temp_dir_new();
    struct member m = { 0 };
    struct err err = ERR_INIT;
    assert_int_equal(member_open(&m, loop, dir, &err), 0);
    propose_many(&m);
    struct machine before = m.machine;
    assert_int_equal(before.count, 10000);
    struct rnode_status s;
    for (int i = 0; i < 1000; i++) {
        rnode_get_status(m.node, &s);
        if (s.snapshot_index > 0) {
            break;
        }
        run_for(loop, 5);
    }
    uint64_t term = s.term;
    member_close(&m);

    assert_int_equal(member_open(&m, loop, dir, &err), 0);
    assert_int_equal(read_index(&m), 0);
    assert_int_equal(m.machine.count, before.count);
    assert_int_equal(m.machine.hash, before.hash);
    assert_true(m.machine.restored);
    rnode_get_status(m.node, &s);
    assert_true(s.term > term); /* never leads one term twice */
    assert_true(s.snapshot_index > 0);
    assert_true(s.first_index > 1);
    propose_many(&m);
    assert_int_equal(m.machine.count, 20000);
    member_close(&m);
    loop_free(loop);
    temp_dir_free(dir);
}

static void a_crash_loses_nothing_that_was_answered(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    char *dir = temp_dir_new();
    struct member m = { 0 };
    struct err err = ERR_INIT;
    assert_int_equal(member_open(&m, loop, dir, &err), 0);
    assert_int_equal(propose(&m, "kept"), 0);
    uint64_t hash = m.machine.hash;
    rnode_abandon(m.node);
    assert_int_equal(member_open(&m, loop, dir, &err), 0);
    assert_int_equal(read_index(&m), 0);
    assert_int_equal(m.machine.hash, hash);
    member_close(&m);
    loop_free(loop);
    temp_dir_free(dir);
}

int test_rnode_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_of_one_leads_at_once_and_applies_what_it_is_told),
        cmocka_unit_test(ten_thousand_proposals_survive_a_restart),
        cmocka_unit_test(a_crash_loses_nothing_that_was_answered),
    };
    return cmocka_run_group_tests_name("raft/rnode", tests, NULL, NULL);
}
