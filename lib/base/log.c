/* The log. A line is formatted on the caller's stack and copied into the open half of a two-halved
 * ring under a mutex that is only ever held for a memcpy; the writer thread swaps the halves and
 * writes the closed one with no lock held. A full half drops the line and counts it; the writer
 * says how many were lost as soon as it has swapped.
 *
 * The descriptor may be a pipe that nobody reads: the writer polls and writes at most PIPE_BUF
 * bytes at a time, so that log_stop can end it within its 200 ms. */
#include "lib/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"

enum {
    LINE_MAX_BYTES = 4096,
    HALF_BYTES = 256 * 1024,
    STOP_MS = 200,
    JOIN_MS = 500, /* the thread sees the end of STOP_MS at most 20 ms late */
    LAST_WORDS_S = 2,
};

struct log_half {
    size_t len;
    char data[HALF_BYTES];
};

struct log_writer {
    pthread_t thread;
    pthread_cond_t more; /* lines or a stop arrived */
    pthread_cond_t idle; /* the closed half has been written */
    struct log_half *open;
    struct log_half *closed; /* touched by the thread only while `writing` */
    uint64_t dropped_told;
    uint64_t stop_at_ms; /* monotonic; 0 while running */
    int fd;
    bool writing;
};

/* The process has one log: the only state of this folder that is not passed in. Everything but
 * level and dropped is guarded by lock. */
static struct {
    pthread_mutex_t lock;
    struct log_writer *writer; /* NULL: lines go straight to stderr */
    void (*sink)(void *arg, enum log_level level, const char *line);
    void *sink_arg;
    uint64_t dropped;
    int level;
} the_log = { .lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_INFO };

static const char *const level_names[] = { "DEBUG", "INFO", "WARN", "ERROR" };

static const struct {
    const char *name;
    enum log_level level;
} level_words[] = {
    { "debug", LOG_DEBUG }, { "info", LOG_INFO },   { "warn", LOG_WARN },   { "warning", LOG_WARN },
    { "error", LOG_ERROR }, { "panic", LOG_ERROR }, { "fatal", LOG_ERROR }, { "off", LOG_OFF },
    { "dpanic", LOG_ERROR },
};

void log_set_level(enum log_level level)
{
    __atomic_store_n(&the_log.level, (int)level, __ATOMIC_RELAXED);
}

enum log_level log_get_level(void)
{
    return (enum log_level)__atomic_load_n(&the_log.level, __ATOMIC_RELAXED);
}

int log_level_parse(const char *s, enum log_level *ret_level)
{
    for (size_t i = 0; i < ARRAY_LEN(level_words); i++) {
        if (strcasecmp(s, level_words[i].name) == 0) {
            *ret_level = level_words[i].level;
            return 0;
        }
    }
    return E_INVAL;
}

uint64_t log_dropped(void)
{
    return __atomic_load_n(&the_log.dropped, __ATOMIC_RELAXED);
}

/* --- the writer thread --- */

/* Whether the thread has used up the time that log_stop gives it. */
static bool past_stop(const struct log_writer *w)
{
    uint64_t stop_at = __atomic_load_n(&w->stop_at_ms, __ATOMIC_RELAXED);
    return stop_at != 0 && clock_mono_ms() >= stop_at;
}

static void write_all(const struct log_writer *w, const char *data, size_t len)
{
    while (len > 0 && !past_stop(w)) {
        struct pollfd p = { .fd = w->fd, .events = POLLOUT };
        if (poll(&p, 1, 20) == 0) {
            continue;
        }
        ssize_t n = write(w->fd, data, len < PIPE_BUF ? len : PIPE_BUF);
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            return; /* nobody to tell */
        }
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
}

