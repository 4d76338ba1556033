/* Shared by the tests of lib/io. */
#include "fixture.h"

#include <stdlib.h>

enum { DEADLINE_MS = 20000 };

struct deadline {
    struct timer timer;
    bool passed;
};

static void on_deadline(struct timer *t)
{
    CONTAINER_OF(t, struct deadline, timer)->passed = true;
    loop_stop(t->loop);
}

void run_to_stop(struct loop *loop)
{
    struct deadline d = { .passed = false };

    timer_init(loop, &d.timer, on_deadline);
    timer_start(&d.timer, DEADLINE_MS);
    loop_run(loop);
    timer_stop(&d.timer);
    assert_false(d.passed);
}

char *temp_dir_new(void)
{
    const char *base = getenv("TMPDIR");
    char *path = mem_printf("%s/barque-io-XXXXXX", base != NULL ? base : "/tmp");

    assert_non_null(mkdtemp(path));
    return path;
}

void temp_dir_free(char *path)
{
    assert_int_equal(fs_remove_tree(NULL, path, NULL), 0);
    mem_free(path);
}

static void on_read(void *arg, struct slice bytes)
{
    struct end *e = arg;

    e->received += bytes.len;
    if (!e->count_only) {
        buf_append_slice(&e->in, bytes);
    }
    if (e->stop_at != 0 && e->received >= e->stop_at) {
        loop_stop(e->loop);
    }
}

static void on_drain(void *arg)
{
    struct end *e = arg;
    e->drains++;
}

static void on_close(void *arg, int status)
{
    struct end *e = arg;

    e->closes++;
    e->status = status;
    e->conn = NULL;
    if (e->stop_on_close) {
        loop_stop(e->loop);
    }
}

void end_attach(struct end *e, struct loop *loop, struct conn *c)
{
    static const struct conn_events events = { on_read, on_drain, on_close };

    e->loop = loop;
    e->conn = c;
    conn_set_events(c, &events, e);
}

static void arrived(struct pair *p)
{
    if (++p->arrived == 2) {
        loop_stop(p->loop);
    }
}

static void on_accept(void *arg, struct conn *c)
{
    struct pair *p = arg;

    end_attach(&p->server, p->loop, c);
    arrived(p);
}

static void on_connected(void *arg, int status, struct conn *c, const struct err *err)
{
    struct pair *p = arg;

    if (status != 0) {
        fail_msg("%s", err->msg);
    }
    end_attach(&p->client, p->loop, c);
    arrived(p);
}

void pair_open(struct pair *p, struct loop *loop, const char *address)
{
    struct err err = ERR_INIT;

    *p = (struct pair){ .loop = loop };
    if (listener_open(loop, address, on_accept, p, &p->listener, &err) != 0) {
        fail_msg("%s", err.msg);
    }
    conn_connect(loop, listener_address(p->listener), 10000, on_connected, p);
    run_to_stop(loop);
    assert_int_equal(p->arrived, 2);
}

void pair_free(struct pair *p)
{
    struct end *ends[] = { &p->server, &p->client };

    listener_close(p->listener);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        if (ends[i]->conn != NULL) {
            conn_close(ends[i]->conn);
        }
    }
    loop_run(p->loop);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        assert_int_equal(ends[i]->closes, 1);
        buf_fini(&ends[i]->in);
    }
    loop_free(p->loop);
}
