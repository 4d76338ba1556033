/* The fixture's steps. */
#include "tests/unit/store/world.h"

#include "lib/base/alloc.h"

int world_setup(void **state)
{
    struct world *w = mem_zalloc(sizeof *w);
    w->store = store_new(NULL);
    arena_init(&w->arena);
    store_result_init(&w->last);
    *state = w;
    return 0;
}

int world_teardown(void **state)
{
    struct world *w = *state;
    store_result_fini(&w->last);
    arena_fini(&w->arena);
    buf_fini(&w->text);
    store_free(w->store);
    mem_free(w);
    return 0;
}

void world_options(struct world *w, const struct store_options *options)
{
    store_free(w->store);
    w->store = store_new(options);
}

int apply(struct world *w, struct command c)
{
    store_result_fini(&w->last);
    store_result_init(&w->last);
    store_apply(w->store, ++w->index, &c, &w->last);
    assert_int_equal(w->last.revision, store_revision(w->store));
    return w->last.status;
}

int put_with(struct world *w, struct put_request p)
{
    return apply(w, (struct command){ .type = COMMAND_PUT, .put = p });
}

int put(struct world *w, const char *key, const char *value)
{
    return put_leased(w, key, value, 0);
}

int put_leased(struct world *w, const char *key, const char *value, int64_t lease)
{
    return put_with(w, (struct put_request){
                           .key = slice_str(key), .value = slice_str(value), .lease = lease });
}

struct slice end_of(const char *range_end)
{
    return strcmp(range_end, "*") == 0 ? slice_make("", 1) : slice_str(range_end);
}

int del_range(struct world *w, const char *key, const char *range_end)
{
    struct delete_request d = { slice_str(key), end_of(range_end), true };
    return apply(w, (struct command){ .type = COMMAND_DELETE, .del = d });
}

int del(struct world *w, const char *key)
{
    return del_range(w, key, "");
}

int compact(struct world *w, int64_t revision)
{
    return apply(w, (struct command){ .type = COMMAND_COMPACT, .compact = { revision } });
}

void sweep(struct world *w)
{
    while (store_compact_step(w->store, 3)) {
    }
}

int grant(struct world *w, int64_t id, int64_t ttl_s)
{
    return apply(w, (struct command){ .type = COMMAND_LEASE_GRANT, .lease_grant = { id, ttl_s } });
}

int revoke(struct world *w, int64_t id)
{
    return apply(w, (struct command){ .type = COMMAND_LEASE_REVOKE,
                                      .lease_revoke = { &id, 1, false } });
}

int txn(struct world *w, struct txn_request t)
{
    return apply(w, (struct command){ .type = COMMAND_TXN, .txn = t });
}

struct op op_put(const char *key, const char *value)
{
    return (struct op){ .type = OP_PUT,
                        .put = { .key = slice_str(key), .value = slice_str(value) } };
}

struct op op_del(const char *key, const char *range_end)
{
    return (struct op){ .type = OP_DELETE,
                        .del = { .key = slice_str(key), .range_end = end_of(range_end) } };
}

struct op op_get(const char *key, const char *range_end)
{
    return (struct op){ .type = OP_RANGE,
                        .range = { .key = slice_str(key), .range_end = end_of(range_end) } };
}

const char *range_text(struct world *w, struct range_request r)
{
    struct range_result result = { 0 };
    buf_reset(&w->text);
    int rv = store_range(w->store, &r, &w->arena, &result);
    if (rv != 0) {
        buf_append_str(&w->text, err_name(rv));
        return buf_str(&w->text);
    }
    for (size_t i = 0; i < result.n; i++) {
        struct kv_view kv;
        record_view(result.kvs[i], &kv);
        buf_append_str(&w->text, i > 0 ? " " : "");
        buf_append_slice(&w->text, kv.key);
        buf_append_char(&w->text, '=');
        buf_append_slice(&w->text, kv.value);
    }
    buf_append_str(&w->text, result.more ? " +" : "");
    range_result_unref(&result);
    return buf_str(&w->text);
}

const char *get_at(struct world *w, const char *key, int64_t revision)
{
    return range_text(w, (struct range_request){ .key = slice_str(key), .revision = revision });
}

const char *get(struct world *w, const char *key)
{
    return get_at(w, key, 0);
}

const char *keys_text(struct world *w, const char *key, const char *range_end)
{
    return range_text(w, (struct range_request){ .key = slice_str(key),
                                                 .range_end = end_of(range_end) });
}

int64_t count_at_revision(struct world *w, const char *key, const char *range_end,
                          int64_t revision)
{
    struct range_request r = {
        .key = slice_str(key),
        .range_end = end_of(range_end),
        .revision = revision,
        .count_only = true,
    };
    struct range_result result = { 0 };
    int rv = store_range(w->store, &r, &w->arena, &result);
    assert_int_equal(result.n, 0);
    return rv != 0 ? rv : result.count;
}

struct kv_view kv_of(struct world *w, const char *key)
{
    struct range_request r = { .key = slice_str(key) };
    struct range_result result = { 0 };
    assert_int_equal(store_range(w->store, &r, &w->arena, &result), 0);
    assert_int_equal(result.n, 1);
    struct kv_view kv;
    record_view(result.kvs[0], &kv); /* the store keeps it alive */
    range_result_unref(&result);
    return kv;
}
