/* Writing YAML as kubectl does: block style, two columns, sequences not indented under their key,
 * text of several lines as a literal block. libyaml's emitter does the layout; here each JSON
 * value becomes its event, and each string gets the style in which it reads back as the same
 * string. */
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "lib/base/assert.h"
#include "lib/codec/yaml.h"

static int append(void *out, unsigned char *bytes, size_t len)
{
    buf_append(out, bytes, len);
    return 1;
}

/* Events are ours and in order, and memory is there: a refusal is our own fault. */
static void emit(yaml_emitter_t *e, yaml_event_t *ev)
{
    int ok = yaml_emitter_emit(e, ev);
    INVARIANT(ok);
}

/* Literal blocks are for plain lines of text. Leading blanks would need an indentation hint, and
 * blanks before a line's end would be invisible, so such text is quoted. */
static bool fits_literal(const char *s)
{
    if (s[0] == ' ' || s[0] == '\n' || strchr(s, '\n') == NULL) {
        return false;
    }
    for (; *s != 0; s++) {
        unsigned char c = (unsigned char)*s;
        if ((c < 0x20 && c != '\n') || c >= 0x7f || (c == ' ' && (s[1] == '\n' || s[1] == 0))) {
            return false;
        }
    }
    return true;
}

static yaml_scalar_style_t style_of(const char *s)
{
    if (fits_literal(s)) {
        return YAML_LITERAL_SCALAR_STYLE;
    }
    return strchr(s, '\n') != NULL || yaml_needs_quotes(s) ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
                                                           : YAML_PLAIN_SCALAR_STYLE;
}

static void emit_scalar(yaml_emitter_t *e, const char *text, size_t len, yaml_scalar_style_t style)
{
    yaml_event_t ev;
    int ok = yaml_scalar_event_initialize(&ev, NULL, NULL, (const yaml_char_t *)text, (int)len, 1,
                                          1, style);
    INVARIANT(ok);
    emit(e, &ev);
}

static void emit_key(yaml_emitter_t *e, const char *key, size_t len)
{
    yaml_scalar_style_t style = style_of(key);
    if (style == YAML_LITERAL_SCALAR_STYLE) {
        style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    }
    emit_scalar(e, key, len, style);
}

static void emit_number(yaml_emitter_t *e, const json_t *v)
{
    char text[48];
    if (json_typeof(v) == JSON_INTEGER) {
        (void)snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    } else {
        double d = json_real_value(v);
        (void)snprintf(text, sizeof text, "%.15g", d);
        if (strtod(text, NULL) != d) {
            (void)snprintf(text, sizeof text, "%.17g", d);
        }
        if (strpbrk(text, ".e") == NULL) {
            /* 2.0 must not come back as the integer 2 */
            size_t n = strlen(text);
            (void)snprintf(text + n, sizeof text - n, ".0");
        }
    }
    emit_scalar(e, text, strlen(text), YAML_PLAIN_SCALAR_STYLE);
}

static void emit_value(yaml_emitter_t *e, const json_t *v);

static void emit_object(yaml_emitter_t *e, const json_t *v)
{
    json_t *object = (json_t *)(uintptr_t)v;
    yaml_event_t ev;
    (void)yaml_mapping_start_event_initialize(&ev, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE);
    emit(e, &ev);
    for (void *it = json_object_iter(object); it != NULL; it = json_object_iter_next(object, it)) {
        emit_key(e, json_object_iter_key(it), json_object_iter_key_len(it));
        emit_value(e, json_object_iter_value(it));
    }
    (void)yaml_mapping_end_event_initialize(&ev);
    emit(e, &ev);
}

static void emit_array(yaml_emitter_t *e, const json_t *v)
{
    yaml_event_t ev;
    (void)yaml_sequence_start_event_initialize(&ev, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE);
    emit(e, &ev);
    for (size_t i = 0; i < json_array_size(v); i++) {
        emit_value(e, json_array_get(v, i));
    }
    (void)yaml_sequence_end_event_initialize(&ev);
    emit(e, &ev);
}

/* Recurses as deep as the document, which LIMIT_DOC_DEPTH bounds wherever one enters. */
static void emit_value(yaml_emitter_t *e, const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        emit_object(e, v);
        return;
    case JSON_ARRAY:
        emit_array(e, v);
        return;
    case JSON_STRING:
        emit_scalar(e, json_string_value(v), json_string_length(v),
                    style_of(json_string_value(v)));
        return;
    case JSON_INTEGER:
    case JSON_REAL:
        emit_number(e, v);
        return;
    case JSON_TRUE:
        emit_scalar(e, "true", 4, YAML_PLAIN_SCALAR_STYLE);
        return;
    case JSON_FALSE:
        emit_scalar(e, "false", 5, YAML_PLAIN_SCALAR_STYLE);
        return;
    case JSON_NULL:
        emit_scalar(e, "null", 4, YAML_PLAIN_SCALAR_STYLE);
        return;
    }
    UNREACHABLE();
}

void yaml_write(const json_t *doc, struct buf *out)
{
    yaml_emitter_t e;
    yaml_event_t ev;

    PRE(doc != NULL);
    int ok = yaml_emitter_initialize(&e);
    INVARIANT(ok);
    yaml_emitter_set_output(&e, append, out);
    yaml_emitter_set_unicode(&e, 1);
    yaml_emitter_set_width(&e, -1);
    (void)yaml_stream_start_event_initialize(&ev, YAML_UTF8_ENCODING);
    emit(&e, &ev);
    (void)yaml_document_start_event_initialize(&ev, NULL, NULL, NULL, 1);
    emit(&e, &ev);
    emit_value(&e, doc);
    (void)yaml_document_end_event_initialize(&ev, 1);
    emit(&e, &ev);
    (void)yaml_stream_end_event_initialize(&ev);
    emit(&e, &ev);
    yaml_emitter_delete(&e);
}
