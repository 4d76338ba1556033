/* Walking a watch beside the log.
 *
 * A position goes along each segment: everything the watch wants up to it has been told. An event
 * of revision r first demands that nothing wanted lies between position and r; then all events of
 * r are gathered (over fragments, too) and held as a set against the log's; then the position is r.
 * A bookmark P demands that nothing wanted lies between position and P. So each way of being wrong
 * shows at one place, and its verdict says which promise it broke:
 *
 *     wanted revision skipped     reliable; at the first event of a resume: resumable;
 *                                 before a bookmark: bookmarkable
 *     r below the position        unique when it had been told, ordered when it had been skipped;
 *                                 start when it is before the start; bookmarkable behind a bookmark
 *     r told in part              atomic
 *     an event that differs       content */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "check/internal.h"
#include "check/model.h"
#include "check/watch_state.h"
#include "lib/base/alloc.h"

enum verdict_name {
    ORDERED,
    UNIQUE,
    ATOMIC,
    RELIABLE,
    RESUMABLE,
    BOOKMARKABLE,
    START,
    CONTENT,
    COMPACTED,
    VERDICTS
};

static const char *const names[VERDICTS][3] = {
    [ORDERED] = { "watch ordered", "events come in the order of revisions", "events" },
    [UNIQUE] = { "watch unique", "no event comes twice", "events" },
    [ATOMIC] = { "watch atomic", "a revision comes whole, in one response or its fragments",
                 "events" },
    [RELIABLE] = { "watch reliable", "no event between two that were told is missing", "events" },
    [RESUMABLE] = { "watch resumable", "a resume goes on with the first event asked for",
                    "resumes" },
    [BOOKMARKABLE] = { "watch bookmarkable", "all up to a bookmark was told before it, none after",
                       "bookmarks" },
    [START] = { "watch start", "creation is told first, and no event before the start revision",
                "watches" },
    [CONTENT] = { "watch content", "events are the log's: fields, prev_kv, filters, range",
                  "events" },
    [COMPACTED] = { "watch compacted",
                    "a start that is compacted is cancelled with the compact revision, no other",
                    "cancels" },
};

struct walk {
    const struct check_log *log;
    const struct check_watch_options *o;
    struct check_verdict *v[VERDICTS];
    struct check_model keys;       /* ranks of the log's keys */
    size_t *first_event;           /* by log->revs index: its first in `prev` */
    const struct check_pkv **prev; /* by event of the log: what was there before, NULL */
    /* the watch and its segment */
    const struct check_watch *w;
    const struct watch_fact *asked; /* NULL: none is open */
    uint32_t lo, hi;
    bool resumed, created, any_event;
    int64_t start;                    /* 0: not known yet */
    int64_t position, bookmark, told; /* told: the last revision that had events */
    int64_t missed_from, missed_to;   /* what was found to be skipped, last; 0 = nothing */
    /* the revision that is being gathered; 0 = none */
    int64_t gathering;
    const struct watch_event **got;
    size_t n_got, got_cap;
};

/* --- saying ----------------------------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static struct buf *
broken(struct walk *k, enum verdict_name name, const struct watch_fact *f, const char *fmt, ...)
{
    struct buf *out = check_violated(k->v[name]);
    if (out == NULL) {
        return NULL;
    }
    buf_printf(out, "client %u watch %u", k->w->client, k->w->number);
    if (k->asked != NULL) {
        buf_printf(out, " on member %u of ", k->asked->member);
        check_print_bytes(k->log->pool, k->asked->request.key, out);
        buf_append_str(out, k->asked->request.range_end != CHECK_EMPTY ? ".." : "");
        check_print_bytes(k->log->pool, k->asked->request.range_end, out);
        buf_printf(out, " from revision %" PRId64 " (asked at ", k->asked->revision);
        check_print_time(k->asked->at_us, out);
        buf_append_char(out, ')');
    }
    if (f != NULL) {
        buf_append_str(out, ", at ");
        check_print_time(f->at_us, out);
    }
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    buf_append_str(out, ": ");
    buf_append_str(out, text);
    return out;
}

static void say_event(struct walk *k, const struct watch_event *e, struct buf *out)
{
    if (out != NULL) {
        struct check_pevent p = { e->kv, e->deleted };
        buf_append_str(out, "\ntold ");
        check_print_event(k->log->pool, &p, out);
        if (e->has_prev) {
            buf_append_str(out, ", prev ");
            check_print_kv(k->log->pool, &e->prev, out);
        }
    }
}

/* --- what the watch wants --------------------------------------------------------------------- */

