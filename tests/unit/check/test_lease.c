/* Leases: lives as a right store gives them pass; an end too early or too late by a microsecond is
 * caught. */
#include <stdio.h>

#include "check/lease.h"
#include "lib/base/err.h"
#include "lib/base/rng.h"
#include "tests/unit/check/tests.h"

enum { SEEDS = 2000 / SHARE, RENEWALS_MAX = 12, LEADERS_MAX = 4 };
enum { SECOND = 1000000, SLACK = 6 * SECOND };

struct renewal {
    int64_t call, at, ret;
    bool unknown;
};

/* A lease: renewed at `at` of each, by new leaders, and ended a TTL after the last. */
struct life {
    struct rng rng;
    int64_t ttl_s;
    struct renewal renewals[RENEWALS_MAX]; /* the first is the grant */
    int n;
    int64_t leaders[LEADERS_MAX];
    int n_leaders;
    int64_t end, seen;
    int64_t revoke, revoked; /* 0: never */
};

static int64_t pick(struct life *f, int64_t lo, int64_t hi)
{
    return (int64_t)rng_range(&f->rng, (uint64_t)lo, (uint64_t)hi);
}

static void life_init(struct life *f, uint64_t seed)
{
    memset(f, 0, sizeof *f);
    rng_init(&f->rng, seed);
    f->ttl_s = pick(f, 2, 10);
    int64_t ttl = f->ttl_s * SECOND, now = pick(f, 0, SECOND);
    int n = (int)pick(f, 1, RENEWALS_MAX);
    f->end = INT64_MAX;
    while (f->n < n) {
        struct renewal *r = &f->renewals[f->n];
        r->call = now;
        r->at = now + pick(f, 0, SECOND / 2);
        r->ret = r->at + pick(f, 0, SECOND / 2);
        r->unknown = f->n > 0 && pick(f, 0, 9) == 0;
        bool lost = r->unknown && pick(f, 0, 1) == 0;
        if (f->n > 0 && r->at >= f->end) {
            break; /* it came too late: it is over */
        }
        f->end = lost ? f->end : r->at + ttl;
        f->n++;
        now = r->ret + pick(f, 0, ttl / 2);
        if (pick(f, 0, 9) == 0 && f->n_leaders < LEADERS_MAX && now < f->end) {
            f->leaders[f->n_leaders++] = now;
            f->end = now + ttl > f->end ? now + ttl : f->end;
        }
    }
    f->seen = f->end + pick(f, 0, SLACK - 1);
}

static void record_one(struct history *h, const struct life *f, const struct renewal *r, bool grant)
{
    struct check_request q = { .kind = grant ? CHECK_GRANT : CHECK_KEEPALIVE,
                               .lease = 7,
                               .ttl_s = f->ttl_s };
    struct check_response told = { .revision = 1, .lease = 7, .ttl_s = f->ttl_s };
    uint32_t id = history_call(h, 0, 0, r->call, &q);
    history_return(h, id, r->ret, r->unknown ? CHECK_UNKNOWN : CHECK_OK, 0, &told);
}

static void record_revoke(struct history *h, const struct life *f)
{
    struct check_request q = { .kind = CHECK_REVOKE, .lease = 7 };
    struct check_response told = { .revision = 1 };
    uint32_t id = history_call(h, 0, 0, f->revoke, &q);
    history_return(h, id, f->revoked, CHECK_OK, 0, &told);
}

struct verdicts {
    enum check_result early, late;
};

static struct verdicts judge(const struct life *f, int64_t end_us)
{
    struct check_pool pool;
    struct history h;
    struct check_report report;
    check_pool_init(&pool, 0);
    history_init(&h, &pool);
    check_report_init(&report);
    bool revoked = f->revoke == 0;
    for (int i = 0; i < f->n; i++) {
        if (!revoked && f->revoke <= f->renewals[i].call) {
            record_revoke(&h, f);
            revoked = true;
        }
        record_one(&h, f, &f->renewals[i], i == 0);
    }
    if (!revoked) {
        record_revoke(&h, f);
    }
    struct check_lease_end end = { 7, f->seen };
    struct check_lease_facts facts = { .ends = &end,
                                       .n_ends = f->seen != 0,
                                       .leaders_us = f->leaders,
                                       .n_leaders = (size_t)f->n_leaders,
                                       .slack_us = SLACK,
                                       .unanswered_us = SECOND,
                                       .end_us = end_us };
    int rv = check_leases(&h, NULL, &facts, &report);
    struct verdicts v = { check_report_find(&report, "lease not early")->result,
                          check_report_find(&report, "lease not late")->result };
    assert_int_equal(rv == 0, v.early == CHECK_HOLDS && v.late == CHECK_HOLDS);
    check_report_fini(&report);
    history_fini(&h);
    check_pool_fini(&pool);
    return v;
}

