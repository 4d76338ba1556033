/* A store member: the etcd v3 API over a replicated store.
 *
 * It wires the three things that do the work (rnode: consensus, store: state, watch_hub: who hears
 * of it) to the gRPC services. Any member serves any request: writes and keepalives travel to the
 * leader inside rnode, linearizable reads wait for a ReadIndex round, serializable ones answer at
 * once.
 *
 * Threads: loop; the snapshot worker calls back into store_pin_next and store_restore_chunk
 * only. */
#ifndef BARQUE_SERVER_SERVER_H
#define BARQUE_SERVER_SERVER_H

#include "lib/base/err.h"
#include "lib/io/loop.h"
#include "raft/rnode.h"
#include "server/compactor.h"

struct server;
struct join_answer;

enum { SERVER_TOKEN_TTL_S = 300 /* etcd's simple tokens' */, SERVER_TOKEN_TTL_MAX_S = 31536000 };
#define SERVER_QUOTA_BYTES (INT64_C(2) * 1024 * 1024 * 1024) /* etcd's; here of live bytes */

struct server_options {
    struct loop *loop;
    const char *name;                 /* --name */
    const char *data_dir;             /* --data-dir */
    const char *const *listen_client; /* addresses ("127.0.0.1:2379") */
    size_t n_listen_client;
    const char *const *listen_http; /* addresses for HTTP/1; listen_client is then gRPC only */
    size_t n_listen_http;
    const char *const *listen_metrics; /* addresses for metrics and probes only */
    size_t n_listen_metrics;
    bool no_gateway;                  /* no JSON gateway */
    const char *hosts, *origins;      /* --host-whitelist, --cors; NULL: any */
    const char *advertise_client_url; /* "http://127.0.0.1:2379", commas between several */
    const char *listen_peer;          /* address */
    const char *cluster_token;
    const struct rnode_member *initial; /* founders; one of them is us (by name) */
    size_t n_initial;
    bool existing;                    /* --initial-cluster-state: no founder; the data directory
                                       * says who we are, or `joined` does */
    bool check_lost;                  /* an empty data directory: ask the others whether it was lost
                                       * before founding (enter.h) */
    const struct join_answer *joined; /* a new member, let in by the others (enter.h) */
    uint64_t heartbeat_ms;            /* 0 = 100 */
    uint64_t election_ms;             /* 0 = 1000 */
    uint64_t snapshot_count;          /* 0 = default */
    uint64_t catchup_entries;         /* that a snapshot leaves in the log; 0 = default */
    uint64_t max_learners;            /* that stay learners; 0 = 1 */
    uint64_t keepalive_interval_ms, keepalive_timeout_ms; /* of clients (rpc/server.h); 0 = never */
    uint64_t max_streams;             /* open calls of a connection; 0 = the most there may be */
    int64_t quota_bytes;              /* 0 = SERVER_QUOTA_BYTES; < 0 = none */
    enum compactor_mode compact_mode; /* automatic compaction (compactor.h) */
    int64_t compact_retention;        /* ms or revisions; 0: never */
    uint64_t token_ttl_s;             /* of auth: since it was given or used; 0 = default */
    unsigned bcrypt_cost;             /* of new passwords (lib/codec/secret.h); 0 = SECRET_COST */
    size_t max_request_bytes;         /* 0 = LIMIT_REQUEST_BYTES */
    size_t max_txn_ops;               /* 0 = LIMIT_TXN_OPS */
    uint64_t progress_notify_ms;      /* 0 = 10 min */
    bool unsafe_no_fsync;
    uint64_t level;                   /* 0 = store_level(); less: speaks like an older version */
    const char *commit;               /* of the binary, for /version */
    /* This machine's fault; must not return. NULL: log and exit(1). */
    void (*fatal)(void *arg, const struct err *err);
    void *arg;
};

/* Opens data directory, peer port and client ports. E_CORRUPT, E_MISMATCH, E_ADDRINUSE, E_CONFLICT,
 * E_PERM, E_DISKFULL, E_INVAL with what, where, next step. */
int server_open(const struct server_options *options, struct server **ret_server, struct err *err);
/* Graceful: hands leadership over, finishes open calls (at most 5 s), closes everything, frees
 * s, then closed(). */
void server_close(struct server *s, void (*closed)(void *arg), void *arg);
/* The k-th client address, port 0 resolved. */
const char *server_client_address(const struct server *s, size_t k);
/* True once this member knows a leader. */
bool server_ready(const struct server *s);

#endif
