/* Who may ask over HTTP/1: hosts, origins, and the headers that browsers read. */
#include "fixture.h"

#include <string.h>

#include "lib/base/assert.h"
#include "lib/rpc/access.h"

struct answer {
    int status;
    struct buf headers, body;
};

static struct answer ask(const char *hosts, const char *origins, const char *request)
{
    const struct http_access a = { (char *)(uintptr_t)hosts, (char *)(uintptr_t)origins, true };
    struct answer r = { .status = -1 };
    struct http1 h;
    struct http1_request req;
    http1_init(&h, 1000);
    http1_feed(&h, slice_str(request));
    assert_int_equal(http1_next(&h, &req), 200);
    r.status = http_access_check(&a, &h, &req, &r.headers, &r.body);
    http1_fini(&h);
    return r;
}

static void answer_fini(struct answer *a)
{
    buf_fini(&a->headers);
    buf_fini(&a->body);
}

#define FROM(host) "GET / HTTP/1.1\r\nHost: " host "\r\n\r\n"

static void only_hosts_of_the_list_may_be_named(void **state)
{
    static const struct {
        const char *hosts, *request;
        int status;
    } cases[] = {
        { NULL, FROM("evil.example"), 0 },
        { "", FROM("evil.example"), 0 },
        { "*", FROM("evil.example"), 0 },
        { "a, *", FROM("evil.example"), 0 },
        { "*", "GET / HTTP/1.1\r\n\r\n", 0 },
        { "localhost,10.0.0.1, ::1", FROM("localhost:2379"), 0 },
        { "localhost,10.0.0.1, ::1", FROM("localhost"), 0 },
        { "localhost,10.0.0.1, ::1", FROM("10.0.0.1:80"), 0 },
        { "localhost,10.0.0.1, ::1", FROM("[::1]:80"), 0 },
        { "localhost,10.0.0.1, ::1", FROM("evil.example:2379"), 421 },
        { "localhost,10.0.0.1, ::1", FROM("localhos"), 421 },
        { "localhost,10.0.0.1, ::1", FROM("localhost:::"), 421 },
        { "localhost", "GET / HTTP/1.1\r\n\r\n", 421 },
        { "localhost", "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 421 },
        { "localhost", "GET / HTTP/1.1\r\nHost: localhost\r\nhost: localhost\r\n\r\n", 421 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct answer a = ask(cases[i].hosts, NULL, cases[i].request);
        assert_int_equal(a.status, cases[i].status);
        assert_int_equal(a.body.len > 0, cases[i].status == 421);
        assert_int_equal(a.headers.len > 0, cases[i].status == 0);
        answer_fini(&a);
    }
    struct answer a = ask("localhost", NULL, FROM("evil.example:1"));
    assert_non_null(strstr(buf_str(&a.body), "--host-whitelist \"evil.example\""));
    answer_fini(&a);
}

#define PAGE(origin) "POST /v3/kv/put HTTP/1.1\r\nHost: a\r\nOrigin: " origin "\r\n\r\n"
#define ALLOWS "Access-Control-Allow-Origin: "

static void browsers_are_told_which_origins_may_ask(void **state)
{
    static const struct {
        const char *origins, *request, *told;
    } cases[] = {
        { NULL, PAGE("http://a.example"), ALLOWS "*\r\n" },
        { "*", PAGE("http://a.example"), ALLOWS "*\r\n" },
        { "*", FROM("a"), ALLOWS "*\r\n" },
        { "http://a.example,http://b.example:80", PAGE("http://b.example:80"),
          ALLOWS "http://b.example:80\r\n" },
        { "http://a.example", PAGE("http://evil.example"), NULL },
        { "http://a.example", FROM("a"), NULL },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct answer a = ask(NULL, cases[i].origins, cases[i].request);
        assert_int_equal(a.status, 0); /* it is the browser that keeps others out */
        if (cases[i].told == NULL) {
            assert_int_equal(a.headers.len, 0);
        } else {
            assert_non_null(strstr(buf_str(&a.headers), cases[i].told));
        }
        answer_fini(&a);
    }
}

static void a_browsers_question_before_is_answered(void **state)
{
    (void)state;
    struct answer a = ask(NULL, "http://a.example", "OPTIONS /v3/kv/put HTTP/1.1\r\nHost: a\r\n"
                                                    "Origin: http://a.example\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(buf_str(&a.headers), ALLOWS "http://a.example\r\n"));
    assert_non_null(strstr(buf_str(&a.headers), "Allow-Methods: POST, GET, OPTIONS, PUT, DELETE"));
    answer_fini(&a);
}

static void talk(struct fixture *f, struct raw *r, const char *text, const char *want)
{
    raw_write(r, text, strlen(text));
    for (int i = 0; r->in.len == 0 || strstr(buf_str(&r->in), want) == NULL; i++) {
        assert_true(i < 5000);
        fixture_run_ms(f, 2);
    }
}

/* Of each answer, and of that request only. */
static void a_server_goes_by_the_rules(void **state)
{
    (void)state;
    struct fixture f;
    struct raw r;
    fixture_open(&f);
    rpc_server_access(f.server, "good", "http://a.example");
    raw_open(&r, &f);
    talk(&f, &r, "GET /health HTTP/1.1\r\nHost: good:1\r\nOrigin: http://a.example\r\n\r\n",
         "GET /health");
    assert_non_null(strstr(buf_str(&r.in), ALLOWS "http://a.example\r\n"));
    buf_reset(&r.in);
    talk(&f, &r, "GET /health HTTP/1.1\r\nHost: good\r\n\r\n", "GET /health");
    assert_null(strstr(buf_str(&r.in), ALLOWS));
    buf_reset(&r.in);
    talk(&f, &r, "POST /v3/kv/put HTTP/1.1\r\nHost: bad\r\nContent-Length: 2\r\n\r\n{}",
         "HTTP/1.1 421 Misdirected Request");
    assert_null(strstr(buf_str(&r.in), "POST"));
    buf_reset(&r.in);
    talk(&f, &r, "OPTIONS /v3/kv/put HTTP/1.1\r\nHost: good\r\nOrigin: http://a.example\r\n\r\n",
         ALLOWS "http://a.example");
    assert_non_null(strstr(buf_str(&r.in), "HTTP/1.1 200 OK"));
    assert_false(r.closed);
    raw_close(&r);
    fixture_close(&f);
}

int test_access_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_hosts_of_the_list_may_be_named),
        cmocka_unit_test(browsers_are_told_which_origins_may_ask),
        cmocka_unit_test(a_browsers_question_before_is_answered),
        cmocka_unit_test(a_server_goes_by_the_rules),
    };
    return cmocka_run_group_tests_name("rpc/access", tests, NULL, NULL);
}
