/* Disks that fail under a member: an opening that fails says so and harms nothing. */
#include <stdio.h>

#include "lib/base/str.h"
#include "tests/unit/raft/broken_disk.h"
#include "tests/unit/raft/test.h"

enum { ENTRIES = 60, OPERATIONS_MAX = 2000 };

static int open_member(struct member *m, struct loop *loop, const char *dir, bool join,
                       struct err *err)
{
    struct rnode_options o;
    m->id = 1;
    snprintf(m->address, sizeof m->address, "127.0.0.1:0");
    member_options(m, loop, dir, &o);
    struct rnode_member self = { .id = 1, .role = RNODE_VOTER, .peer_address = "127.0.0.1:1" };
    o.initial = &self;
    o.n_initial = 1;
    o.join = join;
    o.snapshot_entries = 25;
    o.snapshot_trailing = 5;
    struct rnode_tuning tuning = { .wal_segment_bytes = 4096 };
    return rnode_open_tuned(&o, &tuning, &m->node, err);
}

/* --- directories ------------------------------------------------------------------------------ */

static void dir_empty(struct loop *loop, const char *dir)
{
    (void)loop, (void)dir;
}

/* Closed in good order, with a snapshot and a log of several segments. */
static void dir_used(struct loop *loop, const char *dir)
{
    struct member m = { 0 };
    struct rnode_status s = { 0 };
    assert_int_equal(open_member(&m, loop, dir, false, NULL), 0);
    for (int i = 0; i < ENTRIES; i++) {
        assert_int_equal(propose(&m, "a command that takes some of a segment's space, and more"),
                         0);
    }
    for (int i = 0; i < 2000 && s.snapshot_index < 50; i++) {
        run_for(loop, 2);
        rnode_get_status(m.node, &s);
    }
    assert_true(s.snapshot_index >= 50);
    member_close(&m);
}

static void put_file(const char *dir, const char *name, const char *text)
{
    char *path = mem_printf("%s/%s", dir, name);
    assert_int_equal(fs_write_file_atomic(NULL, path, slice_str(text), NULL), 0);
    mem_free(path);
}

/* What a crash leaves: half-made files, a torn end of the newest segment. */
static void dir_crashed(struct loop *loop, const char *dir)
{
    char **names;
    size_t n;
    dir_used(loop, dir);
    put_file(dir, "wal/0000000000000077.tmp", "half a segment");
    put_file(dir, "snap/half.tmp", "half a snapshot");
    char *wal = mem_printf("%s/wal", dir);
    assert_int_equal(fs_list(NULL, wal, &names, &n, NULL), 0);
    for (size_t i = n; i-- > 0;) {
        if (str_ends(names[i], ".wal")) {
            char *path = mem_printf("%s/%s", wal, names[i]);
            FILE *f = fopen(path, "r+b");
            assert_non_null(f);
            assert_int_equal(fseek(f, -8, SEEK_END), 0);
            assert_int_equal(fwrite("torn", 1, 4, f), 4);
            assert_int_equal(fclose(f), 0);
            mem_free(path);
            break;
        }
    }
    fs_list_free(names, n);
    mem_free(wal);
}

static const struct {
    const char *name;
    void (*make)(struct loop *loop, const char *dir);
    bool join;
    uint64_t count;
} DIRS[] = {
    { "empty", dir_empty, false, 0 },
    { "empty, joins", dir_empty, true, 0 },
    { "used", dir_used, false, ENTRIES },
    { "crashed", dir_crashed, false, ENTRIES },
};

static void copy_file(const char *from, const char *to)
{
    autobuf b = BUF_INIT;
    assert_int_equal(fs_read_file(NULL, from, 1 << 20, &b, NULL), 0);
    FILE *f = fopen(to, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b.data, 1, b.len, f), b.len);
    assert_int_equal(fclose(f), 0);
}

