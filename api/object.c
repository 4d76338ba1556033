/* Objects as wholes: new, copy, free, compare, and their text forms. What is inside is the
 * walkers' work; this file adds the two keys that the kind gives, apiVersion and kind. */
#include "api/object.h"

#include <stdio.h>

#include "api/meta.h"
#include "api/schema.h"
#include "api/walk.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

struct object *object_new(const struct kind *kind)
{
    struct object *o = mem_zalloc(kind->size);
    o->kind = kind;
    return o;
}

struct object *object_copy(const struct object *o)
{
    struct object *copy = object_new(o->kind);
    struct_copy(o->kind->schema, copy, o);
    return copy;
}

void object_free(struct object *o)
{
    if (o != NULL) {
        struct_fini(o->kind->schema, o);
        mem_free(o);
    }
}

bool object_equal(const struct object *a, const struct object *b)
{
    return a->kind == b->kind && struct_equal(a->kind->schema, a, b);
}

void object_diff(const struct object *a, const struct object *b, struct buf *out)
{
    PRE(a->kind == b->kind);
    struct_diff(a->kind->schema, a, b, "", out);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static int from_tree(const struct kind *kind, const json_t *doc, struct object **ret_object,
                     struct err *err)
{
    struct problems problems;
    struct struct_reader reader = { &problems, false, NULL };

    problems_init(&problems);
    struct object *o = object_new(kind);
    struct_read(&reader, kind->schema, doc, "", o);
    if (problems.n == 0) {
        problems_fini(&problems);
        *ret_object = o;
        return 0;
    }
    const struct problem *first = &problems.items[0];
    int rv = err_set(err, E_INVAL, "%s: %s%s%s", kind->kind, first->path,
                     first->path[0] != 0 ? ": " : "", first->message);
    problems_fini(&problems);
    object_free(o);
    return rv;
}

int object_from_json(const struct kind *kind, struct slice json, struct object **ret_object,
                     struct err *err)
{
    json_auto_t *doc = NULL;
    int rv = json_parse(json, &doc, err);
    return rv != 0 ? rv : from_tree(kind, doc, ret_object, err);
}

int object_from_any_json(struct slice json, struct object **ret_object, struct err *err)
{
    json_auto_t *doc = NULL;
    int rv = json_parse(json, &doc, err);
    if (rv != 0) {
        return rv;
    }
    const char *version = json_string_value(json_object_get(doc, "apiVersion"));
    const char *name = json_string_value(json_object_get(doc, "kind"));
    if (version == NULL || name == NULL) {
        return err_set(err, E_INVAL, "no object: apiVersion and kind are required");
    }
    const struct kind *kind = kind_by_name(version, name);
    if (kind == NULL) {
        return err_set(err, E_INVAL, "unknown kind %.80s %.80s", version, name);
    }
    return from_tree(kind, doc, ret_object, err);
}

static void write_object(const struct object *o, bool revision, struct buf *out)
{
    buf_append_str(out, "{\"apiVersion\":\"");
    buf_append_str(out, o->kind->api_version);
    buf_append_str(out, "\",\"kind\":\"");
    buf_append_str(out, o->kind->kind);
    buf_append_char(out, '"');
    struct_write_fields(o->kind->schema, o, revision, out);
    buf_append_char(out, '}');
}

void object_to_json(const struct object *o, struct buf *out)
{
    write_object(o, false, out);
}

/* People's forms go through a tree. What the writer writes parses, unless the object is larger
 * than any document may be; such an object is shown compact. */
static void write_for_people(const struct object *o, void (*write)(const json_t *, struct buf *),
                             struct buf *out)
{
    autobuf compact = BUF_INIT;
    json_auto_t *doc = NULL;
    write_object(o, true, &compact);
    if (json_parse(buf_slice(&compact), &doc, NULL) == 0) {
        write(doc, out);
    } else {
        buf_append_slice(out, buf_slice(&compact));
    }
}

void object_to_yaml(const struct object *o, struct buf *out)
{
    write_for_people(o, yaml_write, out);
}

void object_to_json_pretty(const struct object *o, struct buf *out)
{
    write_for_people(o, json_write_pretty, out);
}

/* --- owners and ids --------------------------------------------------------------------------- */

const struct owner_reference *object_controller_of(const struct object *o)
{
    for (size_t i = 0; i < o->metadata.n_owner_references; i++) {
        if (o->metadata.owner_references[i].controller) {
            return &o->metadata.owner_references[i];
        }
    }
    return NULL;
}

/* Replaces a controller that is there already: an object has at most one. */
void object_set_controller(struct object *o, const struct object *owner)
{
    struct object_meta *m = &o->metadata;
    struct owner_reference *ref = NULL;

    for (size_t i = 0; i < m->n_owner_references; i++) {
        if (m->owner_references[i].controller) {
            ref = &m->owner_references[i];
        }
    }
    if (ref == NULL) {
        m->owner_references = mem_realloc(m->owner_references, (m->n_owner_references + 1) *
                                                                   sizeof *m->owner_references);
        ref = &m->owner_references[m->n_owner_references++];
        *ref = (struct owner_reference){ 0 };
    }
    string_set(&ref->api_version, owner->kind->api_version);
    string_set(&ref->kind, owner->kind->kind);
    string_set(&ref->name, owner->metadata.name);
    string_set(&ref->uid, owner->metadata.uid);
    ref->controller = true;
    ref->block_owner_deletion = true;
}

/* RFC 9562, version 4. */
void uid_format(uint64_t a, uint64_t b, char *ret_uid)
{
    a = (a & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    b = (b & ~(UINT64_C(3) << 62)) | (UINT64_C(2) << 62);
    (void)snprintf(ret_uid, 37, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(a >> 32),
                   (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xffff, (unsigned)(b >> 48),
                   (unsigned long long)(b & UINT64_C(0xffffffffffff)));
}
