/* Snapshot streams as a member takes them: whatever is wrong with one, it is dropped, nothing of it
 * is installed, and the next good one is. */
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "raft/node.h"
#include "raft/snapshot_file.h"
#include "tests/unit/raft/broken_disk.h"
#include "tests/unit/raft/puppet.h"

enum { TERM = 100, INDEX = 500 };

/* What a stream gives, in two chunks: its head, and the file. */
struct source {
    struct buf head;
    struct buf file;
    int pulled;
    bool endless; /* the file again and again */
    bool done;
    int status;
};

static int source_next(void *arg, struct buf *out)
{
    struct source *src = arg;
    bool first = src->pulled++ == 0;
    buf_append_slice(out, buf_slice(first ? &src->head : &src->file));
    return first ? 1 : src->endless;
}

static void source_done(void *arg, int status)
{
    struct source *src = arg;
    src->done = true;
    src->status = status;
}

static void source_fini(struct source *src)
{
    buf_fini(&src->head);
    buf_fini(&src->file);
}

/* --- heads ------------------------------------------------------------------------------------ */

static void head_of(struct buf *out, const struct buf *message)
{
    buf_put_u32(out, (uint32_t)message->len);
    buf_append_slice(out, buf_slice(message));
}

static void good_head(struct buf *out, uint64_t term)
{
    autobuf b = BUF_INIT;
    struct raft_message m = { .type = RAFT_INSTALL_SNAPSHOT,
                              .install_snapshot = { .version = 1, .term = term } };
    message_put_raft(&b, &m);
    head_of(out, &b);
}

static void no_head(struct buf *out)
{
    (void)out;
}

static void empty_head(struct buf *out)
{
    buf_put_u32(out, 0);
    buf_put_u32(out, 0);
}

static void long_head(struct buf *out)
{
    buf_put_u32(out, 1 << 30);
}

static void cut_head(struct buf *out)
{
    buf_put_u32(out, 100);
    buf_append_str(out, "the rest never comes");
}

static void garbled_head(struct buf *out)
{
    autobuf b = BUF_INIT;
    buf_append_str(&b, "garbled");
    head_of(out, &b);
}

static void another_message_as_head(struct buf *out)
{
    autobuf b = BUF_INIT;
    message_put_read_index(&b, 1, 1);
    head_of(out, &b);
}

/* --- files ------------------------------------------------------------------------------------ */

struct file_plan {
    uint64_t cluster_id;
    uint64_t index;
    bool bad_conf;
    size_t bytes; /* of the state */
};

static void make_file(struct stage *s, const struct file_plan *plan, struct buf *out)
{
    struct machine state = { .hash = 77, .count = 7 };
    struct snapshot_info info = { .cluster_id = plan->cluster_id, .index = plan->index,
                                  .term = TERM, .conf_index = 1 };
    struct snapshot_writer w;
    char *dir = mem_printf("%s/made", s->dir);
    char *path = snapshot_path(dir, info.index, info.term);
    info.conf = plan->bad_conf ? value_new("\1\2\3", 3) : stage_configuration(s, true);
    assert_int_equal(fs_mkdir_p(NULL, dir, 0700, NULL), 0);
    assert_int_equal(snapshot_writer_open(&w, NULL, dir, &info, NULL), 0);
    assert_int_equal(snapshot_writer_append(&w, slice_make(&state, plan->bytes), NULL), 0);
    assert_int_equal(snapshot_writer_finish(&w, NULL), 0);
    assert_int_equal(fs_read_file(NULL, path, 1 << 20, out, NULL), 0);
    snapshot_info_fini(&info);
    mem_free(path);
    mem_free(dir);
}

static void good_file(struct stage *s, struct buf *out)
{
    make_file(s, &(struct file_plan){ CLUSTER_ID, INDEX, false, sizeof(struct machine) }, out);
}

static void empty_file(struct stage *s, struct buf *out)
{
    (void)s, (void)out;
}

static void damaged_file(struct stage *s, struct buf *out)
{
    good_file(s, out);
    out->data[out->len - 30] ^= 4;
}

static void cut_file(struct stage *s, struct buf *out)
{
    good_file(s, out);
    buf_consume(out, out->len / 2);
}

static void anothers_file(struct stage *s, struct buf *out)
{
    make_file(s, &(struct file_plan){ CLUSTER_ID + 1, INDEX, false, sizeof(struct machine) }, out);
}

