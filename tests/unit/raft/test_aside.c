/* What is beside the log: who has taken part, a slow disk's leader, directories set aside, files of
 * other versions. */
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/codec/crc32c.h"
#include "lib/codec/mp.h"
#include "raft/join.h"
#include "raft/meta.h"
#include "raft/node.h"
#include "raft/quarantine.h"
#include "raft/snapshot_file.h"
#include "tests/unit/raft/broken_disk.h"
#include "tests/unit/raft/puppet.h"

enum { TERM = 100, VERSION_AT = 8, INDEX_AT = 24, TERM_AT = 32 };

/* --- who has taken part ----------------------------------------------------------------------- */

static struct value *entry_of(uint64_t kind, uint64_t origin)
{
    autobuf b = BUF_INIT;
    mp_put_array(&b, 6);
    mp_put_u64(&b, 1);
    mp_put_u64(&b, kind);
    mp_put_u64(&b, origin);
    mp_put_u64(&b, 1);
    mp_put_u64(&b, 1);
    mp_put_bin(&b, slice_str("x"));
    return value_new(b.data, b.len);
}

struct outcome {
    bool done;
    int status;
    struct join_answer answer;
};

static void on_answer(void *arg, int status, struct slice answer)
{
    struct outcome *o = arg;
    o->done = true;
    o->status = status;
    if (status == 0) {
        assert_int_equal(join_answer_decode(answer, &o->answer), 0);
    }
}

static void knock_about(struct stage *s, uint64_t what, uint64_t about, const char *address,
                        struct outcome *o)
{
    struct knock k = { .cluster_id = CLUSTER_ID, .what = what, .about = about };
    *o = (struct outcome){ 0 };
    str_copy(k.address, sizeof k.address, address);
    transport_knock_start(s->loop, s->m.address, &k, 9000, on_answer, o);
    run_until(s->loop, &o->done);
    assert_int_equal(o->status, 0);
}

static void knock(struct stage *s, uint64_t what, const char *address, struct outcome *o)
{
    knock_about(s, what, 0, address, o);
}

/* Nothing of it is committed: a member that has just started knows no more. */
static void what_is_in_the_log_shows_who_has_taken_part(void **state)
{
    (void)state;
    struct stage s;
    struct outcome o;
    stage_open(&s);
    stage_entry(&s, 2, TERM, RAFT_BARRIER, value_new("\0\0\0\0\0\0\0", 8));
    stage_entry(&s, 3, TERM, RAFT_COMMAND, value_new("no envelope", 11));
    stage_entry(&s, 4, TERM, RAFT_COMMAND, entry_of(COMMAND_USER, PUPPET_ID));
    stage_entry(&s, 5, TERM, RAFT_COMMAND, entry_of(COMMAND_ATTRS, MEMBER_ID));
    stage_append(&s, TERM, 1, 1, 1);
    puppet_wait(&s.p, RAFT_APPEND_ENTRIES_RESULT, 1);
    knock(&s, JOIN_STARTED, s.p.address, &o);
    assert_int_equal(o.answer.your_id, 0); /* all this is not of it */
    knock(&s, JOIN_STARTED, s.m.address, &o);
    assert_int_equal(o.answer.your_id, MEMBER_ID);
    stage_entry(&s, 6, TERM, RAFT_COMMAND, entry_of(COMMAND_ATTRS, PUPPET_ID));
    stage_append(&s, TERM, 5, TERM, 1);
    puppet_wait(&s.p, RAFT_APPEND_ENTRIES_RESULT, 2);
    knock(&s, JOIN_STARTED, s.p.address, &o);
    assert_int_equal(o.answer.your_id, PUPPET_ID);
    knock(&s, JOIN_STARTED, "nowhere:1", &o);
    assert_int_equal(o.answer.your_id, 0);
    stage_close(&s);
}

