/* See broken_disk.h. Workers come here, too. */
#include "tests/unit/raft/broken_disk.h"

#include <stdatomic.h>
#include <string.h>

#include "lib/io/file.h"

static struct {
    atomic_uint_fast64_t left;
    atomic_bool broke;
    _Atomic(const char *) operation;
    atomic_int status;
} disk;

void disk_break_at(uint64_t n)
{
    disk.left = n;
    disk.broke = false;
}

bool disk_broke(void)
{
    return disk.broke;
}

void disk_break(const char *operation, int status)
{
    disk.status = status;
    disk.operation = operation;
}

void disk_mend(void)
{
    disk.operation = NULL;
    disk.left = 0;
}

static int fails(const char *operation, struct err *err)
{
    const char *broken = disk.operation;
    if (broken != NULL && strcmp(broken, operation) == 0) {
        return err_set(err, disk.status, "%s: broken", operation);
    }
    if (disk.left != 0 && --disk.left == 0) {
        disk.broke = true;
        return err_set(err, E_IO, "%s: broken", operation);
    }
    return 0;
}

#define WRAPPED(name, params, args)                       \
    int __real_##name params;                             \
    int __wrap_##name params;                             \
    int __wrap_##name params                              \
    {                                                     \
        int rv = fails(#name, err);                       \
        return rv != 0 ? rv : __real_##name args;         \
    }

WRAPPED(file_open,
        (struct fs * fs, const char *path, int flags, struct file **ret_file, struct err *err),
        (fs, path, flags, ret_file, err))
WRAPPED(file_pwrite,
        (struct file * f, const void *data, size_t len, uint64_t offset, struct err *err),
        (f, data, len, offset, err))
WRAPPED(file_pwritev,
        (struct file * f, const struct slice *parts, size_t n, uint64_t offset, struct err *err),
        (f, parts, n, offset, err))
WRAPPED(file_pread,
        (struct file * f, void *data, size_t len, uint64_t offset, size_t *ret_len,
         struct err *err),
        (f, data, len, offset, ret_len, err))
WRAPPED(file_sync, (struct file * f, struct err *err), (f, err))
WRAPPED(file_truncate, (struct file * f, uint64_t size, struct err *err), (f, size, err))
WRAPPED(file_allocate, (struct file * f, uint64_t size, struct err *err), (f, size, err))
WRAPPED(file_size, (struct file * f, uint64_t *ret_size, struct err *err), (f, ret_size, err))
WRAPPED(fs_mkdir_p, (struct fs * fs, const char *path, unsigned mode, struct err *err),
        (fs, path, mode, err))
WRAPPED(fs_rename, (struct fs * fs, const char *from, const char *to, struct err *err),
        (fs, from, to, err))
WRAPPED(fs_unlink, (struct fs * fs, const char *path, struct err *err), (fs, path, err))
WRAPPED(fs_sync_dir, (struct fs * fs, const char *path, struct err *err), (fs, path, err))
WRAPPED(fs_list,
        (struct fs * fs, const char *path, char ***ret_names, size_t *ret_n, struct err *err),
        (fs, path, ret_names, ret_n, err))
WRAPPED(fs_lock, (struct fs * fs, const char *path, struct file **ret_lock, struct err *err),
        (fs, path, ret_lock, err))
WRAPPED(fs_remove_tree, (struct fs * fs, const char *path, struct err *err), (fs, path, err))
WRAPPED(fs_read_file,
        (struct fs * fs, const char *path, size_t max_bytes, struct buf *out, struct err *err),
        (fs, path, max_bytes, out, err))
WRAPPED(fs_write_file_atomic,
        (struct fs * fs, const char *path, struct slice bytes, struct err *err),
        (fs, path, bytes, err))
