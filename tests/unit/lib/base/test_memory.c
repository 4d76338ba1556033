/* alloc, assert, arena, buf and value: who owns what, and what happens at the edges. */
#include "test.h"

#include <pthread.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/arena.h"
#include "lib/base/assert.h"
#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/base/value.h"

static void array_growth_keeps_items_and_doubles(void **state)
{
    (void)state;
    size_t cap = 0;
    int *items = NULL;
    size_t grown = 0;
    for (int i = 0; i < 1000; i++) {
        size_t before = cap;
        items = mem_grow(items, &cap, (size_t)i + 1, sizeof *items);
        grown += cap != before;
        items[i] = i;
    }
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(items[i], i);
    }
    assert_int_equal(cap, 1024);
    assert_int_equal(grown, 8); /* 8 16 32 64 128 256 512 1024 */
    mem_free(items);
}

static void formatted_text_is_owned_and_taken_only_once(void **state)
{
    (void)state;
    autofree char *s = mem_printf("%s-%d", "pod", 7);
    assert_string_equal(s, "pod-7");
    char *t = TAKE(s);
    assert_null(s);
    assert_string_equal(t, "pod-7");
    mem_free(t);
}

static void fail_third_allocation(void)
{
    mem_set_fail_after(3);
    mem_free(mem_alloc(1));
    mem_free(mem_zalloc(1));
    mem_free(mem_strdup("x"));
}

static void fail_none(void)
{
    mem_set_fail_after(4);
    mem_free(mem_alloc(1));
    mem_set_fail_after(0);
    for (int i = 0; i < 10; i++) {
        mem_free(mem_alloc(1));
    }
}

static void a_failed_allocation_ends_the_process_with_a_message(void **state)
{
    (void)state;
    assert_true(child_exits(fail_third_allocation, MEM_EXIT_STATUS,
                            "out of memory (2 bytes wanted)"));
    assert_true(child_exits(fail_none, 0, ""));
}

static void the_reserve_serves_what_malloc_does_not(void **state)
{
    (void)state;
    mem_reserve(1 << 20);
    assert_false(mem_is_low());
    mem_set_fail_after(2);
    char *a = mem_dup("abc", 4), *b = mem_dup("def", 4); /* the second malloc fails */
    assert_string_equal(b, "def");
    assert_true(mem_is_low());
    assert_false(mem_has_room(1)); /* what is left is for what is under way */
    assert_true(mem_recover());
    assert_false(mem_is_low());
    assert_true(mem_has_room(1));
    assert_false(mem_has_room(SIZE_MAX / 4));
    assert_false(mem_is_low()); /* asking spends nothing */
    mem_set_fail_after(1);
    a = mem_realloc(a, 100);
    assert_string_equal(a, "abc");
    assert_true(mem_is_low());
    assert_true(mem_recover());
    mem_set_fail_after(1);
    int *zeros = mem_calloc(10, sizeof *zeros);
    assert_int_equal(zeros[9], 0);
    mem_free(zeros);
    mem_free(a);
    mem_free(b);
    mem_reserve(0);
    assert_false(mem_is_low());
}

static void fail_twice(void)
{
    mem_reserve(1 << 20);
    mem_set_fail_after(1);
    mem_free(mem_alloc(1));
    mem_set_fail_after(1);
    mem_free(mem_alloc(3));
}

static void a_spent_reserve_ends_the_process(void **state)
{
    (void)state;
    assert_true(child_exits(fail_twice, MEM_EXIT_STATUS, "out of memory (3 bytes wanted)"));
}

static void overflow_growth(void)
{
    size_t cap = SIZE_MAX / 4;
    int dummy;
    (void)mem_grow(&dummy, &cap, SIZE_MAX / 2, sizeof dummy);
}

static void an_array_size_that_overflows_ends_the_process(void **state)
{
    (void)state;
    assert_true(child_aborts(overflow_growth, "invariant failed"));
}