static void file_without_members(struct stage *s, struct buf *out)
{
    make_file(s, &(struct file_plan){ CLUSTER_ID, INDEX, true, sizeof(struct machine) }, out);
}

static void file_of_another_machine(struct stage *s, struct buf *out)
{
    make_file(s, &(struct file_plan){ CLUSTER_ID, INDEX, false, 5 }, out);
}

/* --- streams ---------------------------------------------------------------------------------- */

static uint64_t last_stream;

static struct transport_stream *stream(struct stage *s, struct source *src)
{
    return transport_stream_start(s->p.t, MEMBER_ID, ++last_stream, source_next, source_done, src);
}

static bool installed(const struct rnode_status *status, uint64_t index)
{
    return status->snapshot_index == index;
}

static void install_good(struct stage *s)
{
    struct source good = { 0 };
    good_head(&good.head, TERM);
    good_file(s, &good.file);
    stream(s, &good);
    run_until(s->loop, &good.done);
    assert_int_equal(good.status, 0);
    stage_wait_status(s, installed, INDEX);
    assert_true(s->m.machine.restored);
    assert_int_equal(s->m.machine.count, 7);
    assert_int_equal(s->m.fatal.code, 0);
    source_fini(&good);
}

static void a_stream_with_a_wrong_head_is_refused(void **state)
{
    static void (*const HEADS[])(struct buf *out) = { no_head,      empty_head,   long_head,
                                                      cut_head,     garbled_head,
                                                      another_message_as_head };
    (void)state;
    struct stage s;
    stage_open(&s);
    for (size_t i = 0; i < ARRAY_LEN(HEADS); i++) {
        struct source src = { 0 };
        HEADS[i](&src.head);
        stream(&s, &src);
        run_until(s.loop, &src.done);
        assert_int_not_equal(src.status, 0);
        source_fini(&src);
    }
    assert_false(s.m.machine.restored);
    install_good(&s);
    stage_close(&s);
}

static void a_head_may_come_byte_by_byte(void **state)
{
    (void)state;
    struct stage s;
    struct buf head = BUF_INIT;
    struct buf file = BUF_INIT;
    stage_open(&s);
    good_head(&head, TERM);
    good_file(&s, &file);
    for (size_t i = 0; i < head.len; i++) {
        assert_int_equal(install_on_stream(s.m.node, PUPPET_ID, 1, slice_make(head.data + i, 1),
                                           false), 0);
    }
    assert_int_equal(install_on_stream(s.m.node, PUPPET_ID, 1, buf_slice(&file), true), 0);
    stage_wait_status(&s, installed, INDEX);
    assert_int_equal(s.m.machine.count, 7);
    buf_fini(&head);
    buf_fini(&file);
    stage_close(&s);
}

static void a_file_that_cannot_be_used_is_dropped(void **state)
{
    static void (*const FILES[])(struct stage *s, struct buf *out) = {
        empty_file,    damaged_file,         cut_file,
        anothers_file, file_without_members, file_of_another_machine,
    };
    (void)state;
    struct stage s;
    stage_open(&s);
    for (size_t i = 0; i < ARRAY_LEN(FILES); i++) {
        struct source src = { 0 };
        good_head(&src.head, TERM);
        FILES[i](&s, &src.file);
        stream(&s, &src);
        run_until(s.loop, &src.done);
        assert_int_equal(src.status, 0); /* it came as it was; that it is bad is found later */
        source_fini(&src);
        for (int k = 0; k < 2000 && s.m.node->snapshots.receipt != NULL; k++) {
            run_for(s.loop, 2);
        }
        assert_null(s.m.node->snapshots.receipt);
        assert_false(s.m.machine.restored);
    }
    install_good(&s);
    stage_close(&s);
}

static void a_stream_that_breaks_off_leaves_nothing_behind(void **state)
{
    (void)state;
    struct stage s;
    struct source src = { .endless = true };
    stage_open(&s);
    good_head(&src.head, TERM);
    good_file(&s, &src.file);
    struct transport_stream *endless = stream(&s, &src);
    for (int k = 0; k < 2000 && s.m.node->snapshots.receipt == NULL; k++) {
        run_for(s.loop, 2);
    }
    assert_non_null(s.m.node->snapshots.receipt);
    install_on_stream_broken(s.m.node, STRANGER_ID, 1); /* another's: no matter */
    install_on_stream_broken(s.m.node, PUPPET_ID, 1000);
    assert_non_null(s.m.node->snapshots.receipt);
    transport_stream_cancel(endless);
    run_until(s.loop, &src.done);
    for (int k = 0; k < 2000 && !list_empty(&s.m.node->snapshots.receipts); k++) {
        run_for(s.loop, 2);
    }
    assert_true(list_empty(&s.m.node->snapshots.receipts));
    source_fini(&src);
    install_good(&s);
    stage_close(&s);
}

