/* Getting in from outside: what is asked, what is answered, and a damaged member's way back. */
#include "tests/unit/raft/trio.h"

#include <stdio.h>
#include <string.h>

#include "lib/codec/mp.h"
#include "raft/join.h"
#include "raft/membership.h"
#include "raft/node.h"
#include "raft/quarantine.h"

/* --- bytes ------------------------------------------------------------------------------------ */

static void fill(struct join_answer *a)
{
    *a = (struct join_answer){ .status = E_NOTLEADER, .cluster_id = 1, .leader_id = 2,
                               .your_id = UINT64_MAX, .n_members = LIMIT_PEERS };
    for (size_t i = 0; i < LIMIT_PEERS; i++) {
        a->members[i] = (struct rnode_member){ .id = i + 1, .role = i % 2 ? RNODE_LEARNER
                                                                          : RNODE_VOTER };
        memset(a->members[i].name, 'n', sizeof a->members[i].name - 1);
        memset(a->members[i].peer_address, 'p', sizeof a->members[i].peer_address - 1);
        memset(a->members[i].client_url, 'c', sizeof a->members[i].client_url - 1);
    }
}

static void an_answer_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct join_answer a, b;
    struct buf bytes = BUF_INIT;
    fill(&a);
    join_answer_encode(&a, &bytes);
    assert_int_equal(join_answer_decode(buf_slice(&bytes), &b), 0);
    assert_memory_equal(&a, &b, sizeof a);
    struct rnode_member others[LIMIT_PEERS];
    b.your_id = 5;
    assert_int_equal(join_others(&b, others), LIMIT_PEERS - 1);
    buf_fini(&bytes);
}

static void an_answer_that_is_cut_is_refused(void **state)
{
    (void)state;
    struct join_answer a, b;
    struct buf bytes = BUF_INIT;
    fill(&a);
    join_answer_encode(&a, &bytes);
    for (size_t n = 0; n < bytes.len; n++) {
        assert_int_equal(join_answer_decode(slice_make(bytes.data, n), &b), E_PROTO);
    }
    bytes.data[1] = 2; /* the version */
    assert_int_equal(join_answer_decode(buf_slice(&bytes), &b), E_UNSUPPORTED);
    buf_fini(&bytes);
}

static void an_id_says_whether_its_member_is_promoted(void **state)
{
    (void)state;
    for (uint64_t random = 1; random != 0; random <<= 1) {
        assert_true(rnode_id_promotes(rnode_new_id(random, true)));
        assert_false(rnode_id_promotes(rnode_new_id(random, false)));
    }
    assert_true(rnode_new_id(1, true) != rnode_new_id(2, true));
}

/* --- directories ------------------------------------------------------------------------------ */

static void damaged_directories_are_numbered_and_the_newest_kept(void **state)
{
    (void)state;
    char *base = temp_dir_new();
    char *dir = mem_printf("%s/member", base);
    char to[300];
    for (int i = 1; i <= 5; i++) {
        char *want = mem_printf("%s.quarantine-%d", dir, i);
        assert_int_equal(fs_mkdir_p(NULL, dir, 0700, NULL), 0);
        assert_int_equal(quarantine_move(NULL, dir, to, sizeof to, NULL), 0);
        assert_string_equal(to, want);
        assert_false(fs_exists(NULL, dir));
        mem_free(want);
    }
    char **names;
    size_t n;
    assert_int_equal(fs_list(NULL, base, &names, &n, NULL), 0);
    assert_int_equal(n, QUARANTINES_KEPT);
    assert_string_equal(names[0], "member.quarantine-3");
    fs_list_free(names, n);
    assert_true(quarantine_move(NULL, dir, to, sizeof to, NULL) != 0);
    mem_free(dir);
    temp_dir_free(base);
}

static void a_note_of_damage_makes_a_directory_unusable(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct err why = ERR_INIT;
    char *dir = temp_dir_new();
    assert_int_equal(quarantine_check(NULL, dir, &err), 0);
    err_set(&why, E_CORRUPT, "bad memory");
    assert_int_equal(quarantine_mark(NULL, dir, &why, &err), 0);
    assert_int_equal(quarantine_check(NULL, dir, &err), E_CORRUPT);
    assert_string_equal(err.msg, "found while it ran: bad memory");
    temp_dir_free(dir);
}

