/* What a member makes of its flags and of the directory it finds: identity, defaults, and logs and
 * snapshots that are whole, but do not fit together. */
#include <stdio.h>
#include <string.h>

#include <raft.h>

#include "lib/base/limits.h"
#include "lib/base/metric.h"
#include "lib/base/str.h"
#include "raft/snapshot_file.h"
#include "raft/wal.h"
#include "raft/wal_file.h"
#include "tests/unit/raft/test.h"

enum { CLUSTER = 0xc1, SELF = 1, ENTRIES = 5 };

struct place {
    struct loop *loop;
    char *dir;
    struct member m;
    struct rnode_options o;
    struct rnode_member self;
};

static void place_open(struct place *p)
{
    *p = (struct place){ .loop = loop_new(), .dir = temp_dir_new(), .m.id = SELF };
    str_copy(p->m.address, sizeof p->m.address, "127.0.0.1:0");
    member_options(&p->m, p->loop, p->dir, &p->o);
    p->self = (struct rnode_member){ .id = SELF, .role = RNODE_VOTER,
                                     .peer_address = "127.0.0.1:1" };
    p->o.initial = &p->self;
    p->o.n_initial = 1;
}

static int place_start(struct place *p, struct err *err)
{
    p->m.closed = false;
    return rnode_open(&p->o, &p->m.node, err);
}

static void place_close(struct place *p)
{
    loop_free(p->loop);
    temp_dir_free(p->dir);
}

/* --- flags ------------------------------------------------------------------------------------ */

static void what_is_not_said_has_a_default(void **state)
{
    (void)state;
    struct place p;
    struct rnode_status s;
    place_open(&p);
    p.o.name = p.o.client_url = NULL;
    p.o.election_timeout_ms = p.o.heartbeat_ms = 0;
    p.o.fsm.digest = NULL;
    p.o.metrics = metrics_new();
    assert_int_equal(rnode_open_tuned(&p.o, &(struct rnode_tuning){ .digest_ms = 10,
                                                                   .inflight_max = 7,
                                                                   .no_pre_vote = true },
                                      &p.m.node, NULL), 0);
    assert_int_equal(propose(&p.m, "a"), 0);
    run_for(p.loop, 60);
    rnode_get_status(p.m.node, &s);
    assert_int_equal(s.state, RNODE_LEADER);
    assert_int_equal(s.agreed_index, 0); /* a state that cannot be compared is not */
    size_t n;
    assert_string_equal(rnode_members(p.m.node, &n)[0].name, "");
    member_close(&p.m);
    metrics_free(p.o.metrics);
    p.o.metrics = NULL;
    p.o.peer_listen = NULL; /* nowhere to listen */
    struct err err = ERR_INIT;
    assert_int_not_equal(place_start(&p, &err), 0);
    place_close(&p);
}

static void an_id_that_is_not_given_is_the_founders_or_derived(void **state)
{
    (void)state;
    for (int named = 0; named < 2; named++) {
        struct place p;
        struct rnode_status s;
        char listen[64];
        place_open(&p);
        address_pick(p.loop, listen, sizeof listen);
        p.self.id = 77;
        p.o.member_id = 0;
        p.o.peer_listen = listen;
        str_copy(p.self.peer_address, sizeof p.self.peer_address, named ? listen : "other:1");
        assert_int_equal(place_start(&p, NULL), 0);
        rnode_get_status(p.m.node, &s);
        assert_true(s.member_id == (named ? 77 : rnode_member_id(listen, "")));
        member_close(&p.m);
        place_close(&p);
    }
}

static void a_directory_says_who_it_is_to_whoever_asks_to_join(void **state)
{
    (void)state;
    struct place p;
    struct rnode_status s;
    place_open(&p);
    assert_int_equal(place_start(&p, NULL), 0);
    member_close(&p.m);
    p.o.join = true;
    p.o.cluster_id = 0xdead;
    p.o.member_id = 0xbeef;
    assert_int_equal(place_start(&p, NULL), 0);
    rnode_get_status(p.m.node, &s);
    assert_int_equal(s.cluster_id, CLUSTER);
    assert_int_equal(s.member_id, SELF);
    member_close(&p.m);
    p.o.join = false;
    p.o.cluster_id = p.o.member_id = 0; /* whoever it is */
    assert_int_equal(place_start(&p, NULL), 0);
    member_close(&p.m);
    place_close(&p);
}

static void founders_that_make_no_cluster_are_refused(void **state)
{
    (void)state;
    struct rnode_member founders[LIMIT_PEERS + 1];
    for (int twice = 0; twice < 2; twice++) {
        struct place p;
        struct err err = ERR_INIT;
        place_open(&p);
        for (size_t i = 0; i < ARRAY_LEN(founders); i++) {
            founders[i] = (struct rnode_member){ .id = twice ? SELF : SELF + i };
            snprintf(founders[i].peer_address, sizeof founders[i].peer_address, "h:%zu", i + 1);
        }
        p.o.initial = founders;
        p.o.n_initial = twice ? 2 : ARRAY_LEN(founders);
        assert_int_equal(place_start(&p, &err), E_INVAL);
        assert_non_null(strstr(err.msg, "--initial-cluster"));
        place_close(&p);
    }
}

