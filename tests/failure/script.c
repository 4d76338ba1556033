/* Reads a script: settings, then lines that are played. Both are words; `#` begins a comment. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "tests/failure/failure.h"

static bool setting(struct script *s, struct words *w)
{
    if (words_accept(w, "members")) {
        s->members = (unsigned)words_number(w, words_next(w));
    } else if (words_accept(w, "segment")) {
        s->segment_bytes = (size_t)words_number(w, words_next(w));
    } else if (words_accept(w, "snapshots")) {
        s->snapshot_entries = (uint64_t)words_number(w, words_next(w));
        s->snapshot_trailing = (uint64_t)words_number(w, words_next(w));
    } else if (words_accept(w, "from-boot")) {
        s->from_boot = true;
    } else {
        return false;
    }
    return true;
}

static void name_of(struct script *s, const char *path)
{
    const char *slash = strrchr(path, '/');
    snprintf(s->name, sizeof s->name, "%s", slash != NULL ? slash + 1 : path);
    char *dot = strrchr(s->name, '.');
    if (dot != NULL) {
        *dot = '\0';
    }
}

void script_read(struct script *s, const char *path)
{
    char line[4096];
    size_t cap = 0, numbers_cap = 0;
    *s = (struct script){ .members = 1, .segment_bytes = 65536, .snapshot_entries = 100000 };
    s->file = mem_strdup(path);
    name_of(s, path);
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        fprintf(stderr, "%s: cannot be opened\n", path);
        exit(2);
    }
    struct arena arena;
    arena_init(&arena);
    for (int number = 1; fgets(line, sizeof line, f) != NULL; number++) {
        struct words w = { .file = path, .line = number };
        words_split(&w, &arena, line);
        if (w.n == 0 || setting(s, &w)) {
            continue;
        }
        s->lines = mem_grow(s->lines, &cap, s->n + 1, sizeof *s->lines);
        s->numbers = mem_grow(s->numbers, &numbers_cap, s->n + 1, sizeof *s->numbers);
        s->lines[s->n] = mem_strdup(line);
        s->numbers[s->n++] = number;
    }
    arena_fini(&arena);
    fclose(f);
}
