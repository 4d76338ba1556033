/* Manifests: objects with defaults, and every problem at once with its place. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "api/manifest.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

struct parsed {
    struct object **objects;
    size_t n;
    struct problems problems;
    int rv;
};

static struct parsed parse(const char *text)
{
    struct parsed p = { 0 };
    problems_init(&p.problems);
    p.rv = manifest_parse(slice_str(text), "team", &p.objects, &p.n, &p.problems);
    return p;
}

static void release(struct parsed *p)
{
    for (size_t i = 0; i < p->n; i++) {
        object_free(p->objects[i]);
    }
    mem_free(p->objects);
    problems_fini(&p->problems);
}

/* The problems as "line:column path: message" lines must be `want`. */
static void assert_problems(const char *text, const char *want)
{
    autobuf got = BUF_INIT;
    struct parsed p = parse(text);
    for (size_t i = 0; i < p.problems.n; i++) {
        const struct problem *at = &p.problems.items[i];
        buf_printf(&got, "%u:%u %s: %s\n", at->line, at->column, at->path, at->message);
    }
    assert_string_equal(buf_str(&got), want);
    assert_int_equal(p.rv, want[0] != 0 ? E_INVAL : 0);
    if (p.rv != 0) {
        assert_int_equal(p.n, 0);
        assert_null(p.objects);
    }
    release(&p);
}

static const char *const web = "apiVersion: apps/v1\n"
                               "kind: Deployment\n"
                               "metadata:\n"
                               "  name: web\n"
                               "spec:\n"
                               "  selector:\n"
                               "    matchLabels: {app: web}\n"
                               "  template:\n"
                               "    metadata:\n"
                               "      labels: {app: web}\n"
                               "    spec:\n"
                               "      containers:\n"
                               "      - name: main\n"
                               "        image: web:1\n"
                               "        imagePullPolicy: Always\n"
                               "        command: [sleep, \"9\"]\n"
                               "        ports: [{containerPort: 80}]\n"
                               "        resources:\n"
                               "          limits: {cpu: 1, memory: 64Mi}\n";

static void a_deployment_gets_kubernetes_defaults(void **state)
{
    struct parsed p = parse(web);
    (void)state;
    assert_int_equal(p.rv, 0);
    assert_int_equal(p.n, 1);
    autofree char *json = json_of(p.objects[0]);
    assert_string_equal(
        json,
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\","
        "\"namespace\":\"team\"},\"spec\":{\"replicas\":1,\"selector\":{\"matchLabels\":{\"app\":"
        "\"web\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{"
        "\"containers\":[{\"name\":\"main\",\"image\":\"web:1\",\"command\":[\"sleep\",\"9\"],"
        "\"ports\":[{\"containerPort\":80,\"protocol\":\"TCP\"}],\"resources\":{\"limits\":{"
        "\"cpu\":\"1\",\"memory\":\"64Mi\"},\"requests\":{\"cpu\":\"1\",\"memory\":\"64Mi\"}},"
        "\"imagePullPolicy\":\"Always\"}],\"restartPolicy\":\"Always\","
        "\"terminationGracePeriodSeconds\":30}},\"strategy\":{\"type\":\"RollingUpdate\","
        "\"rollingUpdate\":{\"maxUnavailable\":\"25%\",\"maxSurge\":\"25%\"}},"
        "\"revisionHistoryLimit\":10,\"progressDeadlineSeconds\":600}}");
    object_defaults(p.objects[0]);
    autofree char *again = json_of(p.objects[0]);
    assert_string_equal(again, json);
    release(&p);
}

