/* The calls of lib/io/file.h on the simulated disk (disk.c has the model). Directories are prefixes
 * of paths; they exist once made. */
#include "lib/io/file.h"

#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/io/loop.h"
#include "tests/sim/disk.h"
#include "tests/sim/sim.h"

struct file {
    struct fs *fs;
    struct inode *inode;
    bool lock;
};

struct fs *loop_fs(struct loop *loop)
{
    return sim_loop_node(loop)->fs;
}

/* --- files ------------------------------------------------------------------------------------ */

int file_open(struct fs *fs, const char *path, int flags, struct file **ret_file, struct err *err)
{
    struct name *name = names_find(&fs->seen, path);
    if (name != NULL && (flags & FILE_EXCL) != 0) {
        return err_set(err, E_EXIST, "open %s: it exists", path);
    }
    if (name == NULL && (flags & FILE_CREATE) == 0) {
        return err_set(err, E_NOTFOUND, "open %s: no such file", path);
    }
    int rv = name == NULL ? fs_operation(fs, &(struct disk_op){ .kind = DISK_CREATE }, err)
                          : fs_looking(fs, &(struct disk_op){ .kind = DISK_OPEN }, err);
    if (rv != 0) {
        return rv;
    }
    if (name == NULL) {
        struct inode *inode = inode_create();
        fs_change(fs, "", path, inode);
        inode_unref(inode);
        name = names_find(&fs->seen, path);
    }
    if ((flags & FILE_TRUNC) != 0) {
        inode_truncate(name->inode, 0);
    }
    struct file *f = mem_zalloc(sizeof *f);
    f->fs = fs;
    f->inode = name->inode;
    f->inode->refs++;
    *ret_file = f;
    return 0;
}

void file_close(struct file *f)
{
    if (f != NULL) {
        f->inode->locked = f->inode->locked && !f->lock;
        inode_unref(f->inode);
        mem_free(f);
    }
}

int file_pwrite(struct file *f, const void *data, size_t len, uint64_t offset, struct err *err)
{
    struct slice part = slice_make(data, len);
    return file_pwritev(f, &part, 1, offset, err);
}

static int no_space(struct file *f, uint64_t size, struct err *err)
{
    return f->fs->full && size > f->inode->size
               ? err_set(err, E_DISKFULL, "no space left on device")
               : 0;
}

int file_pwritev(struct file *f, const struct slice *parts, size_t n, uint64_t offset,
                 struct err *err)
{
    uint64_t end = offset;
    for (size_t i = 0; i < n; i++) {
        end += parts[i].len;
    }
    struct disk_op op = { DISK_WRITE, f->inode, parts, n, offset };
    int rv = fs_operation(f->fs, &op, err);
    rv = rv != 0 ? rv : no_space(f, end, err);
    for (size_t i = 0; i < n && rv == 0; i++) {
        inode_write(f->inode, parts[i], offset);
        offset += parts[i].len;
    }
    return rv;
}

int file_pread(struct file *f, void *data, size_t len, uint64_t offset, size_t *ret_len,
               struct err *err)
{
    int rv = fs_looking(f->fs, &(struct disk_op){ DISK_READ, f->inode, NULL, 0, offset }, err);
    if (rv == 0) {
        *ret_len = inode_read(f->inode, data, len, offset);
    }
    return rv;
}

int file_sync(struct file *f, struct err *err)
{
    struct disk_op op = { .kind = DISK_SYNC, .inode = f->inode };
    int rv = fs_operation(f->fs, &op, err);
    if (rv == 0) {
        inode_sync(f->inode);
    }
    return rv == DISK_PRETEND ? 0 : rv;
}

int file_truncate(struct file *f, uint64_t size, struct err *err)
{
    struct disk_op op = { .kind = DISK_TRUNCATE, .inode = f->inode };
    int rv = fs_operation(f->fs, &op, err);
    if (rv == 0) {
        inode_truncate(f->inode, size);
    }
    return rv;
}

int file_allocate(struct file *f, uint64_t size, struct err *err)
{
    struct disk_op op = { .kind = DISK_ALLOCATE, .inode = f->inode };
    int rv = fs_operation(f->fs, &op, err);
    rv = rv != 0 ? rv : no_space(f, size, err);
    if (rv == 0 && size > f->inode->size) {
        f->inode->size = size;
    }
    return rv;
}

int file_size(struct file *f, uint64_t *ret_size, struct err *err)
{
    (void)err;
    *ret_size = f->inode->size;
    return 0;
}

/* --- names ------------------------------------------------------------------------------------ */

int fs_mkdir_p(struct fs *fs, const char *path, unsigned mode, struct err *err)
{
    (void)fs;
    (void)path;
    (void)mode;
    (void)err;
    return 0;
}

int fs_rename(struct fs *fs, const char *from, const char *to, struct err *err)
{
    struct name *name = names_find(&fs->seen, from);
    if (name == NULL && !fs_exists(fs, from)) {
        return err_set(err, E_NOTFOUND, "rename %s: no such file", from);
    }
    int rv = fs_operation(fs, &(struct disk_op){ .kind = DISK_RENAME }, err);
    if (rv == 0) {
        fs_change(fs, from, to, name != NULL ? name->inode : NULL);
    }
    return rv;
}

