/* The scheduling cycle against a naive model. The bytes make nodes and pods come and go, bind and
 * assume; the model keeps them in plain tables and asks every rule anew for every node. Both must
 * find the same nodes possible, and the chosen one must be of the best by the model's own
 * arithmetic. */
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "scheduler/cycle.h"

enum { NODES = 6, PODS = 12, CPU_MILLI = 4000, MEMORY_MIB = 4096, STEPS_MAX = 200 };

struct mnode {
    bool exists, cordoned, ready;
    unsigned cpu, pods_max; /* of 1000m; 4Gi of memory always */
    unsigned taint;         /* 0 none, 1 NoSchedule, 2 NoExecute, 3 PreferNoSchedule */
    unsigned zone;          /* 0 none, 1 a, 2 b */
};

struct mpod {
    bool exists, assumed;
    unsigned node, cpu, memory, owner; /* 500m, 512Mi; owner 0: none */
    bool app;                          /* label app=x: what the constraint counts */
};

/* The pod to be placed. */
struct want {
    unsigned node_name; /* NODES: any */
    unsigned cpu, memory, owner, zone;
    bool tolerates, app, spread;
    unsigned max_skew;
};

struct world {
    struct snapshot snapshot;
    struct mnode nodes[NODES];
    struct mpod pods[PODS];
    const uint8_t *at, *end;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned below(struct world *w, unsigned n)
{
    return w->at < w->end ? *w->at++ % n : 0;
}

/* --- objects ---------------------------------------------------------------------------------- */

static const char *const ZONES[] = { "", "a", "b" };
static const char *const EFFECTS[] = { "", "NoSchedule", "NoExecute", "PreferNoSchedule" };

static struct object *parse(char *text)
{
    struct object *o = NULL;
    struct err err = ERR_INIT;
    for (char *c = text; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    INVARIANT(object_from_any_json(slice_str(text), &o, &err) == 0);
    return o;
}

static void node_set(struct world *w, unsigned k)
{
    struct mnode *n = &w->nodes[k];
    *n = (struct mnode){ true, below(w, 5) == 0, below(w, 5) != 0, below(w, 5), below(w, 6),
                         below(w, 8) % 4, below(w, 3) };
    char taint[80] = "", zone[32] = "";
    if (n->taint != 0) {
        snprintf(taint, sizeof taint, "'taints':[{'key':'t','effect':'%s'}],", EFFECTS[n->taint]);
    }
    if (n->zone != 0) {
        snprintf(zone, sizeof zone, "'zone':'%s'", ZONES[n->zone]);
    }
    autofree char *text = mem_printf(
        "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n%u','labels':{%s}},'spec':{%s"
        "'unschedulable':%s},'status':{'allocatable':{'cpu':'%u','memory':'4Gi','pods':'%u'},"
        "'conditions':[{'type':'Ready','status':'%s'}]}}",
        k, zone, taint, n->cordoned ? "true" : "false", n->cpu, n->pods_max,
        n->ready ? "True" : "False");
    struct object *o = parse(text);
    snapshot_node_set(&w->snapshot, object_node(o));
    object_free(o);
}

static struct pod *pod_make(const char *name, const char *spec, unsigned owner, bool app,
                            unsigned cpu, unsigned memory)
{
    char owners[160] = "";
    if (owner != 0) {
        snprintf(owners, sizeof owners, ",'ownerReferences':[{'apiVersion':'apps/v1','kind':"
                 "'ReplicaSet','name':'r%u','uid':'u%u','controller':true}]", owner, owner);
    }
    autofree char *text = mem_printf(
        "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'%s','namespace':'d','labels':{%s}%s},"
        "'spec':{%s'containers':[{'name':'c','resources':{'requests':{'cpu':'%um','memory':'%uMi'"
        "}}}]}}", name, app ? "'app':'x'" : "", owners, spec, cpu * 500, memory * 512);
    return object_pod(parse(text));
}

static void pod_set(struct world *w, unsigned k)
{
    struct mpod *p = &w->pods[k];
    bool assume = below(w, 3) == 0 && !p->exists;
    *p = (struct mpod){ true, assume, below(w, NODES), below(w, 4), below(w, 4), below(w, 3),
                        below(w, 2) == 0 };
    char name[8], spec[32] = "", node[8];
    snprintf(name, sizeof name, "p%u", k);
    snprintf(node, sizeof node, "n%u", p->node);
    if (!assume) {
        snprintf(spec, sizeof spec, "'nodeName':'%s',", node);
    }
    struct pod *pod = pod_make(name, spec, p->owner, p->app, p->cpu, p->memory);
    if (assume) {
        snapshot_pod_assume(&w->snapshot, pod, node);
    } else {
        snapshot_pod_set(&w->snapshot, pod);
    }
    object_free(&pod->object);
}

static void pod_gone(struct world *w, unsigned k, bool forget)
{
    char key[12];
    snprintf(key, sizeof key, "d/p%u", k);
    if (forget) {
        snapshot_pod_forget(&w->snapshot, key);
        w->pods[k].exists = w->pods[k].exists && !w->pods[k].assumed;
    } else {
        snapshot_pod_remove(&w->snapshot, key);
        w->pods[k].exists = false;
    }
}

/* --- the model -------------------------------------------------------------------------------- */

static bool open_to(const struct mnode *n, const struct want *p)
{
    bool tainted = n->taint == 1 || n->taint == 2;
    return n->exists && !n->cordoned && n->ready && (p->zone == 0 || n->zone == p->zone) &&
           (!tainted || p->tolerates);
}

static unsigned matching(const struct world *w, unsigned zone, const struct want *p)
{
    unsigned count = 0;
    for (unsigned k = 0; k < PODS; k++) {
        const struct mpod *q = &w->pods[k];
        count += q->exists && q->app && open_to(&w->nodes[q->node], p) &&
                 w->nodes[q->node].zone == zone;
    }
    return count;
}

static bool skew_ok(const struct world *w, unsigned k, const struct want *p)
{
    if (!p->spread) {
        return true;
    }
    unsigned least = UINT32_MAX, zone = w->nodes[k].zone;
    for (unsigned i = 0; i < NODES; i++) {
        if (open_to(&w->nodes[i], p) && w->nodes[i].zone != 0) {
            unsigned count = matching(w, w->nodes[i].zone, p);
            least = count < least ? count : least;
        }
    }
    return zone != 0 && matching(w, zone, p) + (p->app ? 1 : 0) <= p->max_skew + least;
}

struct used {
    unsigned cpu, memory, pods, siblings;
};

static struct used used_of(const struct world *w, unsigned k, unsigned owner)
{
    struct used u = { 0 };
    for (unsigned i = 0; i < PODS; i++) {
        const struct mpod *q = &w->pods[i];
        if (q->exists && q->node == k) {
            u.cpu += q->cpu * 500;
            u.memory += q->memory * 512;
            u.pods++;
            u.siblings += owner != 0 && q->owner == owner;
        }
    }
    return u;
}

static bool fits(const struct world *w, unsigned k, const struct want *p)
{
    const struct mnode *n = &w->nodes[k];
    struct used u = used_of(w, k, p->owner);
    return (p->node_name == NODES || p->node_name == k) && open_to(n, p) && u.pods < n->pods_max &&
           (p->cpu == 0 || u.cpu + p->cpu * 500 <= n->cpu * 1000) &&
           (p->memory == 0 || u.memory + p->memory * 512 <= MEMORY_MIB) && skew_ok(w, k, p);
}

static unsigned share(unsigned capacity, unsigned used)
{
    return used >= capacity ? 0 : (capacity - used) * 100 / capacity;
}

static unsigned worth(const struct world *w, unsigned k, const struct want *p)
{
    struct used u = used_of(w, k, p->owner);
    unsigned room = (share(w->nodes[k].cpu * 1000, u.cpu + p->cpu * 500) +
                     share(MEMORY_MIB, u.memory + p->memory * 512)) / 2;
    return room + 2 * (100 / (1 + u.siblings));
}

/* --- both ------------------------------------------------------------------------------------- */

static struct pod *want_pod(const struct want *p)
{
    autobuf spec = BUF_INIT;
    if (p->node_name != NODES) {
        buf_printf(&spec, "'nodeName':'n%u',", p->node_name);
    }
    if (p->zone != 0) {
        buf_printf(&spec, "'nodeSelector':{'zone':'%s'},", ZONES[p->zone]);
    }
    if (p->tolerates) {
        buf_printf(&spec, "'tolerations':[{'key':'t','operator':'Exists'}],");
    }
    if (p->spread) {
        buf_printf(&spec, "'topologySpreadConstraints':[{'maxSkew':%u,'topologyKey':'zone',"
                   "'whenUnsatisfiable':'DoNotSchedule','labelSelector':{'matchLabels':{"
                   "'app':'x'}}}],", p->max_skew);
    }
    return pod_make("new", buf_str(&spec), p->owner, p->app, p->cpu, p->memory);
}

static void cycle(struct world *w)
{
    unsigned named = below(w, 2 * NODES);
    struct want p = { .node_name = named < NODES && below(w, 4) == 0 ? named : NODES,
                      .cpu = below(w, 6), .memory = below(w, 6), .owner = below(w, 3),
                      .zone = below(w, 6) % 3, .tolerates = below(w, 3) == 0,
                      .app = below(w, 2) == 0, .spread = below(w, 3) == 0,
                      .max_skew = 1 + below(w, 3) };
    struct pod *pod = want_pod(&p);
    struct arena arena;
    struct cycle_result result;
    size_t feasible = 0;
    unsigned best = 0;
    arena_init(&arena);
    cycle_run(&w->snapshot, pod, 7, &arena, &result);
    for (unsigned k = 0; k < NODES; k++) {
        if (fits(w, k, &p)) {
            unsigned v = worth(w, k, &p);
            best = feasible == 0 || v > best ? v : best;
            feasible++;
        }
    }
    INVARIANT(result.feasible == feasible);
    INVARIANT((result.node == NULL) == (feasible == 0));
    INVARIANT((result.message == NULL) == (feasible != 0));
    if (result.node != NULL) {
        unsigned k = (unsigned)(result.node[1] - '0');
        INVARIANT(fits(w, k, &p));
        INVARIANT(worth(w, k, &p) == best);
    }
    arena_fini(&arena);
    object_free(&pod->object);
}

static void step(struct world *w)
{
    unsigned what = below(w, 16);
    unsigned node = below(w, NODES), pod = below(w, PODS);
    char name[8];
    snprintf(name, sizeof name, "n%u", node);
    if (what < 4) {
        node_set(w, node);
    } else if (what == 4) {
        snapshot_node_remove(&w->snapshot, name);
        w->nodes[node].exists = false;
    } else if (what < 9) {
        pod_set(w, pod);
    } else if (what < 11) {
        pod_gone(w, pod, what == 9);
    } else {
        cycle(w);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = { .at = data, .end = data + size };
    snapshot_init(&w.snapshot);
    for (size_t i = 0; i < STEPS_MAX && w.at < w.end; i++) {
        step(&w);
    }
    snapshot_fini(&w.snapshot);
    return 0;
}
