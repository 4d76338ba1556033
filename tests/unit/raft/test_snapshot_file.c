/* Snapshot files. */
#include "test.h"

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "raft/snapshot_file.h"

enum { CHUNKS = 5, CHUNK = 700 };

static struct snapshot_info info_new(void)
{
    return (struct snapshot_info){ .cluster_id = 5, .index = 100, .term = 3, .conf_index = 40,
                                   .conf = value_new("conf", 4), .attrs = value_new("attrs", 5) };
}

static char *write_snapshot(const char *dir, uint64_t index)
{
    struct snapshot_writer w;
    struct snapshot_info info = info_new();
    info.index = index;
    assert_int_equal(snapshot_writer_open(&w, NULL, dir, &info, NULL), 0);
    for (int i = 0; i < CHUNKS; i++) {
        uint8_t chunk[CHUNK];
        memset(chunk, 'a' + i, sizeof chunk);
        assert_int_equal(snapshot_writer_append(&w, slice_make(chunk, sizeof chunk), NULL), 0);
    }
    assert_int_equal(snapshot_writer_finish(&w, NULL), 0);
    char *path = snapshot_path(dir, index, info.term);
    snapshot_info_fini(&info);
    return path;
}

/* Reads all; the number of chunks, or the error. */
static int read_snapshot(const char *path, struct err *err)
{
    struct snapshot_reader r;
    int rv = snapshot_reader_open(&r, NULL, path, 5, err);
    if (rv != 0) {
        return rv;
    }
    autobuf chunk = BUF_INIT;
    int chunks = 0;
    while ((rv = snapshot_reader_next(&r, &chunk, err)) == 1) {
        chunks++;
    }
    snapshot_reader_close(&r);
    return rv == 0 ? chunks : rv;
}

static void chunks_and_head_come_back(void **state)
{
    (void)state;
    char *dir = temp_dir_new();
    char *path = write_snapshot(dir, 100);
    struct snapshot_reader r;
    assert_int_equal(snapshot_reader_open(&r, NULL, path, 5, NULL), 0);
    assert_int_equal(r.info.index, 100);
    assert_int_equal(r.info.term, 3);
    assert_int_equal(r.info.conf_index, 40);
    assert_true(slice_eq(value_slice(r.info.conf), slice_str("conf")));
    assert_true(slice_eq(value_slice(r.info.attrs), slice_str("attrs")));
    autobuf chunk = BUF_INIT;
    for (int i = 0; i < CHUNKS; i++) {
        assert_int_equal(snapshot_reader_next(&r, &chunk, NULL), 1);
        assert_int_equal(chunk.len, CHUNK);
        assert_int_equal(chunk.data[0], 'a' + i);
    }
    assert_int_equal(snapshot_reader_next(&r, &chunk, NULL), 0);
    snapshot_reader_close(&r);
    mem_free(path);
    temp_dir_free(dir);
}

static void a_piece_longer_than_a_chunk_becomes_chunks(void **state)
{
    (void)state;
    enum { LEN = 2 * LIMIT_SNAPSHOT_CHUNK_BYTES + 3 };
    char *dir = temp_dir_new();
    struct snapshot_writer w;
    struct snapshot_info info = info_new();
    uint8_t *piece = mem_zalloc(LEN);
    piece[LEN - 1] = 'z';
    assert_int_equal(snapshot_writer_open(&w, NULL, dir, &info, NULL), 0);
    assert_int_equal(snapshot_writer_append(&w, slice_make(piece, LEN), NULL), 0);
    assert_int_equal(snapshot_writer_finish(&w, NULL), 0);
    char *path = snapshot_path(dir, info.index, info.term);
    struct snapshot_reader r;
    autobuf chunk = BUF_INIT;
    assert_int_equal(snapshot_reader_open(&r, NULL, path, 5, NULL), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(snapshot_reader_next(&r, &chunk, NULL), 1);
        assert_int_equal(chunk.len, i < 2 ? LIMIT_SNAPSHOT_CHUNK_BYTES : 3);
    }
    assert_int_equal(chunk.data[2], 'z');
    assert_int_equal(snapshot_reader_next(&r, &chunk, NULL), 0);
    snapshot_reader_close(&r);
    snapshot_info_fini(&info);
    mem_free(piece);
    mem_free(path);
    temp_dir_free(dir);
}

