/* The naive store and its histories. */
#include "tests/unit/check/naive.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/err.h"

/* --- the store -------------------------------------------------------------------------------- */

void nv_store_init(struct nv_store *s)
{
    *s = (struct nv_store){ .revision = 1, .cap = 64 };
    s->states = mem_zalloc(s->cap * sizeof *s->states);
    s->revs = mem_zalloc(s->cap * sizeof *s->revs);
}

void nv_store_fini(struct nv_store *s)
{
    mem_free(s->states);
    mem_free(s->revs);
}

void nv_commit(struct nv_store *s, const struct nv_state *state, const struct nv_rev *rev)
{
    if ((size_t)s->revision + 2 > s->cap) {
        s->cap *= 2;
        s->states = mem_realloc(s->states, s->cap * sizeof *s->states);
        s->revs = mem_realloc(s->revs, s->cap * sizeof *s->revs);
    }
    s->revision++;
    s->states[s->revision] = *state;
    s->revs[s->revision] = *rev;
}

void nv_range(const struct nv_state *state, const struct nv_ask *a, struct nv_answer *out)
{
    memset(out, 0, sizeof *out);
    for (int k = a->lo; k < a->hi; k++) {
        if (state->kv[k].version == 0) {
            continue;
        }
        out->count++;
        if (a->count_only) {
            continue;
        }
        if (a->limit > 0 && out->n == a->limit) {
            out->more = true;
            continue;
        }
        out->kvs[out->n] = state->kv[k];
        out->kvs[out->n].value = a->keys_only ? -1 : state->kv[k].value;
        out->n++;
    }
}

static void add_event(struct nv_rev *rev, const struct nv_kv *kv, bool deleted)
{
    rev->events[rev->n].kv = *kv;
    rev->events[rev->n++].deleted = deleted;
}

static void run_put(struct nv_state *st, const struct nv_ask *a, int64_t r, struct nv_answer *out,
                    struct nv_rev *rev)
{
    struct nv_kv *kv = &st->kv[a->lo];
    if (kv->version != 0 && a->prev) {
        out->kvs[out->n++] = *kv;
    }
    struct nv_kv old = *kv;
    *kv = (struct nv_kv){ .key = a->lo,
                          .value = a->keep_value ? old.value : a->value,
                          .create = old.version != 0 ? old.create : r,
                          .mod = r,
                          .version = old.version + 1,
                          .lease = a->lease };
    add_event(rev, kv, false);
}

static void run_delete(struct nv_state *st, const struct nv_ask *a, int64_t r,
                       struct nv_answer *out, struct nv_rev *rev)
{
    for (int k = a->lo; k < a->hi; k++) {
        if (st->kv[k].version == 0) {
            continue;
        }
        out->count++;
        if (a->prev) {
            out->kvs[out->n++] = st->kv[k];
        }
        st->kv[k] = (struct nv_kv){ 0 };
        struct nv_kv gone = { .key = k, .mod = r };
        add_event(rev, &gone, true);
    }
}

static bool compare_number(enum check_relation rel, int64_t a, int64_t b)
{
    return rel == CHECK_EQUAL     ? a == b
           : rel == CHECK_GREATER ? a > b
           : rel == CHECK_LESS    ? a < b
                                  : a != b;
}

static bool compare_one(const struct nv_compare *c, const struct nv_kv *kv)
{
    switch (c->target) {
    case CHECK_VERSION:
        return compare_number(c->relation, kv->version, c->number);
    case CHECK_CREATE:
        return compare_number(c->relation, kv->create, c->number);
    case CHECK_MOD:
        return compare_number(c->relation, kv->mod, c->number);
    case CHECK_LEASE:
        return compare_number(c->relation, kv->lease, c->number);
    default: /* values are printed with equal widths, so numbers compare as bytes do */
        return kv->version != 0 && compare_number(c->relation, kv->value, c->value);
    }
}

