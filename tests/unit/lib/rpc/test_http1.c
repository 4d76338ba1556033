/* Plain HTTP/1.1: the parser alone, and the routes over a socket. */
#include "fixture.h"

#include <string.h>

#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/rpc/http1.h"

#define CHUNKED "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"

static int parse(const char *text, struct http1 *h, struct http1_request *req)
{
    http1_init(h, 1000);
    http1_feed(h, slice_str(text));
    return http1_next(h, req);
}

static void requests_are_cut_into_method_path_query_and_body(void **state)
{
    (void)state;
    struct http1 h;
    struct http1_request req;
    static const char text[] = "POST /a/b?c=d HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz"
                               "GET /n HTTP/1.0\r\n\r\n";
    assert_int_equal(parse(text, &h, &req), 200);
    assert_string_equal(req.method, "POST");
    assert_string_equal(req.path, "/a/b");
    assert_string_equal(req.query, "c=d");
    assert_int_equal(req.body.len, 3);
    assert_true(req.keep_alive);
    http1_done(&h);
    assert_int_equal(http1_next(&h, &req), 200);
    assert_string_equal(req.path, "/n");
    assert_string_equal(req.query, "");
    assert_false(req.keep_alive);
    http1_done(&h);
    assert_int_equal(http1_next(&h, &req), 0);
    http1_fini(&h);
}

static void a_request_may_arrive_byte_by_byte(void **state)
{
    (void)state;
    static const char text[] = "PUT /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi";
    struct http1 h;
    struct http1_request req;
    http1_init(&h, 1000);
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        assert_int_equal(http1_next(&h, &req), 0);
        http1_feed(&h, slice_make(text + i, 1));
    }
    assert_int_equal(http1_next(&h, &req), 200);
    assert_memory_equal(req.body.data, "hi", 2);
    http1_fini(&h);
}

