/* What `get` shows of each kind, by golden text; and a pod's status in one word. */
#include "tests/unit/cli/test.h"

#include "cli/columns.h"
#include "lib/base/assert.h"
#include "lib/base/timestamp.h"

#define BORN "\"creationTimestamp\":\"2026-11-23T10:00:00Z\""

static int64_t at(const char *text)
{
    int64_t ms = 0;

    assert_int_equal(clock_parse(text, &ms), 0);
    return ms;
}

static void shows(const char *json, const struct column_options *options, const char *want)
{
    static const struct table_style style = { 0 };
    struct object *o = object_of(json);
    autobuf out = BUF_INIT;
    struct table t;

    table_init(&t, columns_count(o->kind, options));
    columns_title(o->kind, options, &t);
    columns_row(o, options, at("2026-11-23T10:02:05Z"), &t);
    table_print(&t, &style, &out);
    assert_string_equal(buf_str(&out), want);
    table_fini(&t);
    object_free(o);
}

#define POD                                                                                 \
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web-1\",\"namespace\":" \
    "\"default\",\"labels\":{\"app\":\"web\"}," BORN "},\"spec\":{\"nodeName\":\"n1\","      \
    "\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]},"

static void a_pod_has_kubectls_columns(void **state)
{
    static const char json[] =
        POD "\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.7\",\"containerStatuses\":["
            "{\"name\":\"a\",\"ready\":true,\"restartCount\":2,\"state\":{\"running\":{}}},"
            "{\"name\":\"b\",\"ready\":false,\"restartCount\":1,\"state\":{\"running\":{}}}]}}";
    struct column_options plain = { 0 }, all = { .wide = true, .namespaces = true, .labels = true };

    (void)state;
    shows(json, &plain, "NAME    READY   STATUS    RESTARTS   AGE\n"
                        "web-1   1/2     Running   3          2m5s\n");
    shows(json, &all,
          "NAMESPACE   NAME    READY   STATUS    RESTARTS   AGE    IP         NODE   LABELS\n"
          "default     web-1   1/2     Running   3          2m5s   10.0.0.7   n1     app=web\n");
}

static void a_restart_tells_when_the_last_one_was(void **state)
{
    struct column_options plain = { 0 };

    (void)state;
    shows(POD "\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"a\",\"ready\":"
              "true,\"restartCount\":1,\"state\":{\"running\":{}},\"lastState\":{\"terminated\":{"
              "\"exitCode\":1,\"finishedAt\":\"2026-11-23T10:02:00Z\"}}}]}}",
          &plain, "NAME    READY   STATUS    RESTARTS     AGE\n"
                  "web-1   1/2     Running   1 (5s ago)   2m5s\n");
}

static void a_pods_status_is_its_most_telling_word(void **state)
{
    static const struct {
        const char *status, *want;
    } cases[] = {
        { "{}", "Pending" },
        { "{\"phase\":\"Failed\",\"reason\":\"Evicted\"}", "Evicted" },
        { "{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"a\",\"state\":{\"waiting\":"
          "{\"reason\":\"CrashLoopBackOff\"}}}]}",
          "CrashLoopBackOff" },
        { "{\"phase\":\"Succeeded\",\"containerStatuses\":[{\"name\":\"a\",\"state\":{"
          "\"terminated\":{\"exitCode\":0,\"reason\":\"Completed\"}}}]}",
          "Completed" },
        { "{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"a\",\"state\":{"
          "\"terminated\":{\"exitCode\":3}}}]}",
          "ExitCode:3" },
        { "{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"a\",\"state\":{"
          "\"terminated\":{\"exitCode\":137,\"signal\":9}}}]}",
          "Signal:9" },
    };
    char scratch[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf json = BUF_INIT;

        buf_printf(&json, "%s\"status\":%s}", POD, cases[i].status);
        struct object *o = object_of(buf_str(&json));
        assert_string_equal(pod_status_text(object_pod(o), scratch, sizeof scratch),
                            cases[i].want);
        o->metadata.deletion_timestamp = o->metadata.creation_timestamp;
        assert_string_equal(pod_status_text(object_pod(o), scratch, sizeof scratch),
                            "Terminating");
        o->metadata.deletion_timestamp = NULL;
        object_free(o);
    }
}

static void a_deployment_shows_how_far_it_is(void **state)
{
    struct column_options wide = { .wide = true };

    (void)state;
    shows("{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\","
          "\"namespace\":\"default\"," BORN "},\"spec\":{\"replicas\":6,\"selector\":{"
          "\"matchLabels\":{\"app\":\"web\"}},\"template\":{\"spec\":{\"containers\":["
          "{\"name\":\"web\"},{\"name\":\"side\"}]}}},\"status\":{\"readyReplicas\":4,"
          "\"updatedReplicas\":5,\"availableReplicas\":3}}",
          &wide,
          "NAME   READY   UP-TO-DATE   AVAILABLE   AGE    CONTAINERS   SELECTOR\n"
          "web    4/6     5            3           2m5s   web,side     app=web\n");
}

static void a_node_shows_its_status_and_roles(void **state)
{
    struct column_options plain = { 0 };

    (void)state;
    shows("{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\"," BORN
          ",\"labels\":{\"node-role.kubernetes.io/edge\":\"\"}},\"spec\":{\"unschedulable\":true},"
          "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}],"
          "\"nodeInfo\":{\"kubeletVersion\":\"0.1.0\"}}}",
          &plain,
          "NAME   STATUS                     ROLES   AGE    VERSION\n"
          "n1     Ready,SchedulingDisabled   edge    2m5s   0.1.0\n");
}

static void an_event_names_its_object_and_counts(void **state)
{
    struct column_options plain = { 0 };

    (void)state;
    shows("{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"e\",\"namespace\":"
          "\"default\"},\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"web-1\"},\"type\":"
          "\"Warning\",\"reason\":\"Failed\",\"message\":\"no room\",\"count\":3,"
          "\"lastTimestamp\":\"2026-11-23T10:02:00Z\"}",
          &plain, "LAST SEEN   TYPE      REASON   OBJECT      MESSAGE\n"
                  "5s          Warning   Failed   pod/web-1   no room (x3)\n");
}

int test_columns_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pod_has_kubectls_columns),
        cmocka_unit_test(a_restart_tells_when_the_last_one_was),
        cmocka_unit_test(a_pods_status_is_its_most_telling_word),
        cmocka_unit_test(a_deployment_shows_how_far_it_is),
        cmocka_unit_test(a_node_shows_its_status_and_roles),
        cmocka_unit_test(an_event_names_its_object_and_counts),
    };
    return cmocka_run_group_tests_name("columns", tests, NULL, NULL);
}
