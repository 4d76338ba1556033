/* Problems, and the checks that all kinds share: metadata, labels, selectors, quantities; and what
 * may not change in an update. The kinds' own checks are in validate_kinds.c. */
#include "api/validate.h"

#include <stdio.h>

#include "api/checks.h"
#include "api/meta.h"
#include "api/quantity.h"
#include "api/selector.h"
#include "api/walk.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

enum {
    ANNOTATIONS_MAX = 256 * 1024,
    SOURCE_WIDTH = 120, /* characters of a line that are shown, */
    SOURCE_BEFORE = 60, /* so many of them before the caret */
};

/* --- problems --------------------------------------------------------------------------------- */

void problems_init(struct problems *p)
{
    *p = (struct problems){ 0 };
}

void problems_fini(struct problems *p)
{
    for (size_t i = 0; i < p->n; i++) {
        mem_free(p->items[i].path);
        mem_free(p->items[i].message);
    }
    mem_free(p->items);
    *p = (struct problems){ 0 };
}

static void vadd(struct problems *p, const char *path, unsigned line, unsigned column,
                 const char *fmt, va_list args)
{
    char message[640];
    p->found++;
    if (p->n > PROBLEMS_MAX) {
        return;
    }
    (void)vsnprintf(message, sizeof message, fmt, args);
    bool last = p->n == PROBLEMS_MAX;
    p->items = mem_grow(p->items, &p->cap, p->n + 1, sizeof *p->items);
    p->items[p->n++] = (struct problem){
        .path = mem_strdup(last ? "" : path),
        .message = mem_strdup(last ? "there are more problems; they are not listed" : message),
        .line = line,
        .column = column,
    };
}

void problem_add(struct problems *p, const char *path, unsigned line, unsigned column,
                 const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vadd(p, path, line, column, fmt, args);
    va_end(args);
}

void check_add(struct problems *p, const char *path, const char *field, const char *fmt, ...)
{
    autobuf at = BUF_INIT;
    va_list args;

    buf_append_str(&at, path);
    if (field[0] != 0) {
        buf_printf(&at, "%s%s", at.len != 0 && field[0] != '[' ? "." : "", field);
    }
    va_start(args, fmt);
    vadd(p, buf_str(&at), 0, 0, fmt, args);
    va_end(args);
}

/* Bytes of the first `chars` characters of a line (a column counts characters). */
static size_t bytes_of_chars(const char *line, size_t len, size_t chars)
{
    size_t at = 0;
    while (at < len && chars > 0) {
        at++;
        while (at < len && ((unsigned char)line[at] & 0xc0) == 0x80) {
            at++;
        }
        chars--;
    }
    return at;
}

/* The line and a caret below its column; tabs are kept so that the caret stands right. Of a long
 * line (JSON without line breaks) the part around the column is shown. Other control characters
 * must not reach a terminal. */
static void print_line(const char *line, size_t len, unsigned column, struct buf *out)
{
    size_t chars = column > 0 ? column - 1 : 0;
    size_t first = chars > SOURCE_BEFORE ? chars - SOURCE_BEFORE : 0;
    size_t from = bytes_of_chars(line, len, first);
    size_t to = from + bytes_of_chars(line + from, len - from, SOURCE_WIDTH);
    size_t caret = from + bytes_of_chars(line + from, len - from, chars - first);

    buf_append_str(out, from > 0 ? " ..." : "    ");
    for (size_t i = from; i < to; i++) {
        unsigned char c = (unsigned char)line[i];
        buf_append_char(out, c == 0x7f || (c < 0x20 && c != '\t') ? ' ' : line[i]);
    }
    buf_append_str(out, to < len ? "...\n    " : "\n    ");
    for (size_t i = from; i < caret; i++) {
        if (((unsigned char)line[i] & 0xc0) != 0x80) {
            buf_append_char(out, line[i] == '\t' ? '\t' : ' ');
        }
    }
    buf_append_str(out, "^\n");
}

static void print_source(struct slice text, unsigned line, unsigned column, struct buf *out)
{
    const char *at = (const char *)text.data, *end = at + text.len;
    for (unsigned i = 1; i < line && at != NULL; i++) {
        at = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
        at = at != NULL ? at + 1 : NULL;
    }
    if (at == NULL || at >= end) {
        return;
    }
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    print_line(at, (size_t)((stop != NULL ? stop : end) - at), column, out);
}

/* Paths and messages quote the document, which may hold a terminal's commands. */
static void print_text(const char *s, struct buf *out)
{
    for (; *s != 0; s++) {
        buf_append_char(out, (unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s);
    }
}

void problems_print(const struct problems *p, const char *filename, struct slice text,
                    struct buf *out)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct problem *at = &p->items[i];
        buf_append_str(out, filename);
        if (at->line != 0) {
            buf_printf(out, ":%u:%u", at->line, at->column);
        }
        buf_append_str(out, ": ");
        print_text(at->path, out);
        buf_append_str(out, at->path[0] != 0 ? ": " : "");
        print_text(at->message, out);
        buf_append_char(out, '\n');
        if (at->line != 0 && text.len != 0) {
            print_source(text, at->line, at->column, out);
        }
    }
}

