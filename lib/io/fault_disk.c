/* What the shim's disk does wrong, asked by file.c and fs.c just before they ask the kernel. Only
 * with a shim: without one nothing here runs. Called from workers too, hence the lock. */
#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/io/fault_internal.h"

static struct fault_disk rules_now(struct faults *f)
{
    pthread_mutex_lock(&f->lock);
    struct fault_disk disk = f->rules.disk;
    pthread_mutex_unlock(&f->lock);
    return disk;
}

static int full(const char *path, struct err *err)
{
    return err_errno(err, ENOSPC, "write %s (fault rule)", path);
}

int fault_disk_create(struct faults *f, const char *path, struct err *err)
{
    return rules_now(f).full && access(path, F_OK) != 0 ? full(path, err) : 0;
}

static bool grows(int fd, uint64_t size)
{
    struct stat st;
    return fstat(fd, &st) == 0 && size > (uint64_t)st.st_size;
}

int fault_disk_resize(struct faults *f, int fd, const char *path, uint64_t size, struct err *err)
{
    if (rules_now(f).full && grows(fd, size)) {
        return full(path, err);
    }
    fault_track_resize(f->track, fd, size);
    return 0;
}

/* Sleeps for a draw from one of the rules' ranges; a change that shortens it counts at once. */
static void wait_for_disk(struct faults *f, const struct fault_range *range)
{
    uint64_t begun_ms = clock_mono_ms();

    pthread_mutex_lock(&f->lock);
    uint64_t draw_ms = rng_range(&f->disk_rng, range->min, range->max);
    for (;;) {
        uint64_t due_ms = begun_ms + (draw_ms < range->max ? draw_ms : range->max);
        struct timespec due = { .tv_sec = (time_t)(due_ms / 1000),
                                .tv_nsec = (long)(due_ms % 1000) * 1000000 };
        if (clock_mono_ms() >= due_ms) {
            break;
        }
        (void)pthread_cond_timedwait(&f->changed, &f->lock, &due);
    }
    pthread_mutex_unlock(&f->lock);
}

int fault_disk_write(struct faults *f, int fd, const char *path, uint64_t offset, size_t len,
                     struct err *err)
{
    struct fault_disk disk = rules_now(f);
    if (disk.write_fails != 0) {
        return err_errno(err, disk.write_fails, "write %s (fault rule)", path);
    }
    if (disk.write_ms.max != 0) {
        wait_for_disk(f, &f->rules.disk.write_ms);
    }
    if (disk.full && grows(fd, offset + len)) {
        return full(path, err);
    }
    fault_track_write(f->track, fd, offset, len);
    return 0;
}

int fault_disk_sync(struct faults *f, const char *path, struct err *err)
{
    if (rules_now(f).sync_ms.max != 0) {
        wait_for_disk(f, &f->rules.disk.sync_ms);
    }
    int errnum = rules_now(f).sync_fails;
    return errnum != 0 ? err_errno(err, errnum, "fsync %s (fault rule)", path) : 0;
}

void fault_disk_synced(struct faults *f, int fd)
{
    struct stat st;
    if (fstat(fd, &st) == 0) {
        fault_track_synced(f->track, (uint64_t)st.st_ino);
    }
}

void fault_disk_unlink(struct faults *f, const char *path)
{
    struct stat st;
    if (lstat(path, &st) == 0) {
        fault_track_synced(f->track, (uint64_t)st.st_ino);
    }
}