static void the_example_in_examples_is_right(void **state)
{
    char text[4096];
    (void)state;
    FILE *f = fopen("examples/web.yaml", "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = 0;
    (void)fclose(f);
    struct parsed p = parse(text);
    assert_int_equal(p.rv, 0);
    assert_int_equal(p.n, 2);
    const struct configmap *cm = object_configmap(p.objects[0]);
    const struct deployment *d = object_deployment(p.objects[1]);
    assert_int_equal(d->spec.replicas, 6);
    /* Every reference of the program finds its value. */
    const struct container *c = &d->spec.template_.spec.containers[0];
    size_t references = 0;
    for (size_t i = 0; i < c->n_env; i++) {
        if (c->env[i].config_map_name != NULL) {
            references++;
            assert_string_equal(c->env[i].config_map_name, cm->object.metadata.name);
            assert_non_null(string_map_get(&cm->data, c->env[i].config_map_key));
        }
    }
    assert_int_equal(references, 2);
    release(&p);
}

static void all_problems_come_at_once_in_order_with_their_places(void **state)
{
    (void)state;
    assert_problems("apiVersion: apps/v1\n"
                    "kind: Deployment\n"
                    "metadata:\n"
                    "  name: Web\n"
                    "  labels:\n"
                    "    version: 1.10\n"
                    "spec:\n"
                    "  replica: 3\n"
                    "  replicas: -1\n"
                    "  selector:\n"
                    "    matchLabels: {app: web}\n"
                    "  strategy:\n"
                    "    rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}\n"
                    "  template:\n"
                    "    metadata:\n"
                    "      labels: {app: wep}\n"
                    "    spec:\n"
                    "      restartPolicy: Allways\n"
                    "      initContainers: [{name: i}]\n"
                    "      containers:\n"
                    "      - name: main\n"
                    "        command: sleep 9\n"
                    "        livenessProbe:\n"
                    "          httpGet: {port: 80}\n"
                    "        resources:\n"
                    "          requests: {memory: 64MB}\n"
                    "      - name: main\n"
                    "        command: [sleep]\n"
                    "        env:\n"
                    "        - name: 1A\n"
                    "        - name: B\n"
                    "          value: 8080\n",
                    "4:9 metadata.name: \"Web\" must be lower-case letters, digits, '-' and '.', "
                    "and begin and end with a letter or digit\n"
                    "6:14 metadata.labels[version]: expected a string, got the number 1.1 (put it "
                    "in quotes)\n"
                    "8:3 spec.replica: unknown field \"replica\" (did you mean \"replicas\"?)\n"
                    "9:13 spec.replicas: must not be negative\n"
                    "13:50 spec.strategy.rollingUpdate.maxUnavailable: must not be 0 while "
                    "maxSurge is 0: nothing could ever be replaced\n"
                    "16:15 spec.template.metadata.labels: do not match spec.selector (app=web)\n"
                    "18:22 spec.template.spec.restartPolicy: \"Allways\" is unknown (did you mean "
                    "\"Always\"?)\n"
                    "18:22 spec.template.spec.restartPolicy: must be Always here\n"
                    "19:7 spec.template.spec.initContainers: absent in this version: it would have "
                    "no effect\n"
                    "22:18 spec.template.spec.containers[0].command: expected a list of strings, "
                    "got the string \"sleep 9\"\n"
                    "23:9 spec.template.spec.containers[0].livenessProbe: absent in this version: "
                    "it would have no effect\n"
                    "26:30 spec.template.spec.containers[0].resources.requests[memory]: \"64MB\" "
                    "is not a quantity (like 100m, 0.5, 2, 64Mi, 1G, 1e3)\n"
                    "27:15 spec.template.spec.containers[1].name: \"main\" is the name of another "
                    "container\n"
                    "30:17 spec.template.spec.containers[1].env[0].name: the name of a variable "
                    "must be letters, digits, '_', '-' and '.', and not begin with a digit\n"
                    "32:18 spec.template.spec.containers[1].env[1].value: expected a string, got "
                    "the number 8080 (put it in quotes)\n");
}

static void problems_print_like_a_compilers(void **state)
{
    const char *text = "apiVersion: v1\nkind: Node\nmetadata:\n\n  nam: x\n";
    autobuf out = BUF_INIT;
    struct parsed p = parse(text);
    (void)state;
    problems_print(&p.problems, "n.yaml", slice_str(text), &out);
    assert_string_equal(buf_str(&out), "n.yaml:5:3: metadata.nam: unknown field \"nam\" (did you "
                                       "mean \"name\"?)\n"
                                       "      nam: x\n"
                                       "      ^\n"
                                       "n.yaml:5:3: metadata.name: required\n"
                                       "      nam: x\n"
                                       "      ^\n");
    release(&p);
}

static void long_lines_show_the_part_around_the_caret(void **state)
{
    autobuf text = BUF_INIT, out = BUF_INIT, want = BUF_INIT;
    (void)state;
    buf_append_str(&text, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"data\":{\"a\":\"");
    for (int i = 0; i < 100; i++) {
        buf_append_str(&text, "\xc3\xa9"); /* two bytes, one column */
    }
    buf_append_str(&text, "\"},\"metadata\":{\"nam\":1,\"name\":\"c\"}, \"immutable\": true");
    for (int i = 0; i < 200; i++) {
        buf_append_char(&text, ' ');
    }
    buf_append_str(&text, "}\n");
    struct parsed p = parse(buf_str(&text));
    problems_print(&p.problems, "c.json", buf_slice(&text), &out);
    buf_append_str(&want, "c.json:1:167: metadata.nam: unknown field \"nam\" (did you mean "
                          "\"name\"?)\n ...");
    for (int i = 0; i < 45; i++) {
        buf_append_str(&want, "\xc3\xa9");
    }
    buf_append_str(&want, "\"},\"metadata\":{\"nam\":1,\"name\":\"c\"}, \"immutable\": true");
    for (int i = 0; i < 22; i++) {
        buf_append_char(&want, ' ');
    }
    buf_printf(&want, "...\n    %60s^\n", "");
    assert_string_equal(buf_str(&out), buf_str(&want));
    release(&p);
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
    const char *text = "kind: \"a\x1b[31m\"\r\n";
    autobuf out = BUF_INIT;
    struct parsed p = parse(text);
    (void)state;
    assert_int_equal(p.rv, E_INVAL);
    problems_print(&p.problems, "x.yaml", slice_str(text), &out);
    assert_null(strpbrk(buf_str(&out), "\x1b\r"));
    release(&p);
}

static void problems_print_nothing_that_commands_a_terminal(void **state)
{
    const char *text = "apiVersion: v1\nkind: Node\nmetadata: {name: n}\n\"a\\e[31m\": 1\n";
    autobuf out = BUF_INIT;
    struct parsed p = parse(text);
    (void)state;
    assert_int_equal(p.problems.n, 1);
    assert_non_null(strchr(p.problems.items[0].message, '\x1b'));
    problems_print(&p.problems, "n.yaml", slice_str(text), &out);
    assert_null(strchr(buf_str(&out), '\x1b'));
    release(&p);
}

static void kinds_that_are_not_here_are_named(void **state)
{
    (void)state;
    assert_problems("apiVersion: apps/v1\nkind: Deploymnt\n",
                    "2:7 kind: unknown kind \"Deploymnt\" (did you mean \"Deployment\"?)\n");
    assert_problems("kind: Deployment\napiVersion: v1\n",
                    "2:13 apiVersion: \"v1\" has no kind Deployment: it is in \"apps/v1\"\n");
    assert_problems("apiVersion: apps/v1\nkind: StatefulSet\n",
                    "2:7 kind: StatefulSet is absent in this version\n");
    assert_problems("apiVersion: barque/v1\nkind: NodeItem\n",
                    "2:7 kind: unknown kind \"NodeItem\"\n");
    assert_problems("metadata: {name: x}\n",
                    "1:1 apiVersion: required, like \"v1\" or \"apps/v1\"\n"
                    "1:1 kind: required, like \"Pod\" or \"Deployment\"\n");
    assert_problems("- 1\n", "1:1 : expected an object: a mapping with apiVersion and kind\n");
}

static void documents_and_lists_give_objects_in_order(void **state)
{
    struct parsed p = parse("# first\n---\n"
                            "apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n"
                            "---\n---\n"
                            "apiVersion: v1\nkind: List\nitems:\n"
                            "- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"
                            "- {apiVersion: v1, kind: ConfigMap, metadata: {name: b, "
                            "namespace: n}}\n");
    (void)state;
    assert_int_equal(p.rv, 0);
    assert_int_equal(p.n, 3);
    assert_ptr_equal(p.objects[0]->kind, &kind_namespace);
    assert_null(p.objects[0]->metadata.namespace_);
    assert_string_equal(p.objects[1]->metadata.name, "a");
    assert_string_equal(p.objects[1]->metadata.namespace_, "team");
    assert_string_equal(p.objects[2]->metadata.namespace_, "n");
    release(&p);
}

static void problems_in_lists_have_their_place(void **state)
{
    (void)state;
    assert_problems("apiVersion: v1\nkind: List\nitems:\n"
                    "- apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: a\n  data:\n"
                    "    k: 1\n"
                    "- apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: a\n  dat: {}\n",
                    "9:8 items[0].data[k]: expected a string, got the number 1 (put it in quotes)\n"
                    "13:11 items[1].metadata.name: ConfigMap a is in this manifest already\n"
                    "14:3 items[1].dat: unknown field \"dat\" (did you mean \"data\"?)\n");
    assert_problems("apiVersion: v1\nkind: List\n", "1:1 items: required: the list of objects\n");
}

static void json_manifests_have_places_too(void **state)
{
    (void)state;
    assert_problems("{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"Node\",\n"
                    "  \"metadata\": {\"name\": \"n1\"},\n  \"spec\": {\"taints\": [{\"key\": "
                    "\"k\","
                    " \"effect\": \"NoSchedul\"}]}\n}\n",
                    "5:46 spec.taints[0].effect: \"NoSchedul\" is unknown (did you mean "
                    "\"NoSchedule\"?)\n");
}

static void malformed_text_is_one_problem_with_its_place(void **state)
{
    static const char *const texts[] = { "a: [1\n", "a: b: c\n", "\ta: 1\n", "a: &x 1\n",
                                         "{\"a\": }}", "a: 1\na: 2\n", "\xff\xfe" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct parsed p = parse(texts[i]);
        assert_int_equal(p.rv, E_INVAL);
        assert_int_equal(p.problems.n, 1);
        assert_true(p.problems.items[0].line > 0);
        release(&p);
    }
}

static void an_empty_manifest_has_no_objects(void **state)
{
    (void)state;
    assert_problems("", "");
    assert_problems("---\n# nothing\n", "");
}

static void wrong_shapes_do_not_bring_further_complaints(void **state)
{
    (void)state;
    assert_problems("apiVersion: v1\nkind: Pod\nmetadata: [1]\nspec: 7\n",
                    "3:11 metadata: expected a mapping, got a list\n"
                    "4:7 spec: expected a mapping, got the number 7\n");
}

static void what_would_be_lost_is_refused_unless_empty(void **state)
{
    (void)state;
    assert_problems("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
                    "spec:\n  volumes: []\n  affinity: {}\n  hostNetwork: true\n"
                    "  containers: [{name: c, command: [x], volumeMounts: []}]\n",
                    "");
    assert_problems("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
                    "spec:\n  containers: [{name: c, command: [x]}]\n"
                    "  volumes: [{name: v}]\n",
                    "6:3 spec.volumes: absent in this version: it would have no effect\n");
}

static void what_people_see_can_be_applied_again(void **state)
{
    struct parsed p = parse(web);
    autobuf yaml = BUF_INIT;
    (void)state;
    assert_int_equal(p.rv, 0);
    p.objects[0]->metadata.resource_version = 7;
    object_to_yaml(p.objects[0], &yaml);
    struct parsed again = parse(buf_str(&yaml));
    assert_int_equal(again.rv, 0);
    assert_true(object_equal(p.objects[0], again.objects[0]));
    assert_int_equal(again.objects[0]->metadata.resource_version, 7);
    release(&p);
    release(&again);
}

static void endless_problems_are_cut(void **state)
{
    autobuf text = BUF_INIT;
    (void)state;
    buf_append_str(&text, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n");
    for (int i = 0; i < 1000; i++) {
        buf_printf(&text, "  k%d: 1\n", i);
    }
    struct parsed p = parse(buf_str(&text));
    assert_int_equal(p.rv, E_INVAL);
    assert_int_equal(p.problems.found, 1000);
    assert_int_equal(p.problems.n, PROBLEMS_MAX + 1);
    assert_string_equal(p.problems.items[PROBLEMS_MAX].message,
                        "there are more problems; they are not listed");
    release(&p);
}

int test_manifest_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deployment_gets_kubernetes_defaults),
        cmocka_unit_test(the_example_in_examples_is_right),
        cmocka_unit_test(all_problems_come_at_once_in_order_with_their_places),
        cmocka_unit_test(problems_print_like_a_compilers),
        cmocka_unit_test(long_lines_show_the_part_around_the_caret),
        cmocka_unit_test(control_characters_do_not_reach_the_terminal),
        cmocka_unit_test(problems_print_nothing_that_commands_a_terminal),
        cmocka_unit_test(kinds_that_are_not_here_are_named),
        cmocka_unit_test(documents_and_lists_give_objects_in_order),
        cmocka_unit_test(problems_in_lists_have_their_place),
        cmocka_unit_test(json_manifests_have_places_too),
        cmocka_unit_test(malformed_text_is_one_problem_with_its_place),
        cmocka_unit_test(an_empty_manifest_has_no_objects),
        cmocka_unit_test(wrong_shapes_do_not_bring_further_complaints),
        cmocka_unit_test(what_would_be_lost_is_refused_unless_empty),
        cmocka_unit_test(what_people_see_can_be_applied_again),
        cmocka_unit_test(endless_problems_are_cut),
    };
    return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
