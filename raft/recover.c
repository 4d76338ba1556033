/* Opening the data directory: <dir>/lock, meta (identity, term, vote), wal/, snap/.
 *
 *   empty:      set up. meta says "not ready" until all is on disk, so a crash in between starts
 *               over.
 *   not empty:  identity must match; the newest snapshot is restored, the WAL read, and both must
 *               fit: the log holds the snapshot's last entry, or ends before it and is dropped (a
 *               crash during an installation, or a disk slower than the commit). Anything else is
 *               damage and is told. */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "raft/configuration.h"
#include "raft/node.h"
#include "raft/quarantine.h"
#include "raft/wal_file.h"

/* --- an empty directory --- */

static bool is_founder(const struct rnode *n)
{
    if (n->meta.joined) {
        return false;
    }
    for (size_t i = 0; i < n->options.n_initial; i++) {
        if (n->options.initial[i].id == n->id) {
            return true;
        }
    }
    return false;
}

/* The founders' configuration: the same bytes on each of them. */
static int founders(const struct rnode *n, struct value **ret_data, struct err *err)
{
    struct raft_configuration conf;
    raft_configuration_init(&conf);
    int rv = 0;
    for (size_t i = 0; i < n->options.n_initial && rv == 0; i++) {
        const struct rnode_member *m = &n->options.initial[i];
        rv = raft_configuration_add(&conf, m->id, m->peer_address,
                                    m->role == RNODE_VOTER ? RAFT_VOTER : RAFT_STANDBY);
    }
    if (rv != 0) {
        rv = err_set(err, E_INVAL, "--initial-cluster: %s", raft_strerror(rv));
    } else {
        *ret_data = configuration_encode(&conf);
        rv = configuration_check(value_slice(*ret_data));
        if (rv != 0) {
            value_unref(*ret_data);
            rv = err_set(err, E_INVAL, "--initial-cluster: too many members or a bad address");
        }
    }
    raft_configuration_close(&conf);
    return rv;
}

static void wal_options_fill(struct rnode *n, struct wal_options *o)
{
    *o = (struct wal_options){ .loop = n->loop, .fs = n->fs, .dir = n->wal_dir,
                               .cluster_id = n->cluster_id, .member_id = n->id,
                               .segment_bytes = n->tuning.wal_segment_bytes,
                               .no_fsync = n->options.unsafe_no_fsync, .arg = n };
}

/* A fresh WAL: entry 1 of the founders, or nothing (a joiner hears from the leader). */
static int create_wal(struct rnode *n, struct err *err)
{
    struct wal_options o;
    struct wal_files f;
    wal_options_fill(n, &o);
    wal_files_init(&f, &o);
    int rv = wal_files_roll(&f, false, 0, 0, 0, err);
    if (rv == 0 && is_founder(n)) {
        struct value *data = NULL;
        rv = founders(n, &data, err);
        if (rv == 0) {
            rv = wal_files_append(&f, 1, 1, RAFT_CHANGE, value_slice(data), err);
            value_unref(data);
        }
        if (rv == 0) {
            rv = wal_files_sync(&f, err);
        }
    }
    wal_files_fini(&f);
    return rv;
}

static int remove_if_there(struct fs *fs, const char *path, struct err *err)
{
    return fs_exists(fs, path) ? fs_remove_tree(fs, path, err) : 0;
}

static int set_up(struct rnode *n, struct err *err)
{
    struct fs *fs = n->fs;
    int rv = remove_if_there(fs, n->wal_dir, err);
    if (rv == 0) {
        rv = remove_if_there(fs, n->snapshots.dir, err);
    }
    if (rv == 0) {
        rv = fs_mkdir_p(fs, n->wal_dir, 0700, err);
    }
    if (rv == 0) {
        rv = fs_mkdir_p(fs, n->snapshots.dir, 0700, err);
    }
    if (rv == 0) {
        rv = create_wal(n, err);
    }
    if (rv == 0) {
        rv = fs_sync_dir(fs, n->options.dir, err);
    }
    if (rv != 0) {
        return rv;
    }
    n->meta.ready = true;
    n->meta.term = is_founder(n) ? 1 : 0;
    log_info("raft", "set up an empty data directory", "dir=%s member=%016" PRIx64 " cluster=%016"
             PRIx64, n->options.dir, n->id, n->cluster_id);
    return meta_store(&n->meta, err);
}

/* --- identity --- */

static uint64_t own_id(const struct rnode *n)
{
    for (size_t i = 0; i < n->options.n_initial; i++) {
        if (str_eq(n->options.initial[i].peer_address, n->options.peer_listen)) {
            return n->options.initial[i].id;
        }
    }
    return rnode_member_id(n->options.peer_listen, "");
}

