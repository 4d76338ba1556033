/* The table of options, and where a value comes from. */
#include "tests/unit/cmd/test.h"

/* The flags of etcd 3.4.23, 3.5.17 and 3.6.1, as their --help and their flag sets name them. */
static const char *const etcd_flags[] = {
    "advertise-client-urls", "auth-token", "auth-token-ttl", "auto-compaction-mode",
    "auto-compaction-retention", "auto-tls", "backend-batch-interval", "backend-batch-limit",
    "backend-bbolt-freelist-type", "bcrypt-cost", "bootstrap-defrag-threshold-megabytes",
    "cert-file", "cipher-suites", "client-cert-allowed-hostname", "client-cert-auth",
    "client-cert-file", "client-crl-file", "client-key-file", "compact-hash-check-time",
    "compaction-batch-limit", "compaction-sleep-interval", "config-file", "corrupt-check-time",
    "cors", "data-dir", "debug", "discovery", "discovery-cacert", "discovery-cert",
    "discovery-dial-timeout", "discovery-endpoints", "discovery-fallback",
    "discovery-insecure-skip-tls-verify", "discovery-insecure-transport",
    "discovery-keepalive-time", "discovery-keepalive-timeout", "discovery-key",
    "discovery-password", "discovery-proxy", "discovery-request-timeout", "discovery-srv",
    "discovery-srv-name", "discovery-token", "discovery-user", "distributed-tracing-address",
    "distributed-tracing-instance-id", "distributed-tracing-sampling-rate",
    "distributed-tracing-service-name", "downgrade-check-time", "election-timeout",
    "enable-distributed-tracing", "enable-grpc-gateway", "enable-log-rotation", "enable-pprof",
    "enable-v2", "experimental-backend-bbolt-freelist-type",
    "experimental-bootstrap-defrag-threshold-megabytes", "experimental-compact-hash-check-enabled",
    "experimental-compact-hash-check-time", "experimental-compaction-batch-limit",
    "experimental-compaction-sleep-interval", "experimental-corrupt-check-time",
    "experimental-distributed-tracing-address", "experimental-distributed-tracing-instance-id",
    "experimental-distributed-tracing-sampling-rate",
    "experimental-distributed-tracing-service-name", "experimental-downgrade-check-time",
    "experimental-enable-distributed-tracing", "experimental-enable-lease-checkpoint",
    "experimental-enable-lease-checkpoint-persist", "experimental-enable-v2v3",
    "experimental-initial-corrupt-check", "experimental-memory-mlock",
    "experimental-peer-skip-client-san-verification", "experimental-snapshot-catch-up-entries",
    "experimental-snapshot-catchup-entries", "experimental-stop-grpc-service-on-defrag",
    "experimental-txn-mode-write-with-shared-buffer", "experimental-warning-apply-duration",
    "experimental-warning-unary-request-duration", "experimental-watch-progress-notify-interval",
    "feature-gates", "force-new-cluster", "grpc-keepalive-interval", "grpc-keepalive-min-time",
    "grpc-keepalive-timeout", "heartbeat-interval", "host-whitelist",
    "initial-advertise-peer-urls", "initial-cluster", "initial-cluster-state",
    "initial-cluster-token", "initial-election-tick-advance", "key-file",
    "listen-client-http-urls", "listen-client-urls", "listen-metrics-urls", "listen-peer-urls",
    "log-format", "log-level", "log-outputs", "log-package-levels", "log-rotation-config-json",
    "logger", "max-concurrent-streams", "max-learners", "max-request-bytes", "max-snapshots",
    "max-txn-ops", "max-wals", "memory-mlock", "metrics", "name", "peer-auto-tls",
    "peer-cert-allowed-cn", "peer-cert-allowed-hostname", "peer-cert-file",
    "peer-client-cert-auth", "peer-client-cert-file", "peer-client-key-file", "peer-crl-file",
    "peer-key-file", "peer-skip-client-san-verification", "peer-trusted-ca-file", "pre-vote",
    "proxy", "proxy-dial-timeout", "proxy-failure-wait", "proxy-read-timeout",
    "proxy-refresh-interval", "proxy-write-timeout", "quota-backend-bytes", "raft-read-timeout",
    "raft-write-timeout", "self-signed-cert-validity", "snapshot-catchup-entries",
    "snapshot-count", "socket-reuse-address", "socket-reuse-port", "strict-reconfig-check",
    "tls-max-version", "tls-min-version", "trusted-ca-file", "unsafe-no-fsync", "v2-deprecation",
    "version", "wal-dir", "warning-apply-duration", "warning-unary-request-duration",
    "watch-progress-notify-interval",
};