static void knocks_that_ask_too_much_are_told_why_not(void **state)
{
    (void)state;
    struct stage s;
    struct outcome o;
    struct rnode_status status;
    stage_open(&s);
    knock(&s, JOIN_REPLACE, s.p.address, &o);
    assert_int_equal(o.answer.status, E_NOTLEADER);
    knock(&s, JOIN_REPLACE, "", &o);
    assert_int_equal(o.answer.status, E_UNSUPPORTED);
    knock(&s, 77, s.p.address, &o);
    assert_int_equal(o.answer.status, E_UNSUPPORTED);
    s.p.acks = true;
    stage_member_leads(&s, &status);
    assert_int_equal(propose(&s.m, "x"), 0);
    knock_about(&s, JOIN_REPLACE, MEMBER_ID, s.m.address, &o); /* it is there: it leads */
    assert_int_equal(o.answer.status, E_NOTREADY);
    knock_about(&s, JOIN_REPLACE, PUPPET_ID, s.p.address, &o); /* and so is this one */
    assert_int_equal(o.answer.status, E_NOTREADY);
    knock(&s, JOIN_REPLACE, "127.0.0.1:9", &o); /* nobody's: a new member's */
    assert_int_equal(o.answer.status, 0);
    size_t n;
    rnode_members(s.m.node, &n);
    assert_int_equal(n, 3);
    stage_close(&s);
}

/* Simulator seed 1010371: a question that had waited at a stopped process removed the member which
 * the same question had put there a moment before. */
static void a_replacement_is_asked_for_once_however_often_the_question_comes(void **state)
{
    (void)state;
    struct stage s;
    struct outcome o;
    struct rnode_status status;
    size_t n;
    stage_open(&s);
    s.p.acks = true;
    stage_member_leads(&s, &status);
    assert_int_equal(propose(&s.m, "x"), 0);
    knock(&s, JOIN_REPLACE, "127.0.0.1:9", &o);
    assert_int_equal(o.answer.status, 0);
    uint64_t id = o.answer.your_id;
    assert_true(id != 0);
    for (uint64_t about = 0; about < 2; about++) { /* the same; about one that was there before */
        knock_about(&s, JOIN_REPLACE, about * STRANGER_ID, "127.0.0.1:9", &o);
        assert_int_equal(o.answer.status, 0);
        assert_true(o.answer.your_id == id);
    }
    rnode_members(s.m.node, &n);
    assert_int_equal(n, 3);
    /* That one, too, has lost its state: it is replaced in its turn. */
    knock_about(&s, JOIN_REPLACE, id, "127.0.0.1:9", &o);
    assert_int_equal(o.answer.status, 0);
    assert_true(o.answer.your_id != 0 && o.answer.your_id != id);
    stage_close(&s);
}

static void two_replacements_at_once_are_one_too_many(void **state)
{
    (void)state;
    struct stage s;
    struct rnode_status status;
    struct outcome first = { 0 };
    struct outcome second;
    stage_open(&s);
    s.p.acks = true;
    stage_member_leads(&s, &status);
    assert_int_equal(propose(&s.m, "x"), 0);
    s.p.acks = false; /* the first one's change hangs */
    struct knock k = { .cluster_id = CLUSTER_ID, .what = JOIN_REPLACE, .address = "127.0.0.1:9" };
    transport_knock_start(s.loop, s.m.address, &k, 9000, on_answer, &first);
    for (int i = 0; i < 50 && list_empty(&s.m.node->knocks); i++) {
        run_for(s.loop, 1);
    }
    knock(&s, JOIN_REPLACE, "127.0.0.1:10", &second);
    assert_int_equal(second.answer.status, E_CONFLICT);
    stage_close(&s);
    assert_true(first.done || first.status == 0);
}

/* --- a slow disk ------------------------------------------------------------------------------ */

static void slow_down(struct stage *s)
{
    for (int i = 0; i < 20; i++) {
        slow_disk_synced(s->m.node, 1.0);
    }
}

static void say_slow(struct stage *s, uint64_t term)
{
    struct buf b = BUF_INIT;
    message_put_disk_slow(&b, term);
    puppet_send(&s->p, &b);
}