/* The last promise that was answered, and the last moment of any renewal. */
static int64_t promised(const struct life *f)
{
    int64_t until = 0;
    for (int i = 0; i < f->n; i++) {
        int64_t t = f->renewals[i].call + f->ttl_s * SECOND;
        until = !f->renewals[i].unknown && t > until ? t : until;
    }
    return until;
}

static int64_t latest(const struct life *f)
{
    int64_t until = 0;
    for (int i = 0; i < f->n; i++) {
        const struct renewal *r = &f->renewals[i];
        int64_t t = r->unknown ? r->call + SECOND : r->ret;
        until = t > until ? t : until;
    }
    for (int i = 0; i < f->n_leaders; i++) {
        until = f->leaders[i] > until ? f->leaders[i] : until;
    }
    return until + f->ttl_s * SECOND + SLACK;
}

static void test_right_lives_pass(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct life f;
        life_init(&f, seed);
        struct verdicts v = judge(&f, 0);
        assert_int_equal(v.early, CHECK_HOLDS);
        assert_int_equal(v.late, CHECK_HOLDS);
        f.seen = promised(&f);
        assert_int_equal(judge(&f, 0).early, CHECK_HOLDS);
        f.seen = latest(&f);
        assert_int_equal(judge(&f, 0).late, CHECK_HOLDS);
    }
}

static void test_a_microsecond_early_or_late_is_caught(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct life f;
        life_init(&f, seed);
        f.seen = promised(&f) - pick(&f, 1, SECOND);
        assert_int_equal(judge(&f, 0).early, CHECK_VIOLATED);
        life_init(&f, seed);
        f.seen = latest(&f) + pick(&f, 1, SECOND);
        assert_int_equal(judge(&f, 0).late, CHECK_VIOLATED);
        f.seen = 0; /* never seen */
        assert_int_equal(judge(&f, 0).late, CHECK_HOLDS);
        assert_int_equal(judge(&f, latest(&f)).late, CHECK_HOLDS);
        assert_int_equal(judge(&f, latest(&f) + 1).late, CHECK_VIOLATED);
    }
}

static void test_an_end_by_revoke_is_not_early(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct life f;
        life_init(&f, seed);
        f.revoke = f.renewals[f.n - 1].ret + 1;
        f.revoked = f.revoke + 10;
        f.seen = f.revoke + pick(&f, 0, 10);
        assert_int_equal(judge(&f, 0).early, CHECK_HOLDS);
        f.seen = f.revoke - 1; /* it was gone before */
        assert_int_equal(judge(&f, 0).early, f.seen < promised(&f) ? CHECK_VIOLATED : CHECK_HOLDS);
        /* Alive after its revoke was answered. */
        f.seen = f.revoke;
        struct renewal *r = &f.renewals[f.n < RENEWALS_MAX ? f.n++ : RENEWALS_MAX - 1];
        *r = (struct renewal){ f.revoked + 1, f.revoked + 1, f.revoked + 2, false };
        assert_int_equal(judge(&f, 0).late, CHECK_VIOLATED);
    }
}

/* --- what the history and the log themselves show --------------------------------------------- */

struct world {
    struct check_pool pool;
    struct history h;
    struct check_log log;
};

static void world_init(struct world *w)
{
    check_pool_init(&w->pool, 0);
    history_init(&w->h, &w->pool);
    check_log_init(&w->log, &w->pool);
    struct check_request grant = { .kind = CHECK_GRANT, .lease = 7, .ttl_s = 5 };
    struct check_response told = { .revision = 1, .lease = 7, .ttl_s = 5 };
    history_return(&w->h, history_call(&w->h, 0, 0, 1, &grant), 2, CHECK_OK, 0, &told);
    struct check_event e = { .kv = { .key = slice_str("a"),
                                     .value = slice_str("1"),
                                     .create_revision = 2,
                                     .mod_revision = 2,
                                     .version = 1,
                                     .lease = 7 } };
    assert_int_equal(check_log_add(&w->log, 2, 10, &e, 1), 0);
}

