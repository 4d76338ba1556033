/* SHA-256 (OpenSSL's), in one go or as bytes come. Threads: any, one user of a sum at a time. */
#ifndef BARQUE_CODEC_SHA256_H
#define BARQUE_CODEC_SHA256_H

#include "lib/base/slice.h"

enum { SHA256_BYTES = 32 };

struct sha256;

struct sha256 *sha256_new(void);
void sha256_add(struct sha256 *s, struct slice bytes);
/* What was added so far; frees s. */
void sha256_finish(struct sha256 *s, uint8_t ret_digest[SHA256_BYTES]);
void sha256_free(struct sha256 *s); /* NULL is fine */

#endif
