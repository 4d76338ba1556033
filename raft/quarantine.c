/* The note is <dir>/damaged, a line of text; the directories aside are <dir>.quarantine-N. */
#include "raft/quarantine.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"

int quarantine_mark(struct fs *fs, const char *dir, const struct err *why, struct err *err)
{
    autofree char *path = mem_printf("%s/damaged", dir);
    return fs_write_file_atomic(fs, path, slice_make(why->msg, strlen(why->msg)), err);
}

int quarantine_check(struct fs *fs, const char *dir, struct err *err)
{
    autofree char *path = mem_printf("%s/damaged", dir);
    autobuf text = BUF_INIT;
    if (!fs_exists(fs, path)) {
        return 0;
    }
    int rv = fs_read_file(fs, path, ERR_MSG_MAX, &text, err);
    return rv != 0 && rv != E_TOOBIG
               ? rv
               : err_set(err, E_CORRUPT, "found while it ran: %.*s", (int)text.len,
                         (const char *)text.data);
}

static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? mem_strdup(".") : mem_printf("%.*s", (int)(slash - path), path);
}

/* "member.quarantine-7" -> 7 when base is "member"; 0 for any other name. */
static uint64_t number_of(const char *name, const char *base)
{
    size_t len = strlen(base);
    const char *tail = name + len;
    if (strncmp(name, base, len) != 0 || strncmp(tail, ".quarantine-", 12) != 0) {
        return 0;
    }
    char *end;
    unsigned long long k = strtoull(tail + 12, &end, 10);
    return *end == '\0' && k < UINT64_MAX ? (uint64_t)k : 0;
}

/* The highest number there is; removes those that would be too many beside one more. */
static int tidy(struct fs *fs, const char *parent, const char *base, uint64_t *ret_highest,
                struct err *err)
{
    char **names;
    size_t n;
    uint64_t highest = 0;
    int rv = fs_list(fs, parent, &names, &n, err);
    if (rv != 0) {
        return rv;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t k = number_of(names[i], base);
        highest = k > highest ? k : highest;
    }
    for (size_t i = 0; i < n && rv == 0; i++) {
        uint64_t k = number_of(names[i], base);
        if (k != 0 && k + QUARANTINES_KEPT <= highest + 1) {
            autofree char *path = mem_printf("%s/%s", parent, names[i]);
            rv = fs_remove_tree(fs, path, err);
        }
    }
    fs_list_free(names, n);
    *ret_highest = highest;
    return rv;
}

int quarantine_room(struct fs *fs, const char *dir, uint64_t bytes, struct err *err)
{
    autofree char *path = mem_printf("%s.room.tmp", dir);
    autofree char *parent = parent_of(dir);
    struct file *file;
    int rv = fs_mkdir_p(fs, parent, 0700, err);
    if (rv != 0) {
        return rv;
    }
    rv = file_open(fs, path, FILE_READ | FILE_WRITE | FILE_CREATE | FILE_TRUNC, &file, err);
    if (rv != 0) {
        return rv;
    }
    rv = file_allocate(file, bytes, err);
    file_close(file);
    int rv_unlink = fs_unlink(fs, path, rv == 0 ? err : NULL);
    return rv != 0 ? rv : rv_unlink;
}

bool quarantine_any(struct fs *fs, const char *dir)
{
    autofree char *parent = parent_of(dir);
    const char *slash = strrchr(dir, '/');
    char **names;
    size_t n;
    bool any = false;
    if (fs_list(fs, parent, &names, &n, NULL) != 0) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        any = any || number_of(names[i], slash != NULL ? slash + 1 : dir) != 0;
    }
    fs_list_free(names, n);
    return any;
}

bool quarantine_due(struct fs *fs, const char *dir)
{
    char **names;
    size_t n;
    bool due = false;
    if (fs_list(fs, dir, &names, &n, NULL) != 0) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        due = due || (!str_eq(names[i], "lock") && !str_ends(names[i], ".tmp"));
    }
    fs_list_free(names, n);
    return due;
}

int quarantine_move(struct fs *fs, const char *dir, char *ret_to, size_t size, struct err *err)
{
    autofree char *parent = parent_of(dir);
    const char *slash = strrchr(dir, '/');
    uint64_t highest = 0;
    int rv = tidy(fs, parent, slash != NULL ? slash + 1 : dir, &highest, err);
    if (rv != 0) {
        return rv;
    }
    autofree char *to = mem_printf("%s.quarantine-%llu", dir, (unsigned long long)highest + 1);
    rv = fs_rename(fs, dir, to, err);
    if (rv == 0) {
        rv = fs_sync_dir(fs, parent, err);
    }
    if (rv == 0) {
        str_copy(ret_to, size, to);
    }
    return rv;
}
