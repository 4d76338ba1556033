/* Node agents that only pretend: pod_actions decides as in a real one, containers are only
 * remembered. Unlike a real one, an agent that is cut off does nothing until it is back. */
#include <signal.h>
#include <stdlib.h>

#include "api/meta.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "tests/scenario/cluster.h"

struct agent *agent_of(struct cluster *c, const char *name)
{
    LIST_FOREACH(l, &c->agents) {
        struct agent *a = LIST_ENTRY(l, struct agent, link);
        if (strcmp(a->name, name) == 0) {
            return a;
        }
    }
    return NULL;
}

struct agent *agent_new(struct cluster *c, const char *name, const char *cpu, const char *memory,
                        const char *pods)
{
    struct agent *a = mem_zalloc(sizeof *a);
    a->name = mem_strdup(name);
    a->capacity[0] = mem_strdup(cpu);
    a->capacity[1] = mem_strdup(memory);
    a->capacity[2] = mem_strdup(pods);
    list_init(&a->attempts);
    map_init(&a->workers);
    list_push_back(&c->agents, &a->link);
    return a;
}

static void attempt_free(struct fake_attempt *f)
{
    list_remove(&f->link);
    mem_free(f->id);
    mem_free(f->pod_uid);
    mem_free(f->pod_namespace);
    mem_free(f->pod_name);
    mem_free(f->container);
    mem_free(f);
}

void agent_lose_processes(struct agent *a)
{
    struct list *l;
    size_t at = 0;
    struct map_entry *e;
    while ((l = list_first(&a->attempts)) != NULL) {
        attempt_free(LIST_ENTRY(l, struct fake_attempt, link));
    }
    while ((e = map_next(&a->workers, &at)) != NULL) {
        mem_free(e->value);
    }
    map_fini(&a->workers);
    map_init(&a->workers);
}

void agent_free(struct agent *a)
{
    agent_lose_processes(a);
    map_fini(&a->workers);
    list_remove(&a->link);
    for (size_t i = 0; i < ARRAY_LEN(a->capacity); i++) {
        mem_free(a->capacity[i]);
    }
    mem_free(a->name);
    mem_free(a);
}

/* --- sign of life ----------------------------------------------------------------------------- */

void agent_register(struct cluster *c, struct agent *a)
{
    static const char *const resources[] = { "cpu", "memory", "pods" };
    struct plan p;
    cluster_plan_init(c, &p);
    const struct object *old = lister_get(&c->lister, &kind_node_item, a->name, "node");
    struct node_item *item =
        object_node_item(old != NULL ? object_copy(old) : object_new(&kind_node_item));
    string_set(&item->object.metadata.name, "node");
    string_set(&item->object.metadata.namespace_, a->name);
    item->epoch = a->epoch;
    for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
        string_map_set(&item->capacity, resources[i], a->capacity[i]);
        string_map_set(&item->allocatable, resources[i], a->capacity[i]);
    }
    if (old != NULL) {
        plan_update(&p, old, &item->object);
    } else {
        plan_create(&p, &item->object);
    }
    if (lister_get(&c->lister, &kind_node_alive, NULL, a->name) == NULL) {
        struct node_alive *alive = object_node_alive(object_new(&kind_node_alive));
        string_set(&alive->object.metadata.name, a->name);
        alive->epoch = a->epoch;
        plan_create(&p, &alive->object);
    }
    cluster_carry_out(c, &p);
}

void agent_lapse(struct cluster *c, struct agent *a)
{
    struct plan p;
    cluster_plan_init(c, &p);
    const struct object *alive = lister_get(&c->lister, &kind_node_alive, NULL, a->name);
    if (alive != NULL) {
        plan_delete(&p, alive);
    }
    cluster_carry_out(c, &p);
}

/* --- the pretended driver --------------------------------------------------------------------- */

void agent_end_attempt(struct agent *a, struct fake_attempt *f, int64_t now_ms, int code,
                       int signal)
{
    (void)a;
    f->view.state = ATTEMPT_EXITED;
    f->view.exit_code = code;
    f->view.signal = signal;
    f->view.finished_ms = now_ms;
    f->view.reason = code == 0 && signal == 0 ? "Completed" : "Error";
}