static void bad_requests_get_the_status_that_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        { "GET\r\n\r\n", 400 },
        { "GET x HTTP/1.1\r\n\r\n", 400 },
        { "get / HTTP/1.1\r\n\r\n", 400 },
        { "GET /\x01 HTTP/1.1\r\n\r\n", 400 },
        { "GET / HTTP/2.0\r\n\r\n", 505 },
        { "GET / HTTP/1.1\r\nno colon\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\nspace : x\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", 413 },
        { "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501 },
        { "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
        { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400 },
        { CHUNKED "\r\n", 400 },
        { CHUNKED "g\r\n", 400 },
        { CHUNKED "-1\r\n", 400 },
        { CHUNKED "1x\r\na\r\n", 400 },
        { CHUNKED "1\r\nab\r\n", 400 },
        { CHUNKED "1111111111111\r\n", 400 },
        { CHUNKED "0\r\n", 0 },
        { CHUNKED "0\r\na: b\r\n\r\n", 200 },
        { CHUNKED "1 ;x=y\r\na\r\n0\r\n\r\n", 200 },
        { "POST / HTTP/1.1\r\nExpect: cake\r\n\r\n", 417 },
        { "POST / HTTP/1.1\r\nexpect: 100-continua\r\n\r\n", 417 },
        { " / HTTP/1.1\r\n\r\n", 400 },
        { "ABCDEFGHIJKLMNOPQ / HTTP/1.1\r\n\r\n", 400 },
        { "GE[ / HTTP/1.1\r\n\r\n", 400 },
        { "GET /a b HTTP/1.1\r\n\r\n", 400 },
        { "GET /\x7f HTTP/1.1\r\n\r\n", 400 },
        { "GET / HTTX/1.1\r\n\r\n", 400 },
        { "GET / HTT\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\n: x\r\n\r\n", 400 },
        { "GET / HTTP/1.1\r\na: b\r\n\tfolded: x\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nContent-Length: 1:\r\n\r\n", 400 },
        { "POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", 200 },
        { "GET / HTTP/1.1\r\na:\t x \t\r\nb:  \r\n\r\n", 200 },
        { "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", 100 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http1 h;
        struct http1_request req;
        assert_int_equal(parse(cases[i].text, &h, &req), cases[i].status);
        http1_fini(&h);
    }
}

static void chunks_are_put_together_at_any_cut(void **state)
{
    (void)state;
    static const char text[] = CHUNKED "3\r\nabc\r\nA;x\r\n0123456789\r\n0\r\nt: 1\r\n\r\n"
                                       "GET /n HTTP/1.1\r\n\r\n";
    for (size_t step = 1; step < sizeof text; step++) {
        struct http1 h;
        struct http1_request req;
        int status = 0;
        http1_init(&h, 13);
        for (size_t at = 0; at + 1 < sizeof text && status == 0; at += step) {
            size_t n = sizeof text - 1 - at < step ? sizeof text - 1 - at : step;
            http1_feed(&h, slice_make(text + at, n));
            status = http1_next(&h, &req);
            if (status == 200) {
                assert_int_equal(req.body.len, 13);
                assert_memory_equal(req.body.data, "abc0123456789", 13);
                http1_done(&h);
                http1_feed(&h, slice_make(text + at + n, sizeof text - 1 - at - n));
                assert_int_equal(http1_next(&h, &req), 200);
                assert_string_equal(req.path, "/n");
            }
        }
        assert_int_equal(status, 200);
        http1_fini(&h);
    }
}

static void a_chunked_body_is_bounded_by_what_is_not_taken(void **state)
{
    (void)state;
    struct http1 h;
    struct http1_request req;
    http1_init(&h, 4);
    http1_feed(&h, slice_str(CHUNKED));
    assert_int_equal(http1_head(&h, &req), 200);
    for (int i = 0; i < 100; i++) {
        http1_feed(&h, slice_str("4\r\nabcd\r\n"));
        assert_int_equal(http1_pull(&h), 0);
        assert_int_equal(http1_body(&h).len, 4);
        http1_take(&h, 4);
    }
    assert_true(h.in.len < 200);
    http1_feed(&h, slice_str("4\r\nabcd\r\n1\r\ne\r\nbad"));
    assert_int_equal(http1_pull(&h), 413);
    http1_fini(&h);
}

static void headers_are_read_back_one_by_one(void **state)
{
    (void)state;
    struct http1 h;
    struct http1_request req;
    struct slice name, value;
    size_t at = 0;
    assert_int_equal(parse("GET / HTTP/1.1\r\nA: b\r\nc:\r\n\r\nX: y\r\n\r\n", &h, &req), 200);
    assert_true(http1_header(&h, &at, &name, &value));
    assert_true(slice_eq(name, slice_str("A")) && slice_eq(value, slice_str("b")));
    assert_true(http1_header(&h, &at, &name, &value));
    assert_true(slice_eq(name, slice_str("c")) && value.len == 0);
    assert_false(http1_header(&h, &at, &name, &value));
    http1_fini(&h);
}

static void the_connection_header_decides_what_follows(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool keep_alive;
    } cases[] = {
        { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true },
        { "GET / HTTP/1.0\r\nConnection: Upgrade\r\n\r\n", false },
        { "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", false },
        { "GET / HTTP/1.1\r\nconnection: x\r\n\r\n", true },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http1 h;
        struct http1_request req;
        assert_int_equal(parse(cases[i].text, &h, &req), 200);
        assert_true(req.keep_alive == cases[i].keep_alive);
        http1_fini(&h);
    }
}

static void a_head_without_end_is_refused_at_the_limit(void **state)
{
    (void)state;
    struct http1 h;
    struct http1_request req;
    http1_init(&h, 1000);
    http1_feed(&h, slice_str("GET / HTTP/1.1\r\n"));
    while (h.in.len < LIMIT_HTTP1_HEAD_BYTES) {
        assert_int_equal(http1_next(&h, &req), 0);
        http1_feed(&h, slice_str("a: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n"));
    }
    assert_int_equal(http1_next(&h, &req), 431);
    http1_fini(&h);
}

