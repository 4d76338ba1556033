/* Small operations on objects: string maps, conditions, a pod's readiness, templates. */
#include "api/meta.h"

#include <stdio.h>

#include "api/barque.h"
#include "api/walk.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/timestamp.h"
#include "lib/base/map.h"
#include "lib/base/str.h"

/* --- strings and maps ------------------------------------------------------------------------- */

void string_set(char **field, const char *value)
{
    char *copy = value != NULL ? mem_strdup(value) : NULL; /* first: value may be inside *field */
    mem_free(*field);
    *field = copy;
}

static struct string_pair *find_pair(const struct string_map *m, const char *key)
{
    for (size_t i = 0; i < m->n; i++) {
        if (str_eq(m->items[i].key, key)) {
            return &m->items[i];
        }
    }
    return NULL;
}

const char *string_map_get(const struct string_map *m, const char *key)
{
    const struct string_pair *pair = find_pair(m, key);
    return pair != NULL ? pair->value : NULL;
}

void string_map_set(struct string_map *m, const char *key, const char *value)
{
    struct string_pair *pair = find_pair(m, key);
    if (pair != NULL) {
        string_set(&pair->value, value);
        return;
    }
    struct string_pair added = { mem_strdup(key), mem_strdup(value) };
    m->items = mem_realloc(m->items, (m->n + 1) * sizeof *m->items);
    m->items[m->n++] = added;
}

void string_map_remove(struct string_map *m, const char *key)
{
    struct string_pair *pair = find_pair(m, key);
    if (pair == NULL) {
        return;
    }
    mem_free(pair->key);
    mem_free(pair->value);
    size_t at = (size_t)(pair - m->items);
    memmove(pair, pair + 1, (m->n - at - 1) * sizeof *pair);
    m->n--;
}

int32_t int_or_percent_of(const struct int_or_percent *v, int32_t total, bool round_up)
{
    if (!v->set) {
        return 0;
    }
    if (!v->percent) {
        return v->value > 0 ? v->value : 0;
    }
    int64_t hundredths = (int64_t)v->value * total;
    int64_t whole = (hundredths + (round_up ? 99 : 0)) / 100;
    return (int32_t)(whole > INT32_MAX ? INT32_MAX : whole > 0 ? whole : 0);
}

/* --- conditions ------------------------------------------------------------------------------- */

const struct condition *condition_find(const struct condition_list *l, const char *type)
{
    for (size_t i = 0; i < l->n; i++) {
        if (str_eq(l->items[i].type, type)) {
            return &l->items[i];
        }
    }
    return NULL;
}

bool condition_is_true(const struct condition_list *l, const char *type)
{
    const struct condition *c = condition_find(l, type);
    return c != NULL && str_eq(c->status, "True");
}

bool condition_set(struct condition_list *l, const char *type, const char *status,
                   const char *reason, const char *message, const char *now)
{
    struct condition *c = NULL;
    for (size_t i = 0; i < l->n && c == NULL; i++) {
        c = str_eq(l->items[i].type, type) ? &l->items[i] : NULL;
    }
    if (c == NULL) {
        l->items = mem_realloc(l->items, (l->n + 1) * sizeof *l->items);
        c = &l->items[l->n++];
        *c = (struct condition){ .type = mem_strdup(type) };
    }
    bool moved = !str_eq(c->status, status);
    if (!moved && str_eq(c->reason, reason) && str_eq(c->message, message)) {
        return false;
    }
    if (moved) {
        string_set(&c->last_transition_time, now);
    }
    string_set(&c->status, status);
    string_set(&c->reason, reason);
    string_set(&c->message, message);
    return true;
}

/* --- pods ------------------------------------------------------------------------------------- */

bool toleration_matches(const struct toleration *tol, const struct taint *t)
{
    bool exists = str_eq(tol->operator_, "Exists");
    bool key = tol->key != NULL ? str_eq(tol->key, t->key) : exists;
    bool value = exists || str_eq(tol->value != NULL ? tol->value : "",
                                  t->value != NULL ? t->value : "");
    return key && value && (tol->effect == NULL || str_eq(tol->effect, t->effect));
}

bool pod_is_ready(const struct pod *p)
{
    return condition_is_true(&p->status.conditions, "Ready");
}

