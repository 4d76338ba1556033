/* The configuration file: etcd's format, and where in it something is wrong. */
#include "tests/unit/cmd/test.h"

static void a_file_is_read_like_etcds(void **state)
{
    (void)state;
    struct told *t = told_by_file("# a comment\n"
                                  "name: 'm1'\n"
                                  "data-dir: /var/lib/m1\n"
                                  "wal-dir:\n"
                                  "election-timeout: 500\n"
                                  "heartbeat-interval: 50\n"
                                  "listen-client-urls: http://127.0.0.1:1,http://127.0.0.1:2\n"
                                  "initial-cluster-token: 7\n"
                                  "watch-progress-notify-interval: 5000000000\n"
                                  "pre-vote: true\n"
                                  "client-transport-security:\n"
                                  "  cert-file:\n"
                                  "  client-cert-auth: false\n"
                                  "peer-transport-security:\n");
    assert_int_equal(t->rv, 0);
    assert_string_equal(t->m.name, "m1");
    assert_string_equal(t->m.data_dir, "/var/lib/m1");
    assert_int_equal(t->m.election_ms, 500);
    assert_string_equal(t->m.listen_client_urls, "http://127.0.0.1:1,http://127.0.0.1:2");
    assert_string_equal(t->m.initial_cluster_token, "7");
    assert_int_equal(t->m.progress_notify_ms, 5000);
    assert_int_equal(t->m.max_txn_ops, 128);
    assert_int_equal(t->lines.len, 0);
    told_free(t);
}

static void it_may_be_json_and_empty(void **state)
{
    static const char *const nothing[] = { "", "# nothing\n", "---\n", "{}", "~\n" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
        struct told *t = told_by_file(nothing[i]);
        assert_int_equal(t->rv, 0);
        assert_string_equal(t->m.name, "default");
        told_free(t);
    }
    struct told *t = told_by_file("{\"name\": \"j\", \"max-txn-ops\": 5}");
    assert_int_equal(t->rv, 0);
    assert_string_equal(t->m.name, "j");
    assert_int_equal(t->m.max_txn_ops, 5);
    told_free(t);
}

static void a_list_is_one_value_with_commas(void **state)
{
    (void)state;
    struct told *t = told_by_file("listen-client-urls: [http://127.0.0.1:1, http://127.0.0.1:2]\n"
                                  "cipher-suites: [\n  A,\n  B\n]\n");
    assert_int_equal(t->rv, 0);
    assert_string_equal(t->m.listen_client_urls, "http://127.0.0.1:1,http://127.0.0.1:2");
    assert_non_null(strstr(buf_str(&t->lines), "m.yml:2:1: cipher-suites has no effect: "));
    told_free(t);
}

static void durations_are_nanoseconds_or_texts(void **state)
{
    static const struct { const char *text; uint64_t ms; } cases[] = {
        { "watch-progress-notify-interval: 600000000000", 600000 },
        { "watch-progress-notify-interval: 10m", 600000 },
        { "watch-progress-notify-interval: \"10m\"", 600000 },
        { "watch-progress-notify-interval: 1", 1 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct told *t = told_by_file(cases[i].text);
        assert_int_equal(t->rv, 0);
        assert_int_equal(t->m.progress_notify_ms, cases[i].ms);
        told_free(t);
    }
}

static void what_is_wrong_has_its_place(void **state)
{
    static const struct { const char *text; int rv; const char *said; } cases[] = {
        { "name: a\nelction-timeout: 5\n", E_INVAL,
          "m.yml:2:1: unknown key \"elction-timeout\" (did you mean election-timeout?)" },
        { "name: a\nname: b\n", E_INVAL, "m.yml: 2:1" },
        { "election-timeout: soon\n", E_INVAL, "m.yml:1:1: election-timeout: \"soon\"" },
        { "pre-vote: yes\n", E_INVAL, "\"yes\" is not true or false" },
        { "initial-cluster-state: old\n", E_INVAL, "is not one of new, existing" },
        { "- a\n- b\n", E_INVAL, "m.yml:1:1: keys and values are wanted" },
        { "just a text\n", E_INVAL, "m.yml:1:1: keys and values are wanted" },
        { "name: a\n---\nname: b\n", E_INVAL, "m.yml:3:1: more than one document" },
        { "name: {a: b}\n", E_INVAL, "m.yml:1:7: a plain value is wanted" },
        { "log-outputs: [[a]]\n", E_INVAL, "a list of plain values is wanted" },
        { "config-file: other.yml\n", E_INVAL, "unknown key \"config-file\"" },
        { "unsafe-damage: flip:1\n", E_INVAL, "unknown key \"unsafe-damage\"" },
        { "name: &a b\n", E_INVAL, "m.yml: " },
        { "name: [a\n", E_INVAL, "m.yml: " },
        { "client-transport-security: 5\n", E_INVAL, "m.yml:1:28: keys and values are wanted" },
        { "client-transport-security:\n  cert-fle: a\n", E_INVAL,
          "m.yml:2:3: unknown key \"cert-fle\" (did you mean cert-file?)" },
        { "client-transport-security:\n  cert-file: a\n", E_UNSUPPORTED,
          "m.yml:2:3: cert-file: TLS is absent" },
        { "peer-transport-security: {auto-tls: true}\n", E_UNSUPPORTED, "TLS is absent" },
        { "listen-client-urls: https://127.0.0.1:1\n", E_UNSUPPORTED, "TLS is absent" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct told *t = told_by_file(cases[i].text);
        assert_int_equal(t->rv, cases[i].rv);
        if (strstr(t->err.msg, cases[i].said) == NULL) {
            fail_msg("\"%s\" is not in \"%s\"", cases[i].said, t->err.msg);
        }
        told_free(t);
    }
}

static void a_file_that_is_too_long_is_refused(void **state)
{
    autobuf text = BUF_INIT;
    (void)state;
    while (text.len < 300000) {
        buf_append_str(&text, "# a long comment, again and again and again\n");
    }
    struct told *t = told_by_file(buf_str(&text));
    assert_int_equal(t->rv, E_TOOBIG);
    told_free(t);
}

int test_config_file_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_like_etcds),
        cmocka_unit_test(it_may_be_json_and_empty),
        cmocka_unit_test(a_list_is_one_value_with_commas),
        cmocka_unit_test(durations_are_nanoseconds_or_texts),
        cmocka_unit_test(what_is_wrong_has_its_place),
        cmocka_unit_test(a_file_that_is_too_long_is_refused),
    };
    return cmocka_run_group_tests_name("cmd/config_file", tests, NULL, NULL);
}
