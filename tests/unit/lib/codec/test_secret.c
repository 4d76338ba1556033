/* Passwords and signatures. */
#include "lib/codec/secret.h"

#include "lib/base/assert.h"
#include "lib/base/err.h"
#include "test.h"

#define ETCDS_HASH "$2a$10$8tTBCDQ.C73/6nqsKQ7LfuHDIf8qYetqg6cqthewcv1wVwrjLAG6q"

static void a_password_is_known_again(void **state)
{
    (void)state;
    uint8_t salt[SECRET_SALT_BYTES] = { 1, 2, 3 };
    autobuf a = BUF_INIT, b = BUF_INIT;
    assert_int_equal(secret_hash(slice_str("pass"), salt, SECRET_COST, &a), 0);
    assert_int_equal(secret_check(slice_str("pass"), buf_slice(&a)), 0);
    assert_int_equal(secret_check(slice_str("Pass"), buf_slice(&a)), E_AUTH_FAILED);
    assert_int_equal(secret_check(slice_str(""), buf_slice(&a)), E_AUTH_FAILED);
    salt[0] = 2;
    assert_int_equal(secret_hash(slice_str("pass"), salt, SECRET_COST, &b), 0);
    assert_false(slice_eq(buf_slice(&a), buf_slice(&b)));
    buf_reset(&b);
    /* Empty is one, too. */
    assert_int_equal(secret_hash(slice_make(NULL, 0), salt, SECRET_COST, &b), 0);
    assert_int_equal(secret_check(slice_str(""), buf_slice(&b)), 0);
}

static void a_hash_names_its_cost(void **state)
{
    (void)state;
    uint8_t salt[SECRET_SALT_BYTES] = { 7 };
    autobuf a = BUF_INIT, b = BUF_INIT;
    assert_int_equal(secret_hash(slice_str("pass"), salt, SECRET_COST_MIN, &a), 0);
    assert_int_equal(secret_hash(slice_str("pass"), salt, 11, &b), 0);
    assert_true(slice_starts(buf_slice(&a), slice_str("$2a$04$")));
    assert_true(slice_starts(buf_slice(&b), slice_str("$2a$11$")));
    assert_int_equal(secret_check(slice_str("pass"), buf_slice(&a)), 0);
    assert_int_equal(secret_check(slice_str("past"), buf_slice(&a)), E_AUTH_FAILED);
    assert_int_equal(secret_check(slice_str("pass"), buf_slice(&b)), 0);
}

/* What bcrypt would cut short, at a zero or at 72 bytes, counts whole. */
static void all_bytes_of_a_password_count(void **state)
{
    (void)state;
    uint8_t salt[SECRET_SALT_BYTES] = { 9 };
    char longer[100];
    autobuf a = BUF_INIT, b = BUF_INIT;
    memset(longer, 'x', sizeof longer);
    assert_int_equal(secret_hash(slice_make(longer, sizeof longer), salt, SECRET_COST, &a), 0);
    assert_int_equal(secret_check(slice_make(longer, sizeof longer), buf_slice(&a)), 0);
    assert_int_equal(secret_check(slice_make(longer, 99), buf_slice(&a)), E_AUTH_FAILED);
    assert_int_equal(secret_hash(slice_make("a\0b", 3), salt, SECRET_COST, &b), 0);
    assert_int_equal(secret_check(slice_make("a\0b", 3), buf_slice(&b)), 0);
    assert_int_equal(secret_check(slice_make("a\0c", 3), buf_slice(&b)), E_AUTH_FAILED);
    buf_reset(&b);
    assert_int_equal(secret_hash(slice_make(longer, 72), salt, SECRET_COST, &b), 0);
    assert_int_equal(secret_check(slice_make(longer, 72), buf_slice(&b)), 0);
    assert_int_equal(secret_check(slice_make(longer, 73), buf_slice(&b)), E_AUTH_FAILED);
}

/* Made by etcd 3.4 of "pass". */
static void a_hash_of_etcds_is_read(void **state)
{
    (void)state;
    struct slice theirs = slice_str(ETCDS_HASH);
    assert_int_equal(secret_check(slice_str("pass"), theirs), 0);
    assert_int_equal(secret_check(slice_str("past"), theirs), E_AUTH_FAILED);
}