static void start(struct cluster *c, struct agent *a, const struct node_item *item,
                  const struct pod_action *action)
{
    const struct container *k = action->container;
    struct fake_attempt *f = mem_zalloc(sizeof *f);
    f->id = mem_printf("%s/%s/%d", item->pod_uid, k->name, (int)action->attempt);
    f->pod_uid = mem_strdup(item->pod_uid);
    f->pod_namespace = mem_strdup(item->pod_namespace);
    f->pod_name = mem_strdup(item->pod_name);
    f->container = mem_strdup(k->name);
    f->view.attempt = action->attempt;
    f->view.started_ms = c->now_ms;
    f->view.grace_s = item->spec.has_termination_grace_period_seconds
                          ? item->spec.termination_grace_period_seconds : 30;
    f->ignores_term = k->n_command > 0 && strcmp(k->command[0], "ignore-term") == 0;
    list_push_back(&a->attempts, &f->link);
    if (k->n_command == 2 && strcmp(k->command[0], "exit") == 0) {
        agent_end_attempt(a, f, c->now_ms, (int)strtol(k->command[1], NULL, 10), 0);
    }
    buf_printf(c->trace, "  %s starts %s %s, attempt %d\n", a->name, item->pod_name, k->name,
               (int)action->attempt);
}

static struct fake_attempt *find(struct agent *a, const char *id)
{
    LIST_FOREACH(l, &a->attempts) {
        struct fake_attempt *f = LIST_ENTRY(l, struct fake_attempt, link);
        if (strcmp(f->id, id) == 0) {
            return f;
        }
    }
    return NULL;
}

static void act(struct cluster *c, struct agent *a, const struct node_item *item,
                const struct pod_action *action)
{
    struct fake_attempt *f = action->type != ACTION_START ? find(a, action->id) : NULL;
    switch (action->type) {
    case ACTION_START:
        start(c, a, item, action);
        break;
    case ACTION_SIGNAL:
        buf_printf(c->trace, "  %s sends %s to %s %s\n", a->name,
                   action->signal == SIGKILL ? "SIGKILL" : "SIGTERM", f->pod_name, f->container);
        if (action->signal == SIGKILL || !f->ignores_term) {
            agent_end_attempt(a, f, c->now_ms, 0, action->signal);
        }
        break;
    case ACTION_REMOVE:
        attempt_free(f);
        break;
    default:
        UNREACHABLE();
    }
}

static size_t observe(struct agent *a, const char *uid, struct arena *arena,
                      struct attempt **ret_attempts)
{
    size_t n = 0;
    LIST_FOREACH(l, &a->attempts) {
        n++;
    }
    struct attempt *out = arena_zalloc(arena, (n + 1) * sizeof *out);
    n = 0;
    LIST_FOREACH(l, &a->attempts) {
        const struct fake_attempt *f = LIST_ENTRY(l, struct fake_attempt, link);
        if (strcmp(f->pod_uid, uid) == 0) {
            out[n] = f->view;
            out[n].id = f->id;
            out[n].pod_uid = f->pod_uid;
            out[n].pod_namespace = f->pod_namespace;
            out[n].pod_name = f->pod_name;
            out[n++].container = f->container;
        }
    }
    *ret_attempts = out;
    return n;
}

/* --- a pass ----------------------------------------------------------------------------------- */

/* Takes the status. */
static bool write_status(struct cluster *c, struct agent *a, const struct node_item *item,
                         struct pod_status *taken, bool stopped)
{
    char name[520];
    struct plan p;
    cluster_plan_init(c, &p);
    node_item_name(NODE_ITEM_STATUS, item->pod_namespace, item->pod_name, name, sizeof name);
    const struct object *have = lister_get(&c->lister, &kind_node_item, a->name, name);
    struct node_item *next =
        object_node_item(have != NULL ? object_copy(have) : object_new(&kind_node_item));
    struct node_item *scratch = object_node_item(object_new(&kind_node_item));
    string_set(&next->object.metadata.name, name);
    string_set(&next->object.metadata.namespace_, a->name);
    string_set(&next->pod_namespace, item->pod_namespace);
    string_set(&next->pod_name, item->pod_name);
    string_set(&next->pod_uid, item->pod_uid);
    next->stopped = stopped;
    scratch->status = next->status; /* the old one goes with it */
    next->status = *taken;
    object_free(&scratch->object);
    bool wrote = true;
    if (have == NULL) {
        plan_create(&p, &next->object);
    } else {
        wrote = plan_update(&p, have, &next->object);
    }
    cluster_carry_out(c, &p);
    return wrote;
}