static void a_slow_disks_leader_leads_on_where_the_quick_are_no_majority(void **state)
{
    (void)state;
    struct stage s;
    struct rnode_status status;
    stage_open(&s);
    s.p.acks = true;
    stage_member_leads(&s, &status);
    assert_int_equal(propose(&s.m, "x"), 0);
    say_slow(&s, status.term);
    say_slow(&s, status.term);
    run_for(s.loop, 20);
    assert_int_equal(s.m.node->slow_disk.notes_n, 1);
    slow_down(&s);
    for (int i = 0; i < 1000 && !s.m.node->slow_disk.told_alone; i++) {
        run_for(s.loop, 2);
    }
    assert_true(s.m.node->slow_disk.told_alone); /* nobody's is better */
    assert_int_equal(s.p.heard[RAFT_TIMEOUT_NOW], 0);
    rnode_get_status(s.m.node, &status);
    assert_true(status.disk_slow);
    for (int i = 0; i < 200; i++) { /* the puppet's word is too old by then: one of two is quick */
        slow_down(&s);
        run_for(s.loop, 5);
    }
    assert_int_equal(s.p.heard[RAFT_TIMEOUT_NOW], 0);
    rnode_get_status(s.m.node, &status);
    assert_int_equal(status.state, RNODE_LEADER);
    assert_int_equal(propose(&s.m, "slowly"), 0);
    stage_close(&s);
}

static void a_slow_disks_follower_says_so(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    stage_append(&s, TERM, 1, 1, 1);
    puppet_wait(&s.p, RAFT_APPEND_ENTRIES_RESULT, 1);
    for (int i = 0; i < 100 && s.p.heard[MESSAGE_DISK_SLOW] == 0; i++) {
        slow_down(&s);
        stage_append(&s, TERM, 1, 1, 1);
        run_for(s.loop, 20);
    }
    assert_true(s.p.heard[MESSAGE_DISK_SLOW] > 0);
    stage_close(&s);
}

/* --- directories set aside -------------------------------------------------------------------- */

static void what_fails_while_a_directory_is_set_aside_is_told(void **state)
{
    static const char *const OPERATIONS[] = { "fs_list", "fs_remove_tree", "fs_rename" };
    (void)state;
    char *base = temp_dir_new();
    char *dir = mem_printf("%s/member", base);
    char to[300];
    for (int i = 0; i < QUARANTINES_KEPT + 1; i++) {
        assert_int_equal(fs_mkdir_p(NULL, dir, 0700, NULL), 0);
        assert_int_equal(quarantine_move(NULL, dir, to, sizeof to, NULL), 0);
    }
    assert_int_equal(fs_mkdir_p(NULL, dir, 0700, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(OPERATIONS); i++) {
        disk_break(OPERATIONS[i], E_IO);
        assert_int_equal(quarantine_move(NULL, dir, to, sizeof to, NULL), E_IO);
        disk_mend();
        assert_true(fs_exists(NULL, dir));
    }
    disk_break("fs_list", E_IO);
    assert_false(quarantine_any(NULL, dir));
    disk_mend();
    assert_true(quarantine_any(NULL, dir));
    struct err why = ERR_INIT;
    err_set(&why, E_CORRUPT, "bad memory");
    assert_int_equal(quarantine_mark(NULL, dir, &why, NULL), 0);
    disk_break("fs_read_file", E_IO);
    assert_int_equal(quarantine_check(NULL, dir, NULL), E_IO);
    disk_break("fs_read_file", E_TOOBIG); /* whatever it says: it is there */
    assert_int_equal(quarantine_check(NULL, dir, NULL), E_CORRUPT);
    disk_break("fs_mkdir_p", E_PERM);
    assert_int_equal(quarantine_room(NULL, dir, 100, NULL), E_PERM);
    disk_break("file_open", E_PERM);
    assert_int_equal(quarantine_room(NULL, dir, 100, NULL), E_PERM);
    disk_break("file_allocate", E_DISKFULL);
    assert_int_equal(quarantine_room(NULL, dir, 100, NULL), E_DISKFULL);
    disk_mend();
    assert_int_equal(quarantine_room(NULL, dir, 100, NULL), 0);
    mem_free(dir);
    temp_dir_free(base);
}

/* --- files of other versions ------------------------------------------------------------------ */

static void put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> 8 * i);
    }
}