/* Sends and waits until `want` arrived. */
static void talk(struct raw *r, const char *text, const char *want)
{
    raw_write(r, text, strlen(text));
    bool there = false;
    while (!there) {
        fixture_run_ms(r->f, 2);
        there = strstr(buf_str(&r->in), want) != NULL;
        assert_true(there || !r->closed);
    }
    buf_reset(&r->in);
}

static void routes_answer_on_one_kept_connection(void **state)
{
    (void)state;
    struct fixture f;
    struct raw r;
    fixture_open(&f);
    raw_open(&r, &f);
    talk(&r, "GET /health?x=1 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /health x=1 0");
    talk(&r, "POST /v3/kv/put HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", "POST /v3/kv/put  2");
    talk(&r, "GET /nope HTTP/1.1\r\n\r\n", "404 Not Found");
    talk(&r, "POST /health HTTP/1.1\r\n\r\n", "405 Method Not Allowed");
    talk(&r, "HEAD /health HTTP/1.1\r\n\r\n", "Content-Length: 14\r\n\r\n");
    talk(&r, "GET /health HTTP/1.1\r\n\r\nGET /nope HTTP/1.1\r\n\r\n", "404 page not found");
    assert_false(r.closed);
    raw_write(&r, "GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", 44);
    fixture_wait(&f, &r.closed);
    assert_non_null(strstr(buf_str(&r.in), "GET /health"));
    raw_close(&r);
    fixture_close(&f);
}

static void probe(void *arg, const struct http_request *req, struct http_response *response)
{
    (void)arg;
    buf_printf(&response->body, "probed %s", req->path);
}

static void cut_off(struct fixture *f, size_t port, const char *text, size_t len)
{
    struct raw r;
    raw_open_at(&r, f, rpc_server_address(f->server, port));
    raw_write(&r, text, len);
    fixture_wait(f, &r.closed);
    assert_int_equal(r.in.len, 0);
    raw_close(&r);
}

/* What a port does not serve gets no answer; the routes of probes are a choice of HTTP's. */
static void a_port_serves_what_it_is_for(void **state)
{
    (void)state;
    static const struct http_route probes[] = { { "GET", "/probe", probe, NULL } };
    static const enum rpc_serves kinds[] = { RPC_SERVES_GRPC, RPC_SERVES_HTTP,
                                             RPC_SERVES_PROBES };
    static const char h1[] = "GET /probe HTTP/1.1\r\n\r\n", h2[] = "PRI * HTTP/2.0\r\n\r\n";
    struct fixture f;
    struct raw r;
    fixture_open(&f);
    rpc_server_http(f.server, probes, 1, RPC_SERVES_HTTP | RPC_SERVES_PROBES);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) { /* ports 1, 2, 3 */
        assert_int_equal(rpc_server_listen(f.server, "127.0.0.1:0", kinds[i], NULL), 0);
    }
    cut_off(&f, 1, h1, sizeof h1 - 1);
    cut_off(&f, 2, h2, sizeof h2 - 1);
    cut_off(&f, 3, h2, sizeof h2 - 1);
    raw_open_at(&r, &f, rpc_server_address(f.server, 2));
    talk(&r, h1, "probed /probe");
    talk(&r, "GET /health HTTP/1.1\r\n\r\n", "GET /health");
    raw_close(&r);
    raw_open_at(&r, &f, rpc_server_address(f.server, 3));
    talk(&r, h1, "probed /probe");
    talk(&r, "GET /health HTTP/1.1\r\n\r\n", "404 page not found");
    raw_close(&r);
    fixture_close(&f);
}

static void garbage_gets_400_and_the_connection_closes(void **state)
{
    (void)state;
    struct fixture f;
    struct raw r;
    fixture_open(&f);
    raw_open(&r, &f);
    raw_write(&r, "\x16\x03\x01 hello\r\n\r\n", 14);
    fixture_wait(&f, &r.closed);
    assert_non_null(strstr(buf_str(&r.in), "400 Bad Request"));
    raw_close(&r);
    fixture_close(&f);
}