static void break_precondition(void)
{
    int answer = 41;
    PRE(answer == 42);
}

static void a_failed_assert_names_file_and_condition(void **state)
{
    (void)state;
    assert_true(child_aborts(break_precondition, "test_memory.c"));
    assert_true(child_aborts(break_precondition, "answer == 42"));
    assert_true(child_aborts(break_precondition, "precondition"));
}

static void arena_memory_is_aligned_apart_and_counted(void **state)
{
    (void)state;
    struct arena a;
    uint8_t *p[200];
    arena_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(p); i++) {
        p[i] = arena_alloc(&a, i);
        assert_int_equal((uintptr_t)p[i] % 16, 0);
        memset(p[i], (int)i, i);
    }
    for (size_t i = 0; i < ARRAY_LEN(p); i++) {
        for (size_t k = 0; k < i; k++) {
            assert_int_equal(p[i][k], (uint8_t)i);
        }
    }
    assert_true(a.used_bytes >= 199 * 200 / 2);
    arena_fini(&a);
    assert_int_equal(a.used_bytes, 0);
}

static void a_large_arena_allocation_leaves_the_chunk_in_use(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    uint8_t *first_large = arena_zalloc(&a, 100000);
    uint8_t *p = arena_alloc(&a, 16);
    uint8_t *large = arena_zalloc(&a, 20000);
    uint8_t *q = arena_alloc(&a, 16);
    assert_ptr_equal(q, p + 16);
    assert_int_equal(large[19999], 0);
    assert_int_equal(first_large[99999], 0);
    arena_fini(&a);
}

static void arena_reset_reuses_the_newest_chunk(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    for (int i = 0; i < 100; i++) {
        (void)arena_alloc(&a, 1000);
    }
    (void)arena_alloc(&a, 50000);
    arena_reset(&a);
    assert_int_equal(a.used_bytes, 0);
    const uint8_t *chunk = a.at;
    assert_ptr_equal(arena_alloc(&a, 10), chunk);
    arena_fini(&a);
}

static void arena_strings_are_copies(void **state)
{
    (void)state;
    struct arena a;
    char text[] = "abcdef";
    arena_init(&a);
    char *s = arena_strdup(&a, text);
    char *n = arena_strndup(&a, text, 3);
    char *over = arena_strndup(&a, text, 100);
    struct slice d = arena_dup_slice(&a, slice_str(text));
    text[0] = 'X';
    assert_string_equal(s, "abcdef");
    assert_string_equal(n, "abc");
    assert_string_equal(over, "abcdef");
    assert_true(slice_eq(d, slice_str("abcdef")));
    assert_string_equal(arena_printf(&a, "%d/%s", 3, "x"), "3/x");
    arena_fini(&a);
}

static void a_buf_is_always_a_string(void **state)
{
    (void)state;
    autobuf b = BUF_INIT;
    assert_string_equal(buf_str(&b), "");
    buf_append_str(&b, "ab");
    buf_append_char(&b, 'c');
    buf_printf(&b, "-%d", 42);
    assert_string_equal(buf_str(&b), "abc-42");
    memcpy(buf_reserve(&b, 3), "xyz", 3);
    buf_advance(&b, 3);
    assert_string_equal((char *)b.data, "abc-42xyz");
    buf_consume(&b, 4);
    assert_string_equal((char *)b.data, "42xyz");
    buf_consume(&b, 5);
    assert_int_equal(b.len, 0);
    buf_reset(&b);
    assert_string_equal(buf_str(&b), "");
}

static void a_long_formatted_text_is_not_cut(void **state)
{
    (void)state;
    autobuf b = BUF_INIT;
    buf_printf(&b, "%0500d|%s", 1, "end");
    assert_int_equal(b.len, 504);
    assert_string_equal(buf_str(&b) + 499, "1|end");
}

