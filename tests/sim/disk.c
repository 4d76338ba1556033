/* lib/io/file.h over a simulated disk: what programs see (the page cache), and what survives a
 * power cut.
 *
 * Data: pages of 4 KiB; a written page keeps its synced bytes in `old` until file_sync. A crash
 * keeps or loses each dirty 512-byte sector, by a policy drawn per crash: all lost, all kept, any
 * subset, or those written first (a torn tail). A size is as of the last sync, or newer. A
 * truncation is all or nothing. Names: creations, renames and removals are a journal, and each
 * directory has its own order in it: fs_sync_dir makes the entries of that directory durable and no
 * others, a crash those up to any one after that. mkdir is durable at once.
 *
 * A disk may be told to die before its n-th operation (a crash in the middle of a job), or to fail.
 * */
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/io/file.h"
#include "tests/sim/disk.h"
#include "tests/sim/sim.h"

/* --- inodes ----------------------------------------------------------------------------------- */

struct inode *inode_create(void)
{
    struct inode *n = mem_zalloc(sizeof *n);
    n->refs = 1;
    return n;
}

void inode_unref(struct inode *n)
{
    if (--n->refs > 0) {
        return;
    }
    for (size_t i = 0; i < n->n_pages; i++) {
        if (n->pages[i] != NULL) {
            mem_free(n->pages[i]->old);
            mem_free(n->pages[i]);
        }
    }
    mem_free(n->pages);
    mem_free(n->dirty);
    mem_free(n);
}

static void inode_reserve(struct inode *n, size_t pages)
{
    if (pages > n->n_pages) {
        size_t grown = n->n_pages * 2 > pages ? n->n_pages * 2 : pages;
        n->pages = mem_realloc(n->pages, grown * sizeof *n->pages);
        memset(n->pages + n->n_pages, 0, (grown - n->n_pages) * sizeof *n->pages);
        n->n_pages = grown;
    }
}

/* The page, ready to be changed: its synced bytes are kept. */
static struct page *page_dirty(struct inode *n, size_t i)
{
    inode_reserve(n, i + 1);
    struct page *p = n->pages[i];
    if (p == NULL) {
        p = n->pages[i] = mem_zalloc(sizeof *p);
    }
    if (!p->listed) {
        p->listed = true;
        p->sectors = p->lost ? UINT8_MAX : p->sectors; /* a page is written as a whole */
        n->dirty = mem_grow(n->dirty, &n->dirty_cap, n->n_dirty + 1, sizeof *n->dirty);
        n->dirty[n->n_dirty++] = i;
        if (p->old == NULL && p->synced) {
            p->old = mem_alloc(PAGE_BYTES);
        }
        if (p->synced && !p->lost) {
            memcpy(p->old, p->data, PAGE_BYTES);
        }
    }
    return p;
}

void inode_write(struct inode *n, struct slice bytes, uint64_t offset)
{
    while (bytes.len > 0) {
        size_t at = (size_t)(offset % PAGE_BYTES);
        size_t len = PAGE_BYTES - at < bytes.len ? PAGE_BYTES - at : bytes.len;
        struct page *p = page_dirty(n, (size_t)(offset / PAGE_BYTES));
        memcpy(p->data + at, bytes.data, len);
        for (size_t sector = at / SECTOR_BYTES; sector <= (at + len - 1) / SECTOR_BYTES; sector++) {
            p->sectors |= (uint8_t)(1u << sector);
        }
        offset += len;
        bytes = slice_make(bytes.data + len, bytes.len - len);
    }
    n->size = offset > n->size ? offset : n->size;
}

size_t inode_read(const struct inode *n, uint8_t *out, size_t len, uint64_t offset)
{
    if (offset >= n->size) {
        return 0;
    }
    len = n->size - offset < len ? (size_t)(n->size - offset) : len;
    for (size_t done = 0; done < len;) {
        size_t i = (size_t)((offset + done) / PAGE_BYTES);
        size_t at = (size_t)((offset + done) % PAGE_BYTES);
        size_t part = PAGE_BYTES - at < len - done ? PAGE_BYTES - at : len - done;
        if (i < n->n_pages && n->pages[i] != NULL) {
            memcpy(out + done, n->pages[i]->data + at, part);
        } else {
            memset(out + done, 0, part);
        }
        done += part;
    }
    return len;
}

static void page_clean(struct page *p)
{
    p->listed = p->lost = false;
    p->synced = true;
    p->sectors = 0;
}

void inode_sync(struct inode *n)
{
    for (size_t i = 0; i < n->n_dirty; i++) {
        page_clean(n->pages[n->dirty[i]]);
    }
    n->n_dirty = 0;
    n->synced_size = n->size;
    n->truncated = false;
}