static void every_flipped_byte_and_every_cut_is_told(void **state)
{
    (void)state;
    char *dir = temp_dir_new();
    char *path = write_snapshot(dir, 100);
    struct buf whole = BUF_INIT;
    assert_int_equal(fs_read_file(NULL, path, 1 << 20, &whole, NULL), 0);
    for (size_t at = 0; at < whole.len; at++) {
        struct err err = ERR_INIT;
        file_flip_bit(path, at, at % 8);
        assert_true(read_snapshot(path, &err) < 0);
        assert_non_null(strstr(err.msg, path));
        file_flip_bit(path, at, at % 8);
    }
    assert_int_equal(read_snapshot(path, NULL), CHUNKS);
    struct file *f;
    assert_int_equal(file_open(NULL, path, FILE_READ | FILE_WRITE, &f, NULL), 0);
    for (size_t len = whole.len - 1; len > 0; len -= len > 50 ? 37 : 1) {
        assert_int_equal(file_truncate(f, len, NULL), 0);
        assert_true(read_snapshot(path, NULL) < 0);
    }
    file_close(f);
    buf_fini(&whole);
    mem_free(path);
    temp_dir_free(dir);
}

static void a_snapshot_of_another_cluster_is_refused(void **state)
{
    (void)state;
    char *dir = temp_dir_new();
    char *path = write_snapshot(dir, 100);
    struct snapshot_reader r;
    assert_int_equal(snapshot_reader_open(&r, NULL, path, 6, NULL), E_MISMATCH);
    mem_free(path);
    temp_dir_free(dir);
}

static void the_newest_is_found_and_half_made_ones_are_removed(void **state)
{
    (void)state;
    char *dir = temp_dir_new();
    char *newest = NULL;
    assert_int_equal(snapshot_newest(NULL, dir, &newest, NULL), 0);
    assert_null(newest);
    mem_free(write_snapshot(dir, 9));
    char *path = write_snapshot(dir, 100);
    mem_free(write_snapshot(dir, 10));
    struct snapshot_writer w;
    struct snapshot_info info = info_new();
    info.index = 500;
    assert_int_equal(snapshot_writer_open(&w, NULL, dir, &info, NULL), 0);
    char *half = mem_strdup(w.tmp);
    assert_true(fs_exists(NULL, half));
    assert_int_equal(snapshot_newest(NULL, dir, &newest, NULL), 0);
    assert_string_equal(newest, path);
    assert_false(fs_exists(NULL, half));
    assert_int_equal(snapshot_remove_older(NULL, dir, 100, NULL), 0);
    char **names;
    size_t n;
    assert_int_equal(fs_list(NULL, dir, &names, &n, NULL), 0);
    assert_int_equal(n, 1);
    fs_list_free(names, n);
    snapshot_writer_abort(&w);
    snapshot_info_fini(&info);
    mem_free(half);
    mem_free(newest);
    mem_free(path);
    temp_dir_free(dir);
}

int test_snapshot_file_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_and_head_come_back),
        cmocka_unit_test(a_piece_longer_than_a_chunk_becomes_chunks),
        cmocka_unit_test(every_flipped_byte_and_every_cut_is_told),
        cmocka_unit_test(a_snapshot_of_another_cluster_is_refused),
        cmocka_unit_test(the_newest_is_found_and_half_made_ones_are_removed),
    };
    return cmocka_run_group_tests_name("raft/snapshot_file", tests, NULL, NULL);
}
