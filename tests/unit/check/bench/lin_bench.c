/* `make check-bench`: how fast is the linearizability checker? A million operations of 64 clients
 * on 1,000 keys: puts, gets, lists of ten keys and compare-and-set txns; with and without a log.
 * Prints operations a second of one core; asserts nothing but the verdict. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "check/lin.h"
#include "lib/base/alloc.h"
#include "lib/base/rng.h"

enum { KEYS = 1000, CLIENTS = 64 };

struct load {
    struct history h;
    struct check_log log;
    struct check_pool pool;
    struct rng rng;
    struct check_kv now[KEYS];
    char keys[KEYS][16];
    char (*values)[16];
    size_t n_values;
    int64_t revision;
};

/* Of this process: others on the machine do not count. */
static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void put_now(struct load *l, size_t k, struct slice value)
{
    struct check_kv *kv = &l->now[k];
    l->revision++;
    kv->key = slice_str(l->keys[k]);
    kv->value = value;
    kv->create_revision = kv->version != 0 ? kv->create_revision : l->revision;
    kv->mod_revision = l->revision;
    kv->version++;
    struct check_event e = { .kv = *kv };
    check_log_add(&l->log, l->revision, 0, &e, 1);
}

static struct check_answer list(struct load *l, size_t from, size_t n, struct check_kv *kvs)
{
    struct check_answer a = { .kvs = kvs };
    for (size_t k = from; k < from + n && k < KEYS; k++) {
        if (l->now[k].version != 0) {
            kvs[a.n_kvs++] = l->now[k];
        }
    }
    a.count = (int64_t)a.n_kvs;
    return a;
}

static void one(struct load *l, uint32_t client, int64_t call, int64_t ret)
{
    size_t k = (size_t)rng_range(&l->rng, 0, KEYS - 11);
    unsigned dice = (unsigned)rng_range(&l->rng, 0, 9);
    struct check_kv kvs[10];
    struct check_ask ask = { .kind = CHECK_RANGE, .key = slice_str(l->keys[k]) };
    struct check_request r = { .kind = CHECK_RANGE };
    struct check_answer answer = { 0 };
    char *value = l->values[l->n_values++];
    if (dice < 4) {
        snprintf(value, 16, "v%zu", l->n_values);
        ask.kind = r.kind = CHECK_PUT;
        ask.value = slice_str(value);
        put_now(l, k, ask.value);
    } else if (dice < 8) {
        answer = list(l, k, 1, kvs);
    } else if (dice < 9) {
        ask.range_end = slice_str(l->keys[k + 10]);
        answer = list(l, k, 10, kvs);
    }
    struct check_compare compare = { .target = CHECK_MOD,
                                     .key = ask.key,
                                     .number = l->now[k].mod_revision };
    if (dice == 9) { /* a compare that holds */
        snprintf(value, 16, "v%zu", l->n_values);
        r = (struct check_request){
            .kind = CHECK_TXN, .compares = &compare, .n_compares = 1, .then_asks = &ask, .n_then = 1
        };
        ask.kind = CHECK_PUT;
        ask.value = slice_str(value);
        put_now(l, k, ask.value);
    }
    r.ask = r.kind == CHECK_TXN ? r.ask : ask;
    struct check_response told = {
        .revision = l->revision, .succeeded = true, .answers = &answer, .n_answers = 1
    };
    uint32_t id = history_call(&l->h, client, 0, call, &r);
    history_return(&l->h, id, ret, CHECK_OK, 0, &told);
}

static int judge(struct load *l, const char *what, const struct check_log *log)
{
    struct check_report report;
    check_report_init(&report);
    double from = seconds();
    int rv = check_linearizable(&l->h, log, &report);
    double took = seconds() - from;
    printf("%-12s %zu operations in %.3f CPU s: %.2f M/s, %s\n", what, l->h.n, took,
           (double)l->h.n / took / 1e6, check_result_text(check_report_result(&report)));
    check_report_fini(&report);
    return rv;
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 1000000;
    struct load *l = mem_zalloc(sizeof *l);
    check_pool_init(&l->pool, 0);
    history_init(&l->h, &l->pool);
    check_log_init(&l->log, &l->pool);
    rng_init(&l->rng, 1);
    l->revision = 1;
    l->values = mem_zalloc((n + 1) * sizeof *l->values);
    for (size_t k = 0; k < KEYS; k++) {
        snprintf(l->keys[k], sizeof l->keys[k], "/key/%04zu", k);
    }
    double from = seconds();
    for (size_t i = 0; i < n; i++) { /* each operation overlaps the 63 before it */
        int64_t call = (int64_t)i * 10;
        one(l, (uint32_t)(i % CLIENTS), call, call + 10 * (CLIENTS - 1));
    }
    printf("%-12s %.3f s, %zu MB\n", "recorded", seconds() - from,
           check_pool_bytes(&l->pool) >> 20);
    int rv = judge(l, "with a log", &l->log);
    rv = judge(l, "without", NULL) != 0 ? -1 : rv;
    mem_free(l->values);
    check_log_fini(&l->log);
    history_fini(&l->h);
    check_pool_fini(&l->pool);
    mem_free(l);
    return rv != 0;
}
