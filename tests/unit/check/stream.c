/* Right watch streams by seed: starts, batches, fragments, bookmarks, cuts, a compacted start. */
#include "tests/unit/check/stream.h"

#include <stdio.h>

#include "check/watch.h"
#include "lib/base/alloc.h"
#include "lib/base/err.h"
#include "tests/unit/check/tests.h"

int stream_pick(struct stream *s, int lo, int hi)
{
    return (int)rng_range(&s->rng, (uint64_t)lo, (uint64_t)hi);
}

static struct fact *add(struct stream *s, enum kind kind, int64_t revision)
{
    assert_true(s->n < FACTS_MAX);
    struct fact *f = &s->facts[s->n++];
    memset(f, 0, sizeof *f);
    f->kind = kind;
    f->revision = revision;
    return f;
}

int stream_wanted(const struct stream *s, int64_t r, struct event *events)
{
    const struct nv_rev *rev = &s->run.store.revs[r];
    int n = 0;
    for (int i = 0; i < rev->n; i++) {
        const struct nv_event *e = &rev->events[i];
        if (e->kv.key < s->lo || e->kv.key >= s->hi || (e->deleted ? s->no_delete : s->no_put)) {
            continue;
        }
        const struct nv_kv *prev = &s->run.store.states[r - 1].kv[e->kv.key];
        events[n] = (struct event){ .kv = e->kv, .deleted = e->deleted };
        events[n].has_prev = s->prev_kv && prev->version != 0;
        events[n].prev = *prev;
        n++;
    }
    return n;
}

/* One revision: whole, alone or with the one before, or in fragments. */
static void deliver(struct stream *s, int64_t r)
{
    struct event events[EVENTS_MAX];
    int n = stream_wanted(s, r, events);
    if (n == 0) {
        return;
    }
    struct fact *last = &s->facts[s->n - 1];
    bool join = last->kind == EVENTS && !last->fragment && last->n + n <= EVENTS_MAX;
    if (join && stream_pick(s, 0, 2) == 0) {
        memcpy(last->events + last->n, events, (size_t)n * sizeof *events);
        last->n += n;
        last->revision = r;
        return;
    }
    int done = 0;
    while (done < n) {
        int most = s->fragment ? stream_pick(s, 1, n - done) : n;
        struct fact *f = add(s, EVENTS, r + stream_pick(s, 0, 2));
        memcpy(f->events, events + done, (size_t)most * sizeof *events);
        f->n = most;
        done += most;
        f->fragment = done < n;
    }
}

static void segment(struct stream *s, int64_t *next, int64_t end)
{
    int64_t from = *next;
    add(s, ASKED, from);
    add(s, CREATED,
        from == 0 ? *next = (int64_t)stream_pick(s, 1, (int)end) : stream_pick(s, 1, (int)end));
    if (from == 0) {
        (*next)++;
    }
    int64_t to = stream_pick(s, 0, 2) == 0 ? end : *next + stream_pick(s, 0, (int)end / 3);
    for (; *next <= to && *next <= end; (*next)++) {
        deliver(s, *next);
        if (stream_pick(s, 0, 9) == 0) {
            add(s, PROGRESS, *next);
        }
    }
}

void stream_init(struct stream *s, uint64_t seed, bool rich)
{
    struct nv_options o;
    memset(s, 0, sizeof *s);
    nv_options_init(&o);
    o.keys = NV_KEYS;
    nv_generate(&s->run, &o, seed);
    rng_init(&s->rng, seed * 7919);
    s->facts = mem_alloc(FACTS_MAX * sizeof *s->facts);
    s->lo = rich ? 0 : stream_pick(s, 0, NV_KEYS - 1);
    s->hi = rich ? NV_KEYS : stream_pick(s, s->lo + 1, NV_KEYS);
    s->prev_kv = rich || stream_pick(s, 0, 1);
    s->no_put = !rich && stream_pick(s, 0, 4) == 0;
    s->no_delete = !rich && stream_pick(s, 0, 4) == 0;
    s->fragment = rich || stream_pick(s, 0, 1);
    int64_t end = s->run.store.revision, next = stream_pick(s, 0, 3);
    s->first = next;
    if (!rich && stream_pick(s, 0, 3) == 0) { /* the first try begins too early */
        s->compacted = stream_pick(s, 3, (int)end / 2);
        add(s, ASKED, stream_pick(s, 1, (int)s->compacted - 1))->compacted = s->compacted;
        add(s, CREATED, end);
        add(s, CANCELED, end)->compacted = s->compacted;
        next = s->compacted + 1;
    }
    do {
        segment(s, &next, end);
        if (next <= end) {
            add(s, LOST, 0);
        }
    } while (next <= end);
}

