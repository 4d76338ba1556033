/* Stream connections: TCP (TCP_NODELAY always) and unix sockets, with watermarks.
 *
 * Writes are gathered: conn_write copies into (conn_write_value: references) an output queue
 * that is sent with writev at the end of the turn. When the queue passes high_bytes,
 * `conn_congested` is true and on_drain fires once it has fallen below half. Reading pauses
 * while conn_pause_read is on.
 *
 * Close: conn_close refuses new writes, drops the queue, and calls on_close later (never inside
 * the caller); memory is the conn's and is freed after on_close returns. A peer's close or an
 * error leads to the same on_close, with the reason, without conn_close being called; on_close
 * comes exactly once. */
#ifndef BARQUE_IO_CONN_H
#define BARQUE_IO_CONN_H

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/value.h"
#include "lib/io/loop.h"

struct conn;
struct listener;

struct conn_events {
    /* Bytes arrived; valid during the call. */
    void (*on_read)(void *arg, struct slice bytes);
    /* The queue fell below half the high mark after having been congested. May be NULL. */
    void (*on_drain)(void *arg);
    /* The last call for this conn. status: 0 orderly end by the peer, E_CANCELED closed by us, or
     * the error. */
    void (*on_close)(void *arg, int status);
};

/* Set once, right after accept or connect, before the next turn. */
void conn_set_events(struct conn *c, const struct conn_events *events, void *arg);
void conn_set_high_water(struct conn *c, size_t high_bytes); /* default LIMIT_CONN_QUEUE_BYTES */
void conn_write(struct conn *c, struct slice bytes);         /* copies */
void conn_write_value(struct conn *c, struct value *v, size_t from, size_t len); /* references */
/* Takes the whole buffer (b is left empty): no copy. */
void conn_write_buf(struct conn *c, struct buf *b);
size_t conn_queued(const struct conn *c);
bool conn_congested(const struct conn *c);
void conn_pause_read(struct conn *c, bool pause);
/* Sends what is queued (at most linger_ms), then closes. */
void conn_close_after_flush(struct conn *c, uint64_t linger_ms);
void conn_close(struct conn *c); /* idempotent */
/* "127.0.0.1:2379" or "unix:/path"; static for the conn's life. */
const char *conn_peer_name(const struct conn *c);
const char *conn_local_name(const struct conn *c);

/* Connects to "host:port" ("localhost", IPv4, [IPv6] or a name, resolved off-loop) or
 * "unix:/path". done is called once, later: on success with a conn (the callback sets its
 * events), otherwise with an error that names the address. The returned request may be cancelled
 * until then (done gets E_CANCELED). */
struct connect;
typedef void (*connect_done)(void *arg, int status, struct conn *c, const struct err *err);
struct connect *conn_connect(struct loop *loop, const char *address, uint64_t timeout_ms,
                             connect_done done, void *arg);
void connect_cancel(struct connect *request);

/* Listens on "host:port" (port 0 picks one; see listener_address) or "unix:/path". on_accept
 * owns the conn. E_ADDRINUSE names the address. At LIMIT_CONNS open conns, or fewer when there are
 * few file descriptors (loop_fit_descriptors), accepting pauses. */
int listener_open(struct loop *loop, const char *address,
                  void (*on_accept)(void *arg, struct conn *c), void *arg,
                  struct listener **ret_listener, struct err *err);
/* Its conns may use the descriptors that are kept from others. */
void listener_for_peers(struct listener *l);
const char *listener_address(const struct listener *l);
void listener_close(struct listener *l); /* stops accepting; frees itself */

/* "http://127.0.0.1:2379", "unix:///path" or "unix://path" (relative, as etcd's) -> address for the
 * calls above. E_INVAL with the reason: unknown scheme, no port, a path. `secure` is set for https
 * and unixs. */
int address_from_url(const char *url, char *ret_address, size_t size, bool *ret_secure,
                     struct err *err);

#endif
