/* A scenario's line, word by word. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/scenario/scenario.h"

enum { WORDS_MAX = 200 };

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A word may have a quoted part: value(a)="x y". The quotes are dropped. */
static char *next_word(struct words *w, const char **at)
{
    const char *p = *at;
    char *out = arena_alloc(w->arena, strlen(p) + 1);
    size_t n = 0;
    bool quoted = false;
    for (; *p != 0 && (quoted || !blank(*p)); p++) {
        if (*p == '"') {
            quoted = !quoted;
        } else {
            out[n++] = *p;
        }
    }
    out[n] = 0;
    *at = p;
    return out;
}

void words_split(struct words *w, struct arena *arena, const char *line)
{
    w->arena = arena;
    w->n = w->at = 0;
    w->word = arena_alloc(arena, WORDS_MAX * sizeof *w->word);
    for (const char *p = line;;) {
        while (blank(*p)) {
            p++;
        }
        if (*p == 0 || *p == '#') {
            return;
        }
        if (w->n == WORDS_MAX) {
            words_fail(w, "too many words");
        }
        char *word = next_word(w, &p);
        w->word[w->n++] = word;
    }
}

const char *words_peek(const struct words *w)
{
    return w->at < w->n ? w->word[w->at] : NULL;
}

const char *words_next(struct words *w)
{
    if (w->at == w->n) {
        words_fail(w, "a word is missing at the end");
    }
    return w->word[w->at++];
}

bool words_accept(struct words *w, const char *word)
{
    const char *next = words_peek(w);
    if (next == NULL || strcmp(next, word) != 0) {
        return false;
    }
    w->at++;
    return true;
}

const char *words_option(struct words *w, const char *name)
{
    const char *next = words_peek(w);
    size_t n = strlen(name);
    if (next == NULL || strncmp(next, name, n) != 0 || next[n] != '=') {
        return NULL;
    }
    w->at++;
    return next + n + 1;
}

int64_t words_number(struct words *w, const char *text)
{
    char *end;
    int64_t n = strtoll(text, &end, 10);
    if (end == text || *end != 0) {
        words_fail(w, "a number is expected");
    }
    return n;
}

int64_t words_time(struct words *w, const char *text)
{
    char *end;
    int64_t n = strtoll(text, &end, 10);
    if (end != text && strcmp(end, "s") == 0) {
        return n * 1000;
    }
    if (end == text || strcmp(end, "ms") != 0) {
        words_fail(w, "a time is expected: 5s or 200ms");
    }
    return n;
}

void words_fail(const struct words *w, const char *what)
{
    fprintf(stderr, "%s:%d: %s", w->file, w->line, what);
    if (w->at > 0) {
        fprintf(stderr, " (at '%s')", w->word[w->at - 1]);
    }
    fputc('\n', stderr);
    exit(2);
}
