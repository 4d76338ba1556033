/* Against an exhaustive search. For at most eight operations every order can be tried: that is
 * Wing and Gong's definition, without any cleverness about revisions, run on the naive store. On
 * tens of thousands of small histories, right ones and spoilt ones, both must say the same. */
#include <stdio.h>

#include "check/lin.h"
#include "tests/unit/check/naive.h"
#include "tests/unit/check/tests.h"

enum { OPS = 8, HISTORIES = 30000 / SHARE };

/* --- the exhaustive search -------------------------------------------------------------------- */

struct search {
    const struct nv_run *run;
    struct nv_store store; /* the order tried so far, done */
    bool done[OPS];
    bool with_log;
    int64_t log_last;
};

static bool kv_same(const struct nv_kv *a, const struct nv_kv *b)
{
    return a->key == b->key && a->value == b->value && a->create == b->create && a->mod == b->mod &&
           a->version == b->version && a->lease == b->lease;
}

/* Of a put only the prev_kv is told, and only ranges tell `more`. */
static bool answer_same(enum check_kind kind, const struct nv_answer *a, const struct nv_answer *b)
{
    if (a->n != b->n || (kind != CHECK_PUT && a->count != b->count) ||
        (kind == CHECK_RANGE && a->more != b->more)) {
        return false;
    }
    for (int i = 0; i < a->n; i++) {
        if (!kv_same(&a->kvs[i], &b->kvs[i])) {
            return false;
        }
    }
    return true;
}

static bool op_same(const struct nv_op *told, const struct nv_op *is)
{
    int side = is->kind == CHECK_TXN && !is->succeeded ? 1 : 0;
    if (told->revision != is->revision ||
        (is->kind == CHECK_TXN && told->succeeded != is->succeeded)) {
        return false;
    }
    for (int i = 0; i < is->n_asks[side]; i++) {
        if (!answer_same(is->asks[side][i].kind, &told->answers[i], &is->answers[i])) {
            return false;
        }
    }
    return true;
}

static bool rev_same(const struct nv_rev *a, const struct nv_rev *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (int i = 0; i < a->n; i++) {
        if (a->events[i].deleted != b->events[i].deleted ||
            !kv_same(&a->events[i].kv, &b->events[i].kv)) {
            return false;
        }
    }
    return true;
}

/* A serializable read may see the past, which is to be asked for at any earlier time. */
static int64_t called(const struct nv_op *op)
{
    return nv_serializable(op) ? INT64_MIN : op->call;
}

static bool search(struct search *s);

static bool try_next(struct search *s, size_t i)
{
    const struct nv_op *told = &s->run->ops[i];
    struct nv_op op = *told;
    struct nv_state state;
    struct nv_rev rev;
    op.error = 0;
    nv_run(&s->store, &op, &state, &rev);
    if (op.error != 0) {
        return false;
    }
    if (told->outcome == CHECK_OK && !op_same(told, &op)) {
        return false;
    }
    if (rev.n > 0 && s->with_log && s->store.revision + 1 <= s->log_last &&
        !rev_same(&rev, &s->run->store.revs[s->store.revision + 1])) {
        return false;
    }
    int64_t before = s->store.revision;
    if (rev.n > 0) {
        nv_commit(&s->store, &state, &rev);
    }
    s->done[i] = true;
    bool found = search(s);
    s->done[i] = false;
    s->store.revision = before;
    return found;
}

static bool search(struct search *s)
{
    int64_t first = INT64_MAX; /* nothing that was called after it may come before it */
    bool all = true;
    for (size_t i = 0; i < s->run->n; i++) {
        const struct nv_op *op = &s->run->ops[i];
        if (!s->done[i] && op->outcome == CHECK_OK) {
            all = false;
            first = op->ret < first ? op->ret : first;
        }
    }
    if (all && (!s->with_log || s->store.revision >= s->log_last)) {
        return true;
    }
    for (size_t i = 0; i < s->run->n; i++) {
        if (!s->done[i] && called(&s->run->ops[i]) <= first && try_next(s, i)) {
            return true;
        }
    }
    return false;
}

/* --- spoiling at random ----------------------------------------------------------------------- */