void inode_sync_fails(struct inode *n)
{
    for (size_t i = 0; i < n->n_dirty; i++) {
        struct page *p = n->pages[n->dirty[i]];
        p->listed = false;
        p->lost = true;
    }
    n->n_dirty = 0;
}

bool inode_has_lost(const struct inode *n)
{
    for (size_t i = 0; i < n->n_pages; i++) {
        if (n->pages[i] != NULL && n->pages[i]->lost && !n->pages[i]->listed) {
            return true;
        }
    }
    return false;
}

void inode_truncate(struct inode *n, uint64_t size)
{
    uint64_t end = n->size;
    uint8_t zeros[PAGE_BYTES] = { 0 };
    for (uint64_t at = size; at < end;) {
        size_t i = (size_t)(at / PAGE_BYTES);
        uint64_t next = (uint64_t)(i + 1) * PAGE_BYTES < end ? (uint64_t)(i + 1) * PAGE_BYTES : end;
        if (i < n->n_pages && n->pages[i] != NULL) {
            inode_write(n, slice_make(zeros, (size_t)(next - at)), at);
        }
        at = next;
    }
    n->truncated = n->truncated || size < end;
    n->size = size;
}

/* One sector of a dirty page after the cut. */
static bool sector_kept(struct sim *s, enum crash_policy policy, bool *prefix)
{
    switch (policy) {
    case CRASH_LOSE:
        return false;
    case CRASH_KEEP:
        return true;
    case CRASH_ANY:
        return rng_chance(&s->rng, 0.5);
    case CRASH_NOT:
    case CRASH_DRAWN:
    case CRASH_PREFIX:
        break;
    }
    *prefix = *prefix && rng_chance(&s->rng, 0.8);
    return *prefix;
}

static void page_crash(struct sim *s, struct page *p, enum crash_policy policy, bool *prefix)
{
    static const uint8_t ZEROS[SECTOR_BYTES];
    for (unsigned i = 0; i < PAGE_BYTES / SECTOR_BYTES; i++) {
        if ((p->sectors >> i & 1) != 0 && !sector_kept(s, policy, prefix)) {
            memcpy(p->data + i * SECTOR_BYTES, p->synced ? p->old + i * SECTOR_BYTES : ZEROS,
                   SECTOR_BYTES);
        }
    }
    page_clean(p);
}

static void inode_crash(struct sim *s, struct inode *n, enum crash_policy policy)
{
    bool prefix = true;
    if (n->truncated) {
        policy = rng_chance(&s->rng, 0.5) ? CRASH_KEEP : CRASH_LOSE;
    }
    for (size_t i = 0; i < n->n_dirty; i++) {
        page_crash(s, n->pages[n->dirty[i]], policy, &prefix);
    }
    n->n_dirty = 0;
    for (size_t i = 0; i < n->n_pages; i++) {
        if (n->pages[i] != NULL && n->pages[i]->lost) {
            page_crash(s, n->pages[i], CRASH_LOSE, &prefix);
        }
    }
    if (policy == CRASH_LOSE || (policy != CRASH_KEEP && rng_chance(&s->rng, 0.5))) {
        n->size = n->synced_size;
    }
    n->synced_size = n->size;
    n->truncated = false;
}

/* --- names ------------------------------------------------------------------------------------ */

struct name *names_find(struct names *t, const char *path)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->items[i].path, path) == 0) {
            return &t->items[i];
        }
    }
    return NULL;
}

static void names_remove(struct names *t, const char *path)
{
    struct name *it = names_find(t, path);
    if (it != NULL) {
        inode_unref(it->inode);
        *it = t->items[--t->n];
    }
}

/* PRE: it has no such name. */
static void names_add(struct names *t, const char *path, struct inode *inode)
{
    inode->refs++;
    t->items = mem_grow(t->items, &t->cap, t->n + 1, sizeof *t->items);
    struct name *it = &t->items[t->n++];
    INVARIANT(str_copy(it->path, sizeof it->path, path));
    it->inode = inode;
}

static void names_put(struct names *t, const char *path, struct inode *inode)
{
    inode->refs++;
    names_remove(t, path);
    names_add(t, path, inode);
    inode->refs--;
}

static void names_clear(struct names *t)
{
    while (t->n > 0) {
        inode_unref(t->items[--t->n].inode);
    }
}

/* An entry of the journal: `to` gets the inode (when there is one), `from` goes (when there is
 * one). */
/* A directory is the beginning of its files' names. */
static void rename_dir(struct names *t, const struct change *c)
{
    size_t n = strlen(c->from);
    for (size_t i = 0; i < t->n; i++) {
        char *path = t->items[i].path;
        if (strncmp(path, c->from, n) == 0 && path[n] == '/') {
            char to[2 * PATH_BYTES];
            snprintf(to, sizeof to, "%s%s", c->to, path + n);
            INVARIANT(str_copy(path, sizeof t->items[i].path, to));
        }
    }
}

