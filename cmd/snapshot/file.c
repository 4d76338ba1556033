/* etcd's database files; see state.h. */
#include "cmd/snapshot/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/codec/sha256.h"

enum { PART_BYTES = 4 * 1024 * 1024, PAGE_UNIT = 512, TELL_MS = 1000 };

void state_say(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("barque: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
}

/* At most a line a second. */
static void tell_part(const char *what, uint64_t done, uint64_t all, uint64_t *told_ms)
{
    uint64_t now = clock_mono_ms();
    if (*told_ms == 0) {
        *told_ms = now;
    } else if (now - *told_ms >= TELL_MS && all > 0) {
        *told_ms = now;
        state_say("%s: %" PRIu64 " %%", what, done * 100 / all);
    }
}

static void sum_of(struct slice bytes, uint8_t ret_digest[SHA256_BYTES])
{
    struct sha256 *sum = sha256_new();
    uint64_t told_ms = 0;
    for (size_t at = 0; at < bytes.len; at += PART_BYTES) {
        size_t left = bytes.len - at;
        sha256_add(sum, slice_make(bytes.data + at, left < PART_BYTES ? left : PART_BYTES));
        tell_part("checking", at, bytes.len, &told_ms);
    }
    sha256_finish(sum, ret_digest);
}

/* Pages are multiples of 512 bytes: what is over is the sum. */
static int check_sum(const char *path, struct state_file *f, bool sum_optional, struct err *err)
{
    uint8_t digest[SHA256_BYTES];
    if (f->bytes.len % PAGE_UNIT != STATE_SUM_BYTES) {
        return sum_optional && f->bytes.len % PAGE_UNIT == 0
                   ? 0
                   : err_set(err, E_CORRUPT, "%s has no SHA-256 at its end: it is cut short, no "
                             "snapshot, or was copied out of a data directory (then: "
                             "--skip-hash-check)", path);
    }
    f->bytes.len -= STATE_SUM_BYTES;
    sum_of(f->bytes, digest);
    f->summed = memcmp(digest, f->bytes.data + f->bytes.len, SHA256_BYTES) == 0;
    return f->summed || sum_optional
               ? 0
               : err_set(err, E_CORRUPT, "%s is damaged: its SHA-256 is another one than it says. "
                         "Next: use another copy of it", path);
}

int state_file_open(const char *path, bool sum_optional, struct state_file *ret_file,
                    struct err *err)
{
    struct state_file f = { 0 };
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_errno(err, errno, "open %s", path);
    }
    int rv = 0;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= STATE_SUM_BYTES) {
        rv = err_set(err, E_CORRUPT, "%s is no snapshot: not a file, or an empty one", path);
    } else {
        f.size = (uint64_t)st.st_size;
        void *at = mmap(NULL, (size_t)f.size, PROT_READ, MAP_PRIVATE, fd, 0);
        f.bytes = slice_make(at, (size_t)f.size);
        rv = at == MAP_FAILED ? err_errno(err, errno, "map %s", path) : 0;
    }
    close(fd);
    if (rv != 0) {
        return rv;
    }
    rv = check_sum(path, &f, sum_optional, err);
    if (rv != 0) {
        state_file_close(&f);
        return rv;
    }
    *ret_file = f;
    return 0;
}

void state_file_close(struct state_file *f)
{
    munmap((void *)(uintptr_t)f->bytes.data, (size_t)f->size);
    *f = (struct state_file){ 0 };
}

/* --- writing ---------------------------------------------------------------------------------- */

static int write_parts(struct etcd_db *db, struct file *file, struct err *err)
{
    struct sha256 *sum = sha256_new();
    uint8_t digest[SHA256_BYTES];
    autobuf part = BUF_INIT;
    uint64_t at = 0, told_ms = 0;
    int rv = 0;
    for (int more = 1; more == 1 && rv == 0;) {
        buf_reset(&part);
        more = etcd_db_next(db, PART_BYTES, &part);
        sha256_add(sum, buf_slice(&part));
        rv = file_pwrite(file, part.data, part.len, at, err);
        at += part.len;
        tell_part("writing", at, etcd_db_size(db), &told_ms);
    }
    sha256_finish(sum, digest);
    if (rv == 0) {
        rv = file_pwrite(file, digest, sizeof digest, at, err);
    }
    return rv == 0 ? file_sync(file, err) : rv;
}

int state_file_write(struct store *s, const struct etcd_db_facts *facts, const char *path,
                     struct err *err)
{
    autofree char *part = mem_printf("%s.part", path);
    struct file *file;
    int rv = file_open(NULL, part, FILE_WRITE | FILE_CREATE | FILE_TRUNC, &file, err);
    if (rv != 0) {
        return rv;
    }
    struct store_pin *pin = store_pin(s);
    struct etcd_db *db = etcd_db_new(pin, facts);
    rv = write_parts(db, file, err);
    etcd_db_free(db);
    store_unpin(s, pin);
    file_close(file);
    if (rv == 0) {
        rv = fs_rename(NULL, part, path, err);
    }
    return rv == 0 ? state_sync_parent(path, err) : rv;
}
