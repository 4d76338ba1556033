/* The WAL where its directory or its disk is wrong: segments that others wrote or that do not
 * belong here, writes that fail, a disk without space. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/limits.h"
#include "lib/codec/crc32c.h"
#include "raft/wal.h"
#include "raft/wal_file.h"
#include "raft/wal_format.h"
#include "tests/unit/raft/broken_disk.h"
#include "tests/unit/raft/test.h"

enum { SEGMENT = 4096, CLUSTER = 5, MEMBER = 7, VERSION_AT = 8, CRC_AT = WAL_HEADER_BYTES - 4 };

/* --- directories as another might have left them ---------------------------------------------- */

struct found {
    unsigned entries;
    uint64_t last;
};

static void sink_entry(void *arg, uint64_t index, uint64_t term, uint32_t type, struct slice data)
{
    struct found *f = arg;
    (void)term, (void)type, (void)data;
    f->entries++;
    f->last = index;
}

static void sink_reset(void *arg, uint64_t index, uint64_t term)
{
    struct found *f = arg;
    (void)term;
    f->last = index;
}

static int scan(struct loop *loop, const char *dir, struct found *ret_found, struct err *err)
{
    struct wal_options o = { .loop = loop, .fs = loop_fs(loop), .dir = dir,
                             .cluster_id = CLUSTER, .member_id = MEMBER,
                             .segment_bytes = SEGMENT };
    struct wal_sink sink = { sink_entry, sink_reset, ret_found };
    struct wal_files f;
    *ret_found = (struct found){ 0 };
    wal_files_init(&f, &o);
    int rv = wal_files_scan(&f, &sink, err);
    wal_files_fini(&f);
    return rv;
}

static void write_at(const char *path, const void *bytes, size_t len, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(truncate(path, (off_t)size), 0);
}

struct segment_plan {
    const char *name;
    uint64_t member_id;
    uint32_t version;
    uint64_t index[2], term[2]; /* of two records; term 0 and index 0: none */
    unsigned records;
    uint64_t size;
};

static void make_segment(const char *dir, const struct segment_plan *plan)
{
    uint8_t bytes[SEGMENT] = { 0 };
    struct wal_header h = { .cluster_id = CLUSTER, .member_id = plan->member_id, .seq = 1,
                            .size_bytes = SEGMENT };
    wal_header_encode(&h, bytes);
    bytes[VERSION_AT] = (uint8_t)plan->version;
    uint32_t crc = crc32c(0, bytes, CRC_AT);
    for (int i = 0; i < 4; i++) {
        bytes[CRC_AT + i] = (uint8_t)(crc >> 8 * i);
    }
    size_t at = WAL_HEADER_BYTES;
    for (unsigned i = 0; i < plan->records; i++) {
        struct wal_record r = { .type = 1, .prev_crc = crc, .index = plan->index[i],
                                .term = plan->term[i], .mark = wal_position(1, at),
                                .data = slice_str("data") };
        wal_record_encode(&r, bytes + at);
        memcpy(bytes + at + WAL_RECORD_BYTES, "data", 4);
        crc = r.crc;
        at += r.size;
    }
    char *path = mem_printf("%s/%s", dir, plan->name);
    write_at(path, bytes, sizeof bytes, plan->size != 0 ? plan->size : SEGMENT);
    mem_free(path);
}

