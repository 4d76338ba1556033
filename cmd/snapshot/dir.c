/* Members' data directories; see state.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cmd/snapshot/state.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "raft/found.h"
#include "raft/snapshot_file.h"

/* What two readings of one state have in common. */
struct sight {
    int64_t revision, compact_revision, keys;
    uint64_t digest;
    uint32_t hash;
};

static void look(struct store *s, struct sight *ret)
{
    *ret = (struct sight){ .revision = store_revision(s),
                           .compact_revision = store_compact_revision(s),
                           .keys = store_live_keys(s), .digest = store_digest(s) };
    store_hash_kv(s, 0, &ret->hash);
}

static bool same(const struct sight *a, const struct sight *b)
{
    return a->revision == b->revision && a->compact_revision == b->compact_revision &&
           a->keys == b->keys && a->digest == b->digest && a->hash == b->hash;
}

int state_dir_free(const char *data_dir, struct err *err)
{
    char **names;
    size_t n = 0;
    if (!fs_exists(NULL, data_dir)) {
        return 0;
    }
    int rv = fs_list(NULL, data_dir, &names, &n, err);
    if (rv == 0) {
        fs_list_free(names, n);
    }
    return rv == 0 && n == 0 ? 0
                             : err_set(err, E_EXIST, "%s is there and not empty; a data directory "
                                       "is never overwritten. Next: another --data-dir, or move "
                                       "it away", data_dir);
}

/* --- reading back ----------------------------------------------------------------------------- */

static int read_back(const char *member_dir, struct sight *ret, struct err *err)
{
    autofree char *dir = mem_printf("%s/snap", member_dir);
    char *path = NULL;
    struct snapshot_reader r;
    struct store *s = NULL;
    autobuf chunk = BUF_INIT;
    int rv = snapshot_newest(NULL, dir, &path, err);
    if (rv == 0) {
        rv = snapshot_reader_open(&r, NULL, path, 0, err);
    }
    mem_free(path);
    if (rv != 0) {
        return rv;
    }
    struct store_restore *restore = store_restore_begin(NULL);
    while ((rv = snapshot_reader_next(&r, &chunk, err)) == 1) {
        rv = store_restore_chunk(restore, buf_slice(&chunk), err);
        if (rv != 0) {
            break;
        }
    }
    snapshot_reader_close(&r);
    if (rv != 0) {
        store_restore_abort(restore);
        return rv;
    }
    rv = store_restore_finish(restore, &s, err);
    if (rv == 0) {
        look(s, ret);
        store_free(s);
    }
    return rv;
}

/* --- making ----------------------------------------------------------------------------------- */

static int next_bytes(void *arg, struct buf *out)
{
    return store_pin_next(arg, out);
}

static int write_member(struct store *s, const struct state_found *f, const char *dir,
                        struct err *err)
{
    struct store_pin *pin = store_pin(s);
    struct found_options o = { .dir = dir, .cluster_id = f->cluster_id,
                               .member_id = f->member_id, .members = f->members,
                               .n_members = f->n_members, .index = f->index, .term = f->term,
                               .next = next_bytes, .arg = pin };
    int rv = found_member(&o, err);
    store_unpin(s, pin);
    return rv;
}

int state_sync_parent(const char *path, struct err *err)
{
    autofree char *parent = mem_strdup(path);
    char *slash = strrchr(parent, '/');
    if (slash == NULL) {
        return fs_sync_dir(NULL, ".", err);
    }
    slash[slash == parent ? 1 : 0] = '\0';
    return fs_sync_dir(NULL, parent, err);
}

/* The finished directory takes its place. */
static int put_in_place(const struct state_found *f, const char *made, struct err *err)
{
    int rv = 0;
    if (f->replaces != NULL) {
        rv = fs_rename(NULL, f->data_dir, f->replaces, err);
    } else if (remove(f->data_dir) != 0 && errno != ENOENT) { /* an empty one is in the way */
        rv = err_errno(err, errno, "%s", f->data_dir);
    }
    if (rv == 0) {
        rv = fs_rename(NULL, made, f->data_dir, err);
    }
    if (rv == 0) {
        rv = state_sync_parent(f->data_dir, err);
    }
    return rv == 0 ? 0 : err_prefix(err, "what was made is whole, in %s; rename it to %s", made,
                                    f->data_dir);
}

