/* Files and directories, synchronous. Called on the loop only for small metadata at start; bulk
 * I/O and every fsync belong in a job (work.h). `struct fs` is one disk: the real one, or a
 * simulated page cache that loses unsynced writes on a crash.
 *
 * All return 0 or a negative E_ code (E_DISKFULL for no space, E_NOTFOUND, E_IO...). Any failed
 * write or fsync of durable state must end the process: never retry an fsync. */
#ifndef BARQUE_IO_FILE_H
#define BARQUE_IO_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct loop;
struct fs;
struct file;

/* The disk this loop's process sees. Usable from workers. */
struct fs *loop_fs(struct loop *loop);

enum {
    FILE_READ = 1,
    FILE_WRITE = 2,
    FILE_CREATE = 4,
    FILE_EXCL = 8,
    FILE_TRUNC = 16,
};

int file_open(struct fs *fs, const char *path, int flags, struct file **ret_file, struct err *err);
void file_close(struct file *f); /* NULL is fine */
/* Writes everything or fails. */
int file_pwrite(struct file *f, const void *data, size_t len, uint64_t offset, struct err *err);
int file_pwritev(struct file *f, const struct slice *parts, size_t n, uint64_t offset,
                 struct err *err);
/* Reads up to len; *ret_len is less only at end of file. */
int file_pread(struct file *f, void *data, size_t len, uint64_t offset, size_t *ret_len,
               struct err *err);
/* fdatasync. */
int file_sync(struct file *f, struct err *err);
int file_truncate(struct file *f, uint64_t size, struct err *err);
/* Reserves blocks (zero-filled to `size`); E_DISKFULL is told before any write is lost. */
int file_allocate(struct file *f, uint64_t size, struct err *err);
int file_size(struct file *f, uint64_t *ret_size, struct err *err);

int fs_mkdir_p(struct fs *fs, const char *path, unsigned mode, struct err *err);
int fs_rename(struct fs *fs, const char *from, const char *to, struct err *err);
int fs_unlink(struct fs *fs, const char *path, struct err *err);
int fs_sync_dir(struct fs *fs, const char *path, struct err *err);
/* Names in byte order, without . and .. ; free with fs_list_free. */
int fs_list(struct fs *fs, const char *path, char ***ret_names, size_t *ret_n, struct err *err);
void fs_list_free(char **names, size_t n);
bool fs_exists(struct fs *fs, const char *path);
/* Exclusive advisory lock on a file (created); E_CONFLICT "in use by another process". */
int fs_lock(struct fs *fs, const char *path, struct file **ret_lock, struct err *err);
/* Removes a directory and all in it. */
int fs_remove_tree(struct fs *fs, const char *path, struct err *err);

/* Whole small files: read with a bound; write as temporary + fsync + rename + fsync of the
 * directory. */
int fs_read_file(struct fs *fs, const char *path, size_t max_bytes, struct buf *out,
                 struct err *err);
int fs_write_file_atomic(struct fs *fs, const char *path, struct slice bytes, struct err *err);

#endif
