/* Unit tests of scheduler: snapshot, plugins, the pure cycle. */
#include "tests/unit/scheduler/fixture.h"

#include <stdio.h>

#include "lib/base/alloc.h"

static struct object *parse(char *text)
{
    struct object *o = NULL;
    struct err err = ERR_INIT;
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    if (object_from_any_json(slice_str(text), &o, &err) != 0) {
        fail_msg("%s in %s", err.msg, text);
    }
    return o;
}

void fixture_open(struct fixture *f)
{
    snapshot_init(&f->snapshot);
    arena_init(&f->arena);
}

void fixture_close(struct fixture *f)
{
    snapshot_fini(&f->snapshot);
    arena_fini(&f->arena);
}

void add_node(struct fixture *f, const char *name, const char *spec, const char *labels)
{
    autofree char *text = mem_printf(
        "{'apiVersion':'v1','kind':'Node','metadata':{'name':'%s','labels':{%s}},'spec':{%s},"
        "'status':{'allocatable':{'cpu':'4','memory':'4Gi','pods':'10'},'conditions':[{"
        "'type':'Ready','status':'True'}]}}", name, labels, spec);
    struct object *o = parse(text);
    snapshot_node_set(&f->snapshot, object_node(o));
    object_free(o);
}

struct pod *make_pod(const char *name, const char *meta, const char *spec)
{
    autofree char *text = mem_printf(
        "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'%s','namespace':'d'%s},'spec':{%s}}",
        name, meta, spec);
    return object_pod(parse(text));
}

void add_pod(struct fixture *f, const char *name, const char *meta, const char *node,
             const char *cpu)
{
    autofree char *spec = mem_printf(
        "'nodeName':'%s','containers':[{'name':'c','resources':{'requests':{'cpu':'%s'}}}]", node,
        cpu);
    struct pod *p = make_pod(name, meta, spec);
    snapshot_pod_set(&f->snapshot, p);
    object_free(&p->object);
}

const char *place(struct fixture *f, const char *meta, const char *spec)
{
    struct pod *p = make_pod("new", meta, spec);
    cycle_run(&f->snapshot, p, 1, &f->arena, &f->result);
    object_free(&p->object);
    return f->result.node;
}

int main(void)
{
    int failed = 0;
    failed += test_snapshot_run();
    failed += test_plugins_run();
    failed += test_cycle_run();
    failed += test_spread_run();
    return failed != 0;
}
