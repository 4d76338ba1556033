/* A store as etcd's database file: what is written is read again as the same store; what etcd would
 * have swept is not invented; what no store can be is refused. Real tools are asked in
 * tests/integration/snapshot.test.sh. */
#include "tests/unit/store/tests.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/codec/pb_wire.h"
#include "store/etcd_db.h"
#include "tests/unit/lib/codec/bolt_items.h"
#include "tests/unit/store/gen.h"
#include "tests/unit/store/model.h"
#include "tests/unit/store/snapshot_bytes.h"
#include "tests/unit/store/world.h"

enum { TERM = 3 };

static void write_db(struct store *s, struct buf *out)
{
    struct etcd_db_facts facts = { .term = TERM };
    struct store_pin *pin = store_pin(s);
    struct etcd_db *db = etcd_db_new(pin, &facts);
    while (etcd_db_next(db, 10000, out) == 1) {
    }
    assert_int_equal(out->len, etcd_db_size(db));
    etcd_db_free(db);
    store_unpin(s, pin);
}

static int read_db(struct slice bytes, uint64_t index, int64_t bump, struct store **ret,
                   struct etcd_db_report *ret_report)
{
    struct err err = ERR_INIT;
    struct etcd_db_options o = { .applied_index = index, .bump_revision = bump };
    int rv = etcd_db_read(bytes, &o, ret, ret_report, &err);
    assert_int_equal(rv == 0, err.msg[0] == '\0');
    return rv;
}

/* Its own snapshot is taken by the reader that believes nothing, and gives the same again. */
static void assert_sound(struct store *s)
{
    struct err err = ERR_INIT;
    autobuf a = BUF_INIT, b = BUF_INIT;
    snapshot_bytes(s, &a);
    struct store *again = snapshot_restore(buf_slice(&a), 5000, NULL, &err);
    assert_string_equal(err.msg, "");
    assert_non_null(again);
    snapshot_bytes(again, &b);
    assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
    assert_int_equal(store_live_bytes(s), store_live_bytes(again));
    assert_int_equal(store_size_bytes(s), store_size_bytes(again));
    store_free(again);
}

static void assert_same_reads(struct store *a, struct store *b, int64_t from, int64_t to)
{
    for (int64_t at = from; at <= to; at++) {
        struct range_request all = { .key = slice_make("", 1), .range_end = slice_make("", 1),
                                     .revision = at };
        autobuf x = BUF_INIT, y = BUF_INIT;
        store_range_text(a, &all, &x);
        store_range_text(b, &all, &y);
        assert_string_equal(buf_str(&x), buf_str(&y));
    }
}

/* A world after `steps` random commands. */
static struct store *random_store(uint64_t seed, int steps)
{
    struct store *s = store_new(NULL);
    struct arena arena;
    struct gen g = { .arena = &arena, .keys = 12 };
    rng_init(&g.rng, seed);
    for (int i = 1; i <= steps; i++) {
        struct command c;
        struct store_result r;
        arena_init(&arena);
        store_result_init(&r);
        g.revision = store_revision(s);
        g.compact_revision = store_compact_revision(s);
        gen_command(&g, &c);
        store_apply(s, (uint64_t)i, &c, &r);
        store_result_fini(&r);
        arena_fini(&arena);
        if (i % 7 == 0) {
            store_compact_step(s, 3);
        }
    }
    return s;
}

static void a_store_is_read_as_it_was_written(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct store *s = random_store(seed, (int)seed * 8), *got = NULL;
        struct etcd_db_report report;
        autobuf a = BUF_INIT, b = BUF_INIT;
        write_db(s, &a);
        assert_int_equal(read_db(buf_slice(&a), store_applied_index(s), 0, &got, &report), 0);
        assert_int_equal(store_revision(got), store_revision(s));
        assert_int_equal(store_compact_revision(got), store_compact_revision(s));
        assert_int_equal(report.orphans, 0);
        write_db(got, &b);
        assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
        assert_sound(got);
        store_free(got);
        store_free(s);
    }
}

