/* Syntax of names, each check once, and what may not change. */
#include "test.h"

#include <string.h>

#include "api/checks.h"
#include "api/manifest.h"
#include "api/meta.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

struct syntax_case {
    const char *text;
    bool name, dns_label, label_key, label_value, env;
};

static void names_follow_their_syntax(void **state)
{
    static const struct syntax_case cases[] = {
        { "web", true, true, true, true, true },
        { "web-1", true, true, true, true, true },
        { "a.b", true, false, true, true, true },
        { "a..b", false, false, true, true, true },
        { "a.-b", false, false, true, true, true },
        { "-a", false, false, false, false, true },
        { "a-", false, false, false, false, true },
        { "", false, false, false, true, false },
        { "A_b", false, false, true, true, true },
        { "1a", true, true, true, true, false },
        { "a/b", false, false, true, false, false },
        { "x.y/Z", false, false, true, false, false },
        { "/b", false, false, false, false, false },
        { "a/", false, false, false, false, false },
        { "a/b/c", false, false, false, false, false },
        { "a b", false, false, false, false, false },
        { "gr\xc3\xbc", false, false, false, false, false },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct syntax_case *c = &cases[i];
        if ((name_problem(c->text) == NULL) != c->name ||
            (dns_label_problem(c->text) == NULL) != c->dns_label ||
            (label_key_problem(c->text) == NULL) != c->label_key ||
            (label_value_problem(c->text) == NULL) != c->label_value ||
            (env_name_problem(c->text) == NULL) != c->env) {
            fail_msg("\"%s\"", c->text);
        }
    }
}

static void names_have_their_lengths(void **state)
{
    char text[300];
    (void)state;
    memset(text, 'a', sizeof text);
    text[63] = 0;
    assert_null(dns_label_problem(text));
    assert_null(label_key_problem(text));
    assert_null(label_value_problem(text));
    text[63] = 'a';
    text[64] = 0;
    assert_non_null(dns_label_problem(text));
    assert_non_null(label_key_problem(text));
    assert_non_null(label_value_problem(text));
    text[64] = 'a';
    text[253] = 0;
    assert_null(name_problem(text));
    text[253] = 'a';
    text[254] = 0;
    assert_non_null(name_problem(text));
}

/* A pod manifest with `spec` lines gives exactly this one problem. */
static void assert_one(const char *manifest, const char *path, const char *message)
{
    struct object **objects = NULL;
    size_t n = 0;
    struct problems p;
    problems_init(&p);
    int rv = manifest_parse(slice_str(manifest), NULL, &objects, &n, &p);
    assert_int_equal(rv, E_INVAL);
    if (p.n != 1) {
        autobuf out = BUF_INIT;
        problems_print(&p, "m", slice_str(manifest), &out);
        fail_msg("%s", buf_str(&out));
    }
    assert_string_equal(p.items[0].path, path);
    assert_non_null(strstr(p.items[0].message, message));
    problems_fini(&p);
}

#define POD "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n"
#define GOOD "  containers: [{name: c, command: [x]}]\n"
#define C(more) POD "  containers:\n  - name: c\n    command: [x]\n" more
#define WORKLOAD "apiVersion: apps/v1\nmetadata: {name: w}\nkind: "
#define TEMPLATE                                                          \
    "  selector: {matchLabels: {a: b}}\n  template: {metadata: {labels: " \
    "{a: b}}, spec: {containers: [{name: c, command: [x]}]}}\n"

struct check_case {
    const char *manifest, *path, *message;
};