static void segments_that_do_not_belong_here_are_told(void **state)
{
    static const char FIRST[] = "0000000000000001.wal";
    static const struct {
        struct segment_plan plan;
        int status;
        uint64_t last;
    } CASES[] = {
        { { FIRST, MEMBER, WAL_FORMAT_VERSION, { 1, 2 }, { 1, 1 }, 2, 0 }, 0, 2 },
        { { FIRST, MEMBER, WAL_FORMAT_VERSION + 1, { 1, 2 }, { 1, 1 }, 2, 0 }, E_UNSUPPORTED, 0 },
        { { FIRST, MEMBER + 1, WAL_FORMAT_VERSION, { 1, 2 }, { 1, 1 }, 2, 0 }, E_MISMATCH, 0 },
        { { "0000000000000002.wal", MEMBER, WAL_FORMAT_VERSION, { 0 }, { 0 }, 0, 0 },
          E_CORRUPT, 0 }, /* its header says 1 */
        { { "0000000000000001.txt", MEMBER, WAL_FORMAT_VERSION, { 0 }, { 0 }, 0, 0 },
          E_MISMATCH, 0 },
        { { "1.wal", MEMBER, WAL_FORMAT_VERSION, { 0 }, { 0 }, 0, 0 }, E_MISMATCH, 0 },
        { { FIRST, MEMBER, WAL_FORMAT_VERSION, { 0 }, { 0 }, 0,
            2ULL * LIMIT_WAL_SEGMENT_BYTES + 1 }, E_CORRUPT, 0 },
        /* Whole records in their place, and nonsense: no index, no term, a gap. */
        { { FIRST, MEMBER, WAL_FORMAT_VERSION, { 1, 0 }, { 1, 1 }, 2, 0 }, E_CORRUPT, 1 },
        { { FIRST, MEMBER, WAL_FORMAT_VERSION, { 1, 2 }, { 1, 0 }, 2, 0 }, E_CORRUPT, 1 },
        { { FIRST, MEMBER, WAL_FORMAT_VERSION, { 1, 3 }, { 1, 1 }, 2, 0 }, E_CORRUPT, 1 },
    };
    (void)state;
    struct loop *loop = loop_new();
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct err err = ERR_INIT;
        struct found found;
        char *dir = temp_dir_new();
        make_segment(dir, &CASES[i].plan);
        int rv = scan(loop, dir, &found, &err);
        if (rv != CASES[i].status || found.last != CASES[i].last) {
            print_message("case %zu: %d last %d %s\n", i, rv, (int)found.last, err.msg);
        }
        assert_int_equal(rv, CASES[i].status);
        assert_int_equal(found.last, CASES[i].last);
        temp_dir_free(dir);
    }
    loop_free(loop);
}

/* --- a log that is written -------------------------------------------------------------------- */

struct box {
    struct loop *loop;
    char *dir;
    struct wal *wal;
    uint64_t durable;
    unsigned failed, resets;
    unsigned full, space;
    bool closed;
};

static void on_durable(void *arg, uint64_t index)
{
    ((struct box *)arg)->durable = index;
}

static void on_reset(void *arg, uint64_t index)
{
    (void)index;
    ((struct box *)arg)->resets++;
}

static void on_failed(void *arg, const struct err *err)
{
    assert_int_not_equal(err->code, 0);
    ((struct box *)arg)->failed++;
}

static void on_full(void *arg, bool full)
{
    struct box *b = arg;
    *(full ? &b->full : &b->space) += 1;
}

static int box_start(struct box *b, bool create, bool tells_full)
{
    struct found found = { 0 };
    struct wal_options o = { .loop = b->loop, .fs = loop_fs(b->loop), .dir = b->dir,
                             .cluster_id = CLUSTER, .member_id = MEMBER, .segment_bytes = SEGMENT,
                             .create = create, .on_durable = on_durable, .on_reset = on_reset,
                             .on_failed = on_failed, .on_full = tells_full ? on_full : NULL,
                             .arg = b };
    struct wal_sink sink = { sink_entry, sink_reset, &found };
    return wal_open(&o, &sink, &b->wal, NULL);
}

