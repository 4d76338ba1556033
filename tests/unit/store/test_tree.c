/* The tree and its neighbours: big random shapes against a sorted array, and pins. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/rng.h"
#include "store/interval.h"
#include "store/revlog.h"
#include "store/tree.h"
#include "tests/unit/store/tests.h"

enum { KEYS = 3000 };

/* What the tree should hold: per key 0 = absent, 1 = live, 2 = tombstone. */
struct shadow {
    uint8_t state[KEYS];
};

static struct slice key_text(unsigned k, char *text)
{
    int n = snprintf(text, 40, "/registry/%s/%05u", k % 3 == 0 ? "pods" : "services", k);
    return slice_make(text, (size_t)n);
}

static struct record *record_of(unsigned k, bool tombstone)
{
    char text[40];
    struct kv_view v = { .key = key_text(k, text), .mod_revision = 2, .tombstone = tombstone };
    return record_new(&v, NULL, 0);
}

static int compare_keys(const void *a, const void *b)
{
    char x[40], y[40];
    return slice_cmp(key_text(*(const unsigned *)a, x), key_text(*(const unsigned *)b, y));
}

/* The tree tells the same as the shadow: lookups, scans, counts. */
static void check(const struct tree *t, const struct shadow *s)
{
    static unsigned sorted[KEYS];
    char text[40], other[40];
    struct tree_cursor all, live;
    int64_t n_live = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        sorted[i] = i;
    }
    qsort(sorted, KEYS, sizeof sorted[0], compare_keys);
    tree_seek(t, slice_make(NULL, 0), &all);
    tree_seek(t, slice_make(NULL, 0), &live);
    for (unsigned i = 0; i < KEYS; i++) {
        struct slice key = key_text(sorted[i], text);
        struct key_range below = key_range_make(slice_str("/"), key);
        assert_int_equal(tree_count(t, &below), n_live);
        const struct record *r = tree_get(t, key);
        assert_int_equal(r != NULL, s->state[sorted[i]] != 0);
        if (s->state[sorted[i]] != 0) {
            assert_ptr_equal(tree_next(&all), r);
        }
        if (s->state[sorted[i]] == 1) {
            assert_ptr_equal(tree_next_live(&live), r);
            n_live++;
        }
    }
    assert_null(tree_next(&all));
    assert_null(tree_next_live(&live));
    assert_int_equal(tree_live(t), n_live);
    tree_seek(t, key_text(1500, text), &live);
    const struct record *next = tree_next_live(&live);
    assert_true(next == NULL || slice_cmp(record_key(next), key_text(1500, other)) >= 0);
}

static void change(struct tree *t, struct shadow *s, unsigned k, unsigned kind)
{
    char text[40];
    if (kind == 0 && s->state[k] != 0) {
        tree_remove(t, key_text(k, text));
        s->state[k] = 0;
    } else if (kind != 0) {
        tree_put(t, record_of(k, kind == 2));
        s->state[k] = (uint8_t)kind;
    }
}

static void a_tree_equals_a_sorted_array_through_growth_and_decline(void **state)
{
    (void)state;
    struct tree t;
    struct shadow s = { { 0 } };
    struct rng rng;
    tree_init(&t);
    rng_init(&rng, 11);
    for (unsigned round = 0; round < 10; round++) {
        bool grow = round < 5;
        for (unsigned i = 0; i < 3000; i++) {
            unsigned kind = (unsigned)rng_range(&rng, 0, 9);
            kind = kind < (grow ? 2 : 8) ? 0 : kind == 9 ? 2 : 1;
            change(&t, &s, (unsigned)rng_range(&rng, 0, KEYS - 1), kind);
        }
        check(&t, &s);
    }
    for (unsigned k = 0; k < KEYS; k++) {
        change(&t, &s, k, 0);
    }
    assert_null(t.root);
    tree_fini(&t);
}

static void keys_put_in_order_or_in_reverse_are_found(void **state)
{
    (void)state;
    for (unsigned reverse = 0; reverse < 2; reverse++) {
        struct tree t;
        struct shadow s = { { 0 } };
        tree_init(&t);
        for (unsigned i = 0; i < KEYS; i++) {
            change(&t, &s, reverse ? KEYS - 1 - i : i, 1);
        }
        check(&t, &s);
        tree_fini(&t);
    }
}

static void pins_keep_their_shape_while_the_tree_goes_on(void **state)
{
    (void)state;
    struct tree t, pins[5];
    struct shadow s = { { 0 } }, seen[5];
    struct rng rng;
    tree_init(&t);
    rng_init(&rng, 12);
    for (unsigned p = 0; p < 5; p++) {
        for (unsigned i = 0; i < 1500; i++) {
            unsigned kind = (unsigned)rng_range(&rng, 0, 2);
            change(&t, &s, (unsigned)rng_range(&rng, 0, KEYS - 1), kind);
        }
        pins[p] = tree_ref(&t);
        seen[p] = s;
    }
    for (unsigned k = 0; k < KEYS; k++) {
        change(&t, &s, k, 0);
    }
    for (unsigned p = 0; p < 5; p++) {
        check(&pins[p], &seen[p]);
        tree_fini(&pins[p]);
    }
    tree_fini(&t);
}

