/* Watches: streams that a right server would send pass; each way to break a promise is caught in
 * every seed where it can be seen, and by the verdict of that promise. */
#include <stdio.h>

#include "tests/unit/check/stream.h"
#include "tests/unit/check/tests.h"

enum { SEEDS = 200 / SHARE };

static void test_right_streams_pass(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5 * SEEDS; seed++) {
        struct stream s;
        stream_init(&s, seed, seed % 2 == 0);
        if (stream_judge(&s, false) != NULL) {
            stream_judge(&s, true);
            fail_msg("seed %llu: %s", (unsigned long long)seed, stream_judge(&s, false));
        }
        stream_fini(&s);
    }
}

/* --- spoiling --------------------------------------------------------------------------------- */

/* A random fact for which `fits` holds; n when there is none. */
typedef bool fits_fn(const struct stream *s, size_t at);

static size_t find(struct stream *s, fits_fn *fits)
{
    size_t from = (size_t)stream_pick(s, 0, (int)s->n - 1);
    for (size_t i = 0; i < s->n; i++) {
        if (fits(s, (from + i) % s->n)) {
            return (from + i) % s->n;
        }
    }
    return s->n;
}

static void take_out(struct stream *s, size_t at)
{
    memmove(&s->facts[at], &s->facts[at + 1], (s->n - at - 1) * sizeof *s->facts);
    s->n--;
}

static struct fact *put_in(struct stream *s, size_t at)
{
    assert_true(s->n < FACTS_MAX);
    memmove(&s->facts[at + 1], &s->facts[at], (s->n - at) * sizeof *s->facts);
    s->n++;
    memset(&s->facts[at], 0, sizeof s->facts[at]);
    return &s->facts[at];
}

static bool whole(const struct stream *s, size_t at)
{
    return at > 0 && s->facts[at].kind == EVENTS && !s->facts[at].fragment &&
           !(s->facts[at - 1].kind == EVENTS && s->facts[at - 1].fragment);
}
static bool first_of_resume(const struct stream *s, size_t at)
{
    return at > 4 && at + 1 < s->n && whole(s, at) && s->facts[at - 1].kind == CREATED &&
           s->facts[at + 1].kind == EVENTS && s->facts[at - 3].kind == LOST;
}
static bool in_the_middle(const struct stream *s, size_t at)
{
    return whole(s, at) && at + 1 < s->n && s->facts[at - 1].kind == EVENTS && whole(s, at + 1);
}
static bool before_bookmark(const struct stream *s, size_t at)
{
    return whole(s, at) && at + 1 < s->n && s->facts[at + 1].kind == PROGRESS;
}
static bool has_two_in_one(const struct stream *s, size_t at)
{
    const struct fact *f = &s->facts[at];
    return whole(s, at) && f->n > 1 && f->events[f->n - 1].kv.mod == f->events[f->n - 2].kv.mod;
}
static bool has_two_revisions(const struct stream *s, size_t at)
{
    const struct fact *f = &s->facts[at];
    return whole(s, at) && f->n > 1 && f->events[0].kv.mod != f->events[f->n - 1].kv.mod;
}
static bool is_put(const struct stream *s, size_t at)
{
    return s->facts[at].kind == EVENTS && !s->facts[at].events[0].deleted;
}
static bool has_prev(const struct stream *s, size_t at)
{
    return s->facts[at].kind == EVENTS && s->facts[at].events[0].has_prev;
}
static bool no_prev(const struct stream *s, size_t at)
{
    return s->facts[at].kind == EVENTS && !s->facts[at].events[0].has_prev;
}
static bool later_created(const struct stream *s, size_t at)
{
    return at > 1 && s->facts[at].kind == CREATED && s->facts[at - 1].revision > 5 &&
           at + 1 < s->n && s->facts[at + 1].kind == EVENTS;
}
static bool is_fragment(const struct stream *s, size_t at)
{
    return s->facts[at].kind == EVENTS && s->facts[at].fragment;
}