static void every_flag_of_etcd_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(etcd_flags); i++) {
        if (option_find(etcd_flags[i]) == NULL) {
            fail_msg("--%s is not in the table", etcd_flags[i]);
        }
    }
}

static void the_table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_table_n; i++) {
        const struct option *o = &option_table[i];
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(o->name, option_table[k].name);
        }
        if (o->fate == OPT_ALIAS) { /* of a row that is there and is no alias */
            assert_non_null(option_find(o->name));
            assert_int_not_equal(option_find(o->name)->fate, OPT_ALIAS);
            continue;
        }
        if (o->fate != OPT_WORKS) {
            assert_non_null(o->help);
        }
        assert_true(o->type != FLAG_CHOICE || o->value != NULL);
        if (o->standard != NULL && o->standard[0] != '\0') {
            uint64_t nowhere;
            struct flag f = { o->name, o->type, &nowhere, o->value, NULL };
            assert_int_equal(flag_set(&f, o->standard, "", NULL), 0);
        }
    }
}

static void without_words_everything_is_the_default(void **state)
{
    (void)state;
    struct told *t = told_by("");
    assert_int_equal(t->rv, 0);
    assert_string_equal(t->m.name, "default");
    assert_null(t->m.data_dir);
    assert_string_equal(t->m.listen_client_urls, "http://127.0.0.1:2379");
    assert_int_equal(t->m.election_ms, 1000);
    assert_int_equal(t->m.progress_notify_ms, 600000);
    assert_false(t->m.unsafe_no_fsync);
    assert_int_equal(t->lines.len, 0);
    told_free(t);
}

static void a_flag_counts_more_than_the_environment(void **state)
{
    (void)state;
    environment_set("ETCD_NAME", "etcds");
    environment_set("ETCD_DATA_DIR", "etcds.data");
    environment_set("BARQUE_DATA_DIR", "ours.data");
    environment_set("ETCD_MAX_TXN_OPS", "7");
    struct told *t = told_by("--name flag");
    assert_int_equal(t->rv, 0);
    assert_string_equal(t->m.name, "flag");
    assert_string_equal(t->m.data_dir, "ours.data");
    assert_int_equal(t->m.max_txn_ops, 7);
    assert_string_equal(buf_str(&t->lines), "ETCD_NAME is passed over: --name is given\n");
    told_free(t);
}

static void an_empty_variable_is_none(void **state)
{
    (void)state;
    environment_set("BARQUE_NAME", "");
    environment_set("ETCD_NAME", "etcds");
    struct told *t = told_by("");
    assert_string_equal(t->m.name, "etcds");
    told_free(t);
}

static void an_old_name_is_the_same_option(void **state)
{
    (void)state;
    environment_set("ETCD_WATCH_PROGRESS_NOTIFY_INTERVAL", "9s");
    struct told *t = told_by("--experimental-watch-progress-notify-interval=5s");
    assert_int_equal(t->rv, 0);
    assert_int_equal(t->m.progress_notify_ms, 5000);
    told_free(t);
    environment_clear();
    environment_set("ETCD_EXPERIMENTAL_WATCH_PROGRESS_NOTIFY_INTERVAL", "3s");
    t = told_by("");
    assert_int_equal(t->m.progress_notify_ms, 3000);
    told_free(t);
}

static void what_means_nothing_here_is_taken_with_a_line(void **state)
{
    (void)state;
    environment_set("ETCD_MAX_SNAPSHOTS", "3");
    struct told *t = told_by("--max-wals 5 --pre-vote --enable-pprof=0 --snapshot --name=x");
    assert_int_equal(t->rv, 0);
    assert_string_equal(t->m.name, "x");
    assert_non_null(strstr(buf_str(&t->lines), "--max-wals has no effect: "));
    assert_non_null(strstr(buf_str(&t->lines), "ETCD_MAX_SNAPSHOTS has no effect: "));
    assert_null(strstr(buf_str(&t->lines), "pre-vote"));     /* it is what happens anyway */
    assert_null(strstr(buf_str(&t->lines), "enable-pprof")); /* so is this, written otherwise */
    told_free(t);
}

static void what_means_nothing_here_is_checked_all_the_same(void **state)
{
    static const char *const wrong[] = { "--max-wals=many", "--backend-batch-interval=5",
                                         "--metrics=some", "--pre-vote=maybe",
                                         "--initial-cluster-state=old" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct told *t = told_by(wrong[i]);
        assert_int_equal(t->rv, E_INVAL);
        assert_true(str_starts(wrong[i], "--"));
        assert_non_null(strstr(t->err.msg, strchr(wrong[i], '=') + 1));
        told_free(t);
    }
}

