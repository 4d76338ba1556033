/* Connecting: one request tries the addresses of a host one after another until one answers.
 *
 *     start -> RESOLVING -> TRYING (1st address) -> TRYING (2nd) ... -> DONE -> done()
 *        \________________/^  numbers and unix paths need no resolver
 *
 * Every end, also one that is known at once (a bad address, a cancel), goes through `report`, a
 * ready call: done() never comes from inside conn_connect or connect_cancel. The two things
 * libuv may still hold when the request ends are detached instead of waited for: the look-up
 * (struct lookup, freed by its own callback) and the half-open conn (closed, with c->connecting
 * NULL). */
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/io/fault_internal.h"
#include "lib/io/internal.h"

enum { TARGETS_MAX = 16 };

struct lookup {
    uv_getaddrinfo_t req;
    struct loop *loop;
    struct connect *owner; /* NULL: nobody waits any more */
};

struct connect {
    struct loop *loop;
    char *name; /* as given, for messages */
    uint64_t timeout_ms;
    connect_done done;
    void *arg;
    struct address address;
    union socket_address targets[TARGETS_MAX];
    size_t n_targets;
    size_t next_target;
    struct lookup *lookup;
    struct conn *conn; /* being connected, or the result */
    struct timer timeout;
    struct ready report;
    struct err err;
    bool ended;
    struct list held; /* in loop->connects while a fault rule keeps it from starting */
};

static void try_next(struct connect *r);

/* --- end ------------------------------------------------------------------------------------- */

static void drop_conn(struct connect *r)
{
    if (r->conn != NULL) {
        r->conn->connecting = NULL;
        conn_close(TAKE(r->conn));
    }
}

/* r->err tells how. */
static void end(struct connect *r)
{
    PRE(!r->ended);
    r->ended = true;
    list_remove(&r->held);
    timer_stop(&r->timeout);
    if (r->lookup != NULL) {
        r->lookup->owner = NULL;
        uv_cancel((uv_req_t *)&r->lookup->req); /* frees a thread when it has not begun */
        r->lookup = NULL;
    }
    if (r->err.code != 0) {
        drop_conn(r);
    }
    loop_ready(r->loop, &r->report);
}

static void report(struct ready *ready)
{
    struct connect *r = CONTAINER_OF(ready, struct connect, report);

    struct conn *c = r->conn;

    r->done(r->arg, r->err.code, c, &r->err);
    if (c != NULL && r->loop->faults != NULL) {
        conn_obey_faults(c); /* now that it has an owner who hears of its end */
    }
    mem_free(r->name);
    mem_free(r);
}

static void on_timeout(struct timer *t)
{
    struct connect *r = CONTAINER_OF(t, struct connect, timeout);

    err_set(&r->err, E_TIMEOUT, "connect to %s: no answer within %llu ms", r->name,
            (unsigned long long)r->timeout_ms);
    end(r);
}

/* --- trying ---------------------------------------------------------------------------------- */

static void fail_target(struct connect *r, int uv_status)
{
    drop_conn(r);
    err_errno(&r->err, -uv_status, "connect to %s", r->name);
    if (r->err.code == E_NOTFOUND || r->err.code == E_IO) {
        r->err.code = E_UNAVAILABLE; /* no socket file, no route: nobody is there */
    }
    if (r->next_target < r->n_targets) {
        try_next(r);
    } else {
        end(r);
    }
}

static void on_connect(uv_connect_t *req, int status)
{
    struct conn *c = req->data;
    struct connect *r = c->connecting;

    if (r == NULL) {
        return; /* cancelled or timed out: the conn is being closed */
    }
    if (status != 0) {
        fail_target(r, status);
        return;
    }
    c->connecting = NULL;
    conn_established(c);
    if (r->loop->faults != NULL) {
        c->target = mem_strdup(r->name);
    }
    r->err = (struct err)ERR_INIT;
    end(r);
}

static void try_next(struct connect *r)
{
    PRE(r->conn == NULL);
    PRE(r->next_target < r->n_targets);
    r->conn = conn_new(r->loop, CONN_TCP);
    r->conn->connecting = r;
    int rv = uv_tcp_connect(&r->conn->connect, &r->conn->u.tcp,
                            &r->targets[r->next_target++].any, on_connect);
    if (rv != 0) {
        fail_target(r, rv);
    }
}