static int create_meta(struct rnode *n, const char *path, struct err *err)
{
    char **names;
    size_t count;
    int rv = fs_list(n->fs, n->options.dir, &names, &count, err);
    if (rv != 0) {
        return rv;
    }
    for (size_t i = 0; i < count && rv == 0; i++) {
        if (!str_eq(names[i], "lock") && !str_ends(names[i], ".tmp")) {
            rv = err_set(err, E_MISMATCH, "%s is neither empty nor a Barque data directory (it "
                         "holds \"%s\"); choose another --data-dir", n->options.dir, names[i]);
        }
    }
    fs_list_free(names, count);
    if (rv != 0) {
        return rv;
    }
    n->cluster_id = n->options.cluster_id;
    n->id = n->options.member_id != 0 ? n->options.member_id : own_id(n);
    n->meta = (struct meta){ .cluster_id = n->cluster_id, .member_id = n->id,
                             .joined = n->options.join };
    return meta_create(n->fs, n->options.dir, path, &n->meta, err);
}

/* The ids of a member that was let in were given to it; founders' are those of their flags. */
static int check_identity(struct rnode *n, struct err *err)
{
    const struct rnode_options *o = &n->options;
    if (n->meta.joined || o->join) {
        n->cluster_id = n->meta.cluster_id;
        n->id = n->meta.member_id;
        n->options.n_initial = 0; /* the configuration in the log says who is who */
        return 0;
    }
    if (o->cluster_id != 0 && o->cluster_id != n->meta.cluster_id) {
        return err_set(err, E_MISMATCH, "%s belongs to cluster %016" PRIx64 ", not to %016" PRIx64
                       "; check --data-dir, --initial-cluster and --initial-cluster-token", o->dir,
                       n->meta.cluster_id, o->cluster_id);
    }
    if (o->member_id != 0 && o->member_id != n->meta.member_id) {
        return err_set(err, E_MISMATCH, "%s belongs to member %016" PRIx64 ", not to %016" PRIx64
                       "; check --data-dir and --name", o->dir, n->meta.member_id, o->member_id);
    }
    n->cluster_id = n->meta.cluster_id;
    n->id = n->meta.member_id;
    return 0;
}

static int open_meta(struct rnode *n, struct err *err)
{
    autofree char *path = mem_printf("%s/meta", n->options.dir);
    int rv = meta_load(n->fs, path, &n->meta, err);
    if (rv == E_NOTFOUND) {
        rv = create_meta(n, path, err);
    } else if (rv == 0) {
        rv = check_identity(n, err);
    }
    n->meta.no_fsync = n->options.unsafe_no_fsync;
    if (rv == 0 && !n->meta.ready) {
        rv = set_up(n, err);
    }
    if (rv != 0) {
        return rv;
    }
    n->meta.epoch++;
    n->epoch = n->meta.epoch;
    return meta_store(&n->meta, err);
}

/* --- snapshot and log --- */

static int restore_chunks(struct rnode *n, struct snapshot_reader *r, struct err *err)
{
    const struct rnode_fsm *fsm = &n->options.fsm;
    autobuf chunk = BUF_INIT;
    void *restore = fsm->restore_begin(fsm->arg);
    int rv;
    while ((rv = snapshot_reader_next(r, &chunk, err)) == 1) {
        rv = fsm->restore_chunk(fsm->arg, restore, buf_slice(&chunk), err);
        if (rv != 0) {
            break;
        }
    }
    if (rv != 0) {
        fsm->restore_abort(fsm->arg, restore);
        return rv;
    }
    return fsm->restore_commit(fsm->arg, restore, r->info.index, err);
}

static int restore_snapshot(struct rnode *n, struct err *err)
{
    char *path = NULL;
    int rv = snapshot_newest(n->fs, n->snapshots.dir, &path, err);
    if (rv != 0 || path == NULL) {
        return rv;
    }
    struct snapshot_reader r;
    rv = snapshot_reader_open(&r, n->fs, path, n->cluster_id, err);
    mem_free(path);
    if (rv == 0) {
        rv = restore_chunks(n, &r, err);
        if (rv == 0 && configuration_check(value_slice(r.info.conf)) != 0) {
            rv = err_set(err, E_CORRUPT, "%s: the configuration is damaged", r.path);
        }
        if (rv == 0) {
            snapshot_info_copy(&r.info, &n->snapshots.current);
        }
        snapshot_reader_close(&r);
    }
    if (rv != 0) {
        return err_prefix(err, "the newest snapshot cannot be used (keep the directory for "
                          "inspection, remove this member from the cluster and add it again with "
                          "an empty data directory)");
    }
    const struct snapshot_info *s = &n->snapshots.current;
    n->applied = n->commit = s->index;
    n->applied_term = s->term;
    n->conf = value_ref(s->conf);
    n->conf_index = s->conf_index;
    membership_restore_attrs(n, value_slice(s->attrs));
    return 0;
}

static void on_entry(void *arg, uint64_t index, uint64_t term, uint32_t type, struct slice data)
{
    struct rnode *n = arg;
    if (index < n->log.first || index > n->log.last + 1) {
        entry_log_reset(&n->log, index); /* the segments start here; or an overwrite before that */
    } else if (index <= n->log.last && !BUG(BUG_WAL_TRUNCATE_FORGOTTEN)) {
        entry_log_truncate(&n->log, index);
    }
    entry_log_append(&n->log, term, type, value_new(data.data, data.len));
}

