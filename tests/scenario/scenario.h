/* Scenarios: commands as text in, a trace as text out. The same text always gives the same
 * trace, so the trace kept beside a scenario is what the code promises, readable by a person. */
#ifndef BARQUE_TESTS_SCENARIO_H
#define BARQUE_TESTS_SCENARIO_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "store/command.h"

/* --- one line, cut into words (words.c) ------------------------------------------------------- */
/* Words are separated by blanks; "..." makes one word of anything. A `#` word ends the line. */
struct words {
    const char *file;
    int line;
    char **word;     /* in the arena */
    size_t n, at;
    struct arena *arena;
};

void words_split(struct words *w, struct arena *arena, const char *line);
/* NULL at the end. */
const char *words_peek(const struct words *w);
const char *words_next(struct words *w);
bool words_accept(struct words *w, const char *word);
/* The value of `name=value` when that is the next word, else NULL. */
const char *words_option(struct words *w, const char *name);
int64_t words_number(struct words *w, const char *text);
/* "5s", "200ms" -> milliseconds. */
int64_t words_time(struct words *w, const char *text);
/* Ends the program with file and line: a scenario that cannot be read is no scenario. */
void words_fail(const struct words *w, const char *what) __attribute__((noreturn));

/* --- requests of the store (requests.c) ------------------------------------------------------- */
/* KEYS is `a` (that key), `a..c` (from a up to, not including, c), `a..` (a and all after it),
 * `a*` (all that start with a), `*` (all). Each reads its words up to one it does not know. */
void read_keys(struct words *w, const char *text, struct slice *ret_key, struct slice *ret_end);
struct put_request read_put(struct words *w);
struct delete_request read_delete(struct words *w);
struct range_request read_range(struct words *w);
struct txn_request read_txn(struct words *w);

/* --- the players ------------------------------------------------------------------------------ */
struct player {
    void *(*begin)(struct buf *trace);
    /* One line; appends what happened to the trace. */
    void (*play)(void *world, struct words *w);
    /* After each line when the scenario is played with --restore. May be NULL. */
    void (*restore)(void *world);
    void (*end)(void *world);
};
extern const struct player player_store, player_orchestration;

#endif