static bool wants(const struct walk *k, const struct check_pevent *e)
{
    uint32_t rank = k->keys.ranks[e->kv.key];
    return rank >= k->lo && rank < k->hi &&
           !(e->deleted ? k->asked->request.no_delete : k->asked->request.no_put);
}

static bool wants_any(const struct walk *k, const struct check_rev *rev)
{
    for (uint32_t i = 0; i < rev->n; i++) {
        if (wants(k, &rev->events[i])) {
            return true;
        }
    }
    return false;
}

/* The first wanted revision in (position, before); 0 = none. */
static int64_t first_missing(const struct walk *k, int64_t before)
{
    for (size_t i = check_log_seek(k->log, k->position + 1);
         i < k->log->n && k->log->revs[i].revision < before; i++) {
        if (wants_any(k, &k->log->revs[i])) {
            return k->log->revs[i].revision;
        }
    }
    return 0;
}

/* Beyond its end the log is no yardstick. */
static void past_log(struct walk *k, int64_t revision)
{
    if (revision > check_log_last(k->log)) {
        check_undecided(k->v[RELIABLE],
                        "watches tell of revision %" PRId64 ", the log ends at "
                        "%" PRId64,
                        revision, check_log_last(k->log));
    }
}

/* --- one revision, whole ---------------------------------------------------------------------- */

static void check_prev(struct walk *k, const struct watch_fact *f, const struct watch_event *e,
                       int64_t revision, const struct check_pkv *prev)
{
    bool asked = k->asked->request.prev_kv;
    bool gone = k->o->compacted_revision >= revision; /* the one before may be compacted */
    if (!e->has_prev) {
        if (asked && prev != NULL && !gone) {
            say_event(k, e, broken(k, CONTENT, f, "its prev_kv is missing"));
        }
    } else if (!asked || prev == NULL || !check_pkv_equal(&e->prev, prev)) {
        struct buf *out = broken(k, CONTENT, f, "a prev_kv that was not %s",
                                 asked ? "there before" : "asked for");
        say_event(k, e, out);
        if (out != NULL && prev != NULL) {
            buf_append_str(out, "\nthere was ");
            check_print_kv(k->log->pool, prev, out);
        }
    }
}

static bool same_event(const struct watch_event *e, const struct check_pevent *l)
{
    if (e->deleted != l->deleted || e->kv.key != l->kv.key) {
        return false;
    }
    return e->deleted ? e->kv.mod_revision == l->kv.mod_revision : check_pkv_equal(&e->kv, &l->kv);
}

/* The log's event that this one tells of; rev->n when there is none. */
static uint32_t find_event(const struct check_rev *rev, const struct watch_event *e)
{
    uint32_t i = 0;
    while (i < rev->n && !same_event(e, &rev->events[i])) {
        i++;
    }
    return i;
}

static void check_event(struct walk *k, const struct watch_fact *f, const struct watch_event *e,
                        const struct check_rev *rev)
{
    uint32_t i = rev != NULL ? find_event(rev, e) : 0;
    if (rev == NULL || i == rev->n) {
        struct buf *out = broken(k, CONTENT, f, "an event that is not in the log");
        say_event(k, e, out);
        if (out != NULL && rev != NULL) {
            buf_append_str(out, "\nthe log has ");
            check_print_rev(k->log->pool, rev, out);
        }
        return;
    }
    if (!wants(k, &rev->events[i])) {
        say_event(k, e, broken(k, CONTENT, f, "an event outside its range or filter"));
        return;
    }
    size_t at = k->first_event[rev - k->log->revs] + i;
    check_prev(k, f, e, rev->revision, k->prev[at]);
}

