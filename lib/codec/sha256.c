/* OpenSSL's digest without its error paths: with a built-in algorithm they mean no memory. */
#include "lib/codec/sha256.h"

#include <openssl/evp.h>

#include "lib/base/assert.h"

static EVP_MD_CTX *context(struct sha256 *s)
{
    return (EVP_MD_CTX *)(void *)s;
}

struct sha256 *sha256_new(void)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    INVARIANT(c != NULL);
    INVARIANT(EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1);
    return (struct sha256 *)(void *)c;
}

void sha256_add(struct sha256 *s, struct slice bytes)
{
    INVARIANT(EVP_DigestUpdate(context(s), bytes.data, bytes.len) == 1);
}

void sha256_finish(struct sha256 *s, uint8_t ret_digest[SHA256_BYTES])
{
    unsigned len = 0;
    INVARIANT(EVP_DigestFinal_ex(context(s), ret_digest, &len) == 1);
    INVARIANT(len == SHA256_BYTES);
    sha256_free(s);
}

void sha256_free(struct sha256 *s)
{
    EVP_MD_CTX_free(context(s));
}
