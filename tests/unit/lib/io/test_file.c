/* Files: atomic replace, locks, reservation, listing, and messages that name the path. */
#include "fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct disk {
    struct loop *loop;
    struct fs *fs;
    char *dir;
    char *path; /* dir/file */
};

static int setup(void **state)
{
    struct disk *d = mem_zalloc(sizeof *d);

    d->loop = loop_new();
    d->fs = loop_fs(d->loop);
    d->dir = temp_dir_new();
    d->path = mem_printf("%s/file", d->dir);
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct disk *d = *state;

    temp_dir_free(d->dir);
    mem_free(d->path);
    loop_free(d->loop);
    mem_free(d);
    return 0;
}

static void assert_content(struct disk *d, const char *path, const char *want)
{
    autobuf got = BUF_INIT;

    assert_int_equal(fs_read_file(d->fs, path, 1 << 20, &got, NULL), 0);
    assert_string_equal(buf_str(&got), want);
}

static void atomic_write_replaces_the_whole_file(void **state)
{
    struct disk *d = *state;
    char **names;
    size_t n;

    assert_int_equal(fs_write_file_atomic(d->fs, d->path, slice_str("a long first text"), NULL), 0);
    assert_content(d, d->path, "a long first text");
    assert_int_equal(fs_write_file_atomic(d->fs, d->path, slice_str("second"), NULL), 0);
    assert_content(d, d->path, "second");
    assert_int_equal(fs_list(d->fs, d->dir, &names, &n, NULL), 0);
    assert_int_equal(n, 1); /* no temporary left */
    assert_string_equal(names[0], "file");
    fs_list_free(names, n);
}

static void failed_atomic_write_leaves_the_old_file(void **state)
{
    struct disk *d = *state;
    struct err err = ERR_INIT;
    autofree char *temporary = mem_printf("%s.tmp", d->path);

    assert_int_equal(fs_write_file_atomic(d->fs, d->path, slice_str("old"), NULL), 0);
    assert_int_equal(mkdir(temporary, 0700), 0); /* in the way of the temporary */
    assert_true(fs_write_file_atomic(d->fs, d->path, slice_str("new"), &err) < 0);
    assert_non_null(strstr(err.msg, temporary));
    assert_content(d, d->path, "old");
}

static void absent_files_are_told_with_their_path(void **state)
{
    struct disk *d = *state;
    struct err err = ERR_INIT;
    struct file *f;
    char **names;
    size_t n;
    autobuf out = BUF_INIT;

    assert_int_equal(file_open(d->fs, d->path, FILE_READ, &f, &err), E_NOTFOUND);
    assert_non_null(strstr(err.msg, d->path));
    assert_non_null(strstr(err.msg, "No such file"));
    assert_int_equal(fs_read_file(d->fs, d->path, 10, &out, &err), E_NOTFOUND);
    assert_int_equal(fs_unlink(d->fs, d->path, &err), E_NOTFOUND);
    assert_int_equal(fs_rename(d->fs, d->path, d->dir, &err), E_NOTFOUND);
    assert_int_equal(fs_list(d->fs, d->path, &names, &n, &err), E_NOTFOUND);
    assert_int_equal(fs_sync_dir(d->fs, d->path, &err), E_NOTFOUND);
    assert_int_equal(fs_remove_tree(d->fs, d->path, &err), E_NOTFOUND);
    assert_non_null(strstr(err.msg, d->path));
    assert_false(fs_exists(d->fs, d->path));
}

static void exclusive_create_refuses_an_existing_file(void **state)
{
    struct disk *d = *state;
    struct file *f;
    int flags = FILE_WRITE | FILE_CREATE | FILE_EXCL;

    assert_int_equal(file_open(d->fs, d->path, flags, &f, NULL), 0);
    file_close(f);
    assert_int_equal(file_open(d->fs, d->path, flags, &f, NULL), E_EXIST);
    file_close(NULL);
}

static void second_lock_conflicts_until_the_first_is_closed(void **state)
{
    struct disk *d = *state;
    struct err err = ERR_INIT;
    struct file *first;
    struct file *second;

    assert_int_equal(fs_lock(d->fs, d->path, &first, &err), 0);
    assert_int_equal(fs_lock(d->fs, d->path, &second, &err), E_CONFLICT);
    assert_non_null(strstr(err.msg, "in use by another process"));
    assert_non_null(strstr(err.msg, d->path));
    file_close(first);
    assert_int_equal(fs_lock(d->fs, d->path, &second, &err), 0);
    file_close(second);
}

static void vectors_are_written_in_order_at_the_offset(void **state)
{
    enum { PARTS = 300 }; /* several system calls */
    struct disk *d = *state;
    struct slice parts[PARTS];
    uint8_t bytes[PARTS];
    uint8_t back[PARTS];
    struct file *f;
    uint64_t size;
    size_t got;

    for (size_t i = 0; i < PARTS; i++) {
        bytes[i] = (uint8_t)(i * 7);
        parts[i] = slice_make(&bytes[i], i % 5 != 0); /* some are empty */
    }
    assert_int_equal(file_open(d->fs, d->path, FILE_READ | FILE_WRITE | FILE_CREATE, &f, NULL), 0);
    assert_int_equal(file_pwritev(f, parts, PARTS, 10, NULL), 0);
    assert_int_equal(file_sync(f, NULL), 0);
    assert_int_equal(file_size(f, &size, NULL), 0);
    assert_int_equal(size, 10 + PARTS - PARTS / 5);
    assert_int_equal(file_pread(f, back, sizeof back, 10, &got, NULL), 0);
    assert_int_equal(got, PARTS - PARTS / 5); /* short at the end of the file only */
    for (size_t i = 0, at = 0; i < PARTS; i++) {
        if (i % 5 != 0) {
            assert_int_equal(back[at++], bytes[i]);
        }
    }
    assert_int_equal(file_pread(f, back, 4, 8, &got, NULL), 0);
    assert_int_equal(got, 4);
    assert_int_equal(back[0], 0); /* the hole before the offset */
    file_close(f);
}