static void buf_integers_are_big_endian(void **state)
{
    (void)state;
    autobuf b = BUF_INIT;
    buf_put_u8(&b, 0xff);
    buf_put_u32(&b, 0x01020304);
    buf_put_u64(&b, 0x1122334455667788u);
    static const uint8_t want[] = { 0xff, 1,    2,    3,    4,    0x11, 0x22,
                                    0x33, 0x44, 0x55, 0x66, 0x77, 0x88 };
    assert_true(slice_eq(buf_slice(&b), slice_make(want, sizeof want)));
}

static void taking_a_buf_empties_it(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    char *none = buf_take(&b);
    assert_string_equal(none, "");
    buf_append_str(&b, "mine");
    char *s = buf_take(&b);
    assert_string_equal(s, "mine");
    assert_null(b.data);
    assert_int_equal(b.len + b.cap, 0);
    mem_free(none);
    mem_free(s);
}

static void advance_too_far(void)
{
    struct buf b = BUF_INIT;
    (void)buf_reserve(&b, 4);
    buf_advance(&b, b.cap);
}

static void advancing_past_the_reserved_room_is_a_bug(void **state)
{
    (void)state;
    assert_true(child_aborts(advance_too_far, "precondition failed"));
}

enum { REF_ROUNDS = 20000 };

static void *ref_and_unref(void *arg)
{
    for (int i = 0; i < REF_ROUNDS; i++) {
        value_unref(value_ref(arg));
    }
    return NULL;
}

static void value_references_are_counted_across_threads(void **state)
{
    (void)state;
    struct value *v = value_new("bytes", 5);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, ref_and_unref, v), 0);
    ref_and_unref(v);
    pthread_join(t, NULL);
    assert_int_equal(v->refs, 1);
    assert_true(slice_eq(value_slice(v), slice_str("bytes")));
    assert_int_equal(v->data[5], 0);
    value_unref(v);
}

static void no_value_is_an_empty_slice(void **state)
{
    (void)state;
    assert_null(value_ref(NULL));
    value_unref(NULL);
    assert_int_equal(value_slice(NULL).len, 0);
    struct value *v = value_new(NULL, 0);
    assert_int_equal(value_slice(v).len, 0);
    value_unref(v);
}

static void alloc_too_large_value(void)
{
    value_unref(value_alloc((size_t)LIMIT_VALUE_BYTES + 1));
}

static void a_value_over_its_limit_is_a_bug(void **state)
{
    (void)state;
    assert_true(child_aborts(alloc_too_large_value, "LIMIT_VALUE_BYTES"));
}

int test_memory_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(array_growth_keeps_items_and_doubles),
        cmocka_unit_test(formatted_text_is_owned_and_taken_only_once),
        cmocka_unit_test(a_failed_allocation_ends_the_process_with_a_message),
        cmocka_unit_test(the_reserve_serves_what_malloc_does_not),
        cmocka_unit_test(a_spent_reserve_ends_the_process),
        cmocka_unit_test(an_array_size_that_overflows_ends_the_process),
        cmocka_unit_test(a_failed_assert_names_file_and_condition),
        cmocka_unit_test(arena_memory_is_aligned_apart_and_counted),
        cmocka_unit_test(a_large_arena_allocation_leaves_the_chunk_in_use),
        cmocka_unit_test(arena_reset_reuses_the_newest_chunk),
        cmocka_unit_test(arena_strings_are_copies),
        cmocka_unit_test(a_buf_is_always_a_string),
        cmocka_unit_test(a_long_formatted_text_is_not_cut),
        cmocka_unit_test(buf_integers_are_big_endian),
        cmocka_unit_test(taking_a_buf_empties_it),
        cmocka_unit_test(advancing_past_the_reserved_room_is_a_bug),
        cmocka_unit_test(value_references_are_counted_across_threads),
        cmocka_unit_test(no_value_is_an_empty_slice),
        cmocka_unit_test(a_value_over_its_limit_is_a_bug),
    };
    return cmocka_run_group_tests_name("base/memory", tests, NULL, NULL);
}
