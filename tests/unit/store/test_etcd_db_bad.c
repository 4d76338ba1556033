/* etcd's database file with what etcd does not write: each bucket's malformed values, one by one.
 * What is only odd is read as etcd would read it. */
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/codec/pb_wire.h"
#include "store/auth.h"
#include "store/etcd_db.h"
#include "tests/unit/lib/codec/bolt_items.h"
#include "tests/unit/store/snapshot_bytes.h"
#include "tests/unit/store/tests.h"

/* Bytes of a literal, zeros and all. */
#define B(s) { (const uint8_t *)(s), sizeof(s) - 1 }

enum { BUCKETS = 6, KEY = 3, LEASE = 4, META = 5 };
static const char *const NAMES[BUCKETS] = { "auth", "authRoles", "authUsers",
                                            "key",  "lease",     "meta" };

struct file {
    struct bolt_items items[BUCKETS];
    bool left_out[BUCKETS];
};

static void file_add(struct file *f, const char *bucket, struct slice key, struct slice value)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        if (strcmp(NAMES[i], bucket) == 0) {
            bolt_items_add(&f->items[i], key, value);
        }
    }
}

static void file_bytes(struct file *f, struct buf *out)
{
    struct bolt_bucket buckets[BUCKETS];
    size_t n = 0;
    uint64_t told;
    for (size_t i = 0; i < BUCKETS; i++) {
        if (!f->left_out[i]) {
            buckets[n++] = bolt_items_bucket(NAMES[i], &f->items[i]);
        }
    }
    bolt_items_file(buckets, n, 1 << 20, out, &told);
    for (size_t i = 0; i < BUCKETS; i++) {
        mem_free(f->items[i].items);
    }
    *f = (struct file){ 0 };
}

static int read_bytes(struct slice bytes, struct store **ret, struct etcd_db_report *ret_report,
                      struct err *err)
{
    struct etcd_db_options o = { .applied_index = 1 };
    int rv = etcd_db_read(bytes, &o, ret, ret_report, err);
    if (rv == 0) {
        autobuf a = BUF_INIT;
        snapshot_bytes(*ret, &a);
        struct store *again = snapshot_restore(buf_slice(&a), 1 << 20, NULL, err);
        assert_string_equal(err->msg, "");
        store_free(again);
    }
    return rv;
}

static int file_read(struct file *f, struct store **ret, struct etcd_db_report *ret_report,
                     struct err *err)
{
    autobuf bytes = BUF_INIT;
    file_bytes(f, &bytes);
    return read_bytes(buf_slice(&bytes), ret, ret_report, err);
}

/* --- malformed -------------------------------------------------------------------------------- */

#define AT2 "\0\0\0\0\0\0\0\2_\0\0\0\0\0\0\0\0"
#define AT4 "\0\0\0\0\0\0\0\4_\0\0\0\0\0\0\0\0"
#define K "\x0a\1k\x10\2\x18\2\x20\1\x2a\1v"
#define ROLE "database: a role is malformed"
#define USER "database: a user is malformed"
#define REVISION "database: a revision is malformed"
#define VERSION "database: a version is malformed"
#define NUMBERS "database: a version's numbers are impossible"
#define LEASES "database: a lease is malformed"
#define COMPACTED "database: the compacted revision is malformed"

