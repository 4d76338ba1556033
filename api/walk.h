/* The walkers: loops over a schema's rows. They know types of fields, never kinds. `base` is the
 * struct that the schema describes. Pure. */
#ifndef BARQUE_API_WALK_H
#define BARQUE_API_WALK_H

#include "api/schema.h"
#include "api/validate.h"
#include "lib/codec/yaml.h"

/* Frees what the struct owns and zeroes the fields; the struct itself is the caller's. */
void struct_fini(const struct schema *schema, void *base);
/* PRE: `to` is zeroed. */
void struct_copy(const struct schema *schema, void *to, const void *from);
/* Maps compare without order; a FIELD_REVISION is not compared. */
bool struct_equal(const struct schema *schema, const void *a, const void *b);

/* Appends a JSON object, compact, keys in the table's order, maps sorted by key: equal structs
 * give equal bytes. `revision` tells whether FIELD_REVISION rows are written. False when it came
 * out as {}. */
bool struct_write(const struct schema *schema, const void *base, bool revision, struct buf *out);
/* The fields of struct_write without the braces, each with a comma before it when out does not end
 * with '{'. */
void struct_write_fields(const struct schema *schema, const void *base, bool revision,
                         struct buf *out);
/* One field's value; false (and nothing is written) when the field is absent. */
bool field_write(const struct field *f, const void *base, bool revision, struct buf *out);
/* Appends a JSON string. Bytes that are not UTF-8 become U+FFFD. */
void json_write_string(const char *s, struct buf *out);

/* Differing fields under `path`, one a line: "<path>: <old> -> <new>". */
void struct_diff(const struct schema *schema, const void *a, const void *b, const char *path,
                 struct buf *out);

/* How to read: `strict` is for people's manifests (unknown fields and FIELD_ABSENT rows are
 * problems), not for stored JSON. `root` gives problems a line and column; may be NULL. */
struct struct_reader {
    struct problems *problems;
    bool strict;
    const struct yaml_node *root;
};
/* Fills a zeroed struct from JSON. Every problem is added; what could be read is in the struct.
 * `path` is where `json` stands in the document ("" for its top, where apiVersion and kind are
 * passed over). */
void struct_read(const struct struct_reader *r, const struct schema *schema, const json_t *json,
                 const char *path, void *base);

static inline void *field_at(const struct field *f, const void *base)
{
    return (char *)(uintptr_t)base + f->offset;
}
static inline size_t *field_count(const struct field *f, const void *base)
{
    return (size_t *)(void *)((char *)(uintptr_t)base + f->aux);
}
/* True when the field has no flag. */
static inline bool field_is_set(const struct field *f, const void *base)
{
    return f->aux == FIELD_NO_AUX || *(bool *)((char *)(uintptr_t)base + f->aux);
}
static inline char **schema_other(const struct schema *schema, const void *base)
{
    return schema->other == FIELD_NO_AUX
               ? NULL
               : (char **)(void *)((char *)(uintptr_t)base + schema->other);
}

#endif
