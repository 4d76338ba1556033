/* Watches: ordered, unique, gapless, whole revisions, whatever the consumer does. */
#include <stdio.h>

#include "lib/base/alloc.h"
#include "store/watch_hub.h"
#include "tests/unit/store/snapshot_bytes.h"
#include "tests/unit/store/world.h"

/* A consumer that writes down what it is told: "2:+a 4:-a+b ". */
struct consumer {
    struct world *world;
    struct watch_hub *hub;
    struct watcher *watcher;
    struct buf told;
    bool full, cancels;
    struct consumer *victim; /* to cancel on the next event */
    int64_t compacted, last_revision;
};

static bool on_events(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    struct consumer *c = arg;
    assert_true(n > 0);
    assert_true(revision > c->last_revision);
    assert_true(watcher_next_revision(c->watcher) <= revision);
    if (c->full) {
        return false;
    }
    c->last_revision = revision;
    buf_printf(&c->told, "%d:", (int)revision);
    for (size_t i = 0; i < n; i++) {
        struct kv_view kv;
        record_view(records[i], &kv);
        assert_int_equal(kv.mod_revision, revision);
        buf_append_char(&c->told, kv.tombstone ? '-' : '+');
        buf_append_slice(&c->told, kv.key);
    }
    buf_append_char(&c->told, ' ');
    if (c->victim != NULL) {
        watch_hub_cancel(c->hub, TAKE(c->victim->watcher));
        c->victim = NULL;
    }
    if (c->cancels) {
        watch_hub_cancel(c->hub, TAKE(c->watcher));
    }
    return true;
}

static void on_compacted(void *arg, int64_t compact_revision)
{
    struct consumer *c = arg;
    c->compacted = compact_revision;
    c->watcher = NULL;
}

static void publish(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    watch_hub_publish(arg, revision, records, n);
}

static struct watch_hub *hub_start(struct world *w)
{
    static const struct watch_hub_events events = { on_events, on_compacted };
    struct watch_hub *h = watch_hub_new(w->store, &events);
    store_set_on_events(w->store, publish, h);
    return h;
}

static void hub_stop(struct world *w, struct watch_hub *h)
{
    store_set_on_events(w->store, NULL, NULL);
    assert_int_equal(watch_hub_count(h), 0);
    watch_hub_free(h);
}

static void watch(struct consumer *c, struct watch_hub *h, const char *key, const char *end,
                  int64_t start)
{
    struct watch_options o = {
        .key = slice_str(key), .range_end = end_of(end), .start_revision = start, .arg = c
    };
    c->hub = h;
    c->watcher = watch_hub_add(h, &o);
}

static void unwatch(struct consumer *c)
{
    if (c->watcher != NULL) {
        watch_hub_cancel(c->hub, TAKE(c->watcher));
    }
    buf_fini(&c->told);
}

static const char *told(struct consumer *c)
{
    return buf_str(&c->told);
}

static void catch_up(struct watch_hub *h)
{
    while (watch_hub_step(h, 2)) {
    }
}

static void a_watcher_is_told_of_its_range_only(void **state)
{
    struct world *w = *state;
    struct watch_hub *h = hub_start(w);
    struct consumer one = { 0 }, some = { 0 }, all = { 0 };
    watch(&one, h, "b", "", 0);
    watch(&some, h, "a", "c", 0);
    watch(&all, h, "a", "*", 0);
    put(w, "a", "1");
    put(w, "b", "1");
    put(w, "bb", "1");
    put(w, "c", "1");
    del_range(w, "a", "*");
    assert_string_equal(told(&one), "3:+b 6:-b ");
    assert_string_equal(told(&some), "2:+a 3:+b 4:+bb 6:-a-b-bb ");
    assert_string_equal(told(&all), "2:+a 3:+b 4:+bb 5:+c 6:-a-b-bb-c ");
    unwatch(&one);
    unwatch(&some);
    unwatch(&all);
    hub_stop(w, h);
}