/* --- members ---------------------------------------------------------------------------------- */

struct outcome {
    bool done;
    int status;
    struct join_answer answer;
    struct err err;
};

static void on_joined(void *arg, int status, const struct join_answer *answer,
                      const struct err *err)
{
    struct outcome *o = arg;
    o->done = true;
    o->status = status;
    o->err = *err;
    if (answer != NULL) {
        o->answer = *answer;
    }
}

static void ask(struct trio *f, enum join_what what, const char *address, uint64_t cluster_id,
                struct outcome *o)
{
    const char *all[MEMBERS] = { f->m[0].address, f->m[1].address, f->m[2].address };
    struct join_options options = { .loop = f->loop,
                                    .what = what,
                                    .cluster_id = cluster_id,
                                    .name = "x",
                                    .address = address,
                                    .ask = all,
                                    .n_ask = MEMBERS,
                                    .once = what == JOIN_STARTED,
                                    .timeout_ms = 4000 };
    *o = (struct outcome){ 0 };
    join_start(&options, on_joined, o);
    assert_false(o->done);
    run_until(f->loop, &o->done);
}

static void who_is_there_is_told_to_strangers(void **state)
{
    (void)state;
    struct trio f;
    struct outcome o;
    trio_open(&f);
    trio_leader(&f);
    ask(&f, JOIN_WHO, f.m[1].address, 0, &o);
    assert_int_equal(o.status, 0);
    assert_int_equal(o.answer.your_id, f.m[1].id);
    assert_int_equal(o.answer.n_members, MEMBERS);
    ask(&f, JOIN_WHO, "127.0.0.1:1", 0, &o);
    assert_int_equal(o.status, E_MEMBER_NOT_FOUND);
    assert_non_null(strstr(o.err.msg, "127.0.0.1:1"));
    ask(&f, JOIN_WHO, f.m[1].address, 12345, &o);
    assert_int_equal(o.status, E_TIMEOUT);
    assert_non_null(strstr(o.err.msg, "another cluster"));
    trio_close(&f);
}

static void who_has_taken_part_is_remembered(void **state)
{
    (void)state;
    struct trio f;
    struct outcome o;
    trio_open(&f);
    trio_leader(&f);
    ask(&f, JOIN_STARTED, "127.0.0.1:1", 0, &o); /* and each is asked once only */
    assert_int_equal(o.status, E_MEMBER_NOT_FOUND);
    for (int i = 0; i < 100; i++) { /* until its name is in the log */
        ask(&f, JOIN_STARTED, f.m[1].address, 0xc1, &o);
        if (o.status == 0) {
            break;
        }
        run_for(f.loop, 20);
    }
    assert_int_equal(o.status, 0);
    assert_int_equal(o.answer.your_id, f.m[1].id);
    ask(&f, JOIN_STARTED, f.m[1].address, 12345, &o); /* another cluster's */
    assert_int_equal(o.status, E_MEMBER_NOT_FOUND);
    trio_close(&f);
}

static void a_member_that_answers_is_not_replaced(void **state)
{
    (void)state;
    struct trio f;
    struct outcome o;
    trio_open(&f);
    struct member *leader = trio_leader(&f);
    assert_int_equal(propose(leader, "x"), 0);
    struct member *other = leader == &f.m[0] ? &f.m[1] : &f.m[0];
    ask(&f, JOIN_REPLACE, other->address, 0, &o);
    assert_int_equal(o.status, E_TIMEOUT);
    size_t n;
    rnode_members(leader->node, &n);
    assert_int_equal(n, MEMBERS);
    trio_close(&f);
}

static bool is_voter(const struct member *of, uint64_t id)
{
    size_t n;
    const struct rnode_member *members = rnode_members(of->node, &n);
    for (size_t i = 0; i < n; i++) {
        if (members[i].id == id) {
            return members[i].role == RNODE_VOTER;
        }
    }
    return false;
}