static void gap(struct stream *s, size_t at)
{
    take_out(s, at);
}
static void duplicate(struct stream *s, size_t at)
{
    struct fact copy = s->facts[at];
    *put_in(s, at + 1) = copy;
}
static void reorder(struct stream *s, size_t at)
{
    struct fact a = s->facts[at], b = s->facts[at + 1];
    int64_t newest = a.revision > b.revision ? a.revision : b.revision;
    a.revision = b.revision = newest;
    s->facts[at] = b;
    s->facts[at + 1] = a;
}
static void reorder_inside(struct stream *s, size_t at)
{
    struct fact *f = &s->facts[at];
    struct event first = f->events[0];
    f->events[0] = f->events[f->n - 1];
    f->events[f->n - 1] = first;
}
static void split(struct stream *s, size_t at)
{
    struct fact copy = s->facts[at];
    struct fact *second = put_in(s, at + 1);
    *second = copy;
    second->events[0] = copy.events[copy.n - 1];
    second->n = 1;
    s->facts[at].n--;
}
static void unmarked_fragment(struct stream *s, size_t at)
{
    s->facts[at].fragment = false;
}
static void lost_fragment(struct stream *s, size_t at)
{
    take_out(s, at + 1); /* the next one; the series goes on or ends without it */
    if (s->facts[at + 1].kind != EVENTS || !s->facts[at].fragment) {
        s->facts[at].fragment = false;
    }
}
static void old_event(struct stream *s, size_t at)
{
    struct fact *f = put_in(s, at + 1);
    f->kind = EVENTS;
    f->revision = s->run.store.revision;
    for (int64_t r = s->facts[at - 1].revision - 1; f->n == 0 && r > 1; r--) {
        f->n = stream_wanted(s, r, f->events);
    }
    assert_true(f->n > 0);
}
static void after_bookmark(struct stream *s, size_t at)
{
    struct fact event = s->facts[at];
    s->facts[at] = s->facts[at + 1];
    s->facts[at + 1] = event;
}
static void early_header(struct stream *s, size_t at)
{
    struct fact *f = &s->facts[at];
    f->revision = f->events[f->n - 1].kv.mod - 1;
}
static void wrong_value(struct stream *s, size_t at)
{
    s->facts[at].events[0].kv.value++;
}
static void wrong_version(struct stream *s, size_t at)
{
    s->facts[at].events[0].kv.version++;
}
static void wrong_create(struct stream *s, size_t at)
{
    s->facts[at].events[0].kv.create--;
}
static void wrong_type(struct stream *s, size_t at)
{
    s->facts[at].events[0].deleted = true;
}
static void wrong_prev(struct stream *s, size_t at)
{
    s->facts[at].events[0].prev.value++;
}
static void missing_prev(struct stream *s, size_t at)
{
    s->facts[at].events[0].has_prev = false;
}
static void invented_prev(struct stream *s, size_t at)
{
    struct event *e = &s->facts[at].events[0];
    e->has_prev = true;
    e->prev = (struct nv_kv){ .key = e->kv.key, .value = 1, .create = 2, .mod = 2, .version = 1 };
}

static const struct spoil {
    const char *name;
    fits_fn *fits;
    void (*spoil)(struct stream *s, size_t at);
    const char *verdict; /* the one that must break; NULL: any */
} spoils[] = {
    { "gap", in_the_middle, gap, "watch reliable" },
    { "gap at a resume", first_of_resume, gap, "watch resumable" },
    { "gap before a bookmark", before_bookmark, gap, "watch bookmarkable" },
    { "event after its bookmark", before_bookmark, after_bookmark, "watch bookmarkable" },
    { "duplicate", whole, duplicate, "watch unique" },
    { "reordered responses", in_the_middle, reorder, NULL },
    { "reordered inside", has_two_revisions, reorder_inside, NULL },
    { "split revision", has_two_in_one, split, "watch atomic" },
    { "fragments not marked", is_fragment, unmarked_fragment, "watch atomic" },
    { "a fragment lost", is_fragment, lost_fragment, NULL },
    { "event before its start", later_created, old_event, "watch start" },
    { "header older than its event", whole, early_header, "watch ordered" },
    { "wrong value", is_put, wrong_value, "watch content" },
    { "wrong version", is_put, wrong_version, "watch content" },
    { "wrong create revision", is_put, wrong_create, "watch content" },
    { "put told as delete", is_put, wrong_type, "watch content" },
    { "wrong prev_kv", has_prev, wrong_prev, "watch content" },
    { "missing prev_kv", has_prev, missing_prev, "watch content" },
    { "invented prev_kv", no_prev, invented_prev, "watch content" },
};