/* --- shared checks ---------------------------------------------------------------------------- */

void check_labels(const struct string_map *m, const char *path, struct problems *p)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct string_pair *l = &m->items[i];
        autofree char *field = mem_printf("[%s]", l->key);
        const char *problem = label_key_problem(l->key);
        if (problem != NULL) {
            check_add(p, path, field, "label key \"%.80s\" %s", l->key, problem);
        }
        problem = label_value_problem(l->value);
        if (problem != NULL) {
            check_add(p, path, field, "label value \"%.80s\" %s", l->value, problem);
        }
    }
}

void check_enum(const char *value, const char *const *allowed, size_t n, const char *path,
                struct problems *p)
{
    autobuf list = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        if (str_eq(value, allowed[i])) {
            return;
        }
        buf_printf(&list, "%s%s", i == 0 ? "" : ", ", allowed[i]);
    }
    if (value == NULL) {
        check_add(p, path, "", "required: one of %s", buf_str(&list));
        return;
    }
    const char *nearest = str_nearest(value, allowed, n);
    if (nearest != NULL) {
        check_add(p, path, "", "\"%.80s\" is unknown (did you mean \"%s\"?)", value, nearest);
    } else {
        check_add(p, path, "", "\"%.80s\" is unknown: expected one of %s", value, buf_str(&list));
    }
}

static void check_requirement(const struct label_requirement *r, const char *path,
                              struct problems *p)
{
    static const char *const operators[] = { "In", "NotIn", "Exists", "DoesNotExist" };
    autofree char *at = mem_printf("%s.operator", path);
    const char *problem = r->key != NULL ? label_key_problem(r->key) : "is required";

    if (problem != NULL) {
        check_add(p, path, "key", "label key %s", problem);
    }
    check_enum(r->operator_, operators, 4, at, p);
    bool set = str_eq(r->operator_, "In") || str_eq(r->operator_, "NotIn");
    if (set && r->n_values == 0) {
        check_add(p, path, "values", "required with operator %s", r->operator_);
    } else if (!set && r->n_values != 0) {
        check_add(p, path, "values", "only In and NotIn take values");
    }
}

void check_selector(const struct label_selector *s, const char *path, struct problems *p)
{
    autofree char *labels = mem_printf("%s.matchLabels", path);
    check_labels(&s->match_labels, labels, p);
    for (size_t i = 0; i < s->n_match_expressions; i++) {
        autofree char *at = mem_printf("%s.matchExpressions[%zu]", path, i);
        check_requirement(&s->match_expressions[i], at, p);
    }
}

void check_quantities(const struct string_map *m, const char *path, struct problems *p)
{
    for (size_t i = 0; i < m->n; i++) {
        struct err err = ERR_INIT;
        int64_t milli = 0;
        autofree char *field = mem_printf("[%s]", m->items[i].key);
        if (quantity_parse(m->items[i].value, &milli, &err) != 0) {
            check_add(p, path, field, "%s", err.msg);
        }
    }
}

/* --- metadata --------------------------------------------------------------------------------- */

static void check_annotations(const struct string_map *m, struct problems *p)
{
    size_t bytes = 0;
    for (size_t i = 0; i < m->n; i++) {
        const struct string_pair *a = &m->items[i];
        const char *problem = label_key_problem(a->key);
        bytes += strlen(a->key) + strlen(a->value);
        if (problem != NULL) {
            autofree char *field = mem_printf("[%s]", a->key);
            check_add(p, "metadata.annotations", field, "annotation key \"%.80s\" %s", a->key,
                      problem);
        }
    }
    if (bytes > ANNOTATIONS_MAX) {
        check_add(p, "metadata.annotations", "", "%zu bytes; at most %d", bytes, ANNOTATIONS_MAX);
    }
}

static void check_object_name(const struct object *o, struct problems *p)
{
    const struct object_meta *m = &o->metadata;
    const char *prefix = m->generate_name;
    const char *problem = NULL;

    if (m->name == NULL || m->name[0] == 0) {
        /* A generated name ends in letters, so the prefix itself may end in '-'. */
        autofree char *sample = prefix != NULL ? mem_printf("%sx", prefix) : NULL;
        problem = sample != NULL ? name_problem(sample) : "required";
        if (problem != NULL) {
            check_add(p, "metadata", sample != NULL ? "generateName" : "name", "%s", problem);
        }
        return;
    }
    problem = o->kind == &kind_namespace ? dns_label_problem(m->name) : name_problem(m->name);
    if (problem != NULL) {
        check_add(p, "metadata", "name", "\"%.80s\" %s", m->name, problem);
    }
}