static void a_damaged_member_comes_back_under_a_new_id(void **state)
{
    (void)state;
    struct trio f;
    struct outcome o;
    char to[300];
    trio_open(&f);
    struct member *leader = trio_leader(&f);
    size_t bad = leader == &f.m[0] ? 1 : 0;
    uint64_t old = f.m[bad].id;
    assert_int_equal(propose(&f.m[bad], "before"), 0);
    trio_end(&f, bad);
    char *dir = mem_printf("%s/%zu", f.dir, bad);
    char *meta = mem_printf("%s/meta", dir);
    file_flip_bit(meta, 40, 3);
    assert_int_equal(trio_start(&f, bad, NULL), 0); /* one copy is enough */
    trio_end(&f, bad);
    file_flip_bit(meta, 40, 3);
    file_flip_bit(meta, 4096 + 40, 3);
    assert_int_equal(trio_start(&f, bad, NULL), E_CORRUPT);
    f.m[bad].node = NULL;
    ask(&f, JOIN_REPLACE, f.m[bad].address, 0, &o);
    assert_int_equal(o.status, 0);
    assert_true(o.answer.your_id != old && rnode_id_promotes(o.answer.your_id));
    assert_int_equal(quarantine_move(NULL, dir, to, sizeof to, NULL), 0);
    assert_int_equal(trio_start(&f, bad, &o.answer), 0);
    for (int i = 0; i < 2000 && !is_voter(leader, o.answer.your_id); i++) {
        run_for(f.loop, 5);
    }
    assert_true(is_voter(leader, o.answer.your_id));
    assert_false(is_voter(leader, old));
    assert_int_equal(propose(&f.m[bad], "after"), 0);
    assert_int_equal(f.m[bad].machine.count, 2);
    /* Its directory says who it is, whatever the founders' flags say. */
    uint64_t id = f.m[bad].id;
    trio_end(&f, bad);
    f.m[bad].id = old;
    assert_int_equal(trio_start(&f, bad, NULL), 0);
    assert_int_equal(propose(&f.m[bad], "again"), 0);
    struct rnode_status status;
    rnode_get_status(f.m[bad].node, &status);
    assert_int_equal(status.member_id, id);
    mem_free(meta);
    mem_free(dir);
    trio_close(&f);
}

/* Replaced, but ended before it was set up under the new id: it must not found itself. */
static void who_was_replaced_is_no_founder(void **state)
{
    (void)state;
    struct trio f;
    struct outcome o;
    trio_open(&f);
    struct member *leader = trio_leader(&f);
    size_t bad = leader == &f.m[0] ? 1 : 0;
    assert_int_equal(propose(&f.m[bad], "before"), 0);
    trio_end(&f, bad);
    ask(&f, JOIN_REPLACE, f.m[bad].address, 0, &o);
    assert_int_equal(o.status, 0);
    uint64_t id = o.answer.your_id;
    ask(&f, JOIN_STARTED, f.m[bad].address, 0, &o);
    assert_int_equal(o.status, 0);
    assert_int_equal(o.answer.your_id, id);
    trio_close(&f);
}

static void attrs(struct member *m, uint64_t id, const char *name)
{
    struct buf b = BUF_INIT;
    mp_put_array(&b, 4);
    mp_put_u64(&b, 1);
    mp_put_u64(&b, id);
    mp_put_str(&b, name);
    mp_put_str(&b, "http://x");
    membership_apply_attrs(m->node, buf_slice(&b));
    buf_fini(&b);
}

static void names_of_members_outlive_those_of_removed_ones(void **state)
{
    (void)state;
    struct trio f;
    trio_open(&f);
    struct member *leader = trio_leader(&f);
    assert_int_equal(propose(leader, "x"), 0);
    for (size_t i = 0; i < MEMBERS; i++) {
        attrs(leader, f.m[i].id, "member");
    }
    for (uint64_t i = 0; i < 4 * LIMIT_PEERS; i++) {
        attrs(leader, 1000 + i, "replaced");
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        assert_non_null(membership_name_of(leader->node, f.m[i].id));
    }
    assert_non_null(membership_name_of(leader->node, 1000 + 4 * LIMIT_PEERS - 1));
    trio_close(&f);
}

