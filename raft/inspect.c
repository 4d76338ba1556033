/* The same checks as at a member's start (recover.c), but nothing is mended, removed or written. */
#include "raft/inspect.h"

#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/codec/mp.h"
#include "raft/configuration.h"
#include "raft/meta.h"
#include "raft/node.h"
#include "raft/quarantine.h"
#include "raft/snapshot_file.h"
#include "raft/wal_file.h"

/* --- identity --- */

static int read_meta(struct inspect *in, struct err *err)
{
    autofree char *path = mem_printf("%s/meta", in->dir);
    autobuf bytes = BUF_INIT;
    struct meta m = { 0 };
    int rv = fs_read_file(in->fs, path, META_BYTES, &bytes, err);
    if (rv == 0) {
        rv = meta_parse(buf_slice(&bytes), path, &m, err);
    }
    if (rv == 0 && !m.ready) {
        rv = err_set(err, E_NOTFOUND, "%s: this member has never started", in->dir);
    }
    in->cluster_id = m.cluster_id;
    in->member_id = m.member_id;
    in->term = m.term;
    return rv;
}

/* --- snapshot --- */

static int find_snapshot(struct inspect *in, struct err *err)
{
    autofree char *dir = mem_printf("%s/snap", in->dir);
    char **names;
    size_t n;
    int rv = fs_list(in->fs, dir, &names, &n, err);
    if (rv != 0) {
        return rv;
    }
    for (size_t i = 0; i < n; i++) { /* byte order is index order */
        if (str_ends(names[i], ".snap")) {
            mem_free(in->snapshot);
            in->snapshot = mem_printf("%s/%s", dir, names[i]);
        }
    }
    fs_list_free(names, n);
    return 0;
}

static int take_configuration(struct inspect *in, struct slice bytes, struct err *err)
{
    if (configuration_check(bytes) != 0) {
        return err_set(err, E_CORRUPT, "%s: the list of members is damaged", in->dir);
    }
    struct raft_configuration conf;
    configuration_decode(bytes, &conf);
    in->n_members = 0;
    for (unsigned i = 0; i < conf.n && i < LIMIT_PEERS; i++) {
        struct rnode_member *m = &in->members[in->n_members++];
        *m = (struct rnode_member){ .id = conf.servers[i].id };
        m->role = conf.servers[i].role == RAFT_VOTER ? RNODE_VOTER : RNODE_LEARNER;
        str_copy(m->peer_address, sizeof m->peer_address, conf.servers[i].address);
    }
    raft_configuration_close(&conf);
    return 0;
}

static int read_snapshot_head(struct inspect *in, struct err *err)
{
    struct snapshot_reader r;
    int rv = find_snapshot(in, err);
    if (rv != 0 || in->snapshot == NULL) {
        return rv;
    }
    rv = snapshot_reader_open(&r, in->fs, in->snapshot, in->cluster_id, err);
    if (rv != 0) {
        return rv;
    }
    in->snapshot_index = in->last_index = in->commit_index = r.info.index;
    in->snapshot_term = in->last_term = r.info.term;
    rv = take_configuration(in, value_slice(r.info.conf), err);
    snapshot_reader_close(&r);
    return rv;
}

/* --- log --- */

static void on_entry(void *arg, uint64_t index, uint64_t term, uint32_t type, struct slice data)
{
    struct inspect *in = arg;
    if (index < in->log.first || index > in->log.last + 1) {
        entry_log_reset(&in->log, index);
    } else if (index <= in->log.last) {
        entry_log_truncate(&in->log, index);
    }
    entry_log_append(&in->log, term, type, value_new(data.data, data.len));
}

static void on_reset(void *arg, uint64_t index, uint64_t term)
{
    struct inspect *in = arg;
    (void)term;
    entry_log_reset(&in->log, index + 1);
}

/* A report of a digest names an index that its member had applied (digest.c). */
static void take_command(struct inspect *in, const struct entry *e)
{
    struct envelope env;
    struct mp_reader r;
    if (envelope_decode(value_slice(e->data), &env) != 0 || env.kind != COMMAND_REPORT) {
        return;
    }
    mp_reader_init(&r, env.command);
    mp_get_array(&r, 64);
    mp_get_u64(&r);
    uint64_t index = mp_get_u64(&r);
    if (mp_reader_error(&r) == 0 && index > in->commit_index && index <= in->last_index) {
        in->commit_index = index;
    }
}

