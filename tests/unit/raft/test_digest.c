/* The count of digests: every way in which up to five voters can differ, in every order; and three
 * real members, one of which has another state. */
#include "test.h"

#include "raft/digest_vote.h"

enum { VOTERS_MAX = 5, DIGESTS = 3 };

/* --- the count -------------------------------------------------------------------------------- */

struct tried {
    uint64_t voters[VOTERS_MAX];
    uint64_t digest[VOTERS_MAX]; /* of each voter */
    size_t n;
    size_t votes[DIGESTS];
    uint64_t majority;           /* a digest; DIGESTS: none */
};

static struct tried trial(size_t n, unsigned code)
{
    struct tried t = { .n = n, .majority = DIGESTS };
    for (size_t i = 0; i < n; i++) {
        t.voters[i] = i + 1;
        t.digest[i] = code % DIGESTS;
        code /= DIGESTS;
        t.votes[t.digest[i]]++;
    }
    for (unsigned d = 0; d < DIGESTS; d++) {
        if (2 * t.votes[d] > n) {
            t.majority = d;
        }
    }
    return t;
}

/* Reports in the order of a permutation's number; judged after each, and in the end. */
static void run_trial(const struct tried *t, unsigned order, uint64_t own)
{
    struct digest_vote v;
    size_t left[VOTERS_MAX];
    size_t seen[DIGESTS] = { 0 };
    size_t named = 0;
    bool doubted = false;
    digest_vote_init(&v);
    digest_vote_check(&v, 10, own);
    for (size_t i = 0; i < t->n; i++) {
        left[i] = i;
    }
    for (size_t k = t->n; k > 0; k--) {
        size_t at = order % k;
        size_t who = left[at];
        order /= (unsigned)k;
        left[at] = left[k - 1];
        struct digest_report r = { t->voters[who], t->digest[who] };
        struct digest_verdict verdict;
        digest_vote_report(&v, 10, r, t->voters, t->n, &verdict);
        seen[t->digest[who]]++;
        bool first = 2 * seen[t->digest[who]] > t->n &&
                     2 * (seen[t->digest[who]] - 1) <= t->n;
        assert_int_equal(verdict.agreed, first);
        for (size_t i = 0; i < verdict.n_corrupt; i++) {
            assert_true(t->digest[verdict.corrupt[i] - 1] != t->majority);
        }
        named += verdict.n_corrupt;
        doubted = doubted || verdict.self_corrupt;
    }
    bool decided = t->majority != DIGESTS;
    assert_int_equal(v.agreed_index, decided ? 10 : 0);
    assert_int_equal(v.split, !decided);
    assert_int_equal(digest_vote_unsettled(&v), !decided);
    assert_int_equal(named, decided ? t->n - t->votes[t->majority] : 0);
    assert_int_equal(doubted, decided && own != t->majority);
}

static void every_split_of_up_to_five_voters_is_judged_right(void **state)
{
    (void)state;
    unsigned codes = 1, orders = 1;
    for (size_t n = 1; n <= VOTERS_MAX; n++) {
        codes *= DIGESTS;
        orders *= (unsigned)n;
        for (unsigned code = 0; code < codes; code++) {
            struct tried t = trial(n, code);
            for (unsigned order = 0; order < orders; order++) {
                run_trial(&t, order, t.digest[0]);
            }
        }
    }
}

static const uint64_t THREE[] = { 1, 2, 3 };

static struct digest_verdict report(struct digest_vote *v, uint64_t index, uint64_t member,
                                    uint64_t digest)
{
    struct digest_verdict verdict;
    digest_vote_report(v, index, (struct digest_report){ member, digest }, THREE, 3, &verdict);
    return verdict;
}

static void a_lone_leader_convinces_nobody(void **state)
{
    (void)state;
    struct digest_vote v;
    digest_vote_init(&v);
    digest_vote_check(&v, 5, 7);
    for (int i = 0; i < 5; i++) { /* however often it says it */
        assert_false(report(&v, 5, 1, 8).agreed);
    }
    assert_false(report(&v, 5, 2, 7).self_corrupt);
    struct digest_verdict verdict = report(&v, 5, 3, 7);
    assert_true(verdict.agreed);
    assert_false(verdict.self_corrupt);
    assert_int_equal(verdict.n_corrupt, 1);
    assert_int_equal(verdict.corrupt[0], 1);
}

static void learners_are_judged_and_do_not_judge(void **state)
{
    (void)state;
    struct digest_vote v;
    digest_vote_init(&v);
    digest_vote_check(&v, 5, 7);
    for (uint64_t learner = 10; learner < 20; learner++) {
        assert_false(report(&v, 5, learner, 8).agreed);
    }
    assert_false(v.split);
    report(&v, 5, 1, 7);
    struct digest_verdict verdict = report(&v, 5, 2, 7);
    assert_true(verdict.agreed);
    assert_int_equal(verdict.n_corrupt, 10);
    verdict = report(&v, 5, 20, 9); /* afterwards too */
    assert_int_equal(verdict.n_corrupt, 1);
    assert_int_equal(report(&v, 5, 21, 7).n_corrupt, 0);
}

