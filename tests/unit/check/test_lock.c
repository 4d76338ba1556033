/* Locks: queues of holders whose writes carry their token pass; a write without one, with an old
 * one, or out of turn is caught. */
#include <stdio.h>

#include "check/lock.h"
#include "lib/base/err.h"
#include "lib/base/rng.h"
#include "tests/unit/check/tests.h"

enum { SEEDS = 1000 / SHARE, WAITERS = 6, WRITES = 40 };

enum fault {
    NONE,
    NO_FENCE,      /* a plain put */
    OTHER_COMPARE, /* a txn, but it compares something else */
    NOT_EQUAL,     /* "not equal" fences nothing */
    ELSE_BRANCH,   /* the compare failed, and the write was in the other branch */
    STRANGER,      /* nobody recorded made it */
    OLD_TOKEN,     /* the store let a former holder through */
    OUT_OF_TURN,   /* a waiter that holds a key, but not the lock */
    FAULTS
};

struct world {
    struct check_pool pool;
    struct history h;
    struct check_log log;
    struct rng rng;
    int64_t revision, now, data_version, data_created;
    int value;
    int64_t create[WAITERS]; /* of each waiter's key; 0: not there */
    int64_t old_token;       /* of a holder that is gone */
    int old_waiter;
};

static int pick(struct world *w, int lo, int hi)
{
    return (int)rng_range(&w->rng, (uint64_t)lo, (uint64_t)hi);
}

static void key_of(int waiter, char text[24])
{
    snprintf(text, 24, "/lock/%d", waiter);
}

static void logged(struct world *w, const char *key, const char *value, int64_t create,
                   int64_t version)
{
    struct check_event e = { .kv = { .key = slice_str(key), .mod_revision = w->revision },
                             .deleted = value == NULL };
    if (value != NULL) {
        e.kv.value = slice_str(value);
        e.kv.create_revision = create;
        e.kv.version = version;
    }
    assert_int_equal(check_log_add(&w->log, w->revision, w->now, &e, 1), 0);
}

static void told(struct world *w, const struct check_request *r, bool unknown, bool succeeded,
                 int64_t deleted)
{
    struct check_answer a = { .deleted = deleted };
    struct check_response t = {
        .revision = w->revision, .succeeded = succeeded, .answers = &a, .n_answers = 1
    };
    uint32_t id = history_call(&w->h, 0, 0, w->now, r);
    w->now += 10;
    history_return(&w->h, id, w->now, unknown ? CHECK_UNKNOWN : CHECK_OK, 0, &t);
}

static void enter_or_leave(struct world *w, int waiter)
{
    char key[24];
    key_of(waiter, key);
    bool there = w->create[waiter] != 0;
    struct check_request r = { .kind = there ? CHECK_DELETE : CHECK_PUT };
    r.ask = (struct check_ask){ .kind = r.kind, .key = slice_str(key) };
    w->revision++;
    if (there) {
        w->old_token = w->create[waiter];
        w->old_waiter = waiter;
    }
    logged(w, key, there ? NULL : "", w->revision, 1);
    w->create[waiter] = there ? 0 : w->revision;
    told(w, &r, false, true, there ? 1 : 0);
}

static int owner(const struct world *w)
{
    int best = -1;
    for (int i = 0; i < WAITERS; i++) {
        if (w->create[i] != 0 && (best < 0 || w->create[i] < w->create[best])) {
            best = i;
        }
    }
    return best;
}

static void write_data(struct world *w, int waiter, int64_t token, enum fault fault)
{
    char key[24], value[24];
    key_of(waiter, key);
    snprintf(value, sizeof value, "d%d", w->value++);
    struct check_ask put = { .kind = CHECK_PUT,
                             .key = slice_str("/data/x"),
                             .value = slice_str(value) };
    struct check_compare c = { .target = CHECK_CREATE, .key = slice_str(key), .number = token };
    struct check_request r = {
        .kind = CHECK_TXN, .compares = &c, .n_compares = 1, .then_asks = &put, .n_then = 1
    };
    bool then = true;
    if (fault == NO_FENCE) {
        r = (struct check_request){ .kind = CHECK_PUT, .ask = put };
    } else if (fault == OTHER_COMPARE) {
        c.target = CHECK_MOD;
    } else if (fault == NOT_EQUAL) {
        c.relation = CHECK_NOT_EQUAL;
        c.number += 1;
    } else if (fault == ELSE_BRANCH) {
        c.number += 1;
        r = (struct check_request){
            .kind = CHECK_TXN, .compares = &c, .n_compares = 1, .else_asks = &put, .n_else = 1
        };
        then = false;
    }
    w->revision++;
    w->data_created = w->data_version++ == 0 ? w->revision : w->data_created;
    logged(w, "/data/x", value, w->data_created, w->data_version);
    if (fault != STRANGER) {
        told(w, &r, fault == NONE && pick(w, 0, 5) == 0, then, 0);
    }
}

