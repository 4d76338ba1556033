/* Term, vote and identity. */
#include "test.h"

#include "raft/meta.h"

struct box {
    char *dir;
    char *path;
};

static void box_open(struct box *b, struct meta *m)
{
    b->dir = temp_dir_new();
    b->path = mem_printf("%s/meta", b->dir);
    *m = (struct meta){ .cluster_id = 5, .member_id = 6, .ready = true };
    assert_int_equal(meta_create(NULL, b->dir, b->path, m, NULL), 0);
}

static void box_close(struct box *b)
{
    mem_free(b->path);
    temp_dir_free(b->dir);
}

static void what_is_stored_is_loaded(void **state)
{
    (void)state;
    struct box b;
    struct meta m;
    struct meta loaded;
    box_open(&b, &m);
    for (uint64_t term = 1; term <= 5; term++) {
        m.term = term;
        m.vote = term * 10;
        m.epoch = 3;
        assert_int_equal(meta_store(&m, NULL), 0);
    }
    meta_close(&m);
    assert_int_equal(meta_load(NULL, b.path, &loaded, NULL), 0);
    assert_int_equal(loaded.term, 5);
    assert_int_equal(loaded.vote, 50);
    assert_int_equal(loaded.epoch, 3);
    assert_int_equal(loaded.cluster_id, 5);
    assert_int_equal(loaded.member_id, 6);
    assert_true(loaded.ready);
    meta_close(&loaded);
    box_close(&b);
}

static void one_damaged_copy_is_survived_two_are_told(void **state)
{
    (void)state;
    struct box b;
    struct meta m;
    struct meta loaded;
    box_open(&b, &m);
    m.term = 9;
    m.vote = 6;
    assert_int_equal(meta_store(&m, NULL), 0);
    meta_close(&m);
    for (size_t at = 0; at < META_COPY_BYTES; at++) {
        for (size_t copy = 0; copy < 2; copy++) {
            file_flip_bit(b.path, copy * 4096 + at, at % 8);
            assert_int_equal(meta_load(NULL, b.path, &loaded, NULL), 0);
            assert_int_equal(loaded.term, 9); /* never an older vote */
            assert_int_equal(loaded.vote, 6);
            meta_close(&loaded);
            file_flip_bit(b.path, copy * 4096 + at, at % 8);
        }
    }
    file_flip_bit(b.path, 40, 0);
    file_flip_bit(b.path, 4096 + 48, 0);
    struct err err = ERR_INIT;
    assert_int_equal(meta_load(NULL, b.path, &loaded, &err), E_CORRUPT);
    assert_non_null(strstr(err.msg, b.path));
    box_close(&b);
}

static void a_missing_file_is_not_damage(void **state)
{
    (void)state;
    struct meta m;
    assert_int_equal(meta_load(NULL, "/nonexistent/meta", &m, NULL), E_NOTFOUND);
}

int test_meta_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_stored_is_loaded),
        cmocka_unit_test(one_damaged_copy_is_survived_two_are_told),
        cmocka_unit_test(a_missing_file_is_not_damage),
    };
    return cmocka_run_group_tests_name("raft/meta", tests, NULL, NULL);
}
