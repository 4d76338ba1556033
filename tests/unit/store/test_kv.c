/* Put, delete and what revisions and versions do. */
#include "tests/unit/store/world.h"

static void an_empty_store_is_at_revision_1(void **state)
{
    struct world *w = *state;
    assert_int_equal(store_revision(w->store), 1);
    assert_int_equal(store_compact_revision(w->store), 0);
    assert_int_equal(store_live_keys(w->store), 0);
}

static void the_first_put_makes_revision_2(void **state)
{
    struct world *w = *state;
    assert_int_equal(put(w, "a", "1"), 0);
    assert_int_equal(w->last.revision, 2);
    struct kv_view kv = kv_of(w, "a");
    assert_int_equal(kv.create_revision, 2);
    assert_int_equal(kv.mod_revision, 2);
    assert_int_equal(kv.version, 1);
}

static void an_overwrite_keeps_create_and_raises_version(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    put(w, "a", "2");
    struct kv_view kv = kv_of(w, "a");
    assert_int_equal(kv.create_revision, 2);
    assert_int_equal(kv.mod_revision, 3);
    assert_int_equal(kv.version, 2);
}

static void a_key_put_after_its_delete_begins_a_new_life(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    put(w, "a", "2");
    del(w, "a");
    put(w, "a", "3");
    struct kv_view kv = kv_of(w, "a");
    assert_int_equal(kv.version, 1);
    assert_int_equal(kv.create_revision, 5);
}

static void put_with_prev_kv_gives_what_was_there(void **state)
{
    struct world *w = *state;
    struct put_request p = { .key = slice_str("a"), .value = slice_str("2"), .prev_kv = true };
    put_with(w, p);
    assert_null(w->last.op.prev);
    put_with(w, p);
    struct kv_view kv;
    record_view(w->last.op.prev, &kv);
    assert_int_equal(kv.mod_revision, 2);
    del(w, "a");
    put_with(w, p);
    assert_null(w->last.op.prev);
}

static void an_empty_key_is_refused(void **state)
{
    struct world *w = *state;
    assert_int_equal(put(w, "", "1"), E_EMPTY_KEY);
    assert_int_equal(del(w, ""), E_EMPTY_KEY);
    assert_int_equal(w->last.revision, 1);
}

static void ignore_value_keeps_the_value_and_needs_the_key(void **state)
{
    struct world *w = *state;
    struct put_request p = { .key = slice_str("a"), .ignore_value = true };
    assert_int_equal(put_with(w, p), E_KEY_NOT_FOUND);
    put(w, "a", "1");
    assert_int_equal(put_with(w, p), 0);
    assert_string_equal(get(w, "a"), "a=1");
    assert_int_equal(kv_of(w, "a").version, 2);
    del(w, "a");
    assert_int_equal(put_with(w, p), E_KEY_NOT_FOUND);
    p.value = slice_str("x");
    assert_int_equal(put_with(w, p), E_VALUE_PROVIDED);
}

static void ignore_lease_keeps_the_lease_and_needs_the_key(void **state)
{
    struct world *w = *state;
    struct put_request p = { .key = slice_str("a"), .value = slice_str("2"),
                             .ignore_lease = true };
    assert_int_equal(put_with(w, p), E_KEY_NOT_FOUND);
    grant(w, 7, 10);
    put_leased(w, "a", "1", 7);
    assert_int_equal(put_with(w, p), 0);
    assert_int_equal(kv_of(w, "a").lease, 7);
    p.lease = 7;
    assert_int_equal(put_with(w, p), E_LEASE_PROVIDED);
}

static void deleting_nothing_makes_no_revision(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    assert_int_equal(del(w, "b"), 0);
    assert_int_equal(w->last.op.n_deleted, 0);
    assert_int_equal(w->last.revision, 2);
}

static void a_range_delete_is_one_revision_in_key_order(void **state)
{
    struct world *w = *state;
    put(w, "b", "2");
    put(w, "a", "1");
    put(w, "c", "3");
    put(w, "d", "4");
    assert_int_equal(del_range(w, "a", "d"), 0);
    assert_int_equal(w->last.op.n_deleted, 3);
    assert_int_equal(w->last.revision, 6);
    struct kv_view kv;
    record_view(w->last.op.deleted[0], &kv);
    assert_memory_equal(kv.key.data, "a", 1);
    assert_int_equal(kv.mod_revision, 3);
    assert_string_equal(keys_text(w, "a", "*"), "d=4");
}