static void spoil_answer(struct rng *rng, struct nv_op *op, struct nv_answer *a)
{
    struct nv_kv *kv = &a->kvs[0];
    switch (rng_range(rng, 0, 7)) {
    case 0:
        a->count += a->n > 0 ? -1 : 1;
        break;
    case 1:
        a->n -= a->n > 0;
        break;
    case 2:
        kv->value ^= a->n > 0 && kv->value >= 0;
        break;
    case 3:
        kv->version += a->n > 0;
        break;
    case 4:
        kv->mod -= a->n > 0;
        break;
    case 5:
        op->succeeded = op->kind != CHECK_TXN && op->succeeded;
        break;
    default:
        op->revision += rng_chance(rng, 0.5) ? 1 : -1;
        break;
    }
}

static void spoil(struct rng *rng, struct nv_run *run)
{
    size_t i = (size_t)rng_range(rng, 0, run->n - 1), j = (size_t)rng_range(rng, 0, run->n - 1);
    struct nv_op *op = &run->ops[i], *other = &run->ops[j];
    switch (rng_range(rng, 0, 4)) {
    case 0: /* an old or a future state, whole */
        op->revision = (int64_t)rng_range(rng, 1, (uint64_t)run->store.revision);
        nv_range(&run->store.states[op->revision], &op->asks[0][0], &op->answers[0]);
        break;
    case 1: /* time */
        op->ret = op->call + (int64_t)rng_range(rng, 0, 10);
        break;
    case 2: /* two clients' answers change places */
        if (op->kind == other->kind && op->kind != CHECK_TXN) {
            int64_t r = op->revision;
            op->revision = other->revision;
            other->revision = r;
        }
        break;
    case 3: /* fate */
        op->outcome = op->outcome == CHECK_OK ? CHECK_UNKNOWN : op->outcome;
        break;
    default:
        spoil_answer(rng, op, &op->answers[0]);
        break;
    }
}

static enum check_result judge(const struct nv_run *run, bool with_log, int64_t last, bool print)
{
    struct check_pool pool;
    struct history h;
    struct check_log log;
    struct check_report report;
    check_pool_init(&pool, 0);
    history_init(&h, &pool);
    check_log_init(&log, &pool);
    check_report_init(&report);
    nv_record(run, &h, with_log ? &log : NULL, last);
    check_linearizable(&h, with_log ? &log : NULL, &report);
    enum check_result result = check_report_result(&report);
    if (print) {
        autobuf out = BUF_INIT;
        for (uint32_t i = 0; i < h.n; i++) {
            history_print(&h, i, &out);
            buf_append_char(&out, '\n');
        }
        for (size_t i = 0; i < log.n; i++) {
            buf_printf(&out, "log: revision %d, %u events\n", (int)log.revs[i].revision,
                       log.revs[i].n);
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

static void test_small_histories_are_judged_as_by_exhaustive_search(void **state)
{
    (void)state;
    unsigned right = 0, wrong = 0;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        struct nv_options o;
        struct nv_run run;
        struct rng rng;
        nv_options_init(&o);
        rng_init(&rng, seed);
        o.ops = (size_t)rng_range(&rng, 2, OPS);
        o.clients = (int)rng_range(&rng, 1, 4);
        o.keys = (int)rng_range(&rng, 1, 3);
        o.unknown_percent = (int)rng_range(&rng, 0, 4) * 10;
        o.lease_percent = o.compact_percent = 0;
        nv_generate(&run, &o, seed);
        for (uint64_t n = rng_range(&rng, 0, 4); n > 0; n--) {
            spoil(&rng, &run);
        }
        struct search s = { .run = &run, .with_log = seed % 2 == 0 };
        /* the whole log, or its beginning */
        s.log_last = rng_chance(&rng, 0.5) ? run.store.revision : (run.store.revision + 1) / 2;
        nv_store_init(&s.store);
        bool holds = search(&s);
        enum check_result want = holds ? CHECK_HOLDS : CHECK_VIOLATED;
        if (judge(&run, s.with_log, s.log_last, false) != want) {
            judge(&run, s.with_log, s.log_last, true);
            fail_msg("seed %llu, log to %lld: exhaustive search says %s", (unsigned long long)seed,
                     s.with_log ? (long long)s.log_last : 0, check_result_text(want));
        }
        right += holds;
        wrong += !holds;
        nv_store_fini(&s.store);
        nv_run_fini(&run);
    }
    print_message("%u right, %u wrong\n", right, wrong);
    assert_true(right > HISTORIES / 4);
    assert_true(wrong > HISTORIES / 4);
}

int run_lin_small_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_histories_are_judged_as_by_exhaustive_search),
    };
    return cmocka_run_group_tests_name("check/lin small", tests, NULL, NULL);
}