static void filters_hide_puts_or_deletes(void **state)
{
    struct world *w = *state;
    struct watch_hub *h = hub_start(w);
    struct consumer puts = { .hub = h }, dels = { .hub = h };
    struct watch_options o = { .key = slice_str("a"), .no_delete = true, .arg = &puts };
    puts.watcher = watch_hub_add(h, &o);
    o = (struct watch_options){ .key = slice_str("a"), .no_put = true, .arg = &dels };
    dels.watcher = watch_hub_add(h, &o);
    put(w, "a", "1");
    del(w, "a");
    assert_string_equal(told(&puts), "2:+a ");
    assert_string_equal(told(&dels), "3:-a ");
    assert_int_equal(watcher_next_revision(puts.watcher), 4);
    unwatch(&puts);
    unwatch(&dels);
    hub_stop(w, h);
}

static void a_watch_from_the_past_catches_up_and_goes_on(void **state)
{
    struct world *w = *state;
    struct watch_hub *h = hub_start(w);
    struct consumer c = { 0 };
    for (int i = 0; i < 5; i++) {
        put(w, "a", "1");
    }
    watch(&c, h, "a", "", 3);
    assert_string_equal(told(&c), "");
    assert_false(watcher_synced(c.watcher));
    assert_int_equal(watch_hub_lagging(h), 1);
    assert_true(watch_hub_step(h, 2));
    assert_string_equal(told(&c), "3:+a 4:+a ");
    put(w, "a", "1");
    catch_up(h);
    assert_true(watcher_synced(c.watcher));
    put(w, "a", "1");
    assert_string_equal(told(&c), "3:+a 4:+a 5:+a 6:+a 7:+a 8:+a ");
    unwatch(&c);
    hub_stop(w, h);
}

static void a_watch_from_the_future_waits_for_it(void **state)
{
    struct world *w = *state;
    struct watch_hub *h = hub_start(w);
    struct consumer c = { 0 };
    watch(&c, h, "a", "", 4);
    assert_true(watcher_synced(c.watcher));
    assert_int_equal(watcher_next_revision(c.watcher), 4);
    put(w, "a", "1");
    put(w, "a", "1");
    put(w, "a", "1");
    assert_string_equal(told(&c), "4:+a ");
    unwatch(&c);
    hub_stop(w, h);
}

static void a_full_consumer_lags_and_misses_nothing(void **state)
{
    struct world *w = *state;
    struct watch_hub *h = hub_start(w);
    struct consumer slow = { .full = true }, quick = { 0 };
    watch(&slow, h, "a", "*", 0);
    watch(&quick, h, "a", "*", 0);
    put(w, "a", "1");
    put(w, "b", "1");
    assert_false(watcher_synced(slow.watcher));
    assert_false(watch_hub_step(h, 100)); /* blocked: nothing to do until it is ready */
    assert_string_equal(told(&quick), "2:+a 3:+b ");
    watcher_ready(slow.watcher);
    catch_up(h);
    assert_string_equal(told(&slow), ""); /* still full */
    slow.full = false;
    watcher_ready(slow.watcher);
    catch_up(h);
    assert_string_equal(told(&slow), "2:+a 3:+b ");
    assert_true(watcher_synced(slow.watcher));
    unwatch(&slow);
    unwatch(&quick);
    hub_stop(w, h);
}

static void a_compacted_start_cancels_with_the_revision(void **state)
{
    struct world *w = *state;
    struct watch_hub *h = hub_start(w);
    struct consumer c = { 0 }, at = { 0 };
    for (int i = 0; i < 5; i++) {
        put(w, "a", "1");
    }
    compact(w, 4);
    watch(&c, h, "a", "", 3);
    watch(&at, h, "a", "", 4);
    assert_int_equal(c.compacted, 0); /* never from inside add */
    catch_up(h);
    assert_int_equal(c.compacted, 4);
    assert_string_equal(told(&at), "4:+a 5:+a 6:+a ");
    assert_int_equal(watch_hub_count(h), 1);
    unwatch(&c);
    unwatch(&at);
    hub_stop(w, h);
}

