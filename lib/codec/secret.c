/* bcrypt is what etcd keeps, so users with their passwords can move there and from there
 * (store/etcd_db_auth.c). It looks at 72 bytes, and at none after a zero.
 *
 * Costs stand in the text, so that they can be raised later and old hashes are still read; what is
 * read is bounded, as hashing costs so much time, and scrypt 128 * N * r bytes. */
#include "lib/codec/secret.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/err.h"

enum { BCRYPT_PASSWORD_MAX = 72, BCRYPT_LEN = 60 };

enum {
    COST_LOG2 = 14,
    BLOCK = 8,
    PARALLEL = 1,
    COST_LOG2_MAX = 17,
    BLOCK_MAX = 8,
    PARALLEL_MAX = 4,
    MEMORY_MAX = 192 * 1024 * 1024,
};

struct cost {
    unsigned log2, block, parallel;
};

static int derive(struct slice password, const uint8_t *salt, struct cost c,
                  uint8_t ret_hash[SECRET_SUM_BYTES])
{
    const char *text = password.len > 0 ? (const char *)password.data : "";
    int good = EVP_PBE_scrypt(text, password.len, salt, SECRET_SALT_BYTES, UINT64_C(1) << c.log2,
                              c.block, c.parallel, MEMORY_MAX, ret_hash, SECRET_SUM_BYTES);
    return good == 1 ? 0 : E_NOMEM;
}

void secret_hex(const uint8_t *bytes, size_t len, struct buf *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        buf_append_char(out, digits[bytes[i] >> 4]);
        buf_append_char(out, digits[bytes[i] & 15]);
    }
}

static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int secret_unhex(struct slice text, uint8_t *ret_bytes, size_t len)
{
    if (text.len != 2 * len) {
        return E_INVAL;
    }
    for (size_t i = 0; i < len; i++) {
        int hi = digit(text.data[2 * i]), lo = digit(text.data[2 * i + 1]);
        if (hi < 0 || lo < 0) {
            return E_INVAL;
        }
        ret_bytes[i] = (uint8_t)(hi << 4 | lo);
    }
    return 0;
}

/* --- bcrypt ----------------------------------------------------------------------------------- */

static bool bcrypt_takes(struct slice password)
{
    return password.len <= BCRYPT_PASSWORD_MAX &&
           (password.len == 0 || memchr(password.data, 0, password.len) == NULL);
}

/* What setting (or a hash) makes of a password that bcrypt takes. */
static int bcrypt_run(struct slice password, const char *setting,
                      char ret_hash[BCRYPT_LEN + 1])
{
    char text[BCRYPT_PASSWORD_MAX + 1] = { 0 };
    autofree struct crypt_data *data = mem_zalloc(sizeof *data);
    if (password.len > 0) {
        memcpy(text, password.data, password.len);
    }
    const char *hash = crypt_r(text, setting, data);
    bool good = hash != NULL && strlen(hash) == BCRYPT_LEN;
    if (good) {
        memcpy(ret_hash, hash, BCRYPT_LEN + 1);
    }
    explicit_bzero(text, sizeof text);
    explicit_bzero(data, sizeof *data);
    return good ? 0 : E_AUTH_FAILED;
}

static int bcrypt_hash(struct slice password, const uint8_t salt[SECRET_SALT_BYTES],
                       unsigned cost, struct buf *out)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE], hash[BCRYPT_LEN + 1];
    INVARIANT(crypt_gensalt_rn("$2a$", cost, (const char *)salt, SECRET_SALT_BYTES, setting,
                               sizeof setting) != NULL);
    int rv = bcrypt_run(password, setting, hash);
    INVARIANT(rv == 0);
    buf_append_str(out, hash);
    return 0;
}

