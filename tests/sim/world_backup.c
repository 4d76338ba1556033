/* A client machine that takes backups: Maintenance/Snapshot of some member while faults go on, as
 * `etcdctl snapshot save` asks for it. What came whole is restored on the spot and compared:
 *
 *   - its SHA-256 is right, and it can be read;
 *   - its keys are those of the log at its revision, folded naively from the first revision on;
 *   - a member that has swept as much, and still knows that revision, has the same HashKV.
 *
 * That a stream breaks is no wrong; that none comes through once all is well is. */
#include <inttypes.h>
#include <stdio.h>

#include "client/snapshot.h"
#include "lib/base/alloc.h"
#include "lib/codec/sha256.h"
#include "store/etcd_db.h"
#include "tests/sim/admin.h"
#include "tests/sim/world_client.h"
#include "tests/sim/world_wire.h"

enum { FILE_BYTES_MAX = 256 * 1024 * 1024 };

/* One under way at most. */
struct backup {
    struct client_snapshot *snapshot;
    struct buf file;
    unsigned member;
    bool healed; /* when it was asked for */
    uint64_t stall_us; /* its reader is stopped for so long once something has come; 0: not */
};

/* --- what it must be -------------------------------------------------------------------------- */

/* The newest event of each key up to a revision; those that end it are left out. */
static void fold(const struct check_log *log, int64_t revision, struct map *ret_live)
{
    for (size_t i = 0; i < log->n && log->revs[i].revision <= revision; i++) {
        for (uint32_t k = 0; k < log->revs[i].n; k++) {
            struct check_pevent *e = &log->revs[i].events[k];
            struct slice key = check_pool_get(log->pool, e->kv.key);
            if (e->deleted) {
                map_remove(ret_live, key);
            } else {
                map_put(ret_live, key, e);
            }
        }
    }
}

static bool same(const struct check_log *log, const struct check_pevent *e, struct record *r)
{
    struct kv_view v;
    record_view(r, &v);
    return e != NULL && e->kv.mod_revision == v.mod_revision && e->kv.version == v.version &&
           e->kv.create_revision == v.create_revision && e->kv.lease == v.lease &&
           slice_eq(check_pool_get(log->pool, e->kv.value), v.value);
}

static void compare_keys(const struct node *n, struct store *store, unsigned member)
{
    struct sim *s = n->sim;
    const struct check_log *log = judge_log(s->world->judge);
    struct range_request all = { .key = slice_make("\0", 1), .range_end = slice_make("\0", 1) };
    struct range_result found;
    struct arena arena;
    struct map live;
    arena_init(&arena);
    map_init(&live);
    fold(log, store_revision(store), &live);
    int rv = store_range(store, &all, &arena, &found);
    if (rv != 0 || found.n != live.n) {
        sim_violation(s, "BACKUP: of member %u at revision %" PRId64 ": %zu keys, there were %zu",
                      member, store_revision(store), rv == 0 ? found.n : 0, live.n);
    }
    for (size_t i = 0; i < found.n; i++) {
        struct kv_view v;
        record_view(found.kvs[i], &v);
        if (!same(log, map_get(&live, v.key), found.kvs[i])) {
            sim_violation(s, "BACKUP: of member %u at revision %" PRId64 ": %.*s differs", member,
                          store_revision(store), (int)v.key.len, (const char *)v.key.data);
        }
    }
    range_result_unref(&found);
    map_fini(&live);
    arena_fini(&arena);
}

static void compare_hash(const struct node *n, struct store *store, unsigned member)
{
    struct sim *s = n->sim;
    int64_t revision = store_revision(store);
    for (unsigned i = 1; i <= s->n_nodes; i++) {
        struct store *other = world_store(&s->nodes[i]);
        uint32_t a, b;
        if (other == NULL || store_revision(other) < revision ||
            store_compact_revision(other) != store_compact_revision(store)) {
            continue;
        }
        if (store_hash_kv(store, revision, &a) != 0 || store_hash_kv(other, revision, &b) != 0 ||
            a != b) {
            sim_violation(s, "BACKUP HASH: of member %u at revision %" PRId64
                             " is not that of member %u", member, revision, i);
        }
        s->stats->backups_hashed++;
        return;
    }
}