static size_t count_of(const struct raw *r, const char *text)
{
    size_t n = 0;
    const char *at = r->in.len > 0 ? buf_str((struct buf *)(uintptr_t)&r->in) : "";
    for (; (at = strstr(at, text)) != NULL; at++) {
        n++;
    }
    return n;
}

static void wait_for_text(struct fixture *f, const struct raw *r, const char *text, size_t times)
{
    for (int i = 0; count_of(r, text) < times; i++) {
        assert_true(i < 5000);
        fixture_run_ms(f, 2);
    }
}

/* What comes behind a request that waits is answered after it, in order. */
static void a_request_may_be_answered_later(void **state)
{
    (void)state;
    struct fixture f;
    struct raw r;
    fixture_open(&f);
    raw_open(&r, &f);
    static const char two[] = "GET /later HTTP/1.1\r\n\r\nGET /health HTTP/1.1\r\n\r\n";
    raw_write(&r, two, sizeof two - 1);
    fixture_wait_count(&f, &f.n_replies, 1);
    fixture_run_ms(&f, 20);
    assert_int_equal(r.in.len, 0);
    fixture_answer(&f, "well");
    wait_for_text(&f, &r, "GET /health", 1);
    assert_true(strstr(buf_str(&r.in), "well") < strstr(buf_str(&r.in), "GET /health"));

    static const char now[] = "GET /later?now HTTP/1.1\r\n\r\nGET /later?now HTTP/1.1\r\n\r\n";
    raw_write(&r, now, sizeof now - 1);
    wait_for_text(&f, &r, "at once", 2);
    assert_false(r.closed);
    raw_close(&r);
    fixture_close(&f);
}

static void an_answer_to_nobody_is_dropped(void **state)
{
    (void)state;
    struct fixture f;
    struct raw r;
    fixture_open(&f);
    raw_open(&r, &f);
    raw_write(&r, "GET /later HTTP/1.1\r\n\r\n", 23);
    fixture_wait_count(&f, &f.n_replies, 1);
    raw_close(&r);
    for (int i = 0; rpc_server_conns(f.server) > 0; i++) {
        assert_true(i < 5000);
        fixture_run_ms(&f, 2);
    }
    fixture_answer(&f, "well");
    fixture_close(&f);
}

static void a_stop_waits_for_the_late_answer(void **state)
{
    (void)state;
    struct fixture f;
    struct raw r;
    fixture_open(&f);
    raw_open(&r, &f);
    raw_write(&r, "GET /later HTTP/1.1\r\n\r\n", 23);
    fixture_wait_count(&f, &f.n_replies, 1);
    fixture_server_stop(&f, 60000, NULL, NULL);
    fixture_answer(&f, "the last word");
    fixture_wait(&f, &r.closed);
    fixture_close(&f);
    raw_close(&r);
}

int test_http1_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_cut_into_method_path_query_and_body),
        cmocka_unit_test(a_request_may_arrive_byte_by_byte),
        cmocka_unit_test(bad_requests_get_the_status_that_says_why),
        cmocka_unit_test(chunks_are_put_together_at_any_cut),
        cmocka_unit_test(a_chunked_body_is_bounded_by_what_is_not_taken),
        cmocka_unit_test(headers_are_read_back_one_by_one),
        cmocka_unit_test(the_connection_header_decides_what_follows),
        cmocka_unit_test(a_head_without_end_is_refused_at_the_limit),
        cmocka_unit_test(routes_answer_on_one_kept_connection),
        cmocka_unit_test(a_port_serves_what_it_is_for),
        cmocka_unit_test(garbage_gets_400_and_the_connection_closes),
        cmocka_unit_test(a_request_may_be_answered_later),
        cmocka_unit_test(an_answer_to_nobody_is_dropped),
        cmocka_unit_test(a_stop_waits_for_the_late_answer),
    };
    return cmocka_run_group_tests_name("rpc http1", tests, NULL, NULL);
}
