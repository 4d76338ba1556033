/* Alarms in the replicated state: what they refuse, who clears them, and that they are kept. */
#include "lib/base/limits.h"
#include "tests/unit/store/snapshot_bytes.h"
#include "tests/unit/store/world.h"

static int change(struct world *w, bool active, uint64_t member, enum alarm_type type,
                  bool automatic)
{
    return apply(w, (struct command){ .type = COMMAND_ALARM,
                                      .alarm = { active, member, type, automatic } });
}

static bool told(struct world *w, bool active, uint64_t member, enum alarm_type type,
                 bool automatic)
{
    assert_int_equal(change(w, active, member, type, automatic), 0);
    return w->last.alarm_told;
}

static size_t count(const struct world *w)
{
    return store_alarms(w->store)->n;
}

static void without_space_only_what_adds_is_refused(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    grant(w, 7, 60);
    assert_true(told(w, true, 3, ALARM_NOSPACE, true));
    assert_int_equal(put(w, "b", "1"), E_NOSPACE);
    assert_int_equal(grant(w, 8, 60), E_NOSPACE);
    struct op puts[] = { op_put("b", "1") }, dels[] = { op_del("a", "") };
    struct txn_request t = { .failure = puts, .n_failure = 1 };
    assert_int_equal(txn(w, t), E_NOSPACE);
    t = (struct txn_request){ .success = dels, .n_success = 1 };
    assert_int_equal(txn(w, t), 0);
    assert_string_equal(get(w, "a"), "");
    assert_int_equal(revoke(w, 7), 0);
    assert_int_equal(compact(w, store_revision(w->store)), 0);
    assert_true(told(w, false, 3, ALARM_NOSPACE, true));
    assert_int_equal(put(w, "b", "1"), 0);
}

static void while_corrupt_nothing_changes(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    grant(w, 7, 60);
    int64_t revision = store_revision(w->store);
    told(w, true, 3, ALARM_CORRUPT, false);
    struct op dels[] = { op_del("a", "") };
    assert_int_equal(put(w, "b", "1"), E_CORRUPT);
    assert_int_equal(del(w, "a"), E_CORRUPT);
    assert_int_equal(txn(w, (struct txn_request){ .success = dels, .n_success = 1 }), E_CORRUPT);
    assert_int_equal(grant(w, 8, 60), E_CORRUPT);
    assert_int_equal(revoke(w, 7), E_CORRUPT);
    assert_int_equal(compact(w, revision), E_CORRUPT);
    assert_int_equal(store_revision(w->store), revision);
    assert_string_equal(get(w, "a"), "a=1"); /* reads go on */
    told(w, false, 3, ALARM_CORRUPT, false);
    assert_int_equal(del(w, "a"), 0);
}

static void an_alarm_lasts_until_the_last_member_has_cleared_it(void **state)
{
    struct world *w = *state;
    told(w, true, 1, ALARM_NOSPACE, true);
    told(w, true, 2, ALARM_NOSPACE, true);
    told(w, false, 1, ALARM_NOSPACE, true);
    assert_int_equal(put(w, "a", "1"), E_NOSPACE);
    told(w, false, 2, ALARM_NOSPACE, true);
    assert_int_equal(put(w, "a", "1"), 0);
}

static void what_was_set_by_hand_is_cleared_by_hand(void **state)
{
    struct world *w = *state;
    told(w, true, 1, ALARM_NOSPACE, false);
    assert_false(told(w, false, 1, ALARM_NOSPACE, true));
    assert_int_equal(count(w), 1);
    assert_true(told(w, true, 1, ALARM_NOSPACE, true)); /* by hand it stays */
    assert_false(told(w, false, 1, ALARM_NOSPACE, true));
    assert_true(told(w, false, 1, ALARM_NOSPACE, false));
    told(w, true, 1, ALARM_NOSPACE, true);
    assert_true(told(w, false, 1, ALARM_NOSPACE, false)); /* a hand may clear any */
    assert_int_equal(count(w), 0);
}

static void what_is_not_set_cannot_be_cleared_and_none_is_none(void **state)
{
    struct world *w = *state;
    assert_false(told(w, false, 1, ALARM_NOSPACE, false));
    assert_false(told(w, true, 1, ALARM_NONE, false));
    assert_int_equal(count(w), 0);
}

