/* The scheduler's own picture of the nodes: allocatable, used, and which pods use it. Fed by
 * informer events and by its own decisions (assumed pods), so that one cycle can follow the
 * other without waiting for the store. Pure. */
#include <string.h>

#include "api/meta.h"
#include "api/quantity.h"
#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "scheduler/cycle.h"

enum { PODS_MAX_DEFAULT = 110 };
static const int64_t REQUEST_MAX = 100000000000000;

void snapshot_init(struct snapshot *s)
{
    map_init(&s->nodes);
    map_init(&s->pods);
    list_init(&s->order);
    s->all = NULL;
    s->n_nodes = s->n_all = s->cap_all = 0;
}

static void pod_info_free(struct pod_info *p)
{
    for (size_t i = 0; i < p->labels.n; i++) {
        mem_free(p->labels.items[i].key);
        mem_free(p->labels.items[i].value);
    }
    mem_free(p->labels.items);
    mem_free(p->key);
    mem_free(p->owner_uid);
    mem_free(p->namespace_);
    mem_free(p);
}

static void node_info_free(struct node_info *n)
{
    if (n->node != NULL) {
        object_free(&n->node->object);
    }
    mem_free(n->owners);
    mem_free(n->name);
    mem_free(n);
}

void snapshot_fini(struct snapshot *s)
{
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&s->pods, &at)) != NULL) {
        pod_info_free(e->value);
    }
    at = 0;
    while ((e = map_next(&s->nodes, &at)) != NULL) {
        node_info_free(e->value);
    }
    map_fini(&s->pods);
    map_fini(&s->nodes);
    mem_free(s->all);
}

/* --- siblings --------------------------------------------------------------------------------- */

static uint64_t owner_hash(const char *uid)
{
    return hash_bytes(uid, strlen(uid));
}

static struct owner_count *owner_find(const struct node_info *n, uint64_t owner)
{
    for (size_t i = 0; i < n->n_owners; i++) {
        if (n->owners[i].owner == owner) {
            return &n->owners[i];
        }
    }
    return NULL;
}

size_t node_info_siblings(const struct node_info *n, const char *owner_uid)
{
    const struct owner_count *c = owner_find(n, owner_hash(owner_uid));
    return c != NULL ? c->n : 0;
}

static void owner_add(struct node_info *n, const char *uid)
{
    struct owner_count *c = owner_find(n, owner_hash(uid));
    if (c == NULL) {
        n->owners = mem_grow(n->owners, &n->cap_owners, n->n_owners + 1, sizeof *n->owners);
        c = &n->owners[n->n_owners++];
        *c = (struct owner_count){ .owner = owner_hash(uid) };
    }
    c->n++;
}

static void owner_remove(struct node_info *n, const char *uid)
{
    struct owner_count *c = owner_find(n, owner_hash(uid));
    INVARIANT(c != NULL);
    if (--c->n == 0) {
        *c = n->owners[--n->n_owners];
    }
}

/* --- nodes ------------------------------------------------------------------------------------ */

static int64_t quantity_milli(const struct string_map *m, const char *key, int64_t absent)
{
    const char *text = string_map_get(m, key);
    int64_t v;
    return text != NULL && quantity_parse(text, &v, NULL) == 0 && v >= 0 ? v : absent;
}

/* More than any node has; sums of such do not overflow. */
static int64_t sum(int64_t a, int64_t b)
{
    return b > REQUEST_MAX - a ? REQUEST_MAX : a + b;
}

/* A hundred times that can still be multiplied by a hundred. */
static int64_t capped(int64_t v)
{
    return v < 100 * REQUEST_MAX ? v : 100 * REQUEST_MAX;
}

void pod_requests(const struct pod *pod, int64_t *ret_cpu_milli, int64_t *ret_memory_bytes)
{
    *ret_cpu_milli = *ret_memory_bytes = 0;
    for (size_t i = 0; i < pod->spec.n_containers; i++) {
        const struct resources *r = &pod->spec.containers[i].resources;
        *ret_cpu_milli = sum(*ret_cpu_milli, quantity_milli(&r->requests, "cpu", 0));
        *ret_memory_bytes =
            sum(*ret_memory_bytes, quantity_milli(&r->requests, "memory", 0) / 1000);
    }
}

