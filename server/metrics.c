/* The store's metrics: a table of names, and the gauges refreshed every tick. */
#include "lib/base/log.h"
#include "server/internal.h"

struct metric_row {
    size_t offset;
    bool counter;
    const char *name, *help;
};

/* etcd's names where the meaning is etcd's, so that existing dashboards work. */
static const struct metric_row metric_rows[] = {
#define ROW(field, counter, name, help) \
    { offsetof(struct server_metrics, field), counter, name, help }
    ROW(proposals_committed, false, "etcd_server_proposals_committed_total", "Commit index."),
    ROW(db_size, false, "etcd_mvcc_db_total_size_in_bytes", "Bytes of all versions held."),
    ROW(db_in_use, false, "etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes of live versions."),
    ROW(keys, false, "etcd_debugging_mvcc_keys_total", "Live keys."),
    ROW(revision, false, "etcd_debugging_mvcc_current_revision", "Current revision."),
    ROW(compact_revision, false, "etcd_debugging_mvcc_compact_revision", "Compacted revision."),
    ROW(watchers, false, "etcd_debugging_mvcc_watcher_total", "Watchers."),
    ROW(slow_watchers, false, "etcd_debugging_mvcc_slow_watcher_total", "Lagging watchers."),
    ROW(watch_streams, false, "etcd_debugging_mvcc_watch_stream_total", "Watch streams."),
    ROW(leases, false, "barque_leases", "Leases on the clock of this leader."),
    ROW(log_dropped, false, "barque_log_lines_dropped_total",
        "Lines of the log that nobody was there to read."),
    ROW(puts, true, "etcd_mvcc_put_total", "Puts answered by this member."),
    ROW(ranges, true, "etcd_mvcc_range_total", "Ranges answered by this member."),
    ROW(txns, true, "etcd_mvcc_txn_total", "Txns answered by this member."),
    ROW(deletes, true, "etcd_mvcc_delete_total", "Deletes answered by this member."),
    ROW(health_success, true, "etcd_server_health_success", "Times that /health was well."),
    ROW(health_failures, true, "etcd_server_health_failures", "Times that /health was not."),
#undef ROW
};

void server_metrics_open(struct server *s)
{
    s->metrics = metrics_new();
    for (size_t i = 0; i < ARRAY_LEN(metric_rows); i++) {
        const struct metric_row *r = &metric_rows[i];
        struct metric **slot = (struct metric **)(void *)((char *)&s->m + r->offset);
        *slot = r->counter ? metrics_counter(s->metrics, r->name, NULL, r->help)
                           : metrics_gauge(s->metrics, r->name, NULL, r->help);
    }
}

void server_metrics_update(struct server *s)
{
    const struct server_metrics *m = &s->m;
    metric_set(m->proposals_committed, (double)s->status.commit_index);
    metric_set(m->db_size, (double)store_size_bytes(s->store));
    metric_set(m->db_in_use, (double)store_live_bytes(s->store));
    metric_set(m->keys, (double)store_live_keys(s->store));
    metric_set(m->revision, (double)store_revision(s->store));
    metric_set(m->compact_revision, (double)store_compact_revision(s->store));
    metric_set(m->watchers, (double)watch_hub_count(s->hub));
    metric_set(m->slow_watchers, (double)watch_hub_lagging(s->hub));
    metric_set(m->log_dropped, (double)log_dropped());
    metric_set(m->leases,
               s->lease_clock != NULL ? (double)lease_clock_count(s->lease_clock) : 0.0);
}