static void allocate_reserves_zeroes_and_never_shortens(void **state)
{
    struct disk *d = *state;
    struct file *f;
    struct err err = ERR_INIT;
    uint64_t size;
    uint8_t last = 1;
    size_t got;

    assert_int_equal(file_open(d->fs, d->path, FILE_READ | FILE_WRITE | FILE_CREATE, &f, NULL), 0);
    assert_int_equal(file_pwrite(f, "head", 4, 0, NULL), 0);
    assert_int_equal(file_allocate(f, 1 << 20, NULL), 0);
    assert_int_equal(file_size(f, &size, NULL), 0);
    assert_int_equal(size, 1 << 20);
    assert_int_equal(file_pread(f, &last, 1, (1 << 20) - 1, &got, NULL), 0);
    assert_int_equal(last, 0);
    assert_int_equal(file_allocate(f, 100, NULL), 0);
    assert_int_equal(file_size(f, &size, NULL), 0);
    assert_int_equal(size, 1 << 20);
    assert_true(file_allocate(f, UINT64_C(1) << 60, &err) < 0); /* no disk has that */
    assert_non_null(strstr(err.msg, d->path));
    assert_int_equal(file_truncate(f, 4, NULL), 0);
    file_close(f);
    assert_content(d, d->path, "head");
}

static void reading_stops_at_the_bound(void **state)
{
    struct disk *d = *state;
    struct err err = ERR_INIT;
    autofree char *big = mem_zalloc(40001);
    autobuf out = BUF_INIT;

    memset(big, 'x', 40000);
    assert_int_equal(fs_write_file_atomic(d->fs, d->path, slice_str(big), NULL), 0);
    assert_int_equal(fs_read_file(d->fs, d->path, 40000, &out, &err), 0);
    assert_int_equal(out.len, 40000);
    buf_reset(&out);
    assert_int_equal(fs_read_file(d->fs, d->path, 39999, &out, &err), E_TOOBIG);
    assert_non_null(strstr(err.msg, "longer than 39999 bytes"));
    assert_int_equal(fs_read_file(d->fs, "/proc/self/cmdline", 100000, &out, &err), 0); /* size 0 */
    assert_true(out.len > 0);
}

static void directories_are_made_listed_in_order_and_removed(void **state)
{
    struct disk *d = *state;
    struct err err = ERR_INIT;
    autofree char *deep = mem_printf("%s/x/y//z/", d->dir);
    autofree char *link = mem_printf("%s/x/link", d->dir);
    autofree char *tree = mem_printf("%s/x", d->dir);
    autofree char *inside = mem_printf("%s/x/y/B", d->dir);
    autofree char *below = mem_printf("%s/sub", d->path);
    char **names;
    size_t n;

    assert_int_equal(fs_write_file_atomic(d->fs, d->path, slice_str("kept"), NULL), 0);
    assert_int_equal(fs_mkdir_p(d->fs, deep, 0700, &err), 0);
    assert_int_equal(fs_mkdir_p(d->fs, deep, 0700, &err), 0);
    assert_true(fs_mkdir_p(d->fs, below, 0700, &err) < 0); /* a file in the way */
    assert_non_null(strstr(err.msg, "Not a directory"));
    assert_int_equal(symlink(d->path, link), 0);
    assert_int_equal(fs_write_file_atomic(d->fs, inside, slice_str(""), NULL), 0);
    assert_int_equal(fs_list(d->fs, tree, &names, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_string_equal(names[0], "link");
    assert_string_equal(names[1], "y");
    fs_list_free(names, n);
    assert_int_equal(fs_sync_dir(d->fs, tree, NULL), 0);
    assert_int_equal(fs_remove_tree(d->fs, tree, &err), 0);
    assert_false(fs_exists(d->fs, tree));
    assert_content(d, d->path, "kept"); /* the link was removed, not what it names */
}

#define file_case(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int test_file_run(void)
{
    const struct CMUnitTest tests[] = {
        file_case(atomic_write_replaces_the_whole_file),
        file_case(failed_atomic_write_leaves_the_old_file),
        file_case(absent_files_are_told_with_their_path),
        file_case(exclusive_create_refuses_an_existing_file),
        file_case(second_lock_conflicts_until_the_first_is_closed),
        file_case(vectors_are_written_in_order_at_the_offset),
        file_case(allocate_reserves_zeroes_and_never_shortens),
        file_case(reading_stops_at_the_bound),
        file_case(directories_are_made_listed_in_order_and_removed),
    };
    return cmocka_run_group_tests_name("io/file", tests, NULL, NULL);
}
