/* Addresses and URLs: what is taken, and the reasons given for what is not. */
#include "fixture.h"

static void urls_become_addresses(void **state)
{
    static const struct {
        const char *url;
        const char *address;
        bool secure;
    } cases[] = {
        { "http://127.0.0.1:2379", "127.0.0.1:2379", false },
        { "https://etcd-1.example.org:2380", "etcd-1.example.org:2380", true },
        { "http://[::1]:0", "[::1]:0", false },
        { "http://localhost:65535", "localhost:65535", false },
        { "unix:///run/barque.sock", "unix:/run/barque.sock", false },
        { "unix://barque.sock", "unix:barque.sock", false },
        { "unix://localhost:m1", "unix:localhost:m1", false },
        { "unix:/run/barque.sock", "unix:/run/barque.sock", false },
        { "unixs:///run/barque.sock", "unix:/run/barque.sock", true },
        { "unixs:/run/barque.sock", "unix:/run/barque.sock", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char address[128];
        bool secure = !cases[i].secure;
        assert_int_equal(address_from_url(cases[i].url, address, sizeof address, &secure, NULL), 0);
        assert_string_equal(address, cases[i].address);
        assert_int_equal(secure, cases[i].secure);
    }
}

static void bad_urls_are_refused_with_the_reason(void **state)
{
    static const struct {
        const char *url;
        const char *reason;
    } cases[] = {
        { "ftp://127.0.0.1:1", "unknown scheme \"ftp\"" },
        { "127.0.0.1:2379", "no scheme" },
        { "", "no scheme" },
        { "http://127.0.0.1", "no port" },
        { "http://[::1]", "no port" },
        { "http://127.0.0.1:2379/v3", "must not contain a path (\"/v3\")" },
        { "http://127.0.0.1:2379/", "must not contain a path" },
        { "http://127.0.0.1:2379?x=1", "must not contain a path" },
        { "http://me:pw@127.0.0.1:2379", "must not contain a user" },
        { "http://127.0.0.1:65536", "not a number from 0 to 65535" },
        { "http://127.0.0.1:", "not a number from 0 to 65535" },
        { "http://127.0.0.1:-1", "not a number from 0 to 65535" },
        { "http://:2379", "no host" },
        { "http://::1:2379", "write IPv6 as [address]:port" },
        { "http://[::1:2379", "without \"]\"" },
        { "http://a b:1", "bad character in host" },
        { "unix://", "no socket path" },
        { "unix:", "no socket path" },
        { "unix:///a%20b", "must not contain" },
        { "unix:///a?b", "must not contain" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char address[128] = "untouched";
        bool secure;
        struct err err = ERR_INIT;
        assert_int_equal(address_from_url(cases[i].url, address, sizeof address, &secure, &err),
                         E_INVAL);
        assert_non_null(strstr(err.msg, cases[i].reason));
        assert_non_null(strstr(err.msg, cases[i].url));
        assert_string_equal(address, "untouched");
    }
}

static void too_long_urls_and_paths_are_refused(void **state)
{
    char url[512] = "unix:///";
    char address[600];
    bool secure;

    (void)state;
    memset(url + 8, 'p', sizeof url - 9);
    assert_int_equal(address_from_url(url, address, sizeof address, &secure, NULL), E_INVAL);
    assert_int_equal(address_from_url("http://127.0.0.1:2379", address, 8, &secure, NULL), E_INVAL);
    memcpy(url, "http://a", 8);
    memcpy(url + sizeof url - 4, ":80", 4);
    assert_int_equal(address_from_url(url, address, sizeof address, &secure, NULL), E_INVAL);
}

static void numbers_are_told_from_names(void **state)
{
    struct address a;
    union socket_address s;
    char text[64];

    (void)state;
    assert_int_equal(address_parse("localhost:80", &a, NULL), 0);
    assert_true(address_number(&a, &s));
    address_format(&s, sizeof s.in, text, sizeof text);
    assert_string_equal(text, "127.0.0.1:80");
    assert_int_equal(address_parse("[fe80::1]:443", &a, NULL), 0);
    assert_true(address_number(&a, &s));
    address_format(&s, sizeof s.in6, text, sizeof text);
    assert_string_equal(text, "[fe80::1]:443");
    assert_int_equal(address_parse("node-1.example:80", &a, NULL), 0);
    assert_false(address_number(&a, &s));
    assert_string_equal(a.host, "node-1.example");
}

int test_address_run(void)
{
    const struct CMUnitTest tests[] = {
        io_test(urls_become_addresses),
        io_test(bad_urls_are_refused_with_the_reason),
        io_test(too_long_urls_and_paths_are_refused),
        io_test(numbers_are_told_from_names),
    };
    return cmocka_run_group_tests_name("io/address", tests, NULL, NULL);
}
