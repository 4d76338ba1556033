/* Listening. The socket is watched with uv_poll and accepted from here, not by uv_listen,
 * because libuv answers a lack of file descriptors by accepting and dropping the clients; here
 * they wait in the backlog until a descriptor is free.
 *
 *     LISTENING --conns_max reached, or EMFILE and its kin--> PAUSED
 *     PAUSED    --a conn was closed, or RETRY_MS passed-----> LISTENING
 *
 * conns_max leaves descriptors free (loop_fit_descriptors): for files, and for as many conns of a
 * listener for peers.
 *
 * A unix socket has a file: socket_file.c. */
#include <errno.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/log.h"
#include "lib/io/fault_internal.h"
#include "lib/io/internal.h"

enum {
    BACKLOG = 4096,     /* the kernel caps it at net.core.somaxconn */
    ACCEPTS_A_TURN = 64, /* then the others get their turn */
    RETRY_MS = 100,
};

struct listener {
    struct loop *loop;
    struct list link; /* in loop->listeners */
    uv_poll_t poll;
    int fd;
    enum conn_kind kind;
    void (*on_accept)(void *arg, struct conn *c);
    void *arg;
    struct timer retry;
    bool paused;
    bool for_peers;
    bool starved; /* paused for lack of descriptors; said once */
    bool crowded; /* paused for too many conns; said once, until a tenth of them is gone */
    bool closed;
    char address[ADDRESS_TEXT_MAX];
    struct socket_file file; /* of a unix socket */
};

/* --- accepting ------------------------------------------------------------------------------- */

static void on_readable(uv_poll_t *poll, int status, int events);

static void pause_accepting(struct listener *l)
{
    l->paused = true;
    uv_poll_stop(&l->poll);
}

static size_t room(const struct listener *l)
{
    size_t most = l->loop->conns_max + (l->for_peers ? l->loop->conns_reserved : 0);
    return most > l->loop->n_conns ? most - l->loop->n_conns : 0;
}

static void resume(struct listener *l)
{
    if (room(l) > l->loop->conns_max / 10) {
        l->crowded = false;
    }
    if (l->paused && room(l) > 0) {
        l->paused = false;
        timer_stop(&l->retry);
        uv_poll_start(&l->poll, UV_READABLE, on_readable);
    }
}

static void on_retry(struct timer *t)
{
    resume(CONTAINER_OF(t, struct listener, retry));
}

void listeners_resume(struct loop *loop)
{
    LIST_FOREACH(it, &loop->listeners) {
        resume(LIST_ENTRY(it, struct listener, link));
    }
}

static bool lacks_resources(int errnum)
{
    return errnum == EMFILE || errnum == ENFILE || errnum == ENOBUFS || errnum == ENOMEM;
}

static void starve(struct listener *l, int errnum)
{
    pause_accepting(l);
    timer_start(&l->retry, RETRY_MS);
    if (!l->starved) {
        l->starved = true;
        log_warn("io", "accepting paused", "address=%s reason=\"%s\"", l->address,
                 strerror(errnum));
    }
}

static void accepted(struct listener *l, int fd)
{
    struct conn *c = conn_new(l->loop, l->kind);

    l->starved = false;
    if (conn_open_fd(c, fd) != 0) {
        close(fd);
        conn_close(c);
        return;
    }
    conn_established(c);
    if (l->loop->faults != NULL) {
        c->of_client = faults_is_client(l->loop->faults, l->address);
        conn_obey_faults(c);
    }
    l->on_accept(l->arg, c);
}

static void crowd(struct listener *l)
{
    pause_accepting(l); /* the next close resumes */
    if (!l->crowded) {
        l->crowded = true;
        log_warn("io", "accepting paused until connections are closed", "address=%s open=%zu",
                 l->address, l->loop->n_conns);
    }
}

/* False when there is nothing more to accept now. */
static bool accept_one(struct listener *l)
{
    if (room(l) == 0) {
        crowd(l);
        return false;
    }
    int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        accepted(l, fd);
        return !l->closed;
    }
    if (errno == EAGAIN) {
        return false;
    }
    if (lacks_resources(errno)) {
        starve(l, errno);
        return false;
    }
    return true; /* this client has gone away meanwhile: the next one */
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;

    (void)status; /* an error of the socket shows in accept */
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN && accept_one(l); i++) {
    }
}

