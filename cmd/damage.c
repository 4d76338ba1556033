/* The hand of --unsafe-damage: makes sure that the member is dead (its lock is free), then lets
 * lib/io do it. Who has just killed a member may call at once: the lock is waited for. */
#include "cmd/damage.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd/command.h"
#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/io/fault_damage.h"
#include "lib/io/file.h"

enum { LOCK_WAIT_MS = 5000, LOCK_POLL_MS = 10 };

static int lock_dead(const char *data_dir, struct file **ret_lock, struct err *err)
{
    static const struct timespec pause = { .tv_nsec = LOCK_POLL_MS * 1000000L };
    autofree char *path = mem_printf("%s/member/lock", data_dir);
    uint64_t until_ms = clock_mono_ms() + LOCK_WAIT_MS;
    int rv;
    while ((rv = fs_lock(NULL, path, ret_lock, err)) == E_CONFLICT && clock_mono_ms() < until_ms) {
        nanosleep(&pause, NULL);
    }
    return rv;
}

static int damage(const char *kind, uint64_t seed, const char *data_dir, const char *faults,
                  struct err *err)
{
    struct file *lock;
    autobuf told = BUF_INIT;
    int rv = lock_dead(data_dir, &lock, err);
    if (rv != 0) {
        return rv;
    }
    if (str_eq(kind, "flip")) {
        autofree char *dir = mem_printf("%s/member", data_dir);
        rv = damage_flip(dir, seed, &told, err);
    } else {
        autofree char *journal = mem_printf("%s.unsynced", faults);
        rv = damage_unsynced(data_dir, journal, seed, str_eq(kind, "torn"), &told, err);
    }
    file_close(lock);
    fputs(buf_str(&told), stdout);
    return rv;
}

static int wrong(const char *what)
{
    fprintf(stderr, "barque store: --unsafe-damage: %s (docs/faults.md)\n", what);
    return EXIT_USAGE;
}

int damage_run(const char *kind_and_seed, const char *data_dir, const char *faults)
{
    char kind[8] = "";
    uint64_t seed;
    const char *colon = strchr(kind_and_seed, ':');
    if (colon == NULL || colon - kind_and_seed >= (ptrdiff_t)sizeof kind ||
        str_parse_u64(colon + 1, UINT64_MAX, &seed) != 0) {
        return wrong("KIND:SEED with a number is needed");
    }
    memcpy(kind, kind_and_seed, (size_t)(colon - kind_and_seed));
    bool flip = str_eq(kind, "flip");
    if (!flip && !str_eq(kind, "torn") && !str_eq(kind, "lost")) {
        return wrong("KIND is flip, torn or lost");
    }
    if (data_dir == NULL || (!flip && faults == NULL)) {
        return wrong(flip ? "--data-dir is needed" : "--data-dir and --unsafe-faults are needed");
    }
    struct err err = ERR_INIT;
    if (damage(kind, seed, data_dir, faults, &err) != 0) {
        fprintf(stderr, "barque store: --unsafe-damage: %s\n", err.msg);
        return EXIT_FAILED;
    }
    return EXIT_OK;
}
