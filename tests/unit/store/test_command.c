/* Commands as bytes, and what may be proposed. */
#include "lib/base/limits.h"
#include "lib/codec/mp.h"
#include "store/capability.h"
#include "tests/unit/store/world.h"

/* Decodes what encodes, and encodes to the same bytes again. */
static void round_trip(struct world *w, const struct command *c, struct command *ret_command)
{
    autobuf a = BUF_INIT, b = BUF_INIT;
    command_encode(c, &a);
    struct slice bytes = arena_dup_slice(&w->arena, buf_slice(&a));
    assert_int_equal(command_decode(bytes, &w->arena, ret_command), 0);
    command_encode(ret_command, &b);
    assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
    for (size_t n = 0; n < a.len; n++) {
        struct command cut;
        assert_int_not_equal(command_decode(slice_make(a.data, n), &w->arena, &cut), 0);
    }
}

static void every_command_survives_its_encoding(void **state)
{
    struct world *w = *state;
    struct command d;
    struct command c = { .type = COMMAND_PUT, .put = { slice_str("k"), slice_str("v"), -3, true,
                                                       false, true } };
    round_trip(w, &c, &d);
    assert_int_equal(d.put.lease, -3);
    assert_true(d.put.prev_kv && d.put.ignore_lease && !d.put.ignore_value);
    c = (struct command){ .type = COMMAND_DELETE, .del = { slice_str("k"), slice_str("z"), true } };
    round_trip(w, &c, &d);
    assert_true(slice_eq(d.del.range_end, slice_str("z")));
    c = (struct command){ .type = COMMAND_COMPACT, .compact = { INT64_C(1) << 60 } };
    round_trip(w, &c, &d);
    assert_true(d.compact.revision == INT64_C(1) << 60);
    c = (struct command){ .type = COMMAND_LEASE_GRANT, .lease_grant = { INT64_MIN, 60 } };
    round_trip(w, &c, &d);
    assert_true(d.lease_grant.id == INT64_MIN);
    int64_t ids[] = { 1, -2, 3 };
    c = (struct command){ .type = COMMAND_LEASE_REVOKE, .lease_revoke = { ids, 3, true } };
    round_trip(w, &c, &d);
    assert_int_equal(d.lease_revoke.ids[1], -2);
    assert_true(d.lease_revoke.expired);
    struct lease_checkpoint items[] = { { 7, 20 }, { 8, 0 } };
    c = (struct command){ .type = COMMAND_LEASE_CHECKPOINT, .lease_checkpoint = { items, 2 } };
    round_trip(w, &c, &d);
    assert_int_equal(d.lease_checkpoint.items[0].remaining_ttl_s, 20);
    c = (struct command){ .type = COMMAND_AUTH, .who = { WHO_USER, slice_str("root"), 7 } };
    c.auth = (struct auth_change){ AUTH_ROLE_GRANT, slice_str("u"), slice_str("r"),
                                   slice_str("k"), slice_str("z"), slice_str("s"), 2 };
    round_trip(w, &c, &d);
    assert_int_equal(d.auth.action, AUTH_ROLE_GRANT);
    assert_true(slice_eq(d.auth.secret, slice_str("s")) && d.auth.number == 2);
    assert_true(slice_eq(d.who.user, slice_str("root")) && d.who.revision == 7);
    c = (struct command){ .type = COMMAND_ALARM };
    c.alarm = (struct alarm_change){ true, UINT64_MAX, ALARM_CORRUPT, true };
    round_trip(w, &c, &d);
    assert_true(d.alarm.active && d.alarm.member == UINT64_MAX && d.alarm.automatic);
    assert_int_equal(d.alarm.type, ALARM_CORRUPT);
    c = (struct command){ .type = COMMAND_COMPACT, .who = { .kind = WHO_SYSTEM } };
    round_trip(w, &c, &d);
    assert_int_equal(d.who.kind, WHO_SYSTEM);
}