/* Changes one byte of a file's head, and mends the checksum that covers it. */
static void patch(const char *path, size_t at, size_t offset, uint8_t byte, size_t crc_at)
{
    autobuf b = BUF_INIT;
    assert_int_equal(fs_read_file(NULL, path, 1 << 20, &b, NULL), 0);
    b.data[at + offset] = byte;
    put_u32(b.data + at + crc_at, crc32c(0, b.data + at, crc_at));
    assert_int_equal(fs_write_file_atomic(NULL, path, buf_slice(&b), NULL), 0);
}

static void term_and_vote_of_another_version_are_left_alone(void **state)
{
    (void)state;
    for (size_t copy = 0; copy < 2; copy++) {
        struct meta m = { .cluster_id = 1, .member_id = 2, .term = 3 };
        struct err err = ERR_INIT;
        char *dir = temp_dir_new();
        char *path = mem_printf("%s/meta", dir);
        assert_int_equal(meta_create(NULL, dir, path, &m, NULL), 0);
        meta_close(&m);
        patch(path, copy * 4096, VERSION_AT, 99, META_COPY_BYTES - 4);
        assert_int_equal(meta_load(NULL, path, &m, &err), E_UNSUPPORTED);
        assert_non_null(strstr(err.msg, "version"));
        mem_free(path);
        temp_dir_free(dir);
    }
}

static void a_snapshot_of_another_version_or_of_nothing_is_refused(void **state)
{
    static const struct {
        size_t at;
        uint8_t byte;
        int status;
    } CASES[] = {
        { INDEX_AT, 5, 0 }, /* as it was */
        { VERSION_AT, 99, E_UNSUPPORTED },
        { INDEX_AT, 0, E_CORRUPT },
        { TERM_AT, 0, E_CORRUPT },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct snapshot_info info = { .cluster_id = 5, .index = 5, .term = 1, .conf_index = 1,
                                      .conf = value_new("conf", 4) };
        struct snapshot_writer w;
        struct snapshot_reader r;
        char *dir = temp_dir_new();
        char *path = snapshot_path(dir, info.index, info.term);
        assert_int_equal(snapshot_writer_open(&w, NULL, dir, &info, NULL), 0);
        assert_int_equal(snapshot_writer_finish(&w, NULL), 0);
        patch(path, 0, CASES[i].at, CASES[i].byte, 56 + 4);
        int rv = snapshot_reader_open(&r, NULL, path, 5, NULL);
        assert_int_equal(rv, CASES[i].status);
        if (rv == 0) {
            snapshot_reader_close(&r);
        }
        snapshot_info_fini(&info);
        mem_free(path);
        temp_dir_free(dir);
    }
}

int test_aside_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_the_log_shows_who_has_taken_part),
        cmocka_unit_test(knocks_that_ask_too_much_are_told_why_not),
        cmocka_unit_test(a_replacement_is_asked_for_once_however_often_the_question_comes),
        cmocka_unit_test(two_replacements_at_once_are_one_too_many),
        cmocka_unit_test(a_slow_disks_leader_leads_on_where_the_quick_are_no_majority),
        cmocka_unit_test(a_slow_disks_follower_says_so),
        cmocka_unit_test(what_fails_while_a_directory_is_set_aside_is_told),
        cmocka_unit_test(term_and_vote_of_another_version_are_left_alone),
        cmocka_unit_test(a_snapshot_of_another_version_or_of_nothing_is_refused),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests_name("raft/aside", tests, NULL, NULL);
}