static void a_snapshot_that_is_not_needed_is_dropped(void **state)
{
    (void)state;
    struct stage s;
    struct source src = { 0 };
    stage_open(&s);
    install_good(&s);
    s.m.machine.restored = false;
    good_head(&src.head, TERM);
    good_file(&s, &src.file);
    stream(&s, &src);
    run_until(s.loop, &src.done);
    for (int k = 0; k < 2000 && !list_empty(&s.m.node->snapshots.receipts); k++) {
        run_for(s.loop, 2);
    }
    assert_true(list_empty(&s.m.node->snapshots.receipts));
    assert_false(s.m.machine.restored);
    source_fini(&src);
    stage_close(&s);
}

static void a_snapshot_of_a_second_leader_of_the_term_ends_the_member(void **state)
{
    (void)state;
    struct stage s;
    struct rnode_status status;
    struct source src = { 0 };
    stage_open(&s);
    stage_member_leads(&s, &status);
    good_head(&src.head, status.term);
    good_file(&s, &src.file);
    stream(&s, &src);
    for (int k = 0; k < 2000 && s.m.fatal.code == 0; k++) {
        run_for(s.loop, 2);
    }
    assert_int_equal(s.m.fatal.code, E_CORRUPT);
    assert_false(s.m.machine.restored);
    source_fini(&src);
    stage_close(&s);
}

static int refuse_commit(void *arg, void *restore, uint64_t index, struct err *err)
{
    (void)arg, (void)index;
    mem_free(restore);
    return err_set(err, E_CORRUPT, "not this state");
}

static void a_state_that_cannot_be_swapped_in_ends_the_member(void **state)
{
    (void)state;
    struct stage s;
    struct source src = { 0 };
    stage_open(&s);
    s.m.node->options.fsm.restore_commit = refuse_commit;
    good_head(&src.head, TERM);
    good_file(&s, &src.file);
    stream(&s, &src);
    for (int k = 0; k < 2000 && s.m.fatal.code == 0; k++) {
        run_for(s.loop, 2);
    }
    assert_int_equal(s.m.fatal.code, E_CORRUPT);
    assert_string_equal(s.m.fatal.msg, "not this state");
    assert_false(s.m.machine.restored);
    source_fini(&src);
    stage_close(&s);
}

/* --- while the worker is at it ---------------------------------------------------------------- */

static sem_t go;

static int slow_chunk(void *arg, void *restore, struct slice bytes, struct err *err)
{
    (void)arg, (void)err;
    sem_wait(&go);
    memcpy(restore, bytes.data, bytes.len);
    return 0;
}

/* Streams a good snapshot whose check waits for `go`. */
static void stream_slow(struct stage *s, struct source *src)
{
    sem_init(&go, 0, 0);
    s->m.node->options.fsm.restore_chunk = slow_chunk;
    good_head(&src->head, TERM);
    good_file(s, &src->file);
    stream(s, src);
    run_until(s->loop, &src->done);
    assert_int_equal(src->status, 0);
}

static void one_snapshot_is_taken_at_a_time(void **state)
{
    (void)state;
    struct stage s;
    struct source slow = { 0 };
    struct source other = { 0 };
    stage_open(&s);
    stream_slow(&s, &slow);
    uint64_t slow_stream = last_stream;
    good_head(&other.head, TERM);
    good_file(&s, &other.file);
    stream(&s, &other);
    run_until(s.loop, &other.done);
    assert_int_not_equal(other.status, 0);
    struct snapshot_receipt *kept = s.m.node->snapshots.receipt;
    assert_non_null(kept);
    /* It is whole: its sender matters no more. */
    install_on_stream_broken(s.m.node, PUPPET_ID, slow_stream);
    assert_int_equal(install_on_stream(s.m.node, PUPPET_ID, slow_stream, slice_str("more"), false),
                     E_PROTO);
    assert_ptr_equal(s.m.node->snapshots.receipt, kept);
    sem_post(&go);
    stage_wait_status(&s, installed, INDEX);
    assert_int_equal(s.m.machine.count, 7);
    source_fini(&slow);
    source_fini(&other);
    stage_close(&s);
    sem_destroy(&go);
}