/* Keys that share long prefixes, are prefixes of each other, or hold any byte. */
static void awkward_keys_keep_their_order(void **state)
{
    (void)state;
    struct tree t;
    struct rng rng;
    tree_init(&t);
    rng_init(&rng, 13);
    for (unsigned i = 0; i < 5000; i++) {
        uint8_t key[40];
        size_t len = rng_range(&rng, 1, 40);
        memset(key, 0, sizeof key);
        for (size_t k = rng_range(&rng, 0, len); k < len; k++) {
            key[k] = (uint8_t)(rng_range(&rng, 0, 2) * 127);
        }
        struct kv_view v = { .key = slice_make(key, len), .mod_revision = 2 };
        tree_put(&t, record_new(&v, NULL, 0));
        assert_non_null(tree_get(&t, v.key));
    }
    struct tree_cursor c;
    tree_seek(&t, slice_make(NULL, 0), &c);
    const struct record *r, *last = tree_next(&c);
    int64_t n = 1;
    while ((r = tree_next(&c)) != NULL) {
        assert_true(slice_cmp(record_key(last), record_key(r)) < 0);
        struct key_range below = key_range_make(slice_make("", 1), record_key(r));
        assert_ptr_equal(tree_get(&t, record_key(r)), r);
        assert_int_equal(tree_count(&t, &below), n++);
        last = r;
    }
    assert_int_equal(tree_live(&t), n);
    tree_fini(&t);
}

/* --- the revision log ------------------------------------------------------------------------- */

static void the_log_finds_revisions_and_births_across_blocks(void **state)
{
    (void)state;
    struct revlog l;
    revlog_init(&l);
    for (int64_t rev = 2; rev < 20002; rev++) {
        struct kv_view v = { .key = slice_str("k"), .mod_revision = rev,
                             .version = rev % 1000 == 0 ? 1 : 2 };
        revlog_push(&l, record_new(&v, NULL, 0));
    }
    for (int i = 0; i < 9000; i++) {
        record_unref(revlog_pop(&l));
    }
    assert_int_equal(l.n, 11000);
    assert_int_equal(revlog_at(&l, 0)->mod_revision, 9002);
    assert_int_equal(revlog_find(&l, 9002), 0);
    assert_int_equal(revlog_find(&l, 15000), 5998);
    assert_int_equal(revlog_find(&l, 30000), 11000);
    assert_int_equal(revlog_vital_count(&l, 0), 11);
    assert_int_equal(revlog_vital_count(&l, revlog_find(&l, 19001)), 1);
    size_t i = revlog_vital_next(&l, 0);
    assert_int_equal(revlog_at(&l, i)->mod_revision, 10000);
    assert_int_equal(revlog_at(&l, revlog_vital_next(&l, i + 1))->mod_revision, 11000);
    assert_int_equal(revlog_vital_next(&l, revlog_find(&l, 20001)), 11000);
    revlog_fini(&l);
}

/* --- the interval tree ------------------------------------------------------------------------ */

struct found {
    bool hit[200];
    struct interval *items;
    const struct interval *last;
};

static void visit(void *arg, struct interval *i)
{
    struct found *f = arg;
    assert_false(f->hit[i - f->items]);
    assert_true(f->last == NULL || slice_cmp(f->last->lo, i->lo) <= 0);
    f->hit[i - f->items] = true;
    f->last = i;
}

static void stabbing_finds_exactly_the_ranges_that_hold_the_key(void **state)
{
    (void)state;
    static uint8_t bytes[200][2];
    static struct interval items[200];
    bool in[200] = { 0 };
    struct interval_tree t;
    struct rng rng;
    interval_tree_init(&t);
    rng_init(&rng, 14);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = (unsigned)rng_range(&rng, 0, 199);
        if (in[i]) {
            interval_remove(&t, &items[i]);
            in[i] = false;
        } else {
            bytes[i][0] = (uint8_t)rng_range(&rng, 0, 60);
            bytes[i][1] = (uint8_t)rng_range(&rng, 0, 60);
            items[i].lo = slice_make(&bytes[i][0], 1);
            items[i].hi = slice_make(&bytes[i][1], 1);
            items[i].unbounded = rng_chance(&rng, 0.1);
            in[i] = interval_find(&t, &items[i]) == NULL;
            if (in[i]) {
                interval_insert(&t, &items[i]);
            }
        }
        uint8_t k = (uint8_t)rng_range(&rng, 0, 60);
        struct found f = { .items = items };
        interval_stab(&t, slice_make(&k, 1), visit, &f);
        for (unsigned j = 0; j < 200; j++) {
            bool holds = in[j] && bytes[j][0] <= k && (items[j].unbounded || k < bytes[j][1]);
            assert_int_equal(f.hit[j], holds);
        }
    }
}

int test_tree_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_equals_a_sorted_array_through_growth_and_decline),
        cmocka_unit_test(keys_put_in_order_or_in_reverse_are_found),
        cmocka_unit_test(pins_keep_their_shape_while_the_tree_goes_on),
        cmocka_unit_test(awkward_keys_keep_their_order),
        cmocka_unit_test(the_log_finds_revisions_and_births_across_blocks),
        cmocka_unit_test(stabbing_finds_exactly_the_ranges_that_hold_the_key),
    };
    return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
