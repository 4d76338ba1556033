/* What members say of the commands they understand, and what the cluster makes of it. */
#include "test.h"

#include "lib/codec/mp.h"
#include "raft/node.h"

enum { MEMBERS = 3 };

struct fixture {
    struct loop *loop;
    char *dir;
    struct member m[MEMBERS];
};

static void start(struct fixture *f, size_t i, uint64_t level)
{
    struct rnode_member founders[MEMBERS] = { 0 };
    struct rnode_options o;
    struct err err = ERR_INIT;
    char *path = mem_printf("%s/%zu", f->dir, i);
    for (size_t k = 0; k < MEMBERS; k++) {
        founders[k] = (struct rnode_member){ .id = f->m[k].id, .role = RNODE_VOTER };
        memcpy(founders[k].peer_address, f->m[k].address, sizeof f->m[k].address);
    }
    member_options(&f->m[i], f->loop, path, &o);
    o.initial = founders;
    o.n_initial = MEMBERS;
    o.level = level;
    assert_int_equal(rnode_open(&o, &f->m[i].node, &err), 0);
    mem_free(path);
}

static void fixture_open(struct fixture *f)
{
    *f = (struct fixture){ .loop = loop_new(), .dir = temp_dir_new() };
    for (size_t i = 0; i < MEMBERS; i++) {
        f->m[i].id = 300 + i;
        address_pick(f->loop, f->m[i].address, sizeof f->m[i].address);
    }
}

static void fixture_close(struct fixture *f)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        rnode_abandon(f->m[i].node);
    }
    run_for(f->loop, 20);
    loop_free(f->loop);
    temp_dir_free(f->dir);
}

static uint64_t level_of(const struct member *m)
{
    struct rnode_status status;
    rnode_get_status(m->node, &status);
    return status.level;
}

static void wait_level(struct fixture *f, uint64_t level)
{
    for (int tries = 0; tries < 2000; tries++) {
        size_t n = 0;
        for (size_t i = 0; i < MEMBERS; i++) {
            n += level_of(&f->m[i]) == level;
        }
        if (n == MEMBERS) {
            return;
        }
        run_for(f->loop, 5);
    }
    fail_msg("the cluster's level is %d, not %d", (int)level_of(&f->m[0]), (int)level);
}

static void the_cluster_has_the_level_of_its_oldest_member(void **state)
{
    (void)state;
    struct fixture f;
    fixture_open(&f);
    start(&f, 0, 3);
    assert_int_equal(level_of(&f.m[0]), 1); /* nobody has said anything yet */
    start(&f, 1, 2);
    start(&f, 2, 4);
    wait_level(&f, 2);
    rnode_abandon(f.m[1].node); /* a newer program in its place */
    start(&f, 1, 5);
    wait_level(&f, 3);
    rnode_abandon(f.m[2].node); /* and an older one again */
    start(&f, 2, 1);
    wait_level(&f, 1);
    fixture_close(&f);
}

/* --- the bytes -------------------------------------------------------------------------------- */

static void say(struct rnode *n, uint64_t id, uint64_t level)
{
    autobuf b = BUF_INIT;
    mp_put_array(&b, level != 0 ? 5 : 4);
    mp_put_u64(&b, 1);
    mp_put_u64(&b, id);
    mp_put_str(&b, "name");
    mp_put_str(&b, "http://x");
    if (level != 0) {
        mp_put_u64(&b, level);
    }
    membership_apply_attrs(n, buf_slice(&b));
}

static uint64_t said_level(const struct rnode *n, uint64_t id)
{
    for (size_t i = 0; i < n->membership.attrs_n; i++) {
        if (n->membership.attrs[i].id == id) {
            return n->membership.attrs[i].level;
        }
    }
    return 0;
}

/* As the version before levels reads them: triples, and what comes after is nobody's. */
static void read_as_before(struct slice bytes, size_t members)
{
    struct mp_reader r;
    mp_reader_init(&r, bytes);
    assert_int_equal(mp_get_array(&r, 4 * LIMIT_PEERS), members);
    for (size_t i = 0; i < members; i++) {
        mp_get_array(&r, 16);
        assert_int_equal(mp_get_u64(&r), 1000 + i);
        assert_true(slice_eq(mp_get_bin(&r, 63), slice_str("name")));
        assert_true(slice_eq(mp_get_bin(&r, 255), slice_str("http://x")));
    }
    assert_int_equal(mp_reader_error(&r), 0);
}

static void levels_survive_a_snapshot_and_older_programs_read_past_them(void **state)
{
    (void)state;
    struct rnode n = { 0 };
    membership_init(&n);
    say(&n, 1000, 7);
    say(&n, 1001, 0);
    say(&n, 1002, 3);
    say(&n, 1002, 0); /* an older program took over: it says none */
    struct value *bytes = membership_encode_attrs(&n);
    read_as_before(value_slice(bytes), 3);
    membership_fini(&n);
    membership_init(&n);
    membership_restore_attrs(&n, value_slice(bytes));
    assert_int_equal(said_level(&n, 1000), 7);
    assert_int_equal(said_level(&n, 1001), 1);
    assert_int_equal(said_level(&n, 1002), 1);
    for (size_t len = 0; len < bytes->len; len++) { /* a cut one gives no level that was not said */
        membership_restore_attrs(&n, slice_make(value_slice(bytes).data, len));
        assert_true(said_level(&n, 1000) <= 7 && said_level(&n, 1001) <= 1);
    }
    membership_fini(&n);
    value_unref(bytes);
}

static void attributes_of_an_older_program_mean_level_one(void **state)
{
    (void)state;
    struct rnode n = { 0 };
    autobuf b = BUF_INIT;
    mp_put_array(&b, 1);
    mp_put_array(&b, 3);
    mp_put_u64(&b, 1000);
    mp_put_str(&b, "name");
    mp_put_str(&b, "");
    membership_init(&n);
    membership_restore_attrs(&n, buf_slice(&b));
    assert_int_equal(said_level(&n, 1000), 1);
    say(&n, 1000, UINT64_MAX);
    assert_true(said_level(&n, 1000) == UINT64_MAX);
    membership_fini(&n);
}

int test_level_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cluster_has_the_level_of_its_oldest_member),
        cmocka_unit_test(levels_survive_a_snapshot_and_older_programs_read_past_them),
        cmocka_unit_test(attributes_of_an_older_program_mean_level_one),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests_name("raft/level", tests, NULL, NULL);
}
