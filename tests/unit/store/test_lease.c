/* The replicated side of leases. */
#include "lib/base/alloc.h"
#include "tests/unit/store/world.h"

static const char *lease_text(struct world *w, int64_t id)
{
    struct slice *keys;
    buf_reset(&w->text);
    size_t n = store_lease_keys(w->store, id, &w->arena, &keys);
    for (size_t i = 0; i < n; i++) {
        buf_append_slice(&w->text, keys[i]);
        buf_append_char(&w->text, ' ');
    }
    return buf_str(&w->text);
}

static void granting_checks_id_and_ttl(void **state)
{
    struct world *w = *state;
    assert_int_equal(grant(w, 7, 60), 0);
    assert_int_equal(w->last.lease_id, 7);
    assert_int_equal(w->last.lease_ttl_s, 60);
    assert_int_equal(grant(w, 7, 60), E_LEASE_EXIST);
    assert_int_equal(grant(w, 8, INT64_C(9000000000)), 0);
    assert_int_equal(grant(w, 9, INT64_C(9000000001)), E_LEASE_TTL_TOO_LARGE);
    assert_int_equal(w->last.revision, 1);
}

static void a_put_with_an_unknown_lease_is_refused(void **state)
{
    struct world *w = *state;
    assert_int_equal(put_leased(w, "a", "1", 5), E_LEASE_NOT_FOUND);
    assert_int_equal(w->last.revision, 1);
}

static void revoking_deletes_the_keys_in_key_order_in_one_revision(void **state)
{
    struct world *w = *state;
    grant(w, 7, 60);
    put_leased(w, "c", "1", 7);
    put_leased(w, "a", "1", 7);
    put_leased(w, "b", "1", 7);
    put(w, "d", "1");
    assert_string_equal(lease_text(w, 7), "a b c ");
    assert_int_equal(revoke(w, 7), 0);
    assert_int_equal(w->last.revision, 6);
    struct record **records;
    size_t n;
    int64_t next;
    store_history(w->store, 6, 10, &w->arena, &records, &n, &next);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < 3; i++) {
        struct kv_view kv;
        record_view(records[i], &kv);
        assert_true(kv.tombstone);
        assert_int_equal(kv.key.data[0], "abc"[i]);
        assert_int_equal(kv.sub, i);
    }
    assert_string_equal(keys_text(w, "a", "*"), "d=1");
    assert_int_equal(revoke(w, 7), E_LEASE_NOT_FOUND);
}

static void a_batch_ignores_unknown_and_repeated_leases(void **state)
{
    struct world *w = *state;
    grant(w, 1, 60);
    grant(w, 2, 60);
    put_leased(w, "a", "1", 1);
    put_leased(w, "b", "1", 2);
    int64_t ids[] = { 2, 99, 1, 2 };
    struct command c = { .type = COMMAND_LEASE_REVOKE, .lease_revoke = { ids, 4, true } };
    assert_int_equal(apply(w, c), 0);
    assert_int_equal(w->last.revision, 4);
    assert_int_equal(store_live_keys(w->store), 0);
    struct lease_info *leases;
    assert_int_equal(store_leases(w->store, &w->arena, &leases), 0);
}

static void revoking_a_lease_without_keys_makes_no_revision(void **state)
{
    struct world *w = *state;
    grant(w, 1, 60);
    assert_int_equal(revoke(w, 1), 0);
    assert_int_equal(w->last.revision, 1);
}

static void an_overwrite_moves_the_key_to_its_new_lease(void **state)
{
    struct world *w = *state;
    grant(w, 1, 60);
    grant(w, 2, 60);
    put_leased(w, "a", "1", 1);
    put_leased(w, "a", "2", 2);
    assert_string_equal(lease_text(w, 1), "");
    assert_string_equal(lease_text(w, 2), "a ");
    put(w, "a", "3");
    assert_string_equal(lease_text(w, 2), "");
    revoke(w, 2);
    assert_string_equal(get(w, "a"), "a=3");
}

static void a_delete_detaches_and_a_later_put_attaches_again(void **state)
{
    struct world *w = *state;
    grant(w, 1, 60);
    put_leased(w, "a", "1", 1);
    del(w, "a");
    assert_string_equal(lease_text(w, 1), "");
    put_leased(w, "a", "2", 1);
    assert_string_equal(lease_text(w, 1), "a ");
}

static void a_checkpoint_sets_what_remains(void **state)
{
    struct world *w = *state;
    grant(w, 1, 60);
    struct lease_checkpoint items[] = { { 1, 20 }, { 99, 5 } };
    struct command c = { .type = COMMAND_LEASE_CHECKPOINT, .lease_checkpoint = { items, 2 } };
    assert_int_equal(apply(w, c), 0);
    struct lease_info info;
    assert_true(store_lease_get(w->store, 1, &info));
    assert_int_equal(info.remaining_ttl_s, 20);
    assert_int_equal(info.ttl_s, 60);
    items[0].remaining_ttl_s = 0;
    apply(w, c);
    store_lease_get(w->store, 1, &info);
    assert_int_equal(info.remaining_ttl_s, 60);
    assert_false(store_lease_get(w->store, 99, &info));
}

static void on_lease(void *arg, const struct lease_info *lease, bool removed)
{
    struct buf *out = arg;
    buf_printf(out, "%s%d ", removed ? "-" : "+", (int)lease->id);
}

static void grants_and_revokes_are_told(void **state)
{
    struct world *w = *state;
    autobuf told = BUF_INIT;
    store_set_on_lease(w->store, on_lease, &told);
    grant(w, 3, 60);
    grant(w, 3, 60);
    revoke(w, 3);
    assert_string_equal(buf_str(&told), "+3 -3 ");
}

int test_lease_run(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(granting_checks_id_and_ttl),
        WORLD_TEST(a_put_with_an_unknown_lease_is_refused),
        WORLD_TEST(revoking_deletes_the_keys_in_key_order_in_one_revision),
        WORLD_TEST(a_batch_ignores_unknown_and_repeated_leases),
        WORLD_TEST(revoking_a_lease_without_keys_makes_no_revision),
        WORLD_TEST(an_overwrite_moves_the_key_to_its_new_lease),
        WORLD_TEST(a_delete_detaches_and_a_later_put_attaches_again),
        WORLD_TEST(a_checkpoint_sets_what_remains),
        WORLD_TEST(grants_and_revokes_are_told),
    };
    return cmocka_run_group_tests_name("lease", tests, NULL, NULL);
}