static int look_at_log(struct inspect *in, struct err *err)
{
    const struct entry *at = entry_log_get(&in->log, in->snapshot_index);
    bool holds = at != NULL ? at->term == in->snapshot_term
                            : in->log.first == in->snapshot_index + 1;
    if (in->log.first > in->snapshot_index + 1) {
        return err_set(err, E_CORRUPT, "%s: the log begins at %" PRIu64 ", the snapshot ends at %"
                       PRIu64, in->dir, in->log.first, in->snapshot_index);
    }
    if (!holds) { /* it ends before the snapshot: a start would drop it */
        entry_log_reset(&in->log, in->snapshot_index + 1);
    }
    in->first_index = in->log.first;
    for (uint64_t i = in->snapshot_index + 1; i <= in->log.last; i++) {
        const struct entry *e = entry_log_get(&in->log, i);
        in->last_index = i;
        in->last_term = e->term;
        if (e->type == RAFT_CHANGE) {
            int rv = take_configuration(in, value_slice(e->data), err);
            if (rv != 0) {
                return rv;
            }
        } else if (e->type == RAFT_COMMAND) {
            take_command(in, e);
        }
    }
    return 0;
}

static int read_log(struct inspect *in, struct err *err)
{
    autofree char *dir = mem_printf("%s/wal", in->dir);
    struct wal_options o = { .fs = in->fs, .dir = dir, .cluster_id = in->cluster_id,
                             .member_id = in->member_id };
    struct wal_sink sink = { .entry = on_entry, .reset = on_reset, .arg = in };
    struct wal_files f;
    wal_files_init(&f, &o);
    f.read_only = true;
    int rv = wal_files_scan(&f, &sink, err);
    wal_files_fini(&f);
    return rv == 0 ? look_at_log(in, err) : rv;
}

/* --- all of it --- */

int inspect_open(struct fs *fs, const char *dir, struct inspect *ret_inspect, struct err *err)
{
    struct inspect in = { .fs = fs, .dir = mem_strdup(dir) };
    autofree char *meta = mem_printf("%s/meta", dir);
    autofree char *lock = mem_printf("%s/lock", dir);
    entry_log_init(&in.log, 1);
    int rv = 0;
    if (!fs_exists(fs, meta)) {
        rv = err_set(err, E_NOTFOUND, "%s is not a member's data", dir);
    }
    if (rv == 0) {
        rv = fs_lock(fs, lock, &in.lock, err);
    }
    if (rv == 0) {
        rv = quarantine_check(fs, dir, err);
    }
    if (rv == 0) {
        rv = read_meta(&in, err);
    }
    if (rv == 0) {
        rv = read_snapshot_head(&in, err);
    }
    if (rv == 0) {
        rv = read_log(&in, err);
    }
    if (rv != 0) {
        inspect_close(&in);
        return rv;
    }
    *ret_inspect = in;
    return 0;
}

static int replay_snapshot(const struct inspect *in, const struct rnode_fsm *fsm, struct err *err)
{
    struct snapshot_reader r;
    autobuf chunk = BUF_INIT;
    int rv = snapshot_reader_open(&r, in->fs, in->snapshot, in->cluster_id, err);
    if (rv != 0) {
        return rv;
    }
    void *restore = fsm->restore_begin(fsm->arg);
    while ((rv = snapshot_reader_next(&r, &chunk, err)) == 1) {
        rv = fsm->restore_chunk(fsm->arg, restore, buf_slice(&chunk), err);
        if (rv != 0) {
            break;
        }
    }
    snapshot_reader_close(&r);
    if (rv != 0) {
        fsm->restore_abort(fsm->arg, restore);
        return rv;
    }
    return fsm->restore_commit(fsm->arg, restore, in->snapshot_index, err);
}

int inspect_replay(const struct inspect *in, const struct rnode_fsm *fsm, struct err *err)
{
    int rv = in->snapshot != NULL ? replay_snapshot(in, fsm, err) : 0;
    for (uint64_t i = in->snapshot_index + 1; i <= in->log.last && rv == 0; i++) {
        const struct entry *e = entry_log_get(&in->log, i);
        struct envelope env;
        if (e->type != RAFT_COMMAND) {
            continue;
        }
        if (envelope_decode(value_slice(e->data), &env) != 0) {
            rv = err_set(err, E_UNSUPPORTED, "%s: log entry %" PRIu64 " is of another version of "
                         "Barque; use that one", in->dir, i);
        } else if (env.kind == COMMAND_USER) {
            fsm->apply(fsm->arg, i, e->term, env.command, NULL);
        }
    }
    return rv;
}

void inspect_close(struct inspect *in)
{
    entry_log_fini(&in->log);
    file_close(in->lock);
    mem_free(in->snapshot);
    mem_free(in->dir);
    *in = (struct inspect){ 0 };
}