static int bcrypt_check(struct slice password, struct slice hashed)
{
    char want[BCRYPT_LEN + 1], is[BCRYPT_LEN + 1];
    if (hashed.len != BCRYPT_LEN || memchr(hashed.data, 0, hashed.len) != NULL ||
        !bcrypt_takes(password)) {
        return E_AUTH_FAILED;
    }
    memcpy(want, hashed.data, BCRYPT_LEN);
    want[BCRYPT_LEN] = '\0';
    bool digits = want[4] >= '0' && want[4] <= '9' && want[5] >= '0' && want[5] <= '9';
    if (want[3] != '$' || !digits || (want[4] - '0') * 10 + want[5] - '0' > SECRET_COST_MAX) {
        return E_AUTH_FAILED;
    }
    int rv = bcrypt_run(password, want, is);
    return rv != 0 || secret_equal((const uint8_t *)is, (const uint8_t *)want, BCRYPT_LEN)
               ? rv : E_AUTH_FAILED;
}

/* --- both ------------------------------------------------------------------------------------- */

int secret_hash(struct slice password, const uint8_t salt[SECRET_SALT_BYTES], unsigned cost,
                struct buf *out)
{
    PRE(cost >= SECRET_COST_MIN && cost <= SECRET_COST_MAX);
    if (bcrypt_takes(password)) {
        return bcrypt_hash(password, salt, cost, out);
    }
    uint8_t hash[SECRET_SUM_BYTES];
    struct cost c = { COST_LOG2, BLOCK, PARALLEL };
    int rv = derive(password, salt, c, hash);
    if (rv == 0) {
        buf_printf(out, "$scrypt$%u$%u$%u$", c.log2, c.block, c.parallel);
        secret_hex(salt, SECRET_SALT_BYTES, out);
        buf_append_char(out, '$');
        secret_hex(hash, SECRET_SUM_BYTES, out);
    }
    return rv;
}

/* A small number and the '$' after it; 0 when there is none. */
static unsigned take_number(struct slice *text, unsigned max)
{
    unsigned n = 0;
    size_t i = 0;
    for (; i < text->len && text->data[i] >= '0' && text->data[i] <= '9' && n <= max; i++) {
        n = n * 10 + (unsigned)(text->data[i] - '0');
    }
    if (n == 0 || n > max || i == text->len || text->data[i] != '$') {
        return 0;
    }
    *text = slice_make(text->data + i + 1, text->len - i - 1);
    return n;
}

int secret_check(struct slice password, struct slice hashed)
{
    static const char head[] = "$scrypt$";
    uint8_t salt[SECRET_SALT_BYTES], want[SECRET_SUM_BYTES], is[SECRET_SUM_BYTES];
    if (slice_starts(hashed, slice_str("$2"))) {
        return bcrypt_check(password, hashed);
    }
    if (!slice_starts(hashed, slice_str(head))) {
        return E_AUTH_FAILED;
    }
    struct slice rest = slice_make(hashed.data + sizeof head - 1, hashed.len - sizeof head + 1);
    size_t salt_hex = 2 * (size_t)SECRET_SALT_BYTES, sum_hex = 2 * (size_t)SECRET_SUM_BYTES;
    struct cost c;
    c.log2 = take_number(&rest, COST_LOG2_MAX);
    c.block = take_number(&rest, BLOCK_MAX);
    c.parallel = take_number(&rest, PARALLEL_MAX);
    if (c.log2 == 0 || c.block == 0 || c.parallel == 0 ||
        rest.len != salt_hex + 1 + sum_hex || rest.data[salt_hex] != '$' ||
        secret_unhex(slice_make(rest.data, salt_hex), salt, sizeof salt) != 0 ||
        secret_unhex(slice_make(rest.data + salt_hex + 1, sum_hex), want, sizeof want) != 0) {
        return E_AUTH_FAILED;
    }
    int rv = derive(password, salt, c, is);
    return rv != 0 || secret_equal(is, want, sizeof is) ? rv : E_AUTH_FAILED;
}

void secret_sum(struct slice key, struct slice bytes, uint8_t ret_sum[SECRET_SUM_BYTES])
{
    unsigned len = 0;
    INVARIANT(HMAC(EVP_sha256(), key.len > 0 ? (const void *)key.data : "", (int)key.len,
                   bytes.data, bytes.len, ret_sum, &len) != NULL);
    INVARIANT(len == SECRET_SUM_BYTES);
}

bool secret_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}