static const struct {
    const char *bucket;
    struct slice key, value;
    int64_t compacted;
    const char *want;
} bad[] = {
    { "authRoles", B("r"), B("\x0a\1s"), 0, ROLE },             /* another one's name */
    { "authRoles", B("r"), B("\x08\1"), 0, ROLE },              /* a name that is a number */
    { "authRoles", B("r"), B("\x0a\2r"), 0, ROLE },             /* cut */
    { "authRoles", B("r"), B("\x12\0"), 0, ROLE },              /* a permission without a key */
    { "authRoles", B("r"), B("\x12\3\x12\2k"), 0, ROLE },       /* a permission that is cut */
    { "authRoles", B("r"), B("\x12\5\x08\3\x12\1k"), 0, ROLE }, /* no such kind of access */
    { "authRoles", B("r"), B("\x12\6\x12\1k\x1a\1k"), 0, ROLE },
    { "authRoles", B("r"), B("\x12\2\x10\1"), 0, ROLE },        /* a key that is a number */
    { "authUsers", B("u"), B("\x0a\1v"), 0, USER },
    { "authUsers", B("u"), B("\x08\1"), 0, USER },
    { "authUsers", B("u"), B("\x12\2s"), 0, USER },
    { "authUsers", B("u"), B("\x1a\0"), 0, USER },              /* a role without a name */
    { "authUsers", B("u"), B("\x1a\1r\x1a\1s\x1a\1r"), 0, USER },
    { "auth", B("authRevision"), B("\x40\0\0\0\0\0\0\0"), 0,
      "database: the revision of users and roles is impossible" },
    { "key", B("\0\0\0\0\0\0\0\2_\0\0\0\0\0\0\0"), B(K), 0, REVISION },      /* too short */
    { "key", B(AT2 "d"), B(K), 0, REVISION },                 /* no tombstone's mark */
    { "key", B(AT2 "tt"), B(K), 0, REVISION },
    { "key", B("\0\0\0\0\0\0\0\2-\0\0\0\0\0\0\0\0"), B(K), 0, REVISION },
    { "key", B("\0\0\0\0\0\0\0\1_\0\0\0\0\0\0\0\0"), B(K), 0, REVISION },    /* before the first */
    { "key", B("\x20\0\0\0\0\0\0\0_\0\0\0\0\0\0\0\0"), B(K), 0, REVISION },
    { "key", B("\0\0\0\0\0\0\0\2_\0\0\0\0\x80\0\0\0"), B(K), 0, REVISION },
    { "key", B(AT2), B("\x0a\2k"), 0, VERSION },              /* cut */
    { "key", B(AT2), B("\x10\2\x18\2\x20\1"), 0, VERSION },   /* no key */
    { "key", B(AT2), B("\x08\1\x18\2\x20\1"), 0, VERSION },   /* a key that is a number */
    { "key", B(AT2), B("\x0a\1k\x10\2\x18\3\x20\1"), 0, VERSION }, /* another revision's */
    { "key", B(AT2), B("\x0a\1k\x10\2\x18\2"), 5, NUMBERS },  /* version 0 */
    { "key", B(AT2), B("\x0a\1k\x18\2\x20\2"), 5, NUMBERS },  /* never created */
    { "key", B(AT2), B("\x0a\1k\x10\3\x18\2\x20\2"), 5, NUMBERS },
    { "key", B(AT2), B("\x0a\1k\x10\1\x18\2\x20\1"), 5, NUMBERS }, /* one change, two revisions */
    { "key", B(AT2), B("\x0a\1k\x10\2\x18\2\x20\2"), 5, NUMBERS },
    { "key", B(AT2), B("\x0a\1k\x10\1\x18\2\x20\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), 5,
      NUMBERS },                                              /* could not be counted on from */
    { "key", B(AT2), B("\x0a\1k\x10\1\x18\2\x20\1"), 0,
      "database: revision 2: a version does not follow from the one before it" },
    { "key", B(AT4), B("\x0a\1k\x10\4\x18\4\x20\1"), 0,
      "database: changes between revisions 1 and 4 are missing" },
    { "lease", B("\0\0\0\0\0\0\0\7"), B("\x08\7\x10"), 0, LEASES },
    { "lease", B("\0\0\0\0\0\0\0\7"), B("\x10\x3c"), 0, LEASES },        /* id 0 */
    { "lease", B("\0\0\0\0\0\0\0\7"), B("\x0a\1\7\x10\x3c"), 0, LEASES },/* an id that is bytes */
    { "lease", B("\0\0\0\0\0\0\0\7"), B("\x08\7\x10\x81\xb4\xc4\xc3\x21"), 0, LEASES },
    { "lease", B("\0\0\0\0\0\0\0\7"), B("\x08\5\x10\x3c"), 0, LEASES },  /* 5 is told before */
    { "meta", B("scheduledCompactRev"), B("\0\0\0\0\0\0\0\2"), 0, COMPACTED },
    { "meta", B("finishedCompactRev"), B(""), 0, COMPACTED },
};

static void what_etcd_does_not_write_is_refused_with_the_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct file f = { 0 };
        struct store *s = NULL;
        struct etcd_db_report report;
        struct err err = ERR_INIT;
        file_add(&f, "lease", (struct slice)B("\0\0\0\0\0\0\0\5"), slice_str("\x08\5\x10\x3c"));
        if (bad[i].compacted > 0) {
            file_add(&f, "meta", slice_str("finishedCompactRev"), (struct slice)B(AT4));
        }
        file_add(&f, bad[i].bucket, bad[i].key, bad[i].value);
        int rv = file_read(&f, &s, &report, &err);
        if (rv != E_CORRUPT || strcmp(err.msg, bad[i].want) != 0) {
            fail_msg("row %zu: %d, \"%s\", want \"%s\"", i, rv, err.msg, bad[i].want);
        }
        assert_null(s);
    }
}

