/* The store's requests, read from a scenario's words. */
#include "tests/scenario/scenario.h"

enum { OPS_MAX = 32 };

static struct slice own(struct words *w, const char *s, size_t n)
{
    return arena_dup_slice(w->arena, slice_make(s, n));
}

void read_keys(struct words *w, const char *text, struct slice *ret_key, struct slice *ret_end)
{
    const char *dots = strstr(text, "..");
    size_t len = strlen(text);
    *ret_end = slice_make("", 0);
    if (dots != NULL) {
        const char *end = dots + 2;
        *ret_key = own(w, text, (size_t)(dots - text));
        *ret_end = *end == 0 ? slice_make("", 1) : own(w, end, strlen(end));
    } else if (strcmp(text, "*") == 0) {
        *ret_key = *ret_end = slice_make("", 1);
    } else if (len > 0 && text[len - 1] == '*') {
        *ret_key = own(w, text, len - 1);
        struct slice end = own(w, text, len - 1);
        uint8_t *last = (uint8_t *)end.data + end.len - 1; /* our own copy; no scenario has 0xff */
        *last = (uint8_t)(*last + 1);
        *ret_end = end;
    } else {
        *ret_key = own(w, text, len);
    }
}

struct put_request read_put(struct words *w)
{
    struct put_request p = { .key = slice_str(words_next(w)), .value = slice_str(words_next(w)) };
    for (;;) {
        const char *lease = words_option(w, "lease");
        if (lease != NULL) {
            p.lease = words_number(w, lease);
        } else if (words_accept(w, "prev")) {
            p.prev_kv = true;
        } else if (words_accept(w, "keep-value")) {
            p.ignore_value = true;
        } else if (words_accept(w, "keep-lease")) {
            p.ignore_lease = true;
        } else {
            return p;
        }
    }
}

struct delete_request read_delete(struct words *w)
{
    struct delete_request d = { 0 };
    read_keys(w, words_next(w), &d.key, &d.range_end);
    d.prev_kv = words_accept(w, "prev");
    return d;
}

static int one_of(struct words *w, const char *text, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], text) == 0) {
            return (int)i;
        }
    }
    words_fail(w, "not one of the known words");
}

static bool range_number(struct words *w, struct range_request *r)
{
    const struct { const char *name; int64_t *at; } numbers[] = {
        { "limit", &r->limit },
        { "rev", &r->revision },
        { "min-mod", &r->min_mod_revision },
        { "max-mod", &r->max_mod_revision },
        { "min-create", &r->min_create_revision },
        { "max-create", &r->max_create_revision },
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const char *value = words_option(w, numbers[i].name);
        if (value != NULL) {
            *numbers[i].at = words_number(w, value);
            return true;
        }
    }
    return false;
}

struct range_request read_range(struct words *w)
{
    static const char *const targets[] = { "key", "version", "create", "mod", "value" };
    static const char *const orders[] = { "none", "ascend", "descend" };
    struct range_request r = { 0 };
    const char *text;
    read_keys(w, words_next(w), &r.key, &r.range_end);
    for (;;) {
        if ((text = words_option(w, "by")) != NULL) {
            r.sort_target = one_of(w, text, targets, 5);
        } else if ((text = words_option(w, "order")) != NULL) {
            r.sort_order = one_of(w, text, orders, 3);
        } else if (words_accept(w, "keys-only")) {
            r.keys_only = true;
        } else if (words_accept(w, "count-only")) {
            r.count_only = true;
        } else if (!range_number(w, &r)) {
            return r;
        }
    }
}

/* target(KEYS)OPnumber, as mod(a)=2, value(a)!="x", version(a*)>0. */
static struct compare read_compare(struct words *w)
{
    static const char *const targets[] = { "version", "create", "mod", "value", "lease" };
    static const struct { const char *sign; int result; } signs[] = {
        { "!=", COMPARE_NOT_EQUAL },
        { "=", COMPARE_EQUAL },
        { ">", COMPARE_GREATER },
        { "<", COMPARE_LESS },
    };
    const char *text = words_next(w);
    const char *open = strchr(text, '('), *close = strchr(text, ')');
    if (open == NULL || close == NULL || close < open) {
        words_fail(w, "a compare looks like mod(key)=2");
    }
    struct compare c = { 0 };
    c.target = one_of(w, arena_strndup(w->arena, text, (size_t)(open - text)), targets, 5);
    read_keys(w, arena_strndup(w->arena, open + 1, (size_t)(close - open - 1)), &c.key,
              &c.range_end);
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        size_t n = strlen(signs[i].sign);
        if (strncmp(close + 1, signs[i].sign, n) == 0) {
            c.result = signs[i].result;
            const char *value = close + 1 + n;
            c.value = c.target == COMPARE_VALUE ? slice_str(value) : slice_make(NULL, 0);
            c.number = c.target == COMPARE_VALUE ? 0 : words_number(w, value);
            return c;
        }
    }
    words_fail(w, "a compare has one of = != > <");
}

static struct op read_op(struct words *w)
{
    struct op op = { .type = OP_NONE };
    if (words_accept(w, "put")) {
        op.type = OP_PUT;
        op.put = read_put(w);
    } else if (words_accept(w, "get")) {
        op.type = OP_RANGE;
        op.range = read_range(w);
    } else if (words_accept(w, "del")) {
        op.type = OP_DELETE;
        op.del = read_delete(w);
    } else if (words_accept(w, "{")) {
        op.type = OP_TXN;
        op.txn = arena_alloc(w->arena, sizeof *op.txn);
        *op.txn = read_txn(w);
        if (!words_accept(w, "}")) {
            words_fail(w, "} is missing");
        }
    } else {
        words_fail(w, "put, get, del or { is expected after this");
    }
    return op;
}

static struct op *read_ops(struct words *w, size_t *ret_n)
{
    struct op *ops = arena_alloc(w->arena, OPS_MAX * sizeof *ops);
    *ret_n = 0;
    do {
        if (*ret_n == OPS_MAX) {
            words_fail(w, "too many operations");
        }
        ops[(*ret_n)++] = read_op(w);
    } while (words_accept(w, ";"));
    return ops;
}

struct txn_request read_txn(struct words *w)
{
    struct txn_request t = { 0 };
    t.compare = arena_alloc(w->arena, OPS_MAX * sizeof *t.compare);
    if (words_accept(w, "if")) {
        do {
            if (t.n_compare == OPS_MAX) {
                words_fail(w, "too many compares");
            }
            t.compare[t.n_compare++] = read_compare(w);
        } while (words_accept(w, "and"));
    }
    if (words_accept(w, "then")) {
        t.success = read_ops(w, &t.n_success);
    }
    if (words_accept(w, "else")) {
        t.failure = read_ops(w, &t.n_failure);
    }
    return t;
}