static void a_nested_txn_survives_its_encoding(void **state)
{
    struct world *w = *state;
    struct compare cmp = { COMPARE_LESS, COMPARE_VALUE, slice_str("k"), slice_str("z"), 0,
                           slice_str("v") };
    struct op in[] = { op_get("a", "*"), { .type = OP_NONE } };
    in[0].range = (struct range_request){
        slice_str("a"), slice_str("b"), 10, 5, SORT_DESCEND, SORT_MOD, true, true, 1, 2, 3, 4
    };
    struct txn_request inner = { .failure = in, .n_failure = 2 };
    struct op ops[] = { op_put("k", "v"), op_del("a", "b"), { .type = OP_TXN, .txn = &inner } };
    struct command d, c = { .type = COMMAND_TXN, .txn = { &cmp, ops, NULL, 1, 3, 0 } };
    round_trip(w, &c, &d);
    const struct range_request *r = &d.txn.success[2].txn->failure[0].range;
    assert_int_equal(r->limit, 10);
    assert_int_equal(r->max_create_revision, 4);
    assert_true(r->keys_only && r->count_only);
    assert_int_equal(d.txn.compare[0].result, COMPARE_LESS);
}

static void whatever_the_wire_lets_a_client_say_can_be_read_back(void **state)
{
    struct world *w = *state;
    struct compare cmp[] = {
        { INT32_MAX, INT32_MIN, slice_str("k"), slice_str("z"), INT64_MIN, slice_str("v") },
    };
    struct op ops[] = { op_put("k", "v") };
    struct command d, c = { .type = COMMAND_TXN, .txn = { cmp, ops, NULL, 1, 1, 0 } };
    round_trip(w, &c, &d);
    assert_int_equal(d.txn.compare[0].result, INT32_MAX);
    assert_int_equal(d.txn.compare[0].target, INT32_MIN);

    size_t len = LIMIT_LOG_ENTRY_BYTES - 64;
    struct slice key = slice_make(arena_zalloc(&w->arena, len), len);
    c = (struct command){ .type = COMMAND_DELETE, .del = { key, slice_str("z"), true } };
    autobuf bytes = BUF_INIT;
    command_encode(&c, &bytes);
    assert_int_equal(command_decode(buf_slice(&bytes), &w->arena, &d), 0);
    assert_int_equal(d.del.key.len, len);
}

static void unknown_trailing_fields_are_skipped(void **state)
{
    struct world *w = *state;
    autobuf b = BUF_INIT;
    mp_put_array(&b, 4);
    mp_put_u64(&b, 1);
    mp_put_u64(&b, COMMAND_COMPACT);
    mp_put_array(&b, 2);
    mp_put_i64(&b, 9);
    mp_put_str(&b, "later");
    mp_put_nil(&b);
    struct command c;
    assert_int_equal(command_decode(buf_slice(&b), &w->arena, &c), 0);
    assert_int_equal(c.compact.revision, 9);
}

static void another_version_or_type_is_refused(void **state)
{
    struct world *w = *state;
    for (unsigned i = 0; i < 2; i++) {
        autobuf b = BUF_INIT;
        mp_put_array(&b, 3);
        mp_put_u64(&b, i == 0 ? 2 : 1);
        mp_put_u64(&b, i == 0 ? COMMAND_COMPACT : 99);
        mp_put_array(&b, 1);
        mp_put_i64(&b, 9);
        struct command c;
        assert_int_equal(command_decode(buf_slice(&b), &w->arena, &c), E_PROTO);
    }
}

static void a_list_longer_than_the_entry_allocates_nothing(void **state)
{
    struct world *w = *state;
    autobuf b = BUF_INIT;
    mp_put_array(&b, 3);
    mp_put_u64(&b, 1);
    mp_put_u64(&b, COMMAND_LEASE_REVOKE);
    mp_put_array(&b, 2);
    mp_put_array(&b, 60000);
    struct command c;
    size_t before = w->arena.used_bytes;
    assert_int_equal(command_decode(buf_slice(&b), &w->arena, &c), E_TRUNCATED);
    assert_true(w->arena.used_bytes - before < 100);
}

/* A txn inside a txn inside ..., `depth` in all. */
static struct txn_request *nest(struct world *w, int depth)
{
    struct txn_request *t = arena_zalloc(&w->arena, sizeof *t);
    if (depth > 1) {
        t->success = arena_zalloc(&w->arena, sizeof *t->success);
        t->n_success = 1;
        t->success[0].type = OP_TXN;
        t->success[0].txn = nest(w, depth - 1);
    }
    return t;
}