static void box_open(struct box *b, bool tells_full)
{
    *b = (struct box){ .loop = loop_new(), .dir = temp_dir_new() };
    assert_int_equal(box_start(b, true, tells_full), 0);
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void box_stop(struct box *b)
{
    b->closed = false;
    wal_close(b->wal, on_closed, &b->closed);
    assert_false(b->closed);
    run_until(b->loop, &b->closed);
    b->wal = NULL;
}

static void box_close(struct box *b)
{
    loop_free(b->loop);
    temp_dir_free(b->dir);
}

static void append(struct box *b, uint64_t index, size_t len)
{
    struct value *v = value_alloc(len);
    memset(v->data, 'x', len);
    wal_append(b->wal, index, 1, 1, v);
    value_unref(v);
    wal_flush(b->wal);
}

static void wait_idle(struct box *b)
{
    for (int i = 0; i < 2000 && !wal_idle(b->wal); i++) {
        run_for(b->loop, 2);
    }
    assert_true(wal_idle(b->wal));
}

static void a_write_that_fails_is_told_once_and_is_the_last(void **state)
{
    static const char *const OPERATIONS[] = { "file_pwrite", "file_sync" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(OPERATIONS); i++) {
        struct box b;
        box_open(&b, true);
        append(&b, 1, 100);
        wait_idle(&b);
        assert_int_equal(b.durable, 1);
        disk_break(OPERATIONS[i], E_IO);
        append(&b, 2, 100);
        append(&b, 3, 100); /* behind it */
        for (int k = 0; k < 1000 && b.failed == 0; k++) {
            run_for(b.loop, 2);
        }
        disk_mend();
        assert_int_equal(b.failed, 1);
        append(&b, 4, 100);
        run_for(b.loop, 20);
        assert_int_equal(b.durable, 1);
        box_stop(&b);
        assert_int_equal(b.failed, 1);
        assert_int_equal(b.durable, 1);
        box_close(&b);
    }
}

static void fill_until_full(struct box *b)
{
    disk_break("file_allocate", E_DISKFULL);
    for (uint64_t i = 1; i <= 6; i++) {
        append(b, i, 1000);
    }
    for (int i = 0; i < 500 && b->full == 0; i++) {
        run_for(b->loop, 2);
    }
}

static void without_space_it_waits_and_goes_on_by_itself(void **state)
{
    (void)state;
    struct box b;
    box_open(&b, true);
    fill_until_full(&b);
    assert_int_equal(b.full, 1);
    assert_int_equal(wal_running(b.wal), 0); /* nothing is under way on the disk */
    assert_false(wal_idle(b.wal));
    disk_mend();
    wait_idle(&b);
    assert_int_equal(b.durable, 6);
    assert_int_equal(b.space, 1);
    assert_int_equal(b.failed, 0);
    box_stop(&b);
    box_close(&b);
}

static void it_closes_without_space(void **state)
{
    (void)state;
    for (int tells = 0; tells < 2; tells++) {
        struct box b;
        box_open(&b, tells != 0);
        fill_until_full(&b);
        assert_int_equal(b.full, tells);
        box_stop(&b);
        disk_mend();
        assert_int_equal(b.failed, 0);
        assert_true(b.durable < 6);
        assert_int_equal(box_start(&b, false, false), 0); /* what was acknowledged is there */
        box_stop(&b);
        box_close(&b);
    }
}

static void a_reset_that_ends_while_it_closes_is_not_told(void **state)
{
    (void)state;
    struct box b;
    box_open(&b, true);
    append(&b, 1, 100);
    wait_idle(&b);
    wal_reset(b.wal, 50, 2);
    wal_flush(b.wal);
    box_stop(&b);
    assert_int_equal(b.resets, 0);
    assert_int_equal(box_start(&b, false, true), 0); /* it is on disk all the same */
    append(&b, 51, 10);
    wait_idle(&b);
    assert_int_equal(b.durable, 51);
    box_stop(&b);
    box_close(&b);
}

static void a_folder_that_cannot_be_made_is_told(void **state)
{
    (void)state;
    struct box b = { .loop = loop_new(), .dir = temp_dir_new() };
    disk_break("fs_mkdir_p", E_PERM);
    assert_int_equal(box_start(&b, true, true), E_PERM);
    disk_mend();
    box_close(&b);
}

static void segments_before_a_reset_are_removed_at_the_next_start(void **state)
{
    (void)state;
    struct box b;
    struct found found;
    struct err err = ERR_INIT;
    autobuf old = BUF_INIT;
    box_open(&b, true);
    append(&b, 1, 100);
    wait_idle(&b);
    char *path = mem_printf("%s/0000000000000001.wal", b.dir);
    assert_int_equal(fs_read_file(NULL, path, 1 << 20, &old, NULL), 0);
    wal_reset(b.wal, 50, 2);
    wal_flush(b.wal);
    wait_idle(&b);
    box_stop(&b);
    write_at(path, old.data, old.len, old.len); /* the crash came before it was unlinked */
    disk_break("fs_unlink", E_IO);
    assert_int_equal(scan(b.loop, b.dir, &found, &err), E_IO);
    disk_mend();
    assert_int_equal(scan(b.loop, b.dir, &found, &err), 0);
    assert_int_equal(found.last, 50);
    assert_int_equal(found.entries, 0);
    assert_false(fs_exists(NULL, path));
    mem_free(path);
    box_close(&b);
}

int test_wal_faults_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_that_do_not_belong_here_are_told),
        cmocka_unit_test(segments_before_a_reset_are_removed_at_the_next_start),
        cmocka_unit_test(a_write_that_fails_is_told_once_and_is_the_last),
        cmocka_unit_test(without_space_it_waits_and_goes_on_by_itself),
        cmocka_unit_test(it_closes_without_space),
        cmocka_unit_test(a_reset_that_ends_while_it_closes_is_not_told),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_told),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests_name("raft/wal_faults", tests, NULL, NULL);
}