static void change_apply(struct names *t, const struct change *c)
{
    if (c->inode == NULL && c->to[0] != '\0') {
        rename_dir(t, c);
        return;
    }
    if (c->from[0] != '\0') {
        names_remove(t, c->from);
    }
    if (c->inode != NULL) {
        names_put(t, c->to, c->inode);
    }
}

static bool below(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && path[n] == '/';
}

/* What was changed in a directory goes with it when that is renamed. Only data that nobody reads
 * any more is moved aside, so it may as well be durable at once. */
static void journal_settle(struct fs *fs, const char *dir)
{
    size_t kept = 0;
    for (size_t i = 0; i < fs->n_journal; i++) {
        struct change *c = &fs->journal[i];
        if (!below(c->from, dir) && !below(c->to, dir)) {
            fs->journal[kept++] = *c;
            continue;
        }
        change_apply(&fs->durable, c);
        if (c->inode != NULL) {
            inode_unref(c->inode);
        }
    }
    fs->n_journal = kept;
}

void fs_change(struct fs *fs, const char *from, const char *to, struct inode *inode)
{
    struct change c = { .inode = inode };
    str_copy(c.from, sizeof c.from, from);
    str_copy(c.to, sizeof c.to, to);
    if (inode != NULL) {
        inode->refs++;
    } else if (to[0] != '\0') {
        journal_settle(fs, from);
    }
    change_apply(&fs->seen, &c);
    fs->journal = mem_grow(fs->journal, &fs->journal_cap, fs->n_journal + 1, sizeof *fs->journal);
    fs->journal[fs->n_journal++] = c;
}

static bool in_dir(const char *path, const char *dir)
{
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && path[n] == '/' && strchr(path + n + 1, '/') == NULL;
}

/* Takes the entries of one directory (NULL: of all) out of the journal's first n: they are durable
 * now, or lost. */
static void journal_take(struct fs *fs, const char *dir, size_t n, bool durable)
{
    size_t kept = 0;
    for (size_t i = 0; i < fs->n_journal; i++) {
        struct change *c = &fs->journal[i];
        if (i >= n || (dir != NULL && !in_dir(c->to, dir) && !in_dir(c->from, dir))) {
            fs->journal[kept++] = *c;
            continue;
        }
        if (durable) {
            change_apply(&fs->durable, c);
        }
        if (c->inode != NULL) {
            inode_unref(c->inode);
        }
    }
    fs->n_journal = kept;
}

/* Behind the last rename of a directory among the first n entries. The entries before one name
 * places that are elsewhere after it, and those after it the other way round: nothing passes it. */
static size_t moved_before(const struct fs *fs, size_t n)
{
    while (n > 0 && (fs->journal[n - 1].inode != NULL || fs->journal[n - 1].to[0] == '\0')) {
        n--;
    }
    return n;
}

void fs_commit_dir(struct fs *fs, const char *dir)
{
    size_t upto = fs->n_journal;
    while (upto > 0 && !in_dir(fs->journal[upto - 1].to, dir) &&
           !in_dir(fs->journal[upto - 1].from, dir)) {
        upto--;
    }
    journal_take(fs, NULL, moved_before(fs, upto), true);
    journal_take(fs, dir, fs->n_journal, true);
}

/* Any subset: each directory keeps its own changes up to one of them. */
static void journal_crash_any(struct fs *fs)
{
    if (moved_before(fs, fs->n_journal) > 0) {
        journal_take(fs, NULL, (size_t)rng_range(&fs->sim->rng, 0, fs->n_journal), true);
        journal_take(fs, NULL, fs->n_journal, false);
    }
    while (fs->n_journal > 0) {
        const struct change *c = &fs->journal[0];
        char dir[PATH_BYTES];
        str_copy(dir, sizeof dir, c->to[0] != '\0' ? c->to : c->from);
        *strrchr(dir, '/') = '\0';
        journal_take(fs, dir, (size_t)rng_range(&fs->sim->rng, 0, fs->n_journal), true);
        journal_take(fs, dir, fs->n_journal, false);
    }
}

/* --- the disk --------------------------------------------------------------------------------- */

struct fs *sim_fs_new(struct sim *s)
{
    struct fs *fs = mem_zalloc(sizeof *fs);
    fs->sim = s;
    fs->policy = CRASH_DRAWN;
    return fs;
}

void sim_fs_free(struct fs *fs)
{
    if (fs == NULL) {
        return;
    }
    journal_take(fs, NULL, fs->n_journal, false);
    names_clear(&fs->seen);
    names_clear(&fs->durable);
    mem_free(fs->seen.items);
    mem_free(fs->durable.items);
    mem_free(fs->journal);
    mem_free(fs);
}

