/* Passwords as salt and hash (bcrypt: libcrypt's; scrypt where that takes not all of a password),
 * and keyed sums (HMAC-SHA-256): OpenSSL's.
 *
 * secret_hash and secret_check take tens of milliseconds, and with scrypt 16 MiB, on purpose: for a
 * worker, never for the loop. Threads: any. */
#ifndef BARQUE_CODEC_SECRET_H
#define BARQUE_CODEC_SECRET_H

#include "lib/base/buf.h"

enum {
    SECRET_SALT_BYTES = 16,
    SECRET_SUM_BYTES = 32,
    /* Of bcrypt; one more doubles the time. The most (seconds) is also what secret_check takes. */
    SECRET_COST = 10,
    SECRET_COST_MIN = 4,
    SECRET_COST_MAX = 15,
};

/* Appends "$2a$10$..." (the cost), or "$scrypt$14$8$1$<salt>$<hash>" (hex; whatever the cost) for a
 * password of over 72 bytes or with a zero byte. PRE: the cost is in its range. E_NOMEM. */
int secret_hash(struct slice password, const uint8_t salt[SECRET_SALT_BYTES], unsigned cost,
                struct buf *out);
/* 0, E_AUTH_FAILED (also for a text that secret_hash did not write), E_NOMEM. */
int secret_check(struct slice password, struct slice hashed);
void secret_sum(struct slice key, struct slice bytes, uint8_t ret_sum[SECRET_SUM_BYTES]);
/* Takes as long wherever they differ. */
bool secret_equal(const uint8_t *a, const uint8_t *b, size_t len);
void secret_hex(const uint8_t *bytes, size_t len, struct buf *out);
/* E_INVAL unless text is `len` bytes in lower-case hex. */
int secret_unhex(struct slice text, uint8_t *ret_bytes, size_t len);

#endif