static char *without_slashes(const char *path)
{
    char *copy = mem_strdup(path);
    size_t n = strlen(copy);
    while (n > 1 && copy[n - 1] == '/') {
        copy[--n] = '\0';
    }
    return copy;
}

int state_found(struct store *s, const struct state_found *options, struct err *err)
{
    struct state_found f = *options;
    autofree char *data_dir = without_slashes(options->data_dir);
    autofree char *made = mem_printf("%s.unfinished", data_dir);
    autofree char *member = mem_printf("%s/member", made);
    struct sight before, after;
    f.data_dir = data_dir;
    int rv = f.replaces == NULL ? state_dir_free(data_dir, err) : 0;
    if (rv == 0 && fs_exists(NULL, made)) {
        rv = err_set(err, E_EXIST, "%s is there: another restore runs, or one was interrupted. "
                     "Next: make sure that none runs, and remove it", made);
    }
    if (rv != 0) {
        store_free(s);
        return rv;
    }
    state_say("writing %s", data_dir);
    look(s, &before);
    rv = write_member(s, &f, member, err);
    store_free(s); /* it is read back into the same memory */
    if (rv == 0) {
        state_say("reading it back");
        rv = read_back(member, &after, err);
    }
    if (rv == 0 && !same(&before, &after)) {
        rv = err_set(err, E_CORRUPT, "what was written reads differently: check the disk");
    }
    if (rv != 0) {
        (void)fs_remove_tree(NULL, made, NULL);
        return rv;
    }
    state_say("equal: %" PRId64 " keys, revision %" PRId64 ", hash %08x", after.keys,
              after.revision, after.hash);
    return put_in_place(&f, made, err);
}

/* --- replaying -------------------------------------------------------------------------------- */

struct replay {
    struct store *store;
    struct err err; /* the first */
};

static void on_apply(void *arg, uint64_t index, uint64_t term, struct slice bytes,
                     struct rnode_proposal *own)
{
    struct replay *r = arg;
    struct arena arena;
    struct command c;
    struct store_result result;
    (void)term;
    (void)own;
    if (r->err.code != 0) {
        return;
    }
    arena_init(&arena);
    store_result_init(&result);
    int rv = command_decode(bytes, &arena, &c);
    if (rv == 0) {
        store_apply(r->store, index, &c, &result);
    } else {
        err_set(&r->err, rv, "log entry %" PRIu64 " is no command that this version knows; use the "
                "one that wrote it", index);
    }
    store_result_fini(&result);
    arena_fini(&arena);
}

static void *on_begin(void *arg)
{
    (void)arg;
    return store_restore_begin(NULL);
}

static int on_chunk(void *arg, void *restore, struct slice bytes, struct err *err)
{
    (void)arg;
    return store_restore_chunk(restore, bytes, err);
}

static int on_commit(void *arg, void *restore, uint64_t index, struct err *err)
{
    struct replay *r = arg;
    (void)index;
    store_free(r->store);
    r->store = NULL;
    return store_restore_finish(restore, &r->store, err);
}

static void on_abort(void *arg, void *restore)
{
    (void)arg;
    store_restore_abort(restore);
}

int state_replay(const struct inspect *in, struct store **ret_store, struct err *err)
{
    struct replay r = { .store = store_new(NULL) };
    struct rnode_fsm fsm = { .arg = &r, .apply = on_apply, .restore_begin = on_begin,
                             .restore_chunk = on_chunk, .restore_commit = on_commit,
                             .restore_abort = on_abort };
    int rv = inspect_replay(in, &fsm, err);
    if (rv == 0 && r.err.code != 0) {
        *err = r.err;
        rv = r.err.code;
    }
    if (rv != 0) {
        store_free(r.store);
        return rv;
    }
    *ret_store = r.store;
    return 0;
}
