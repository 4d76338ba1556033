/* What the other files of this folder do not ask: compares that nobody knows, watchers with
 * callbacks of their own, time that is negative or over, negative ids. */
#include "lib/base/assert.h"
#include "store/etcd_db.h"
#include "store/lease_clock.h"
#include "store/watch_hub.h"
#include "tests/unit/lib/codec/bolt_items.h"
#include "tests/unit/store/world.h"

/* --- compares --------------------------------------------------------------------------------- */

static void a_compare_that_nobody_knows_is_taken_as_etcd_takes_it(void **state)
{
    struct world *w = *state;
    static const struct {
        int result, target;
        const char *key;
        int64_t number;
        bool holds;
    } rows[] = {
        { 7, COMPARE_VERSION, "k", 99, true },   /* no such result: holds */
        { -1, COMPARE_MOD, "k", 99, true },
        { 7, COMPARE_VALUE, "none", 0, false },  /* but for the value of what is not there */
        { COMPARE_EQUAL, 7, "k", 99, true },     /* no such target: equal */
        { COMPARE_NOT_EQUAL, 7, "k", 99, false },
        { COMPARE_GREATER, -1, "k", 0, false },
        { COMPARE_EQUAL, COMPARE_LEASE, "k", 5, true },
        { COMPARE_EQUAL, COMPARE_LEASE, "k", 6, false },
        { COMPARE_EQUAL, COMPARE_LEASE, "none", 0, true },
    };
    grant(w, 5, 60);
    put_leased(w, "k", "v", 5);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct compare c = { .result = rows[i].result, .target = rows[i].target,
                             .key = slice_str(rows[i].key), .number = rows[i].number };
        assert_int_equal(txn(w, (struct txn_request){ .compare = &c, .n_compare = 1 }), 0);
        assert_int_equal(w->last.txn.succeeded, rows[i].holds);
    }
}

/* --- watches ---------------------------------------------------------------------------------- */

struct seen {
    struct watch_hub *hub;
    struct watcher *watcher;
    unsigned events, compacted;
    bool cancels;
};

/* Takes nothing; who cancels itself is not asked again. */
static bool refuse(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    struct seen *s = arg;
    (void)revision;
    (void)records;
    (void)n;
    s->events++;
    if (s->cancels) {
        watch_hub_cancel(s->hub, TAKE(s->watcher));
    }
    return false;
}

static bool take(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    (void)revision;
    (void)records;
    ((struct seen *)arg)->events += (unsigned)n;
    return true;
}

static void on_compacted(void *arg, int64_t compact_revision)
{
    ((struct seen *)arg)->compacted = (unsigned)compact_revision;
}

static void publish(void *arg, int64_t revision, struct record *const *records, size_t n)
{
    watch_hub_publish(arg, revision, records, n);
}

static const struct watch_hub_events takes = { take, on_compacted }, refuses = { refuse, NULL };

static struct watcher *watch(struct watch_hub *h, const char *key, const char *end, int64_t start,
                             const struct watch_hub_events *events, struct seen *s)
{
    struct watch_options o = { .key = slice_str(key), .range_end = end_of(end),
                               .start_revision = start, .events = events, .arg = s };
    s->hub = h;
    s->watcher = watch_hub_add(h, &o);
    return s->watcher;
}

static void a_watcher_may_have_callbacks_of_its_own(void **state)
{
    struct world *w = *state;
    struct watch_hub *h = watch_hub_new(w->store, &takes);
    struct seen own = { 0 }, ours = { 0 }, quits = { .cancels = true }, late = { .cancels = true };
    store_set_on_events(w->store, publish, h);
    put(w, "k", "1");
    watch(h, "k", "", 0, NULL, &ours);
    watch(h, "k", "", 0, &refuses, &own);
    watch(h, "k", "", 0, &refuses, &quits);
    watch(h, "k", "", 2, &refuses, &late); /* cancels itself while it catches up */
    put(w, "k", "2");
    assert_int_equal(ours.events, 1);
    assert_int_equal(own.events, 1);
    assert_int_equal(quits.events, 1);
    assert_null(quits.watcher);
    watch_hub_step(h, 10);
    assert_int_equal(late.events, 1);
    assert_null(late.watcher);
    assert_int_equal(watch_hub_count(h), 2);
    assert_int_equal(watch_hub_lagging(h), 1); /* who refused waits, and is not lost */
    assert_int_equal(watcher_next_revision(own.watcher), 3);
    watch_hub_cancel(h, own.watcher);
    watch_hub_cancel(h, ours.watcher);
    store_set_on_events(w->store, NULL, NULL);
    watch_hub_free(h);
    watch_hub_free(NULL);
}

static void a_compacted_start_is_told_to_who_wants_to_know(void **state)
{
    struct world *w = *state;
    struct watch_hub *h = watch_hub_new(w->store, &takes);
    struct seen told = { 0 }, untold = { 0 };
    put(w, "k", "1");
    put(w, "k", "2");
    put(w, "k", "3");
    watch_hub_rebase(h, w->store);
    compact(w, 4);
    watch(h, "k", "", 2, NULL, &told);
    watch(h, "k", "", 2, &refuses, &untold);
    watch_hub_step(h, 10);
    assert_int_equal(told.compacted, 4);
    assert_int_equal(untold.events, 0);
    assert_int_equal(watch_hub_count(h), 0); /* both are gone */
    watch_hub_free(h);
}

