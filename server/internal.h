/* What the files of server/ share: the member's parts and the helpers every service uses. */
#ifndef BARQUE_SERVER_INTERNAL_H
#define BARQUE_SERVER_INTERNAL_H

#include <string.h>

#include "lib/base/map.h"
#include "lib/base/limits.h"
#include "lib/base/metric.h"
#include "lib/io/work.h"
#include "lib/rpc/server.h"
#include "proto/rpc.pb-c.h"
#include "raft/membership.h"
#include "raft/rnode.h"
#include "server/server.h"
#include "store/lease_clock.h"
#include "store/store.h"
#include "store/watch_hub.h"

/* The etcd version our answers are those of: clients gate features on it (docs/kubernetes.md). */
#define SERVER_ETCD_VERSION "3.5.13"
#define SERVER_CLUSTER_VERSION "3.5.0"

enum {
    SERVER_TICK_MS = 100,            /* leases, lost leader, metrics */
    SERVER_COMPACT_SLICE = 2000,     /* records freed a turn */
    SERVER_WATCH_SLICE = 4000,       /* history records read for lagging watchers a turn */
    SERVER_EXPIRE_BATCH = 1000,      /* leases revoked by one entry */
    SERVER_RESERVE_BYTES = 16 * 1024 * 1024, /* of memory, to finish what is under way without */
    SERVER_ROOM_BYTES = 1024 * 1024, /* an answer over this is made only where there is room */
};

/* The revision being told to synced watches: each event is encoded once for all of them. */
struct publish {
    struct record *const *records;
    size_t n;
    struct value **encoded; /* [2 * i]: record i; [2 * i + 1]: with prev_kv; NULL until needed */
};

struct alarm_told {
    struct alarm alarm;
    struct metric *gauge;
};

struct server_metrics {
    struct metric *proposals_committed, *db_size, *db_in_use, *keys, *revision,
        *compact_revision, *watchers, *slow_watchers, *watch_streams, *leases, *puts, *ranges,
        *txns, *deletes, *log_dropped, *health_success, *health_failures,
        *proposals_applied, *learner, *leases_granted, *leases_revoked, *leases_renewed,
        *leases_expired, *events, *quota;
    struct alarm_told alarms[32]; /* that were ever told */
    size_t n_alarms;
};

