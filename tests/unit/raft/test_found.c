/* A member that begins with a state, and looking at one that does not run. */
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "raft/found.h"
#include "raft/inspect.h"
#include "tests/unit/raft/test.h"

enum { CLUSTER = 0xc1, SELF = 1, INDEX = 40, TERM = 3 };

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

int test_found_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_founded_member_starts_with_the_state_and_goes_on),
        cmocka_unit_test(members_that_cannot_be_are_refused),
        cmocka_unit_test(a_stopped_member_is_read_to_the_end_of_its_log),
        cmocka_unit_test(what_cannot_be_read_is_told),
    };
    return cmocka_run_group_tests_name("raft/found", tests, NULL, NULL);
}
