/* Several members in one process, over real sockets and disks. */
#include "test.h"

#include <stdio.h>

#include "raft/gates.h"
#include "raft/membership.h"
#include "raft/snapshot_file.h"

enum { MEMBERS = 4 }; /* three founders, one that joins */

struct cluster {
    struct loop *loop;
    char *dir;
    struct member m[MEMBERS];
    struct rnode_member founders[MEMBERS];
    uint64_t snapshot_entries;
    uint32_t gates_off;
};

static void member_start(struct cluster *c, size_t i)
{
    struct member *m = &c->m[i];
    struct rnode_options o;
    struct err err = ERR_INIT;
    char *dir = mem_printf("%s/%zu", c->dir, i);
    char name[16];
    member_options(m, c->loop, dir, &o);
    snprintf(name, sizeof name, "m%zu", i);
    o.name = name;
    o.client_url = "http://127.0.0.1:2379";
    o.initial = c->founders;
    o.n_initial = 3;
    o.snapshot_entries = c->snapshot_entries;
    o.snapshot_trailing = 10;
    struct rnode_tuning tuning = { .wal_segment_bytes = 64 * 1024, .gates_off = c->gates_off };
    int rv = rnode_open_tuned(&o, &tuning, &m->node, &err);
    assert_string_equal(err.msg, "");
    assert_int_equal(rv, 0);
    mem_free(dir);
}

static void cluster_open_gates(struct cluster *c, uint64_t snapshot_entries, uint32_t gates_off)
{
    *c = (struct cluster){ .loop = loop_new(),
                           .dir = temp_dir_new(),
                           .snapshot_entries = snapshot_entries,
                           .gates_off = gates_off };
    for (size_t i = 0; i < MEMBERS; i++) {
        c->m[i].id = 100 + i;
        address_pick(c->loop, c->m[i].address, sizeof c->m[i].address);
        c->founders[i] = (struct rnode_member){ .id = 100 + i, .role = RNODE_VOTER };
        snprintf(c->founders[i].peer_address, sizeof c->founders[i].peer_address, "%s",
                 c->m[i].address);
    }
    for (size_t i = 0; i < 3; i++) {
        member_start(c, i);
    }
}

static void cluster_open(struct cluster *c, uint64_t snapshot_entries)
{
    cluster_open_gates(c, snapshot_entries, 0);
}

static void cluster_close(struct cluster *c)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        if (c->m[i].node != NULL) {
            rnode_abandon(c->m[i].node);
        }
        assert_string_equal(c->m[i].fatal.msg, "");
    }
    run_for(c->loop, 20);
    loop_free(c->loop);
    temp_dir_free(c->dir);
}

static struct member *leader_of(struct cluster *c)
{
    struct member *all[MEMBERS];
    struct member *leader = NULL;
    for (size_t i = 0; i < MEMBERS; i++) {
        all[i] = &c->m[i];
    }
    assert_true(wait_for_leader(c->loop, all, MEMBERS, &leader));
    return leader;
}

static struct member *follower_of(struct cluster *c, const struct member *leader)
{
    for (size_t i = 0; i < 3; i++) {
        if (c->m[i].node != NULL && &c->m[i] != leader) {
            return &c->m[i];
        }
    }
    return NULL;
}

static void wait_equal(struct cluster *c, const struct member *a, const struct member *b)
{
    for (int i = 0; i < 1000 && a->machine.hash != b->machine.hash; i++) {
        run_for(c->loop, 5);
    }
    assert_int_equal(a->machine.count, b->machine.count);
    assert_true(a->machine.hash == b->machine.hash);
}

static void three_members_elect_a_leader_and_apply_the_same(void **state)
{
    (void)state;
    struct cluster c;
    cluster_open(&c, 100000);
    struct member *leader = leader_of(&c);
    struct member *follower = follower_of(&c, leader);
    assert_int_equal(propose(leader, "from the leader"), 0);
    assert_int_equal(propose(follower, "from a follower"), 0);
    assert_int_equal(read_index(leader), 0);
    assert_int_equal(read_index(follower), 0);
    assert_int_equal(follower->machine.count, 2);
    for (size_t i = 0; i < 3; i++) {
        wait_equal(&c, leader, &c.m[i]);
    }
    cluster_close(&c);
}

static unsigned forwarded, forwarded_failed;

static void on_forwarded(struct rnode_proposal *p, int status)
{
    (void)p;
    forwarded++;
    forwarded_failed += status != 0;
}

