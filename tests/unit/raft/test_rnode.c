/* A whole member on the real loop and disk: a cluster of one. */
#include "test.h"

#include <stdio.h>

#include "raft/meta.h"

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

/* --- directories that must be refused --- */

static void prepare(struct loop *loop, const char *dir)
{
    struct member m = { 0 };
    struct err err = ERR_INIT;
    assert_int_equal(member_open(&m, loop, dir, &err), 0);
    assert_int_equal(propose(&m, "a"), 0);
    assert_int_equal(propose(&m, "b"), 0);
    member_close(&m);
}

static void a_directory_in_use_is_refused(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    char *dir = temp_dir_new();
    struct member a = { 0 };
    struct member b = { 0 };
    struct err err = ERR_INIT;
    assert_int_equal(member_open(&a, loop, dir, &err), 0);
    assert_int_equal(member_open(&b, loop, dir, &err), E_CONFLICT);
    assert_non_null(strstr(err.msg, "in use"));
    member_close(&a);
    assert_int_equal(member_open(&b, loop, dir, &err), 0); /* free again */
    member_close(&b);
    loop_free(loop);
    temp_dir_free(dir);
}

static void a_directory_of_something_else_is_left_alone(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    char *dir = temp_dir_new();
    char *path = mem_printf("%s/photos", dir);
    assert_int_equal(fs_mkdir_p(NULL, path, 0700, NULL), 0);
    struct member m = { 0 };
    struct err err = ERR_INIT;
    assert_int_equal(member_open(&m, loop, dir, &err), E_MISMATCH);
    assert_non_null(strstr(err.msg, "photos"));
    assert_non_null(strstr(err.msg, "--data-dir"));
    assert_true(fs_exists(NULL, path));
    mem_free(path);
    loop_free(loop);
    temp_dir_free(dir);
}

static void another_cluster_or_member_is_refused(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    char *dir = temp_dir_new();
    prepare(loop, dir);
    struct member m = { .id = 1 };
    struct rnode_options o;
    struct err err = ERR_INIT;
    snprintf(m.address, sizeof m.address, "127.0.0.1:0");
    member_options(&m, loop, dir, &o);
    o.cluster_id = 0xc2;
    assert_int_equal(rnode_open(&o, &m.node, &err), E_MISMATCH);
    assert_non_null(strstr(err.msg, "00000000000000c1"));
    assert_non_null(strstr(err.msg, "00000000000000c2"));
    o.cluster_id = 0xc1;
    o.member_id = 2;
    assert_int_equal(rnode_open(&o, &m.node, &err), E_MISMATCH);
    assert_non_null(strstr(err.msg, "--name"));
    o.member_id = 0; /* whoever lives here */
    assert_int_equal(rnode_open(&o, &m.node, &err), 0);
    member_close(&m);
    loop_free(loop);
    temp_dir_free(dir);
}

static void a_damaged_log_is_never_started_shortened(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    char *dir = temp_dir_new();
    prepare(loop, dir);
    char *path = mem_printf("%s/wal/0000000000000001.wal", dir);
    file_flip_bit(path, 96 + 40 + 4, 1);
    struct member m = { 0 };
    struct err err = ERR_INIT;
    assert_int_equal(member_open(&m, loop, dir, &err), E_CORRUPT);
    assert_non_null(strstr(err.msg, path));
    assert_non_null(strstr(err.msg, "remove the member from the cluster"));
    mem_free(path);
    loop_free(loop);
    temp_dir_free(dir);
}

static void a_lost_vote_file_is_never_replaced_by_a_guess(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    char *dir = temp_dir_new();
    prepare(loop, dir);
    char *path = mem_printf("%s/meta", dir);
    assert_int_equal(fs_unlink(NULL, path, NULL), 0);
    struct member m = { 0 };
    struct err err = ERR_INIT;
    assert_int_equal(member_open(&m, loop, dir, &err), E_MISMATCH);
    mem_free(path);
    loop_free(loop);
    temp_dir_free(dir);
}

static void a_half_set_up_directory_is_set_up_again(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    char *dir = temp_dir_new();
    char *path = mem_printf("%s/meta", dir);
    struct meta half = { .cluster_id = 0xc1, .member_id = 1 };
    assert_int_equal(meta_create(NULL, dir, path, &half, NULL), 0);
    meta_close(&half);
    char *wal = mem_printf("%s/wal", dir);
    assert_int_equal(fs_mkdir_p(NULL, wal, 0700, NULL), 0);
    prepare(loop, dir);
    mem_free(wal);
    mem_free(path);
    loop_free(loop);
    temp_dir_free(dir);
}

static void derived_ids_are_equal_on_every_founder(void **state)
{
    (void)state;
    struct rnode_member a[2] = { { .id = rnode_member_id("127.0.0.1:1", "t") },
                                 { .id = rnode_member_id("127.0.0.1:2", "t") } };
    struct rnode_member b[2] = { a[1], a[0] };
    assert_true(a[0].id != a[1].id);
    assert_true(rnode_cluster_id(a, 2, "t") == rnode_cluster_id(b, 2, "t"));
    assert_true(rnode_cluster_id(a, 2, "t") != rnode_cluster_id(a, 2, "u"));
    assert_true(rnode_cluster_id(a, 1, "t") != rnode_cluster_id(a, 2, "t"));
}

int test_rnode_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_of_one_leads_at_once_and_applies_what_it_is_told),
        cmocka_unit_test(ten_thousand_proposals_survive_a_restart),
        cmocka_unit_test(a_crash_loses_nothing_that_was_answered),
        cmocka_unit_test(a_directory_in_use_is_refused),
        cmocka_unit_test(a_directory_of_something_else_is_left_alone),
        cmocka_unit_test(another_cluster_or_member_is_refused),
        cmocka_unit_test(a_damaged_log_is_never_started_shortened),
        cmocka_unit_test(a_lost_vote_file_is_never_replaced_by_a_guess),
        cmocka_unit_test(a_half_set_up_directory_is_set_up_again),
        cmocka_unit_test(derived_ids_are_equal_on_every_founder),
    };
    return cmocka_run_group_tests_name("raft/rnode", tests, NULL, NULL);
}
