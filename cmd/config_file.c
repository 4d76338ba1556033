/* One walk over the document: a key is an option, or a section whose keys are options by other
 * names. Values become the texts that flags have, and go the same way from there. */
#include "cmd/config_file.h"

#include <stdio.h>
#include <string.h>

#include "cmd/member.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/codec/yaml.h"

enum { LIST_ITEMS_MAX = 256 };

/* What etcd writes in sections. */
static const struct section_key {
    const char *section, *key, *option;
} section_keys[] = {
    { "client-transport-security", "cert-file", "cert-file" },
    { "client-transport-security", "key-file", "key-file" },
    { "client-transport-security", "client-cert-file", "client-cert-file" },
    { "client-transport-security", "client-key-file", "client-key-file" },
    { "client-transport-security", "client-cert-auth", "client-cert-auth" },
    { "client-transport-security", "trusted-ca-file", "trusted-ca-file" },
    { "client-transport-security", "auto-tls", "auto-tls" },
    { "client-transport-security", "allowed-cn", "client-cert-allowed-hostname" },
    { "client-transport-security", "allowed-hostname", "client-cert-allowed-hostname" },
    { "client-transport-security", "skip-client-san-verification",
      "peer-skip-client-san-verification" },
    { "peer-transport-security", "cert-file", "peer-cert-file" },
    { "peer-transport-security", "key-file", "peer-key-file" },
    { "peer-transport-security", "client-cert-file", "peer-client-cert-file" },
    { "peer-transport-security", "client-key-file", "peer-client-key-file" },
    { "peer-transport-security", "client-cert-auth", "peer-client-cert-auth" },
    { "peer-transport-security", "trusted-ca-file", "peer-trusted-ca-file" },
    { "peer-transport-security", "auto-tls", "peer-auto-tls" },
    { "peer-transport-security", "allowed-cn", "peer-cert-allowed-cn" },
    { "peer-transport-security", "allowed-hostname", "peer-cert-allowed-hostname" },
    { "peer-transport-security", "skip-client-san-verification",
      "peer-skip-client-san-verification" },
    { "socket-options", "reuse-port", "socket-reuse-port" },
    { "socket-options", "reuse-address", "socket-reuse-address" },
};

struct walk {
    struct member_flags *m;
    const struct option_ears *ears;
    const char *path;
};

static int wrong(const struct walk *w, const struct yaml_node *node, struct err *err,
                 const char *what)
{
    return err_set(err, E_INVAL, "%s:%u:%u: %s", w->path, node->line, node->column, what);
}

static int unknown_key(const struct walk *w, const struct yaml_node *key, const char *near,
                       struct err *err)
{
    autofree char *name = str_quote(slice_make(key->text, key->len), 60);
    return err_set(err, E_INVAL, "%s:%u:%u: unknown key \"%s\"%s%s%s", w->path, key->line,
                   key->column, name, near != NULL ? " (did you mean " : "",
                   near != NULL ? near : "", near != NULL ? "?)" : "");
}

/* --- values ----------------------------------------------------------------------------------- */

static bool is_nothing(const struct yaml_node *node)
{
    return node->type == YAML_SCALAR &&
           (node->len == 0 || (node->plain && yaml_resolve(node).kind == YAML_NULL));
}

/* [a, b] as "a,b". */
static int list_text(const struct walk *w, const struct yaml_node *list, struct buf *out,
                     struct err *err)
{
    if (list->n > LIST_ITEMS_MAX) {
        return wrong(w, list, err, "the list is too long");
    }
    for (size_t i = 0; i < list->n; i++) {
        const struct yaml_node *item = list->items[i];
        if (item->type != YAML_SCALAR) {
            return wrong(w, item, err, "a list of plain values is wanted");
        }
        if (!is_nothing(item)) {
            buf_printf(out, "%s%s", out->len > 0 ? "," : "", item->text);
        }
    }
    return 0;
}

/* Go reads a duration from a file as a number of nanoseconds. */
static const char *unit_of(const struct option *o, const struct yaml_node *node)
{
    return o->type == FLAG_INTERVAL && node->plain && yaml_resolve(node).kind == YAML_INT ? "ns"
                                                                                          : "";
}

