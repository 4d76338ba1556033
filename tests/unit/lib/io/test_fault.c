/* The shim at work on this loop's disk, clock and links; damage to a dead process's files. */
#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/io/fault.h"
#include "lib/io/fault_damage.h"
#include "lib/io/file.h"

enum { FILE_BYTES = 64 * 1024 };

struct shim {
    struct loop *loop;
    char *dir;   /* data */
    char *rules; /* the file of rules, beside it */
    char *parent;
};

static void drop_line(void *arg, enum log_level level, const char *line)
{
    (void)arg;
    (void)level;
    (void)line;
}

static int setup(void **state)
{
    struct shim *s = mem_zalloc(sizeof *s);

    s->parent = temp_dir_new();
    s->dir = mem_printf("%s/data", s->parent);
    s->rules = mem_printf("%s/rules", s->parent);
    s->loop = loop_new();
    assert_int_equal(fs_mkdir_p(NULL, s->dir, 0700, NULL), 0);
    log_set_sink(drop_line, NULL);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct shim *s = *state;

    log_set_sink(NULL, NULL);
    if (s->loop != NULL) {
        loop_free(s->loop);
    }
    temp_dir_free(s->parent);
    mem_free(s->dir);
    mem_free(s->rules);
    mem_free(s);
    return 0;
}

static void start(struct shim *s, const char *text)
{
    assert_int_equal(fs_write_file_atomic(NULL, s->rules, slice_str(text), NULL), 0);
    assert_int_equal(faults_start(s->loop, s->rules, "m1", NULL), 0);
}

struct stop {
    struct timer timer;
    struct loop *loop;
};

static void on_stop(struct timer *t)
{
    loop_stop(CONTAINER_OF(t, struct stop, timer)->loop);
}

static void run_for(struct shim *s, uint64_t ms)
{
    struct stop stop = { .loop = s->loop };
    timer_init(s->loop, &stop.timer, on_stop);
    timer_start(&stop.timer, ms);
    loop_run(s->loop);
}

/* Replaces the rules and runs the loop until FILE.applied says so. */
static void replace(struct shim *s, const char *text)
{
    autofree char *applied = mem_printf("%s.applied", s->rules);
    uint64_t until_ms = clock_mono_ms() + 5000;

    assert_int_equal(fs_write_file_atomic(NULL, s->rules, slice_str(text), NULL), 0);
    for (;;) {
        autobuf got = BUF_INIT;
        assert_true(clock_mono_ms() < until_ms);
        if (fs_read_file(NULL, applied, FAULT_TEXT_MAX_BYTES, &got, NULL) == 0 &&
            slice_eq(buf_slice(&got), slice_str(text))) {
            break;
        }
        run_for(s, 5);
    }
}

static struct file *create(struct shim *s, const char *name)
{
    autofree char *path = mem_printf("%s/%s", s->dir, name);
    struct file *f = NULL;
    assert_int_equal(file_open(loop_fs(s->loop), path, FILE_READ | FILE_WRITE | FILE_CREATE, &f,
                               NULL), 0);
    return f;
}

static int write_at(struct file *f, char c, size_t len, uint64_t offset)
{
    autofree char *bytes = mem_alloc(len);
    memset(bytes, c, len);
    return file_pwrite(f, bytes, len, offset, NULL);
}

/* Ends this "process" with a kill: its journal stays, as do its files. */
static void kill_process(struct shim *s)
{
    autofree char *journal = mem_printf("%s.unsynced", s->rules);
    autofree char *aside = mem_printf("%s.aside", s->rules);
    assert_int_equal(rename(journal, aside), 0);
    loop_free(TAKE(s->loop));
    assert_int_equal(rename(aside, journal), 0);
}

static void damaged(struct shim *s, uint64_t seed, bool torn, struct buf *ret_bytes)
{
    autofree char *journal = mem_printf("%s.unsynced", s->rules);
    autofree char *path = mem_printf("%s/a", s->dir);
    autobuf told = BUF_INIT;
    assert_int_equal(damage_unsynced(s->dir, journal, seed, torn, &told, NULL), 0);
    assert_int_equal(fs_read_file(NULL, path, FILE_BYTES * 4, ret_bytes, NULL), 0);
    assert_false(fs_exists(NULL, journal));
}

