/* Open files of the real disk: whole reads and writes at an offset, durability, reservation.
 *
 * Partial reads and writes and EINTR are finished here; every other failure is told with the
 * path and the system's reason. fdatasync is never tried twice: after a failure the kernel may
 * have dropped the dirty pages and would answer the second call with a lie. */
#include "lib/io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/io/fault_internal.h"
#include "lib/io/file_internal.h"
#include "lib/io/internal.h"

enum {
    VECTORS_MAX = 64,
    FILE_MODE = 0600, /* keys, values and logs are nobody else's */
};

static int open_flags(int flags)
{
    int o = O_CLOEXEC;

    if ((flags & (FILE_READ | FILE_WRITE)) == (FILE_READ | FILE_WRITE)) {
        o |= O_RDWR;
    } else {
        o |= (flags & FILE_WRITE) != 0 ? O_WRONLY : O_RDONLY;
    }
    o |= (flags & FILE_CREATE) != 0 ? O_CREAT : 0;
    o |= (flags & FILE_EXCL) != 0 ? O_EXCL : 0;
    o |= (flags & FILE_TRUNC) != 0 ? O_TRUNC : 0;
    return o;
}

int file_open(struct fs *fs, const char *path, int flags, struct file **ret_file, struct err *err)
{
    struct faults *faults = fs != NULL ? fs->faults : NULL;
    int fd;

    PRE((flags & (FILE_READ | FILE_WRITE)) != 0);
    if (faults != NULL) {
        int rv = (flags & FILE_CREATE) != 0 ? fault_disk_create(faults, path, err) : 0;
        if (rv != 0) {
            return rv;
        }
        flags |= FILE_READ; /* the journal of unsynced writes keeps the old bytes */
    }
    do {
        fd = open(path, open_flags(flags), FILE_MODE);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return err_errno(err, errno, "open %s", path);
    }
    struct file *f = mem_zalloc(sizeof *f);
    f->fd = fd;
    f->faults = faults;
    f->path = mem_strdup(path);
    *ret_file = f;
    return 0;
}

void file_close(struct file *f)
{
    if (f != NULL) {
        close(f->fd); /* what had to be durable was synced: nothing is lost here */
        mem_free(f->path);
        mem_free(f);
    }
}

int file_pwrite(struct file *f, const void *data, size_t len, uint64_t offset, struct err *err)
{
    struct slice part = slice_make(data, len);

    return file_pwritev(f, &part, 1, offset, err);
}

/* Fills vectors from parts[*at] on, less the first `skip` bytes of it. */
static int gather(const struct slice *parts, size_t n, size_t at, size_t skip,
                  struct iovec *vectors)
{
    int count = 0;

    for (size_t i = at; i < n && count < VECTORS_MAX; i++) {
        vectors[count].iov_base = (void *)(uintptr_t)(parts[i].data + skip);
        vectors[count].iov_len = parts[i].len - skip;
        skip = 0;
        count++;
    }
    return count;
}

static size_t slices_len(const struct slice *parts, size_t n)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        len += parts[i].len;
    }
    return len;
}

int file_pwritev(struct file *f, const struct slice *parts, size_t n, uint64_t offset,
                 struct err *err)
{
    struct iovec vectors[VECTORS_MAX];
    size_t at = 0;
    size_t skip = 0;

    if (f->faults != NULL) {
        int rv = fault_disk_write(f->faults, f->fd, f->path, offset, slices_len(parts, n), err);
        if (rv != 0) {
            return rv;
        }
    }
    for (;;) {
        while (at < n && parts[at].len == skip) {
            at++;
            skip = 0;
        }
        if (at == n) {
            return 0;
        }
        int count = gather(parts, n, at, skip, vectors);
        ssize_t rv = pwritev(f->fd, vectors, count, (off_t)offset);
        if (rv < 0 && errno == EINTR) {
            continue;
        }
        if (rv <= 0) {
            return err_errno(err, rv < 0 ? errno : EIO, "write %s", f->path);
        }
        offset += (uint64_t)rv;
        size_t left = (size_t)rv;
        while (left > 0) {
            size_t room = parts[at].len - skip;
            size_t step = left < room ? left : room;
            left -= step;
            skip += step;
            if (skip == parts[at].len) {
                at++;
                skip = 0;
            }
        }
    }
}

int file_pread(struct file *f, void *data, size_t len, uint64_t offset, size_t *ret_len,
               struct err *err)
{
    size_t done = 0;

    while (done < len) {
        ssize_t rv = pread(f->fd, (uint8_t *)data + done, len - done, (off_t)(offset + done));
        if (rv < 0 && errno == EINTR) {
            continue;
        }
        if (rv < 0) {
            return err_errno(err, errno, "read %s", f->path);
        }
        if (rv == 0) {
            break;
        }
        done += (size_t)rv;
    }
    *ret_len = done;
    return 0;
}

int file_sync(struct file *f, struct err *err)
{
    int rv = f->faults != NULL ? fault_disk_sync(f->faults, f->path, err) : 0;

    if (rv != 0) {
        return rv;
    }
    if (fdatasync(f->fd) != 0) {
        return err_errno(err, errno, "fdatasync %s", f->path);
    }
    if (f->faults != NULL) {
        fault_disk_synced(f->faults, f->fd);
    }
    return 0;
}

int file_truncate(struct file *f, uint64_t size, struct err *err)
{
    int rv = f->faults != NULL ? fault_disk_resize(f->faults, f->fd, f->path, size, err) : 0;

    if (rv != 0) {
        return rv;
    }
    do {
        rv = ftruncate(f->fd, (off_t)size);
    } while (rv != 0 && errno == EINTR);
    return rv == 0 ? 0 : err_errno(err, errno, "truncate %s", f->path);
}

int file_allocate(struct file *f, uint64_t size, struct err *err)
{
    uint64_t now;
    int rv;

    if (size == 0) {
        return 0;
    }
    rv = f->faults != NULL ? fault_disk_resize(f->faults, f->fd, f->path, size, err) : 0;
    if (rv != 0) {
        return rv;
    }
    do {
        rv = fallocate(f->fd, 0, 0, (off_t)size);
    } while (rv != 0 && errno == EINTR);
    if (rv == 0) {
        return 0;
    }
    if (errno != EOPNOTSUPP && errno != ENOSYS) {
        return err_errno(err, errno, "allocate %llu bytes for %s", (unsigned long long)size,
                         f->path);
    }
    /* This file system cannot reserve: give the file its size at least, never make it shorter. */
    rv = file_size(f, &now, err);
    if (rv != 0 || now >= size) {
        return rv;
    }
    return file_truncate(f, size, err);
}

int file_size(struct file *f, uint64_t *ret_size, struct err *err)
{
    struct stat st;

    if (fstat(f->fd, &st) != 0) {
        return err_errno(err, errno, "stat %s", f->path);
    }
    *ret_size = (uint64_t)st.st_size;
    return 0;
}
