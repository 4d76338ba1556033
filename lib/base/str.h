/* Small string helpers: bounded parsing and matching. */
#ifndef BARQUE_BASE_STR_H
#define BARQUE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/slice.h"

/* Whole string, decimal, in range; E_INVAL otherwise. */
int str_parse_u64(const char *s, uint64_t max, uint64_t *ret_value);
int str_parse_i64(const char *s, int64_t *ret_value);
/* "500ms" "3s" "2m" "1h" "100" (plain numbers are `unit_ms`). E_INVAL otherwise. */
int str_parse_duration(const char *s, uint64_t unit_ms, uint64_t *ret_ms);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
bool str_eq(const char *a, const char *b); /* NULL equals NULL */
/* Copies with truncation and always terminates; returns false when cut. */
bool str_copy(char *dst, size_t size, const char *src);
/* Lower-case hex, no padding (etcd prints ids this way). At least 17 bytes. */
void str_hex_u64(uint64_t v, char *ret_text);
/* Edit distance, for "did you mean"; at most `max`+1 is returned. */
int str_distance(const char *a, const char *b, int max);
/* The nearest of `n` names (distance <= 1 + len/4), or NULL. */
const char *str_nearest(const char *s, const char *const *names, size_t n);
/* Prints bytes for people: printable ASCII as is, others as \xNN, at most max_chars. mem_free. */
char *str_quote(struct slice s, size_t max_chars);

#endif
