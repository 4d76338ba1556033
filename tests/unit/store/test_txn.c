/* Txn: compares, branches, atomicity. */
#include "tests/unit/store/world.h"

static struct compare cmp(int target, int result, const char *key, int64_t number)
{
    return (struct compare){ .target = target, .result = result, .key = slice_str(key),
                             .number = number };
}

static struct compare cmp_value(int result, const char *key, const char *value)
{
    return (struct compare){ .target = COMPARE_VALUE, .result = result, .key = slice_str(key),
                             .value = slice_str(value) };
}

/* Does the compare hold? Asked by an empty txn. */
static bool holds(struct world *w, struct compare c)
{
    struct txn_request t = { .compare = &c, .n_compare = 1 };
    assert_int_equal(txn(w, t), 0);
    return w->last.txn.succeeded;
}

static void a_missing_key_compares_as_zero(void **state)
{
    struct world *w = *state;
    assert_true(holds(w, cmp(COMPARE_VERSION, COMPARE_EQUAL, "a", 0)));
    assert_true(holds(w, cmp(COMPARE_CREATE, COMPARE_EQUAL, "a", 0)));
    assert_true(holds(w, cmp(COMPARE_MOD, COMPARE_EQUAL, "a", 0)));
    assert_true(holds(w, cmp(COMPARE_LEASE, COMPARE_EQUAL, "a", 0)));
    assert_true(holds(w, cmp(COMPARE_MOD, COMPARE_LESS, "a", 1)));
    assert_false(holds(w, cmp(COMPARE_MOD, COMPARE_NOT_EQUAL, "a", 0)));
}

static void a_missing_key_never_meets_a_value_compare(void **state)
{
    struct world *w = *state;
    assert_false(holds(w, cmp_value(COMPARE_EQUAL, "a", "")));
    assert_false(holds(w, cmp_value(COMPARE_NOT_EQUAL, "a", "x")));
    assert_false(holds(w, cmp_value(COMPARE_LESS, "a", "x")));
}

static void each_target_compares_its_own_number(void **state)
{
    struct world *w = *state;
    grant(w, 9, 10);
    put(w, "x", "");
    put(w, "a", "m");
    put_leased(w, "a", "n", 9);
    assert_true(holds(w, cmp(COMPARE_CREATE, COMPARE_EQUAL, "a", 3)));
    assert_true(holds(w, cmp(COMPARE_MOD, COMPARE_EQUAL, "a", 4)));
    assert_true(holds(w, cmp(COMPARE_VERSION, COMPARE_GREATER, "a", 1)));
    assert_true(holds(w, cmp(COMPARE_LEASE, COMPARE_EQUAL, "a", 9)));
    assert_true(holds(w, cmp_value(COMPARE_EQUAL, "a", "n")));
    assert_true(holds(w, cmp_value(COMPARE_GREATER, "a", "m")));
    assert_false(holds(w, cmp(COMPARE_MOD, COMPARE_LESS, "a", 4)));
    del(w, "a");
    assert_true(holds(w, cmp(COMPARE_VERSION, COMPARE_EQUAL, "a", 0)));
}

static void a_range_compare_must_hold_for_every_key(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    put(w, "b", "1");
    struct compare c = cmp_value(COMPARE_EQUAL, "a", "1");
    c.range_end = slice_str("z");
    assert_true(holds(w, c));
    put(w, "c", "2");
    assert_false(holds(w, c));
    c.range_end = slice_str("c");
    assert_true(holds(w, c));
}

static void an_empty_range_compares_as_a_missing_key(void **state)
{
    struct world *w = *state;
    struct compare c = cmp(COMPARE_CREATE, COMPARE_EQUAL, "a", 0);
    c.range_end = slice_str("z");
    assert_true(holds(w, c));
    c = cmp_value(COMPARE_NOT_EQUAL, "a", "1");
    c.range_end = slice_str("z");
    assert_false(holds(w, c));
}

