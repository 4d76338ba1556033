/* Names on the real disk: directories, renames, locks, small whole files.
 *
 * Atomic replace of `path`: write path.tmp, fsync it, rename it over path, fsync the directory.
 * A crash at any point leaves the old bytes or the new ones under `path`, and perhaps a
 * path.tmp, which the next replace overwrites. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/io/fault_internal.h"
#include "lib/io/file_internal.h"
#include "lib/io/internal.h"

enum {
    READ_STEP_BYTES = 16 * 1024,
    TREE_DEPTH_MAX = 256, /* each level holds a descriptor */
};

/* --- directories ----------------------------------------------------------------------------- */

static int make_dir(const char *path, unsigned mode, struct err *err)
{
    struct stat st;

    if (mkdir(path, (mode_t)mode) == 0) {
        return 0;
    }
    int cause = errno;
    if (cause == EEXIST && stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode)) {
            return 0;
        }
        cause = ENOTDIR;
    }
    return err_errno(err, cause, "create directory %s", path);
}

int fs_mkdir_p(struct fs *fs, const char *path, unsigned mode, struct err *err)
{
    autofree char *part = mem_strdup(path);
    int rv = fs != NULL && fs->faults != NULL ? fault_disk_create(fs->faults, path, err) : 0;

    if (rv != 0) {
        return rv;
    }
    for (char *at = part + 1; part[0] != 0 && *at != 0; at++) {
        if (*at == '/' && at[-1] != '/') {
            *at = 0;
            rv = make_dir(part, mode, err);
            if (rv != 0) {
                return rv;
            }
            *at = '/';
        }
    }
    return make_dir(path, mode, err);
}

int fs_sync_dir(struct fs *fs, const char *path, struct err *err)
{
    int rv = fs != NULL && fs->faults != NULL ? fault_disk_sync(fs->faults, path, err) : 0;
    if (rv != 0) {
        return rv;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return err_errno(err, errno, "open directory %s", path);
    }
    int cause = fsync(fd) == 0 ? 0 : errno;
    close(fd);
    if (cause != 0 && cause != EINVAL) { /* EINVAL: directories need no fsync here */
        return err_errno(err, cause, "fsync directory %s", path);
    }
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool dot_name(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int fs_list(struct fs *fs, const char *path, char ***ret_names, size_t *ret_n, struct err *err)
{
    char **names = NULL;
    size_t cap = 0;
    size_t n = 0;
    struct dirent *entry;

    (void)fs;
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return err_errno(err, errno, "list directory %s", path);
    }
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        if (!dot_name(entry->d_name)) {
            names = mem_grow(names, &cap, n + 1, sizeof *names);
            names[n++] = mem_strdup(entry->d_name);
        }
    }
    int cause = errno;
    closedir(dir);
    if (cause != 0) {
        fs_list_free(names, n);
        return err_errno(err, cause, "list directory %s", path);
    }
    if (n != 0) {
        qsort(names, n, sizeof *names, compare_names);
    }
    *ret_names = names;
    *ret_n = n;
    return 0;
}

void fs_list_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mem_free(names[i]);
    }
    mem_free(names);
}

/* --- names ----------------------------------------------------------------------------------- */

int fs_rename(struct fs *fs, const char *from, const char *to, struct err *err)
{
    if (fs != NULL && fs->faults != NULL) {
        fault_disk_unlink(fs->faults, to); /* what had the name */
    }
    return rename(from, to) == 0 ? 0 : err_errno(err, errno, "rename %s to %s", from, to);
}

int fs_unlink(struct fs *fs, const char *path, struct err *err)
{
    if (fs != NULL && fs->faults != NULL) {
        fault_disk_unlink(fs->faults, path);
    }
    return unlink(path) == 0 ? 0 : err_errno(err, errno, "remove %s", path);
}

bool fs_exists(struct fs *fs, const char *path)
{
    (void)fs;
    return access(path, F_OK) == 0;
}

static int remove_entry(int dir_fd, const char *name, int depth);

/* Removes what is in the directory; takes fd. Returns 0 or an errno. */
static int empty_dir(int fd, int depth)
{
    struct dirent *entry;
    int cause = 0;

    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        cause = errno;
        close(fd);
        return cause;
    }
    while (cause == 0 && (entry = readdir(dir)) != NULL) {
        if (!dot_name(entry->d_name)) {
            cause = remove_entry(fd, entry->d_name, depth);
        }
    }
    closedir(dir);
    return cause;
}