bool pod_is_available(const struct pod *p, int32_t min_ready_seconds, int64_t now_ms)
{
    int64_t since_ms = 0;
    if (!pod_is_ready(p)) {
        return false;
    }
    if (min_ready_seconds <= 0) {
        return true;
    }
    const char *since = condition_find(&p->status.conditions, "Ready")->last_transition_time;
    return since != NULL && clock_parse(since, &since_ms) == 0 &&
           now_ms - since_ms >= (int64_t)min_ready_seconds * 1000;
}

bool pod_is_terminal(const struct pod *p)
{
    return str_eq(p->status.phase, "Succeeded") || str_eq(p->status.phase, "Failed");
}

bool pod_is_active(const struct pod *p)
{
    return !pod_is_terminal(p) && p->object.metadata.deletion_timestamp == NULL;
}

/* --- deep copies ------------------------------------------------------------------------------ */

/* Copies before it releases, so that `to` may be `from`'s own. */
static void replace(const struct schema *schema, void *to, const void *from)
{
    void *copy = mem_zalloc(schema->size);
    PRE(to != from);
    struct_copy(schema, copy, from);
    struct_fini(schema, to);
    memcpy(to, copy, schema->size);
    mem_free(copy);
}

void pod_template_copy(struct pod_template *to, const struct pod_template *from)
{
    replace(&schema_pod_template, to, from);
}

void pod_spec_copy(struct pod_spec *to, const struct pod_spec *from)
{
    replace(&schema_pod_spec, to, from);
}

void label_selector_copy(struct label_selector *to, const struct label_selector *from)
{
    replace(&schema_label_selector, to, from);
}

/* --- templates -------------------------------------------------------------------------------- */

/* The template as JSON without the hash label: what its identity is. */
static void write_template(const struct pod_template *t, struct buf *out)
{
    struct pod_template copy = { 0 };
    struct_copy(&schema_pod_template, &copy, t);
    string_map_remove(&copy.metadata.labels, LABEL_POD_TEMPLATE_HASH);
    (void)struct_write(&schema_pod_template, &copy, false, out);
    struct_fini(&schema_pod_template, &copy);
}

bool pod_template_equal(const struct pod_template *a, const struct pod_template *b)
{
    autobuf ta = BUF_INIT, tb = BUF_INIT;
    write_template(a, &ta);
    write_template(b, &tb);
    return slice_eq(buf_slice(&ta), buf_slice(&tb));
}

/* Kubernetes' safe alphabet: no vowels (no words), nothing that looks like another. */
void pod_template_hash(const struct pod_template *t, uint32_t collision, char *ret_hash)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    enum { HASH_CHARS = 10 };
    autobuf text = BUF_INIT;

    write_template(t, &text);
    uint64_t h = hash_bytes(text.data, text.len);
    if (collision != 0) {
        h = hash_u64(h ^ collision);
    }
    for (size_t i = 0; i < HASH_CHARS; i++) {
        ret_hash[i] = alphabet[h % (sizeof alphabet - 1)];
        h /= sizeof alphabet - 1;
    }
    ret_hash[HASH_CHARS] = 0;
}

/* --- the node view ---------------------------------------------------------------------------- */

static const char *const item_prefixes[] = {
    [NODE_ITEM_POD] = "pod.",
    [NODE_ITEM_STATUS] = "status.",
};

enum node_item_type node_item_type(const struct object *o)
{
    const char *name = o->metadata.name != NULL ? o->metadata.name : "";
    PRE(o->kind == &kind_node_item);
    if (str_eq(name, "node")) {
        return NODE_ITEM_NODE;
    }
    for (size_t i = 0; i < ARRAY_LEN(item_prefixes); i++) {
        if (str_starts(name, item_prefixes[i])) {
            return (enum node_item_type)i;
        }
    }
    return NODE_ITEM_UNKNOWN;
}

void node_item_name(enum node_item_type type, const char *pod_namespace, const char *pod_name,
                    char *ret_name, size_t size)
{
    if (type == NODE_ITEM_NODE) {
        (void)str_copy(ret_name, size, "node");
        return;
    }
    PRE(type == NODE_ITEM_POD || type == NODE_ITEM_STATUS);
    int n = snprintf(ret_name, size, "%s%s.%s", item_prefixes[type], pod_namespace, pod_name);
    INVARIANT(n > 0 && (size_t)n < size);
}