static void assert_all(const struct buf *b, size_t from, size_t to, char want)
{
    assert_true(b->len >= to);
    for (size_t i = from; i < to; i++) {
        assert_int_equal(b->data[i], want);
    }
}

/* --- the disk --------------------------------------------------------------------------------- */

static void a_full_disk_refuses_growth_and_nothing_else(void **state)
{
    struct shim *s = *state;
    struct file *other = NULL;
    autofree char *path = mem_printf("%s/b", s->dir);

    start(s, "");
    struct file *f = create(s, "a");
    assert_int_equal(file_allocate(f, 4096, NULL), 0);
    replace(s, "disk full\n");
    assert_int_equal(write_at(f, 'x', 4096, 0), 0);
    assert_int_equal(write_at(f, 'x', 1, 4096), E_DISKFULL);
    assert_int_equal(file_allocate(f, 8192, NULL), E_DISKFULL);
    assert_int_equal(file_open(loop_fs(s->loop), path, FILE_WRITE | FILE_CREATE, &other, NULL),
                     E_DISKFULL);
    assert_int_equal(fs_mkdir_p(loop_fs(s->loop), path, 0700, NULL), E_DISKFULL);
    assert_int_equal(file_sync(f, NULL), 0);
    replace(s, "# healed\n");
    assert_int_equal(write_at(f, 'x', 1, 4096), 0);
    file_close(f);
}

static void writes_and_syncs_fail_as_told(void **state)
{
    struct shim *s = *state;
    struct err err = ERR_INIT;

    start(s, "disk sync_fails=EIO\n");
    struct file *f = create(s, "a");
    assert_int_equal(write_at(f, 'x', 10, 0), 0);
    assert_int_equal(file_sync(f, &err), E_IO);
    assert_non_null(strstr(err.msg, "fsync"));
    assert_non_null(strstr(err.msg, "(fault rule)"));
    replace(s, "disk write_fails=EIO\n");
    assert_int_equal(write_at(f, 'x', 10, 0), E_IO);
    file_close(f);
}

static void a_slow_disk_takes_its_time(void **state)
{
    struct shim *s = *state;

    start(s, "disk sync_ms=30 write_ms=20\n");
    struct file *f = create(s, "a");
    uint64_t begun = clock_mono_ms();
    assert_int_equal(write_at(f, 'x', 10, 0), 0);
    assert_true(clock_mono_ms() - begun >= 20);
    begun = clock_mono_ms();
    assert_int_equal(file_sync(f, NULL), 0);
    assert_true(clock_mono_ms() - begun >= 30);
    file_close(f);
}

/* --- the clock, wrong rules ------------------------------------------------------------------- */

static void the_wall_clock_jumps_and_the_monotonic_clock_does_not(void **state)
{
    struct shim *s = *state;

    start(s, "clock wall_ms=+3600000\n");
    uint64_t mono = loop_now_ms(s->loop);
    assert_true(loop_wall_ms(s->loop) >= clock_wall_ms() + 3599000);
    replace(s, "clock wall_ms=-3600000\n");
    assert_true(loop_wall_ms(s->loop) <= clock_wall_ms() - 3599000);
    assert_true(loop_now_ms(s->loop) >= mono && loop_now_ms(s->loop) < mono + 60000);
}

static void wrong_rules_refuse_the_start_and_change_nothing_later(void **state)
{
    struct shim *s = *state;
    struct err err = ERR_INIT;

    assert_int_equal(fs_write_file_atomic(NULL, s->rules, slice_str("disk ful\n"), NULL), 0);
    assert_int_equal(faults_start(s->loop, s->rules, "m1", &err), E_INVAL);
    assert_non_null(strstr(err.msg, "line 1: disk: unknown word \"ful\""));
    assert_null(loop_faults(s->loop));
    start(s, "clock wall_ms=+3600000\n");
    assert_int_equal(fs_write_file_atomic(NULL, s->rules, slice_str("disk ful\n"), NULL), 0);
    run_for(s, 150); /* it looks every 50 ms */
    assert_true(loop_wall_ms(s->loop) >= clock_wall_ms() + 3599000);
}

