/* Our etcd v3 client: the right wing's only door to the store. Works against Barque and against
 * etcd.
 *
 * It knows all endpoints, keeps one channel to the current one (the last that worked), pings it,
 * and moves on within 2 s when it fails. Reads are retried elsewhere until their deadline; a write
 * is retried only when it certainly was not sent (rpc_result.never_sent) or when it is marked
 * idempotent (a txn guarded by a compare on mod_revision is: a second try that loses shows
 * E_CONFLICT, and the caller re-reads). Watches and keepalives resume by themselves: a watch goes
 * on at last revision + 1 on another member and neither misses nor repeats an event; when that
 * revision was compacted it ends with E_COMPACTED.
 *
 * With a user it logs in first, and again when its token is no longer taken, which is no failure of
 * a call or watch. A wrong password is: calls then end with E_AUTH_FAILED.
 *
 * Callbacks come on the loop, never inside the submitting call, each `done` exactly once unless
 * cancelled. Results are valid during the callback. Threads: loop. */
#ifndef BARQUE_CLIENT_CLIENT_H
#define BARQUE_CLIENT_CLIENT_H

#include "lib/base/err.h"
#include "lib/base/buf.h"
#include "lib/io/loop.h"

struct client;
struct client_call; /* a pending unary request */

struct client_options {
    struct loop *loop;
    const char *const *endpoints; /* "127.0.0.1:2379" or URLs */
    size_t n_endpoints;           /* 1..LIMIT_ENDPOINTS */
    uint64_t timeout_ms;          /* default for calls: 5000 */
    uint64_t seed;
    /* Who logs in, NULL: nobody. All are copied. The password, or a file of which the first line
     * is it: that is read at each log-in, so it may change under a running program. */
    const char *user, *password, *password_file;
    /* The current endpoint changed or was lost; for status lines. May be NULL. */
    void (*on_endpoint)(void *arg, const char *endpoint, bool up, const struct err *why);
    void *arg;
};

/* E_INVAL, E_UNSUPPORTED: an endpoint, or a user without a password. */
int client_new(const struct client_options *options, struct client **ret_client, struct err *err);
/* "NAME" or "NAME:PASSWORD", cut in place; the password is NULL when there is none. E_INVAL. */
int client_user_split(char *text, const char **ret_user, const char **ret_password,
                      struct err *err);
/* A member gave it, and it becomes a header: visible characters only, and not too many. */
bool client_token_fits(const char *token);
/* The first line of a password file; wipe it after use. E_INVAL when it is empty, or why the file
 * cannot be read. fs NULL: this machine's. */
struct fs;
int client_password_read(struct fs *fs, const char *path, struct buf *out, struct err *err);
/* Cancels everything (done callbacks get E_CANCELED later) and frees. */
void client_free(struct client *c);
/* An orderly end: waits until the calls under way are answered (a leader's resignation is one), at
 * most linger_ms, then client_free, then closed(arg). PRE: watches and leases were stopped. */
void client_close(struct client *c, uint64_t linger_ms, void (*closed)(void *arg), void *arg);
/* Unary calls under way. */
size_t client_pending(const struct client *c);
const char *client_endpoint(const struct client *c); /* current or last; "" before the first */
struct loop *client_loop(struct client *c);
void client_call_cancel(struct client_call *call); /* done will not be called */

struct client_kv {
    struct slice key, value;
    int64_t create_revision, mod_revision, version, lease;
};

/* --- unary calls: kv.c ------------------------------------------------------------------------ */
struct client_result {
    int status;             /* 0 or E_ code; E_CONFLICT for a txn whose compares failed */
    const struct err *err;  /* what, where, next step (never NULL when status != 0) */
    int64_t revision;       /* header */
    const struct client_kv *kvs; /* range; or txn: what the else-branch read */
    size_t n_kvs;
    int64_t count;
    bool more;
    int64_t deleted;
    int64_t lease_id, ttl_s, granted_ttl_s;
    bool has_prev;
    struct client_kv prev;
};
typedef void (*client_done)(void *arg, const struct client_result *result);

struct client_range {
    struct slice key, range_end; /* client_prefix_end helps */
    int64_t limit, revision;
    bool serializable, keys_only, count_only, descending;
    uint64_t timeout_ms;    /* 0 = default */
};
struct client_call *client_get(struct client *c, const struct client_range *range,
                               client_done done, void *arg);
struct client_put {
    struct slice key, value;
    int64_t lease;
    bool prev_kv;
    uint64_t timeout_ms;
};
struct client_call *client_put_kv(struct client *c, const struct client_put *put, client_done done,
                                  void *arg);