static void all_writes_of_a_txn_share_one_revision(void **state)
{
    struct world *w = *state;
    put(w, "z", "0");
    struct op ops[] = { op_put("a", "1"), op_put("b", "2"), op_del("z", "") };
    assert_int_equal(txn(w, (struct txn_request){ .success = ops, .n_success = 3 }), 0);
    assert_int_equal(w->last.revision, 3);
    assert_int_equal(kv_of(w, "a").mod_revision, 3);
    assert_int_equal(kv_of(w, "b").mod_revision, 3);
    assert_int_equal(kv_of(w, "a").sub, 0);
    assert_int_equal(kv_of(w, "b").sub, 1);
    assert_int_equal(store_live_keys(w->store), 2);
}

static void a_failed_compare_takes_the_other_branch(void **state)
{
    struct world *w = *state;
    struct compare c = cmp(COMPARE_VERSION, COMPARE_GREATER, "a", 0);
    struct op yes[] = { op_put("a", "yes") }, no[] = { op_put("a", "no") };
    struct txn_request t = { &c, yes, no, 1, 1, 1 };
    txn(w, t);
    assert_false(w->last.txn.succeeded);
    assert_string_equal(get(w, "a"), "a=no");
    txn(w, t);
    assert_true(w->last.txn.succeeded);
    assert_string_equal(get(w, "a"), "a=yes");
}

static void a_txn_that_changes_nothing_makes_no_revision(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    struct op ops[] = { op_get("a", ""), op_del("nothing", "") };
    txn(w, (struct txn_request){ .success = ops, .n_success = 2 });
    assert_int_equal(w->last.revision, 2);
    assert_int_equal(w->last.txn.ops[0].range.n, 1);
}

static void reads_in_a_txn_see_the_writes_before_them(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    struct op ops[] = { op_get("a", "*"), op_put("b", "1"), op_get("a", "*"), op_del("a", ""),
                        op_get("a", "*") };
    txn(w, (struct txn_request){ .success = ops, .n_success = 5 });
    assert_int_equal(w->last.txn.ops[0].range.count, 1);
    assert_int_equal(w->last.txn.ops[2].range.count, 2);
    assert_int_equal(w->last.txn.ops[4].range.count, 1);
}

static void an_old_read_after_a_write_in_a_txn_sees_the_old_state(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    struct op ops[] = { op_put("b", "1"), op_get("a", "*") };
    ops[1].range.revision = 2;
    assert_int_equal(txn(w, (struct txn_request){ .success = ops, .n_success = 2 }), 0);
    assert_int_equal(w->last.txn.ops[1].range.count, 1);
    assert_int_equal(w->last.txn.ops[1].range.n, 1);
}

static void nested_compares_look_at_the_state_before_any_write(void **state)
{
    struct world *w = *state;
    struct compare c = cmp(COMPARE_VERSION, COMPARE_EQUAL, "a", 0);
    struct op inner_ops[] = { op_put("b", "fresh") };
    struct txn_request inner = { .compare = &c, .n_compare = 1, .success = inner_ops,
                                 .n_success = 1 };
    struct op ops[] = { op_put("a", "1"), { .type = OP_TXN, .txn = &inner } };
    assert_int_equal(txn(w, (struct txn_request){ .success = ops, .n_success = 2 }), 0);
    assert_true(w->last.txn.ops[1].txn->succeeded); /* a was missing when it began */
    assert_string_equal(get(w, "b"), "b=fresh");
    assert_int_equal(w->last.revision, 2);
}

static void a_txn_that_fails_midway_changes_nothing(void **state)
{
    struct world *w = *state;
    struct op ops[] = { op_put("a", "1"), op_put("b", "2") };
    ops[1].put.lease = 77;
    struct txn_request t = { .success = ops, .n_success = 2 };
    assert_int_equal(txn(w, t), E_LEASE_NOT_FOUND);
    ops[1] = op_put("b", "");
    ops[1].put.ignore_value = true;
    assert_int_equal(txn(w, t), E_KEY_NOT_FOUND);
    ops[1] = op_get("b", "");
    ops[1].range.revision = 2;
    assert_int_equal(txn(w, t), E_FUTURE_REV);
    assert_int_equal(w->last.revision, 1);
    assert_int_equal(store_live_keys(w->store), 0);
}