/* All that comes of the gathered revision has come. */
static void settle(struct walk *k, const struct watch_fact *f)
{
    int64_t r = k->gathering;
    if (r == 0) {
        return;
    }
    const struct check_rev *rev = check_log_find(k->log, r);
    k->gathering = 0;
    k->position = r > k->position ? r : k->position;
    k->told = r;
    if (r > check_log_last(k->log)) {
        past_log(k, r);
        return;
    }
    for (size_t i = 0; i < k->n_got; i++) {
        check_event(k, f, k->got[i], rev);
        for (size_t j = 0; j < i; j++) {
            if (k->got[i]->kv.key == k->got[j]->kv.key &&
                k->got[i]->deleted == k->got[j]->deleted) {
                say_event(k, k->got[i], broken(k, UNIQUE, f, "twice in one revision"));
                break;
            }
        }
    }
    for (uint32_t i = 0; rev != NULL && i < rev->n; i++) {
        bool found = !wants(k, &rev->events[i]);
        for (size_t j = 0; j < k->n_got && !found; j++) {
            found = k->got[j]->kv.key == rev->events[i].kv.key;
        }
        if (!found) {
            struct buf *out = broken(k, ATOMIC, f, "%zu events came of this, not all", k->n_got);
            if (out != NULL) {
                buf_append_char(out, '\n');
                check_print_rev(k->log->pool, rev, out);
            }
            break;
        }
    }
}

/* --- the facts -------------------------------------------------------------------------------- */

static void open_segment(struct walk *k, const struct watch_fact *f, bool resumed)
{
    k->asked = f;
    k->resumed = resumed;
    k->created = k->any_event = false;
    k->start = f->revision > 0 ? f->revision : 0;
    k->position = k->start - 1;
    k->bookmark = k->told = k->missed_from = k->missed_to = 0;
    k->gathering = 0;
    check_model_span(&k->keys, f->request.key, f->request.range_end, &k->lo, &k->hi);
    k->v[START]->checked++;
    k->v[RESUMABLE]->checked += resumed;
    if (k->start != 0 && k->start <= k->log->base_revision && k->log->base_revision > 1) {
        check_undecided(k->v[RELIABLE],
                        "a watch starts at revision %" PRId64 ", the log after "
                        "%" PRId64,
                        k->start, k->log->base_revision);
        k->position = k->log->base_revision;
    }
}

static void on_created(struct walk *k, const struct watch_fact *f)
{
    if (k->any_event) {
        broken(k, START, f, "events came before the creation was told");
    }
    k->created = true;
    if (k->start == 0) {
        k->start = f->revision + 1;
        k->position = f->revision;
    }
}

static void gather(struct walk *k, const struct watch_event *e)
{
    k->got = mem_grow(k->got, &k->got_cap, k->n_got + 1, sizeof *k->got);
    k->got[k->n_got++] = e;
}

/* The rest of a revision that came in part: "atomic" has told that already. */
static bool is_rest(struct walk *k, const struct watch_event *e)
{
    if (e->kv.mod_revision != k->told) {
        return false;
    }
    for (size_t i = 0; i < k->n_got; i++) {
        if (k->got[i]->kv.key == e->kv.key) {
            return false;
        }
    }
    gather(k, e);
    return true;
}

/* An event of a revision that is not after the position. */
static void on_old_event(struct walk *k, const struct watch_fact *f, const struct watch_event *e)
{
    int64_t r = e->kv.mod_revision;
    if (r < k->start) {
        say_event(k, e,
                  broken(k, START, f, "an event of before its start, revision %" PRId64, k->start));
    } else if (r <= k->bookmark && k->told < r) {
        say_event(
            k, e,
            broken(k, BOOKMARKABLE, f, "an event of before the bookmark %" PRId64, k->bookmark));
    } else if (is_rest(k, e)) {
        return;
    } else if (r >= k->missed_from && r <= k->missed_to) {
        say_event(
            k, e,
            broken(k, ORDERED, f, "an event of before the last one, revision %" PRId64, k->told));
    } else {
        say_event(k, e, broken(k, UNIQUE, f, "an event that was told before, or was passed over"));
    }
}