int fs_unlink(struct fs *fs, const char *path, struct err *err)
{
    if (names_find(&fs->seen, path) == NULL) {
        return err_set(err, E_NOTFOUND, "unlink %s: no such file", path);
    }
    int rv = fs_operation(fs, &(struct disk_op){ .kind = DISK_UNLINK }, err);
    if (rv == 0) {
        fs_change(fs, path, "", NULL);
    }
    return rv;
}

int fs_sync_dir(struct fs *fs, const char *path, struct err *err)
{
    int rv = fs_operation(fs, &(struct disk_op){ .kind = DISK_SYNC_DIR }, err);
    if (rv == 0) {
        fs_commit_dir(fs, path);
    }
    return rv == DISK_PRETEND ? 0 : rv;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The first part of a path below dir, or NULL. */
static char *child_of(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    if (strncmp(path, dir, n) != 0 || path[n] != '/') {
        return NULL;
    }
    char *child = mem_strdup(path + n + 1);
    char *slash = strchr(child, '/');
    if (slash != NULL) {
        *slash = '\0';
    }
    return child;
}

int fs_list(struct fs *fs, const char *path, char ***ret_names, size_t *ret_n, struct err *err)
{
    char **names = NULL;
    size_t n = 0, cap = 0, kept = 0;
    int rv = fs_looking(fs, &(struct disk_op){ .kind = DISK_OPEN }, err);
    if (rv != 0) {
        return rv;
    }
    for (size_t i = 0; i < fs->seen.n; i++) {
        char *child = child_of(fs->seen.items[i].path, path);
        if (child != NULL) {
            names = mem_grow(names, &cap, n + 1, sizeof *names);
            names[n++] = child;
        }
    }
    if (n > 0) {
        qsort(names, n, sizeof *names, compare_names);
    }
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && strcmp(names[kept - 1], names[i]) == 0) {
            mem_free(names[i]);
        } else {
            names[kept++] = names[i];
        }
    }
    *ret_names = names;
    *ret_n = kept;
    return 0;
}

void fs_list_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mem_free(names[i]);
    }
    mem_free(names);
}

bool fs_exists(struct fs *fs, const char *path)
{
    size_t n = strlen(path);
    for (size_t i = 0; i < fs->seen.n; i++) {
        const char *p = fs->seen.items[i].path;
        if (strncmp(p, path, n) == 0 && (p[n] == '\0' || p[n] == '/')) {
            return true;
        }
    }
    return false;
}

int fs_lock(struct fs *fs, const char *path, struct file **ret_lock, struct err *err)
{
    struct file *f;
    int rv = file_open(fs, path, FILE_WRITE | FILE_CREATE, &f, err);
    if (rv != 0) {
        return rv;
    }
    if (f->inode->locked) {
        file_close(f);
        return err_set(err, E_CONFLICT, "lock %s: in use by another process", path);
    }
    f->lock = true;
    f->inode->locked = true;
    *ret_lock = f;
    return 0;
}

int fs_remove_tree(struct fs *fs, const char *path, struct err *err)
{
    size_t n = strlen(path);
    for (size_t i = fs->seen.n; i-- > 0;) {
        char found[PATH_BYTES];
        str_copy(found, sizeof found, fs->seen.items[i].path);
        if (strncmp(found, path, n) == 0 && (found[n] == '\0' || found[n] == '/')) {
            int rv = fs_unlink(fs, found, err);
            if (rv != 0) {
                return rv;
            }
            i = fs->seen.n; /* removal moved names: start again */
        }
    }
    return 0;
}

/* --- whole files ------------------------------------------------------------------------------ */

int fs_read_file(struct fs *fs, const char *path, size_t max_bytes, struct buf *out,
                 struct err *err)
{
    struct file *f;
    int rv = file_open(fs, path, FILE_READ, &f, err);
    if (rv != 0) {
        return rv;
    }
    size_t size = (size_t)f->inode->size;
    rv = fs_looking(fs, &(struct disk_op){ .kind = DISK_READ, .inode = f->inode }, err);
    if (rv != 0) {
        /* told */
    } else if (size > max_bytes) {
        rv = err_set(err, E_TOOBIG, "read %s: %zu bytes", path, size);
    } else {
        buf_advance(out, inode_read(f->inode, buf_reserve(out, size), size, 0));
    }
    file_close(f);
    return rv;
}

static int write_and_sync(struct fs *fs, const char *path, struct slice bytes, struct err *err)
{
    struct file *f;
    int rv = file_open(fs, path, FILE_WRITE | FILE_CREATE | FILE_TRUNC, &f, err);
    if (rv != 0) {
        return rv;
    }
    rv = file_pwrite(f, bytes.data, bytes.len, 0, err);
    rv = rv != 0 ? rv : file_sync(f, err);
    file_close(f);
    return rv;
}

int fs_write_file_atomic(struct fs *fs, const char *path, struct slice bytes, struct err *err)
{
    autofree char *temporary = mem_printf("%s.tmp", path);
    char dir[PATH_BYTES];
    str_copy(dir, sizeof dir, path);
    *strrchr(dir, '/') = '\0';
    int rv = write_and_sync(fs, temporary, bytes, err);
    rv = rv != 0 ? rv : fs_rename(fs, temporary, path, err);
    return rv != 0 ? rv : fs_sync_dir(fs, dir, err);
}
