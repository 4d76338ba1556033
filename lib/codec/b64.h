/* Base64 (RFC 4648, with padding). */
#ifndef BARQUE_CODEC_B64_H
#define BARQUE_CODEC_B64_H

#include "lib/base/buf.h"

void b64_encode(struct slice in, struct buf *out);
/* Accepts missing padding; E_INVAL on any other character. */
int b64_decode(struct slice in, struct buf *out);

#endif