static void logged_end(struct world *w, int64_t at_us)
{
    struct check_event e = { .kv = { .key = slice_str("a"), .mod_revision = 3 }, .deleted = true };
    assert_int_equal(check_log_add(&w->log, 3, at_us, &e, 1), 0);
}

static enum check_result world_judge(struct world *w, const char *verdict)
{
    struct check_report report;
    struct check_lease_facts facts = { .slack_us = SLACK };
    check_report_init(&report);
    check_leases(&w->h, &w->log, &facts, &report);
    enum check_result result = check_report_find(&report, verdict)->result;
    check_report_fini(&report);
    check_log_fini(&w->log);
    history_fini(&w->h);
    check_pool_fini(&w->pool);
    return result;
}

static void test_the_log_shows_ends(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    logged_end(&w, 5 * SECOND + 1);
    assert_int_equal(world_judge(&w, "lease not early"), CHECK_HOLDS);
    world_init(&w);
    logged_end(&w, 5 * SECOND);
    assert_int_equal(world_judge(&w, "lease not early"), CHECK_VIOLATED);
    world_init(&w);
    logged_end(&w, 5 * SECOND + SLACK + 3);
    assert_int_equal(world_judge(&w, "lease not late"), CHECK_VIOLATED);
}

/* Somebody may have deleted the key: then the lease goes on without it. */
static void test_a_deleted_key_is_no_end(void **state)
{
    (void)state;
    struct check_ask ask = { .kind = CHECK_DELETE, .key = slice_str("a") };
    struct check_ask other = { .kind = CHECK_DELETE, .key = slice_str("b") };
    struct check_request del = { .kind = CHECK_DELETE, .ask = ask };
    struct check_request txn = {
        .kind = CHECK_TXN, .then_asks = &other, .n_then = 1, .else_asks = &ask, .n_else = 1
    };
    struct check_request not_it = { .kind = CHECK_DELETE, .ask = other };
    struct check_answer one = { .deleted = 1 };
    struct check_response told = { .revision = 3, .answers = &one, .n_answers = 1 };
    for (int kind = 0; kind < 4; kind++) {
        struct world w;
        world_init(&w);
        uint32_t id = history_call(&w.h, 0, 0, 20, kind < 2 ? &del : kind == 2 ? &txn : &not_it);
        if (kind == 0) {
            history_return(&w.h, id, 30, CHECK_OK, 0, &told);
        }
        logged_end(&w, SECOND);
        assert_int_equal(world_judge(&w, "lease not early"),
                         kind < 3 ? CHECK_HOLDS : CHECK_VIOLATED);
    }
}

static void test_answers_show_ends(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct world w;
        world_init(&w);
        bool early = kind % 2 == 1;
        int64_t at = early ? 5 * SECOND - 10 : 5 * SECOND + 10;
        struct check_request q = { .kind = kind < 2 ? CHECK_KEEPALIVE : CHECK_PUT,
                                   .lease = 7,
                                   .ask = {
                                       .kind = CHECK_PUT, .key = slice_str("b"), .lease = 7 } };
        struct check_response none = { .revision = 2, .lease = 7, .ttl_s = 0 };
        uint32_t id = history_call(&w.h, 0, 0, at - 1, &q);
        history_return(&w.h, id, at, kind < 2 ? CHECK_OK : CHECK_FAILED,
                       kind < 2 ? 0 : E_LEASE_NOT_FOUND, &none);
        assert_int_equal(world_judge(&w, "lease not early"), early ? CHECK_VIOLATED : CHECK_HOLDS);
    }
}

int run_lease_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_lives_pass),
        cmocka_unit_test(test_a_microsecond_early_or_late_is_caught),
        cmocka_unit_test(test_an_end_by_revoke_is_not_early),
        cmocka_unit_test(test_the_log_shows_ends),
        cmocka_unit_test(test_a_deleted_key_is_no_end),
        cmocka_unit_test(test_answers_show_ends),
    };
    return cmocka_run_group_tests_name("check/lease", tests, NULL, NULL);
}
