/* Why a pod is not ready: the outermost cause, in one sentence. */
#include "tests/unit/cli/test.h"

#include "cli/why_text.h"
#include "lib/base/assert.h"

#define META "\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"}"
#define BOUND                                                                              \
    "{" META ",\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"a\"}]},\"status\":"

static const struct {
    const char *pod;
    enum why_cause cause;
    const char *text;
} cases[] = {
    { "{" META ",\"spec\":{\"containers\":[{\"name\":\"a\"}]}}", WHY_UNPLACED,
      "has no node: the scheduler has not looked at it yet" },
    { "{" META ",\"spec\":{\"containers\":[{\"name\":\"a\"}]},\"status\":{\"conditions\":[{"
      "\"type\":\"PodScheduled\",\"status\":\"False\",\"message\":\"0/3 nodes fit\"}]}}",
      WHY_UNPLACED, "has no node: 0/3 nodes fit" },
    { BOUND "{\"phase\":\"Pending\"}}", WHY_NODE,
      "is bound to node n1, which has not said anything about it yet" },
    { BOUND "{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"a\",\"ready\":false,"
            "\"restartCount\":2,\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\","
            "\"message\":\"ended with 3\"}},\"lastState\":{\"terminated\":{\"exitCode\":3,"
            "\"reason\":\"Error\"}}}]}}",
      WHY_CONTAINER,
      "container a: CrashLoopBackOff, ended with 3; last: Error, exit code 3; 2 restarts" },
    { BOUND "{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"a\",\"ready\":false,"
            "\"state\":{\"running\":{\"startedAt\":\"2026-11-23T10:00:00Z\"}}}]}}",
      WHY_CONTAINER, "container a: runs, but is not ready" },
    { BOUND "{\"phase\":\"Succeeded\"}}", WHY_DONE, "ran to its end" },
    { BOUND "{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
      WHY_READY, "is ready" },
    { "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"deletionTimestamp\":"
      "\"2026-11-23T10:00:00Z\",\"deletionGracePeriodSeconds\":5},\"spec\":{\"nodeName\":\"n1\"}}",
      WHY_GOING, "is being deleted since 2026-11-23T10:00:00Z, with 5 s of grace" },
};

static struct object *node(const char *ready)
{
    autobuf json = BUF_INIT;

    buf_printf(&json, "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\"},"
                      "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\","
                      "\"message\":\"its agent is silent\"}]}}", ready);
    return object_of(buf_str(&json));
}

static void the_cause_is_named_in_one_sentence(void **state)
{
    struct object *n = node("True");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct object *o = object_of(cases[i].pod);
        autobuf text = BUF_INIT;

        assert_int_equal(why_pod(object_pod(o), object_node(n), &text), cases[i].cause);
        assert_string_equal(buf_str(&text), cases[i].text);
        object_free(o);
    }
    object_free(n);
}

static void a_lost_node_comes_before_what_its_pods_last_said(void **state)
{
    struct object *n = node("Unknown");
    struct object *o = object_of(BOUND "{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\","
                                       "\"status\":\"True\"}]}}");
    autobuf lost = BUF_INIT;
    autobuf absent = BUF_INIT;

    (void)state;
    assert_int_equal(why_pod(object_pod(o), object_node(n), &lost), WHY_NODE);
    assert_string_equal(buf_str(&lost), "is on node n1, which is not ready: its agent is silent");
    assert_int_equal(why_pod(object_pod(o), NULL, &absent), WHY_NODE);
    assert_string_equal(buf_str(&absent), "is on node n1, which does not exist any more");
    object_free(o);
    object_free(n);
}

int test_why_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cause_is_named_in_one_sentence),
        cmocka_unit_test(a_lost_node_comes_before_what_its_pods_last_said),
    };
    return cmocka_run_group_tests_name("why", tests, NULL, NULL);
}
