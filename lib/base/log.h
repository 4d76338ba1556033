/* The log: levels, key=value fields, never blocks. Lines go through a ring that a thread writes
 * out; when the ring is full a line is dropped and counted, and the count is logged when room
 * returns.
 *
 *     log_info("raft", "became leader", "term=%" PRIu64 " last=%" PRIu64, term, last);
 *
 * prints  2026-11-23T10:00:00.123Z INFO  raft  became leader term=7 last=1041
 * The pure floors (store, api, and every brain) never log. The level is the only global state.
 * Threads: any. */
#ifndef BARQUE_BASE_LOG_H
#define BARQUE_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

/* Before log_start lines are written directly to stderr (tests, short commands). */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* "debug" "info" "warn" "error" "off" (also etcd's "dpanic", "panic" and "fatal" as error);
 * E_INVAL otherwise. */
int log_level_parse(const char *s, enum log_level *ret_level);
/* Starts the writer thread on `fd`. log_stop flushes for at most 200 ms and joins it. A
 * thread that hangs in a write, because others filled the same pipe meanwhile, is left behind. */
void log_start(int fd);
void log_stop(void);
/* Waits until every line written so far has reached the descriptor, at most `timeout_ms`: before a
 * deliberate end of the process (assert_fail does it). Nothing to do when no thread runs. */
void log_flush(int timeout_ms);
/* Says a few words on stderr before the process ends: not when nobody reads it (200 ms), and should
 * what the caller writes there afterwards block, SIGALRM ends the process after 2 s. False: write
 * nothing. Does not allocate. */
bool log_last_words(const char *text, size_t len);
/* Lines dropped because the ring was full. */
uint64_t log_dropped(void);
/* Captures lines (without newline) instead of writing them (simulator, tests). NULL restores. */
void log_set_sink(void (*sink)(void *arg, enum log_level level, const char *line), void *arg);

void log_write(enum log_level level, const char *area, const char *msg, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#define log_debug(area, msg, ...) log_at_(LOG_DEBUG, area, msg, "" __VA_ARGS__)
#define log_info(area, msg, ...) log_at_(LOG_INFO, area, msg, "" __VA_ARGS__)
#define log_warn(area, msg, ...) log_at_(LOG_WARN, area, msg, "" __VA_ARGS__)
#define log_error(area, msg, ...) log_at_(LOG_ERROR, area, msg, "" __VA_ARGS__)
#define log_at_(level, area, msg, ...)                     \
    do {                                                   \
        if ((level) >= log_get_level()) {                  \
            log_write((level), (area), (msg), __VA_ARGS__); \
        }                                                  \
    } while (0)

#endif
