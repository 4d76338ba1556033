/* Works on the stored JSON, so that every kind, also one added later, is merged by the same lines:
 *
 *     result = manifest, but status = live's, metadata = live's with the manifest's labels and
 *     annotations
 *
 * The note is "l:app l:tier a:owner": labels and annotations by name, sorted as written. */
#include "cli/merge.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "lib/codec/json.h"

static void note_of(const struct object *o, struct buf *out)
{
    const struct string_map *maps[] = { &o->metadata.labels, &o->metadata.annotations };
    static const char tags[] = { 'l', 'a' };

    for (size_t m = 0; m < 2; m++) {
        for (size_t i = 0; i < maps[m]->n; i++) {
            if (!str_eq(maps[m]->items[i].key, ANNOTATION_APPLIED)) {
                buf_printf(out, "%s%c:%s", out->len != 0 ? " " : "", tags[m],
                           maps[m]->items[i].key);
            }
        }
    }
}

void merge_note(struct object *o)
{
    autobuf note = BUF_INIT;

    note_of(o, &note);
    if (note.len != 0) {
        string_map_set(&o->metadata.annotations, ANNOTATION_APPLIED, buf_str(&note));
    } else {
        string_map_remove(&o->metadata.annotations, ANNOTATION_APPLIED);
    }
}

/* What the former note names and the manifest does not. */
static void remove_noted(struct object *live, const struct object *wanted)
{
    const char *note = string_map_get(&live->metadata.annotations, ANNOTATION_APPLIED);
    autofree char *copy = mem_strdup(note != NULL ? note : "");
    char *save = NULL;

    for (char *p = strtok_r(copy, " ", &save); p != NULL; p = strtok_r(NULL, " ", &save)) {
        bool label = p[0] == 'l';

        if (strlen(p) < 3 || p[1] != ':') {
            continue;
        }
        if (string_map_get(label ? &wanted->metadata.labels : &wanted->metadata.annotations,
                           p + 2) == NULL) {
            string_map_remove(label ? &live->metadata.labels : &live->metadata.annotations, p + 2);
        }
    }
}

static void set_all(struct string_map *to, const struct string_map *from)
{
    for (size_t i = 0; i < from->n; i++) {
        string_map_set(to, from->items[i].key, from->items[i].value);
    }
}

static void merge_metadata(struct object *live, const struct object *wanted)
{
    autobuf note = BUF_INIT;

    remove_noted(live, wanted);
    set_all(&live->metadata.labels, &wanted->metadata.labels);
    set_all(&live->metadata.annotations, &wanted->metadata.annotations);
    note_of(wanted, &note);
    if (note.len != 0) {
        string_map_set(&live->metadata.annotations, ANNOTATION_APPLIED, buf_str(&note));
    } else {
        string_map_remove(&live->metadata.annotations, ANNOTATION_APPLIED);
    }
}

static json_t *json_of(const struct object *o)
{
    autobuf text = BUF_INIT;
    json_t *doc = NULL;
    struct err err;

    object_to_json(o, &text);
    INVARIANT(json_parse(buf_slice(&text), &doc, &err) == 0);
    return doc;
}

/* `from` becomes `into`'s content; PRE: same kind. */
static void replace(struct object *into, struct object *from)
{
    autofree uint8_t *old = mem_dup(into, into->kind->size);

    memcpy(into, from, from->kind->size);
    memcpy(from, old, from->kind->size);
    object_free(from);
}

int merge_into(struct object *live, const struct object *wanted, struct err *err)
{
    int64_t version = live->metadata.resource_version;
    autobuf text = BUF_INIT;
    struct object *result = NULL;
    int rv;

    PRE(live->kind == wanted->kind);
    merge_metadata(live, wanted);
    json_auto_t *from = json_of(live);
    json_auto_t *to = json_of(wanted);
    json_t *status = json_object_get(from, "status");
    json_t *node = json_path_get(from, "spec.nodeName");

    json_object_set(to, "metadata", json_object_get(from, "metadata"));
    if (status != NULL) {
        json_object_set(to, "status", status);
    } else {
        json_object_del(to, "status");
    }
    if (live->kind == &kind_pod && node != NULL && json_path_get(to, "spec.nodeName") == NULL) {
        json_path_set_new(to, "spec.nodeName", json_incref(node));
    }
    json_write(to, &text);
    rv = object_from_json(live->kind, buf_slice(&text), &result, err);
    if (rv != 0) {
        return rv;
    }
    result->metadata.resource_version = version;
    replace(live, result);
    return 0;
}

static bool worth_showing(const char *line)
{
    static const char *const hidden[] = { "metadata.generation", "metadata.resourceVersion",
                                          "metadata.uid", "metadata.creationTimestamp", "status" };

    for (size_t i = 0; i < ARRAY_LEN(hidden); i++) {
        if (str_starts(line, hidden[i])) {
            return false;
        }
    }
    return strstr(line, ANNOTATION_APPLIED) == NULL;
}

void merge_diff(const struct object *before, const struct object *after, struct buf *out)
{
    autobuf all = BUF_INIT;
    autofree char *text = NULL;
    char *save = NULL;

    object_diff(before, after, &all);
    text = buf_take(&all);
    for (char *p = strtok_r(text, "\n", &save); p != NULL; p = strtok_r(NULL, "\n", &save)) {
        if (worth_showing(p)) {
            buf_printf(out, "%s\n", p);
        }
    }
}