static void members_that_read_one_file_agree(void **state)
{
    (void)state;
    struct store *s = random_store(5, 300), *a = NULL, *b = NULL, *bumped = NULL;
    struct etcd_db_report report;
    autobuf file = BUF_INIT;
    write_db(s, &file);
    assert_int_equal(read_db(buf_slice(&file), 1, 0, &a, &report), 0);
    assert_int_equal(read_db(buf_slice(&file), 1, 0, &b, &report), 0);
    assert_int_equal(read_db(buf_slice(&file), 1, 1, &bumped, &report), 0);
    assert_int_equal(store_digest(a), store_digest(b));
    assert_int_not_equal(store_digest(a), store_digest(bumped));
    store_free(a);
    store_free(b);
    store_free(bumped);
    store_free(s);
}

static void revisions_can_be_raised(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct store *s = random_store(seed, (int)seed * 10), *got = NULL;
        struct etcd_db_report report;
        autobuf file = BUF_INIT;
        int64_t revision = store_revision(s);
        write_db(s, &file);
        assert_int_equal(read_db(buf_slice(&file), 1, 1000, &got, &report), 0);
        assert_int_equal(store_revision(got), revision + 1000);
        assert_int_equal(store_compact_revision(got), revision + 1000);
        assert_int_equal(store_live_keys(got), store_live_keys(s));
        assert_int_equal(store_live_bytes(got), store_live_bytes(s));
        assert_sound(got);
        store_free(got);
        store_free(s);
    }
}

/* --- files as etcd has them ------------------------------------------------------------------- */

struct edit {
    struct bolt_items items;
    struct bolt_items leases;
    struct bolt_items meta;
    struct buf memory[64];
    size_t n;
};

static struct slice revision_key(struct edit *e, int64_t main, int64_t sub, bool deleted)
{
    struct buf *b = &e->memory[e->n++];
    buf_put_u64(b, (uint64_t)main);
    buf_put_u8(b, '_');
    buf_put_u64(b, (uint64_t)sub);
    if (deleted) {
        buf_put_u8(b, 't');
    }
    return buf_slice(b);
}

/* One version of a one-letter key; version 0: a tombstone. */
static void edit_add(struct edit *e, int64_t main, int64_t sub, char key, int64_t create,
                     int64_t version)
{
    struct slice at = revision_key(e, main, sub, version == 0);
    struct buf *b = &e->memory[e->n++];
    buf_append(b, (uint8_t[]){ 0x0a, 1, (uint8_t)key }, 3);
    if (version != 0) {
        buf_append(b, (uint8_t[]){ 0x10, (uint8_t)create, 0x18, (uint8_t)main, 0x20,
                                   (uint8_t)version, 0x2a, 1, 'v' }, 9);
    }
    bolt_items_add(&e->items, at, buf_slice(b));
}

static int edit_read(struct edit *e, int64_t compacted, struct store **ret,
                     struct etcd_db_report *ret_report)
{
    autobuf file = BUF_INIT;
    uint64_t told;
    if (compacted > 0) {
        bolt_items_add(&e->meta, slice_str("finishedCompactRev"),
                       revision_key(e, compacted, 0, false));
    }
    struct bolt_bucket buckets[] = { bolt_items_bucket("key", &e->items),
                                     bolt_items_bucket("lease", &e->leases),
                                     bolt_items_bucket("meta", &e->meta) };
    bolt_items_file(buckets, 3, 4096, &file, &told);
    int rv = read_db(buf_slice(&file), 1, 0, ret, ret_report);
    if (rv == 0) {
        assert_sound(*ret);
    }
    mem_free(e->items.items);
    mem_free(e->leases.items);
    mem_free(e->meta.items);
    for (size_t i = 0; i < e->n; i++) {
        buf_fini(&e->memory[i]);
    }
    *e = (struct edit){ 0 };
    return rv;
}

static void edit_lease(struct edit *e, uint64_t key, uint64_t id, uint64_t ttl, uint64_t remaining)
{
    struct buf *k = &e->memory[e->n++], *v = &e->memory[e->n++];
    buf_put_u64(k, key);
    pb_wire_put_u64(v, 1, id);
    pb_wire_put_u64(v, 2, ttl);
    pb_wire_put_u64(v, 3, remaining);
    bolt_items_add(&e->leases, buf_slice(k), buf_slice(v));
}