static bool broke(const struct stream *s, const char *verdict)
{
    const char *first = stream_judge(s, false);
    return first != NULL && (verdict == NULL || strcmp(first, verdict) == 0);
}

static void test_every_broken_promise_is_caught(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof spoils / sizeof spoils[0]; k++) {
        unsigned done = 0, named = 0;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct stream s;
            stream_init(&s, seed, true);
            size_t at = find(&s, spoils[k].fits);
            if (at < s.n) {
                done++;
                spoils[k].spoil(&s, at);
                if (stream_judge(&s, false) == NULL) {
                    stream_judge(&s, true);
                    fail_msg("%s, seed %llu: not caught", spoils[k].name, (unsigned long long)seed);
                }
                named += broke(&s, spoils[k].verdict);
            }
            stream_fini(&s);
        }
        assert_true(done > SEEDS / 10);
        assert_true(named == done);
    }
}

/* --- the request is another one --------------------------------------------------------------- */

static void test_what_was_not_asked_for_is_caught(void **state)
{
    (void)state;
    unsigned done[4] = { 0 };
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        for (int kind = 0; kind < 4; kind++) {
            struct stream s;
            stream_init(&s, seed, true);
            bool seen = false; /* is there anything that shows it? */
            for (size_t i = 0; i < s.n; i++) {
                for (int j = 0; j < s.facts[i].n; j++) {
                    const struct event *e = &s.facts[i].events[j];
                    seen = seen || (kind == 0   ? e->deleted
                                    : kind == 1 ? !e->deleted
                                    : kind == 2 ? e->kv.key == NV_KEYS - 1
                                                : e->has_prev);
                }
            }
            s.no_delete = kind == 0;
            s.no_put = kind == 1;
            s.hi = kind == 2 ? NV_KEYS - 1 : s.hi;
            s.prev_kv = kind != 3;
            if (seen) {
                assert_true(broke(&s, "watch content"));
                done[kind]++;
            }
            stream_fini(&s);
        }
    }
    for (int kind = 0; kind < 4; kind++) {
        assert_true(done[kind] > SEEDS / 2);
    }
}

static size_t find_kind(const struct stream *s, enum kind kind)
{
    size_t i = 0;
    while (i < s->n && s->facts[i].kind != kind) {
        i++;
    }
    return i;
}

static void test_compaction_must_be_told_and_told_right(void **state)
{
    (void)state;
    int done = 0;
    for (uint64_t seed = 1; seed <= 2 * SEEDS; seed++) {
        for (int kind = 0; kind < 4; kind++) {
            struct stream s;
            stream_init(&s, seed, false);
            size_t at = find_kind(&s, CANCELED);
            if (at < s.n) {
                if (kind == 0) { /* missed: it goes on as if nothing were compacted */
                    s.facts[at].kind = PROGRESS;
                } else if (kind == 1) {
                    s.facts[at].compacted--;
                } else if (kind == 2) {
                    s.facts[at].compacted++;
                } else { /* a start that is not compacted */
                    s.facts[at - 2].revision = s.compacted + 1;
                    s.facts[at - 2].compacted = 0;
                }
                assert_true(broke(&s, "watch compacted") || kind == 0);
                assert_non_null(stream_judge(&s, false));
                done++;
            }
            stream_fini(&s);
        }
    }
    assert_true(done > SEEDS / 4);
}

static void test_what_never_comes_is_missed_at_the_end(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct stream s;
        stream_init(&s, seed, true);
        while (s.facts[s.n - 1].kind == PROGRESS) {
            s.n--;
        }
        if (s.facts[s.n - 1].kind == EVENTS) {
            s.n--;
            assert_non_null(stream_judge(&s, false));
        }
        stream_fini(&s);
    }
}

int run_watch_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_streams_pass),
        cmocka_unit_test(test_every_broken_promise_is_caught),
        cmocka_unit_test(test_what_was_not_asked_for_is_caught),
        cmocka_unit_test(test_compaction_must_be_told_and_told_right),
        cmocka_unit_test(test_what_never_comes_is_missed_at_the_end),
    };
    return cmocka_run_group_tests_name("check/watch", tests, NULL, NULL);
}
