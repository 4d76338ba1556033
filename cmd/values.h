/* Values as etcd's flags write them (those of Go): whole text or nothing, E_INVAL otherwise. */
#ifndef BARQUE_CMD_VALUES_H
#define BARQUE_CMD_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

/* 1 t T TRUE true True, 0 f F FALSE false False. */
int value_bool(const char *text, bool *ret);
/* "12" "0x1f" "0b101" "0o17" and "017". At most max. */
int value_u64(const char *text, uint64_t max, uint64_t *ret);
int value_i64(const char *text, int64_t *ret);
/* "1h15m30.5s" "500us" "0": units ns us ms s m h, fractions; a part of a millisecond counts as a
 * whole one. Not negative. A number without unit is `plain_ns` times so many nanoseconds; 0: not
 * taken. */
int value_duration(const char *text, uint64_t plain_ns, uint64_t *ret_ms);
/* One of "a|b|c". */
bool value_is_choice(const char *text, const char *choices);
/* URLs with commas between (blanks around them are dropped): each with a scheme and an address. The
 * reason names the URL; E_UNSUPPORTED for https and unixs. At least one. */
int value_urls(const char *text, struct err *err);

#endif