/* item NULL: it is no longer in the view. */
static bool sync_pod(struct cluster *c, struct agent *a, const char *uid,
                     const struct node_item *item)
{
    struct arena arena;
    struct pod_output out;
    arena_init(&arena);
    struct agent_worker *w = map_get_str(&a->workers, uid);
    if (w == NULL) {
        w = mem_zalloc(sizeof *w);
        map_put_str(&a->workers, uid, w);
    }
    struct attempt *observed;
    struct pod_input in = { .desired = item, .now_ms = c->now_ms, .killed = w->killed,
                            .stop_since_ms = w->stop_since_ms, .host_ip = "127.0.0.1" };
    in.n_observed = observe(a, uid, &arena, &observed);
    in.observed = observed;
    pod_actions(&in, &arena, &out);
    for (size_t i = 0; i < out.n_actions; i++) {
        act(c, a, item, &out.actions[i]);
    }
    w->stop_since_ms = !out.stopping ? 0 : w->stop_since_ms != 0 ? w->stop_since_ms : c->now_ms;
    w->killed = out.kill_sent;
    if (out.wake_ms > 0 && (c->agents_wake_ms == 0 || out.wake_ms < c->agents_wake_ms)) {
        c->agents_wake_ms = out.wake_ms;
    }
    bool wrote = out.n_actions > 0;
    if (item != NULL) {
        wrote = (a->connected && write_status(c, a, item, &out.status, out.stopped)) || wrote;
    } else if (out.gone) {
        mem_free(map_remove(&a->workers, slice_str(uid)));
    }
    arena_fini(&arena);
    return wrote;
}

static bool in_view(const struct object_list *items, const char *uid)
{
    for (size_t i = 0; i < items->n; i++) {
        if (node_item_type(items->items[i]) == NODE_ITEM_POD &&
            strcmp(object_node_item(items->items[i])->pod_uid, uid) == 0) {
            return true;
        }
    }
    return false;
}

/* The first pod that runs here and that nobody wants here. */
static const char *stray(struct agent *a, const struct object_list *items, struct arena *arena,
                         size_t skip)
{
    LIST_FOREACH(l, &a->attempts) {
        const struct fake_attempt *f = LIST_ENTRY(l, struct fake_attempt, link);
        if (!in_view(items, f->pod_uid) && skip-- == 0) {
            return arena_strdup(arena, f->pod_uid);
        }
    }
    return NULL;
}

bool agent_pass(struct cluster *c, struct agent *a)
{
    struct arena arena;
    bool did = false;
    if (!a->running || !a->connected) {
        return false; /* what runs goes on; nothing is decided without the view */
    }
    arena_init(&arena);
    struct object_list items = lister_list(&c->lister, &kind_node_item, a->name, &arena);
    /* Status writes replace entries under the list: hold what it needs. */
    struct cached **held = arena_alloc(&arena, (items.n + 1) * sizeof(struct cached *));
    size_t n_held = 0;
    for (size_t i = 0; i < items.n; i++) {
        if (node_item_type(items.items[i]) == NODE_ITEM_POD) {
            autofree char *key = object_name_key(items.items[i]);
            held[n_held++] = cache_get_ref(lister_cache(&c->lister, &kind_node_item), key);
        }
    }
    for (size_t i = 0; i < n_held; i++) {
        const struct node_item *item = object_node_item(held[i]->object);
        did = sync_pod(c, a, item->pod_uid, item) || did;
        cached_unref(held[i]);
    }
    items = lister_list(&c->lister, &kind_node_item, a->name, &arena);
    const char *uid;
    for (size_t skip = 0; (uid = stray(a, &items, &arena, skip)) != NULL;) {
        bool acted = sync_pod(c, a, uid, NULL);
        did = acted || did;
        skip += acted ? 0 : 1;
    }
    arena_fini(&arena);
    return did;
}