static void leases_come_with_what_is_left_of_them(void **state)
{
    (void)state;
    struct edit e = { 0 };
    struct store *s = NULL;
    struct etcd_db_report report;
    struct lease_info l;
    edit_lease(&e, 1, 1, 100, 0);
    edit_lease(&e, 2, 2, 100, 40);
    edit_lease(&e, 3, 3, 100, 400);
    edit_lease(&e, 4, 4, 0, 0);
    assert_int_equal(edit_read(&e, 0, &s, &report), 0);
    assert_int_equal(report.leases, 4);
    static const int64_t remaining[] = { 100, 40, 100, 1 };
    for (int64_t id = 1; id <= 4; id++) {
        assert_true(store_lease_get(s, id, &l));
        assert_int_equal(l.remaining_ttl_s, remaining[id - 1]);
    }
    store_free(s);
}

static void a_key_whose_lease_is_gone_stays_without_one(void **state)
{
    (void)state;
    struct edit e = { 0 };
    struct store *s = NULL;
    struct etcd_db_report report;
    edit_lease(&e, 5, 5, 100, 0);
    edit_add(&e, 2, 0, 'a', 2, 1);
    edit_add(&e, 3, 0, 'b', 3, 1);
    buf_append(&e.memory[3], "\x30\x05", 2); /* a's lease */
    buf_append(&e.memory[5], "\x30\x06", 2); /* b's: there is none */
    e.items.items[0].value = buf_slice(&e.memory[3]);
    e.items.items[1].value = buf_slice(&e.memory[5]);
    assert_int_equal(edit_read(&e, 0, &s, &report), 0);
    assert_int_equal(report.orphans, 1);
    assert_int_equal(store_live_keys(s), 2);
    struct arena arena;
    struct slice *keys;
    arena_init(&arena);
    assert_int_equal(store_lease_keys(s, 5, &arena, &keys), 1);
    arena_fini(&arena);
    store_free(s);
}

static void leases_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint64_t id, ttl, second_id;
    } rows[] = { { 0, 10, 0 }, { 1, 9000000001, 0 }, { 7, 10, 7 } };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct edit e = { 0 };
        struct store *s = NULL;
        struct etcd_db_report report;
        edit_lease(&e, 1, rows[i].id, rows[i].ttl, 0);
        if (rows[i].second_id != 0) {
            edit_lease(&e, 2, rows[i].second_id, 10, 0);
        }
        assert_int_equal(edit_read(&e, 0, &s, &report), E_CORRUPT);
    }
}

/* k was put and deleted below the floor, as in a file whose compaction has not swept yet. */
static void what_was_deleted_before_the_compacted_revision_is_gone(void **state)
{
    (void)state;
    struct edit e = { 0 };
    struct store *s = NULL;
    struct etcd_db_report report;
    edit_add(&e, 2, 0, 'k', 2, 1);
    edit_add(&e, 3, 0, 'k', 2, 2);
    edit_add(&e, 4, 0, 'k', 0, 0);
    edit_add(&e, 5, 0, 'a', 5, 1);
    edit_add(&e, 6, 0, 'b', 6, 1);
    assert_int_equal(edit_read(&e, 6, &s, &report), 0);
    assert_int_equal(store_compact_revision(s), 6);
    assert_int_equal(store_live_keys(s), 2);
    store_free(s);
}

static void a_revision_is_not_lowered(void **state)
{
    (void)state;
    struct etcd_db_report report;
    struct store *s = NULL;
    autobuf file = BUF_INIT;
    struct store *empty = store_new(NULL);
    write_db(empty, &file);
    assert_int_equal(read_db(buf_slice(&file), 1, -1, &s, &report), E_INVAL);
    assert_int_equal(read_db(buf_slice(&file), 1, INT64_MAX, &s, &report), E_INVAL);
    assert_int_equal(read_db(slice_make("no database", 11), 1, 0, &s, &report), E_CORRUPT);
    store_free(empty);
}

/* k at 7 and 9, compacted at 9, a at 10: what k was at 8 is gone, so 9's change is not told. */
static void what_etcd_has_swept_is_refused_and_not_invented(void **state)
{
    (void)state;
    struct edit e = { 0 };
    struct store *s = NULL;
    struct etcd_db_report report;
    edit_add(&e, 9, 0, 'k', 7, 2);
    edit_add(&e, 10, 0, 'a', 10, 1);
    assert_int_equal(edit_read(&e, 9, &s, &report), 0);
    assert_int_equal(report.file_compacted, 9);
    assert_int_equal(store_compact_revision(s), 10);
    assert_int_equal(store_revision(s), 10);
    assert_int_equal(store_live_keys(s), 2);
    store_free(s);
}

