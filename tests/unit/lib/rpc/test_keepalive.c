/* What a server tells and asks a connection by itself: how many calls may be open, and pings. */
#include "fixture.h"

#include <string.h>

#include "lib/base/limits.h"

enum { SETTINGS = 4, PING = 6, ACK = 1 };

static void begin(struct buf *out)
{
    buf_append_str(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    raw_frame(out, SETTINGS, 0, 0, NULL, 0);
}

/* SETTINGS_MAX_CONCURRENT_STREAMS (3) of the server's first frame. */
static uint32_t announced_streams(struct fixture *f, uint64_t streams_max)
{
    struct rpc_server_options o = { .loop = f->loop, .streams_max = streams_max };
    struct rpc_server *s = rpc_server_new(&o);
    struct raw r;
    autobuf out = BUF_INIT;
    uint32_t value = 0;
    assert_int_equal(rpc_server_listen(s, "127.0.0.1:0", RPC_SERVES_GRPC, NULL), 0);
    raw_open_at(&r, f, rpc_server_address(s, 0));
    begin(&out);
    raw_write(&r, out.data, out.len);
    for (int i = 0; r.in.len < 9 || r.in.len < 9U + r.in.data[2]; i++) {
        assert_true(i < 2000 && !r.closed);
        fixture_run_ms(f, 2);
    }
    assert_int_equal(r.in.data[3], SETTINGS);
    for (size_t at = 9; at + 6 <= 9U + r.in.data[2]; at += 6) {
        const uint8_t *b = r.in.data + at;
        if (b[0] == 0 && b[1] == 3) {
            value = (uint32_t)b[2] << 24 | (uint32_t)b[3] << 16 | (uint32_t)b[4] << 8 | b[5];
        }
    }
    raw_close(&r);
    rpc_server_free(s);
    fixture_run_ms(f, 2);
    return value;
}

static void open_calls_of_a_connection_are_bounded(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    assert_int_equal(announced_streams(&f, 7), 7);
    assert_int_equal(announced_streams(&f, 0), LIMIT_STREAMS_PER_CONN);
    assert_int_equal(announced_streams(&f, UINT32_MAX), LIMIT_STREAMS_PER_CONN);
    fixture_close(&f);
}

static struct rpc_server *keepalive_server(struct fixture *f, struct raw *r, uint64_t timeout_ms)
{
    struct rpc_server_options o = { .loop = f->loop, .keepalive_interval_ms = 20,
                                    .keepalive_timeout_ms = timeout_ms };
    struct rpc_server *s = rpc_server_new(&o);
    autobuf out = BUF_INIT;
    assert_int_equal(rpc_server_listen(s, "127.0.0.1:0", RPC_SERVES_GRPC, NULL), 0);
    raw_open_at(r, f, rpc_server_address(s, 0));
    begin(&out);
    raw_write(r, out.data, out.len);
    return s;
}

/* Takes the frames that have come whole; answers pings when told to. Returns how many they were. */
static size_t take_pings(struct raw *r, bool answer)
{
    size_t pings = 0;
    while (r->in.len >= 9) {
        const uint8_t *b = r->in.data;
        size_t len = (size_t)b[0] << 16 | (size_t)b[1] << 8 | b[2];
        if (r->in.len < 9 + len) {
            break;
        }
        if (b[3] == PING && (b[4] & ACK) == 0) {
            autobuf out = BUF_INIT;
            raw_frame(&out, PING, ACK, 0, b + 9, 8);
            pings++;
            if (answer) {
                raw_write(r, out.data, out.len);
            }
        }
        buf_consume(&r->in, 9 + len);
    }
    return pings;
}

static void a_silent_client_is_pinged_and_cut_off(void **state)
{
    (void)state;
    struct fixture f;
    struct raw r;
    fixture_open(&f);
    struct rpc_server *s = keepalive_server(&f, &r, 20);
    fixture_wait(&f, &r.closed);
    assert_int_equal(take_pings(&r, false), 1);
    raw_close(&r);
    rpc_server_free(s);
    fixture_run_ms(&f, 2);
    fixture_close(&f);
}

static void who_answers_pings_stays(void **state)
{
    (void)state;
    struct fixture f;
    struct raw r;
    size_t pings = 0;
    fixture_open(&f);
    struct rpc_server *s = keepalive_server(&f, &r, 30000); /* this test is no judge of speed */
    for (int i = 0; pings < 5; i++) {
        assert_true(i < 5000 && !r.closed);
        fixture_run_ms(&f, 2);
        pings += take_pings(&r, true);
    }
    raw_close(&r);
    rpc_server_free(s);
    fixture_run_ms(&f, 2);
    fixture_close(&f);
}

int test_keepalive_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_calls_of_a_connection_are_bounded),
        cmocka_unit_test(a_silent_client_is_pinged_and_cut_off),
        cmocka_unit_test(who_answers_pings_stays),
    };
    return cmocka_run_group_tests_name("rpc/keepalive", tests, NULL, NULL);
}