static void a_hash_of_another_kind_fits_nothing(void **state)
{
    (void)state;
    uint8_t salt[SECRET_SALT_BYTES] = { 0 };
    autobuf a = BUF_INIT, cheap = BUF_INIT;
    struct slice p = slice_make("p\0", 2);
    assert_int_equal(secret_hash(p, salt, SECRET_COST, &a), 0);
    for (size_t n = 0; n < a.len; n++) { /* cut anywhere */
        assert_int_equal(secret_check(p, slice_make(a.data, n)), E_AUTH_FAILED);
    }
    assert_int_equal(secret_hash(slice_str("p"), salt, SECRET_COST, &cheap), 0);
    for (size_t n = 0; n < cheap.len; n++) {
        assert_int_equal(secret_check(slice_str("p"), slice_make(cheap.data, n)), E_AUTH_FAILED);
    }
    cheap.data[4] = '3'; /* 2 to the 30th rounds */
    assert_int_equal(secret_check(slice_str("p"), buf_slice(&cheap)), E_AUTH_FAILED);
    const char *bad[] = { "", "$2a$10$abc", "$scrypt$99$8$1$", "$scrypt$14$8$99999999999$",
                          "$scrypt$0$8$1$" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(secret_check(slice_str("p"), slice_str(bad[i])), E_AUTH_FAILED);
    }
    a.data[a.len - 1] ^= 1;
    assert_int_equal(secret_check(p, buf_slice(&a)), E_AUTH_FAILED);
}

/* One byte of each part of a hash is another: of bcrypt's the kind, the marks, the cost, the salt;
 * of scrypt's the numbers, the marks, the hex. */
static void a_hash_that_is_malformed_fits_nothing(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        char is;
    } bcrypts[] = { { 2, 'q' }, { 3, '%' }, { 4, 'x' }, { 4, ' ' }, { 5, ':' }, { 5, '/' },
                    { 6, '%' }, { 9, '!' }, { 20, 0 } },
      scrypts[] = { { 8, 'x' }, { 10, '%' }, { 12, ':' }, { 12, '%' }, { 14, '/' }, { 15, '/' },
                    { 15, 'G' }, { 15, 'g' }, { 16, ' ' }, { 47, '%' }, { 48, 'x' } };
    struct slice p = slice_make("p\0", 2);
    uint8_t salt[SECRET_SALT_BYTES] = { 3 };
    autobuf s = BUF_INIT;
    assert_int_equal(secret_hash(p, salt, SECRET_COST, &s), 0);
    for (size_t i = 0; i < ARRAY_LEN(bcrypts); i++) {
        char text[] = ETCDS_HASH;
        text[bcrypts[i].at] = bcrypts[i].is;
        assert_int_equal(secret_check(slice_str("pass"), slice_make(text, sizeof text - 1)),
                         E_AUTH_FAILED);
    }
    for (size_t i = 0; i < ARRAY_LEN(scrypts); i++) {
        uint8_t was = s.data[scrypts[i].at];
        s.data[scrypts[i].at] = (uint8_t)scrypts[i].is;
        assert_int_equal(secret_check(p, buf_slice(&s)), E_AUTH_FAILED);
        s.data[scrypts[i].at] = was;
    }
    assert_int_equal(secret_check(p, buf_slice(&s)), 0);
    buf_append_char(&s, '0'); /* longer */
    assert_int_equal(secret_check(p, buf_slice(&s)), E_AUTH_FAILED);
    /* what bcrypt does not take has no hash of its */
    assert_int_equal(secret_check(slice_make("pass\0", 5), slice_str(ETCDS_HASH)), E_AUTH_FAILED);
}

/* RFC 4231, test case 2. */
static void the_sum_is_hmac_sha_256(void **state)
{
    (void)state;
    uint8_t sum[SECRET_SUM_BYTES], back[SECRET_SUM_BYTES];
    autobuf hex = BUF_INIT;
    secret_sum(slice_str("Jefe"), slice_str("what do ya want for nothing?"), sum);
    secret_hex(sum, sizeof sum, &hex);
    assert_string_equal(buf_str(&hex),
                        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_int_equal(secret_unhex(buf_slice(&hex), back, sizeof back), 0);
    assert_true(secret_equal(sum, back, sizeof sum));
    assert_int_equal(secret_unhex(slice_str("0G"), back, 1), E_INVAL);
    assert_int_equal(secret_unhex(slice_str("0"), back, 1), E_INVAL);
}

int test_secret_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_password_is_known_again),
        cmocka_unit_test(a_hash_names_its_cost),
        cmocka_unit_test(all_bytes_of_a_password_count),
        cmocka_unit_test(a_hash_of_etcds_is_read),
        cmocka_unit_test(a_hash_of_another_kind_fits_nothing),
        cmocka_unit_test(a_hash_that_is_malformed_fits_nothing),
        cmocka_unit_test(the_sum_is_hmac_sha_256),
    };
    return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