static bool compare_holds(const struct nv_state *st, const struct nv_compare *c)
{
    static const struct nv_kv missing;
    int found = 0;
    for (int k = c->lo; k < c->hi; k++) {
        if (st->kv[k].version != 0) {
            found++;
            if (!compare_one(c, &st->kv[k])) {
                return false;
            }
        }
    }
    return found > 0 || compare_one(c, &missing);
}

void nv_run(const struct nv_store *s, struct nv_op *op, struct nv_state *st, struct nv_rev *rev)
{
    int64_t r = s->revision + 1;
    *st = s->states[s->revision];
    memset(rev, 0, sizeof *rev);
    rev->at = op->at;
    op->succeeded = true;
    memset(op->answers, 0, sizeof op->answers);
    for (int i = 0; i < op->n_compares; i++) {
        op->succeeded = op->succeeded && compare_holds(st, &op->compares[i]);
    }
    int side = op->succeeded ? 0 : 1;
    for (int i = 0; i < op->n_asks[side]; i++) {
        const struct nv_ask *a = &op->asks[side][i];
        if (a->kind == CHECK_PUT && a->keep_value && st->kv[a->lo].version == 0) {
            op->error = E_KEY_NOT_FOUND;
        } else if (a->kind == CHECK_PUT) {
            run_put(st, a, r, &op->answers[i], rev);
        } else if (a->kind == CHECK_DELETE) {
            run_delete(st, a, r, &op->answers[i], rev);
        } else if (a->revision > s->revision) {
            op->error = E_FUTURE_REV;
        } else {
            nv_range(a->revision > 0 ? &s->states[a->revision] : st, a, &op->answers[i]);
        }
    }
    op->revision = rev->n > 0 ? r : s->revision;
}

bool nv_writes(const struct nv_op *op)
{
    int side = op->kind == CHECK_TXN && !op->succeeded ? 1 : 0;
    for (int i = 0; i < op->n_asks[side]; i++) {
        enum check_kind kind = op->asks[side][i].kind;
        if (kind == CHECK_PUT || (kind == CHECK_DELETE && op->answers[i].count > 0)) {
            return true;
        }
    }
    return false;
}

bool nv_serializable(const struct nv_op *op)
{
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < op->n_asks[side]; i++) {
            if (op->asks[side][i].kind != CHECK_RANGE || !op->asks[side][i].serializable) {
                return false;
            }
        }
    }
    return op->kind == CHECK_RANGE || op->kind == CHECK_TXN;
}

/* --- recording -------------------------------------------------------------------------------- */

void nv_key(int key, char text[16])
{
    snprintf(text, 16, "k%02d", key);
}

void nv_value(int value, char text[16])
{
    snprintf(text, 16, value < 0 ? "" : "v%06d", value);
}

/* Texts of one operation live until it is recorded. */
struct texts {
    char text[256][16];
    int n;
};

static struct slice key_text(struct texts *t, int key)
{
    nv_key(key, t->text[t->n]);
    return slice_str(t->text[t->n++]);
}

static struct slice value_text(struct texts *t, int value)
{
    nv_value(value, t->text[t->n]);
    return slice_str(t->text[t->n++]);
}

static struct slice end_text(struct texts *t, int lo, int hi)
{
    return hi == lo + 1 ? slice_make(NULL, 0) : hi == NV_KEYS ? slice_make("", 1) : key_text(t, hi);
}

static struct check_kv kv_of(struct texts *t, const struct nv_kv *kv)
{
    return (struct check_kv){ .key = key_text(t, kv->key),
                              .value = value_text(t, kv->version == 0 ? -1 : kv->value),
                              .create_revision = kv->create,
                              .mod_revision = kv->mod,
                              .version = kv->version,
                              .lease = kv->lease };
}

static struct check_ask ask_of(struct texts *t, const struct nv_ask *a)
{
    bool put = a->kind == CHECK_PUT;
    return (struct check_ask){ .kind = a->kind,
                               .key = key_text(t, a->lo),
                               .range_end = end_text(t, a->lo, a->hi),
                               .value = value_text(t, put && !a->keep_value ? a->value : -1),
                               .lease = a->lease,
                               .revision = a->revision,
                               .limit = a->limit,
                               .prev_kv = a->prev,
                               .ignore_value = a->keep_value,
                               .keys_only = a->keys_only,
                               .count_only = a->count_only,
                               .serializable = a->serializable };
}

