/* A member behind a link on which one message takes seconds: slow is not dead. */
#include "tests/unit/client/etcd.h"
#include "tests/unit/client/tests.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/io/conn.h"
#include "lib/io/timer.h"

enum {
    PIECE_BYTES = 16 * 1024, /* what passes to the client each... */
    PIECE_MS = 40,           /* ... so long: 400 KB/s */
    VALUE_BYTES = 1024 * 1024, /* takes 2.6 s, over silence and probe together (1.4 s) */
    PIPES_MAX = 8,
};

/* A proxy of one address: what the client sends passes at once, what it is sent drips. */
struct slow_link {
    struct loop *loop;
    const char *to;
    struct listener *listener;
    struct pipe {
        struct slow_link *link;
        struct conn *client, *server;
        struct buf early; /* from the client before the server was there */
        struct buf late;  /* from the server */
        struct timer timer;
    } pipes[PIPES_MAX];
    size_t n;
};

static void drip(struct timer *t)
{
    struct pipe *p = CONTAINER_OF(t, struct pipe, timer);
    size_t n = p->late.len < PIECE_BYTES ? p->late.len : PIECE_BYTES;
    if (n > 0 && p->client != NULL) {
        conn_write(p->client, slice_make(p->late.data, n));
        buf_consume(&p->late, n);
    }
    timer_start(&p->timer, PIECE_MS);
}

static void from_client(void *arg, struct slice bytes)
{
    struct pipe *p = arg;
    if (p->server != NULL) {
        conn_write(p->server, bytes);
    } else {
        buf_append_slice(&p->early, bytes);
    }
}

static void from_server(void *arg, struct slice bytes)
{
    buf_append_slice(&((struct pipe *)arg)->late, bytes);
}

static void client_gone(void *arg, int status)
{
    struct pipe *p = arg;
    (void)status;
    p->client = NULL;
    if (p->server != NULL) {
        conn_close(p->server);
    }
}

static void server_gone(void *arg, int status)
{
    struct pipe *p = arg;
    (void)status;
    p->server = NULL;
    if (p->client != NULL) {
        conn_close(p->client);
    }
}

static void on_connected(void *arg, int status, struct conn *c, const struct err *err)
{
    static const struct conn_events events = { .on_read = from_server, .on_close = server_gone };
    struct pipe *p = arg;
    (void)err;
    assert_int_equal(status, 0);
    p->server = c;
    conn_set_events(c, &events, p);
    conn_write_buf(c, &p->early);
    if (p->client == NULL) {
        conn_close(c);
    }
}

static void on_accept(void *arg, struct conn *c)
{
    static const struct conn_events events = { .on_read = from_client, .on_close = client_gone };
    struct slow_link *l = arg;
    assert_true(l->n < PIPES_MAX);
    struct pipe *p = &l->pipes[l->n++];
    p->link = l;
    p->client = c;
    conn_set_events(c, &events, p);
    timer_init(l->loop, &p->timer, drip);
    timer_start(&p->timer, PIECE_MS);
    conn_connect(l->loop, l->to, 1000, on_connected, p);
}

static void slow_link_open(struct slow_link *l, struct loop *loop, const char *to)
{
    memset(l, 0, sizeof *l);
    l->loop = loop;
    l->to = to;
    assert_int_equal(listener_open(loop, "127.0.0.1:0", on_accept, l, &l->listener, NULL), 0);
}

static void slow_link_close(struct slow_link *l)
{
    listener_close(l->listener);
    for (size_t i = 0; i < l->n; i++) {
        struct pipe *p = &l->pipes[i];
        timer_stop(&p->timer);
        if (p->client != NULL) {
            conn_close(p->client);
        }
        buf_fini(&p->late);
        buf_fini(&p->early);
    }
}

struct watched {
    size_t bytes, resumed;
};

static void on_events(void *arg, const struct client_event *events, size_t n, int64_t revision)
{
    struct watched *w = arg;
    (void)revision;
    for (size_t i = 0; i < n; i++) {
        w->bytes += events[i].kv.value.len;
    }
}

static void on_resume(void *arg, const char *endpoint, int64_t revision)
{
    (void)endpoint;
    (void)revision;
    ((struct watched *)arg)->resumed++;
}

static void on_end(void *arg, int status, int64_t compact_revision, const struct err *err)
{
    (void)arg;
    (void)compact_revision;
    fail_msg("the watch ended: %d %s", status, err != NULL ? err->msg : "");
}

static bool arrived(void *arg)
{
    return ((struct watched *)arg)->bytes >= VALUE_BYTES;
}

static void a_message_that_takes_long_to_arrive_is_no_silence(void **state)
{
    (void)state;
    struct etcd *e = etcd_shared();
    struct slow_link links[2];
    slow_link_open(&links[0], e->loop, e->members[0].address);
    slow_link_open(&links[1], e->loop, e->members[0].address);
    const char *endpoints[] = { listener_address(links[0].listener),
                                listener_address(links[1].listener) };
    struct client_options options = { .loop = e->loop, .endpoints = endpoints, .n_endpoints = 2 };
    struct client *direct = etcd_client(e), *slow = NULL;
    assert_int_equal(client_new(&options, &slow, NULL), 0);

    struct watched w = { 0 };
    char *value = mem_alloc(VALUE_BYTES + 1);
    memset(value, 'x', VALUE_BYTES);
    value[VALUE_BYTES] = '\0';
    int64_t now = must_put(direct, "slow", "", 0);
    must_put(direct, "slow", value, 0);
    struct client_watch_options watch = {
        .key = slice_str("slow"), .start_revision = now + 1, .on_events = on_events,
        .on_end = on_end, .on_resume = on_resume, .arg = &w,
    };
    struct client_watch *cw = client_watch_start(slow, &watch);
    assert_true(run_until(e->loop, arrived, &w, 30000));
    assert_int_equal(w.resumed, 0);
    assert_int_equal(w.bytes, VALUE_BYTES);

    client_watch_stop(cw);
    client_free(slow);
    client_free(direct);
    slow_link_close(&links[0]);
    slow_link_close(&links[1]);
    mem_free(value);
    run_turns(e->loop);
}

int test_slow_link_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_that_takes_long_to_arrive_is_no_silence),
    };
    return cmocka_run_group_tests_name("client/slow link", tests, NULL, NULL);
}
