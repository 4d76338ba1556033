/* Passwords and signatures. */
#include "lib/codec/secret.h"

#include "lib/base/err.h"
#include "test.h"

static void a_password_is_known_again(void **state)
{
    (void)state;
    uint8_t salt[SECRET_SALT_BYTES] = { 1, 2, 3 };
    autobuf a = BUF_INIT, b = BUF_INIT;
    assert_int_equal(secret_hash(slice_str("pass"), salt, &a), 0);
    assert_int_equal(secret_check(slice_str("pass"), buf_slice(&a)), 0);
    assert_int_equal(secret_check(slice_str("Pass"), buf_slice(&a)), E_AUTH_FAILED);
    assert_int_equal(secret_check(slice_str(""), buf_slice(&a)), E_AUTH_FAILED);
    salt[0] = 2;
    assert_int_equal(secret_hash(slice_str("pass"), salt, &b), 0);
    assert_false(slice_eq(buf_slice(&a), buf_slice(&b)));
    buf_reset(&b);
    assert_int_equal(secret_hash(slice_make(NULL, 0), salt, &b), 0); /* empty is one, too */
    assert_int_equal(secret_check(slice_str(""), buf_slice(&b)), 0);
}

static void a_hash_of_another_kind_fits_nothing(void **state)
{
    (void)state;
    uint8_t salt[SECRET_SALT_BYTES] = { 0 };
    autobuf a = BUF_INIT;
    assert_int_equal(secret_hash(slice_str("p"), salt, &a), 0);
    for (size_t n = 0; n < a.len; n++) { /* cut anywhere */
        assert_int_equal(secret_check(slice_str("p"), slice_make(a.data, n)), E_AUTH_FAILED);
    }
    const char *bad[] = { "", "$2a$10$abc", "$scrypt$99$8$1$", "$scrypt$14$8$99999999999$",
                          "$scrypt$0$8$1$" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(secret_check(slice_str("p"), slice_str(bad[i])), E_AUTH_FAILED);
    }
    a.data[a.len - 1] ^= 1;
    assert_int_equal(secret_check(slice_str("p"), buf_slice(&a)), E_AUTH_FAILED);
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
        cmocka_unit_test(a_hash_of_another_kind_fits_nothing),
        cmocka_unit_test(the_sum_is_hmac_sha_256),
    };
    return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