/* --- links ------------------------------------------------------------------------------------ */

/* The fates of 64 frames to a peer, as text. */
static void draw(struct shim *s, const char *to, struct buf *out)
{
    struct fault_name name = { to, to };
    for (int i = 0; i < 64; i++) {
        struct fault_frame f = faults_frame(loop_faults(s->loop), name);
        buf_printf(out, "%d%d%d,%u ", f.lost, f.twice, f.overtaken, f.delay_ms);
    }
}

static void the_same_seed_draws_the_same_in_each_link(void **state)
{
    struct shim *s = *state;
    autobuf m2 = BUF_INIT;
    autobuf m3 = BUF_INIT;
    autobuf again = BUF_INIT;
    autobuf other = BUF_INIT;

    start(s, "seed 7\nlink m1>* drop=0.3 duplicate=0.2 reorder=0.2 delay_ms=5..50\n");
    draw(s, "m2", &m2);
    draw(s, "m3", &m3);
    assert_false(slice_eq(buf_slice(&m2), buf_slice(&m3)));
    replace(s, "seed 7\nlink m1>* drop=0.3 duplicate=0.2 reorder=0.2 delay_ms=5..50\n#\n");
    draw(s, "m3", &other); /* another order of links changes nothing */
    draw(s, "m2", &again);
    assert_true(slice_eq(buf_slice(&m2), buf_slice(&again)));
    replace(s, "seed 8\nlink m1>* drop=0.3 duplicate=0.2 reorder=0.2 delay_ms=5..50\n");
    buf_reset(&again);
    draw(s, "m2", &again);
    assert_false(slice_eq(buf_slice(&m2), buf_slice(&again)));
}

static void one_way_rules_are_for_their_sender(void **state)
{
    struct shim *s = *state;
    const struct fault_name m2 = { "m2", "127.0.0.1:2" };

    start(s, "link m2>m1 cut\n");
    assert_false(faults_cut(loop_faults(s->loop), m2));
    replace(s, "link m1>m2 cut\n");
    assert_true(faults_cut(loop_faults(s->loop), m2));
    assert_false(faults_cut(loop_faults(s->loop), (struct fault_name){ "m3", NULL }));
    faults_set_address(loop_faults(s->loop), "127.0.0.1:1");
    replace(s, "link 127.0.0.1:1>127.0.0.1:2 drop=1\n");
    assert_true(faults_frame(loop_faults(s->loop), m2).lost);
}

/* --- damage ----------------------------------------------------------------------------------- */

static void a_power_cut_takes_unsynced_writes_and_no_synced_byte(void **state)
{
    struct shim *s = *state;
    autobuf got = BUF_INIT;

    start(s, "disk track_unsynced\n");
    struct file *f = create(s, "a");
    assert_int_equal(write_at(f, 'o', FILE_BYTES, 0), 0);
    assert_int_equal(file_sync(f, NULL), 0);
    assert_int_equal(write_at(f, 'n', 5000, 700), 0);          /* over synced bytes */
    assert_int_equal(write_at(f, 'm', 100, 750), 0);           /* twice */
    assert_int_equal(write_at(f, 'n', FILE_BYTES, FILE_BYTES), 0); /* beyond the end */
    file_close(f);
    kill_process(s);
    damaged(s, 1, false, &got);
    assert_int_equal(got.len, FILE_BYTES);
    assert_all(&got, 0, FILE_BYTES, 'o');
}