static void a_file_that_is_compacted_at_its_end_gets_one_revision_more(void **state)
{
    (void)state;
    struct edit e = { 0 };
    struct store *s = NULL;
    struct etcd_db_report report;
    edit_add(&e, 9, 0, 'k', 7, 2);
    assert_int_equal(edit_read(&e, 12, &s, &report), 0); /* 12 deleted something */
    assert_int_equal(report.file_revision, 12);
    assert_int_equal(store_revision(s), 13);
    assert_int_equal(store_compact_revision(s), 13);
    assert_int_equal(store_live_keys(s), 1);
    store_free(s);
    edit_add(&e, 12, 0, 'k', 12, 1); /* whole: nothing is missing at 12 */
    assert_int_equal(edit_read(&e, 12, &s, &report), 0);
    assert_int_equal(store_revision(s), 12);
    assert_int_equal(store_compact_revision(s), 12);
    store_free(s);
}

static void a_file_without_keys_is_an_empty_store(void **state)
{
    (void)state;
    struct edit e = { 0 };
    struct store *s = NULL;
    struct etcd_db_report report;
    assert_int_equal(edit_read(&e, 0, &s, &report), 0);
    assert_int_equal(store_revision(s), 1);
    assert_int_equal(store_live_keys(s), 0);
    store_free(s);
}

static void what_no_store_can_be_is_refused(void **state)
{
    (void)state;
    static const struct {
        int64_t compacted;
        struct {
            int64_t main, sub;
            char key;
            int64_t create, version;
        } v[3];
    } rows[] = {
        { 0, { { 2, 0, 'a', 2, 1 }, { 4, 0, 'b', 4, 1 } } },  /* 3 is missing */
        { 0, { { 3, 0, 'a', 3, 1 } } },                       /* 2 is missing */
        { 0, { { 2, 1, 'a', 2, 1 } } },                       /* 2's first change is missing */
        { 0, { { 2, 0, 'a', 2, 2 } } },                       /* version 1 is missing */
        { 0, { { 2, 0, 'a', 2, 1 }, { 3, 0, 'a', 3, 2 } } },  /* created twice */
        { 0, { { 2, 0, 'a', 0, 0 } } },                       /* a delete of nothing */
        { 5, { { 4, 0, 'a', 4, 2 } } },                       /* a first version is 1 */
        { 5, { { 4, 0, 'a', 0, 3 } } },                       /* created never */
        { 0, { { 1, 0, 'a', 1, 1 } } },                       /* revision 1 is the empty store */
        { 0, { { 2, 0, 'a', 2, 1 }, { 3, 0, 'a', 2, 3 } } },  /* version 2 is missing */
        { 5, { { 4, 0, 'a', 5, 2 } } },                       /* created after it was changed */
        { 5, { { 7, 0, 'a', 7, 1 } } },                       /* 6 is missing */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct edit e = { 0 };
        struct store *s = NULL;
        struct etcd_db_report report;
        for (size_t k = 0; k < 3 && rows[i].v[k].main != 0; k++) {
            edit_add(&e, rows[i].v[k].main, rows[i].v[k].sub, rows[i].v[k].key,
                     rows[i].v[k].create, rows[i].v[k].version);
        }
        assert_int_equal(edit_read(&e, rows[i].compacted, &s, &report), E_CORRUPT);
        assert_null(s);
    }
}