static void nesting_is_bounded_in_bytes_and_in_checks(void **state)
{
    struct world *w = *state;
    struct command d, c = { .type = COMMAND_TXN, .txn = *nest(w, LIMIT_TXN_DEPTH) };
    round_trip(w, &c, &d);
    assert_int_equal(txn_check(&c.txn, 128), 0);
    c.txn = *nest(w, LIMIT_TXN_DEPTH + 1);
    autobuf b = BUF_INIT;
    command_encode(&c, &b);
    assert_int_equal(command_decode(buf_slice(&b), &w->arena, &d), E_TOOBIG);
    assert_int_equal(txn_check(&c.txn, 128), E_TOO_MANY_OPS);
}

/* --- checks ----------------------------------------------------------------------------------- */

static void a_range_needs_a_key_and_known_sorting(void **state)
{
    (void)state;
    struct range_request r = { .key = slice_str("a") };
    assert_int_equal(range_check(&r), 0);
    r.sort_order = 3;
    assert_int_equal(range_check(&r), E_INVALID_SORT);
    r.sort_order = 0;
    r.sort_target = -1;
    assert_int_equal(range_check(&r), E_INVALID_SORT);
    r.key = slice_str("");
    assert_int_equal(range_check(&r), E_EMPTY_KEY);
}

static int check_ops(struct op *ops, size_t n)
{
    struct txn_request t = { .success = ops, .n_success = n };
    struct txn_request other = { .failure = ops, .n_failure = n };
    int rv = txn_check(&t, 128);
    assert_int_equal(txn_check(&other, 128), rv);
    return rv;
}

static void a_txn_has_at_most_max_ops_of_each_kind(void **state)
{
    (void)state;
    struct op ops[] = { op_get("a", ""), op_get("a", ""), op_get("a", "") };
    struct txn_request t = { .success = ops, .n_success = 3 };
    assert_int_equal(txn_check(&t, 3), 0);
    assert_int_equal(txn_check(&t, 2), E_TOO_MANY_OPS);
    struct txn_request outer = { .success = (struct op[]){ { .type = OP_TXN, .txn = &t } },
                                 .n_success = 1 };
    assert_int_equal(txn_check(&outer, 4), 0);
    assert_int_equal(txn_check(&outer, 3), E_TOO_MANY_OPS); /* the nested one has what is left */
}

static void an_empty_op_or_key_in_a_txn_is_refused(void **state)
{
    (void)state;
    struct op none[] = { { .type = OP_NONE } };
    assert_int_equal(check_ops(none, 1), E_KEY_NOT_FOUND);
    struct op empty[] = { op_put("", "1") };
    assert_int_equal(check_ops(empty, 1), E_EMPTY_KEY);
    struct compare c = { .target = COMPARE_MOD };
    struct txn_request t = { .compare = &c, .n_compare = 1 };
    assert_int_equal(txn_check(&t, 128), E_EMPTY_KEY);
}

static void a_key_may_be_put_once_in_a_branch(void **state)
{
    (void)state;
    struct op twice[] = { op_put("a", "1"), op_put("b", "1"), op_put("a", "2") };
    assert_int_equal(check_ops(twice, 3), E_DUPLICATE_KEY);
    assert_int_equal(check_ops(twice, 2), 0);
    struct txn_request t = { .success = twice, .failure = twice, .n_success = 1, .n_failure = 1 };
    assert_int_equal(txn_check(&t, 128), 0); /* branches exclude each other */
}

static void a_branch_may_not_put_what_it_deletes(void **state)
{
    (void)state;
    struct op range[] = { op_put("b", "1"), op_del("a", "c") };
    assert_int_equal(check_ops(range, 2), E_DUPLICATE_KEY);
    struct op single[] = { op_del("b", ""), op_put("b", "1") };
    assert_int_equal(check_ops(single, 2), E_DUPLICATE_KEY);
    struct op beside[] = { op_del("a", "b"), op_put("b", "1") };
    assert_int_equal(check_ops(beside, 2), 0);
    struct op all[] = { op_del("a", "*"), op_put("b", "1") };
    assert_int_equal(check_ops(all, 2), E_DUPLICATE_KEY);
    struct op deletes[] = { op_del("a", ""), op_del("a", "z") };
    assert_int_equal(check_ops(deletes, 2), 0);
}