static struct node_info *node_info_get(struct snapshot *s, const char *name)
{
    struct node_info *n = map_get_str(&s->nodes, name);
    if (n == NULL) {
        n = mem_zalloc(sizeof *n);
        n->name = mem_strdup(name);
        list_init(&n->pods);
        list_push_back(&s->order, &n->link);
        s->all = mem_grow(s->all, &s->cap_all, s->n_all + 1, sizeof(struct node_info *));
        n->index = s->n_all;
        s->all[s->n_all++] = n;
        map_put_str(&s->nodes, name, n);
    }
    return n;
}

/* A node without object and without pods need not be remembered. */
static void node_info_drop(struct snapshot *s, struct node_info *n)
{
    if (n->node == NULL && n->n_pods == 0) {
        list_remove(&n->link);
        s->all[n->index] = s->all[--s->n_all];
        s->all[n->index]->index = n->index;
        map_remove(&s->nodes, slice_str(n->name));
        node_info_free(n);
    }
}

void snapshot_node_set(struct snapshot *s, const struct node *node)
{
    struct node_info *n = node_info_get(s, node->object.metadata.name);
    if (n->node != NULL) {
        object_free(&n->node->object);
    } else {
        s->n_nodes++;
    }
    n->node = object_node(object_copy(&node->object));
    n->cpu_milli = capped(quantity_milli(&node->status.allocatable, "cpu", 0));
    n->memory_bytes = capped(quantity_milli(&node->status.allocatable, "memory", 0) / 1000);
    n->pods_max =
        quantity_milli(&node->status.allocatable, "pods", PODS_MAX_DEFAULT * 1000) / 1000;
}

void snapshot_node_remove(struct snapshot *s, const char *name)
{
    struct node_info *n = map_get_str(&s->nodes, name);
    if (n == NULL || n->node == NULL) {
        return;
    }
    object_free(&n->node->object);
    n->node = NULL;
    s->n_nodes--;
    node_info_drop(s, n);
}

static void add(struct snapshot *s, const struct pod *pod, const char *node, bool assumed)
{
    const struct object_meta *m = &pod->object.metadata;
    const struct owner_reference *owner = object_controller_of(&pod->object);
    struct pod_info *p = mem_zalloc(sizeof *p);
    p->key = object_name_key(&pod->object);
    p->namespace_ = mem_strdup(m->namespace_);
    p->owner_uid = owner != NULL && owner->uid != NULL ? mem_strdup(owner->uid) : NULL;
    string_map_copy(&p->labels, &m->labels);
    pod_requests(pod, &p->cpu_milli, &p->memory_bytes);
    p->assumed = assumed;
    p->node = node_info_get(s, node);
    p->node->n_pods++;
    p->node->used_cpu_milli += p->cpu_milli;
    p->node->used_memory_bytes += p->memory_bytes;
    list_push_back(&p->node->pods, &p->link);
    if (p->owner_uid != NULL) {
        owner_add(p->node, p->owner_uid);
    }
    map_put_str(&s->pods, p->key, p);
}

void snapshot_pod_remove(struct snapshot *s, const char *key)
{
    struct pod_info *p = map_remove(&s->pods, slice_str(key));
    if (p == NULL) {
        return;
    }
    struct node_info *n = p->node;
    list_remove(&p->link);
    if (p->owner_uid != NULL) {
        owner_remove(n, p->owner_uid);
    }
    n->n_pods--;
    n->used_cpu_milli -= p->cpu_milli;
    n->used_memory_bytes -= p->memory_bytes;
    INVARIANT(n->used_cpu_milli >= 0);
    INVARIANT(n->used_memory_bytes >= 0);
    pod_info_free(p);
    node_info_drop(s, n);
}

void snapshot_pod_set(struct snapshot *s, const struct pod *pod)
{
    autofree char *key = object_name_key(&pod->object);
    bool counts = pod->spec.node_name != NULL && !pod_is_terminal(pod);
    const struct pod_info *have = map_get_str(&s->pods, key);
    if (!counts && have != NULL && have->assumed && pod->spec.node_name == NULL &&
        !BUG(BUG_ASSUMED_FORGOTTEN)) {
        return; /* the cache is behind our own decision */
    }
    snapshot_pod_remove(s, key);
    if (counts) {
        add(s, pod, pod->spec.node_name, false);
    }
}

void snapshot_pod_assume(struct snapshot *s, const struct pod *pod, const char *node)
{
    autofree char *key = object_name_key(&pod->object);
    PRE(map_get_str(&s->pods, key) == NULL);
    add(s, pod, node, true);
}

void snapshot_pod_forget(struct snapshot *s, const char *key)
{
    const struct pod_info *p = map_get_str(&s->pods, key);
    if (p != NULL && p->assumed) {
        snapshot_pod_remove(s, key);
    }
}