static void on_scan_reset(void *arg, uint64_t index, uint64_t term)
{
    struct rnode *n = arg;
    (void)term;
    entry_log_reset(&n->log, index + 1);
}

static int log_damaged(const struct rnode *n, struct err *err)
{
    return err_set(err, E_CORRUPT, "%s: log %" PRIu64 "..%" PRIu64 " and snapshot %" PRIu64
                   " do not fit together; keep the directory for inspection, remove this member "
                   "from the cluster and add it again with an empty data directory", n->options.dir,
                   n->log.first, n->log.last, n->snapshots.current.index);
}

/* Entries that libraft will decode, and terms that only grow, up to the stored one. */
static int check_log(struct rnode *n, struct err *err)
{
    uint64_t term = 0;
    for (uint64_t i = n->log.first; i <= n->log.last; i++) {
        const struct entry *e = entry_log_get(&n->log, i);
        bool bad = e->term < term || e->term > n->meta.term ||
                   (e->type == RAFT_CHANGE && configuration_check(value_slice(e->data)) != 0);
        if (bad) {
            return log_damaged(n, err);
        }
        term = e->term;
    }
    return 0;
}

static int fit_log_to_snapshot(struct rnode *n, struct err *err)
{
    const struct snapshot_info *s = &n->snapshots.current;
    if (s->index == 0) {
        const struct entry *first = entry_log_get(&n->log, 1);
        bool empty = n->log.last < n->log.first;
        bool good = n->log.first == 1 && (empty || first->type == RAFT_CHANGE);
        return good ? check_log(n, err) : log_damaged(n, err);
    }
    if (n->log.first > s->index + 1) {
        return log_damaged(n, err);
    }
    const struct entry *e = entry_log_get(&n->log, s->index);
    bool holds = e != NULL ? e->term == s->term : n->log.first == s->index + 1;
    if (!holds) {
        log_warn("raft", "the log ends before the snapshot: dropped", "first=%" PRIu64 " last=%"
                 PRIu64 " snapshot=%" PRIu64, n->log.first, n->log.last, s->index);
        entry_log_reset(&n->log, s->index + 1);
        wal_reset(n->wal, s->index, s->term);
        wal_flush(n->wal);
        return 0;
    }
    uint64_t trailing = snapshot_trailing(n, s->index);
    if (s->index > trailing) {
        entry_log_compact(&n->log, s->index - trailing);
        wal_compact(n->wal, s->index - trailing);
        wal_flush(n->wal);
    }
    return check_log(n, err);
}

static void on_failed(void *arg, const struct err *err)
{
    struct err told = *err;
    err_prefix(&told, "writing the log failed; check the disk, then restart this member");
    node_fatal(arg, &told);
}

static void on_full(void *arg, bool full)
{
    struct rnode *n = arg;
    n->disk_full = full;
    if (full) {
        log_error("raft", "the disk is full: writes are refused until there is space", "dir=%s",
                  n->options.dir);
    } else {
        log_info("raft", "there is space on the disk again", "dir=%s", n->options.dir);
    }
}

static void on_synced(void *arg, double seconds)
{
    struct rnode *n = arg;
    slow_disk_synced(n, seconds);
    if (n->m_fsync != NULL) {
        metric_observe(n->m_fsync, seconds);
    }
}

static int open_wal(struct rnode *n, struct err *err)
{
    struct wal_options o;
    wal_options_fill(n, &o);
    o.on_durable = driver_on_durable;
    o.on_reset = install_on_reset;
    o.on_failed = on_failed;
    o.on_full = on_full;
    o.on_synced = on_synced;
    struct wal_sink sink = { .entry = on_entry, .reset = on_scan_reset, .arg = n };
    int rv = wal_open(&o, &sink, &n->wal, err);
    return rv == 0 ? fit_log_to_snapshot(n, err) : rv;
}

static int open_transport(struct rnode *n, struct err *err)
{
    struct transport_options o = {
        .loop = n->loop,
        .cluster_id = n->cluster_id,
        .member_id = n->id,
        .name = n->options.name,
        .listen_address = n->options.peer_listen,
        .address = n->options.peer_address,
        .metrics = n->options.metrics,
        .on_frame = receive_frame,
        .on_stream = install_on_stream,
        .on_stream_broken = install_on_stream_broken,
        .peer_name = membership_name_of,
        .on_knock = knock_receive,
        .arg = n,
    };
    return transport_open(&o, &n->transport, err);
}

int recover_open(struct rnode *n, struct err *err)
{
    int rv = fs_mkdir_p(n->fs, n->options.dir, 0700, err);
    if (rv == 0) {
        autofree char *path = mem_printf("%s/lock", n->options.dir);
        rv = fs_lock(n->fs, path, &n->lock, err);
    }
    if (rv == 0) {
        rv = quarantine_check(n->fs, n->options.dir, err);
    }
    if (rv == 0) {
        rv = open_meta(n, err);
    }
    if (rv == 0) {
        rv = restore_snapshot(n, err);
    }
    if (rv == 0) {
        rv = open_wal(n, err);
    }
    if (rv == 0) {
        rv = open_transport(n, err);
    }
    return rv == 0 ? driver_start(n, err) : rv;
}