static void check_object_meta(const struct object *o, struct problems *p)
{
    const struct object_meta *m = &o->metadata;
    bool has_namespace = m->namespace_ != NULL && m->namespace_[0] != 0;

    check_object_name(o, p);
    if (has_namespace && !o->kind->namespaced) {
        check_add(p, "metadata", "namespace", "a %s belongs to no namespace", o->kind->kind);
    } else if (!has_namespace && o->kind->namespaced) {
        check_add(p, "metadata", "namespace", "required");
    } else if (has_namespace && dns_label_problem(m->namespace_) != NULL) {
        check_add(p, "metadata", "namespace", "\"%.80s\" %s", m->namespace_,
                  dns_label_problem(m->namespace_));
    }
    check_labels(&m->labels, "metadata.labels", p);
    check_annotations(&m->annotations, p);
}

int object_validate(const struct object *o, struct problems *problems)
{
    size_t before = problems->found;
    check_object_meta(o, problems);
    if (o->kind->validate != NULL) {
        o->kind->validate(o, problems);
    }
    return problems->found == before ? 0 : E_INVAL;
}

/* --- updates ---------------------------------------------------------------------------------- */

static void check_same(const char *old, const char *now, const char *path, struct problems *p)
{
    if (old != NULL && !str_eq(old, now)) {
        check_add(p, path, "", "may not change (it is \"%.80s\")", old);
    }
}

/* Of a pod that exists only its place (once), images and tolerations may change. */
static void check_pod_update(const struct pod *old, const struct pod *now, struct problems *p)
{
    struct pod_spec a = { 0 }, b = { 0 };
    check_same(old->spec.node_name, now->spec.node_name, "spec.nodeName", p);
    pod_spec_copy(&a, &old->spec);
    pod_spec_copy(&b, &now->spec);
    struct pod_spec *specs[] = { &a, &b };
    for (size_t i = 0; i < 2; i++) {
        string_set(&specs[i]->node_name, NULL);
        for (size_t c = 0; c < specs[i]->n_containers; c++) {
            string_set(&specs[i]->containers[c].image, NULL);
        }
    }
    struct toleration *kept = b.tolerations; /* compared as old's: they may change */
    size_t n_kept = b.n_tolerations;
    b.tolerations = a.tolerations;
    b.n_tolerations = a.n_tolerations;
    if (!struct_equal(&schema_pod_spec, &a, &b)) {
        check_add(p, "spec", "",
                  "only image and tolerations of a pod may change; delete it, or change the "
                  "workload that made it");
    }
    b.tolerations = kept;
    b.n_tolerations = n_kept;
    struct_fini(&schema_pod_spec, &a);
    struct_fini(&schema_pod_spec, &b);
}

static void check_selector_update(const struct label_selector *old,
                                  const struct label_selector *now, struct problems *p)
{
    if (!struct_equal(&schema_label_selector, old, now)) {
        autobuf text = BUF_INIT;
        label_selector_print(old, &text);
        check_add(p, "spec.selector", "", "may not change (it is \"%.200s\")", buf_str(&text));
    }
}

static void check_configmap_update(const struct configmap *old, const struct configmap *now,
                                   struct problems *p)
{
    if (old->immutable && !(now->immutable && string_map_equal(&old->data, &now->data) &&
                            string_map_equal(&old->binary_data, &now->binary_data))) {
        check_add(p, "data", "", "may not change: the ConfigMap is immutable");
    }
}

int object_validate_update(const struct object *old, const struct object *o,
                           struct problems *problems)
{
    size_t before = problems->found;
    if (old->kind != o->kind) {
        check_add(problems, "kind", "", "may not change (it is \"%s\")", old->kind->kind);
        return E_INVAL;
    }
    check_same(old->metadata.name, o->metadata.name, "metadata.name", problems);
    check_same(old->metadata.namespace_, o->metadata.namespace_, "metadata.namespace", problems);
    if (o->metadata.uid != NULL) {
        check_same(old->metadata.uid, o->metadata.uid, "metadata.uid", problems);
    }
    if (o->kind == &kind_pod) {
        check_pod_update(object_pod(old), object_pod(o), problems);
    } else if (o->kind == &kind_replicaset) {
        check_selector_update(&object_replicaset(old)->spec.selector,
                              &object_replicaset(o)->spec.selector, problems);
    } else if (o->kind == &kind_deployment) {
        check_selector_update(&object_deployment(old)->spec.selector,
                              &object_deployment(o)->spec.selector, problems);
    } else if (o->kind == &kind_configmap) {
        check_configmap_update(object_configmap(old), object_configmap(o), problems);
    }
    return problems->found == before ? 0 : E_INVAL;
}
