/* Verdicts by name, worst result wins, first counterexample stays. */
#include "check/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/err.h"

void check_report_init(struct check_report *r)
{
    *r = (struct check_report){ 0 };
}

void check_report_fini(struct check_report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        buf_fini(&r->verdicts[i]->example);
        mem_free(r->verdicts[i]);
    }
    *r = (struct check_report){ 0 };
}

const struct check_verdict *check_report_find(const struct check_report *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->verdicts[i]->name, name) == 0) {
            return r->verdicts[i];
        }
    }
    return NULL;
}

struct check_verdict *check_report_verdict(struct check_report *r, const char *name,
                                           const char *holds, const char *unit)
{
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->verdicts[i]->name, name) == 0) {
            return r->verdicts[i];
        }
    }
    INVARIANT(r->n < CHECK_VERDICTS_MAX); /* names are constants of this folder */
    struct check_verdict *v = mem_zalloc(sizeof *v);
    v->name = name;
    v->holds = holds;
    v->unit = unit;
    buf_init(&v->example);
    r->verdicts[r->n++] = v;
    return v;
}

struct buf *check_violated(struct check_verdict *v)
{
    v->violations++;
    if (v->result == CHECK_VIOLATED) {
        return NULL;
    }
    v->result = CHECK_VIOLATED;
    buf_reset(&v->example); /* what was undecided no longer matters */
    return &v->example;
}

static void append_v(struct buf *out, const char *fmt, va_list args)
{
    char text[1024];
    vsnprintf(text, sizeof text, fmt, args);
    buf_append_str(out, text);
}

void check_violatedf(struct check_verdict *v, const char *fmt, ...)
{
    struct buf *out = check_violated(v);
    if (out != NULL) {
        va_list args;
        va_start(args, fmt);
        append_v(out, fmt, args);
        va_end(args);
    }
}

void check_undecided(struct check_verdict *v, const char *fmt, ...)
{
    if (v->result != CHECK_HOLDS) {
        return;
    }
    v->result = CHECK_UNDECIDED;
    va_list args;
    va_start(args, fmt);
    append_v(&v->example, fmt, args);
    va_end(args);
}

enum check_result check_report_result(const struct check_report *r)
{
    enum check_result worst = CHECK_HOLDS;
    for (size_t i = 0; i < r->n; i++) {
        worst = r->verdicts[i]->result > worst ? r->verdicts[i]->result : worst;
    }
    return worst;
}

int check_result_code(enum check_result result)
{
    return result == CHECK_HOLDS ? 0 : result == CHECK_VIOLATED ? E_MISMATCH : E_FULL;
}

const char *check_result_text(enum check_result result)
{
    return result == CHECK_HOLDS ? "ok" : result == CHECK_VIOLATED ? "VIOLATED" : "UNDECIDED";
}

void check_report_merge(struct check_report *into, const struct check_report *from)
{
    for (size_t i = 0; i < from->n; i++) {
        const struct check_verdict *f = from->verdicts[i];
        struct check_verdict *v = check_report_verdict(into, f->name, f->holds, f->unit);
        v->checked += f->checked;
        v->violations += f->violations;
        if (f->result > v->result) {
            v->result = f->result;
            buf_reset(&v->example);
            buf_append_slice(&v->example, buf_slice(&f->example));
        }
    }
}

static void print_example(const struct check_verdict *v, struct buf *out)
{
    const char *at = (const char *)v->example.data;
    size_t left = v->example.len < CHECK_EXAMPLE_BYTES ? v->example.len : CHECK_EXAMPLE_BYTES;
    while (left > 0) {
        const char *end = memchr(at, '\n', left);
        size_t n = end != NULL ? (size_t)(end - at) : left;
        buf_append_str(out, "    ");
        buf_append(out, at, n);
        buf_append_char(out, '\n');
        at += n + (end != NULL);
        left -= n + (end != NULL);
    }
    if (v->example.len > CHECK_EXAMPLE_BYTES) {
        buf_append_str(out, "    ...\n");
    }
    if (v->violations > 1) {
        buf_printf(out, "    (the first of %" PRIu64 ")\n", v->violations);
    }
}

void check_report_print(const struct check_report *r, struct buf *out)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct check_verdict *v = r->verdicts[i];
        buf_printf(out, "%-9s %-19s %8" PRIu64 " %s: %s\n", check_result_text(v->result), v->name,
                   v->checked, v->unit, v->holds);
        print_example(v, out);
    }
}