static const struct check_case pod_cases[] = {
    { POD "  containers: []\n", "spec.containers", "at least one container" },
    { POD "  containers: [{name: c, image: web}]\n", "spec.containers[0].command",
      "without an image" },
    { POD "  containers: [{command: [x]}]\n", "spec.containers[0].name", "required" },
    { POD "  containers: [{name: c.d, command: [x]}]\n", "spec.containers[0].name",
      "lower-case" },
    { POD "  containers: [{name: c, command: ['']}]\n", "spec.containers[0].command[0]",
      "empty" },
    { C("    ports: [{containerPort: 0}]\n"), "spec.containers[0].ports[0].containerPort",
      "between 1 and 65535" },
    { C("    ports: [{containerPort: 1, hostPort: 65536}]\n"),
      "spec.containers[0].ports[0].hostPort", "between 0 and 65535" },
    { C("    ports: [{containerPort: 1, protocol: tcp}]\n"),
      "spec.containers[0].ports[0].protocol", "unknown" },
    { C("    env: [{value: a}]\n"), "spec.containers[0].env[0].name", "is required" },
    { C("    env: [{name: A, value: a, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]\n"),
      "spec.containers[0].env[0].valueFrom", "not together" },
    { C("    env: [{name: A, valueFrom: {configMapKeyRef: {name: a}}}]\n"),
      "spec.containers[0].env[0].valueFrom.configMapKeyRef", "name and key" },
    { C("    env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.nam}}}]\n"),
      "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath", "metadata.name" },
    { C("    env: [{name: A, valueFrom: {secretKeyRef: {name: a, key: b}}}]\n"),
      "spec.containers[0].env[0].valueFrom.secretKeyRef", "absent in this version" },
    { C("    resources: {requests: {cpu: 2}, limits: {cpu: 1}}\n"),
      "spec.containers[0].resources.requests[cpu]", "more than the limit" },
    { POD GOOD "  restartPolicy: Never-ever\n", "spec.restartPolicy", "Always, OnFailure" },
    { POD GOOD "  terminationGracePeriodSeconds: -1\n", "spec.terminationGracePeriodSeconds",
      "negative" },
    { POD GOOD "  hostname: a.b\n", "spec.hostname", "lower-case" },
    { POD GOOD "  nodeName: A\n", "spec.nodeName", "lower-case" },
    { POD GOOD "  nodeSelector: {a: '-'}\n", "spec.nodeSelector[a]", "label value" },
    { POD GOOD "  tolerations: [{key: a, operator: Exist}]\n", "spec.tolerations[0].operator",
      "did you mean \"Exists\"" },
    { POD GOOD "  tolerations: [{value: a}]\n", "spec.tolerations[0].key", "required" },
    { POD GOOD "  tolerations: [{key: a, tolerationSeconds: 1}]\n",
      "spec.tolerations[0].tolerationSeconds", "NoExecute" },
    { POD GOOD "  topologySpreadConstraints: [{maxSkew: 0, topologyKey: z, whenUnsatisfiable: "
               "DoNotSchedule}]\n",
      "spec.topologySpreadConstraints[0].maxSkew", "at least 1" },
};

static const struct check_case other_cases[] = {
    { WORKLOAD "ReplicaSet\nspec:\n  template: {spec: {containers: [{name: c, command: [x]}]}}\n",
      "spec.selector", "required" },
    { WORKLOAD "ReplicaSet\nspec:\n  replicas: -2\n" TEMPLATE, "spec.replicas", "negative" },
    { WORKLOAD "ReplicaSet\nspec:\n  minReadySeconds: -2\n" TEMPLATE, "spec.minReadySeconds",
      "negative" },
    { WORKLOAD "ReplicaSet\nspec:\n  selector: {matchExpressions: [{key: a, operator: In}]}\n"
               "  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, command: "
               "[x]}]}}\n",
      "spec.selector.matchExpressions[0].values", "required with operator In" },
    { WORKLOAD "Deployment\nspec:\n  strategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}\n"
      TEMPLATE, "spec.strategy.rollingUpdate", "not together" },
    { WORKLOAD "Deployment\nspec:\n  strategy: {type: Rolling}\n" TEMPLATE,
      "spec.strategy.type", "unknown" },
    { WORKLOAD "Deployment\nspec:\n  strategy: {rollingUpdate: {maxUnavailable: 101%}}\n" TEMPLATE,
      "spec.strategy.rollingUpdate.maxUnavailable", "over 100%" },
    { WORKLOAD "Deployment\nspec:\n  revisionHistoryLimit: -1\n" TEMPLATE,
      "spec.revisionHistoryLimit", "negative" },
    { WORKLOAD "Deployment\nspec:\n  progressDeadlineSeconds: 5\n  minReadySeconds: 5\n" TEMPLATE,
      "spec.progressDeadlineSeconds", "more than minReadySeconds (5)" },
    { "apiVersion: v1\nkind: Namespace\nmetadata: {name: a.b}\n", "metadata.name",
      "lower-case" },
    { "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: b}\n",
      "metadata.namespace", "no namespace" },
    { "apiVersion: v1\nkind: Node\nmetadata: {name: a}\nspec: {taints: [{effect: NoExecute}]}\n",
      "spec.taints[0].key", "required" },
    { "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: B}\n",
      "metadata.namespace", "lower-case" },
    { "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {'a b': c}\n", "data[a b]",
      "a key must be" },
    { "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: c}\nbinaryData: {a: c}\n",
      "binaryData[a]", "in data too" },
    { "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {'a b': c}}\n",
      "metadata.annotations[a b]", "annotation key" },
};

