/* Compaction, HashKV and snapshots: what may be forgotten, and that nobody notices. */
#include <pthread.h>
#include <stdio.h>

#include "lib/base/assert.h"
#include "lib/base/rng.h"
#include "tests/unit/store/snapshot_bytes.h"
#include "tests/unit/store/world.h"

static uint32_t hash_at(struct world *w, int64_t revision)
{
    uint32_t hash = 0;
    assert_int_equal(store_hash_kv(w->store, revision, &hash), 0);
    return hash;
}

static void compaction_checks_its_revision(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    put(w, "a", "2");
    assert_int_equal(compact(w, 4), E_FUTURE_REV);
    assert_int_equal(compact(w, 2), 0);
    assert_int_equal(compact(w, 2), E_COMPACTED);
    assert_int_equal(compact(w, 1), E_COMPACTED);
    assert_int_equal(compact(w, 3), 0);
    assert_int_equal(store_compact_revision(w->store), 3);
    assert_int_equal(w->last.revision, 3);
}

static void the_compacted_revision_itself_stays_readable(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    put(w, "a", "2");
    put(w, "a", "3");
    compact(w, 3);
    assert_string_equal(get_at(w, "a", 2), "E_COMPACTED"); /* at once, before any sweeping */
    assert_string_equal(get_at(w, "a", 3), "a=2");
    sweep(w);
    assert_string_equal(get_at(w, "a", 2), "E_COMPACTED");
    assert_string_equal(get_at(w, "a", 3), "a=2");
    assert_string_equal(get_at(w, "a", 4), "a=3");
}

static void sweeping_frees_old_versions_and_dead_keys(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    int64_t one = store_size_bytes(w->store);
    for (int i = 0; i < 100; i++) {
        put(w, "a", "2");
        put(w, "b", "2");
        del(w, "b");
    }
    assert_true(store_size_bytes(w->store) > 100 * one);
    put(w, "a", "2");
    compact(w, store_revision(w->store));
    sweep(w);
    assert_true(store_size_bytes(w->store) <= 3 * one); /* the last version and the one before it */
    assert_string_equal(keys_text(w, "a", "*"), "a=2");
}

static void sweeping_goes_in_bounded_steps(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 10; i++) {
        put(w, "a", "1");
    }
    assert_false(store_compact_step(w->store, 5));
    compact(w, 11);
    assert_true(store_compact_step(w->store, 5));
    assert_false(store_compact_step(w->store, 5));
}

static void sweeping_waits_for_pins(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    put(w, "a", "2");
    put(w, "a", "3");
    int64_t before = store_size_bytes(w->store);
    struct store_pin *pin = store_pin(w->store);
    compact(w, 4);
    assert_false(store_compact_step(w->store, 100));
    assert_int_equal(store_size_bytes(w->store), before);
    store_unpin(w->store, pin);
    store_compact_step(w->store, 100);
    assert_true(store_size_bytes(w->store) < before);
}

static void history_below_the_compacted_revision_is_gone(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    put(w, "a", "2");
    put(w, "a", "3");
    compact(w, 3);
    sweep(w);
    struct record **records;
    size_t n;
    int64_t next;
    assert_int_equal(store_history(w->store, 2, 9, &w->arena, &records, &n, &next), E_COMPACTED);
    assert_int_equal(store_history(w->store, 3, 9, &w->arena, &records, &n, &next), 0);
    assert_int_equal(n, 2);
}

/* Watchers go on from the compacted revision they were told, and must hear of a delete there. */
static void the_changes_of_the_compacted_revision_stay(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    put(w, "b", "1");
    del(w, "a");
    compact(w, 4);
    sweep(w);
    autobuf bytes = BUF_INIT;
    snapshot_bytes(w->store, &bytes);
    struct err err = ERR_INIT;
    struct store *restored = snapshot_restore(buf_slice(&bytes), 100, NULL, &err);
    assert_non_null(restored);
    struct store *stores[] = { w->store, restored };
    for (size_t i = 0; i < 2; i++) {
        struct record **records;
        size_t n;
        int64_t next;
        assert_int_equal(store_history(stores[i], 4, 9, &w->arena, &records, &n, &next), 0);
        assert_int_equal(n, 1);
        struct kv_view kv;
        record_view(records[0], &kv);
        assert_true(kv.tombstone);
    }
    store_free(restored);
}

