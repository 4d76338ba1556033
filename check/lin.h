/* Strict linearizability of a key-value history in near-linear time, by revision.
 *
 * Every change has a revision of its own, so the order of changes is known and no search is
 * needed: replay them in that order into a model, hold every field of every answer against it
 * (branch, kvs, prev_kvs, counts, more, deleted, versions, header revision), and hold the order
 * against the clock: what returned before another was called may not come after it.
 *
 * Which operation made a revision: the one that was answered with it. A revision nobody was
 * answered with is explained by an operation of unknown outcome with that very effect (each used
 * once), or by the end of one lease, or, with history.others_write, by somebody else. Otherwise it
 * is a phantom.
 *
 * With a log the changes are the log's, and an acknowledged write that is not in it is lost.
 * Without one (or past its end) the log is put together from what was answered and what was seen;
 * where that leaves a choice between operations of unknown outcome a bounded search decides, and
 * when that gives up the verdict is undecided.
 *
 * Serializable reads may be old, but must equal the model at their header's revision and must not
 * show what was not yet asked for. Verdict: "linearizable". */
#ifndef BARQUE_CHECK_LIN_H
#define BARQUE_CHECK_LIN_H

#include "check/history.h"
#include "check/log.h"
#include "check/report.h"

/* 0: it holds; E_MISMATCH: violated; E_FULL: undecided. `log_or_null` shares the history's pool. */
int check_linearizable(const struct history *h, const struct check_log *log_or_null,
                       struct check_report *report);

#endif
