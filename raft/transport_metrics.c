/* What goes to and comes from each peer, counted under etcd's names. A peer has its series once it
 * is a member; one that only introduced itself has none, and there are never more than
 * SERIES_PEERS: ids that came and went stay, as a counter must not go back. */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/base/metric.h"
#include "raft/transport_link.h"

enum { SERIES_PEERS = 4 * LIMIT_PEERS };

static struct metric *series(struct peer *p, bool gauge, const char *name, const char *labels,
                             const char *help)
{
    struct metrics *m = p->t->options.metrics;
    return gauge ? metrics_gauge(m, name, labels, help) : metrics_counter(m, name, labels, help);
}

static void peer_series(struct peer *p)
{
    struct transport *t = p->t;
    if (t->options.metrics == NULL || p->introduced || p->m.sent != NULL ||
        t->n_series >= SERIES_PEERS) {
        return;
    }
    t->n_series++;
    autofree char *to = mem_printf("To=\"%" PRIx64 "\"", p->id);
    autofree char *from = mem_printf("From=\"%" PRIx64 "\"", p->id);
    autofree char *both = mem_printf("Local=\"%" PRIx64 "\",Remote=\"%" PRIx64 "\"",
                                     t->options.member_id, p->id);
    p->m = (struct peer_metrics){
        .sent = series(p, false, "etcd_network_peer_sent_bytes_total", to, "Bytes sent to peers."),
        .failed = series(p, false, "etcd_network_peer_sent_failures_total", to,
                         "Messages dropped: the peer is away, or its queue is full."),
        .received = series(p, false, "etcd_network_peer_received_bytes_total", from,
                           "Bytes received from peers."),
        .active = series(p, true, "etcd_network_active_peers", both,
                         "1 while the connection to the peer is up."),
        .lost = series(p, false, "etcd_network_disconnected_peers_total", both,
                       "Times that the connection to the peer ended."),
    };
    metric_set(p->m.active, p->up);
}

void transport_count_sent(struct peer *p, size_t bytes, bool dropped)
{
    peer_series(p);
    if (p->m.sent != NULL) {
        metric_add(dropped ? p->m.failed : p->m.sent, dropped ? 1 : (double)bytes);
    }
}

void transport_count_received(struct transport *t, uint64_t from, size_t bytes)
{
    struct peer *p = u64map_get(&t->peers, from);
    if (p != NULL) {
        peer_series(p);
    }
    if (p != NULL && p->m.received != NULL) {
        metric_add(p->m.received, (double)bytes);
    }
}

void transport_count_member(struct peer *p)
{
    peer_series(p);
}

void transport_count_up(struct peer *p, bool up)
{
    peer_series(p);
    if (p->m.active != NULL) {
        metric_set(p->m.active, up);
        metric_add(p->m.lost, up ? 0 : 1);
    }
}