static void a_difference_that_stays_undecided_is_a_split(void **state)
{
    (void)state;
    struct digest_vote v;
    digest_vote_init(&v);
    digest_vote_check(&v, 5, 7);
    report(&v, 5, 1, 7);
    report(&v, 5, 2, 8);
    assert_false(v.split); /* 3 may still tell */
    assert_true(digest_vote_unsettled(&v));
    digest_vote_check(&v, 9, 7);
    assert_true(v.split);
    assert_true(digest_vote_unsettled(&v)); /* even before anybody reports */
    report(&v, 9, 1, 7);
    report(&v, 9, 3, 7);
    assert_false(v.split);
    assert_false(digest_vote_unsettled(&v));
    assert_int_equal(report(&v, 9, 2, 8).n_corrupt, 1);
}

static void old_and_unknown_checks_count_nothing(void **state)
{
    (void)state;
    struct digest_vote v;
    digest_vote_init(&v);
    assert_false(report(&v, 5, 1, 7).agreed);
    for (uint64_t i = 1; i <= 2 * DIGEST_CHECKS_MAX; i++) {
        digest_vote_check(&v, 10 * i, 7);
    }
    assert_int_equal(v.n, DIGEST_CHECKS_MAX);
    report(&v, 10, 1, 8);
    assert_false(report(&v, 10, 2, 8).agreed);
    report(&v, 10 * DIGEST_CHECKS_MAX + 10, 1, 8);
    assert_true(report(&v, 10 * DIGEST_CHECKS_MAX + 10, 2, 8).self_corrupt);
    assert_true(digest_vote_reported(&v, 10 * DIGEST_CHECKS_MAX + 10, 2));
    assert_false(digest_vote_reported(&v, 10 * DIGEST_CHECKS_MAX + 10, 3));
}

/* --- members ---------------------------------------------------------------------------------- */

enum { MEMBERS = 3 };

static void three_members(struct loop *loop, const char *dir, struct member *m)
{
    struct rnode_member founders[MEMBERS];
    memset(founders, 0, sizeof founders);
    for (size_t i = 0; i < MEMBERS; i++) {
        m[i].id = 200 + i;
        address_pick(loop, m[i].address, sizeof m[i].address);
        founders[i] = (struct rnode_member){ .id = m[i].id, .role = RNODE_VOTER };
        memcpy(founders[i].peer_address, m[i].address, sizeof m[i].address);
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        struct rnode_options o;
        struct rnode_tuning tuning = { .digest_ms = 50 };
        struct err err = ERR_INIT;
        char *path = mem_printf("%s/%zu", dir, i);
        member_options(&m[i], loop, path, &o);
        o.initial = founders;
        o.n_initial = MEMBERS;
        assert_int_equal(rnode_open_tuned(&o, &tuning, &m[i].node, &err), 0);
        mem_free(path);
    }
}

static bool compared(const struct member *m, uint64_t index)
{
    struct rnode_status status;
    rnode_get_status(m->node, &status);
    return status.agreed_index > index;
}

static void wait_compared(struct loop *loop, struct member *m)
{
    struct rnode_status status;
    rnode_get_status(m[0].node, &status);
    for (int i = 0; i < 2000; i++) {
        if (compared(&m[0], status.applied_index) && compared(&m[1], status.applied_index) &&
            compared(&m[2], status.applied_index)) {
            return;
        }
        run_for(loop, 5);
    }
    fail_msg("states were not compared");
}

/* `wrong` of the members have another state, the leader among them or not. */
static void play(bool leader_is_wrong)
{
    struct loop *loop = loop_new();
    char *dir = temp_dir_new();
    struct member m[MEMBERS];
    struct member *all[MEMBERS] = { &m[0], &m[1], &m[2] };
    struct member *leader = NULL;
    memset(m, 0, sizeof m);
    three_members(loop, dir, m);
    assert_true(wait_for_leader(loop, all, MEMBERS, &leader));
    assert_int_equal(propose(leader, "a"), 0);
    wait_compared(loop, m);
    for (size_t i = 0; i < MEMBERS; i++) {
        assert_string_equal(m[i].fatal.msg, "");
    }
    struct member *wrong = leader_is_wrong ? leader : all[(leader - m + 1) % MEMBERS];
    wrong->machine.lie = 1;
    assert_int_equal(propose(leader, "b"), 0);
    for (int i = 0; i < 2000 && wrong->fatal.code == 0; i++) {
        run_for(loop, 5);
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        struct rnode_status status;
        assert_int_equal(m[i].fatal.code, &m[i] == wrong ? E_CORRUPT : 0);
        for (int k = 0; k < 2000; k++) {
            rnode_get_status(m[i].node, &status);
            if (status.corrupt_member != 0) {
                break;
            }
            run_for(loop, 5);
        }
        assert_int_equal(status.corrupt_member, wrong->id);
        assert_false(status.split);
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        rnode_abandon(m[i].node);
    }
    run_for(loop, 20);
    loop_free(loop);
    temp_dir_free(dir);
}

static void a_follower_whose_state_differs_ends_itself(void **state)
{
    (void)state;
    play(false);
}

static void a_leader_whose_state_differs_ends_itself(void **state)
{
    (void)state;
    play(true);
}

int test_digest_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_of_up_to_five_voters_is_judged_right),
        cmocka_unit_test(a_lone_leader_convinces_nobody),
        cmocka_unit_test(learners_are_judged_and_do_not_judge),
        cmocka_unit_test(a_difference_that_stays_undecided_is_a_split),
        cmocka_unit_test(old_and_unknown_checks_count_nothing),
        cmocka_unit_test(a_follower_whose_state_differs_ends_itself),
        cmocka_unit_test(a_leader_whose_state_differs_ends_itself),
    };
    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