static void what_is_left_without_an_identity_is_moved_too(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char *dir = temp_dir_new();
    char *sub = mem_printf("%s/member", dir);
    char *wal = mem_printf("%s/wal", sub);
    char *lock = mem_printf("%s/lock", sub);
    assert_false(quarantine_due(NULL, sub));
    assert_int_equal(fs_mkdir_p(NULL, sub, 0700, &err), 0);
    assert_int_equal(fs_write_file_atomic(NULL, lock, slice_make("", 0), &err), 0);
    assert_false(quarantine_due(NULL, sub)); /* as a process that ended early leaves it */
    assert_int_equal(fs_mkdir_p(NULL, wal, 0700, &err), 0);
    assert_true(quarantine_due(NULL, sub));
    mem_free(lock);
    mem_free(wal);
    mem_free(sub);
    temp_dir_free(dir);
}

static bool is_split(const struct member *m)
{
    struct rnode_status status;
    rnode_get_status(m->node, &status);
    return status.split;
}

/* Two voters differ. A learner has its state from one of them and must not decide for it. */
static void a_learner_does_not_decide_who_is_right(void **state)
{
    (void)state;
    struct trio f;
    struct outcome o;
    trio_open(&f);
    struct member *leader = trio_leader(&f);
    size_t gone = leader == &f.m[0] ? 1 : 0;
    assert_int_equal(propose(&f.m[gone], "before"), 0);
    trio_end(&f, gone);
    ask(&f, JOIN_REPLACE, f.m[gone].address, 0, &o);
    assert_int_equal(o.status, 0);
    leader->machine.lie = 1;
    assert_int_equal(propose(leader, "differs"), 0);
    for (int i = 0; i < 2000 && !is_split(leader); i++) {
        run_for(f.loop, 5);
    }
    assert_true(is_split(leader));
    char *dir = mem_printf("%s/%zu", f.dir, gone);
    assert_int_equal(fs_remove_tree(NULL, dir, NULL), 0);
    mem_free(dir);
    assert_int_equal(trio_start(&f, gone, &o.answer), 0);
    for (int i = 0; i < 2000 && f.m[gone].machine.count < 2; i++) {
        run_for(f.loop, 5);
    }
    assert_int_equal(f.m[gone].machine.count, 2); /* it has caught up */
    run_for(f.loop, 1000);
    assert_false(is_voter(leader, o.answer.your_id));
    assert_int_equal(f.m[0].fatal.code + f.m[1].fatal.code + f.m[2].fatal.code, 0);
    /* One day somebody finds who is right. */
    leader->machine.lie = 0;
    for (int i = 0; i < 2000 && !is_voter(leader, o.answer.your_id); i++) {
        run_for(f.loop, 5);
    }
    assert_true(is_voter(leader, o.answer.your_id));
    trio_close(&f);
}

static void what_differs_at_run_time_is_not_used_again(void **state)
{
    (void)state;
    struct trio f;
    trio_open(&f);
    struct member *leader = trio_leader(&f);
    size_t bad = leader == &f.m[0] ? 1 : 0;
    f.m[bad].machine.lie = 1;
    assert_int_equal(propose(leader, "x"), 0);
    for (int i = 0; i < 2000 && f.m[bad].fatal.code == 0; i++) {
        run_for(f.loop, 5);
    }
    assert_int_equal(f.m[bad].fatal.code, E_CORRUPT);
    trio_end(&f, bad);
    assert_int_equal(trio_start(&f, bad, NULL), E_CORRUPT);
    f.m[bad].node = NULL;
    trio_close(&f);
}

int test_join_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read_as_it_was_written),
        cmocka_unit_test(an_answer_that_is_cut_is_refused),
        cmocka_unit_test(an_id_says_whether_its_member_is_promoted),
        cmocka_unit_test(damaged_directories_are_numbered_and_the_newest_kept),
        cmocka_unit_test(a_note_of_damage_makes_a_directory_unusable),
        cmocka_unit_test(who_is_there_is_told_to_strangers),
        cmocka_unit_test(who_has_taken_part_is_remembered),
        cmocka_unit_test(a_member_that_answers_is_not_replaced),
        cmocka_unit_test(a_damaged_member_comes_back_under_a_new_id),
        cmocka_unit_test(who_was_replaced_is_no_founder),
        cmocka_unit_test(names_of_members_outlive_those_of_removed_ones),
        cmocka_unit_test(what_is_left_without_an_identity_is_moved_too),
        cmocka_unit_test(a_learner_does_not_decide_who_is_right),
        cmocka_unit_test(what_differs_at_run_time_is_not_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