static void the_hash_does_not_change_by_sweeping(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    put(w, "b", "1");
    put(w, "a", "2");
    del(w, "b");
    put(w, "c", "3");
    compact(w, 5);
    uint32_t at5 = hash_at(w, 5), now = hash_at(w, 0);
    assert_true(at5 != now);
    sweep(w);
    assert_int_equal(hash_at(w, 5), at5);
    assert_int_equal(hash_at(w, 0), now);
    uint32_t h;
    assert_int_equal(store_hash_kv(w->store, 4, &h), E_COMPACTED);
    assert_int_equal(store_hash_kv(w->store, 7, &h), E_FUTURE_REV);
    assert_int_equal(store_hash_kv(w->store, -1, &h), E_COMPACTED);
}

/* What etcd 3.4.23, 3.5.17 and 3.6.6 said of these keys. */
static void the_hash_is_the_one_that_etcd_gives(void **state)
{
    static const struct {
        int64_t revision;
        uint32_t before, compacted; /* to 5 */
    } told[] = {
        { 2, 2587454935, 0 }, { 3, 2143169314, 0 },         { 4, 3086679940, 0 },
        { 5, 1416966122, 0 }, { 6, 918906579, 3009421188 }, { 7, 2860257571, 884471949 },
    };
    struct world *w = *state;
    assert_int_equal(hash_at(w, 0), 1084519789);
    put(w, "a", "1");
    put(w, "b", "1");
    put(w, "a", "2");
    del(w, "b");
    grant(w, 7, 1000);
    put_leased(w, "c", "3", 7);
    struct op ops[] = { op_put("x", ""), op_del("a", "") };
    txn(w, (struct txn_request){ .success = ops, .n_success = 2 });
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        assert_int_equal(hash_at(w, told[i].revision), told[i].before);
    }
    compact(w, 5);
    assert_int_equal(hash_at(w, 6), told[4].compacted);
    assert_int_equal(hash_at(w, 0), told[5].compacted);
    del_range(w, "a", "*");
    assert_int_equal(hash_at(w, 8), 3559631725); /* nothing is alive */
    put(w, "z", "1");
    compact(w, 9);
    del(w, "z");
    assert_int_equal(hash_at(w, 10), 3794292878);
    compact(w, 10);
    put(w, "z", "2");
    del(w, "z");
    assert_int_equal(hash_at(w, 12), 2358578719);
}

/* --- snapshots -------------------------------------------------------------------------------- */

static void fill(struct world *w)
{
    grant(w, 5, 100);
    for (int i = 0; i < 300; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i % 70);
        if (i % 7 == 6) {
            del(w, key);
        } else {
            put_leased(w, key, "value", i % 11 == 0 ? 5 : 0);
        }
    }
    compact(w, 50);
}

static void a_snapshot_restores_to_an_equal_store(void **state)
{
    struct world *w = *state;
    fill(w);
    autobuf bytes = BUF_INIT, again = BUF_INIT;
    snapshot_bytes(w->store, &bytes);
    struct err err = ERR_INIT;
    struct store *s = snapshot_restore(buf_slice(&bytes), 1000, NULL, &err);
    assert_non_null(s);
    assert_int_equal(store_revision(s), store_revision(w->store));
    assert_int_equal(store_applied_index(s), store_applied_index(w->store));
    assert_true(store_digest(s) == store_digest(w->store));
    uint32_t a, b;
    store_hash_kv(s, 60, &a);
    store_hash_kv(w->store, 60, &b);
    assert_int_equal(a, b);
    snapshot_bytes(s, &again);
    assert_true(slice_eq(buf_slice(&bytes), buf_slice(&again)));
    store_free(s);
}

static void an_empty_store_has_a_snapshot_too(void **state)
{
    struct world *w = *state;
    autobuf bytes = BUF_INIT;
    snapshot_bytes(w->store, &bytes);
    struct err err = ERR_INIT;
    struct store *s = snapshot_restore(buf_slice(&bytes), 7, NULL, &err);
    assert_non_null(s);
    assert_int_equal(store_revision(s), 1);
    store_free(s);
}

static void a_pin_does_not_see_what_comes_after_it(void **state)
{
    struct world *w = *state;
    fill(w);
    autobuf before = BUF_INIT, after = BUF_INIT;
    snapshot_bytes(w->store, &before);
    struct store_pin *pin = store_pin(w->store);
    int more = 1;
    for (int i = 0; more == 1 || i < 200; i++) {
        put(w, "k3", "changed");
        del_range(w, "k1", "k2");
        compact(w, store_revision(w->store) - 1);
        store_compact_step(w->store, 50);
        more = more == 1 ? store_pin_next(pin, &after) : more;
    }
    assert_true(slice_eq(buf_slice(&before), buf_slice(&after)));
    store_unpin(w->store, pin);
}

