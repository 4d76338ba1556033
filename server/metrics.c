/* The member's metrics: a table of names, the gauges refreshed every tick and at each scrape, and
 * what the process takes, read at a scrape only. docs/metrics.md says what means what. */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/io/usage.h"
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
    ROW(proposals_applied, false, "etcd_server_proposals_applied_total", "Applied index."),
    ROW(learner, false, "etcd_server_is_learner", "1 while this member is a learner."),
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
    ROW(quota, false, "etcd_server_quota_backend_bytes",
        "Quota of live bytes; below zero: none."),
    ROW(events, true, "etcd_debugging_mvcc_events_total", "Events sent to watches."),
    ROW(leases_granted, true, "etcd_debugging_lease_granted_total", "Leases granted."),
    ROW(leases_revoked, true, "etcd_debugging_lease_revoked_total", "Leases revoked or expired."),
    ROW(leases_renewed, true, "etcd_debugging_lease_renewed_total",
        "Keepalives that moved a deadline on this leader."),
    ROW(leases_expired, true, "etcd_debugging_server_lease_expired_total",
        "Leases that this leader found expired and revoked."),
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
    metric_set(m->proposals_applied, (double)s->status.applied_index);
    metric_set(m->learner, s->status.learner);
    metric_set(m->db_size, (double)store_size_bytes(s->store));
    metric_set(m->db_in_use, (double)store_live_bytes(s->store));
    metric_set(m->keys, (double)store_live_keys(s->store));
    metric_set(m->revision, (double)store_revision(s->store));
    metric_set(m->compact_revision, (double)store_compact_revision(s->store));
    metric_set(m->watchers, (double)watch_hub_count(s->hub));
    metric_set(m->slow_watchers, (double)watch_hub_lagging(s->hub));
    metric_set(m->quota, (double)s->options.quota_bytes);
    metric_set(m->log_dropped, (double)log_dropped());
    metric_set(m->leases,
               s->lease_clock != NULL ? (double)lease_clock_count(s->lease_clock) : 0.0);
}

/* --- a scrape --------------------------------------------------------------------------------- */

static void tell_one(struct server *s, const char *name, const char *help, double value)
{
    metric_set(metrics_gauge(s->metrics, name, NULL, help), value);
}

/* Names that every Prometheus client library has. */
static void tell_usage(struct server *s)
{
    struct usage u;
    if (usage_read(&u) != 0) {
        return;
    }
    struct metric *cpu = metrics_counter(s->metrics, "process_cpu_seconds_total", NULL,
                                         "Processor time, user and system.");
    double more = u.cpu_s - metric_get(cpu);
    metric_add(cpu, more > 0 ? more : 0);
    tell_one(s, "process_resident_memory_bytes", "Memory held.", (double)u.resident_bytes);
    tell_one(s, "process_virtual_memory_bytes", "Address space.", (double)u.virtual_bytes);
    tell_one(s, "process_start_time_seconds", "Unix time of the start.", u.start_s);
    tell_one(s, "process_open_fds", "Open file descriptors.", (double)u.fds);
    tell_one(s, "process_max_fds", "Limit of file descriptors.", (double)u.fds_max);
    tell_one(s, "os_fd_used", "Open file descriptors.", (double)u.fds);
    tell_one(s, "os_fd_limit", "Limit of file descriptors.", (double)u.fds_max);
}

/* 1, and what it is about as a label. */
static void tell_label(struct server *s, const char *name, const char *label, const char *value,
                       const char *help)
{
    autofree char *labels = mem_printf("%s=\"%s\"", label, value);
    metric_set(metrics_gauge(s->metrics, name, labels, help), 1);
}

/* One series per member and type: 0 when it is over. Members' ids may come from clients, so there
 * are at most as many series as alarms_told has room for. */
static struct alarm_told *told_of(struct server *s, const struct alarm *a)
{
    struct server_metrics *m = &s->m;
    for (size_t i = 0; i < m->n_alarms; i++) {
        if (m->alarms[i].alarm.member == a->member && m->alarms[i].alarm.type == a->type) {
            return &m->alarms[i];
        }
    }
    if (m->n_alarms == ARRAY_LEN(m->alarms)) {
        return NULL;
    }
    autofree char *labels = mem_printf("server_id=\"%" PRIx64 "\",alarm_type=\"%s\"", a->member,
                                       alarm_name(a->type));
    struct metric *g = metrics_gauge(s->metrics, "etcd_server_alarms", labels,
                                     "1 while the alarm is set.");
    m->alarms[m->n_alarms] = (struct alarm_told){ *a, g };
    return &m->alarms[m->n_alarms++];
}

static void tell_alarms(struct server *s)
{
    struct alarm alarms[SERVER_ALARMS_MAX];
    size_t n = server_alarms(s, alarms);
    for (size_t i = 0; i < s->m.n_alarms; i++) {
        metric_set(s->m.alarms[i].gauge, 0);
    }
    for (size_t i = 0; i < n; i++) {
        struct alarm_told *t = told_of(s, &alarms[i]);
        if (t != NULL) {
            metric_set(t->gauge, 1);
        }
    }
}

void server_metrics_print(struct server *s, struct buf *out)
{
    autofree char *id = mem_printf("%" PRIx64, s->status.member_id);
    rnode_get_status(s->node, &s->status);
    tell_label(s, "etcd_server_id", "server_id", id, "This member.");
    tell_label(s, "etcd_server_version", "server_version", SERVER_ETCD_VERSION,
               "The etcd version whose answers these are.");
    tell_label(s, "etcd_cluster_version", "cluster_version", "3.5",
               "The cluster's, as clients see it.");
    tell_label(s, "barque_build_info", "version", BARQUE_VERSION, "Which Barque this is.");
    tell_usage(s);
    tell_alarms(s);
    server_metrics_update(s);
    metrics_print(s->metrics, out);
}