static void copy_tree(const char *from, const char *to)
{
    char **names;
    size_t n;
    assert_int_equal(fs_mkdir_p(NULL, to, 0700, NULL), 0);
    assert_int_equal(fs_list(NULL, from, &names, &n, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        char *a = mem_printf("%s/%s", from, names[i]);
        char *b = mem_printf("%s/%s", to, names[i]);
        bool folder = str_eq(names[i], "wal") || str_eq(names[i], "snap");
        (folder ? copy_tree : copy_file)(a, b);
        mem_free(a);
        mem_free(b);
    }
    fs_list_free(names, n);
}

/* False: all operations of the opening are past. */
static bool fail_at(struct loop *loop, size_t which, const char *template, uint64_t n)
{
    struct member m = { 0 };
    struct err err = ERR_INIT;
    char *dir = temp_dir_new();
    copy_tree(template, dir);
    disk_break_at(n);
    int rv = open_member(&m, loop, dir, DIRS[which].join, &err);
    bool broke = disk_broke();
    disk_mend();
    if (broke) {
        if (rv == 0) {
            print_message("%s: operation %d failed and nobody was told\n", DIRS[which].name,
                          (int)n);
        }
        assert_int_not_equal(rv, 0);
        assert_string_not_equal(err.msg, "");
        m = (struct member){ 0 };
        rv = open_member(&m, loop, dir, DIRS[which].join, &err);
    }
    assert_int_equal(rv, 0);
    if (!DIRS[which].join) {
        assert_int_equal(read_index(&m), 0);
        assert_int_equal(m.machine.count, DIRS[which].count);
        assert_int_equal(propose(&m, "goes on"), 0);
    }
    assert_int_equal(m.fatal.code, 0);
    member_close(&m);
    temp_dir_free(dir);
    return broke;
}

static void an_opening_that_fails_says_so_and_harms_nothing(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    for (size_t i = 0; i < ARRAY_LEN(DIRS); i++) {
        uint64_t n = 1;
        char *template = temp_dir_new();
        DIRS[i].make(loop, template);
        while (fail_at(loop, i, template, n)) {
            n++;
            assert_true(n < OPERATIONS_MAX);
        }
        assert_true(n > 10); /* so many operations were tried */
        temp_dir_free(template);
    }
    loop_free(loop);
}

/* --- snapshots that cannot be written --------------------------------------------------------- */

static int snapshot_member(struct member *m, struct loop *loop, const char *dir)
{
    struct rnode_options o;
    struct rnode_member self = { .id = 1, .role = RNODE_VOTER, .peer_address = "127.0.0.1:1" };
    struct rnode_tuning tuning = { .wal_segment_bytes = 1024 * 1024 }; /* the WAL needs no other */
    m->id = 1;
    snprintf(m->address, sizeof m->address, "127.0.0.1:0");
    member_options(m, loop, dir, &o);
    o.initial = &self;
    o.n_initial = 1;
    o.snapshot_bytes = 500;
    o.snapshot_trailing = 5;
    return rnode_open_tuned(&o, &tuning, &m->node, NULL);
}

static void a_snapshot_that_cannot_be_written_ends_the_member(void **state)
{
    static const char *const OPERATIONS[] = { "file_open", "fs_rename", "fs_sync_dir" };
    (void)state;
    struct loop *loop = loop_new();
    for (size_t i = 0; i < ARRAY_LEN(OPERATIONS); i++) {
        struct member m = { 0 };
        struct rnode_status s;
        char *dir = temp_dir_new();
        assert_int_equal(snapshot_member(&m, loop, dir), 0);
        disk_break(OPERATIONS[i], E_IO);
        for (int k = 0; k < 40 && m.fatal.code == 0; k++) {
            assert_int_equal(propose(&m, "a command of some forty bytes, or a few more"), 0);
        }
        for (int k = 0; k < 1000 && m.fatal.code == 0; k++) {
            run_for(loop, 2);
        }
        disk_mend();
        assert_int_equal(m.fatal.code, E_IO);
        rnode_get_status(m.node, &s);
        assert_int_equal(s.snapshot_index, 0); /* it does not count */
        assert_int_equal(s.first_index, 1);    /* so nothing was dropped for it */
        rnode_abandon(m.node);
        run_for(loop, 5);
        temp_dir_free(dir);
    }
    loop_free(loop);
}

static void a_snapshot_without_space_is_tried_again(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct member m = { 0 };
    struct rnode_status s = { 0 };
    char *dir = temp_dir_new();
    assert_int_equal(snapshot_member(&m, loop, dir), 0);
    disk_break("file_open", E_DISKFULL);
    for (int k = 0; k < 40; k++) {
        assert_int_equal(propose(&m, "a command of some forty bytes, or a few more"), 0);
    }
    rnode_get_status(m.node, &s);
    assert_int_equal(s.snapshot_index, 0);
    disk_mend();
    for (int k = 0; k < 2000 && s.snapshot_index == 0; k++) {
        assert_int_equal(propose(&m, "x"), 0);
        run_for(loop, 5);
        rnode_get_status(m.node, &s);
    }
    assert_true(s.snapshot_index > 0);
    assert_int_equal(m.fatal.code, 0);
    member_close(&m);
    temp_dir_free(dir);
    loop_free(loop);
}

int test_disk_faults_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_opening_that_fails_says_so_and_harms_nothing),
        cmocka_unit_test(a_snapshot_that_cannot_be_written_ends_the_member),
        cmocka_unit_test(a_snapshot_without_space_is_tried_again),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests_name("raft/disk_faults", tests, NULL, NULL);
}