static void errors_in_the_branch_not_taken_do_not_matter(void **state)
{
    struct world *w = *state;
    struct op yes[] = { op_put("a", "1") }, no[] = { op_put("b", "1") };
    no[0].put.lease = 77;
    assert_int_equal(txn(w, (struct txn_request){ NULL, yes, no, 0, 1, 1 }), 0);
}

static void a_key_put_and_deleted_by_nested_siblings_ends_deleted(void **state)
{
    struct world *w = *state;
    struct op put_ops[] = { op_put("k", "1") }, del_ops[] = { op_del("k", "") };
    struct txn_request first = { .success = put_ops, .n_success = 1 };
    struct txn_request second = { .success = del_ops, .n_success = 1 };
    struct op ops[] = { { .type = OP_TXN, .txn = &first }, { .type = OP_TXN, .txn = &second } };
    assert_int_equal(txn(w, (struct txn_request){ .success = ops, .n_success = 2 }), 0);
    assert_string_equal(get(w, "k"), "");
    assert_string_equal(get_at(w, "k", 2), "");
    assert_int_equal(w->last.revision, 2);
    compact(w, 2);
    put(w, "k", "2");
    put(w, "k", "3");
    sweep(w);
    assert_string_equal(get_at(w, "k", 3), "k=2");
    assert_string_equal(get_at(w, "k", 2), "");
}

static void each_operation_knows_the_revision_that_it_saw_or_left(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    struct op ops[] = { op_get("a", ""), op_del("nothing", ""), op_put("b", "2"),
                        op_get("a", ""), op_del("nothing", "") };
    assert_int_equal(txn(w, (struct txn_request){ .success = ops, .n_success = 5 }), 0);
    static const int64_t revisions[] = { 2, 2, 3, 3, 3 };
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(w->last.txn.ops[i].revision, revisions[i]);
    }
}

static void a_readonly_txn_reads_without_a_command(void **state)
{
    struct world *w = *state;
    put(w, "a", "1");
    struct op ops[] = { op_get("a", "") };
    struct txn_request t = { .success = ops, .n_success = 1 };
    struct store_result r;
    store_result_init(&r);
    assert_true(txn_is_readonly(&t));
    assert_int_equal(store_txn_read(w->store, &t, &r), 0);
    assert_int_equal(r.txn.ops[0].range.n, 1);
    assert_int_equal(r.revision, 2);
    store_result_fini(&r);
}

int test_txn_run(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_missing_key_compares_as_zero),
        WORLD_TEST(a_missing_key_never_meets_a_value_compare),
        WORLD_TEST(each_target_compares_its_own_number),
        WORLD_TEST(a_range_compare_must_hold_for_every_key),
        WORLD_TEST(an_empty_range_compares_as_a_missing_key),
        WORLD_TEST(all_writes_of_a_txn_share_one_revision),
        WORLD_TEST(a_failed_compare_takes_the_other_branch),
        WORLD_TEST(a_txn_that_changes_nothing_makes_no_revision),
        WORLD_TEST(reads_in_a_txn_see_the_writes_before_them),
        WORLD_TEST(an_old_read_after_a_write_in_a_txn_sees_the_old_state),
        WORLD_TEST(nested_compares_look_at_the_state_before_any_write),
        WORLD_TEST(a_txn_that_fails_midway_changes_nothing),
        WORLD_TEST(errors_in_the_branch_not_taken_do_not_matter),
        WORLD_TEST(a_key_put_and_deleted_by_nested_siblings_ends_deleted),
        WORLD_TEST(each_operation_knows_the_revision_that_it_saw_or_left),
        WORLD_TEST(a_readonly_txn_reads_without_a_command),
    };
    return cmocka_run_group_tests_name("txn", tests, NULL, NULL);
}
