/* What the files of lib/io share: the loop's insides, the output queue of a conn, addresses. Nobody
 * above this folder includes it (its unit tests do, to make small limits). */
#ifndef BARQUE_IO_INTERNAL_H
#define BARQUE_IO_INTERNAL_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <stdio.h>
#include <uv.h>

#include "lib/base/err.h"
#include "lib/base/heap.h"
#include "lib/base/limits.h"
#include "lib/io/conn.h"
#include "lib/io/file.h"
#include "lib/io/loop.h"
#include "lib/io/timer.h"

/* The real disk has no state: calls go to the kernel, past the fault shim if there is one. */
struct fs {
    const char *name;
    struct faults *faults; /* NULL: nothing fails on purpose */
};

struct fault_watch;

/* --- output queue (outq.c) ------------------------------------------------------------------- */

struct out_block;

/* Blocks for copied bytes, recycled between the conns of one loop. */
struct out_pool {
    struct out_block *free;
    size_t n;
};

void out_pool_fini(struct out_pool *pool);

enum out_kind {
    OUT_BLOCK, /* owner: struct out_block, of the pool */
    OUT_VALUE, /* owner: struct value, one reference */
    OUT_HEAP,  /* owner: memory of mem_alloc */
};

struct out_chunk {
    const uint8_t *data; /* the next byte to send */
    size_t len;          /* bytes left */
    void *owner;
    enum out_kind kind;
};

struct outq {
    struct out_chunk *chunks;
    size_t head;
    size_t n;
    size_t cap;
    size_t bytes;
};

void outq_fini(struct outq *q, struct out_pool *pool);
void outq_copy(struct outq *q, struct out_pool *pool, struct slice bytes);
void outq_value(struct outq *q, struct out_pool *pool, struct value *v, size_t from, size_t len);
void outq_buf(struct outq *q, struct out_pool *pool, struct buf *b);
/* Fills at most `max` vectors of at most max_bytes in all; returns how many. */
unsigned outq_vectors(const struct outq *q, uv_buf_t *vectors, unsigned max, size_t max_bytes,
                      size_t *ret_bytes);
void outq_consume(struct outq *q, struct out_pool *pool, size_t n);

/* --- the loop -------------------------------------------------------------------------------- */

enum { READ_BUFFER_BYTES = 64 * 1024 };

struct loop {
    uv_loop_t uv;
    uv_prepare_t prepare; /* the end of a turn: just before the loop would sleep */
    uv_idle_t idle;       /* active while something must run in another turn at once */
    uv_timer_t timer;     /* the earliest of `timers` */
    uint64_t timer_due_ms;
    struct heap timers;
    struct heap due; /* collected by the running timer pass, not yet fired */

    struct list ready;
    struct list ready_next; /* made ready by a ready call: another turn */
    struct list hooks;
    struct list hooks_next; /* armed again after running in this turn */
    struct list dirty;      /* conns with output to send at the end of this turn */
    uint64_t turn;
    bool in_ready;
    bool running;
    bool stop;

    struct list conns; /* all of them, for the fault shim */
    struct list connects; /* held back by a fault rule */
    struct faults *faults; /* NULL but under a fault shim */
    struct fault_watch *fault_watch;
    struct list listeners;
    size_t n_conns;
    size_t conns_max;
    size_t conns_reserved; /* further ones, of listeners for peers */
    size_t resolving;            /* name look-ups in flight */
    struct list released;        /* processes that run on without an owner */
    struct out_pool out_pool;
    struct fs fs;
    uint8_t read_buffer[READ_BUFFER_BYTES];
};

/* The E_ code of libuv's (negative errno) status: a broken connection is E_CLOSED. */
int io_status(int uv_status);

/* --- conns (conn.c, connect.c, listener.c) --------------------------------------------------- */

enum conn_kind { CONN_TCP, CONN_UNIX };

struct conn {
    struct loop *loop;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    struct conn_events events;
    void *arg;
    struct list all;   /* in loop->conns */
    struct list dirty; /* in loop->dirty */
    struct outq out;
    size_t high_bytes;
    size_t in_flight; /* bytes of `out` that libuv is sending */
    uv_write_t write;
    uv_connect_t connect;
    struct connect *connecting; /* whose attempt this is; NULL afterwards */
    struct timer linger;
    int status;
    enum conn_kind kind;
    bool closing;
    bool has_events;
    bool paused;
    bool congested;
    bool stalled;    /* by a fault rule: reads and writes nothing until it is broken */
    bool of_client;  /* accepted where clients connect; known under a fault shim only */
    bool last_words; /* conn_close_after_flush: no new writes, input is thrown away */
    char *peer_name;
    char *local_name;
    char *target; /* outgoing, under a fault shim: what was asked for */
};

struct conn *conn_new(struct loop *loop, enum conn_kind kind);
/* Takes an accepted socket. */
int conn_open_fd(struct conn *c, int fd);
/* The socket is connected: options and names. */
void conn_established(struct conn *c);
/* Sends what the conns have queued; called at the end of a turn. */
void conns_flush(struct loop *loop);
/* Every conn and waiting connect does what the fault rules say now (conn_fault.c). */
void conns_obey_faults(struct loop *loop);
/* The same for one that has just been made; called only under a shim. */
void conn_obey_faults(struct conn *c);
/* Breaks it as a peer would, or stops all traffic for good. */
void conn_break(struct conn *c);
void conn_stall(struct conn *c);
/* Connects that a rule holds back go on or fail as the rules say now (connect.c). */
void connects_obey_faults(struct loop *loop);
/* Ends the loop's shim; loop_free does it. */
void faults_stop(struct loop *loop);
/* A conn was closed: paused listeners may go on. */
void listeners_resume(struct loop *loop);
/* Closes what process_release left behind. */
void processes_forget(struct loop *loop);

/* --- the file of a unix socket (socket_file.c) ------------------------------------------------ */

struct socket_file {
    char *path; /* NULL: none */
    dev_t dev;  /* which file it was when we made it */
    ino_t ino;
};

/* Binds and listens; a file that nobody listens on (left by a crash) is replaced, one that somebody
 * does is not: EADDRINUSE. -1 with errno. f begins zeroed. */
int socket_file_listen(struct socket_file *f, int fd, const struct sockaddr_un *un, int backlog);
/* At the end: removes it, if it is still ours. */
void socket_file_remove(struct socket_file *f);

/* --- addresses (address.c) ------------------------------------------------------------------- */

enum { ADDRESS_TEXT_MAX = 320 };

struct address {
    bool is_unix;
    uint16_t port;
    char host[256]; /* name or number, without brackets */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

union socket_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage storage;
};

int address_parse(const char *text, struct address *ret_address, struct err *err);
/* True when the host is a number (or "localhost", as 127.0.0.1). */
bool address_number(const struct address *a, union socket_address *ret_socket);
/* "127.0.0.1:80", "[::1]:80", "unix:/path". */
void address_format(const union socket_address *s, socklen_t len, char *ret_text, size_t size);

#endif