static int apply_value(const struct walk *w, const struct option *o, const struct yaml_node *key,
                       const struct yaml_node *node, struct err *err)
{
    autobuf text = BUF_INIT;
    int rv = 0;
    if (node->type == YAML_MAPPING) {
        return wrong(w, node, err, "a plain value is wanted");
    }
    if (node->type == YAML_SEQUENCE) {
        rv = list_text(w, node, &text, err);
    } else if (!is_nothing(node)) {
        buf_printf(&text, "%s%s", node->text, unit_of(o, node));
    }
    if (rv != 0 || text.len == 0) {
        return rv;
    }
    autofree char *from =
        mem_printf("%s:%u:%u: %.60s", w->path, key->line, key->column, key->text);
    const char *kept = arena_strdup(&w->m->arena, buf_str(&text));
    return option_apply(w->m, o, kept, from, w->ears, err);
}

/* --- keys ------------------------------------------------------------------------------------- */

static bool is_section(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(section_keys); i++) {
        if (str_eq(section_keys[i].section, name)) {
            return true;
        }
    }
    return false;
}

static const struct option *section_option(const char *section, const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(section_keys); i++) {
        if (str_eq(section_keys[i].section, section) && str_eq(section_keys[i].key, key)) {
            return option_find(section_keys[i].option);
        }
    }
    return NULL;
}

static const char *section_nearest(const char *section, const char *key)
{
    const char *names[ARRAY_LEN(section_keys)];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(section_keys); i++) {
        if (str_eq(section_keys[i].section, section)) {
            names[n++] = section_keys[i].key;
        }
    }
    return str_nearest(key, names, n);
}

static int apply_section(const struct walk *w, const char *section, const struct yaml_node *node,
                         struct err *err)
{
    if (is_nothing(node)) {
        return 0;
    }
    if (node->type != YAML_MAPPING) {
        return wrong(w, node, err, "keys and values are wanted");
    }
    int rv = 0;
    for (size_t i = 0; rv == 0 && i < node->n; i++) {
        const struct yaml_node *key = node->keys[i];
        const struct option *o = section_option(section, key->text);
        rv = o != NULL ? apply_value(w, o, key, node->items[i], err)
                       : unknown_key(w, key, section_nearest(section, key->text), err);
    }
    return rv;
}

int config_file_apply(struct member_flags *m, const char *path, struct slice text,
                      const struct option_ears *ears, struct err *err)
{
    struct walk w = { .m = m, .ears = ears, .path = path };
    struct yaml_stream stream;
    struct arena arena;
    if (text.len > LIMIT_CONFIG_BYTES) {
        return err_set(err, E_TOOBIG, "%s: over %d bytes", path, LIMIT_CONFIG_BYTES);
    }
    arena_init(&arena);
    int rv = yaml_parse(text, &arena, &stream, err);
    if (rv != 0) {
        rv = err_prefix(err, "%s", path);
    } else if (stream.n > 1) {
        rv = wrong(&w, stream.docs[1], err, "more than one document");
    } else if (stream.n == 1 && stream.docs[0]->type != YAML_MAPPING) {
        rv = is_nothing(stream.docs[0]) ? 0
                                        : wrong(&w, stream.docs[0], err,
                                                "keys and values are wanted, like \"name: m1\"");
        stream.n = 0;
    }
    for (size_t i = 0; rv == 0 && stream.n == 1 && i < stream.docs[0]->n; i++) {
        const struct yaml_node *key = stream.docs[0]->keys[i];
        const struct option *o = option_find(key->text);
        if (is_section(key->text)) {
            rv = apply_section(&w, key->text, stream.docs[0]->items[i], err);
        } else if (o == NULL || o->group == GROUP_COMMAND) {
            rv = unknown_key(&w, key, option_nearest(key->text), err);
        } else {
            rv = apply_value(&w, o, key, stream.docs[0]->items[i], err);
        }
    }
    arena_fini(&arena);
    return rv;
}