/* Nothing wanted may lie before the revision that comes now. */
static void on_new_revision(struct walk *k, const struct watch_fact *f, const struct watch_event *e)
{
    int64_t r = e->kv.mod_revision;
    int64_t missing = first_missing(k, r);
    if (missing != 0) {
        k->missed_from = missing;
        k->missed_to = r - 1;
        enum verdict_name name =
            k->resumed && k->told == 0 && k->bookmark == 0 ? RESUMABLE : RELIABLE;
        struct buf *out = broken(
            k, name, f, "revision %" PRId64 " came, but not %" PRId64 " before it", r, missing);
        if (out != NULL) {
            buf_append_str(out, "\nmissing: ");
            check_print_rev(k->log->pool, check_log_find(k->log, missing), out);
        }
    }
    k->position = r - 1;
    k->gathering = r;
    k->n_got = 0;
}

static void on_events(struct walk *k, const struct watch_fact *f)
{
    if (k->start == 0) {
        broken(k, START, f, "events came before the creation was told");
        k->start = f->events[0].kv.mod_revision;
        k->position = k->start - 1;
    }
    k->any_event = true;
    for (size_t i = 0; i < f->n; i++) {
        const struct watch_event *e = &f->events[i];
        int64_t r = e->kv.mod_revision;
        for (int name = ORDERED; name < VERDICTS; name++) {
            k->v[name]->checked += name <= RELIABLE || name == CONTENT;
        }
        if (r > f->revision) {
            say_event(k, e,
                      broken(k, ORDERED, f,
                             "an event from after its header's revision "
                             "%" PRId64,
                             f->revision));
        }
        if (k->gathering != 0 && r != k->gathering) {
            settle(k, f);
        }
        if (k->gathering == 0 && r <= k->position) {
            on_old_event(k, f, e);
            continue;
        }
        if (k->gathering == 0) {
            on_new_revision(k, f, e);
        }
        gather(k, e);
    }
    if (!f->fragment) {
        settle(k, f);
    }
}

static void on_progress(struct walk *k, const struct watch_fact *f)
{
    settle(k, f); /* between fragments nothing else may come: what is missing shows */
    k->v[BOOKMARKABLE]->checked++;
    if (k->start == 0) {
        return;
    }
    if (f->revision < k->told || f->revision < k->bookmark) {
        broken(k, BOOKMARKABLE, f, "a bookmark of revision %" PRId64 " after %" PRId64, f->revision,
               k->told > k->bookmark ? k->told : k->bookmark);
        return;
    }
    int64_t missing = first_missing(k, f->revision + 1);
    if (missing != 0) {
        k->missed_from = missing;
        k->missed_to = f->revision;
        struct buf *out = broken(k, BOOKMARKABLE, f,
                                 "a bookmark of revision %" PRId64 ", but %" PRId64 " was not told",
                                 f->revision, missing);
        if (out != NULL) {
            buf_append_str(out, "\nmissing: ");
            check_print_rev(k->log->pool, check_log_find(k->log, missing), out);
        }
    }
    past_log(k, f->revision);
    k->bookmark = f->revision;
    k->position = f->revision > k->position ? f->revision : k->position;
}

/* Whoever starts below what is compacted must be told so, and nothing else. */
static bool must_be_cancelled(const struct walk *k)
{
    return k->asked->revision > 0 && k->asked->revision < k->asked->compacted;
}

static void on_canceled(struct walk *k, const struct watch_fact *f)
{
    if (f->compacted == 0) {
        return;
    }
    k->v[COMPACTED]->checked++;
    if (f->compacted < k->asked->compacted) {
        broken(k, COMPACTED, f, "told to be compacted up to %" PRId64 ", but %" PRId64 " was known",
               f->compacted, k->asked->compacted);
    } else if (f->compacted > k->o->compacted_revision) {
        broken(k, COMPACTED, f,
               "told to be compacted up to %" PRId64 ", but at most %" PRId64 " was ever asked for",
               f->compacted, k->o->compacted_revision);
    } else if (k->start > f->compacted || k->told > f->compacted || k->bookmark > f->compacted) {
        broken(k, COMPACTED, f,
               "cancelled for a compaction up to %" PRId64 ", but it had come to "
               "%" PRId64,
               f->compacted, k->told > k->start ? k->told : k->start);
    }
}

