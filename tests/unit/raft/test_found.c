/* A member that begins with a state, and looking at one that does not run. */
#include <stdio.h>
#include <string.h>

#include <raft.h>

#include "lib/base/str.h"
#include "lib/codec/mp.h"
#include "raft/found.h"
#include "raft/inspect.h"
#include "raft/meta.h"
#include "raft/wal_file.h"
#include "tests/unit/raft/broken_disk.h"
#include "tests/unit/raft/test.h"

enum { CLUSTER = 0xc1, SELF = 1, INDEX = 40, TERM = 3, OPERATIONS_MAX = 500 };

struct place {
    struct loop *loop;
    char *base, *dir;
    struct member m;
    struct rnode_options o;
    struct rnode_member self;
    struct machine state;
};

static int next(void *arg, struct buf *out)
{
    buf_append(out, arg, sizeof(struct machine));
    return 0;
}

static int found(struct place *p, struct err *err)
{
    struct found_options o = { .dir = p->dir, .cluster_id = CLUSTER, .member_id = SELF,
                               .members = &p->self, .n_members = 1, .index = INDEX, .term = TERM,
                               .next = next, .arg = &p->state };
    return found_member(&o, err);
}

static void place_open(struct place *p)
{
    *p = (struct place){ .loop = loop_new(), .base = temp_dir_new(), .m.id = SELF,
                         .state = { .hash = 77, .count = 5 } };
    p->dir = mem_printf("%s/member", p->base);
    str_copy(p->m.address, sizeof p->m.address, "127.0.0.1:0");
    member_options(&p->m, p->loop, p->dir, &p->o);
    p->self = (struct rnode_member){ .id = SELF, .role = RNODE_VOTER,
                                     .peer_address = "127.0.0.1:1" };
    p->o.initial = &p->self;
    p->o.n_initial = 1;
}

static void place_close(struct place *p)
{
    loop_free(p->loop);
    temp_dir_free(p->base);
    mem_free(p->dir);
}

static void start(struct place *p)
{
    struct err err = ERR_INIT;
    p->m.closed = false;
    assert_int_equal(rnode_open(&p->o, &p->m.node, &err), 0);
}

static void a_founded_member_starts_with_the_state_and_goes_on(void **state)
{
    (void)state;
    struct place p;
    struct rnode_status s;
    struct err err = ERR_INIT;
    place_open(&p);
    assert_int_equal(found(&p, &err), 0);
    for (unsigned life = 0; life < 2; life++) {
        start(&p);
        assert_true(p.m.machine.restored);
        assert_int_equal(propose(&p.m, "more"), 0);
        rnode_get_status(p.m.node, &s);
        assert_true(s.last_index > INDEX);
        assert_true(s.term > TERM);
        assert_int_equal(p.m.machine.count, 5 + life + 1);
        member_close(&p.m);
        p.m.machine = (struct machine){ 0 };
    }
    assert_int_equal(found(&p, &err), E_EXIST);
    place_close(&p);
}

static void members_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct place p;
    struct err err = ERR_INIT;
    place_open(&p);
    p.self.peer_address[0] = '\0';
    assert_int_equal(found(&p, &err), E_INVAL);
    p.self.id = 0;
    assert_int_equal(found(&p, &err), E_INVAL);
    assert_false(fs_exists(NULL, p.dir));
    place_close(&p);
}

static void a_stopped_member_is_read_to_the_end_of_its_log(void **state)
{
    (void)state;
    struct place p;
    struct inspect in;
    struct err err = ERR_INIT;
    place_open(&p);
    assert_int_equal(found(&p, &err), 0);
    start(&p);
    assert_int_equal(inspect_open(NULL, p.dir, &in, &err), E_CONFLICT); /* it runs */
    assert_int_equal(propose(&p.m, "one"), 0);
    assert_int_equal(propose(&p.m, "two"), 0);
    uint64_t hash = p.m.machine.hash;
    member_close(&p.m);
    assert_int_equal(inspect_open(NULL, p.dir, &in, &err), 0);
    assert_int_equal(in.cluster_id, CLUSTER);
    assert_int_equal(in.member_id, SELF);
    assert_int_equal(in.snapshot_index, INDEX);
    assert_int_equal(in.snapshot_term, TERM);
    assert_int_equal(in.first_index, INDEX + 1);
    assert_true(in.last_index >= INDEX + 2);
    assert_true(in.commit_index >= INDEX);
    assert_true(in.commit_index <= in.last_index);
    assert_int_equal(in.n_members, 1);
    assert_string_equal(in.members[0].peer_address, "127.0.0.1:1");
    struct machine got = { 0 };
    struct rnode_fsm fsm = p.o.fsm;
    fsm.arg = &got;
    assert_int_equal(inspect_replay(&in, &fsm, &err), 0);
    assert_int_equal(got.count, 7);
    assert_int_equal(got.hash, hash);
    inspect_close(&in);
    place_close(&p);
}