/* More than one frame and one step of the core hold. */
static void what_a_follower_is_told_at_once_is_applied_once(void **state)
{
    enum { SMALL = 1100, LARGE = 5, LARGE_BYTES = 400 * 1024 };
    static struct rnode_proposal p[SMALL + LARGE];
    (void)state;
    struct cluster c;
    cluster_open(&c, 100000);
    struct member *leader = leader_of(&c);
    struct member *follower = follower_of(&c, leader);
    assert_int_equal(propose(follower, "first"), 0);
    autofree char *text = mem_zalloc(LARGE_BYTES);
    forwarded = forwarded_failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(p); i++) {
        p[i] = (struct rnode_proposal){ .done = on_forwarded };
        rnode_propose(follower->node, &p[i], slice_make(text, i < SMALL ? 8 : LARGE_BYTES), 10000);
    }
    for (int i = 0; i < 2000 && forwarded < ARRAY_LEN(p); i++) {
        run_for(c.loop, 5);
    }
    assert_int_equal(forwarded, ARRAY_LEN(p));
    assert_int_equal(forwarded_failed, 0);
    assert_int_equal(follower->machine.count, 1 + ARRAY_LEN(p));
    wait_equal(&c, leader, follower);
    cluster_close(&c);
}

static void a_read_at_a_follower_sees_what_was_answered_before(void **state)
{
    (void)state;
    struct cluster c;
    cluster_open(&c, 100000);
    struct member *leader = leader_of(&c);
    struct member *follower = follower_of(&c, leader);
    for (uint64_t i = 1; i <= 50; i++) {
        assert_int_equal(propose(leader, "x"), 0);
        assert_int_equal(read_index(follower), 0);
        assert_true(follower->machine.count >= i);
    }
    cluster_close(&c);
}

/* What a leader may do as long as it leads must not be done by its successor. */
static void a_proposal_of_one_term_is_no_other_leaders(void **state)
{
    (void)state;
    struct cluster c;
    cluster_open(&c, 100000);
    struct member *leader = leader_of(&c);
    struct member *follower = follower_of(&c, leader);
    struct rnode_status status;
    rnode_get_status(leader->node, &status);
    assert_int_equal(propose_in_term(leader, "its own", status.term), 0);
    assert_int_equal(propose_in_term(leader, "of a term before", status.term - 1), E_NOLEADER);
    assert_int_equal(propose_in_term(follower, "of a leader that was", status.term), E_NOLEADER);
    assert_int_equal(propose(follower, "any"), 0);
    assert_int_equal(leader->machine.count, 2);
    cluster_close(&c);
}

static void a_killed_leader_is_replaced_and_comes_back(void **state)
{
    (void)state;
    struct cluster c;
    cluster_open(&c, 100000);
    struct member *old = leader_of(&c);
    assert_int_equal(propose(old, "before"), 0);
    rnode_abandon(old->node);
    old->node = NULL;
    struct member *leader = leader_of(&c);
    assert_ptr_not_equal(leader, old);
    assert_int_equal(propose(leader, "after"), 0);
    member_start(&c, (size_t)(old - c.m));
    wait_equal(&c, leader, old);
    assert_int_equal(old->machine.count, 2);
    cluster_close(&c);
}

static void a_member_that_lags_behind_the_log_gets_a_snapshot(void **state)
{
    (void)state;
    struct cluster c;
    cluster_open(&c, 50);
    struct member *leader = leader_of(&c);
    struct member *lost = follower_of(&c, leader);
    assert_int_equal(propose(lost, "a"), 0);
    rnode_abandon(lost->node);
    lost->node = NULL;
    for (int i = 0; i < 300; i++) {
        assert_int_equal(propose(leader, "filler"), 0);
    }
    struct rnode_status s;
    rnode_get_status(leader->node, &s);
    assert_true(s.first_index > 20);
    member_start(&c, (size_t)(lost - c.m));
    wait_equal(&c, leader, lost);
    assert_true(lost->machine.restored);
    assert_int_equal(propose(lost, "b"), 0);
    rnode_abandon(lost->node);
    member_start(&c, (size_t)(lost - c.m));
    wait_equal(&c, leader, lost);
    cluster_close(&c);
}

/* The newest snapshot file of a member. */
static char *snapshot_of(struct cluster *c, const struct member *m)
{
    char *path = NULL;
    char *dir = mem_printf("%s/%zu/snap", c->dir, (size_t)(m - c->m));
    assert_int_equal(snapshot_newest(NULL, dir, &path, NULL), 0);
    assert_non_null(path);
    mem_free(dir);
    return path;
}

