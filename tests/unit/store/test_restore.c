/* A snapshot that no store can have written is refused, and the reason is told: the checksum of
 * these is right, so it is the frames themselves that do not fit. */
#include <stdio.h>

#include "lib/base/assert.h"
#include "store/snapshot.h"
#include "tests/unit/store/mp_text.h"
#include "tests/unit/store/snapshot_bytes.h"
#include "tests/unit/store/tests.h"

/* Revision 3, compacted at 0 or at 3; index 5, digest 6. */
#define HEAD "1 'barque-store' 1 3 0 5 6 | "
#define SWEPT "1 'barque-store' 1 3 3 5 6 | "
#define LEASE "2 7 60 30 | "
#define A2 "3 'a' 0 2 0 'v' 2 1 0 "
#define B3 "'b' 0 3 0 'v' 3 1 0 "

static struct store *restore(const char *text, size_t chunk, struct err *err)
{
    autobuf bytes = BUF_INIT;
    snapshot_text(text, &bytes);
    return snapshot_restore(buf_slice(&bytes), chunk, NULL, err);
}

static void what_is_sound_is_read_in_chunks_of_any_size(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t revision, compacted;
        size_t keys;
    } rows[] = {
        { HEAD A2 B3 "| 4 2 #", 3, 0, 2 },
        { HEAD LEASE A2 "| 3 'b' 0 3 0 'v' 3 1 7 | 4 2 #", 3, 0, 2 },
        { HEAD A2 "N 1 3 0 | 4 2 #", 3, 0, 0 },
        { SWEPT "3 'a' 0 2 0 'v' 1 2 0 N 0 3 0 'v' 1 3 0 | 4 2 #", 3, 3, 1 },
        { HEAD "6 [ 1 9 F '' ] [ 2 'r' ] | " A2 B3 "| 4 2 #", 3, 0, 2 },
        { "1 'barque-store' 1 1 0 0 0 | 4 0 #", 1, 0, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t chunk = 1; chunk < 300; chunk = 3 * chunk + 1) {
            struct err err = ERR_INIT;
            struct store *s = restore(rows[i].text, chunk, &err);
            assert_string_equal(err.msg, "");
            assert_non_null(s);
            assert_int_equal(store_revision(s), rows[i].revision);
            assert_int_equal(store_compact_revision(s), rows[i].compacted);
            assert_int_equal(store_live_keys(s), rows[i].keys);
            store_free(s);
        }
    }
}

static const struct {
    const char *text, *want;
} refused[] = {
    /* frames */
    { LEASE, "the head is missing or told twice" },
    { "! | ", "the head is missing or told twice" },
    { HEAD HEAD, "the head is missing or told twice" },
    { HEAD "7 7 | ", "unknown kind of frame" },
    { HEAD A2 B3 "| 4 2 # | 3 ", "bytes after the end" },
    { HEAD A2 B3 "| 3 ", "it ends too early" },
    /* the head */
    { "1 'barque-stone' 1 3 0 5 6 | ", "this is not the head of a snapshot" },
    { "1 'barque-store' 1 3 0 5 6 7 | ", "this is not the head of a snapshot" },
    { "1 'barque-store' 1 3 0 5 | ", "this is not the head of a snapshot" },
    { "1 'barque-store' 2 3 0 5 6 | ", "unknown format version" },
    { "1 'barque-store' 1 0 0 5 6 | ", "impossible revisions" },
    { "1 'barque-store' 1 4611686018427387904 0 5 6 | ", "impossible revisions" },
    { "1 'barque-store' 1 3 -1 5 6 | ", "impossible revisions" },
    { "1 'barque-store' 1 3 4 5 6 | ", "impossible revisions" },
    /* leases */
    { HEAD "2 7 60 | ", "a lease is malformed" },
    { HEAD "2 0 60 30 | ", "a lease is malformed" },
    { HEAD "2 7 0 30 | ", "a lease is malformed" },
    { HEAD "2 7 9000000001 30 | ", "a lease is malformed" },
    { HEAD "2 7 60 0 | ", "a lease is malformed" },
    { HEAD "2 7 60 61 | ", "a lease is malformed" },
    { HEAD LEASE LEASE, "leases are out of order" },
    { HEAD A2 "| " LEASE, "leases are out of order" },
    { HEAD LEASE A2 "'b' 0 3 0 'v' 3 1 8 | 4 2 #", "a key hangs on an unknown lease" },
    { HEAD "3 'a' 0 2 0 'v' 2 1 7 " B3 "| 4 2 #", "a key hangs on an unknown lease" },
    /* alarms */
    { HEAD "5 7 1 | ", "alarms are malformed" },
    { HEAD "5 7 0 0 | ", "alarms are malformed" },
    { HEAD "5 7 3 0 | ", "alarms are malformed" },
    { HEAD "5 7 1 2 | ", "alarms are malformed" },
    { HEAD "5 7 1 0 7 1 0 | ", "alarms are malformed" },
    { HEAD "5 7 2 0 7 1 0 | ", "alarms are malformed" },
    { HEAD A2 "| 5 7 1 0 | ", "alarms are malformed" },
    /* users and roles */
    { HEAD "6 [ 2 'r' ] | ", "users or roles are malformed" },
    { HEAD A2 "| 6 [ 1 9 F '' ] | ", "users or roles are malformed" },
    /* records */
    { HEAD "3 'a' 0 2 0 'v' 2 1 | ", "a record is malformed" },
    { HEAD "3 'a' 1 2 | ", "a record is malformed" },
    { HEAD "3 'a' 0 2 -1 'v' 2 1 0 | ", "a record is malformed" },
    { HEAD "3 'a' 0 2 2147483648 'v' 2 1 0 | ", "a record is malformed" },
    { HEAD "3 N 0 2 0 'v' 2 1 0 | ", "a record has no key" },
    { HEAD "3 '' 0 2 0 'v' 2 1 0 | ", "keys are out of order" },
    { HEAD A2 "'a' 0 3 0 'v' 3 1 0 | ", "keys are out of order" },
    { HEAD "3 " B3 "'a' 0 2 0 'v' 2 1 0 | ", "keys are out of order" },
    { HEAD "3 'a' 0 1 0 'v' 1 1 0 | ", "a version does not follow from the one before it" },
    { HEAD "3 'a' 0 4 0 'v' 4 1 0 | ", "a version does not follow from the one before it" },
    { HEAD "3 'a' 1 2 0 | ", "a version does not follow from the one before it" },
    { HEAD "3 'a' 0 2 0 'v' 1 1 0 | ", "a version does not follow from the one before it" },
    { HEAD "3 'a' 0 3 0 'v' 2 2 0 | ", "a version does not follow from the one before it" },
    { HEAD A2 "N 0 3 0 'v' 2 3 0 | ", "a version does not follow from the one before it" },
    { HEAD A2 "N 0 3 0 'v' 3 2 0 | ", "a version does not follow from the one before it" },
    { HEAD A2 "N 0 2 0 'v' 2 2 0 | ", "a version does not follow from the one before it" },
    { HEAD "3 " B3 "N 0 2 1 'v' 3 2 0 | ",
      "a version does not follow from the one before it" },
    { HEAD A2 "N 1 3 0 N 1 3 1 | ", "a version does not follow from the one before it" },
    { HEAD A2 "N 1 3 0 N 0 3 1 'v' 2 2 0 | ",
      "a version does not follow from the one before it" },
    { SWEPT A2 "N 0 2 1 'v' 2 2 0 | ", "a version does not follow from the one before it" },
    { SWEPT "3 'a' 0 2 0 'v' 0 2 0 | ", "a version does not follow from the one before it" },
    { SWEPT "3 'a' 0 2 0 'v' 3 2 0 | ", "a version does not follow from the one before it" },
    { SWEPT "3 'a' 0 2 0 'v' 1 0 0 | ", "a version does not follow from the one before it" },
    { SWEPT "3 'a' 0 2 0 'v' 1 9223372036854775807 0 N 0 3 0 'v' 1 3 0 | ",
      "a version does not follow from the one before it" },
    /* the end */
    { HEAD A2 B3 "| 4 2 # 1", "the number of records differs" },
    { HEAD A2 B3 "| 4 3 #", "the number of records differs" },
    { HEAD A2 B3 "| 4 2 1", "the checksum differs" },
    /* the whole */
    { HEAD A2 "| 4 1 #", "revisions are missing" },
    { HEAD A2 "'b' 0 2 1 'v' 2 1 0 | 4 2 #", "a revision is missing" },
    { HEAD A2 "'b' 0 3 1 'v' 3 1 0 | 4 2 #", "a change of a revision is missing" },
    { HEAD A2 B3 "'c' 0 3 0 'v' 3 1 0 | 4 3 #", "a change of a revision is missing" },
};

