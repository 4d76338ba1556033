/* CRC-32C against published answers, base64 against RFC 4648's. */
#include "test.h"

#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/err.h"
#include "lib/base/rng.h"
#include "lib/codec/b64.h"
#include "lib/codec/crc32c.h"

static void crc32c_gives_the_published_answers(void **state)
{
    (void)state;
    uint8_t bytes[32] = { 0 };
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aa); /* RFC 3720, B.4 */
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++) {
        bytes[i] = (uint8_t)i;
    }
    assert_int_equal(crc32c(0, bytes, 32), 0x46dd794e);
    assert_int_equal(crc32c(0, NULL, 0), 0);
}

static void crc32c_chains_and_both_ways_agree(void **state)
{
    (void)state;
    uint8_t bytes[200];
    struct rng r;
    rng_init(&r, 5);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)rng_u64(&r);
    }
    for (size_t len = 0; len <= sizeof bytes; len++) {
        uint32_t whole = crc32c(0, bytes, len);
        size_t cut = rng_range(&r, 0, len);
        assert_int_equal(whole, crc32c(crc32c(0, bytes, cut), bytes + cut, len - cut));
        assert_int_equal(whole, crc32c_portable(0, bytes, len));
    }
}

static void base64_gives_the_published_answers(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        { "", "" },         { "f", "Zg==" },         { "fo", "Zm8=" },        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
    };
    autobuf out = BUF_INIT;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_reset(&out);
        b64_encode(slice_str(rows[i][0]), &out);
        assert_string_equal(buf_str(&out), rows[i][1]);
        buf_reset(&out);
        assert_int_equal(b64_decode(slice_str(rows[i][1]), &out), 0);
        assert_string_equal(buf_str(&out), rows[i][0]);
    }
}

static void base64_accepts_missing_padding_and_nothing_else(void **state)
{
    (void)state;
    static const char *const wrong[] = { "Z",      "Zm9vY", "Zg=",   "Zm9=v", "Zm 9", "Zm-_",
                                         "Zm9v\n", "====",  "Zg===", "=Zg=" };
    autobuf out = BUF_INIT;
    assert_int_equal(b64_decode(slice_str("Zm9vYg"), &out), 0);
    assert_string_equal(buf_str(&out), "foob");
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_int_equal(b64_decode(slice_str(wrong[i]), &out), E_INVAL);
    }
    assert_string_equal(buf_str(&out), "foob");
}

static void any_bytes_survive_base64(void **state)
{
    (void)state;
    uint8_t bytes[300];
    struct rng r;
    rng_init(&r, 6);
    for (size_t len = 0; len < sizeof bytes; len++) {
        autobuf text = BUF_INIT;
        autobuf back = BUF_INIT;
        bytes[len] = (uint8_t)rng_u64(&r);
        b64_encode(slice_make(bytes, len), &text);
        assert_int_equal(text.len, (len + 2) / 3 * 4);
        assert_int_equal(b64_decode(buf_slice(&text), &back), 0);
        assert_true(slice_eq(buf_slice(&back), slice_make(bytes, len)));
    }
}

int test_bytes_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_gives_the_published_answers),
        cmocka_unit_test(crc32c_chains_and_both_ways_agree),
        cmocka_unit_test(base64_gives_the_published_answers),
        cmocka_unit_test(base64_accepts_missing_padding_and_nothing_else),
        cmocka_unit_test(any_bytes_survive_base64),
    };
    return cmocka_run_group_tests_name("codec/bytes", tests, NULL, NULL);
}
