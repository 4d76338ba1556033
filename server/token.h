/* Tokens as text. Pure. */
#ifndef BARQUE_SERVER_TOKEN_H
#define BARQUE_SERVER_TOKEN_H

#include "lib/base/buf.h"
#include "lib/base/limits.h"

struct token {
    uint8_t user[LIMIT_AUTH_NAME_BYTES];
    size_t user_len;
    uint64_t since;    /* the auth revision at which the user's password was set */
    uint64_t expiry_s; /* Unix time */
};

/* Appends `<user>.<since>.<expiry>.<sum>`: the user in hex, numbers, and the keyed sum in hex of
 * all before it. PRE: the user's name is not longer than LIMIT_AUTH_NAME_BYTES. */
void token_write(struct slice key, const struct token *t, struct buf *out);
/* E_AUTH_TOKEN unless that key wrote it. Whose time is over is the caller's to say. */
int token_read(struct slice key, struct slice text, struct token *ret_token);

#endif