/* --- opening --------------------------------------------------------------------------------- */

static int listen_tcp(int fd, const union socket_address *s, socklen_t len)
{
    int on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(fd, &s->any, len) == 0 ? listen(fd, BACKLOG) : -1;
}

/* Names are resolved in place: listening starts with the process. */
static int socket_address_of(struct loop *loop, const struct address *a, union socket_address *ret,
                             socklen_t *ret_len, const char *text, struct err *err)
{
    if (a->is_unix) {
        ret->un.sun_family = AF_UNIX;
        memcpy(ret->un.sun_path, a->path, sizeof a->path);
        *ret_len = sizeof ret->un;
        return 0;
    }
    if (!address_number(a, ret)) {
        struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
        uv_getaddrinfo_t req;
        char port[8];
        snprintf(port, sizeof port, "%u", a->port);
        int rv = uv_getaddrinfo(&loop->uv, &req, NULL, a->host, port, &hints);
        if (rv != 0) {
            return err_set(err, E_NOTFOUND, "listen on %s: host name not found: %s", text,
                           uv_strerror(rv));
        }
        memcpy(ret, req.addrinfo->ai_addr, req.addrinfo->ai_addrlen);
        uv_freeaddrinfo(req.addrinfo);
    }
    *ret_len = ret->any.sa_family == AF_INET ? sizeof ret->in : sizeof ret->in6;
    return 0;
}

static int open_socket(struct listener *l, const union socket_address *s, socklen_t len,
                       const char *text, struct err *err)
{
    l->fd = socket(s->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0) {
        return err_errno(err, errno, "listen on %s", text);
    }
    int rv = l->kind == CONN_UNIX ? socket_file_listen(&l->file, l->fd, &s->un, BACKLOG)
                                  : listen_tcp(l->fd, s, len);
    if (rv != 0) {
        return err_errno(err, errno, "listen on %s", text);
    }
    union socket_address bound = { .storage = { 0 } };
    socklen_t bound_len = sizeof bound;
    if (getsockname(l->fd, &bound.any, &bound_len) != 0) {
        return err_errno(err, errno, "listen on %s", text);
    }
    address_format(&bound, bound_len, l->address, sizeof l->address);
    return 0;
}

static void free_listener(struct listener *l)
{
    socket_file_remove(&l->file);
    if (l->fd >= 0) {
        close(l->fd);
    }
    mem_free(l);
}

int listener_open(struct loop *loop, const char *address,
                  void (*on_accept)(void *arg, struct conn *c), void *arg,
                  struct listener **ret_listener, struct err *err)
{
    struct address a;
    union socket_address s = { .storage = { 0 } };
    socklen_t len = 0;

    PRE(on_accept != NULL);
    int rv = address_parse(address, &a, err);
    if (rv == 0) {
        rv = socket_address_of(loop, &a, &s, &len, address, err);
    }
    if (rv != 0) {
        return rv;
    }
    struct listener *l = mem_zalloc(sizeof *l);
    l->loop = loop;
    l->on_accept = on_accept;
    l->arg = arg;
    l->kind = a.is_unix ? CONN_UNIX : CONN_TCP;
    rv = open_socket(l, &s, len, address, err);
    if (rv != 0) {
        free_listener(l);
        return rv;
    }
    rv = uv_poll_init(&loop->uv, &l->poll, l->fd);
    INVARIANT(rv == 0); /* a fresh socket can be polled */
    l->poll.data = l;
    timer_init(loop, &l->retry, on_retry);
    list_push_back(&loop->listeners, &l->link);
    uv_poll_start(&l->poll, UV_READABLE, on_readable);
    *ret_listener = l;
    return 0;
}

void listener_for_peers(struct listener *l)
{
    l->for_peers = true;
}

const char *listener_address(const struct listener *l)
{
    return l->address;
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(handle->data);
}

void listener_close(struct listener *l)
{
    if (l == NULL || l->closed) {
        return;
    }
    l->closed = true;
    list_remove(&l->link);
    timer_stop(&l->retry);
    uv_close((uv_handle_t *)&l->poll, on_closed);
    socket_file_remove(&l->file);
    close(l->fd); /* nobody can connect from here on */
    l->fd = -1;
}