static void a_leader_writes_its_damaged_snapshot_anew(void **state)
{
    (void)state;
    struct cluster c;
    cluster_open(&c, 50);
    struct member *leader = leader_of(&c);
    struct member *lost = follower_of(&c, leader);
    assert_int_equal(propose(lost, "a"), 0);
    rnode_abandon(lost->node);
    lost->node = NULL;
    for (int i = 0; i < 300; i++) {
        assert_int_equal(propose(leader, "filler"), 0);
    }
    run_for(c.loop, 100); /* a snapshot that is being written is on disk afterwards */
    char *path = snapshot_of(&c, leader);
    file_flip_bit(path, 90, 3);
    mem_free(path);
    member_start(&c, (size_t)(lost - c.m));
    wait_equal(&c, leader, lost);
    assert_true(lost->machine.restored);
    cluster_close(&c);
}

struct outcome {
    bool done;
    int status;
};

static void on_outcome(void *arg, int status)
{
    struct outcome *o = arg;
    o->done = true;
    o->status = status;
}

static void leadership_moves_to_the_member_that_is_named(void **state)
{
    (void)state;
    struct cluster c;
    cluster_open(&c, 100000);
    struct member *leader = leader_of(&c);
    struct member *target = follower_of(&c, leader);
    struct outcome o = { 0 };
    assert_int_equal(propose(leader, "x"), 0);
    wait_equal(&c, leader, target);
    run_for(c.loop, 50);
    rnode_transfer(leader->node, target->id, on_outcome, &o);
    assert_false(o.done);
    run_until(c.loop, &o.done);
    assert_int_equal(o.status, 0);
    struct rnode_status s;
    rnode_get_status(leader->node, &s);
    assert_int_equal(s.leader_id, target->id);
    o = (struct outcome){ 0 };
    rnode_transfer(leader->node, 0, on_outcome, &o);
    run_until(c.loop, &o.done);
    assert_int_equal(o.status, E_NOTLEADER);
    cluster_close(&c);
}

static int change(struct cluster *c, enum member_change kind, size_t who)
{
    for (int i = 0; i < 200; i++) {
        struct outcome o = { 0 };
        rnode_change(leader_of(c)->node, kind, &c->founders[who], on_outcome, &o);
        run_until(c->loop, &o.done);
        if (o.status != E_NOTREADY) {
            return o.status;
        }
        run_for(c->loop, 10);
    }
    return E_TIMEOUT;
}

/* What no member could read again must not get into the log. */
static void a_member_without_id_or_address_is_refused(void **state)
{
    (void)state;
    struct cluster c;
    cluster_open(&c, 100000);
    assert_int_equal(propose(leader_of(&c), "before"), 0);
    struct rnode_member third = c.founders[3];
    c.founders[3].id = 0;
    assert_int_equal(change(&c, MEMBER_ADD_LEARNER, 3), E_INVAL);
    c.founders[3] = third;
    c.founders[3].peer_address[0] = '\0';
    assert_int_equal(change(&c, MEMBER_ADD_LEARNER, 3), E_INVAL);
    struct rnode_member first = c.founders[1];
    c.founders[1].peer_address[0] = '\0';
    assert_int_equal(change(&c, MEMBER_UPDATE, 1), E_INVAL);
    c.founders[1] = first;
    c.founders[3] = third;
    assert_int_equal(propose(leader_of(&c), "after"), 0);
    cluster_close(&c);
}

static void a_learner_joins_is_promoted_and_is_removed(void **state)
{
    (void)state;
    struct cluster c;
    cluster_open(&c, 100000);
    struct member *leader = leader_of(&c);
    assert_int_equal(propose(leader, "before"), 0);
    member_start(&c, 3);
    assert_int_equal(change(&c, MEMBER_ADD_LEARNER, 3), 0);
    assert_int_equal(change(&c, MEMBER_ADD_LEARNER, 3), E_EXIST);
    wait_equal(&c, leader, &c.m[3]);
    assert_int_equal(change(&c, MEMBER_PROMOTE, 3), 0);
    size_t n;
    const struct rnode_member *members = rnode_members(leader->node, &n);
    assert_int_equal(n, 4);
    assert_int_equal(members[3].role, RNODE_VOTER);
    assert_int_equal(propose(&c.m[3], "from the new one"), 0);
    for (int i = 0; i < 400 && rnode_members(leader->node, &n)[3].client_url[0] == '\0'; i++) {
        run_for(c.loop, 5);
    }
    members = rnode_members(leader->node, &n);
    assert_string_equal(members[3].name, "m3");
    assert_string_equal(members[3].client_url, "http://127.0.0.1:2379");
    assert_int_equal(change(&c, MEMBER_DEMOTE, 3), 0);
    assert_int_equal(change(&c, MEMBER_REMOVE, 3), 0);
    assert_int_equal(change(&c, MEMBER_REMOVE, 3), E_MEMBER_NOT_FOUND);
    size_t self = (size_t)(leader_of(&c) - c.m);
    assert_int_equal(change(&c, MEMBER_REMOVE, self), E_PERM);
    assert_int_equal(propose(leader, "after"), 0);
    cluster_close(&c);
}