struct reading {
    struct store_pin *pin;
    struct buf bytes;
};

static void *read_pin(void *arg)
{
    struct reading *r = arg;
    while (store_pin_next(r->pin, &r->bytes) == 1) {
    }
    return NULL;
}

/* Under the thread sanitizer this also shows that the two share nothing that changes. */
static void a_worker_may_read_a_pin_while_the_loop_writes(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 5; i++) {
        fill(w);
        autobuf before = BUF_INIT;
        snapshot_bytes(w->store, &before);
        struct reading r = { .pin = store_pin(w->store) };
        pthread_t worker;
        assert_int_equal(pthread_create(&worker, NULL, read_pin, &r), 0);
        for (int k = 0; k < 300; k++) {
            char key[16];
            snprintf(key, sizeof key, "k%d", k % 90);
            put(w, key, "changed");
            assert_string_not_equal(get_at(w, "k3", 60), "");
            del_range(w, "k1", "k2");
            compact(w, store_revision(w->store) - 100);
            store_compact_step(w->store, 50);
        }
        pthread_join(worker, NULL);
        assert_true(slice_eq(buf_slice(&before), buf_slice(&r.bytes)));
        buf_fini(&r.bytes);
        store_unpin(w->store, r.pin);
        sweep(w);
    }
}

static void a_cut_snapshot_is_refused_at_every_length(void **state)
{
    struct world *w = *state;
    fill(w);
    autobuf bytes = BUF_INIT;
    snapshot_bytes(w->store, &bytes);
    for (size_t n = 0; n < bytes.len; n += 37) {
        struct err err = ERR_INIT;
        assert_null(snapshot_restore(slice_make(bytes.data, n), 4096, NULL, &err));
        assert_int_equal(err.code, E_CORRUPT);
    }
}

static void a_snapshot_with_any_flipped_bit_is_refused(void **state)
{
    struct world *w = *state;
    fill(w);
    autobuf bytes = BUF_INIT;
    snapshot_bytes(w->store, &bytes);
    struct rng rng;
    rng_init(&rng, 5);
    for (int i = 0; i < 400; i++) {
        size_t at = rng_range(&rng, 0, bytes.len - 1);
        uint8_t bit = (uint8_t)(1u << rng_range(&rng, 0, 7));
        bytes.data[at] ^= bit;
        struct err err = ERR_INIT;
        assert_null(snapshot_restore(buf_slice(&bytes), 4096, NULL, &err));
        bytes.data[at] ^= bit;
    }
}

static void bytes_after_the_end_are_refused(void **state)
{
    struct world *w = *state;
    autobuf bytes = BUF_INIT;
    snapshot_bytes(w->store, &bytes);
    buf_append_char(&bytes, 'x');
    struct err err = ERR_INIT;
    assert_null(snapshot_restore(buf_slice(&bytes), 4096, NULL, &err));
}

int test_compact_run(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(compaction_checks_its_revision),
        WORLD_TEST(the_compacted_revision_itself_stays_readable),
        WORLD_TEST(sweeping_frees_old_versions_and_dead_keys),
        WORLD_TEST(sweeping_goes_in_bounded_steps),
        WORLD_TEST(sweeping_waits_for_pins),
        WORLD_TEST(history_below_the_compacted_revision_is_gone),
        WORLD_TEST(the_changes_of_the_compacted_revision_stay),
        WORLD_TEST(the_hash_does_not_change_by_sweeping),
        WORLD_TEST(the_hash_is_the_one_that_etcd_gives),
        WORLD_TEST(a_snapshot_restores_to_an_equal_store),
        WORLD_TEST(an_empty_store_has_a_snapshot_too),
        WORLD_TEST(a_pin_does_not_see_what_comes_after_it),
        WORLD_TEST(a_worker_may_read_a_pin_while_the_loop_writes),
        WORLD_TEST(a_cut_snapshot_is_refused_at_every_length),
        WORLD_TEST(a_snapshot_with_any_flipped_bit_is_refused),
        WORLD_TEST(bytes_after_the_end_are_refused),
    };
    return cmocka_run_group_tests_name("compact", tests, NULL, NULL);
}
