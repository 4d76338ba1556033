/* Times as text. Pure, so the brains may use it too (clock.h is for the edges). In clock.c. */
#ifndef BARQUE_BASE_TIMESTAMP_H
#define BARQUE_BASE_TIMESTAMP_H

#include <stddef.h>
#include <stdint.h>

/* "2026-11-23T10:00:00Z" (RFC 3339, UTC), as Kubernetes writes timestamps. At least 21 bytes. */
void clock_format(int64_t wall_ms, char *ret_text, size_t size);
/* Parses that form, also with a fraction ("10:00:00.123456Z"); E_INVAL otherwise. */
int clock_parse(const char *text, int64_t *ret_wall_ms);
/* "5s" "3m" "2h10m" "4d": kubectl's age column. At least 16 bytes. */
void clock_format_age(int64_t age_ms, char *ret_text, size_t size);

#endif
