/* Teeth: correct histories pass, and each way of being wrong is caught in every seed where it can
 * be seen at all. */
#include <stdio.h>

#include "check/lin.h"
#include "lib/base/err.h"
#include "tests/unit/check/naive.h"
#include "tests/unit/check/tests.h"

enum { SEEDS = 200 / SHARE };

/* --- judging ---------------------------------------------------------------------------------- */

static enum check_result judge(const struct nv_run *run, bool with_log, int64_t up_to, bool print)
{
    struct check_pool pool;
    struct history h;
    struct check_log log;
    struct check_report report;
    check_pool_init(&pool, 0);
    history_init(&h, &pool);
    check_log_init(&log, &pool);
    check_report_init(&report);
    nv_record(run, &h, with_log ? &log : NULL, up_to);
    check_linearizable(&h, with_log ? &log : NULL, &report);
    enum check_result result = check_report_result(&report);
    if (print) {
        autobuf out = BUF_INIT;
        for (uint32_t i = 0; i < h.n; i++) {
            history_print(&h, i, &out);
            buf_append_char(&out, '\n');
        }
        check_report_print(&report, &out);
        fputs(buf_str(&out), stderr);
    }
    check_report_fini(&report);
    check_log_fini(&log);
    history_fini(&h);
    check_pool_fini(&pool);
    return result;
}

static void must(const struct nv_run *run, bool with_log, enum check_result want, const char *what,
                 uint64_t seed)
{
    if (judge(run, with_log, INT64_MAX, false) != want) {
        judge(run, with_log, INT64_MAX, true);
        fail_msg("%s, seed %llu, %s a log: not %s", what, (unsigned long long)seed,
                 with_log ? "with" : "without", check_result_text(want));
    }
}

static void test_correct_histories_pass_with_their_log(void **state)
{
    (void)state;
    struct nv_options o;
    nv_options_init(&o);
    for (uint64_t seed = 1; seed <= 3 * SEEDS; seed++) {
        struct nv_run run;
        o.unknown_percent = (int)(seed % 4) * 10;
        nv_generate(&run, &o, seed);
        must(&run, true, CHECK_HOLDS, "correct", seed);
        nv_run_fini(&run);
    }
}

static void test_correct_histories_pass_without_a_log(void **state)
{
    (void)state;
    struct nv_options o;
    nv_options_init(&o);
    int undecided = 0;
    for (uint64_t seed = 1; seed <= 3 * SEEDS; seed++) {
        struct nv_run run;
        o.unknown_percent = (int)(seed % 4) * 3;
        o.lease_percent = seed % 3 == 0 ? 4 : 0;
        nv_generate(&run, &o, seed);
        /* also with a log that ends early: the rest is put together */
        int64_t half = run.store.revision / 2;
        enum check_result a = judge(&run, false, 0, false), b = judge(&run, true, half, false);
        if (a == CHECK_VIOLATED || b == CHECK_VIOLATED) {
            judge(&run, a != CHECK_VIOLATED, half, true);
            fail_msg("correct, seed %llu: violated", (unsigned long long)seed);
        }
        undecided += (a == CHECK_UNDECIDED) + (b == CHECK_UNDECIDED);
        nv_run_fini(&run);
    }
    print_message("without a log: %d of %d undecided\n", undecided, 6 * SEEDS);
    assert_true(undecided < 6 * SEEDS / 20);
}

/* --- answers that are spoilt ------------------------------------------------------------------ */

/* A random place where `fits` says yes: an answered operation and one of its asks. */
struct place {
    struct nv_op *op;
    struct nv_ask *ask;
    struct nv_answer *answer;
};

typedef bool fits_fn(const struct place *p);

static bool find(struct nv_run *run, struct rng *rng, fits_fn *fits, struct place *ret)
{
    size_t from = (size_t)rng_range(rng, 0, run->n - 1);
    for (size_t i = 0; i < run->n; i++) {
        struct nv_op *op = &run->ops[(from + i) % run->n];
        int side = op->kind == CHECK_TXN && !op->succeeded ? 1 : 0;
        for (int j = 0; op->outcome == CHECK_OK && j < op->n_asks[side]; j++) {
            struct place p = { op, &op->asks[side][j], &op->answers[j] };
            if (fits(&p)) {
                *ret = p;
                return true;
            }
        }
    }
    return false;
}