void stream_fini(struct stream *s)
{
    mem_free(s->facts);
    nv_run_fini(&s->run);
}

/* --- recording -------------------------------------------------------------------------------- */

struct texts {
    char text[4 * EVENTS_MAX][16];
    int n;
};

static struct check_kv kv_of(struct texts *t, const struct nv_kv *kv)
{
    nv_key(kv->key, t->text[t->n]);
    nv_value(kv->version == 0 ? -1 : kv->value, t->text[t->n + 1]);
    t->n += 2;
    return (struct check_kv){ .key = slice_str(t->text[t->n - 2]),
                              .value = slice_str(t->text[t->n - 1]),
                              .create_revision = kv->create,
                              .mod_revision = kv->mod,
                              .version = kv->version,
                              .lease = kv->lease };
}

static void record_fact(struct check_watch *w, const struct stream *s, const struct fact *f,
                        int64_t now)
{
    char lo[16], hi[16];
    struct texts t = { .n = 0 };
    struct check_watch_event events[EVENTS_MAX];
    nv_key(s->lo, lo);
    nv_key(s->hi, hi);
    struct check_watch_request r = {
        .key = slice_str(lo),
        .range_end = s->hi == s->lo + 1 ? slice_make(NULL, 0)
                     : s->hi == NV_KEYS ? slice_make("", 1)
                                        : slice_str(hi),
        .start_revision = f->revision,
        .prev_kv = s->prev_kv,
        .no_put = s->no_put,
        .no_delete = s->no_delete,
        .fragment = s->fragment,
    };
    switch (f->kind) {
    case ASKED:
        check_watch_asked(w, now, 1, &r, f->compacted);
        break;
    case CREATED:
        check_watch_created(w, now, f->revision);
        break;
    case EVENTS:
        for (int i = 0; i < f->n; i++) {
            const struct event *e = &f->events[i];
            events[i] = (struct check_watch_event){ .kv = kv_of(&t, &e->kv),
                                                    .deleted = e->deleted,
                                                    .has_prev = e->has_prev };
            events[i].prev = kv_of(&t, &e->prev);
        }
        check_watch_events(w, now, f->revision, f->fragment, events, (size_t)f->n);
        break;
    case PROGRESS:
        check_watch_progress(w, now, f->revision);
        break;
    case CANCELED:
        check_watch_canceled(w, now, f->revision, f->compacted);
        break;
    default:
        check_watch_lost(w, now);
        break;
    }
}

const char *stream_judge(const struct stream *s, bool print)
{
    static char name[32];
    struct check_pool pool;
    struct history h;
    struct check_log log;
    struct check_report report;
    check_pool_init(&pool, 0);
    history_init(&h, &pool);
    check_log_init(&log, &pool);
    check_report_init(&report);
    nv_record(&s->run, &h, &log, INT64_MAX);
    struct check_watch *w = check_watch_new(&pool, 1, 2);
    for (size_t i = 0; i < s->n; i++) {
        record_fact(w, s, &s->facts[i], (int64_t)i * 1000);
    }
    struct check_watch_options o = { .compacted_revision = s->compacted,
                                     .complete_revision = s->run.store.revision };
    int rv = check_watches(&w, 1, &log, &o, &report);
    const char *ret = NULL;
    for (size_t i = 0; i < report.n && ret == NULL; i++) {
        if (report.verdicts[i]->result != CHECK_HOLDS) {
            snprintf(name, sizeof name, "%s", report.verdicts[i]->name);
            ret = name;
        }
    }
    assert_int_equal(rv, ret == NULL ? 0 : E_MISMATCH);
    if (print) {
        autobuf out = BUF_INIT;
        check_report_print(&report, &out);
        fputs(buf_str(&out), stderr);
    }
    check_report_fini(&report);
    check_log_fini(&log);
    history_fini(&h);
    check_pool_fini(&pool);
    return ret;
}
