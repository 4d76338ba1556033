/* Verdicts: what was checked, how much of it, and the first counterexample in full.
 *
 * A checker adds to the verdict of its name, so the same check over many watches is one verdict.
 * Bounded: CHECK_VERDICTS_MAX names, one example of CHECK_EXAMPLE_BYTES each (the first found),
 * violations beyond it are counted. Pure, one owner. */
#ifndef BARQUE_CHECK_REPORT_H
#define BARQUE_CHECK_REPORT_H

#include "lib/base/buf.h"

enum {
    CHECK_VERDICTS_MAX = 64,
    CHECK_EXAMPLE_BYTES = 8192
};

enum check_result {
    CHECK_HOLDS,
    CHECK_UNDECIDED, /* not enough was recorded, or a search was given up; `example` says why */
    CHECK_VIOLATED
};

struct check_verdict {
    const char *name;    /* "linearizable"; static */
    const char *holds;   /* the claim, one sentence; static */
    uint64_t checked;    /* operations, events, leases, ... */
    const char *unit;    /* what `checked` counts; static */
    enum check_result result;
    uint64_t violations;
    struct buf example;  /* text for people; empty when it holds */
};

struct check_report {
    struct check_verdict *verdicts[CHECK_VERDICTS_MAX];
    size_t n;
};

void check_report_init(struct check_report *r);
void check_report_fini(struct check_report *r);

/* The verdict of this name, made (as holding) when there is none. Strings must be static. The
 * pointer is good until fini. */
struct check_verdict *check_report_verdict(struct check_report *r, const char *name,
                                           const char *holds, const char *unit);
/* Notes a violation. Returns the buffer for its counterexample, or NULL when there is one already.
 * What is written beyond CHECK_EXAMPLE_BYTES is cut by check_report_print. */
struct buf *check_violated(struct check_verdict *v);
/* The same in one line. */
void check_violatedf(struct check_verdict *v, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Undecided, unless it is violated already. */
void check_undecided(struct check_verdict *v, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* NULL when there is none of this name. */
const struct check_verdict *check_report_find(const struct check_report *r, const char *name);
/* The worst of all; CHECK_HOLDS when empty. */
enum check_result check_report_result(const struct check_report *r);
/* 0, E_MISMATCH (violated) or E_FULL (undecided): what every checker returns for its verdicts. */
int check_result_code(enum check_result result);
const char *check_result_text(enum check_result result); /* "ok" "UNDECIDED" "VIOLATED" */

/* Adds all of `from` to `into`: verdicts of one name become one. */
void check_report_merge(struct check_report *into, const struct check_report *from);
/* "ok        linearizable  120000 operations  every answer ...", counterexamples indented below. */
void check_report_print(const struct check_report *r, struct buf *out);

#endif