static void judge_backup(const struct node *n, const struct backup *b)
{
    struct sim *s = n->sim;
    struct etcd_db_options o = { .applied_index = 1 };
    struct etcd_db_report report;
    struct err err = ERR_INIT;
    struct store *store = NULL;
    uint8_t digest[SHA256_BYTES];
    size_t len = b->file.len > SHA256_BYTES ? b->file.len - SHA256_BYTES : 0;
    struct slice bytes = slice_make(b->file.data, len);
    struct sha256 *sum = sha256_new();
    sha256_add(sum, bytes);
    sha256_finish(sum, digest);
    if (len == 0 || memcmp(digest, b->file.data + len, SHA256_BYTES) != 0) {
        sim_violation(s, "BACKUP: of member %u: %zu bytes, and not their sum", b->member,
                      b->file.len);
    }
    if (etcd_db_read(bytes, &o, &store, &report, &err) != 0) {
        sim_violation(s, "BACKUP: of member %u cannot be read: %s", b->member, err.msg);
    }
    if (report.file_revision > check_log_last(judge_log(s->world->judge)) ||
        report.revision != report.file_revision || report.orphans > 0) {
        sim_violation(s, "BACKUP: of member %u: revision %" PRId64 " in the file, %" PRId64
                         " restored, %" PRIu64 " keys without their lease",
                      b->member, report.file_revision, report.revision, report.orphans);
    }
    compare_keys(n, store, b->member);
    compare_hash(n, store, b->member);
    s->stats->backups++;
    SIM_LOG(s, "client %u has a backup of member %u at revision %" PRId64 ", %zu bytes", n->id,
            b->member, report.revision, b->file.len);
    store_free(store);
}

/* --- taking one ------------------------------------------------------------------------------- */

static void drop(struct client_machine *m)
{
    struct backup *b = TAKE(m->backup);
    if (b != NULL) {
        buf_fini(&b->file);
        mem_free(b);
    }
}

static int on_blob(void *arg, struct slice blob, uint64_t remaining, struct err *err)
{
    struct client_machine *m = arg;
    struct backup *b = m->backup;
    if (remaining > FILE_BYTES_MAX || b->file.len + blob.len > FILE_BYTES_MAX) {
        return err_set(err, E_TOOBIG, "the file is too long");
    }
    buf_append_slice(&b->file, blob);
    if (b->stall_us > 0 && !m->node->sim->healed) {
        m->node->paused_until = m->node->sim->now + b->stall_us;
        m->node->sim->stats->pauses++;
        b->stall_us = 0;
    }
    return 0;
}

static void done(void *arg, int status, const struct err *err)
{
    struct client_machine *m = arg;
    if (status == 0) {
        judge_backup(m->node, m->backup);
        m->backed_up = m->backed_up || m->backup->healed;
    } else {
        SIM_LOG(m->node->sim, "client %u has no backup: %s", m->node->id, err->msg);
    }
    drop(m);
}

/* One of the founders; once all is well one that runs, as some may have been removed by then. */
static unsigned whom(struct sim *s)
{
    unsigned member = (unsigned)rng_range(&s->dice, 1, s->o.founders);
    for (unsigned i = 1; s->healed && world_store(&s->nodes[member]) == NULL && i < s->o.founders;
         i++) {
        member = member % s->o.founders + 1;
    }
    return member;
}

void backup_start(struct client_machine *m)
{
    struct sim *s = m->node->sim;
    char endpoint[32];
    struct err err = ERR_INIT;
    unsigned member = whom(s);
    if (m->backup != NULL) {
        return;
    }
    snprintf(endpoint, sizeof endpoint, "10.0.0.%u:2379", member);
    struct client_snapshot_options o = {
        .loop = m->node->loop,
        .endpoint = endpoint,
        .silence_ms = 5000,
        .on_blob = on_blob,
        .done = done,
        .arg = m,
    };
    m->backup = mem_zalloc(sizeof *m->backup);
    m->backup->member = member;
    m->backup->healed = s->healed;
    m->backup->stall_us = rng_chance(&s->dice, 0.4) ? rng_range(&s->dice, 500000, 8000000) : 0;
    buf_init(&m->backup->file);
    if (client_snapshot_start(&o, &m->backup->snapshot, &err) != 0) {
        sim_violation(s, "CANNOT START: a backup: %s", err.msg);
    }
}

void backup_stop(struct client_machine *m)
{
    if (m->backup != NULL) {
        client_snapshot_cancel(m->backup->snapshot);
        drop(m);
    }
}

void backup_forget(struct client_machine *m)
{
    drop(m);
}

/* Long values through small windows take longer than there is time. */
bool backup_due(const struct client_machine *m)
{
    const struct sim_options *o = &m->node->sim->o;
    return (o->admin & ADMIN_BACKUP) != 0 && o->window_bytes >= 65536 && o->payload_max <= 3000 &&
           !m->backed_up;
}