static bool has_kvs(const struct place *p)
{
    return p->answer->n > 0;
}
static bool has_value(const struct place *p)
{
    return p->answer->n > 0 && !p->ask->keys_only;
}
static bool is_prev(const struct place *p)
{
    return p->ask->kind != CHECK_RANGE && p->answer->n > 0;
}
static bool is_range(const struct place *p)
{
    return p->ask->kind == CHECK_RANGE;
}
static bool is_delete(const struct place *p)
{
    return p->ask->kind == CHECK_DELETE && p->answer->count > 0;
}
static bool is_empty_get(const struct place *p)
{
    return p->ask->kind == CHECK_RANGE && p->answer->n == 0 && !p->ask->count_only;
}
static bool is_put_prev(const struct place *p)
{
    return p->ask->kind == CHECK_PUT && p->ask->prev && p->answer->n == 0;
}
static bool has_two(const struct place *p)
{
    return p->answer->n > 1;
}
static bool is_compared(const struct place *p)
{
    return p->op->kind == CHECK_TXN && p->op->n_compares > 0;
}

struct spoil {
    const char *name;
    fits_fn *fits;
    void (*spoil)(struct place *p);
};

static void wrong_value(struct place *p)
{
    p->answer->kvs[0].value += 1;
}
static void wrong_version(struct place *p)
{
    p->answer->kvs[p->answer->n - 1].version++;
}
static void wrong_create(struct place *p)
{
    p->answer->kvs[0].create--;
}
static void wrong_mod(struct place *p)
{
    p->answer->kvs[0].mod++;
}
static void wrong_lease(struct place *p)
{
    p->answer->kvs[0].lease ^= 5;
}
static void wrong_key(struct place *p)
{
    p->answer->kvs[0].key ^= 1;
}
static void wrong_count(struct place *p)
{
    p->answer->count++;
}
static void wrong_more(struct place *p)
{
    p->answer->more = !p->answer->more;
}
static void missing_kv(struct place *p)
{
    p->answer->n--;
}
static void missing_first(struct place *p)
{
    memmove(p->answer->kvs, p->answer->kvs + 1, (size_t)--p->answer->n * sizeof p->answer->kvs[0]);
}
static void swapped_kvs(struct place *p)
{
    struct nv_kv first = p->answer->kvs[0];
    p->answer->kvs[0] = p->answer->kvs[1];
    p->answer->kvs[1] = first;
}
static void invented_kv(struct place *p)
{
    p->answer->kvs[p->answer->n++] =
        (struct nv_kv){ .key = p->ask->lo, .value = 1, .create = 2, .mod = 2, .version = 1 };
}
static void less_deleted(struct place *p)
{
    p->answer->count = 0; /* as if it had found nothing */
}
static void wrong_branch(struct place *p)
{
    p->op->succeeded = !p->op->succeeded;
}
static void far_revision(struct place *p)
{
    p->op->revision += 100000;
}
static void no_revision(struct place *p)
{
    p->op->revision = 0;
}

static const struct spoil spoils[] = {
    { "wrong value", has_value, wrong_value },
    { "wrong prev_kv", is_prev, wrong_value },
    { "wrong version", has_kvs, wrong_version },
    { "wrong create revision", has_kvs, wrong_create },
    { "wrong mod revision", has_kvs, wrong_mod },
    { "wrong lease", has_kvs, wrong_lease },
    { "wrong key", has_kvs, wrong_key },
    { "wrong count", is_range, wrong_count },
    { "wrong more", is_range, wrong_more },
    { "wrong deleted", is_delete, wrong_count },
    { "delete that claims to have found nothing", is_delete, less_deleted },
    { "missing kv", has_kvs, missing_kv },
    { "missing first kv", has_kvs, missing_first },
    { "kvs out of order", has_two, swapped_kvs },
    { "invented kv", is_empty_get, invented_kv },
    { "invented prev_kv", is_put_prev, invented_kv },
    { "wrong branch", is_compared, wrong_branch },
    { "revision from nowhere", is_range, far_revision },
    { "no revision", is_range, no_revision },
};