/* --- odd, and read ---------------------------------------------------------------------------- */

static void what_is_of_a_newer_etcd_is_passed_over(void **state)
{
    (void)state;
    struct file f = { 0 };
    struct store *s = NULL;
    struct etcd_db_report report;
    struct err err = ERR_INIT;
    file_add(&f, "auth", slice_str("authLater"), slice_str("x"));
    file_add(&f, "auth", slice_str("authRevision"), slice_str("short"));
    file_add(&f, "authRoles", slice_str("r"),
             (struct slice)B("\x10\1\x7a\1x\x12\x10\x0a\1x\x12\1k\x18\1\x1a\1m\x22\1x\x08\2"));
    file_add(&f, "authUsers", slice_str("u"), (struct slice)B("\x10\1\x18\1\x20\1\x7a\1x\x1a\1r"));
    file_add(&f, "key", (struct slice)B(AT2), (struct slice)B(K "\x7a\1x"));
    file_add(&f, "lease", slice_str("?"), slice_str("\x08\7\x10\x3c\x20\1\x7a\1x\x12\1x"));
    file_add(&f, "meta", slice_str("later"), slice_str("x"));
    assert_int_equal(file_read(&f, &s, &report, &err), 0);
    const struct auth_role *r = auth_role(store_auth(s), slice_str("r"));
    assert_int_equal(r->n, 1);
    assert_int_equal(r->permissions[0].access, ACCESS_READ_WRITE);
    assert_true(slice_eq(r->permissions[0].range_end, slice_str("m")));
    assert_true(auth_user_has(auth_user(store_auth(s), slice_str("u")), slice_str("r")));
    assert_int_equal(store_live_keys(s), 1);
    assert_int_equal(report.leases, 1);
    store_free(s);
}