static void each_check_of_pods_finds_its_mistake(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pod_cases); i++) {
        assert_one(pod_cases[i].manifest, pod_cases[i].path, pod_cases[i].message);
    }
}

static void each_check_of_other_kinds_finds_its_mistake(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(other_cases); i++) {
        assert_one(other_cases[i].manifest, other_cases[i].path, other_cases[i].message);
    }
}

static void assert_update(const char *old_json, const char *new_json, const char *path)
{
    struct problems p;
    struct object *old = object_of(old_json), *now = object_of(new_json);
    problems_init(&p);
    int rv = object_validate_update(old, now, &p);
    assert_int_equal(rv, path != NULL ? E_INVAL : 0);
    if (path != NULL) {
        assert_int_equal(p.n, 1);
        assert_string_equal(p.items[0].path, path);
    }
    problems_fini(&p);
    object_free(old);
    object_free(now);
}

#define P(spec) "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"spec\":{" spec "}}"
#define D(sel)                                                                                  \
    "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"spec\":{"                               \
    "\"selector\":{\"matchLabels\":{" sel "}}}}"
#define CM(rest) "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"" rest "}"
#define N(meta) "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{" meta "}}"

static void what_may_not_change_does_not(void **state)
{
    (void)state;
    assert_update(P(""), P("\"nodeName\":\"n1\""), NULL);
    assert_update(P("\"nodeName\":\"n1\""), P("\"nodeName\":\"n1\""), NULL);
    assert_update(P("\"nodeName\":\"n1\""), P("\"nodeName\":\"n2\""), "spec.nodeName");
    assert_update(P("\"nodeName\":\"n1\""), P(""), "spec.nodeName");
    assert_update(P("\"containers\":[{\"image\":\"a\"}]"), P("\"containers\":[{\"image\":\"b\"}]"),
                  NULL);
    assert_update(P(""), P("\"tolerations\":[{\"key\":\"a\"}]"), NULL);
    assert_update(P("\"containers\":[{\"name\":\"a\"}]"), P("\"containers\":[{\"name\":\"b\"}]"),
                  "spec");
    assert_update(D("\"a\":\"b\""), D("\"a\":\"b\""), NULL);
    assert_update(D("\"a\":\"b\""), D("\"a\":\"c\""), "spec.selector");
    assert_update(CM(",\"data\":{\"a\":\"1\"}"), CM(""), NULL);
    assert_update(CM(",\"immutable\":true"), CM(",\"immutable\":true"), NULL);
    assert_update(CM(",\"immutable\":true"), CM(""), "data");
    assert_update(CM(",\"immutable\":true"), CM(",\"immutable\":true,\"data\":{\"a\":\"1\"}"),
                  "data");
    assert_update(N("\"uid\":\"a\""), N(""), NULL);
    assert_update(N("\"uid\":\"a\""), N("\"uid\":\"b\""), "metadata.uid");
    assert_update(N("\"name\":\"a\""), N("\"name\":\"b\""), "metadata.name");
    assert_update(N(""), CM(""), "kind");
}

static void a_generated_name_needs_a_right_prefix(void **state)
{
    struct problems p;
    struct object *o = object_new(&kind_node);
    (void)state;
    problems_init(&p);
    string_set(&o->metadata.generate_name, "web-");
    assert_int_equal(object_validate(o, &p), 0);
    string_set(&o->metadata.generate_name, "Web-");
    assert_int_equal(object_validate(o, &p), E_INVAL);
    assert_string_equal(p.items[0].path, "metadata.generateName");
    problems_fini(&p);
    object_free(o);
}

int test_validate_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_their_syntax),
        cmocka_unit_test(names_have_their_lengths),
        cmocka_unit_test(each_check_of_pods_finds_its_mistake),
        cmocka_unit_test(each_check_of_other_kinds_finds_its_mistake),
        cmocka_unit_test(what_may_not_change_does_not),
        cmocka_unit_test(a_generated_name_needs_a_right_prefix),
    };
    return cmocka_run_group_tests_name("validate", tests, NULL, NULL);
}
