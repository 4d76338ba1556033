/* Knocks: a question from outside the membership, both ends of it.
 *
 *     connect --> hello (kind knock) --> answer code --> one frame: the answer --> closed
 *
 * At the asked end whoever knocks stays a stranger: it counts among them, and its connection lives
 * for PEER_KNOCK_TIMEOUT_MS at most. */
#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "raft/transport_link.h"

/* --- the asked end ---------------------------------------------------------------------------- */

static enum peer_code judge(const struct transport *t, const struct peer_hello *hello)
{
    if (hello->cluster_id != 0 && hello->cluster_id != t->options.cluster_id) {
        return PEER_REFUSED_CLUSTER;
    }
    bool good = t->options.on_knock != NULL && hello->from == 0;
    return good ? PEER_WELCOME : PEER_REFUSED_UNKNOWN;
}

int transport_accept_knock(struct link *l)
{
    struct transport *t = l->t;
    enum peer_code code = judge(t, &l->hello);
    link_answer(l, code);
    if (code != PEER_WELCOME) {
        log_warn("raft", "a knock refused", "name=%s address=%s reason=\"%s\"", l->hello.name,
                 l->hello.address, peer_code_text(code));
        t->strangers--;
        link_close_after_flush(l);
        return 0;
    }
    struct knock knock = { .cluster_id = l->hello.cluster_id, .what = l->hello.stream_id,
                           .about = l->hello.to };
    str_copy(knock.name, sizeof knock.name, l->hello.name);
    str_copy(knock.address, sizeof knock.address, l->hello.address);
    l->knock_id = ++t->knocks;
    l->deadline_ms = loop_now_ms(t->options.loop) + PEER_KNOCK_TIMEOUT_MS;
    t->options.on_knock(t->options.arg, l->knock_id, &knock);
    return 0;
}

void transport_knock_answer(struct transport *t, uint64_t knock_id, struct buf *b)
{
    PRE(knock_id != 0 && b->len > 0 && b->len <= KNOCK_ANSWER_MAX);
    LIST_FOREACH(it, &t->links)
    {
        struct link *l = LIST_ENTRY(it, struct link, node);
        if (l->knock_id == knock_id && !l->closing) {
            link_send(l, slice_make(NULL, 0), b);
            t->strangers--;
            link_close_after_flush(l);
            return;
        }
    }
    buf_reset(b);
}

/* --- the asking end --------------------------------------------------------------------------- */

struct transport_knock {
    struct loop *loop;
    struct connect *connect;
    struct conn *conn;
    struct knock knock;
    struct buf in;
    bool welcome;
    bool finished;
    int status;
    struct buf answer;
    struct timer timer;
    void (*done)(void *arg, int status, struct slice answer);
    void *arg;
};

/* The outcome is settled; it is told when the connection is gone. */
static void settle(struct transport_knock *k, int status)
{
    if (k->finished) {
        return;
    }
    k->finished = true;
    k->status = status;
    timer_stop(&k->timer);
    if (k->conn != NULL) {
        conn_close(k->conn);
    } else if (k->connect != NULL) {
        connect_cancel(k->connect);
    }
}

static void tell(struct transport_knock *k)
{
    k->done(k->arg, k->status, buf_slice(&k->answer));
    buf_fini(&k->in);
    buf_fini(&k->answer);
    mem_free(k);
}

static void take(struct transport_knock *k, struct slice payload)
{
    struct peer_answer code;
    if (k->welcome) {
        buf_append_slice(&k->answer, payload);
        settle(k, 0);
        return;
    }
    if (peer_answer_decode(payload, &code) != 0) {
        settle(k, E_PROTO);
        return;
    }
    k->welcome = code.code == PEER_WELCOME;
    if (!k->welcome) {
        buf_append_str(&k->answer, code.text);
        settle(k, E_MISMATCH);
    }
}

static void on_read(void *arg, struct slice bytes)
{
    struct transport_knock *k = arg;
    buf_append_slice(&k->in, bytes);
    struct slice left = buf_slice(&k->in);
    while (!k->finished) {
        struct slice payload;
        int rv = peer_frame_next(&left, KNOCK_ANSWER_MAX, &payload);
        if (rv == 0) {
            break;
        }
        if (rv < 0) {
            settle(k, rv);
        } else {
            take(k, payload);
        }
    }
    buf_consume(&k->in, k->in.len - left.len);
}

static void on_close(void *arg, int status)
{
    struct transport_knock *k = arg;
    k->conn = NULL;
    settle(k, status != 0 ? status : E_CLOSED);
    tell(k);
}

static void say_hello(struct transport_knock *k)
{
    struct peer_hello hello = { .version = PEER_VERSION, .kind = PEER_KIND_KNOCK,
                                .cluster_id = k->knock.cluster_id, .to = k->knock.about,
                                .stream_id = k->knock.what };
    uint8_t head[PEER_FRAME_HEAD_BYTES];
    autobuf body = BUF_INIT;
    str_copy(hello.name, sizeof hello.name, k->knock.name);
    str_copy(hello.address, sizeof hello.address, k->knock.address);
    peer_hello_encode(&hello, &body);
    peer_frame_head(head, buf_slice(&body), slice_make(NULL, 0));
    conn_write(k->conn, slice_make(head, sizeof head));
    conn_write_buf(k->conn, &body);
}

static void on_connected(void *arg, int status, struct conn *c, const struct err *err)
{
    static const struct conn_events events = { .on_read = on_read, .on_close = on_close };
    struct transport_knock *k = arg;
    (void)err;
    k->connect = NULL;
    if (status != 0) {
        settle(k, status);
        tell(k);
        return;
    }
    k->conn = c;
    conn_set_events(c, &events, k);
    if (k->finished) {
        conn_close(c);
    } else {
        say_hello(k);
    }
}

static void on_timeout(struct timer *timer)
{
    settle(CONTAINER_OF(timer, struct transport_knock, timer), E_TIMEOUT);
}

struct transport_knock *transport_knock_start(
    struct loop *loop, const char *address, const struct knock *knock, uint64_t timeout_ms,
    void (*done)(void *arg, int status, struct slice answer), void *arg)
{
    struct transport_knock *k = mem_zalloc(sizeof *k);
    k->loop = loop;
    k->knock = *knock;
    k->done = done;
    k->arg = arg;
    timer_init(loop, &k->timer, on_timeout);
    timer_start(&k->timer, timeout_ms);
    k->connect = conn_connect(loop, address, PEER_CONNECT_TIMEOUT_MS, on_connected, k);
    return k;
}

void transport_knock_cancel(struct transport_knock *k)
{
    settle(k, E_CANCELED);
}