/* With `at` writes done, one goes wrong. Returns whether it could. */
static bool run(struct world *w, uint64_t seed, enum fault fault)
{
    memset(w, 0, sizeof *w);
    check_pool_init(&w->pool, 0);
    history_init(&w->h, &w->pool);
    check_log_init(&w->log, &w->pool);
    rng_init(&w->rng, seed);
    w->revision = 1;
    int bad_at = pick(w, 1, WRITES - 1), last = -1;
    bool done = false;
    for (int i = 0; i < WRITES; i++) {
        for (int n = pick(w, 0, 2); n > 0 || owner(w) < 0; n--) {
            enter_or_leave(w, pick(w, 0, WAITERS - 1));
        }
        int me = owner(w);
        bool bad = fault != NONE && i >= bad_at && !done;
        if (!bad) {
            write_data(w, me, w->create[me], NONE);
            last = me;
        } else if (fault == OLD_TOKEN) {
            if (w->old_token != 0 && last >= 0 && w->create[w->old_waiter] == 0) {
                write_data(w, w->old_waiter, w->old_token, fault);
                done = true;
            }
        } else if (fault == OUT_OF_TURN) {
            for (int k = 0; k < WAITERS && !done; k++) {
                if (k != me && w->create[k] != 0) {
                    write_data(w, k, w->create[k], fault);
                    done = true;
                }
            }
        } else {
            write_data(w, me, w->create[me], fault);
            done = true;
        }
    }
    return done || fault == NONE;
}

static enum check_result judge(struct world *w, bool queue, const char *verdict)
{
    struct check_report report;
    struct check_lock lock = { slice_str("/lock/"), slice_str("/data/"), queue };
    check_report_init(&report);
    int rv = check_locks(&w->h, &w->log, &lock, 1, &report);
    assert_int_equal(rv, check_result_code(check_report_result(&report)));
    enum check_result result = verdict != NULL ? check_report_find(&report, verdict)->result
                                               : check_report_result(&report);
    check_report_fini(&report);
    return result;
}

static void world_fini(struct world *w)
{
    check_log_fini(&w->log);
    history_fini(&w->h);
    check_pool_fini(&w->pool);
}

static void test_holders_with_their_token_pass(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world w;
        run(&w, seed, NONE);
        assert_int_equal(judge(&w, true, NULL), CHECK_HOLDS);
        world_fini(&w);
    }
}

static void test_every_write_outside_the_rules_is_caught(void **state)
{
    (void)state;
    for (int fault = NONE + 1; fault < FAULTS; fault++) {
        int done = 0;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct world w;
            if (run(&w, seed, (enum fault)fault)) {
                const char *verdict = fault == OUT_OF_TURN ? "lock exclusive" : "lock fenced";
                assert_int_equal(judge(&w, true, verdict), CHECK_VIOLATED);
                done++;
            }
            world_fini(&w);
        }
        assert_true(done > SEEDS / 2);
    }
}

/* Without a queue only the order of tokens tells: a later holder wrote, then an earlier one. */
static void test_an_earlier_holder_after_a_later_one_is_caught(void **state)
{
    (void)state;
    struct world w;
    memset(&w, 0, sizeof w);
    check_pool_init(&w.pool, 0);
    history_init(&w.h, &w.pool);
    check_log_init(&w.log, &w.pool);
    w.revision = 1;
    rng_init(&w.rng, 1);
    enter_or_leave(&w, 0);
    enter_or_leave(&w, 1);
    write_data(&w, 0, w.create[0], NONE);
    write_data(&w, 1, w.create[1], NONE);
    assert_int_equal(judge(&w, false, NULL), CHECK_HOLDS);
    write_data(&w, 0, w.create[0], NONE);
    assert_int_equal(judge(&w, false, "lock fenced"), CHECK_HOLDS);
    assert_int_equal(judge(&w, false, "lock exclusive"), CHECK_VIOLATED);
    world_fini(&w);
}

int run_lock_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holders_with_their_token_pass),
        cmocka_unit_test(test_every_write_outside_the_rules_is_caught),
        cmocka_unit_test(test_an_earlier_holder_after_a_later_one_is_caught),
    };
    return cmocka_run_group_tests_name("check/lock", tests, NULL, NULL);
}