struct client_call *client_delete(struct client *c, struct slice key, struct slice range_end,
                                  client_done done, void *arg);

/* Compare-and-set on mod_revision, the shape Kubernetes uses: if MOD(key) = expected for every
 * guard, then the writes; else a range of the first guard's key. E_CONFLICT when the compare
 * failed. */
struct client_guard {
    struct slice key;
    int64_t mod_revision;   /* 0 = must not exist */
};
struct client_write {
    struct slice key, value;
    int64_t lease;
    bool is_delete;
};
struct client_call *client_cas(struct client *c, const struct client_guard *guards, size_t n_guards,
                               const struct client_write *writes, size_t n_writes, client_done done,
                               void *arg);
/* Smallest key after every key with this prefix ("a0" for "a/"); for all-0xff prefixes "\0". */
void client_prefix_end(struct slice prefix, struct buf *out);
/* Forgets history up to `revision` (physical: waits until it is gone). E_COMPACTED, E_FUTURE_REV.
 */
struct client_call *client_compact(struct client *c, int64_t revision, bool physical,
                                   client_done done, void *arg);

/* --- leases: lease.c -------------------------------------------------------------------------- */
struct client_lease;
/* A lease that nobody renews (result->lease_id, ttl_s): for what shall vanish by itself. */
struct client_call *client_grant(struct client *c, int64_t ttl_s, client_done done, void *arg);
/* Grants a lease and keeps it alive (TTL/3) until revoked. on_state(arg, id, alive, deadline_ms):
 * alive with the loop time until which it certainly holds, at grant and at each renewal;
 * alive=false once it has been lost (expired on our own clock or unknown to the store): the lease
 * object then ends by itself. */
struct client_lease *client_lease_start(struct client *c, int64_t ttl_s,
                                        void (*on_state)(void *arg, int64_t id, bool alive,
                                                         uint64_t deadline_ms),
                                        void *arg);
int64_t client_lease_id(const struct client_lease *l);
/* Revokes (best effort) and ends; on_state is not called again. done may be NULL. */
void client_lease_stop(struct client_lease *l, void (*done)(void *arg), void *arg);
/* Forgets it without revoking: it runs out by itself. For who means to be back soon. NULL is
 * fine. */
void client_lease_abandon(struct client_lease *l);

/* --- watches: watch.c ------------------------------------------------------------------------- */
struct client_watch;
enum client_event_type { EVENT_PUT, EVENT_DELETE };
struct client_event {
    enum client_event_type type;
    struct client_kv kv;
    bool has_prev;
    struct client_kv prev;
};
struct client_watch_options {
    struct slice key, range_end;
    int64_t start_revision;  /* 0 = from now */
    bool prev_kv;
    bool progress_notify;
    /* All events of one response, ordered; revision = the last one included. n == 0 is a bookmark.
     * */
    void (*on_events)(void *arg, const struct client_event *events, size_t n, int64_t revision);
    /* The end: E_COMPACTED (relist), E_PERM, ... Not after client_watch_stop. */
    void (*on_end)(void *arg, int status, int64_t compact_revision, const struct err *err);
    /* Moved to another member, at `resume_revision`. May be NULL. */
    void (*on_resume)(void *arg, const char *endpoint, int64_t resume_revision);
    void *arg;
};
struct client_watch *client_watch_start(struct client *c,
                                        const struct client_watch_options *options);
void client_watch_stop(struct client_watch *w);
/* Asks the member for a bookmark now, on every watch that has delivered all it had to (best
 * effort: it comes later, or not at all when the connection breaks first). */
void client_watch_progress(struct client *c);

/* --- cluster: cluster.c ----------------------------------------------------------------------- */
struct client_member {
    uint64_t id;
    char name[64];
    char peer_url[256];
    char client_url[256];
    bool learner;
};
typedef void (*client_members_done)(void *arg, int status, const struct client_member *members,
                                    size_t n, const struct err *err);
struct client_call *client_member_list(struct client *c, client_members_done done, void *arg);
struct client_status {
    char version[64];
    uint64_t member_id, leader_id, raft_term, raft_index, applied_index;
    int64_t db_size, db_size_in_use, revision;
    bool learner;
};
typedef void (*client_status_done)(void *arg, int status, const struct client_status *s,
                                   const struct err *err);
/* Of one endpoint, not of the current one. */
struct client_call *client_status_of(struct client *c, const char *endpoint, uint64_t timeout_ms,
                                     client_status_done done, void *arg);

#endif