static struct check_compare compare_of(struct texts *t, const struct nv_compare *c)
{
    return (struct check_compare){ .target = c->target,
                                   .relation = c->relation,
                                   .key = key_text(t, c->lo),
                                   .range_end = end_text(t, c->lo, c->hi),
                                   .number = c->number,
                                   .value = value_text(t, c->value) };
}

static void call(struct history *h, const struct nv_op *op, uint32_t *ret_id)
{
    struct texts t = { .n = 0 };
    struct check_compare compares[NV_COMPARES];
    struct check_ask asks[2][NV_ASKS];
    for (int i = 0; i < op->n_compares; i++) {
        compares[i] = compare_of(&t, &op->compares[i]);
    }
    for (int side = 0; side < 2; side++) {
        for (int i = 0; i < op->n_asks[side]; i++) {
            asks[side][i] = ask_of(&t, &op->asks[side][i]);
        }
    }
    struct check_request r = { .kind = op->kind };
    if (op->kind == CHECK_TXN) {
        r.compares = compares;
        r.n_compares = (size_t)op->n_compares;
        r.then_asks = asks[0];
        r.else_asks = asks[1];
        r.n_then = (size_t)op->n_asks[0];
        r.n_else = (size_t)op->n_asks[1];
    } else if (op->kind <= CHECK_DELETE) {
        r.ask = asks[0][0];
    }
    r.revision = r.lease = op->number;
    r.ttl_s = op->ttl_s;
    *ret_id = history_call(h, (uint32_t)op->client, 1, op->call, &r);
}

static void returned(struct history *h, const struct nv_op *op, uint32_t id)
{
    struct texts t = { .n = 0 };
    struct check_kv kvs[NV_ASKS][NV_KEYS];
    struct check_answer answers[NV_ASKS] = { 0 };
    int side = op->kind == CHECK_TXN && !op->succeeded ? 1 : 0, n = op->n_asks[side];
    for (int i = 0; i < n; i++) {
        const struct nv_answer *a = &op->answers[i];
        for (int j = 0; j < a->n; j++) {
            kvs[i][j] = kv_of(&t, &a->kvs[j]);
        }
        answers[i] = (struct check_answer){ .kvs = kvs[i],
                                            .n_kvs = (size_t)a->n,
                                            .count = a->count,
                                            .deleted = a->count,
                                            .more = a->more };
    }
    struct check_response r = { .revision = op->revision,
                                .succeeded = op->succeeded,
                                .answers = answers,
                                .n_answers = (size_t)n,
                                .lease = op->number,
                                .ttl_s = op->ttl_s };
    history_return(h, id, op->ret, op->outcome, op->error, &r);
}

void nv_record_op(struct history *h, const struct nv_op *op, uint32_t *ret_id)
{
    call(h, op, ret_id);
    returned(h, op, *ret_id);
}

static void record_rev(struct check_log *log, const struct nv_rev *rev, int64_t r)
{
    struct texts t = { .n = 0 };
    struct check_event events[NV_ASKS * NV_KEYS];
    for (int i = 0; i < rev->n; i++) {
        events[i].kv = kv_of(&t, &rev->events[i].kv);
        events[i].deleted = rev->events[i].deleted;
    }
    check_log_add(log, r, rev->at, events, (size_t)rev->n);
}

void nv_record(const struct nv_run *run, struct history *h, struct check_log *log, int64_t up_to)
{
    for (size_t i = 0; i < run->n; i++) {
        uint32_t id;
        nv_record_op(h, &run->ops[i], &id);
    }
    for (int64_t r = 2; log != NULL && r <= run->store.revision && r <= up_to; r++) {
        record_rev(log, &run->store.revs[r], r);
    }
}