static void a_watch_of_all_keys_begins_at_the_empty_one(void **state)
{
    struct world *w = *state;
    struct watch_hub *h = watch_hub_new(w->store, &takes);
    struct seen all = { 0 }, below = { 0 }, none = { 0 };
    store_set_on_events(w->store, publish, h);
    watch(h, "", "*", 0, NULL, &all);
    watch(h, "", "b", 0, NULL, &below);
    watch(h, "", "", 0, NULL, &none); /* the empty key, which no store has */
    put(w, "a", "1");
    put(w, "b", "1");
    assert_int_equal(all.events, 2);
    assert_int_equal(below.events, 1);
    assert_int_equal(none.events, 0);
    watch_hub_cancel(h, all.watcher);
    watch_hub_cancel(h, below.watcher);
    watch_hub_cancel(h, none.watcher);
    store_set_on_events(w->store, NULL, NULL);
    watch_hub_free(h);
}

/* --- leases ----------------------------------------------------------------------------------- */

static void a_lease_with_nothing_left_is_due_at_once(void **state)
{
    (void)state;
    struct lease_clock *c = lease_clock_new(1000);
    int64_t ids[4];
    lease_clock_set_remaining(c, 1, 10, 0, 1000);
    lease_clock_set_remaining(c, 2, 10, -5, 1000);
    lease_clock_set_remaining(c, 3, 10, 1, 1000);
    assert_int_equal(lease_clock_remaining_ms(c, 2, 1000), 0);
    assert_int_equal(lease_clock_remaining_ms(c, 3, 1400), 600);
    assert_int_equal(lease_clock_remaining_ms(c, 3, 5000), 0);  /* over, and not below */
    assert_int_equal(lease_clock_remaining_ms(c, 4, 1000), -1); /* unknown */
    assert_int_equal(lease_clock_expired(c, 1100, ids, 4), 2);
    assert_int_equal(lease_clock_expired(c, 2100, ids, 4), 1);
    assert_int_equal(ids[0], 3);
    lease_clock_free(c);
    lease_clock_free(NULL);
}

static void an_unknown_lease_has_no_keys(void **state)
{
    struct world *w = *state;
    struct slice *keys;
    grant(w, 7, 60);
    put_leased(w, "k", "v", 7);
    assert_int_equal(store_lease_keys(w->store, 7, &w->arena, &keys), 1);
    assert_int_equal(store_lease_keys(w->store, 8, &w->arena, &keys), 0);
    assert_null(keys);
}

/* --- etcd's file ------------------------------------------------------------------------------ */

static void leases_are_in_the_order_of_their_bytes_and_the_members_state_is_kept(void **state)
{
    struct world *w = *state;
    static const int64_t ids[] = { -3, 9, INT64_MIN, 1, -1, INT64_MAX };
    static const uint8_t first_bytes[] = { 0, 0, 0x7f, 0x80, 0xff, 0xff };
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        grant(w, ids[i], 60);
    }
    struct etcd_db_facts facts = { .term = 1, .conf_state = slice_str("{\"voters\":[1]}") };
    struct store_pin *pin = store_pin(w->store);
    struct etcd_db *db = etcd_db_new(pin, &facts);
    autobuf file = BUF_INIT;
    while (etcd_db_next(db, 1 << 20, &file) == 1) {
    }
    etcd_db_free(db);
    etcd_db_free(NULL);
    store_unpin(w->store, pin);

    struct err err = ERR_INIT;
    struct bolt b;
    struct bolt_cursor c;
    struct bolt_items leases = { 0 }, meta = { 0 };
    assert_int_equal(bolt_open(&b, buf_slice(&file), &err), 0);
    assert_int_equal(bolt_bucket_seek(&b, "lease", &c, &err), 0);
    assert_int_equal(bolt_items_read(&c, &leases, &err), 0);
    assert_int_equal(leases.n, ARRAY_LEN(ids));
    for (size_t i = 0; i < leases.n; i++) {
        assert_int_equal(leases.items[i].key.data[0], first_bytes[i]);
    }
    assert_int_equal(bolt_bucket_seek(&b, "meta", &c, &err), 0);
    assert_int_equal(bolt_items_read(&c, &meta, &err), 0);
    assert_true(slice_eq(meta.items[0].key, slice_str("confState")));
    assert_true(slice_eq(meta.items[0].value, facts.conf_state));
    mem_free(leases.items);
    mem_free(meta.items);
}

int test_edges_run(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(a_compare_that_nobody_knows_is_taken_as_etcd_takes_it),
        WORLD_TEST(a_watcher_may_have_callbacks_of_its_own),
        WORLD_TEST(a_compacted_start_is_told_to_who_wants_to_know),
        WORLD_TEST(a_watch_of_all_keys_begins_at_the_empty_one),
        cmocka_unit_test(a_lease_with_nothing_left_is_due_at_once),
        WORLD_TEST(an_unknown_lease_has_no_keys),
        WORLD_TEST(leases_are_in_the_order_of_their_bytes_and_the_members_state_is_kept),
    };
    return cmocka_run_group_tests_name("store/edges", tests, NULL, NULL);
}
