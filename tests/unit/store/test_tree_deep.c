/* A tree of three levels: its branches split, get thin and join, too, in whatever order keys come
 * and go. Beside it an array of what should be there. */
#include <stdio.h>

#include "lib/base/assert.h"
#include "lib/base/rng.h"
#include "store/tree.h"
#include "tests/unit/store/tests.h"

enum { KEYS = 20000, NARROW = 64 * 64 };

/* Order in which keys come or go: the i-th of KEYS. */
static unsigned ascending(unsigned i)
{
    return i;
}

static unsigned descending(unsigned i)
{
    return KEYS - 1 - i;
}

static unsigned scattered(unsigned i)
{
    return (unsigned)((uint64_t)i * 7919 % KEYS); /* a prime that does not divide KEYS */
}

static unsigned from_the_middle(unsigned i)
{
    return i % 2 == 0 ? KEYS / 2 + i / 2 : KEYS / 2 - 1 - i / 2;
}

typedef unsigned (*order)(unsigned i);

static struct slice key_text(unsigned k, char *text)
{
    return slice_make(text, (size_t)snprintf(text, 24, "/pods/%06u", k));
}

static void put(struct tree *t, unsigned k)
{
    char text[24];
    struct kv_view v = { .key = key_text(k, text), .mod_revision = 2, .version = 1 };
    tree_put(t, record_new(&v, NULL, 0));
}

static void check(const struct tree *t, const bool *there)
{
    char text[24];
    struct tree_cursor c;
    int64_t n = 0;
    tree_seek(t, slice_make(NULL, 0), &c);
    for (unsigned k = 0; k < KEYS; k++) {
        struct slice key = key_text(k, text);
        const struct record *r = tree_get(t, key);
        assert_int_equal(r != NULL, there[k]);
        if (there[k]) {
            assert_true(slice_eq(record_key(r), key));
            assert_ptr_equal(tree_next(&c), r);
        }
        if (k % 97 == 0) {
            struct key_range below = key_range_make(slice_str("/"), key);
            assert_int_equal(tree_count(t, &below), n);
        }
        n += there[k];
    }
    assert_null(tree_next(&c));
    assert_int_equal(tree_live(t), n);
}

static void keys_come_and_go_in_any_order(void **state)
{
    (void)state;
    static const order orders[] = { ascending, descending, scattered, from_the_middle };
    static bool there[KEYS];
    for (size_t i = 0; i < ARRAY_LEN(orders) * ARRAY_LEN(orders); i++) {
        order come = orders[i / ARRAY_LEN(orders)], go = orders[i % ARRAY_LEN(orders)];
        struct tree t;
        tree_init(&t);
        for (unsigned k = 0; k < KEYS; k++) {
            put(&t, come(k));
            there[come(k)] = true;
        }
        check(&t, there);
        for (unsigned k = 0; k < KEYS; k++) {
            char text[24];
            tree_remove(&t, key_text(go(k), text));
            there[go(k)] = false;
            if (k == KEYS / 2 || k == KEYS - KEYS / 10) {
                check(&t, there);
            }
        }
        assert_null(t.root);
        assert_int_equal(tree_live(&t), 0);
        tree_fini(&t);
    }
}

static void a_tree_that_shrinks_grows_again(void **state)
{
    (void)state;
    static bool there[KEYS];
    struct rng rng;
    struct tree t;
    tree_init(&t);
    rng_init(&rng, 5);
    for (unsigned round = 0; round < 8; round++) {
        unsigned puts = round % 2 == 0 ? 9 : 1; /* of ten changes */
        for (unsigned i = 0; i < 2 * KEYS; i++) {
            unsigned k = (unsigned)rng_range(&rng, 0, KEYS - 1);
            char text[24];
            if (rng_range(&rng, 0, 9) < puts) {
                put(&t, k);
                there[k] = true;
            } else if (there[k]) {
                tree_remove(&t, key_text(k, text));
                there[k] = false;
            }
        }
        check(&t, there);
    }
    tree_fini(&t);
}

/* A pin of before sees no join and no split of after. */
static void a_pin_stays_while_branches_split_and_join(void **state)
{
    (void)state;
    static bool all[KEYS], few[KEYS];
    struct tree t, full, thin;
    tree_init(&t);
    for (unsigned k = 0; k < KEYS; k++) {
        put(&t, scattered(k));
        all[k] = true;
        few[k] = k % 20 == 0;
    }
    full = tree_ref(&t);
    for (unsigned k = 0; k < KEYS; k++) {
        char text[24];
        if (!few[k]) {
            tree_remove(&t, key_text(k, text));
        }
    }
    thin = tree_ref(&t);
    for (unsigned k = 0; k < NARROW; k++) {
        put(&t, k);
    }
    check(&full, all);
    check(&thin, few);
    assert_int_equal(tree_live(&t), NARROW + (KEYS - NARROW) / 20);
    tree_fini(&t);
    tree_fini(&thin);
    check(&full, all);
    tree_fini(&full);
}

int test_tree_deep_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_and_go_in_any_order),
        cmocka_unit_test(a_tree_that_shrinks_grows_again),
        cmocka_unit_test(a_pin_stays_while_branches_split_and_join),
    };
    return cmocka_run_group_tests_name("store/tree_deep", tests, NULL, NULL);
}