static void what_cannot_be_read_is_told(void **state)
{
    (void)state;
    struct place p;
    struct inspect in;
    struct err err = ERR_INIT;
    place_open(&p);
    assert_int_equal(inspect_open(NULL, p.dir, &in, &err), E_NOTFOUND);
    assert_int_equal(found(&p, &err), 0);
    autofree char *wal = mem_printf("%s/wal/0000000000000001.wal", p.dir);
    autofree char *snap = mem_printf("%s/snap/%016x-%016x.snap", p.dir, INDEX, TERM);
    autofree char *meta = mem_printf("%s/meta", p.dir);
    file_flip_bit(snap, 20, 1);
    assert_int_equal(inspect_open(NULL, p.dir, &in, &err), E_CORRUPT);
    assert_int_equal(fs_unlink(NULL, snap, NULL), 0);
    assert_int_equal(inspect_open(NULL, p.dir, &in, &err), E_CORRUPT); /* what comes before? */
    file_flip_bit(wal, 20, 1);
    assert_int_equal(inspect_open(NULL, p.dir, &in, &err), E_CORRUPT);
    file_flip_bit(meta, 30, 1);
    file_flip_bit(meta, 4096 + 30, 1);
    assert_int_equal(inspect_open(NULL, p.dir, &in, &err), E_CORRUPT);
    place_close(&p);
}

/* --- logs as they may be ---------------------------------------------------------------------- */

struct given {
    uint64_t index, term;
    uint32_t type;
    const char *command; /* of kind `kind`; NULL: no envelope */
    uint64_t kind;
};

static void put_envelope(struct buf *out, const struct given *g)
{
    mp_put_array(out, 6);
    mp_put_u64(out, 1);
    mp_put_u64(out, g->kind);
    mp_put_u64(out, SELF);
    mp_put_u64(out, 1);
    mp_put_u64(out, 1);
    mp_put_bin(out, slice_str(g->command));
}

/* Another log for the founded directory, which begins after `base`. */
static void put_log(struct place *p, uint64_t base, const struct given *given, size_t n)
{
    autofree char *dir = mem_printf("%s/wal", p->dir);
    struct wal_options o = { .dir = dir, .cluster_id = CLUSTER, .member_id = SELF };
    struct wal_files f;
    assert_int_equal(fs_remove_tree(NULL, dir, NULL), 0);
    assert_int_equal(fs_mkdir_p(NULL, dir, 0700, NULL), 0);
    wal_files_init(&f, &o);
    assert_int_equal(wal_files_roll(&f, true, base, 1, 0, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        autobuf data = BUF_INIT;
        if (given[i].command != NULL) {
            put_envelope(&data, &given[i]);
        } else {
            buf_append_str(&data, "odd bytes");
        }
        assert_int_equal(wal_files_append(&f, given[i].index, given[i].term, given[i].type,
                                          buf_slice(&data), NULL), 0);
    }
    assert_int_equal(wal_files_sync(&f, NULL), 0);
    wal_files_fini(&f);
}

static int look(struct place *p, struct inspect *in)
{
    struct err err = ERR_INIT;
    int rv = inspect_open(NULL, p->dir, in, &err);
    assert_int_equal(rv == 0, err.msg[0] == '\0');
    return rv;
}

static void the_newest_entries_count_and_reports_are_believed(void **state)
{
    (void)state;
    static const struct given entries[] = {
        { INDEX + 1, 3, RAFT_COMMAND, "one", 1 }, { INDEX + 2, 3, RAFT_COMMAND, "lost", 1 },
        { INDEX + 2, 4, RAFT_BARRIER, NULL, 0 },  { INDEX + 3, 4, RAFT_COMMAND, "two", 1 },
        { INDEX + 4, 4, RAFT_COMMAND, "\x92\x01\x2a", 4 }, /* a report of 42 */
        { INDEX + 5, 4, RAFT_COMMAND, "\x93", 4 },              /* one that is cut */
        { INDEX + 6, 4, RAFT_COMMAND, "attributes", 2 },
    };
    struct place p;
    struct inspect in;
    struct err err = ERR_INIT;
    place_open(&p);
    assert_int_equal(found(&p, &err), 0);
    put_log(&p, INDEX, entries, ARRAY_LEN(entries));
    assert_int_equal(look(&p, &in), 0);
    assert_int_equal(in.last_index, INDEX + 6);
    assert_int_equal(in.last_term, 4);
    assert_int_equal(in.commit_index, 42);
    struct machine got = { 0 };
    struct rnode_fsm fsm = p.o.fsm;
    fsm.arg = &got;
    assert_int_equal(inspect_replay(&in, &fsm, &err), 0);
    assert_int_equal(got.count, 5 + 2);
    inspect_close(&in);
    put_log(&p, INDEX - 5, (struct given[]){ { INDEX - 4, 2, RAFT_COMMAND, "old", 1 } }, 1);
    assert_int_equal(look(&p, &in), 0); /* it ends before the snapshot: nothing of it counts */
    assert_int_equal(in.last_index, INDEX);
    assert_int_equal(in.last_term, TERM);
    inspect_close(&in);
    place_close(&p);
}

static void logs_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct place p;
    struct inspect in;
    struct err err = ERR_INIT;
    place_open(&p);
    assert_int_equal(found(&p, &err), 0);
    put_log(&p, INDEX + 1, NULL, 0); /* what was between? */
    assert_int_equal(look(&p, &in), E_CORRUPT);
    put_log(&p, INDEX, (struct given[]){ { INDEX + 1, 3, RAFT_CHANGE, NULL, 0 } }, 1);
    assert_int_equal(look(&p, &in), E_CORRUPT);
    put_log(&p, INDEX, (struct given[]){ { INDEX + 1, 3, RAFT_COMMAND, NULL, 0 } }, 1);
    assert_int_equal(look(&p, &in), 0);
    struct machine got = { 0 };
    struct rnode_fsm fsm = p.o.fsm;
    fsm.arg = &got;
    assert_int_equal(inspect_replay(&in, &fsm, &err), E_UNSUPPORTED);
    inspect_close(&in);
    autofree char *path = mem_printf("%s/meta", p.dir);
    struct meta m = { 0 };
    assert_int_equal(meta_load(NULL, path, &m, NULL), 0);
    m.ready = false;
    assert_int_equal(meta_store(&m, NULL), 0);
    meta_close(&m);
    assert_int_equal(look(&p, &in), E_NOTFOUND); /* it has never started */
    place_close(&p);
}