static size_t format_head(char *line, size_t size, enum log_level level, const char *area,
                          const char *msg)
{
    char stamp[24];
    int64_t now = clock_wall_ms();
    clock_format(now, stamp, sizeof stamp);
    stamp[strcspn(stamp, "Z")] = 0;
    int n = snprintf(line, size, "%s.%03dZ %-5s %s  %s", stamp, (int)(now % 1000),
                     level_names[level], area, msg);
    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

static void tell_dropped(struct log_writer *w)
{
    uint64_t dropped = log_dropped();
    if (dropped == w->dropped_told) {
        return;
    }
    char line[160];
    size_t len = format_head(line, sizeof line - 40, LOG_WARN, "log", "lines dropped");
    len += (size_t)snprintf(line + len, sizeof line - len, " count=%" PRIu64 "\n",
                            dropped - w->dropped_told);
    w->dropped_told = dropped;
    write_all(w, line, len);
}

static void *writer_main(void *arg)
{
    struct log_writer *w = arg;

    pthread_mutex_lock(&the_log.lock);
    for (;;) {
        while (w->open->len == 0 && w->stop_at_ms == 0) {
            pthread_cond_wait(&w->more, &the_log.lock);
        }
        if (w->open->len == 0) {
            break;
        }
        struct log_half *full = w->open;
        w->open = w->closed;
        w->closed = full;
        w->writing = true;
        pthread_mutex_unlock(&the_log.lock);
        write_all(w, full->data, full->len);
        tell_dropped(w);
        pthread_mutex_lock(&the_log.lock);
        full->len = 0;
        w->writing = false;
        pthread_cond_broadcast(&w->idle);
        if (past_stop(w)) {
            break;
        }
    }
    pthread_mutex_unlock(&the_log.lock);
    return NULL;
}

void log_start(int fd)
{
    PRE(the_log.writer == NULL);
    struct log_writer *w = mem_zalloc(sizeof *w);
    pthread_condattr_t attr;
    sigset_t all;
    sigset_t old;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->more, &attr);
    pthread_cond_init(&w->idle, &attr);
    pthread_condattr_destroy(&attr);
    w->open = mem_zalloc(sizeof *w->open);
    w->closed = mem_zalloc(sizeof *w->closed);
    w->fd = fd;
    /* Signals belong to the loop's thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rv = pthread_create(&w->thread, NULL, writer_main, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    INVARIANT(rv == 0);
    pthread_mutex_lock(&the_log.lock);
    w->dropped_told = the_log.dropped;
    the_log.writer = w;
    pthread_mutex_unlock(&the_log.lock);
}

/* Looks again and again: pthread_clockjoin_np would wait, but the thread sanitizer does not know
 * it, and pthread_timedjoin_np goes by the wall clock. */
static bool join_until(pthread_t thread, uint64_t until_ms)
{
    const struct timespec pause = { .tv_nsec = 500000 };
    int rv;
    while ((rv = pthread_tryjoin_np(thread, NULL)) == EBUSY && clock_mono_ms() < until_ms) {
        nanosleep(&pause, NULL);
    }
    return rv == 0;
}

void log_stop(void)
{
    pthread_mutex_lock(&the_log.lock);
    struct log_writer *w = the_log.writer;
    the_log.writer = NULL;
    if (w != NULL) {
        __atomic_store_n(&w->stop_at_ms, clock_mono_ms() + STOP_MS, __ATOMIC_RELAXED);
        pthread_cond_broadcast(&w->more);
    }
    pthread_mutex_unlock(&the_log.lock);
    if (w == NULL) {
        return;
    }
    if (!join_until(w->thread, clock_mono_ms() + JOIN_MS)) {
        pthread_detach(w->thread); /* it may still look at w */
        return;
    }
    pthread_cond_destroy(&w->more);
    pthread_cond_destroy(&w->idle);
    mem_free(w->open);
    mem_free(w->closed);
    mem_free(w);
}

bool log_last_words(const char *text, size_t len)
{
    struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
    sigset_t alarms;
    if (poll(&p, 1, STOP_MS) <= 0) {
        return false;
    }
    signal(SIGALRM, SIG_DFL);
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    alarm(LAST_WORDS_S);
    (void)!write(STDERR_FILENO, text, len < PIPE_BUF ? len : PIPE_BUF);
    return true;
}

void log_flush(int timeout_ms)
{
    uint64_t until_ms = clock_mono_ms() + (uint64_t)timeout_ms;
    struct timespec until = { .tv_sec = (time_t)(until_ms / 1000),
                              .tv_nsec = (long)(until_ms % 1000) * 1000000 };
    /* May be called from an assert that failed with the lock held: never wait for it forever. */
    while (pthread_mutex_trylock(&the_log.lock) != 0) {
        if (clock_mono_ms() >= until_ms) {
            return;
        }
        (void)poll(NULL, 0, 1);
    }
    struct log_writer *w = the_log.writer;
    while (w != NULL && w == the_log.writer && !pthread_equal(pthread_self(), w->thread) &&
           (w->writing || w->open->len != 0)) {
        if (pthread_cond_timedwait(&w->idle, &the_log.lock, &until) != 0) {
            break;
        }
    }
    pthread_mutex_unlock(&the_log.lock);
}

/* --- lines --- */

void log_set_sink(void (*sink)(void *arg, enum log_level level, const char *line), void *arg)
{
    pthread_mutex_lock(&the_log.lock);
    the_log.sink = sink;
    the_log.sink_arg = arg;
    pthread_mutex_unlock(&the_log.lock);
}

static void enqueue(struct log_writer *w, const char *line, size_t len)
{
    struct log_half *half = w->open;
    if (len > sizeof half->data - half->len) {
        __atomic_add_fetch(&the_log.dropped, 1, __ATOMIC_RELAXED);
        return;
    }
    memcpy(half->data + half->len, line, len);
    half->len += len;
    pthread_cond_signal(&w->more);
}

/* Takes the line without a newline; there is room for one more byte and a NUL behind it. */
static void emit(enum log_level level, char *line, size_t len)
{
    pthread_mutex_lock(&the_log.lock);
    if (the_log.sink != NULL) {
        void (*sink)(void *arg, enum log_level level, const char *line) = the_log.sink;
        void *arg = the_log.sink_arg;
        pthread_mutex_unlock(&the_log.lock);
        sink(arg, level, line);
        return;
    }
    line[len] = '\n';
    if (the_log.writer != NULL) {
        enqueue(the_log.writer, line, len + 1);
    } else {
        (void)!write(STDERR_FILENO, line, len + 1);
    }
    pthread_mutex_unlock(&the_log.lock);
}

void log_write(enum log_level level, const char *area, const char *msg, const char *fmt, ...)
{
    if (level < log_get_level() || level >= LOG_OFF) {
        return;
    }
    char line[LINE_MAX_BYTES + 2];
    size_t len = format_head(line, LINE_MAX_BYTES, level, area, msg);
    if (fmt[0] != 0 && len < LINE_MAX_BYTES - 1) {
        va_list ap;
        line[len++] = ' ';
        va_start(ap, fmt);
        int n = vsnprintf(line + len, LINE_MAX_BYTES - len, fmt, ap);
        va_end(ap);
        bool cut = n > 0 && (size_t)n >= LINE_MAX_BYTES - len;
        len = cut ? LINE_MAX_BYTES - 1 : len + (size_t)(n > 0 ? n : 0);
        if (cut) {
            memcpy(line + len - 3, "...", 3);
        }
    }
    /* One line stays one line, whatever bytes a field carried. */
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) {
            line[i] = ' ';
        }
    }
    line[len] = 0;
    emit(level, line, len);
}