static void a_second_change_or_transfer_meanwhile_is_refused(void **state)
{
    (void)state;
    struct cluster c;
    cluster_open(&c, 100000);
    struct member *leader = leader_of(&c);
    struct outcome first = { 0 };
    struct outcome second = { 0 };
    assert_int_equal(propose(leader, "x"), 0);
    rnode_change(leader->node, MEMBER_ADD_LEARNER, &c.founders[3], on_outcome, &first);
    rnode_change(leader->node, MEMBER_REMOVE, &c.founders[3], on_outcome, &second);
    assert_false(second.done);
    run_until(c.loop, &second.done);
    assert_int_equal(second.status, E_CONFLICT);
    run_until(c.loop, &first.done);
    assert_int_equal(first.status, 0);
    cluster_close(&c);
}

static void without_a_majority_proposals_and_reads_time_out(void **state)
{
    (void)state;
    struct cluster c;
    cluster_open(&c, 100000);
    struct member *leader = leader_of(&c);
    assert_int_equal(propose(leader, "x"), 0);
    for (size_t i = 0; i < 3; i++) {
        if (&c.m[i] != leader) {
            rnode_abandon(c.m[i].node);
            c.m[i].node = NULL;
        }
    }
    assert_true(propose(leader, "lost") != 0);
    assert_true(read_index(leader) != 0);
    assert_int_equal(leader->machine.count, 1);
    cluster_close(&c);
}

/* They answer faults; each is shown to be needed in test_gates.c or by the simulator. */
static void where_nothing_goes_wrong_no_gate_is_needed(void **state)
{
    (void)state;
    struct cluster c;
    cluster_open_gates(&c, 100000, GATE_ALL);
    struct member *leader = leader_of(&c);
    struct member *follower = follower_of(&c, leader);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(propose(i % 2 == 0 ? leader : follower, "x"), 0);
    }
    assert_int_equal(read_index(follower), 0);
    member_start(&c, 3);
    assert_int_equal(change(&c, MEMBER_ADD_LEARNER, 3), 0);
    wait_equal(&c, leader, &c.m[3]);
    assert_int_equal(change(&c, MEMBER_PROMOTE, 3), 0);
    rnode_abandon(leader->node);
    leader->node = NULL;
    struct member *next = leader_of(&c);
    assert_int_equal(propose(next, "after"), 0);
    member_start(&c, (size_t)(leader - c.m));
    for (size_t i = 0; i < MEMBERS; i++) {
        wait_equal(&c, next, &c.m[i]);
        assert_int_equal(c.m[i].machine.count, 21);
    }
    cluster_close(&c);
}

int test_cluster_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_members_elect_a_leader_and_apply_the_same),
        cmocka_unit_test(what_a_follower_is_told_at_once_is_applied_once),
        cmocka_unit_test(a_read_at_a_follower_sees_what_was_answered_before),
        cmocka_unit_test(a_proposal_of_one_term_is_no_other_leaders),
        cmocka_unit_test(a_killed_leader_is_replaced_and_comes_back),
        cmocka_unit_test(a_member_that_lags_behind_the_log_gets_a_snapshot),
        cmocka_unit_test(a_leader_writes_its_damaged_snapshot_anew),
        cmocka_unit_test(leadership_moves_to_the_member_that_is_named),
        cmocka_unit_test(a_member_without_id_or_address_is_refused),
        cmocka_unit_test(a_learner_joins_is_promoted_and_is_removed),
        cmocka_unit_test(a_second_change_or_transfer_meanwhile_is_refused),
        cmocka_unit_test(without_a_majority_proposals_and_reads_time_out),
        cmocka_unit_test(where_nothing_goes_wrong_no_gate_is_needed),
    };
    return cmocka_run_group_tests_name("raft/cluster", tests, NULL, NULL);
}