static void what_is_absent_is_refused_unless_it_asks_for_nothing(void **state)
{
    (void)state;
    struct told *t = told_by("--cert-file= --auto-tls=false --proxy off --host-whitelist *");
    assert_int_equal(t->rv, 0);
    assert_int_equal(t->lines.len, 0);
    told_free(t);
    t = told_by("--auto-tls");
    assert_int_equal(t->rv, E_UNSUPPORTED);
    assert_non_null(strstr(t->err.msg, "--auto-tls: TLS is absent"));
    told_free(t);
    environment_set("ETCD_PEER_KEY_FILE", "k.pem");
    t = told_by("");
    assert_int_equal(t->rv, E_UNSUPPORTED);
    assert_non_null(strstr(t->err.msg, "ETCD_PEER_KEY_FILE: "));
    told_free(t);
}

static void a_misspelt_name_is_answered_with_the_nearest(void **state)
{
    (void)state;
    environment_set("ETCD_DATADIR", "secret");
    struct told *t = told_by("--elction-timeout 5");
    assert_int_equal(t->rv, E_INVAL);
    assert_non_null(strstr(t->err.msg, "did you mean --election-timeout?"));
    told_free(t);
    t = told_by("");
    assert_int_equal(t->rv, 0);
    assert_non_null(strstr(buf_str(&t->lines), "ETCD_DATADIR is no option's variable"));
    assert_non_null(strstr(buf_str(&t->lines), "did you mean ETCD_DATA_DIR?"));
    assert_null(strstr(buf_str(&t->lines), "secret"));
    told_free(t);
}

static void each_gate_is_told_what_is_done_instead(void **state)
{
    static const struct { const char *words, *said; } wrong[] = {
        { "--feature-gates=LeaseChekpoint=true", "did you mean LeaseCheckpoint?" },
        { "--feature-gates=LeaseCheckpoint=maybe", "LeaseCheckpoint=maybe is not true or false" },
        { "--feature-gates=LeaseCheckpoint", "is not GATE=true or GATE=false" },
    };
    (void)state;
    struct told *t = told_by("--feature-gates CompactHashCheck=true,LeaseCheckpoint=1,AllBeta=f");
    assert_int_equal(t->rv, 0);
    assert_string_equal(buf_str(&t->lines), "--feature-gates: LeaseCheckpoint has no effect: a new "
                                            "leader starts every lease afresh: none ends early\n");
    told_free(t);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        t = told_by(wrong[i].words);
        assert_int_equal(t->rv, E_INVAL);
        assert_non_null(strstr(t->err.msg, wrong[i].said));
        told_free(t);
    }
}

static void help_looks_at_nothing_else(void **state)
{
    (void)state;
    struct told *t = told_by("--help --election-timeout nonsense --cert-file x");
    assert_int_equal(t->rv, 0);
    assert_true(t->help);
    told_free(t);
}

static void help_tells_of_each_option(void **state)
{
    (void)state;
    for (size_t i = 0; i < option_table_n; i++) {
        autobuf text = BUF_INIT;
        struct err err = ERR_INIT;
        bool hidden = option_table[i].fate == OPT_WORKS && option_table[i].help == NULL;
        assert_int_equal(option_help(option_table[i].name, &text, &err), hidden ? E_NOTFOUND : 0);
        assert_int_equal(text.len == 0, hidden);
    }
}

static int clean(void **state)
{
    (void)state;
    environment_clear();
    return 0;
}

#define option_test(f) cmocka_unit_test_setup(f, clean)

int test_options_run(void)
{
    const struct CMUnitTest tests[] = {
        option_test(every_flag_of_etcd_is_known),
        option_test(the_table_is_sound),
        option_test(without_words_everything_is_the_default),
        option_test(a_flag_counts_more_than_the_environment),
        option_test(an_empty_variable_is_none),
        option_test(an_old_name_is_the_same_option),
        option_test(what_means_nothing_here_is_taken_with_a_line),
        option_test(what_means_nothing_here_is_checked_all_the_same),
        option_test(what_is_absent_is_refused_unless_it_asks_for_nothing),
        option_test(a_misspelt_name_is_answered_with_the_nearest),
        option_test(each_gate_is_told_what_is_done_instead),
        option_test(help_looks_at_nothing_else),
        option_test(help_tells_of_each_option),
    };
    return cmocka_run_group_tests_name("cmd/options", tests, NULL, NULL);
}
