/* Label selectors: matching, printing, and the command line's syntax:
 *
 *     app=web, tier in (front,back), track notin (canary), owner, !legacy
 *
 * As in Kubernetes, `!=` and `notin` also match objects that do not have the label at all. */
#include "api/selector.h"

#include "api/checks.h"
#include "api/walk.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

/* --- matching --------------------------------------------------------------------------------- */

static bool has_value(const struct label_requirement *r, const char *value)
{
    for (size_t i = 0; i < r->n_values; i++) {
        if (str_eq(r->values[i], value)) {
            return true;
        }
    }
    return false;
}

/* An unknown operator matches nothing: validation refuses it, and a wider match would do harm. */
static bool requirement_matches(const struct label_requirement *r, const struct string_map *labels)
{
    const char *value = string_map_get(labels, r->key);
    if (str_eq(r->operator_, "In")) {
        return value != NULL && has_value(r, value);
    }
    if (str_eq(r->operator_, "NotIn")) {
        return value == NULL || !has_value(r, value);
    }
    if (str_eq(r->operator_, "Exists")) {
        return value != NULL;
    }
    return str_eq(r->operator_, "DoesNotExist") && value == NULL;
}

bool label_selector_matches(const struct label_selector *s, const struct string_map *labels)
{
    for (size_t i = 0; i < s->match_labels.n; i++) {
        const struct string_pair *want = &s->match_labels.items[i];
        const char *value = string_map_get(labels, want->key);
        if (value == NULL || !str_eq(value, want->value)) {
            return false;
        }
    }
    for (size_t i = 0; i < s->n_match_expressions; i++) {
        if (!requirement_matches(&s->match_expressions[i], labels)) {
            return false;
        }
    }
    return true;
}

void label_selector_fini(struct label_selector *s)
{
    struct_fini(&schema_label_selector, s);
}

/* --- printing --------------------------------------------------------------------------------- */

static void print_values(const struct label_requirement *r, const char *word, struct buf *out)
{
    buf_printf(out, "%s %s (", r->key, word);
    for (size_t i = 0; i < r->n_values; i++) {
        buf_printf(out, "%s%s", i == 0 ? "" : ",", r->values[i]);
    }
    buf_append_char(out, ')');
}

static void print_requirement(const struct label_requirement *r, struct buf *out)
{
    if (str_eq(r->operator_, "In")) {
        print_values(r, "in", out);
    } else if (str_eq(r->operator_, "NotIn") && r->n_values == 1) {
        buf_printf(out, "%s!=%s", r->key, r->values[0]);
    } else if (str_eq(r->operator_, "NotIn")) {
        print_values(r, "notin", out);
    } else {
        buf_printf(out, "%s%s", str_eq(r->operator_, "Exists") ? "" : "!", r->key);
    }
}

void label_selector_print(const struct label_selector *s, struct buf *out)
{
    const char *comma = "";
    for (size_t i = 0; i < s->match_labels.n; i++) {
        buf_printf(out, "%s%s=%s", comma, s->match_labels.items[i].key,
                   s->match_labels.items[i].value);
        comma = ",";
    }
    for (size_t i = 0; i < s->n_match_expressions; i++) {
        buf_append_str(out, comma);
        print_requirement(&s->match_expressions[i], out);
        comma = ",";
    }
}

/* --- parsing ---------------------------------------------------------------------------------- */

struct parser {
    const char *text;
    const char *at;
    struct label_selector selector;
    struct err *err;
};

static void skip_spaces(struct parser *p)
{
    p->at += strspn(p->at, " \t");
}

static int expected(struct parser *p, const char *what)
{
    size_t column = (size_t)(p->at - p->text) + 1;
    if (*p->at == 0) {
        return err_set(p->err, E_INVAL, "selector \"%.80s\": expected %s at the end", p->text,
                       what);
    }
    return err_set(p->err, E_INVAL, "selector \"%.80s\", character %zu: expected %s, got \"%.10s\"",
                   p->text, column, what, p->at);
}

/* A key or a value, possibly empty. mem_free. */
static char *take_word(struct parser *p)
{
    skip_spaces(p);
    size_t len = strcspn(p->at, " \t,=!()");
    char *word = mem_alloc(len + 1);
    memcpy(word, p->at, len);
    word[len] = 0;
    p->at += len;
    return word;
}