static void a_torn_write_keeps_some_sectors_whole_and_loses_others_whole(void **state)
{
    struct shim *s = *state;
    autobuf got = BUF_INIT;
    unsigned kept = 0;
    unsigned lost = 0;

    start(s, "disk track_unsynced\n");
    struct file *f = create(s, "a");
    assert_int_equal(write_at(f, 'o', FILE_BYTES, 0), 0);
    assert_int_equal(file_sync(f, NULL), 0);
    assert_int_equal(write_at(f, 'n', FILE_BYTES, 0), 0);
    file_close(f);
    kill_process(s);
    damaged(s, 3, true, &got);
    assert_int_equal(got.len, FILE_BYTES);
    for (size_t i = 0; i < FILE_BYTES; i += 512) {
        bool new = got.data[i] == 'n';
        assert_all(&got, i, i + 512, new ? 'n' : 'o');
        *(new ? &kept : &lost) += 1;
    }
    assert_true(kept > 30 && lost > 30);
}

static void a_file_that_took_over_an_inode_is_not_the_old_one(void **state)
{
    struct shim *s = *state;
    autobuf got = BUF_INIT;
    autofree char *b = mem_printf("%s/b", s->dir);

    start(s, "disk track_unsynced\n");
    struct file *other = create(s, "other"); /* keeps the journal from being emptied */
    assert_int_equal(write_at(other, 'x', 10, 0), 0);
    struct file *f = create(s, "b");
    assert_int_equal(write_at(f, 'b', 3000, 0), 0);
    file_close(f);
    assert_int_equal(fs_unlink(loop_fs(s->loop), b, NULL), 0);
    f = create(s, "a"); /* most file systems give it b's inode */
    assert_int_equal(write_at(f, 'a', 3000, 0), 0);
    assert_int_equal(file_sync(f, NULL), 0);
    file_close(f);
    file_close(other);
    kill_process(s);
    damaged(s, 1, false, &got);
    assert_int_equal(got.len, 3000);
    assert_all(&got, 0, 3000, 'a');
}

static void one_bit_flips_and_only_where_something_was_written(void **state)
{
    struct shim *s = *state;
    autofree char *path = mem_printf("%s/a", s->dir);

    struct file *f = create(s, "a");
    assert_int_equal(file_allocate(f, FILE_BYTES, NULL), 0);
    assert_int_equal(write_at(f, 'a', 100, 1000), 0);
    file_close(f);
    for (uint64_t seed = 0; seed < 20; seed++) {
        autobuf before = BUF_INIT;
        autobuf after = BUF_INIT;
        autobuf told = BUF_INIT;
        unsigned bits = 0;
        assert_int_equal(fs_read_file(NULL, path, FILE_BYTES, &before, NULL), 0);
        assert_int_equal(damage_flip(s->dir, seed, &told, NULL), 0);
        assert_int_equal(fs_read_file(NULL, path, FILE_BYTES, &after, NULL), 0);
        for (size_t i = 0; i < FILE_BYTES; i++) {
            unsigned d = (unsigned)__builtin_popcount(before.data[i] ^ after.data[i]);
            assert_true(d == 0 || (i >= 1000 && i < 1100));
            bits += d;
        }
        assert_int_equal(bits, 1);
        assert_non_null(strstr(buf_str(&told), "flipped"));
    }
}

static void there_is_no_damage_without_a_journal_or_data(void **state)
{
    struct shim *s = *state;
    autobuf told = BUF_INIT;
    autofree char *journal = mem_printf("%s.unsynced", s->rules);

    assert_int_equal(damage_unsynced(s->dir, journal, 1, true, &told, NULL), E_NOTFOUND);
    assert_int_equal(damage_flip(s->dir, 1, &told, NULL), E_NOTFOUND);
    assert_int_equal(told.len, 0);
}

int test_fault_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_full_disk_refuses_growth_and_nothing_else, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(writes_and_syncs_fail_as_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_slow_disk_takes_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(the_wall_clock_jumps_and_the_monotonic_clock_does_not,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_rules_refuse_the_start_and_change_nothing_later,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_seed_draws_the_same_in_each_link, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(one_way_rules_are_for_their_sender, setup, teardown),
        cmocka_unit_test_setup_teardown(a_power_cut_takes_unsynced_writes_and_no_synced_byte,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_torn_write_keeps_some_sectors_whole_and_loses_others_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_took_over_an_inode_is_not_the_old_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(one_bit_flips_and_only_where_something_was_written, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(there_is_no_damage_without_a_journal_or_data, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
