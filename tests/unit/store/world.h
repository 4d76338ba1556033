/* One store and short ways to ask it things: the fixture of this folder. */
#ifndef BARQUE_TESTS_STORE_WORLD_H
#define BARQUE_TESTS_STORE_WORLD_H

#include "store/store.h"
#include "tests/unit/store/tests.h"

struct world {
    struct store *store;
    struct arena arena;
    struct store_result last; /* of the last command */
    uint64_t index;
    struct buf text;
};

int world_setup(void **state);
int world_teardown(void **state);
#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

/* Replaces the store by one with these options. */
void world_options(struct world *w, const struct store_options *options);

/* Each applies one command and returns its status; w->last holds the rest. */
int apply(struct world *w, struct command c);
int put(struct world *w, const char *key, const char *value);
int put_leased(struct world *w, const char *key, const char *value, int64_t lease);
int put_with(struct world *w, struct put_request p);
int del(struct world *w, const char *key);
int del_range(struct world *w, const char *key, const char *range_end);
int compact(struct world *w, int64_t revision);
void sweep(struct world *w); /* all of compaction's memory work */
int grant(struct world *w, int64_t id, int64_t ttl_s);
int revoke(struct world *w, int64_t id);
int txn(struct world *w, struct txn_request t);

/* "" stands for no end, "*" for the end of all keys. */
struct slice end_of(const char *range_end);
struct op op_put(const char *key, const char *value);
struct op op_del(const char *key, const char *range_end);
struct op op_get(const char *key, const char *range_end);

/* The keys and values as "a=1 b=2", or the error's name; "count" and "more" are appended on
 * request. */
const char *range_text(struct world *w, struct range_request r);
const char *get_at(struct world *w, const char *key, int64_t revision);
const char *get(struct world *w, const char *key);
const char *keys_text(struct world *w, const char *key, const char *range_end);
int64_t count_at_revision(struct world *w, const char *key, const char *range_end,
                          int64_t revision);
struct kv_view kv_of(struct world *w, const char *key);

#endif
