/* Automatic compaction: the schedule (pure), and below it how the member keeps to it.
 *
 *     tick -> due? -> COMMAND_COMPACT, as a client's would be -> the next look
 *
 * Example: retention 1h. Every 6 min a look, and after it the revision is noted: r0 at the start,
 * r6, r12, ... At 1h r0 is an hour old: compact to r0. From then on the window holds eleven, and
 * at 2h its oldest is r54: so at least an hour is always kept. With 24h the looks are as far
 * apart, the first compaction is at 24h and then they are hourly. */
#include "server/compactor.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/bug.h"
#include "lib/base/log.h"
#include "server/internal.h"

enum {
    HOUR_MS = 3600 * 1000,
    REVISION_MODE_MS = 5 * 60 * 1000,
    LOOKS = 10, /* in a period of up to an hour */
    COMPACT_TIMEOUT_MS = 5000,
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* At a look noted[0] is a retention and one look old, once the window is full. */
static void note(struct compactor *c, int64_t revision)
{
    if (c->n_noted == c->noted_max) {
        memmove(c->noted, c->noted + 1, (c->n_noted - 1) * sizeof *c->noted);
        c->n_noted--;
    }
    c->noted[c->n_noted++] = revision;
}

void compactor_init(struct compactor *c, enum compactor_mode mode, int64_t retention,
                    uint64_t now_ms, int64_t revision)
{
    PRE(retention >= 0 && (mode != COMPACT_PERIODIC || retention <= COMPACTOR_PERIOD_MAX_MS));
    *c = (struct compactor){ .mode = retention > 0 ? mode : COMPACT_NEVER, .success_ms = now_ms };
    c->keep = retention;
    c->period_ms = (uint64_t)retention;
    c->interval_ms = least(c->period_ms, HOUR_MS);
    c->retry_ms = mode == COMPACT_REVISION ? REVISION_MODE_MS : c->interval_ms / LOOKS;
    c->retry_ms = c->retry_ms > 0 ? c->retry_ms : 1;
    c->next_ms = now_ms + c->retry_ms;
    if (c->mode == COMPACT_PERIODIC) {
        c->noted_max = (size_t)(c->period_ms / c->retry_ms) + 1;
        c->noted = mem_alloc(c->noted_max * sizeof *c->noted);
        note(c, revision);
    }
}

void compactor_fini(struct compactor *c)
{
    mem_free(c->noted);
    c->noted = NULL;
}

/* The next look is a whole wait from now: a loop that slept does not catch up with looks. */
static void look_later(struct compactor *c, uint64_t now_ms, int64_t revision)
{
    c->next_ms = now_ms + c->retry_ms;
    if (c->mode == COMPACT_PERIODIC) {
        note(c, revision);
    }
}

static int64_t wanted(const struct compactor *c, uint64_t now_ms, int64_t revision)
{
    if (c->mode == COMPACT_REVISION) {
        return revision > c->keep && revision - c->keep != c->last ? revision - c->keep : 0;
    }
    uint64_t wait_ms = c->done_once ? c->interval_ms : c->period_ms;
    int64_t oldest = c->noted[BUG(BUG_COMPACT_HASTY) ? c->n_noted / 2 : 0];
    return now_ms - c->success_ms >= wait_ms && oldest != c->last ? oldest : 0;
}

int64_t compactor_due(struct compactor *c, uint64_t now_ms, int64_t revision, bool leading)
{
    if (c->mode == COMPACT_NEVER || c->due != 0 || now_ms < c->next_ms) {
        return 0;
    }
    int64_t to = leading ? wanted(c, now_ms, revision) : 0;
    if (to == 0) {
        look_later(c, now_ms, revision);
        return 0;
    }
    c->done_once = true;
    c->due = to;
    return to;
}

void compactor_done(struct compactor *c, uint64_t now_ms, int64_t revision, bool well)
{
    PRE(c->due != 0);
    int64_t to = c->due;
    c->due = 0;
    if (well) {
        c->last = to;
        c->success_ms = now_ms;
    }
    look_later(c, now_ms, revision);
}

/* --- the member ------------------------------------------------------------------------------- */

struct compaction {
    struct rnode_proposal proposal;
    struct server *server;
};

/* That it was refused as it was applied can only be for an alarm, or because somebody else has
 * compacted as far already. */
static void compacted(struct rnode_proposal *p, int status)
{
    struct compaction *a = CONTAINER_OF(p, struct compaction, proposal);
    struct server *s = a->server;
    bool well = status == 0 && store_compact_revision(s->store) >= s->compactor.due;
    if (!well) {
        log_warn("server", "automatic compaction failed", "revision=%" PRId64 " reason=\"%s\"",
                 s->compactor.due, status != 0 ? err_text(status) : "refused");
    }
    compactor_done(&s->compactor, loop_now_ms(s->loop), store_revision(s->store), well);
    mem_free(a);
}

void server_compactor_open(struct server *s)
{
    compactor_init(&s->compactor, s->options.compact_mode, s->options.compact_retention,
                   loop_now_ms(s->loop), store_revision(s->store));
}

void server_compactor_tick(struct server *s, uint64_t now_ms)
{
    if (s->closing) {
        return;
    }
    int64_t to = compactor_due(&s->compactor, now_ms, store_revision(s->store),
                               server_is_leader(s));
    if (to == 0) {
        return;
    }
    struct command c = { .type = COMMAND_COMPACT, .compact = { to } };
    struct compaction *a = mem_zalloc(sizeof *a);
    a->server = s;
    a->proposal.done = compacted;
    log_info("server", "automatic compaction", "revision=%" PRId64 " of=%" PRId64, to,
             store_revision(s->store));
    server_propose_own(s, &a->proposal, &c, COMPACT_TIMEOUT_MS);
}