/* A member that has never taken a snapshot. */
static void a_log_from_its_beginning_is_read(void **state)
{
    (void)state;
    struct place p;
    struct inspect in;
    struct err err = ERR_INIT;
    place_open(&p);
    start(&p);
    assert_int_equal(propose(&p.m, "one"), 0);
    member_close(&p.m);
    assert_int_equal(look(&p, &in), 0);
    assert_int_equal(in.snapshot_index, 0);
    assert_int_equal(in.first_index, 1);
    assert_int_equal(in.n_members, 1);
    struct machine got = { 0 };
    struct rnode_fsm fsm = p.o.fsm;
    fsm.arg = &got;
    assert_int_equal(inspect_replay(&in, &fsm, &err), 0);
    assert_int_equal(got.count, 1);
    inspect_close(&in);
    place_close(&p);
}

/* --- disks ------------------------------------------------------------------------------------ */

static void a_founding_that_fails_says_so(void **state)
{
    (void)state;
    struct place p;
    place_open(&p);
    uint64_t n = 1;
    for (; n < OPERATIONS_MAX; n++) {
        struct err err = ERR_INIT;
        disk_break_at(n);
        int rv = found(&p, &err);
        bool broke = disk_broke();
        disk_mend();
        if (!broke) {
            assert_int_equal(rv, 0);
            break;
        }
        assert_true(rv < 0);
        assert_string_not_equal(err.msg, "");
        if (fs_exists(NULL, p.dir)) {
            assert_int_equal(fs_remove_tree(NULL, p.dir, NULL), 0);
        }
    }
    assert_true(n > 10 && n < OPERATIONS_MAX);
    place_close(&p);
}

static int look_and_replay(struct place *p, struct err *err)
{
    struct inspect in;
    struct machine got = { 0 };
    struct rnode_fsm fsm = p->o.fsm;
    fsm.arg = &got;
    int rv = inspect_open(NULL, p->dir, &in, err);
    if (rv == 0) {
        rv = inspect_replay(&in, &fsm, err);
        inspect_close(&in);
    }
    assert_true(rv != 0 || got.count == 6);
    return rv;
}

static void a_look_that_fails_says_so(void **state)
{
    (void)state;
    struct place p;
    place_open(&p);
    assert_int_equal(found(&p, NULL), 0);
    start(&p);
    assert_int_equal(propose(&p.m, "one"), 0);
    member_close(&p.m);
    uint64_t n = 1;
    for (; n < OPERATIONS_MAX; n++) {
        struct err err = ERR_INIT;
        disk_break_at(n);
        int rv = look_and_replay(&p, &err);
        bool broke = disk_broke();
        disk_mend();
        if (!broke) {
            assert_int_equal(rv, 0);
            break;
        }
        assert_true(rv < 0);
        assert_string_not_equal(err.msg, "");
    }
    assert_true(n > 10 && n < OPERATIONS_MAX);
    place_close(&p);
}

int test_found_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_founded_member_starts_with_the_state_and_goes_on),
        cmocka_unit_test(members_that_cannot_be_are_refused),
        cmocka_unit_test(a_stopped_member_is_read_to_the_end_of_its_log),
        cmocka_unit_test(what_cannot_be_read_is_told),
        cmocka_unit_test(the_newest_entries_count_and_reports_are_believed),
        cmocka_unit_test(logs_that_cannot_be_are_refused),
        cmocka_unit_test(a_log_from_its_beginning_is_read),
        cmocka_unit_test(a_founding_that_fails_says_so),
        cmocka_unit_test(a_look_that_fails_says_so),
    };
    return cmocka_run_group_tests_name("raft/found", tests, NULL, NULL);
}
