/* The closing table: every figure beside its bound. For people on the terminal, and as markdown
 * for docs. */
#include <stdio.h>
#include <unistd.h>

#include "cmd/demo/tour.h"
#include "lib/base/str.h"

static bool held(const struct figure *f)
{
    return f->bound < 0 || (f->at_least ? f->value >= f->bound : f->value <= f->bound);
}

static void bound_text(const struct figure *f, char *ret_text, size_t size)
{
    if (f->bound < 0) {
        str_copy(ret_text, size, "-");
    } else {
        snprintf(ret_text, size, "%s %.*f", f->at_least ? ">=" : "<=",
                 f->bound == (double)(long)f->bound ? 0 : 1, f->bound);
    }
}

static void write_markdown(const struct tour *t, const char *path)
{
    FILE *out = fopen(path, "we");
    if (out == NULL) {
        return;
    }
    fprintf(out, "| scene | measured | value | bound | |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < t->n_figures; i++) {
        const struct figure *f = &t->figures[i];
        char bound[32];
        bound_text(f, bound, sizeof bound);
        fprintf(out, "| %s | %s | %.*f %s | %s | %s |\n", f->scene, f->what, f->decimals, f->value,
                f->unit, bound, held(f) ? "held" : "BROKEN");
    }
    fclose(out);
}

bool tour_report(const struct tour *t, const char *markdown_path)
{
    bool tty = isatty(1) == 1, all = t->failed == NULL;
    const char *good = tty ? "\033[32m" : "", *bad = tty ? "\033[31m" : "";
    const char *off = tty ? "\033[0m" : "";
    printf("\n  %-17s %-42s %10s %-6s %9s\n", "SCENE", "MEASURED", "VALUE", "", "BOUND");
    for (size_t i = 0; i < t->n_figures; i++) {
        const struct figure *f = &t->figures[i];
        char bound[32];
        bound_text(f, bound, sizeof bound);
        bool repeat = i > 0 && str_eq(f->scene, t->figures[i - 1].scene);
        printf("  %-17s %-42s %10.*f %-6s %9s  %s%s%s\n", repeat ? "" : f->scene, f->what,
               f->decimals, f->value, f->unit, bound, held(f) ? good : bad,
               f->bound < 0 ? "" : held(f) ? "held" : "BROKEN", off);
        all = all && held(f);
    }
    if (t->failed != NULL) {
        printf("\n  %sfailed%s in \"%s\": %s\n  The logs are in %s\n", bad, off, t->failed,
               t->err.msg, t->cluster->dir);
    }
    if (markdown_path != NULL) {
        write_markdown(t, markdown_path);
    }
    printf("\n  %s\n", all ? "Every bound held." : "Not every bound held.");
    return all;
}