static void test_every_spoilt_answer_is_caught(void **state)
{
    (void)state;
    struct nv_options o;
    nv_options_init(&o);
    o.compact_percent = 0; /* what was compacted cannot be asked for */
    for (size_t k = 0; k < sizeof spoils / sizeof spoils[0]; k++) {
        int done = 0;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            for (int with_log = 0; with_log < 2; with_log++) {
                struct nv_run run;
                struct rng rng;
                struct place p;
                /* With leases and unknown writes something else may have deleted the keys. */
                bool alone = spoils[k].spoil == less_deleted || spoils[k].spoil == wrong_branch;
                o.unknown_percent = with_log && !alone ? 6 : 0;
                o.lease_percent = o.unknown_percent;
                nv_generate(&run, &o, seed);
                rng_init(&rng, seed);
                if (find(&run, &rng, spoils[k].fits, &p)) {
                    spoils[k].spoil(&p);
                    must(&run, with_log, CHECK_VIOLATED, spoils[k].name, seed);
                    done++;
                }
                nv_run_fini(&run);
            }
        }
        assert_true(done > SEEDS);
    }
}

/* --- stores that are wrong -------------------------------------------------------------------- */

static bool acked_write(const struct nv_op *op)
{
    return op->kind <= CHECK_TXN && op->outcome == CHECK_OK && nv_writes(op);
}

/* The run again, with this fault. */
static void again(struct nv_run *run, const struct nv_options *o, uint64_t seed)
{
    nv_run_fini(run);
    nv_generate(run, o, seed);
}

static size_t find_write(const struct nv_run *run, struct rng *rng, enum check_outcome outcome)
{
    size_t from = (size_t)rng_range(rng, 0, run->n - 1);
    for (size_t i = 0; i < run->n; i++) {
        const struct nv_op *op = &run->ops[(from + i) % run->n];
        bool puts = op->kind == CHECK_PUT && op->outcome == outcome && op->at >= 0;
        if (puts && !op->asks[0][0].keep_value) {
            return (from + i) % run->n;
        }
    }
    return SIZE_MAX;
}

/* Does anybody get an answer of what is at or behind the revision, after the operation? */
static bool followed(const struct nv_run *run, size_t op)
{
    for (size_t i = 0; i < run->n; i++) {
        if (run->ops[i].call > run->ops[op].ret && i != op && acked_write(&run->ops[i])) {
            return true;
        }
    }
    return false;
}

static void test_a_lost_write_is_caught(void **state)
{
    (void)state;
    int done = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct nv_options o;
        struct nv_run run;
        struct rng rng;
        nv_options_init(&o);
        o.lease_percent = 0; /* else its revision may have been a lease's end to everybody else */
        o.unknown_percent = 0;
        nv_generate(&run, &o, seed);
        rng_init(&rng, seed);
        size_t lost = find_write(&run, &rng, CHECK_OK);
        o.lose = (long)lost;
        again(&run, &o, seed);
        if (acked_write(&run.ops[lost]) && followed(&run, lost)) {
            must(&run, true, CHECK_VIOLATED, "lost write", seed);
            must(&run, false, CHECK_VIOLATED, "lost write", seed);
            done++;
        }
        nv_run_fini(&run);
    }
    assert_true(done > SEEDS / 2);
}

static void test_a_phantom_revision_is_caught(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct nv_options o;
        struct nv_run run;
        struct rng rng;
        nv_options_init(&o);
        rng_init(&rng, seed);
        o.phantom = (long)rng_range(&rng, 5, o.ops - 20);
        nv_generate(&run, &o, seed);
        must(&run, true, CHECK_VIOLATED, "phantom", seed);
        nv_run_fini(&run);
        o.unknown_percent = o.lease_percent = 0;
        nv_generate(&run, &o, seed);
        must(&run, false, CHECK_VIOLATED, "phantom", seed);
        nv_run_fini(&run);
    }
}

static void test_a_write_done_twice_is_caught(void **state)
{
    (void)state;
    int done = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        for (int known = 0; known < 2; known++) {
            struct nv_options o;
            struct nv_run run;
            struct rng rng;
            nv_options_init(&o);
            o.unknown_percent = 20;
            nv_generate(&run, &o, seed);
            rng_init(&rng, seed);
            size_t twice = find_write(&run, &rng, known ? CHECK_OK : CHECK_UNKNOWN);
            if (twice != SIZE_MAX) {
                o.twice = (long)twice;
                again(&run, &o, seed);
                if (run.ops[twice].kind == CHECK_PUT && !run.ops[twice].asks[0][0].keep_value) {
                    must(&run, true, CHECK_VIOLATED, "done twice", seed);
                    done++;
                }
            }
            nv_run_fini(&run);
        }
    }
    assert_true(done > SEEDS);
}