static void nested_puts_count_against_their_surroundings(void **state)
{
    (void)state;
    struct op in[] = { op_put("a", "1") };
    struct txn_request both = { .success = in, .failure = in, .n_success = 1, .n_failure = 1 };
    struct op alone[] = { { .type = OP_TXN, .txn = &both }, op_put("b", "1") };
    assert_int_equal(check_ops(alone, 2), 0);
    struct op parent_puts[] = { { .type = OP_TXN, .txn = &both }, op_put("a", "1") };
    assert_int_equal(check_ops(parent_puts, 2), E_DUPLICATE_KEY);
    struct op parent_deletes[] = { { .type = OP_TXN, .txn = &both }, op_del("a", "") };
    assert_int_equal(check_ops(parent_deletes, 2), E_DUPLICATE_KEY);
    struct op siblings[] = { { .type = OP_TXN, .txn = &both }, { .type = OP_TXN, .txn = &both } };
    assert_int_equal(check_ops(siblings, 2), E_DUPLICATE_KEY);
}

static void nested_deletes_bind_later_siblings_and_the_parent(void **state)
{
    (void)state;
    struct op puts[] = { op_put("a", "1") }, dels[] = { op_del("a", "") };
    struct txn_request p = { .success = puts, .n_success = 1 };
    struct txn_request d = { .success = dels, .n_success = 1 };
    struct op later[] = { { .type = OP_TXN, .txn = &d }, { .type = OP_TXN, .txn = &p } };
    assert_int_equal(check_ops(later, 2), E_DUPLICATE_KEY);
    struct op earlier[] = { { .type = OP_TXN, .txn = &p }, { .type = OP_TXN, .txn = &d } };
    assert_int_equal(check_ops(earlier, 2), 0); /* as etcd */
    struct op parent[] = { op_put("a", "1"), { .type = OP_TXN, .txn = &d } };
    assert_int_equal(check_ops(parent, 2), E_DUPLICATE_KEY);
}

static void only_txns_without_writes_at_any_depth_are_readonly(void **state)
{
    (void)state;
    struct op dels[] = { op_del("a", "") }, gets[] = { op_get("a", "") };
    struct txn_request d = { .failure = dels, .n_failure = 1 };
    struct op nested[] = { op_get("a", ""), { .type = OP_TXN, .txn = &d } };
    assert_false(txn_is_readonly(&(struct txn_request){ .success = nested, .n_success = 2 }));
    assert_true(txn_is_readonly(&(struct txn_request){ .success = gets, .n_success = 1 }));
}

static void every_type_needs_a_level_that_this_program_has(void **state)
{
    (void)state;
    for (int type = COMMAND_PUT; type <= COMMAND_LEASE_CHECKPOINT; type++) {
        assert_int_equal(command_level((enum command_type)type), 1); /* since the first version */
    }
    assert_int_equal(command_level(COMMAND_AUTH), 2);
    assert_int_equal(command_level(COMMAND_ALARM), 3);
    assert_in_range(store_level(), 1, 100);
}

int test_command_run(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(every_command_survives_its_encoding),
        WORLD_TEST(a_nested_txn_survives_its_encoding),
        WORLD_TEST(whatever_the_wire_lets_a_client_say_can_be_read_back),
        WORLD_TEST(unknown_trailing_fields_are_skipped),
        WORLD_TEST(another_version_or_type_is_refused),
        WORLD_TEST(a_list_longer_than_the_entry_allocates_nothing),
        cmocka_unit_test(every_type_needs_a_level_that_this_program_has),
        WORLD_TEST(nesting_is_bounded_in_bytes_and_in_checks),
        cmocka_unit_test(a_range_needs_a_key_and_known_sorting),
        cmocka_unit_test(a_txn_has_at_most_max_ops_of_each_kind),
        cmocka_unit_test(an_empty_op_or_key_in_a_txn_is_refused),
        cmocka_unit_test(a_key_may_be_put_once_in_a_branch),
        cmocka_unit_test(a_branch_may_not_put_what_it_deletes),
        cmocka_unit_test(nested_puts_count_against_their_surroundings),
        cmocka_unit_test(nested_deletes_bind_later_siblings_and_the_parent),
        cmocka_unit_test(only_txns_without_writes_at_any_depth_are_readonly),
    };
    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