/* --- directories that do not fit together ----------------------------------------------------- */

static void no_entry(void *arg, uint64_t index, uint64_t term, uint32_t type, struct slice data)
{
    (void)arg, (void)index, (void)term, (void)type, (void)data;
}

static void no_reset(void *arg, uint64_t index, uint64_t term)
{
    (void)arg, (void)index, (void)term;
}

/* One more entry at the end of the log, as its owner would have written it. */
static void forge(struct place *p, uint64_t fresh_after, uint64_t index, uint64_t term,
                  uint32_t type, const char *data)
{
    char *dir = mem_printf("%s/wal", p->dir);
    struct wal_options o = { .loop = p->loop, .fs = loop_fs(p->loop), .dir = dir,
                             .cluster_id = CLUSTER, .member_id = SELF };
    struct wal_sink sink = { no_entry, no_reset, NULL };
    struct wal_files f;
    wal_files_init(&f, &o);
    assert_int_equal(wal_files_scan(&f, &sink, NULL), 0);
    if (fresh_after != 0) {
        assert_int_equal(wal_files_roll(&f, true, fresh_after, 1, 0, NULL), 0);
    }
    assert_int_equal(wal_files_append(&f, index, term, type, slice_str(data), NULL), 0);
    assert_int_equal(wal_files_sync(&f, NULL), 0);
    wal_files_fini(&f);
    mem_free(dir);
}

static void forge_snapshot(struct place *p, uint64_t index, const char *conf, size_t bytes)
{
    struct machine m = { 0 };
    struct snapshot_info info = { .cluster_id = CLUSTER, .index = index, .term = 1,
                                  .conf_index = 1, .conf = value_new(conf, strlen(conf)) };
    struct snapshot_writer w;
    char *dir = mem_printf("%s/snap", p->dir);
    assert_int_equal(snapshot_writer_open(&w, NULL, dir, &info, NULL), 0);
    assert_int_equal(snapshot_writer_append(&w, slice_make(&m, bytes), NULL), 0);
    assert_int_equal(snapshot_writer_finish(&w, NULL), 0);
    snapshot_info_fini(&info);
    mem_free(dir);
}

static void term_of_the_future(struct place *p)
{
    forge(p, 0, 4, 99, RAFT_BARRIER, "12345678"); /* never stored as ours */
}

static void term_of_the_past(struct place *p)
{
    forge(p, 0, 4, 1, RAFT_BARRIER, "12345678");
    forge(p, 0, 5, 2, RAFT_BARRIER, "12345678");
    forge(p, 0, 6, 1, RAFT_BARRIER, "12345678");
}

static void change_to_nonsense(struct place *p)
{
    forge(p, 0, 4, 2, RAFT_CHANGE, "nonsense");
}

static void log_without_founders(struct place *p)
{
    forge(p, 0, 1, 1, RAFT_BARRIER, "12345678");
}

static void log_that_begins_late(struct place *p)
{
    forge(p, 10, 11, 1, RAFT_BARRIER, "12345678");
}

static void snapshot_without_members(struct place *p)
{
    forge_snapshot(p, 3, "nonsense", sizeof(struct machine));
}

static void snapshot_of_another_machine(struct place *p)
{
    forge_snapshot(p, 3, "nonsense", 5);
}

static void what_does_not_fit_together_is_never_started(void **state)
{
    static const struct {
        const char *name;
        void (*make)(struct place *p);
        const char *says;
    } CASES[] = {
        { "a term of the future", term_of_the_future, "do not fit together" },
        { "a term of the past", term_of_the_past, "do not fit together" },
        { "a change to nonsense", change_to_nonsense, "do not fit together" },
        { "no founders", log_without_founders, "do not fit together" },
        { "a late log", log_that_begins_late, "do not fit together" },
        { "a snapshot without members", snapshot_without_members, "snapshot cannot be used" },
        { "another machine's snapshot", snapshot_of_another_machine, "snapshot cannot be used" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct place p;
        struct err err = ERR_INIT;
        place_open(&p);
        assert_int_equal(place_start(&p, NULL), 0);
        for (int k = 0; k < ENTRIES; k++) {
            assert_int_equal(propose(&p.m, "command"), 0);
        }
        member_close(&p.m);
        CASES[i].make(&p);
        int rv = place_start(&p, &err);
        if (rv != E_CORRUPT || strstr(err.msg, CASES[i].says) == NULL) {
            print_message("%s: %d %s\n", CASES[i].name, rv, err.msg);
        }
        assert_int_equal(rv, E_CORRUPT);
        assert_non_null(strstr(err.msg, CASES[i].says));
        place_close(&p);
    }
}

int test_recover_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_has_a_default),
        cmocka_unit_test(an_id_that_is_not_given_is_the_founders_or_derived),
        cmocka_unit_test(a_directory_says_who_it_is_to_whoever_asks_to_join),
        cmocka_unit_test(founders_that_make_no_cluster_are_refused),
        cmocka_unit_test(what_does_not_fit_together_is_never_started),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests_name("raft/recover", tests, NULL, NULL);
}
