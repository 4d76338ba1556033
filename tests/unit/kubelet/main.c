/* Unit tests of kubelet. The program is its own shim: `unit-kubelet shim DIR` is what the process
 * driver starts. */
#include "tests/unit/kubelet/test.h"

#include <string.h>

#include "kubelet/kubelet.h"
#include "lib/base/alloc.h"

struct node_item *make_item(const char *spec, bool stop)
{
    struct object *o = NULL;
    struct err err = ERR_INIT;
    autofree char *text = mem_printf(
        "{'apiVersion':'barque/v1','kind':'NodeItem','metadata':{'name':'pod.d.web',"
        "'namespace':'n1'},'pod':{'namespace':'d','name':'web','uid':'u1'},'stop':%s,"
        "'spec':{%s}}", stop ? "true" : "false", spec);
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    if (object_from_any_json(slice_str(text), &o, &err) != 0) {
        fail_msg("%s in %s", err.msg, text);
    }
    return object_node_item(o);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "shim") == 0) {
        return kubelet_shim_main(argc - 1, argv + 1);
    }
    int failed = 0;
    failed += test_pod_actions_run();
    failed += test_fake_run();
    failed += test_process_run();
    failed += test_log_file_run();
    return failed != 0;
}