static void try_unix(struct connect *r)
{
    r->conn = conn_new(r->loop, CONN_UNIX);
    r->conn->connecting = r;
    uv_pipe_connect(&r->conn->connect, &r->conn->u.pipe, r->address.path, on_connect);
}

/* --- resolving ------------------------------------------------------------------------------- */

static void add_target(struct connect *r, const struct sockaddr *sa, size_t len)
{
    if (r->n_targets < TARGETS_MAX && len <= sizeof r->targets[0]) {
        memcpy(&r->targets[r->n_targets++], sa, len);
    }
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    struct lookup *lookup = req->data;
    struct connect *r = lookup->owner;

    lookup->loop->resolving--;
    if (r != NULL) {
        r->lookup = NULL;
        for (const struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next) {
            add_target(r, ai->ai_addr, ai->ai_addrlen);
        }
        if (status != 0 || r->n_targets == 0) {
            err_set(&r->err, E_UNAVAILABLE, "connect to %s: host name not found: %s", r->name,
                    status != 0 ? uv_strerror(status) : "no address");
            end(r);
        } else {
            try_next(r);
        }
    }
    uv_freeaddrinfo(list);
    mem_free(lookup);
}

static void resolve(struct connect *r)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct lookup *lookup = mem_zalloc(sizeof *lookup);
    char port[8];

    snprintf(port, sizeof port, "%u", r->address.port);
    lookup->loop = r->loop;
    lookup->req.data = lookup;
    int rv = uv_getaddrinfo(&r->loop->uv, &lookup->req, on_resolved, r->address.host, port, &hints);
    if (rv != 0) {
        mem_free(lookup);
        err_errno(&r->err, -rv, "connect to %s", r->name);
        end(r);
        return;
    }
    lookup->owner = r;
    r->lookup = lookup;
    r->loop->resolving++;
}

static void begin(struct connect *r)
{
    union socket_address s;

    if (r->address.is_unix) {
        try_unix(r);
    } else if (!address_number(&r->address, &s)) {
        resolve(r);
    } else {
        add_target(r, &s.any, sizeof s);
        if (strcmp(r->address.host, "localhost") == 0) {
            uv_ip6_addr("::1", r->address.port, &s.in6);
            add_target(r, &s.any, sizeof s);
        }
        try_next(r);
    }
}

/* --- under the fault shim -------------------------------------------------------------------- */

static void obey_faults(struct connect *r)
{
    switch (faults_outgoing(r->loop->faults, (struct fault_name){ r->name, r->name })) {
    case FAULT_CONN_OK:
        list_remove(&r->held);
        begin(r);
        break;
    case FAULT_CONN_STALL: /* nobody answers: the timeout tells */
        list_remove(&r->held);
        list_push_back(&r->loop->connects, &r->held);
        break;
    case FAULT_CONN_REFUSE:
        err_set(&r->err, E_UNAVAILABLE, "connect to %s: connection refused (fault rule)", r->name);
        end(r);
        break;
    }
}

void connects_obey_faults(struct loop *loop)
{
    struct list now;
    struct list *l;

    list_init(&now);
    list_move_all(&now, &loop->connects);
    while ((l = list_pop_front(&now)) != NULL) {
        obey_faults(LIST_ENTRY(l, struct connect, held));
    }
}

/* --- public ---------------------------------------------------------------------------------- */

struct connect *conn_connect(struct loop *loop, const char *address, uint64_t timeout_ms,
                             connect_done done, void *arg)
{
    struct connect *r = mem_zalloc(sizeof *r);

    PRE(done != NULL);
    r->loop = loop;
    r->name = mem_strdup(address);
    r->timeout_ms = timeout_ms;
    r->done = done;
    r->arg = arg;
    ready_init(&r->report, report);
    list_init(&r->held);
    timer_init(loop, &r->timeout, on_timeout);
    timer_start(&r->timeout, timeout_ms);
    if (address_parse(address, &r->address, &r->err) != 0) {
        err_prefix(&r->err, "connect");
        end(r);
    } else if (loop->faults != NULL) {
        obey_faults(r);
    } else {
        begin(r);
    }
    return r;
}

void connect_cancel(struct connect *r)
{
    err_set(&r->err, E_CANCELED, "connect to %s: cancelled", r->name);
    if (r->ended) {
        drop_conn(r); /* connected in this very turn, not yet reported */
    } else {
        end(r);
    }
}
