/* Tokens as text (server/token.c): only what a member wrote is one, and what it cannot have written
 * is none even with the right sum. */
#include "fixture.h"

#include <string.h>

#include "lib/codec/secret.h"
#include "server/token.h"

static const char KEY[] = "0123456789abcdef";

/* The text with its sum, as if a member had written it. */
static int read_signed(const char *text, size_t len, struct token *ret_token)
{
    uint8_t sum[SECRET_SUM_BYTES];
    autobuf all = BUF_INIT;
    buf_append(&all, text, len);
    secret_sum(slice_str(KEY), buf_slice(&all), sum);
    buf_append_char(&all, '.');
    secret_hex(sum, sizeof sum, &all);
    return token_read(slice_str(KEY), buf_slice(&all), ret_token);
}

static void a_token_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct token t = { .user_len = sizeof t.user, .since = INT64_MAX, .expiry_s = INT64_MAX };
    struct token back;
    autobuf text = BUF_INIT;
    memset(t.user, 0xff, sizeof t.user);
    token_write(slice_str(KEY), &t, &text); /* the longest */
    assert_int_equal(token_read(slice_str(KEY), buf_slice(&text), &back), 0);
    assert_int_equal(back.user_len, sizeof t.user);
    assert_memory_equal(back.user, t.user, sizeof t.user);
    assert_true(back.since == INT64_MAX && back.expiry_s == INT64_MAX);
    for (size_t i = 0; i < text.len; i += 97) {
        text.data[i] ^= 1;
        assert_int_equal(token_read(slice_str(KEY), buf_slice(&text), &back), E_AUTH_TOKEN);
        text.data[i] ^= 1;
    }
    assert_int_equal(token_read(slice_str("another"), buf_slice(&text), &back), E_AUTH_TOKEN);
    for (size_t n = 0; n < text.len; n++) {
        assert_int_equal(token_read(slice_str(KEY), slice_make(text.data, n), &back),
                         E_AUTH_TOKEN);
    }
}

static void what_no_member_writes_is_no_token_with_the_right_sum_either(void **state)
{
    (void)state;
    struct token t;
    static const char *const odd[] = {
        "", ".", "75", "75.1", "75..1", "75.1.", "75.x.1", "75.1.x", "75.-1.1", "75.1.-1",
        "75.9223372036854775808.1", "75.1.9223372036854775808", "75.1.100000000000000000000000",
        "7.1.1", "7z.1.1", "zz.1.1", "7A.1.1", "75.1.1.1",
    };
    assert_int_equal(read_signed("75.3.4", 6, &t), 0);
    assert_true(t.user_len == 1 && t.user[0] == 'u' && t.since == 3 && t.expiry_s == 4);
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        if (read_signed(odd[i], strlen(odd[i]), &t) != E_AUTH_TOKEN) {
            fail_msg("taken: %s", odd[i]);
        }
    }
    autobuf long_name = BUF_INIT;
    for (size_t i = 0; i <= LIMIT_AUTH_NAME_BYTES; i++) {
        buf_append_str(&long_name, "75");
    }
    buf_append_str(&long_name, ".1.1");
    assert_int_equal(read_signed((const char *)long_name.data, long_name.len, &t), E_AUTH_TOKEN);
}

int test_token_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_read_as_it_was_written),
        cmocka_unit_test(what_no_member_writes_is_no_token_with_the_right_sum_either),
    };
    return cmocka_run_group_tests_name("token", tests, NULL, NULL);
}