void sim_fs_crash(struct fs *fs)
{
    struct sim *s = fs->sim;
    enum crash_policy policy = fs->policy;
    if (policy == CRASH_NOT) {
        fs->policy = CRASH_LOSE;
        return;
    }
    if (policy == CRASH_DRAWN) {
        policy = (enum crash_policy)rng_range(&s->rng, CRASH_LOSE, CRASH_PREFIX);
    }
    if (policy == CRASH_ANY) {
        journal_crash_any(fs);
    } else if (policy == CRASH_PREFIX) {
        journal_take(fs, NULL, (size_t)rng_range(&s->rng, 0, fs->n_journal), true);
    }
    journal_take(fs, NULL, fs->n_journal, policy == CRASH_KEEP);
    for (size_t i = 0; i < fs->durable.n; i++) {
        inode_crash(s, fs->durable.items[i].inode, policy);
    }
    names_clear(&fs->seen);
    for (size_t i = 0; i < fs->durable.n; i++) {
        names_add(&fs->seen, fs->durable.items[i].path, fs->durable.items[i].inode);
    }
}

void sim_fs_end_life(struct fs *fs)
{
    fs->die_after = fs->fail_after = 0;
    for (size_t i = 0; i < fs->seen.n; i++) {
        fs->seen.items[i].inode->locked = false;
    }
}

void sim_fs_set_full(struct fs *fs, bool full)
{
    fs->full = full;
}

bool sim_fs_is_full(const struct fs *fs)
{
    return fs->full;
}

/* Is this the newest page of a log? Where that is lost whole, nothing tells that it ever was. */
static bool is_log_end(const struct name *file, size_t page)
{
    size_t len = strlen(file->path);
    bool later = false;
    for (size_t k = page + 1; k < file->inode->n_pages; k++) {
        later = later || file->inode->pages[k] != NULL;
    }
    return !later && len > 4 && strcmp(file->path + len - 4, ".wal") == 0;
}

/* One page that was written, drawn among all; to replace `other` (unless NULL): no log's end. */
static struct page *any_page(struct fs *fs, const struct page *other, const char **ret_path,
                             uint64_t *ret_offset)
{
    struct sim *s = fs->sim;
    size_t n = 0;
    struct page *found = NULL;
    for (size_t i = 0; i < fs->seen.n; i++) {
        struct inode *inode = fs->seen.items[i].inode;
        for (size_t k = 0; k < inode->n_pages; k++) {
            if (inode->pages[k] != NULL && inode->pages[k] != other &&
                (other == NULL || !is_log_end(&fs->seen.items[i], k)) &&
                rng_range(&s->rng, 0, n++) == 0) {
                found = inode->pages[k];
                *ret_path = fs->seen.items[i].path;
                *ret_offset = k * PAGE_BYTES;
            }
        }
    }
    return found;
}

bool sim_fs_flip(struct fs *fs, const char **ret_path, uint64_t *ret_offset)
{
    struct sim *s = fs->sim;
    struct page *found = any_page(fs, NULL, ret_path, ret_offset);
    if (found != NULL) {
        size_t at = (size_t)rng_range(&s->rng, 0, PAGE_BYTES - 1);
        found->data[at] ^= (uint8_t)(1u << rng_range(&s->rng, 0, 7));
        *ret_offset += at;
    }
    return found != NULL;
}

bool sim_fs_misdirect(struct fs *fs, const char **ret_path, uint64_t *ret_offset)
{
    const struct page *from = any_page(fs, NULL, ret_path, ret_offset);
    struct page *to = from != NULL ? any_page(fs, from, ret_path, ret_offset) : NULL;
    if (to != NULL) {
        memcpy(to->data, from->data, PAGE_BYTES);
    }
    return to != NULL;
}

void sim_fs_die_after(struct fs *fs, uint64_t n)
{
    fs->die_after = n;
}

void sim_fs_fail_after(struct fs *fs, uint64_t n, int error)
{
    fs->fail_after = n;
    fs->fail_error = error;
}

int fs_looking(struct fs *fs, const struct disk_op *op, struct err *err)
{
    return fs->hook != NULL ? fs->hook(fs, op, err) : 0;
}

int fs_operation(struct fs *fs, const struct disk_op *op, struct err *err)
{
    if (fs->die_after > 0 && --fs->die_after == 0) {
        node_die(fs->sim->running);
    }
    if (fs->fail_after > 0 && --fs->fail_after == 0) {
        fs->sim->running->broken = true;
        return err_set(err, fs->fail_error, "injected disk error");
    }
    return fs_looking(fs, op, err);
}