static struct label_requirement *add_requirement(struct parser *p, const char *key,
                                                 const char *operator_)
{
    struct label_selector *s = &p->selector;
    s->match_expressions = mem_realloc(s->match_expressions, (s->n_match_expressions + 1) *
                                                                 sizeof *s->match_expressions);
    struct label_requirement *r = &s->match_expressions[s->n_match_expressions++];
    *r = (struct label_requirement){ .key = mem_strdup(key), .operator_ = mem_strdup(operator_) };
    return r;
}

static void add_value(struct label_requirement *r, const char *value)
{
    r->values = mem_realloc(r->values, (r->n_values + 1) * sizeof *r->values);
    r->values[r->n_values++] = mem_strdup(value);
}

static int take_value(struct parser *p, char **ret)
{
    skip_spaces(p);
    const char *start = p->at;
    autofree char *word = take_word(p);
    const char *problem = label_value_problem(word);
    if (problem != NULL) {
        p->at = start;
        return expected(p, "a label value (letters, digits, - _ .; at most 63)");
    }
    *ret = TAKE(word);
    return 0;
}

static int parse_set(struct parser *p, const char *key, const char *operator_)
{
    skip_spaces(p);
    if (*p->at != '(') {
        return expected(p, "\"(\"");
    }
    struct label_requirement *r = add_requirement(p, key, operator_);
    do {
        autofree char *value = NULL;
        p->at++; /* past "(" or "," */
        int rv = take_value(p, &value);
        if (rv != 0) {
            return rv;
        }
        add_value(r, value);
        skip_spaces(p);
    } while (*p->at == ',');
    if (*p->at != ')') {
        return expected(p, "\",\" or \")\"");
    }
    p->at++;
    return 0;
}

static int parse_equality(struct parser *p, const char *key)
{
    bool negative = *p->at == '!';
    autofree char *value = NULL;

    p->at += negative || p->at[1] == '=' ? 2 : 1; /* "!=", "==", "=" */
    int rv = take_value(p, &value);
    if (rv != 0) {
        return rv;
    }
    if (negative) {
        add_value(add_requirement(p, key, "NotIn"), value);
    } else if (string_map_get(&p->selector.match_labels, key) != NULL) {
        add_value(add_requirement(p, key, "In"), value); /* a=1,a=2 matches nothing */
    } else {
        string_map_set(&p->selector.match_labels, key, value);
    }
    return 0;
}

static int parse_requirement(struct parser *p)
{
    skip_spaces(p);
    bool absent = *p->at == '!';
    p->at += absent;
    skip_spaces(p);
    const char *start = p->at;
    autofree char *key = take_word(p);
    if (label_key_problem(key) != NULL) {
        p->at = start;
        return expected(p, "a label key");
    }
    skip_spaces(p);
    if (absent || *p->at == ',' || *p->at == 0) {
        (void)add_requirement(p, key, absent ? "DoesNotExist" : "Exists");
        return 0;
    }
    if (*p->at == '=' || (*p->at == '!' && p->at[1] == '=')) {
        return parse_equality(p, key);
    }
    start = p->at;
    autofree char *word = take_word(p);
    if (str_eq(word, "in") || str_eq(word, "notin")) {
        return parse_set(p, key, str_eq(word, "in") ? "In" : "NotIn");
    }
    p->at = start;
    return expected(p, "\"=\", \"!=\", \"in\", \"notin\" or \",\"");
}

int label_selector_parse(const char *text, struct label_selector *ret_selector, struct err *err)
{
    struct parser p = { .text = text, .at = text, .err = err };
    int rv = 0;

    skip_spaces(&p);
    while (*p.at != 0) {
        rv = parse_requirement(&p);
        skip_spaces(&p);
        if (rv == 0 && *p.at != 0 && *p.at != ',') {
            rv = expected(&p, "\",\"");
        }
        if (rv == 0 && *p.at == ',') {
            p.at++;
            skip_spaces(&p);
            rv = *p.at == 0 ? expected(&p, "a label key") : 0;
        }
        if (rv != 0) {
            label_selector_fini(&p.selector);
            return rv;
        }
    }
    *ret_selector = p.selector;
    return 0;
}