static void a_member_closes_while_a_snapshot_is_checked(void **state)
{
    (void)state;
    struct stage s;
    struct source slow = { 0 };
    stage_open(&s);
    stream_slow(&s, &slow);
    sem_post(&go);
    member_close(&s.m);
    assert_false(s.m.machine.restored);
    source_fini(&slow);
    stage_close(&s);
    sem_destroy(&go);
}

static void disk_slower_than_network_is_waited_for(void **state)
{
    (void)state;
    struct stage s;
    struct buf head = BUF_INIT;
    struct buf chunk = BUF_INIT;
    stage_open(&s);
    good_head(&head, TERM);
    assert_int_equal(install_on_stream(s.m.node, PUPPET_ID, 1, buf_slice(&head), false), 0);
    size_t taken = 0;
    memset(buf_reserve(&chunk, 1 << 20), 'x', 1 << 20);
    buf_advance(&chunk, 1 << 20);
    while (install_on_stream(s.m.node, PUPPET_ID, 1, buf_slice(&chunk), false) == 0) {
        taken++; /* nothing is written off meanwhile: the loop does not run */
        assert_true(taken < 64);
    }
    assert_int_equal(install_on_stream(s.m.node, PUPPET_ID, 1, buf_slice(&chunk), false),
                     E_NOTREADY);
    assert_in_range(taken, 8, 16);
    run_for(s.loop, 200);
    for (int k = 0; k < 2000; k++) {
        if (install_on_stream(s.m.node, PUPPET_ID, 1, buf_slice(&chunk), false) == 0) {
            break;
        }
        run_for(s.loop, 2);
    }
    install_on_stream_broken(s.m.node, PUPPET_ID, 1);
    assert_null(s.m.node->snapshots.receipt);
    buf_fini(&head);
    buf_fini(&chunk);
    install_good(&s);
    stage_close(&s);
}

/* What cannot be written is dropped; what cannot be put in its place ends the member. */
static void a_disk_that_fails_meanwhile_is_told(void **state)
{
    static const struct {
        const char *operation;
        bool fatal;
    } CASES[] = {
        { "file_open", false }, { "file_pwrite", false }, { "file_sync", false },
        { "fs_rename", true },  { "fs_sync_dir", true },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct stage s;
        struct source src = { 0 };
        stage_open(&s);
        good_head(&src.head, TERM);
        good_file(&s, &src.file);
        run_for(s.loop, 20); /* what its start wrote is on disk */
        disk_break(CASES[i].operation, E_IO);
        stream(&s, &src);
        run_until(s.loop, &src.done);
        for (int k = 0; k < 2000 && s.m.fatal.code == 0; k++) {
            run_for(s.loop, 2);
            if (!CASES[i].fatal && s.m.node->snapshots.receipt == NULL) {
                break;
            }
        }
        disk_mend();
        assert_int_equal(s.m.fatal.code, CASES[i].fatal ? E_IO : 0);
        assert_false(s.m.machine.restored);
        if (!CASES[i].fatal) {
            install_good(&s);
        }
        source_fini(&src);
        stage_close(&s);
    }
}

int test_install_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_with_a_wrong_head_is_refused),
        cmocka_unit_test(a_head_may_come_byte_by_byte),
        cmocka_unit_test(a_file_that_cannot_be_used_is_dropped),
        cmocka_unit_test(a_stream_that_breaks_off_leaves_nothing_behind),
        cmocka_unit_test(a_snapshot_that_is_not_needed_is_dropped),
        cmocka_unit_test(a_snapshot_of_a_second_leader_of_the_term_ends_the_member),
        cmocka_unit_test(a_state_that_cannot_be_swapped_in_ends_the_member),
        cmocka_unit_test(one_snapshot_is_taken_at_a_time),
        cmocka_unit_test(a_member_closes_while_a_snapshot_is_checked),
        cmocka_unit_test(disk_slower_than_network_is_waited_for),
        cmocka_unit_test(a_disk_that_fails_meanwhile_is_told),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests_name("raft/install", tests, NULL, NULL);
}