/* A random store's file as etcd would have left it after compacting at `at`. */
static void sweep_like_etcd(struct slice file, int64_t at, struct buf *out)
{
    struct err err = ERR_INIT;
    struct bolt b;
    struct bolt_cursor c;
    struct bolt_items all = { 0 }, kept = { 0 }, meta = { 0 }, leases = { 0 };
    assert_int_equal(bolt_open(&b, file, &err), 0);
    assert_int_equal(bolt_bucket_seek(&b, "key", &c, &err), 0);
    assert_int_equal(bolt_items_read(&c, &all, &err), 0);
    assert_int_equal(bolt_bucket_seek(&b, "lease", &c, &err), 0);
    assert_int_equal(bolt_items_read(&c, &leases, &err), 0);
    uint8_t mark[17] = { 0 };
    mark[6] = (uint8_t)(at >> 8);
    mark[7] = (uint8_t)at;
    mark[8] = '_';
    for (size_t i = 0; i < all.n; i++) {
        bool old = memcmp(all.items[i].key.data, mark, 8) <= 0, superseded = false;
        struct slice key = all.items[i].value; /* field 1 and its length come first */
        size_t len = 2 + (size_t)key.data[1];
        for (size_t k = i + 1; k < all.n; k++) {
            superseded = superseded || (memcmp(all.items[k].key.data, mark, 8) <= 0 &&
                                        memcmp(all.items[k].value.data, key.data, len) == 0);
        }
        if (!old || (!superseded && all.items[i].key.len == 17)) {
            bolt_items_add(&kept, all.items[i].key, all.items[i].value);
        }
    }
    bolt_items_add(&meta, slice_str("scheduledCompactRev"), slice_make(mark, sizeof mark));
    struct bolt_bucket buckets[] = { bolt_items_bucket("key", &kept),
                                     bolt_items_bucket("lease", &leases),
                                     bolt_items_bucket("meta", &meta) };
    uint64_t told;
    bolt_items_file(buckets, 3, 4096, out, &told);
    mem_free(all.items);
    mem_free(kept.items);
    mem_free(meta.items);
    mem_free(leases.items);
}

static void what_is_left_reads_as_before(void **state)
{
    (void)state;
    unsigned whole = 0, cut = 0, raised = 0;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        struct store *s = random_store(seed, 60 + (int)seed), *got = NULL;
        struct etcd_db_report report;
        autobuf file = BUF_INIT, swept = BUF_INIT;
        int64_t revision = store_revision(s);
        int64_t at = seed % 4 == 0 ? revision : store_compact_revision(s) +
                     (int64_t)(seed % (uint64_t)(revision - store_compact_revision(s) + 1));
        at = at > 2 ? at : 2;
        write_db(s, &file);
        sweep_like_etcd(buf_slice(&file), at, &swept);
        assert_int_equal(read_db(buf_slice(&swept), 1, 0, &got, &report), 0);
        int64_t compacted = store_compact_revision(got);
        assert_true(compacted == at || compacted == at + 1);
        assert_true(store_revision(got) == (compacted > revision ? revision + 1 : revision));
        whole += compacted == at;
        cut += compacted > at;
        raised += compacted > revision;
        assert_same_reads(s, got, compacted, revision);
        assert_int_equal(store_live_keys(s), store_live_keys(got));
        assert_sound(got);
        store_free(got);
        store_free(s);
    }
    assert_true(whole > 0);
    assert_true(cut > 0);
    assert_true(raised > 0);
}

static void damage_in_a_file_is_told_or_harmless(void **state)
{
    (void)state;
    struct store *s = random_store(9, 200);
    struct rng r;
    autobuf file = BUF_INIT;
    rng_init(&r, 3);
    write_db(s, &file);
    for (int i = 0; i < 2000; i++) {
        struct store *got = NULL;
        struct etcd_db_report report;
        size_t at = rng_range(&r, 3 * 4096, file.len - 1);
        uint8_t was = file.data[at];
        file.data[at] = (uint8_t)rng_u64(&r);
        if (read_db(buf_slice(&file), 1, 0, &got, &report) == 0) {
            assert_sound(got);
            store_free(got);
        }
        file.data[at] = was;
    }
    store_free(s);
}

int test_etcd_db_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_is_read_as_it_was_written),
        cmocka_unit_test(members_that_read_one_file_agree),
        cmocka_unit_test(revisions_can_be_raised),
        cmocka_unit_test(leases_come_with_what_is_left_of_them),
        cmocka_unit_test(a_key_whose_lease_is_gone_stays_without_one),
        cmocka_unit_test(leases_that_cannot_be_are_refused),
        cmocka_unit_test(what_was_deleted_before_the_compacted_revision_is_gone),
        cmocka_unit_test(a_revision_is_not_lowered),
        cmocka_unit_test(what_etcd_has_swept_is_refused_and_not_invented),
        cmocka_unit_test(a_file_that_is_compacted_at_its_end_gets_one_revision_more),
        cmocka_unit_test(a_file_without_keys_is_an_empty_store),
        cmocka_unit_test(what_no_store_can_be_is_refused),
        cmocka_unit_test(what_is_left_reads_as_before),
        cmocka_unit_test(damage_in_a_file_is_told_or_harmless),
    };
    return cmocka_run_group_tests_name("store/etcd_db", tests, NULL, NULL);
}