static void a_lease_of_odd_times_is_given_some(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        int64_t ttl, remaining;
    } rows[] = {
        { "\x08\7\x10\x3c", 60, 60 },
        { "\x08\7\x10\x3c\x18\x1e", 60, 30 },
        { "\x08\7\x10\x3c\x18\x3c", 60, 60 },
        { "\x08\7\x10\x3c\x18\x7f", 60, 60 },
        { "\x08\7", 1, 1 },
        { "\x08\7\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 1, 1 },
        { "\x08\7\x10\x3c\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 60, 60 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct file f = { 0 };
        struct store *s = NULL;
        struct etcd_db_report report;
        struct err err = ERR_INIT;
        struct lease_info *leases;
        struct arena arena;
        arena_init(&arena);
        file_add(&f, "lease", slice_str("?"), slice_str(rows[i].value));
        assert_int_equal(file_read(&f, &s, &report, &err), 0);
        assert_int_equal(store_leases(s, &arena, &leases), 1);
        assert_int_equal(leases[0].ttl_s, rows[i].ttl);
        assert_int_equal(leases[0].remaining_ttl_s, rows[i].remaining);
        arena_fini(&arena);
        store_free(s);
    }
}

static void a_key_whose_lease_is_gone_is_told_and_stays(void **state)
{
    (void)state;
    for (unsigned there = 0; there < 2; there++) {
        struct file f = { 0 };
        struct store *s = NULL;
        struct etcd_db_report report;
        struct err err = ERR_INIT;
        file_add(&f, "key", (struct slice)B(AT2), (struct slice)B(K "\x30\7"));
        f.left_out[LEASE] = there == 0;
        if (there == 1) {
            file_add(&f, "lease", slice_str("?"), slice_str("\x08\7\x10\x3c"));
        }
        assert_int_equal(file_read(&f, &s, &report, &err), 0);
        assert_int_equal(report.orphans, 1 - there);
        assert_int_equal(store_live_keys(s), 1);
        store_free(s);
    }
}

/* At or below the floor only the newest state of a key is kept, and a delete may be all that is
 * there of one. */
static void what_was_swept_in_part_is_read(void **state)
{
    (void)state;
    struct file f = { 0 };
    struct store *s = NULL;
    struct etcd_db_report report;
    struct err err = ERR_INIT;
    file_add(&f, "key", (struct slice)B(AT2), (struct slice)B(K));
    file_add(&f, "key", (struct slice)B(AT2 "t"), (struct slice)B("\x0a\1x"));
    file_add(&f, "key", (struct slice)B(AT4 "t"), (struct slice)B("\x0a\1k"));
    file_add(&f, "meta", slice_str("finishedCompactRev"),
             (struct slice)B("\0\0\0\0\0\0\0\6_\0\0\0\0\0\0\0\0"));
    assert_int_equal(file_read(&f, &s, &report, &err), 0);
    assert_int_equal(store_live_keys(s), 0);
    assert_int_equal(report.file_revision, 6);
    store_free(s);
}

/* --- when authentication stays on ------------------------------------------------------------- */

static void authentication_is_on_only_if_root_can_log_in(void **state)
{
    (void)state;
    static const struct {
        struct slice enabled;
        const char *root;
        bool on, off;
    } rows[] = {
        { B("\1"), "\x12\x09$scrypt$1\x1a\4root", true, false },
        { B("\1"), "\x12\x09$scrypt$1\x1a\4boot", false, true },
        { B("\1"), "\x1a\4root", false, true },                        /* no password */
        { B("\1"), "\x12\x09$bcrypt$1\x1a\4root", false, true },      /* nobody can check it */
        { B("\1"), "\x12\3$2a\x1a\4root", false, true },
        { B("\1"), NULL, false, true },
        { B("\0"), "\x12\x09$scrypt$1\x1a\4root", false, false },
        { B("\2"), "\x12\x09$scrypt$1\x1a\4root", false, false },
        { B("\1\1"), "\x12\x09$scrypt$1\x1a\4root", false, false },
        { B("\0"), NULL, false, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct file f = { 0 };
        struct store *s = NULL;
        struct etcd_db_report report;
        struct err err = ERR_INIT;
        file_add(&f, "auth", slice_str("authEnabled"), rows[i].enabled);
        if (rows[i].root != NULL) {
            file_add(&f, "authUsers", slice_str("root"), slice_str(rows[i].root));
        }
        assert_int_equal(file_read(&f, &s, &report, &err), 0);
        assert_int_equal(store_auth(s)->enabled, rows[i].on);
        assert_int_equal(report.auth_off, rows[i].off);
        assert_int_equal(report.auth_enabled, rows[i].on || rows[i].off);
        store_free(s);
    }
}

static void something_of_users_is_a_revision_of_its_own(void **state)
{
    (void)state;
    static uint8_t long_key[LIMIT_AUTH_SECRET_BYTES + 1];
    const struct {
        const char *bucket, *key;
        struct slice value;
        uint64_t want;
    } rows[] = {
        { "auth", "authEnabled", B("\0"), 1 },
        { "auth", "authEnabled", B("\1"), 2 },
        { "auth", "authRevision", B("\0\0\0\0\0\0\0\0"), 1 },
        { "auth", "authRevision", B("\0\0\0\0\0\0\0\7"), 7 },
        { "auth", "barqueTokenKey", B("key"), 2 },
        { "auth", "barqueTokenKey", { long_key, sizeof long_key }, 1 }, /* not one of ours */
        { "authRoles", "r", B(""), 2 },
        { "authUsers", "u", B(""), 2 },
        { "authUsers", "u", B("\x22\2\x08\1"), 2 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct file f = { 0 };
        struct store *s = NULL;
        struct etcd_db_report report;
        struct err err = ERR_INIT;
        file_add(&f, rows[i].bucket, slice_str(rows[i].key), rows[i].value);
        assert_int_equal(file_read(&f, &s, &report, &err), 0);
        assert_int_equal(store_auth(s)->revision, rows[i].want);
        store_free(s);
    }
}

static void options_say_who_has_no_password(void **state)
{
    (void)state;
    static const struct {
        struct slice value;
        bool none;
    } rows[] = {
        { B("\x22\2\x08\1"), true },      { B("\x22\2\x08\0"), false },
        { B("\x22\2\x10\1"), false },     { B("\x22\3\x0a\1\1"), false },
        { B("\x22\4\x08\1\x10\0"), true }, { B("\x22\0"), false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct file f = { 0 };
        struct store *s = NULL;
        struct etcd_db_report report;
        struct err err = ERR_INIT;
        file_add(&f, "authUsers", slice_str("u"), rows[i].value);
        assert_int_equal(file_read(&f, &s, &report, &err), 0);
        assert_int_equal(auth_user(store_auth(s), slice_str("u"))->no_password, rows[i].none);
        store_free(s);
    }
}

/* --- bounds ----------------------------------------------------------------------------------- */

static uint8_t zeros[LIMIT_VALUE_BYTES + 1];

static int read_one(const char *bucket, struct slice key, const struct buf *value)
{
    struct file f = { 0 };
    struct store *s = NULL;
    struct etcd_db_report report;
    struct err err = ERR_INIT;
    file_add(&f, bucket, key, buf_slice(value));
    int rv = file_read(&f, &s, &report, &err);
    assert_int_equal(rv == 0, err.msg[0] == '\0');
    store_free(s);
    return rv;
}

static void lengths_are_bounded(void **state)
{
    (void)state;
    static const struct {
        size_t key, end;
        int want;
    } permissions[] = {
        { LIMIT_KEY_BYTES, 1, 0 },
        { LIMIT_KEY_BYTES + 1, 1, E_CORRUPT },
        { 1, LIMIT_KEY_BYTES + 1, E_CORRUPT },
    }, versions[] = {
        { LIMIT_KEY_BYTES, LIMIT_VALUE_BYTES, 0 },
        { LIMIT_KEY_BYTES + 1, 1, E_TOOBIG },
        { 1, LIMIT_VALUE_BYTES + 1, E_TOOBIG },
    };
    zeros[0] = 1; /* [1 0 0 ...] is after no key of zeros */
    for (size_t i = 0; i < ARRAY_LEN(permissions); i++) {
        autobuf p = BUF_INIT, role = BUF_INIT;
        pb_wire_put_bytes(&p, 2, slice_make(zeros + 1, permissions[i].key));
        pb_wire_put_bytes(&p, 3, slice_make(zeros, permissions[i].end));
        pb_wire_put_bytes(&role, 2, buf_slice(&p));
        assert_int_equal(read_one("authRoles", slice_str("r"), &role), permissions[i].want);
    }
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        autobuf v = BUF_INIT;
        pb_wire_put_bytes(&v, 1, slice_make(zeros, versions[i].key));
        buf_append(&v, "\x10\2\x18\2\x20\1", 6);
        pb_wire_put_bytes(&v, 5, slice_make(zeros, versions[i].end));
        assert_int_equal(read_one("key", (struct slice)B(AT2), &v), versions[i].want);
    }
    for (size_t more = 0; more < 2; more++) {
        struct slice name = slice_make(zeros, LIMIT_AUTH_NAME_BYTES + more);
        int want = more == 0 ? 0 : E_CORRUPT;
        autobuf none = BUF_INIT, grant = BUF_INIT;
        pb_wire_put_bytes(&grant, 3, name);
        assert_int_equal(read_one("authRoles", name, &none), want);
        assert_int_equal(read_one("authUsers", name, &none), want);
        assert_int_equal(read_one("authUsers", slice_str("u"), &grant), want);
    }
}

/* A role of `n` permissions, or a user of `n` roles, of so many bytes each. */
static int read_many(const char *bucket, size_t n, size_t bytes)
{
    bool role = strcmp(bucket, "authRoles") == 0;
    autobuf value = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        autobuf p = BUF_INIT;
        zeros[0] = (uint8_t)(i >> 8);
        zeros[1] = (uint8_t)i;
        zeros[2] = 1;
        pb_wire_put_bytes(&p, 2, slice_make(zeros, bytes));
        pb_wire_put_bytes(&value, role ? 2 : 3, role ? buf_slice(&p) : slice_make(zeros, bytes));
    }
    return read_one(bucket, slice_str("x"), &value);
}

static void users_and_roles_that_no_snapshot_could_carry_are_refused(void **state)
{
    (void)state;
    assert_int_equal(read_many("authRoles", 7, LIMIT_KEY_BYTES), 0);
    assert_int_equal(read_many("authRoles", 9, LIMIT_KEY_BYTES), E_TOOBIG);
    assert_int_equal(read_many("authUsers", 20000, LIMIT_AUTH_NAME_BYTES), 0);
    assert_int_equal(read_many("authUsers", 35000, LIMIT_AUTH_NAME_BYTES), E_TOOBIG);
    static const char *const buckets[] = { "authRoles", "authUsers" };
    for (size_t i = 0; i < ARRAY_LEN(buckets); i++) { /* of nothing but names */
        struct file f = { 0 };
        struct store *s = NULL;
        struct etcd_db_report report;
        struct err err = ERR_INIT;
        uint8_t (*names)[LIMIT_AUTH_NAME_BYTES] = mem_zalloc(35000 * sizeof *names);
        for (size_t k = 0; k < 35000; k++) {
            names[k][0] = (uint8_t)(k >> 8);
            names[k][1] = (uint8_t)k;
            file_add(&f, buckets[i], slice_make(names[k], sizeof *names), slice_str(""));
        }
        assert_int_equal(file_read(&f, &s, &report, &err), E_TOOBIG);
        mem_free(names);
    }
}

static void revisions_are_raised_by_what_is_possible(void **state)
{
    (void)state;
    static const int64_t bumps[] = { -1, INT64_MAX / 4 + 1 };
    struct file f = { 0 };
    autobuf bytes = BUF_INIT;
    file_bytes(&f, &bytes);
    for (size_t i = 0; i < ARRAY_LEN(bumps); i++) {
        struct etcd_db_options o = { .bump_revision = bumps[i] };
        struct store *s = NULL;
        struct etcd_db_report report;
        assert_int_equal(etcd_db_read(buf_slice(&bytes), &o, &s, &report, NULL), E_INVAL);
        assert_null(s);
    }
}

/* --- the file --------------------------------------------------------------------------------- */

static void a_file_needs_the_buckets_that_every_etcd_has(void **state)
{
    (void)state;
    static const int missing[] = { 0, 1, 2, KEY, LEASE, META };
    for (size_t i = 0; i < ARRAY_LEN(missing); i++) {
        struct file f = { 0 };
        struct store *s = NULL;
        struct etcd_db_report report;
        struct err err = ERR_INIT;
        f.left_out[missing[i]] = true;
        bool needed = missing[i] == KEY || missing[i] == META;
        assert_int_equal(file_read(&f, &s, &report, &err), needed ? E_CORRUPT : 0);
        assert_string_equal(err.msg, needed ? "this is not etcd's database: it has no keys' bucket"
                                            : "");
        store_free(s);
    }
    struct store *s = NULL;
    struct etcd_db_report report;
    struct etcd_db_options o = { 0 };
    assert_int_equal(etcd_db_read(slice_str("etcd"), &o, &s, &report, NULL), E_CORRUPT);
}

/* Every byte, one after another: pages of each bucket that cannot be followed, told or harmless. */
static void damage_in_any_bucket_is_told_or_harmless(void **state)
{
    (void)state;
    struct file f = { 0 };
    autobuf bytes = BUF_INIT;
    unsigned told = 0;
    file_add(&f, "auth", slice_str("authEnabled"), slice_str("\1"));
    file_add(&f, "authRoles", slice_str("r"), slice_str("\x0a\1r"));
    file_add(&f, "authUsers", slice_str("u"), slice_str("\x0a\1u\x1a\1r"));
    file_add(&f, "key", (struct slice)B(AT2), (struct slice)B(K "\x30\7"));
    file_add(&f, "lease", slice_str("?"), slice_str("\x08\7\x10\x3c"));
    file_add(&f, "meta", slice_str("finishedCompactRev"), (struct slice)B(AT2));
    file_bytes(&f, &bytes);
    for (size_t at = 0; at < bytes.len; at++) {
        struct store *s = NULL;
        struct etcd_db_report report;
        struct err err = ERR_INIT;
        if (at % 4096 > 256) { /* what is behind the elements is zeros */
            continue;
        }
        bytes.data[at] ^= 0xff;
        int rv = read_bytes(buf_slice(&bytes), &s, &report, &err);
        assert_int_equal(rv == 0, err.msg[0] == '\0');
        told += rv != 0;
        store_free(s);
        bytes.data[at] ^= 0xff;
    }
    assert_in_range(told, 100, bytes.len);
}

int test_etcd_db_bad_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_etcd_does_not_write_is_refused_with_the_reason),
        cmocka_unit_test(what_is_of_a_newer_etcd_is_passed_over),
        cmocka_unit_test(a_lease_of_odd_times_is_given_some),
        cmocka_unit_test(a_key_whose_lease_is_gone_is_told_and_stays),
        cmocka_unit_test(what_was_swept_in_part_is_read),
        cmocka_unit_test(authentication_is_on_only_if_root_can_log_in),
        cmocka_unit_test(something_of_users_is_a_revision_of_its_own),
        cmocka_unit_test(options_say_who_has_no_password),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(users_and_roles_that_no_snapshot_could_carry_are_refused),
        cmocka_unit_test(revisions_are_raised_by_what_is_possible),
        cmocka_unit_test(a_file_needs_the_buckets_that_every_etcd_has),
        cmocka_unit_test(damage_in_any_bucket_is_told_or_harmless),
    };
    return cmocka_run_group_tests_name("store/etcd_db_bad", tests, NULL, NULL);
}