static void alarms_are_kept_in_order_and_bounded(void **state)
{
    struct world *w = *state;
    for (uint64_t i = 0; i < LIMIT_ALARMS; i++) {
        assert_true(told(w, true, i * 7919 % 1009, (enum alarm_type)(1 + i % 2), false));
    }
    assert_int_equal(change(w, true, 5000, ALARM_NOSPACE, false), E_FULL);
    assert_int_equal(count(w), LIMIT_ALARMS);
    const struct alarm *items = store_alarms(w->store)->items;
    for (size_t i = 1; i < LIMIT_ALARMS; i++) {
        assert_true(items[i - 1].member < items[i].member ||
                    (items[i - 1].member == items[i].member && items[i - 1].type < items[i].type));
    }
}

static void a_snapshot_carries_alarms(void **state)
{
    struct world *w = *state;
    autobuf none = BUF_INIT, a = BUF_INIT, b = BUF_INIT;
    put(w, "a", "1");
    snapshot_bytes(w->store, &none);
    told(w, true, 9, ALARM_NOSPACE, true);
    told(w, true, UINT64_MAX, ALARM_CORRUPT, false);
    told(w, true, 9, ALARM_CORRUPT, false);
    snapshot_bytes(w->store, &a);
    struct err err = ERR_INIT;
    struct store *s = snapshot_restore(buf_slice(&a), 7, NULL, &err);
    assert_non_null(s);
    snapshot_bytes(s, &b);
    assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
    const struct alarms *set = store_alarms(s);
    assert_int_equal(set->n, 3);
    assert_true(alarms_find(set, 9, ALARM_NOSPACE)->automatic);
    assert_false(alarms_find(set, UINT64_MAX, ALARM_CORRUPT)->automatic);
    store_free(s);
    /* Without alarms there is no frame that an older version could not read. */
    size_t frame = 4 + 1 + 3 * 3 + 8; /* UINT64_MAX takes 9 bytes */
    assert_true(a.len >= none.len + frame);
    told(w, false, 9, ALARM_NOSPACE, false);
    told(w, false, UINT64_MAX, ALARM_CORRUPT, false);
    told(w, false, 9, ALARM_CORRUPT, false);
    buf_reset(&a);
    snapshot_bytes(w->store, &a);
    for (size_t at = 0; at < a.len;) {
        const uint8_t *p = a.data + at;
        assert_int_not_equal(p[4], 5);
        at += 4 + ((size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]);
    }
}

static uint64_t digest_with(uint64_t member, enum alarm_type type, bool automatic)
{
    struct store *s = store_new(NULL);
    struct command c = { .type = COMMAND_ALARM, .alarm = { true, member, type, automatic } };
    struct store_result r;
    store_result_init(&r);
    store_apply(s, 1, &c, &r);
    store_result_fini(&r);
    uint64_t digest = store_digest(s);
    store_free(s);
    return digest;
}

static void members_that_differ_in_an_alarm_have_other_digests(void **state)
{
    (void)state;
    uint64_t one = digest_with(1, ALARM_NOSPACE, true);
    assert_true(one == digest_with(1, ALARM_NOSPACE, true));
    assert_true(one != digest_with(2, ALARM_NOSPACE, true));
    assert_true(one != digest_with(1, ALARM_CORRUPT, true));
    assert_true(one != digest_with(1, ALARM_NOSPACE, false));
}

int test_alarm_run(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(without_space_only_what_adds_is_refused),
        WORLD_TEST(while_corrupt_nothing_changes),
        WORLD_TEST(an_alarm_lasts_until_the_last_member_has_cleared_it),
        WORLD_TEST(what_was_set_by_hand_is_cleared_by_hand),
        WORLD_TEST(what_is_not_set_cannot_be_cleared_and_none_is_none),
        WORLD_TEST(alarms_are_kept_in_order_and_bounded),
        WORLD_TEST(a_snapshot_carries_alarms),
        WORLD_TEST(members_that_differ_in_an_alarm_have_other_digests),
    };
    return cmocka_run_group_tests_name("store/alarm", tests, NULL, NULL);
}