/* A hundred that each read all history would need a hundred times as many steps. */
static void watchers_that_lag_together_share_the_reading(void **state)
{
    enum { MANY = 100, EACH = 10 };
    struct world *w = *state;
    struct watch_hub *h = hub_start(w);
    struct consumer c[MANY] = { { .hub = h } };
    autobuf want = BUF_INIT;
    for (int i = 0; i < MANY * EACH; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%02d", i % MANY);
        put(w, key, "v");
        if (i % MANY == 7) {
            buf_printf(&want, "%d:+k07 ", i + 2);
        }
    }
    for (int i = 0; i < MANY; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%02d", i);
        watch(&c[i], h, key, "", 2);
    }
    int steps = 1;
    while (watch_hub_step(h, MANY * EACH)) {
        steps++;
    }
    assert_true(steps <= 3); /* what is read and what is told */
    for (int i = 0; i < MANY; i++) {
        assert_true(watcher_synced(c[i].watcher));
    }
    assert_string_equal(told(&c[7]), buf_str(&want));
    for (int i = 0; i < MANY; i++) {
        unwatch(&c[i]);
    }
    hub_stop(w, h);
}

static void callbacks_may_cancel_themselves_and_others(void **state)
{
    struct world *w = *state;
    struct watch_hub *h = hub_start(w);
    struct consumer a = { 0 }, b = { 0 }, c = { .cancels = true };
    watch(&a, h, "k", "", 0);
    watch(&b, h, "k", "", 0);
    watch(&c, h, "k", "", 0);
    a.victim = &b;
    put(w, "k", "1");
    put(w, "k", "2");
    assert_string_equal(told(&a), "2:+k 3:+k ");
    assert_string_equal(told(&b), "");
    assert_string_equal(told(&c), "2:+k ");
    assert_int_equal(watch_hub_count(h), 1);
    unwatch(&a);
    unwatch(&b);
    unwatch(&c);
    hub_stop(w, h);
}

static void callbacks_may_cancel_while_catching_up(void **state)
{
    struct world *w = *state;
    struct watch_hub *h = hub_start(w);
    struct consumer a = { 0 }, b = { 0 }, c = { .cancels = true };
    put(w, "k", "1");
    put(w, "k", "2");
    watch(&c, h, "k", "", 2);
    watch(&a, h, "k", "", 2);
    watch(&b, h, "k", "", 2);
    a.victim = &b;
    catch_up(h);
    assert_string_equal(told(&a), "2:+k 3:+k ");
    assert_string_equal(told(&b), "");
    assert_string_equal(told(&c), "2:+k ");
    unwatch(&a);
    unwatch(&b);
    unwatch(&c);
    hub_stop(w, h);
}

static void watchers_survive_a_store_replaced_by_a_snapshot(void **state)
{
    struct world *w = *state;
    struct watch_hub *h = hub_start(w);
    struct consumer c = { 0 };
    watch(&c, h, "k", "", 0);
    put(w, "k", "1");
    struct store *ahead = NULL;
    autobuf bytes = BUF_INIT;
    struct err err = ERR_INIT;
    snapshot_bytes(w->store, &bytes);
    ahead = snapshot_restore(buf_slice(&bytes), 4096, NULL, &err);
    assert_non_null(ahead);
    struct store *old = w->store;
    w->store = ahead;
    put(w, "k", "2"); /* the new store is a revision ahead of what the hub has seen */
    watch_hub_rebase(h, ahead);
    store_set_on_events(ahead, publish, h);
    store_free(old);
    catch_up(h);
    put(w, "k", "3");
    assert_string_equal(told(&c), "2:+k 3:+k 4:+k ");
    unwatch(&c);
    hub_stop(w, h);
}

int test_watch_run(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_watcher_is_told_of_its_range_only),
        WORLD_TEST(filters_hide_puts_or_deletes),
        WORLD_TEST(a_watch_from_the_past_catches_up_and_goes_on),
        WORLD_TEST(a_watch_from_the_future_waits_for_it),
        WORLD_TEST(a_full_consumer_lags_and_misses_nothing),
        WORLD_TEST(a_compacted_start_cancels_with_the_revision),
        WORLD_TEST(watchers_that_lag_together_share_the_reading),
        WORLD_TEST(callbacks_may_cancel_themselves_and_others),
        WORLD_TEST(callbacks_may_cancel_while_catching_up),
        WORLD_TEST(watchers_survive_a_store_replaced_by_a_snapshot),
    };
    return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