static void on_fact(struct walk *k, const struct watch_fact *f)
{
    if (f->kind == FACT_ASKED) {
        open_segment(k, f, k->asked != NULL || f != k->w->first);
        return;
    }
    if (k->asked == NULL) {
        return; /* of a segment that is over: what is in flight says nothing */
    }
    if (must_be_cancelled(k) && (f->kind == FACT_EVENTS || f->kind == FACT_PROGRESS)) {
        broken(k, COMPACTED, f,
               "it goes on, although %" PRId64 " was compacted before it was "
               "asked for",
               k->asked->compacted);
    }
    switch (f->kind) {
    case FACT_CREATED:
        on_created(k, f);
        break;
    case FACT_EVENTS:
        on_events(k, f);
        break;
    case FACT_PROGRESS:
        on_progress(k, f);
        break;
    case FACT_CANCELED:
        on_canceled(k, f);
        k->asked = NULL;
        break;
    default:
        k->asked = NULL;
        break;
    }
}

/* The run has healed and waited: what is open must have told all. */
static void at_end(struct walk *k)
{
    if (k->asked == NULL || k->o->complete_revision == 0) {
        return;
    }
    settle(k, k->w->last);
    if (must_be_cancelled(k)) {
        broken(k, COMPACTED, NULL, "never cancelled, although %" PRId64 " was compacted",
               k->asked->compacted);
    } else if (!k->created) {
        broken(k, RELIABLE, NULL, "asked for, but never created");
    } else {
        int64_t missing = first_missing(k, k->o->complete_revision + 1);
        if (missing != 0) {
            broken(k, RELIABLE, NULL, "revision %" PRId64 " never came", missing);
        }
    }
}

/* --- all -------------------------------------------------------------------------------------- */

/* What each event of the log replaced. */
static void find_prevs(struct walk *k)
{
    const struct check_log *l = k->log;
    size_t n = 0;
    k->first_event = mem_alloc((l->n + 1) * sizeof *k->first_event);
    for (size_t i = 0; i < l->n; i++) {
        k->first_event[i] = n;
        n += l->revs[i].n;
    }
    k->prev = mem_zalloc((n + 1) * sizeof *k->prev);
    const struct check_pkv **now = mem_zalloc((k->keys.n + 1) * sizeof *now);
    for (size_t i = 0; i < l->n_base; i++) {
        now[k->keys.ranks[l->base[i].key]] = &l->base[i];
    }
    for (size_t i = 0; i < l->n; i++) {
        for (uint32_t j = 0; j < l->revs[i].n; j++) {
            const struct check_pevent *e = &l->revs[i].events[j];
            uint32_t rank = k->keys.ranks[e->kv.key];
            k->prev[k->first_event[i] + j] = now[rank];
            now[rank] = e->deleted ? NULL : &e->kv;
        }
    }
    mem_free(now);
}

int check_watches(struct check_watch *const *watches, size_t n, const struct check_log *log,
                  const struct check_watch_options *options, struct check_report *report)
{
    struct walk k = { .log = log, .o = options };
    enum check_result worst = CHECK_HOLDS;
    for (int i = 0; i < VERDICTS; i++) {
        k.v[i] = check_report_verdict(report, names[i][0], names[i][1], names[i][2]);
    }
    check_model_init(&k.keys, log->pool, NULL, log);
    find_prevs(&k);
    for (size_t i = 0; i < n; i++) {
        k.w = watches[i];
        k.asked = NULL;
        if (k.w->dropped != 0) {
            check_undecided(k.v[RELIABLE], "client %u watch %u: no room for %" PRIu64 " facts",
                            k.w->client, k.w->number, k.w->dropped);
            continue;
        }
        for (const struct watch_fact *f = k.w->first; f != NULL; f = f->next) {
            on_fact(&k, f);
        }
        at_end(&k);
    }
    check_model_fini(&k.keys);
    mem_free(k.first_event);
    mem_free(k.prev);
    mem_free(k.got);
    for (int i = 0; i < VERDICTS; i++) {
        worst = k.v[i]->result > worst ? k.v[i]->result : worst;
    }
    return check_result_code(worst);
}