/* Never follows a symbolic link: the link itself is removed. */
static int remove_entry(int dir_fd, const char *name, int depth)
{
    if (depth >= TREE_DEPTH_MAX) {
        return ELOOP;
    }
    if (unlinkat(dir_fd, name, 0) == 0) {
        return 0;
    }
    if (errno != EISDIR) {
        return errno;
    }
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    int cause = empty_dir(fd, depth + 1);
    if (cause != 0) {
        return cause;
    }
    return unlinkat(dir_fd, name, AT_REMOVEDIR) == 0 ? 0 : errno;
}

int fs_remove_tree(struct fs *fs, const char *path, struct err *err)
{
    (void)fs;
    int cause = remove_entry(AT_FDCWD, path, 0);
    return cause == 0 ? 0 : err_errno(err, cause, "remove tree %s", path);
}

/* --- lock ------------------------------------------------------------------------------------ */

int fs_lock(struct fs *fs, const char *path, struct file **ret_lock, struct err *err)
{
    struct file *f;
    int rv = file_open(fs, path, FILE_READ | FILE_WRITE | FILE_CREATE, &f, err);

    if (rv != 0) {
        return rv;
    }
    if (flock(f->fd, LOCK_EX | LOCK_NB) != 0) {
        rv = errno == EWOULDBLOCK
                 ? err_set(err, E_CONFLICT, "lock %s: in use by another process", path)
                 : err_errno(err, errno, "lock %s", path);
        file_close(f);
        return rv;
    }
    *ret_lock = f;
    return 0;
}

/* --- whole small files ----------------------------------------------------------------------- */

static int read_all(struct file *f, size_t max_bytes, struct buf *out, struct err *err)
{
    size_t done = 0;

    for (;;) {
        size_t left = max_bytes - done;
        size_t want = left < READ_STEP_BYTES ? left + 1 : READ_STEP_BYTES; /* +1 tells "longer" */
        size_t got;
        int rv = file_pread(f, buf_reserve(out, want), want, done, &got, err);
        if (rv != 0) {
            return rv;
        }
        if (got > left) {
            return err_set(err, E_TOOBIG, "read %s: longer than %zu bytes", f->path, max_bytes);
        }
        buf_advance(out, got);
        done += got;
        if (got < want) {
            return 0;
        }
    }
}

int fs_read_file(struct fs *fs, const char *path, size_t max_bytes, struct buf *out,
                 struct err *err)
{
    struct file *f;
    int rv = file_open(fs, path, FILE_READ, &f, err);

    if (rv != 0) {
        return rv;
    }
    rv = read_all(f, max_bytes, out, err);
    file_close(f);
    return rv;
}

static int write_synced(struct fs *fs, const char *path, struct slice bytes, struct err *err)
{
    struct file *f;
    int rv = file_open(fs, path, FILE_WRITE | FILE_CREATE | FILE_TRUNC, &f, err);

    if (rv != 0) {
        return rv;
    }
    rv = file_pwrite(f, bytes.data, bytes.len, 0, err);
    if (rv == 0 && f->faults != NULL) {
        rv = fault_disk_sync(f->faults, path, err);
    }
    if (rv == 0 && fsync(f->fd) != 0) {
        rv = err_errno(err, errno, "fsync %s", path);
    }
    if (rv == 0 && f->faults != NULL) {
        fault_disk_synced(f->faults, f->fd);
    }
    file_close(f);
    return rv;
}

static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL) {
        return mem_strdup(".");
    }
    return slash == path ? mem_strdup("/") : mem_printf("%.*s", (int)(slash - path), path);
}

int fs_write_file_atomic(struct fs *fs, const char *path, struct slice bytes, struct err *err)
{
    autofree char *temporary = mem_printf("%s.tmp", path);
    autofree char *parent = parent_of(path);

    int rv = write_synced(fs, temporary, bytes, err);
    if (rv == 0) {
        rv = fs_rename(fs, temporary, path, err);
    }
    if (rv != 0) {
        unlink(temporary);
        return rv;
    }
    return fs_sync_dir(fs, parent, err);
}