static void what_no_store_can_have_written_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        char want[128] = "";
        snprintf(want, sizeof want, "snapshot: %s", refused[i].want);
        for (size_t chunk = 1; chunk < 300; chunk = 17 * chunk) {
            struct err err = ERR_INIT;
            assert_null(restore(refused[i].text, chunk, &err));
            if (strcmp(err.msg, want) != 0) {
                fail_msg("%s\n  told \"%s\",\n  want \"%s\"", refused[i].text, err.msg, want);
            }
        }
    }
}

static void a_frame_is_neither_empty_nor_longer_than_any(void **state)
{
    (void)state;
    static const uint32_t lengths[] = { 0, SNAPSHOT_FRAME_MAX + 1, UINT32_MAX };
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct err err = ERR_INIT;
        autobuf bytes = BUF_INIT;
        snapshot_text(HEAD, &bytes);
        buf_put_u32(&bytes, lengths[i]);
        assert_null(snapshot_restore(buf_slice(&bytes), 7, NULL, &err));
        assert_string_equal(err.msg, "snapshot: impossible frame length");
    }
}

static void a_snapshot_that_is_cut_is_refused(void **state)
{
    (void)state;
    autobuf bytes = BUF_INIT;
    snapshot_text(HEAD LEASE A2 B3 "| 4 2 #", &bytes);
    size_t whole = bytes.len;
    buf_put_u8(&bytes, 0); /* and one that goes on */
    for (size_t len = 0; len <= bytes.len; len++) {
        struct err err = ERR_INIT;
        struct store *s = snapshot_restore(slice_make(bytes.data, len), 1000, NULL, &err);
        assert_int_equal(s != NULL, len == whole);
        if (s == NULL) {
            assert_string_equal(err.msg, "snapshot: it ends too early");
        }
        store_free(s);
    }
}

static void nothing_is_given_up_or_unpinned_twice(void **state)
{
    (void)state;
    struct store *s = store_new(NULL);
    store_restore_abort(NULL);
    store_unpin(s, NULL);
    store_free(s);
}

int test_restore_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sound_is_read_in_chunks_of_any_size),
        cmocka_unit_test(what_no_store_can_have_written_is_refused),
        cmocka_unit_test(a_frame_is_neither_empty_nor_longer_than_any),
        cmocka_unit_test(a_snapshot_that_is_cut_is_refused),
        cmocka_unit_test(nothing_is_given_up_or_unpinned_twice),
    };
    return cmocka_run_group_tests_name("store/restore", tests, NULL, NULL);
}