struct server {
    struct server_options options;
    struct loop *loop;
    struct rnode *node;
    struct rpc_server *rpc;
    struct store *store;
    struct store_options store_options;
    struct watch_hub *hub;
    struct lease_clock *lease_clock;  /* only while leading */
    struct metrics *metrics;
    struct server_metrics m;
    struct timer tick;
    struct ready background;          /* compaction and lagging watchers, a slice a turn */
    struct list watch_streams;
    size_t watch_bytes;               /* of all watches, about */
    struct publish *publish;          /* only while watch_hub_publish runs */
    struct list holds;                /* who reads a store beside the loop (fsm.c) */
    struct list snapshots;            /* being streamed as etcd's database file */
    struct worker *snapshot_worker;   /* NULL before the first of them */
    struct list hashes;               /* HashKV calls; the first may have its turn */
    struct worker *hash_worker;       /* NULL before the first of them */
    struct list range_walks;          /* long lists being answered page by page */
    struct list range_streams;
    struct list line;                 /* places of locks and elections (line.c) */
    size_t line_n;
    struct list observers;            /* of elections */
    struct list health_watches;
    struct list changes;              /* of the membership, asked for by calls */
    struct list passwords;            /* to be hashed (passwords.c) */
    size_t passwords_n;               /* with the one that is being hashed */
    struct password_ask *password_running;
    struct worker *password_worker;   /* NULL until one is needed */
    struct u64map tokens;             /* hash -> in use until then, ms (guard.c) */
    struct list renewals;             /* keepalives waiting for one leadership check */
    struct turn_hook renew_hook;
    struct rnode_status status;       /* refreshed by on_change and at use */
    uint64_t no_leader_since_ms;      /* 0 while there is a leader */
    struct rng *rng;
    char *data_dir;
    uint64_t peers_hash;              /* of the members as they were written down; 0: not yet */
    uint64_t lease_epoch;             /* counts lease clocks */
    uint64_t lease_term;              /* of the clock that runs */
    struct expiry *expiring;          /* a revoke of expired leases is under way */
    struct compactor compactor;
    bool alarm_proposed;              /* one that is set or cleared by itself is under way */
    uint64_t alarm_again_ms;          /* not before, after one that failed */
    bool compacting;
    bool memory_low;                  /* at the last tick */
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* --- server.c --------------------------------------------------------------------------------- */
/* Fills and returns `h`: cluster, member, term, and the revision given. */
Etcdserverpb__ResponseHeader *server_header(struct server *s, Etcdserverpb__ResponseHeader *h,
                                            int64_t revision);
/* For a call in progress: ms until its deadline, at most the request timeout (5 s + 2
 * elections). */
uint64_t server_timeout_ms(const struct server *s, const struct rpc_call *call);
uint64_t server_request_timeout_ms(const struct server *s); /* the same without a call */
/* Metadata `hasleader: true`: refused where there is no leader (server_admit), and a stream is
 * ended when there has been none for long. */
static inline bool server_wants_leader(const struct rpc_call *call)
{
    const char *want = rpc_call_metadata(call, "hasleader");
    return want != NULL && strcmp(want, "true") == 0;
}
/* Members' states differ and nobody knows which is right: nothing may be read or written. True when
 * the call was failed. */
bool server_refuse_corrupt(struct server *s, struct rpc_call *call);
bool server_is_leader(const struct server *s);
void server_wake_background(struct server *s);

/* What a client hears when consensus could not answer. */
int server_client_error(int status);

/* One replicated write: encodes, proposes, and hands the store's result to reply on this member
 * once it is applied. reply must finish the call. */
struct write_call {
    struct rnode_proposal proposal;
    struct server *server;
    struct rpc_call *call;
    struct store_result result;
    void (*reply)(struct write_call *w);
};
void server_write(struct server *s, struct rpc_call *call, const struct command *command,
                  void (*reply)(struct write_call *w));
/* The same, but the outcome is waited for so long, whatever the call's own deadline: for what must
 * be undone when the call ends first. */
void server_write_within(struct server *s, struct rpc_call *call, const struct command *command,
                         uint64_t timeout_ms, void (*reply)(struct write_call *w));

/* What a member does by itself, not for who asks: it needs no right. p has its `done`. */
void server_propose_own(struct server *s, struct rnode_proposal *p, struct command *c,
                        uint64_t timeout_ms);

/* Where the result of an own proposal belongs; NULL when nobody waits for one. */
struct store_result *server_write_result(struct rnode_proposal *own);

/* One linearizable read: run once everything committed before the call is applied here. */
struct read_call {
    struct rnode_read read;
    struct server *server;
    struct rpc_call *call;
    void *data;
    void (*run)(struct read_call *r);
};
void server_read(struct server *s, struct rpc_call *call, void *data,
                 void (*run)(struct read_call *r));

/* --- fsm.c ------------------------------------------------------------------------------------ */
struct rnode_fsm server_fsm(struct server *s);
/* Hears of events and leases of s->store, which is a new one. */
void server_follow_store(struct server *s);
/* A worker reads the store as it is now. Should a snapshot from the leader take its place, it lives
 * until nobody holds it. Its pins are the holder's own affair, and are gone before the release. */
struct store_hold {
    struct list link; /* server.holds */
    struct store *store;
};
void server_hold_store(struct server *s, struct store_hold *hold);
void server_release_store(struct server *s, struct store_hold *hold);
/* This member cannot go on: rnode's `fatal`. Does not return. */
void server_fatal(void *arg, const struct err *err);

/* --- compactor.c ------------------------------------------------------------------------------ */
void server_compactor_open(struct server *s);
void server_compactor_tick(struct server *s, uint64_t now_ms);

/* --- metrics.c -------------------------------------------------------------------------------- */
void server_metrics_open(struct server *s);
void server_metrics_update(struct server *s);
/* All of them, as they are now, as text. */
void server_metrics_print(struct server *s, struct buf *out);

/* --- alarm.c, probe.c ------------------------------------------------------------------------- */
enum { SERVER_ALARMS_MAX = LIMIT_ALARMS + 3 };
/* What is wrong now; ret_alarms has SERVER_ALARMS_MAX. */
size_t server_alarms(const struct server *s, struct alarm *ret_alarms);
/* More live bytes than --quota-backend-bytes: what adds to them is refused by this member. */
bool server_over_quota(const struct server *s);
/* True when the call was failed for that. */
bool server_refuse_full(struct server *s, struct rpc_call *call, const struct command *c);
void server_alarm_tick(struct server *s, uint64_t now_ms);
void server_alarm(struct rpc_call *call, ProtobufCMessage *msg); /* Maintenance/Alarm */
const char *alarm_name(enum alarm_type type);
void server_probe_health(void *arg, const struct http_request *request, struct http_reply *reply);
void server_probe_livez(void *arg, const struct http_request *request, struct http_reply *reply);
void server_probe_readyz(void *arg, const struct http_request *request, struct http_reply *reply);

/* --- memory.c --------------------------------------------------------------------------------- */
void server_memory_tick(struct server *s);
/* For a list of all versions, sorted (store/etcd_row.h). */
bool server_has_room_for_rows(const struct server *s);

/* --- range.c ---------------------------------------------------------------------------------- */
/* Answers the call, now or in pages. r lives in the call's arena. */
void server_range(struct server *s, struct rpc_call *call, const struct range_request *r);
void server_range_stop(struct server *s);
void server_range_stream_stop(struct server *s); /* range_stream.c */

/* --- snapshot.c ------------------------------------------------------------------------------- */
/* Ends streams that nobody reads. */
void server_snapshot_tick(struct server *s, uint64_t now_ms);
void server_snapshot_stop(struct server *s);

/* --- hash.c ----------------------------------------------------------------------------------- */
void server_hash_kv(struct rpc_call *call, ProtobufCMessage *msg);
void server_hash_closed(struct rpc_call *call);
/* Nothing is left of a compaction: who waits for that may go on. */
void server_hash_next(struct server *s);
void server_hash_stop(struct server *s);

/* --- watch.c ---------------------------------------------------------------------------------- */
extern const struct watch_hub_events server_watch_events;
void server_watch_publish(struct server *s, int64_t revision, struct record *const *records,
                          size_t n);
void server_watch_tick(struct server *s, uint64_t now_ms);
/* For so long that streams with `hasleader` are ended. */
bool server_leader_lost(const struct server *s);
/* After a turn in which watchers may have become synced: answers waiting progress requests. */
void server_watch_progress(struct server *s);
void server_watch_stop_all(struct server *s, enum grpc_code code, const char *text);

/* --- election.c, health.c --------------------------------------------------------------------- */
void server_election_tick(struct server *s);
void server_election_stop(struct server *s);
/* What is said may have changed. */
void server_health_follow(struct server *s);
void server_health_stop(struct server *s);

/* --- expiry.c, lease.c ------------------------------------------------------------------------ */
void server_lease_leading(struct server *s, bool leading);
void server_lease_follow(struct server *s); /* the status has been looked at */
void server_lease_changed(void *arg, const struct lease_info *lease, bool removed);
void server_lease_tick(struct server *s, uint64_t now_ms);
void server_lease_ask(void *arg, uint64_t ask_id, struct slice question);
void server_lease_renew_hook(struct turn_hook *hook);

/* --- peers.c ---------------------------------------------------------------------------------- */
/* Writes the list of members down when it has changed. */
void server_note_peers(struct server *s);

/* --- reconfigure.c, cluster.c ----------------------------------------------------------------- */
enum { SERVER_ASK_CHANGE = 3 }; /* beside lease.c's kinds of questions */
/* rnode's on_ask: leases and membership. */
void server_ask(void *arg, uint64_t ask_id, struct slice question);
void server_change_question(enum member_change kind, const struct rnode_member *who,
                            struct buf *out);
void server_cluster_stop(struct server *s);

/* --- the services' tables --------------------------------------------------------------------- */
struct service {
    const struct rpc_method *methods;
    size_t n;
};
extern const struct service service_kv, service_watch, service_lease, service_cluster,
    service_maintenance, service_health, service_lock, service_election, service_snapshot,
    service_auth, service_range_stream;
extern const struct http_route probe_routes[], http_routes[];
extern const size_t probe_routes_n, http_routes_n;
extern const struct rpc_gateway_route gateway_routes[];
extern const size_t gateway_routes_n;

#endif
