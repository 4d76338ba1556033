/* `describe`'s text, by golden text. */
#include "tests/unit/cli/test.h"

#include "cli/describe_text.h"
#include "lib/base/timestamp.h"

static void describes(const char *json, const char *want)
{
    struct object *o = object_of(json);
    int64_t now_ms = 0;
    autobuf out = BUF_INIT;

    assert_int_equal(clock_parse("2026-11-23T10:00:30Z", &now_ms), 0);
    describe_text(o, now_ms, &out);
    assert_string_equal(buf_str(&out), want);
    object_free(o);
}

static void a_pod_tells_where_it_is_and_why_it_waits(void **state)
{
    (void)state;
    describes("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web-1\","
              "\"namespace\":\"default\",\"creationTimestamp\":\"2026-11-23T10:00:00Z\","
              "\"labels\":{\"app\":\"web\",\"tier\":\"a\"},\"ownerReferences\":[{\"apiVersion\":"
              "\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":\"web\",\"uid\":\"u\",\"controller\":"
              "true}]},\"spec\":{\"nodeName\":\"n1\",\"restartPolicy\":\"Always\",\"containers\":[{"
              "\"name\":\"a\",\"command\":[\"/bin/sleep\",\"9\"]}]},\"status\":{\"phase\":"
              "\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\",\"reason\":"
              "\"Unready\",\"message\":\"no\"}],\"containerStatuses\":[{\"name\":\"a\",\"ready\":"
              "false,\"restartCount\":2,\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}},"
              "\"lastState\":{\"terminated\":{\"exitCode\":1,\"reason\":\"Error\",\"finishedAt\":"
              "\"2026-11-23T10:00:20Z\"}}}]}}",
              "Name:              web-1\n"
              "Namespace:         default\n"
              "Labels:            app=web\n"
              "                   tier=a\n"
              "Annotations:       <none>\n"
              "Created:           2026-11-23T10:00:00Z (30s ago)\n"
              "Controlled By:     ReplicaSet/web\n"
              "Node:              n1\n"
              "Status:            CrashLoopBackOff\n"
              "Start Time:        <none>\n"
              "IP:                <none>\n"
              "Restart Policy:    Always\n"
              "Containers:\n"
              "  a:\n"
              "    Command:       /bin/sleep 9\n"
              "    State:         Waiting: CrashLoopBackOff\n"
              "    Last State:    Terminated: Error, exit code 1, at 2026-11-23T10:00:20Z\n"
              "    Ready:         False\n"
              "    Restarts:      2\n"
              "Node-Selectors:    <none>\n"
              "Conditions:\n"
              "  TYPE    STATUS   REASON    MESSAGE\n"
              "  Ready   False    Unready   no\n");
}

static void a_kind_without_a_text_is_shown_as_yaml(void **state)
{
    struct object *o = object_of("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
                                 "\"name\":\"c\",\"namespace\":\"default\"},\"data\":{\"k\":"
                                 "\"v\"}}");
    autobuf yaml = BUF_INIT;
    autobuf text = BUF_INIT;

    (void)state;
    object_to_yaml(o, &yaml);
    describe_text(o, 0, &text);
    assert_string_equal(buf_str(&text), buf_str(&yaml));
    object_free(o);
}

int test_describe_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pod_tells_where_it_is_and_why_it_waits),
        cmocka_unit_test(a_kind_without_a_text_is_shown_as_yaml),
    };
    return cmocka_run_group_tests_name("describe", tests, NULL, NULL);
}