static void a_tombstone_knows_what_it_deleted(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    del(w, "a");
    struct record **records;
    size_t n;
    int64_t next;
    assert_int_equal(store_history(w->store, 3, 10, &w->arena, &records, &n, &next), 0);
    assert_int_equal(n, 1);
    struct kv_view kv, prev;
    record_view(records[0], &kv);
    record_view(record_prev(records[0]), &prev);
    assert_true(kv.tombstone);
    assert_int_equal(kv.mod_revision, 3);
    assert_int_equal(prev.mod_revision, 2);
    put(w, "a", "2");
    assert_int_equal(store_history(w->store, 4, 10, &w->arena, &records, &n, &next), 0);
    assert_null(record_prev(records[0]));
}

static void live_bytes_follow_keys_and_values_only(void **state)
{
    struct world *w = *state;
    assert_int_equal(store_live_bytes(w->store), 0);
    put(w, "abc", "12345");
    int64_t one = store_live_bytes(w->store);
    assert_true(one >= 8);
    put(w, "abc", "12");
    assert_int_equal(store_live_bytes(w->store), one - 3);
    del(w, "abc");
    assert_int_equal(store_live_bytes(w->store), 0);
}

static void over_quota_puts_and_grants_fail_and_deletes_do_not(void **state)
{
    struct world *w = *state;
    world_options(w, &(struct store_options){ .quota_bytes = 100 });
    assert_int_equal(put(w, "a", "0123456789012345678901234567890123456789"), 0);
    assert_true(store_over_quota(w->store));
    assert_int_equal(put(w, "b", "1"), E_NOSPACE);
    assert_int_equal(grant(w, 1, 10), E_NOSPACE);
    struct op ops[] = { op_put("b", "1") };
    assert_int_equal(txn(w, (struct txn_request){ .failure = ops, .n_failure = 1 }), E_NOSPACE);
    struct op gets[] = { op_get("a", "") };
    assert_int_equal(txn(w, (struct txn_request){ .success = gets, .n_success = 1 }), 0);
    assert_int_equal(compact(w, 2), 0);
    assert_int_equal(del(w, "a"), 0);
    assert_int_equal(put(w, "b", "1"), 0);
}

static void history_hands_out_whole_revisions(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    put(w, "b", "1");
    del_range(w, "a", "*");
    struct record **records;
    size_t n;
    int64_t next;
    assert_int_equal(store_history(w->store, 2, 3, &w->arena, &records, &n, &next), 0);
    assert_int_equal(n, 4); /* the third revision has two: over max rather than cut */
    assert_int_equal(next, 5);
    assert_int_equal(store_history(w->store, 2, 2, &w->arena, &records, &n, &next), 0);
    assert_int_equal(n, 2);
    assert_int_equal(next, 4);
    assert_int_equal(store_history(w->store, 9, 2, &w->arena, &records, &n, &next), 0);
    assert_int_equal(n, 0);
    assert_int_equal(next, 9);
}

static void equal_commands_give_equal_digests_and_others_do_not(void **state)
{
    struct world *w = *state;
    uint64_t empty = store_digest(w->store);
    put(w, "a", "1");
    uint64_t first = store_digest(w->store);
    assert_true(first != empty);
    struct world *other;
    world_setup((void **)&other);
    put(other, "a", "2");
    assert_true(store_digest(other->store) != first);
    world_options(other, NULL);
    other->index = 0;
    put(other, "a", "1");
    assert_true(store_digest(other->store) == first);
    del(w, "nothing");
    assert_true(store_digest(w->store) != first);
    world_teardown((void **)&other);
}

int test_kv_run(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(an_empty_store_is_at_revision_1),
        WORLD_TEST(the_first_put_makes_revision_2),
        WORLD_TEST(an_overwrite_keeps_create_and_raises_version),
        WORLD_TEST(a_key_put_after_its_delete_begins_a_new_life),
        WORLD_TEST(put_with_prev_kv_gives_what_was_there),
        WORLD_TEST(an_empty_key_is_refused),
        WORLD_TEST(ignore_value_keeps_the_value_and_needs_the_key),
        WORLD_TEST(ignore_lease_keeps_the_lease_and_needs_the_key),
        WORLD_TEST(deleting_nothing_makes_no_revision),
        WORLD_TEST(a_range_delete_is_one_revision_in_key_order),
        WORLD_TEST(a_tombstone_knows_what_it_deleted),
        WORLD_TEST(live_bytes_follow_keys_and_values_only),
        WORLD_TEST(over_quota_puts_and_grants_fail_and_deletes_do_not),
        WORLD_TEST(history_hands_out_whole_revisions),
        WORLD_TEST(equal_commands_give_equal_digests_and_others_do_not),
    };
    return cmocka_run_group_tests_name("kv", tests, NULL, NULL);
}