static void test_a_refused_write_that_happened_is_caught(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct nv_options o;
        struct nv_run run;
        struct rng rng;
        nv_options_init(&o);
        nv_generate(&run, &o, seed);
        rng_init(&rng, seed);
        size_t at = find_write(&run, &rng, CHECK_OK);
        run.ops[at].outcome = CHECK_FAILED;
        run.ops[at].error = E_UNAVAILABLE;
        must(&run, true, CHECK_VIOLATED, "refused, but done", seed);
        nv_run_fini(&run);
    }
}

/* Two operations, one after the other in time, the other way round in the store. */
static void test_order_against_the_clock_is_caught(void **state)
{
    (void)state;
    int done = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct nv_options o;
        struct nv_run run;
        struct rng rng;
        nv_options_init(&o);
        o.serializable_percent = 0;
        nv_generate(&run, &o, seed);
        rng_init(&rng, seed);
        size_t a = (size_t)rng_range(&rng, 0, run.n - 40), b = a + 1;
        while (b < run.n && run.ops[b].call <= run.ops[a].ret) {
            b++;
        }
        b += (size_t)rng_range(&rng, 0, 20);
        if (b < run.n && run.ops[a].outcome == CHECK_OK && run.ops[b].outcome == CHECK_OK) {
            o.swap_a = (long)a;
            o.swap_b = (long)b;
            again(&run, &o, seed);
            const struct nv_op *x = &run.ops[a], *y = &run.ops[b];
            /* It shows in revisions: x must not be behind y. */
            if (x->outcome == CHECK_OK && y->outcome == CHECK_OK && x->kind <= CHECK_TXN &&
                y->kind <= CHECK_TXN && !nv_serializable(x) && !nv_serializable(y) &&
                x->revision > y->revision) {
                must(&run, true, CHECK_VIOLATED, "against the clock", seed);
                done++;
            }
        }
        nv_run_fini(&run);
    }
    assert_true(done > SEEDS / 4);
}

/* A read that is right for an old revision which somebody had already been told to be old. */
static void test_a_stale_read_is_caught(void **state)
{
    (void)state;
    int done = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct nv_options o;
        struct nv_run run;
        struct rng rng;
        nv_options_init(&o);
        nv_generate(&run, &o, seed);
        rng_init(&rng, seed);
        size_t from = (size_t)rng_range(&rng, 0, run.n - 1);
        for (size_t i = 0; i < run.n; i++) {
            struct nv_op *op = &run.ops[(from + i) % run.n];
            int64_t known = 1;
            for (size_t j = 0; j < run.n; j++) {
                const struct nv_op *e = &run.ops[j];
                bool counts = e->outcome == CHECK_OK && e->kind <= CHECK_TXN && e->ret < op->call &&
                              !nv_serializable(e);
                known = counts && e->revision > known ? e->revision : known;
            }
            if (op->kind == CHECK_RANGE && op->outcome == CHECK_OK && known > 2 &&
                !op->asks[0][0].serializable && op->asks[0][0].revision == 0) {
                op->revision = (int64_t)rng_range(&rng, 1, (uint64_t)known - 1);
                nv_range(&run.store.states[op->revision], &op->asks[0][0], &op->answers[0]);
                must(&run, true, CHECK_VIOLATED, "stale read", seed);
                done++;
                break;
            }
        }
        nv_run_fini(&run);
    }
    assert_true(done > SEEDS / 2);
}

int run_lin_teeth_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_correct_histories_pass_with_their_log),
        cmocka_unit_test(test_correct_histories_pass_without_a_log),
        cmocka_unit_test(test_every_spoilt_answer_is_caught),
        cmocka_unit_test(test_a_lost_write_is_caught),
        cmocka_unit_test(test_a_phantom_revision_is_caught),
        cmocka_unit_test(test_a_write_done_twice_is_caught),
        cmocka_unit_test(test_a_refused_write_that_happened_is_caught),
        cmocka_unit_test(test_order_against_the_clock_is_caught),
        cmocka_unit_test(test_a_stale_read_is_caught),
    };
    return cmocka_run_group_tests_name("check/lin teeth", tests, NULL, NULL);
}
