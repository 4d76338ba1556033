/* The gates as pure functions, and libraft's own behaviour without some of them: if a later release
 * heals a fault, the test that shows it fails and the gate can go. (tests/sim shows the others.) */
#include "test.h"

#include <stdio.h>

#include "raft/configuration.h"
#include "raft/gates.h"

/* --- a bare core --- */

struct core {
    struct raft r;
    struct raft_update update;
    uint64_t now;
};

static void add(struct raft_configuration *c, uint64_t id, int role)
{
    char address[16];
    snprintf(address, sizeof address, "%d", (int)id);
    assert_int_equal(raft_configuration_add(c, id, address, role), 0);
}

/* Server 1 of `voters` voters at `term`, with the bootstrap entry only. */
static void core_start(struct core *c, unsigned voters, uint64_t term)
{
    memset(c, 0, sizeof *c);
    c->now = 100000;
    assert_int_equal(raft_init(&c->r, NULL, NULL, 1, "1"), 0);
    raft_seed(&c->r, 3);
    raft_set_pre_vote(&c->r, true);
    struct raft_configuration conf;
    raft_configuration_init(&conf);
    for (unsigned i = 1; i <= voters; i++) {
        add(&conf, i, RAFT_VOTER);
    }
    struct raft_entry entry = { .term = 1, .type = RAFT_CHANGE };
    assert_int_equal(raft_configuration_encode(&conf, &entry.buf), 0);
    raft_configuration_close(&conf);
    struct raft_event e = { .type = RAFT_START, .time = c->now };
    e.start.term = term;
    e.start.start_index = 1;
    e.start.entries = &entry;
    e.start.n_entries = 1;
    assert_int_equal(raft_step(&c->r, &e, &c->update), 0);
    raft_free(entry.buf.base);
}

static void core_receive(struct core *c, struct raft_message *m, uint64_t from)
{
    struct raft_event e = { .type = RAFT_RECEIVE, .time = ++c->now };
    m->server_id = from;
    m->server_address = "2";
    e.receive.message = m;
    assert_int_equal(raft_step(&c->r, &e, &c->update), 0);
}

static struct raft_message append(uint64_t term, uint64_t prev, uint64_t prev_term)
{
    struct raft_message m = { .type = RAFT_APPEND_ENTRIES };
    m.append_entries.term = term;
    m.append_entries.prev_log_index = prev;
    m.append_entries.prev_log_term = prev_term;
    return m;
}

/* --- G1 --- */

static void g1_a_stale_reply_claims_nothing(void **state)
{
    (void)state;
    struct raft_append_entries_result r = { .rejected = 0, .last_log_index = 777 };
    gate_stale_reply(&r, 50);
    assert_int_equal(r.last_log_index, 0);
    r = (struct raft_append_entries_result){ .rejected = 30, .last_log_index = 777 };
    gate_stale_reply(&r, 50);
    assert_int_equal(r.last_log_index, 29);
    r.rejected = 90;
    gate_stale_reply(&r, 50);
    assert_int_equal(r.last_log_index, 50);
}

static void g1_libraft_answers_an_old_request_without_rejecting_it(void **state)
{
    (void)state;
    struct core c;
    core_start(&c, 3, 5);
    struct raft_message m = append(3, 0, 0);
    core_receive(&c, &m, 2);
    assert_int_equal(c.update.messages.n, 1);
    const struct raft_append_entries_result *r = &c.update.messages.batch[0].append_entries_result;
    assert_int_equal(r->term, 5);     /* the current term ... */
    assert_int_equal(r->rejected, 0); /* ... and no rejection: last_log_index is any number */
    raft_close(&c.r, NULL);
}

/* --- G2 --- */

static void g2_the_only_voter_needs_a_new_term_at_boot(void **state)
{
    (void)state;
    struct raft_configuration conf;
    raft_configuration_init(&conf);
    assert_false(gate_boot_needs_new_term(&conf, 1));
    add(&conf, 1, RAFT_VOTER);
    add(&conf, 2, RAFT_STANDBY);
    assert_true(gate_boot_needs_new_term(&conf, 1));
    assert_false(gate_boot_needs_new_term(&conf, 2));
    assert_false(gate_boot_needs_new_term(&conf, 3));
    add(&conf, 3, RAFT_VOTER);
    assert_false(gate_boot_needs_new_term(&conf, 1));
    raft_configuration_close(&conf);
}

static void g2_libraft_leads_its_old_term_again(void **state)
{
    (void)state;
    struct core c;
    core_start(&c, 1, 5);
    assert_int_equal(raft_state(&c.r), RAFT_LEADER);
    assert_int_equal(raft_current_term(&c.r), 5);
    assert_true(gate_leadership_not_won(&c.r, &c.update, RAFT_TIMEOUT, false));
    assert_false(gate_leadership_not_won(&c.r, &c.update, RAFT_TIMEOUT, true));
    assert_false(gate_leadership_not_won(&c.r, &c.update, RAFT_START, false));
    raft_close(&c.r, NULL);
}

/* --- G3, G4, G5 --- */

static void g3_a_change_may_not_take_the_leader_out(void **state)
{
    (void)state;
    struct raft_configuration conf;
    raft_configuration_init(&conf);
    add(&conf, 1, RAFT_VOTER);
    add(&conf, 2, RAFT_STANDBY);
    assert_true(gate_change_keeps_leader(&conf, 1));
    assert_false(gate_change_keeps_leader(&conf, 2));
    assert_false(gate_change_keeps_leader(&conf, 3));
    raft_configuration_close(&conf);
}

static void g4_each_part_has_a_change_only_in_front(void **state)
{
    (void)state;
    const enum raft_entry_type c = RAFT_COMMAND;
    const enum raft_entry_type x = RAFT_CHANGE;
    struct raft_entry e[] = { { .type = c }, { .type = c }, { .type = x }, { .type = c },
                              { .type = x }, { .type = x } };
    assert_int_equal(gate_split_length(e, 0, 6), 2);
    assert_int_equal(gate_split_length(e, 2, 6), 2);
    assert_int_equal(gate_split_length(e, 4, 6), 1);
    assert_int_equal(gate_split_length(e, 5, 6), 1);
    assert_int_equal(gate_split_length(e, 0, 1), 1);
}

static void g4_libraft_notes_the_first_entry_as_the_change(void **state)
{
    (void)state;
    struct core c;
    core_start(&c, 3, 5);
    struct raft_configuration conf;
    raft_configuration_init(&conf);
    add(&conf, 1, RAFT_VOTER);
    add(&conf, 2, RAFT_VOTER);
    uint8_t *batch = raft_malloc(1);
    struct raft_entry e[2] = { { .term = 5, .type = RAFT_COMMAND, .buf = { batch, 1 } },
                               { .term = 5, .type = RAFT_CHANGE } };
    assert_int_equal(raft_configuration_encode(&conf, &e[1].buf), 0);
    raft_configuration_close(&conf);
    e[0].batch = e[1].batch = batch;
    struct raft_message m = append(5, 1, 1);
    m.append_entries.entries = e;
    m.append_entries.n_entries = 2;
    core_receive(&c, &m, 2);
    assert_int_equal(c.r.configuration_uncommitted_index, 2); /* it is entry 3 */
    raft_free(batch);
    raft_free(e[1].buf.base);
    raft_close(&c.r, NULL);
}

static void g5_a_denied_pre_vote_tells_the_newer_term(void **state)
{
    (void)state;
    struct raft_request_vote_result r = { .term = 5, .pre_vote = true };
    gate_pre_vote_reply(&r, 8);
    assert_int_equal(r.term, 8);
    r = (struct raft_request_vote_result){ .term = 9, .pre_vote = true };
    gate_pre_vote_reply(&r, 8);
    assert_int_equal(r.term, 9);
    r = (struct raft_request_vote_result){ .term = 5, .pre_vote = true, .vote_granted = true };
    gate_pre_vote_reply(&r, 8);
    assert_int_equal(r.term, 5);
}

/* --- G6 .. G13 --- */

static void g6_a_learner_is_a_voter_for_one_step(void **state)
{
    (void)state;
    struct core c;
    core_start(&c, 3, 5);
    int role = -1;
    assert_null(gate_vote_begin(&c.r, true, &role));
    struct raft_server *self = configuration_find(&c.r.configuration, 1);
    self->role = RAFT_STANDBY;
    c.r.follower_state.current_leader.id = 2;
    assert_ptr_equal(gate_vote_begin(&c.r, false, &role), self);
    assert_int_equal(self->role, RAFT_VOTER);
    assert_int_equal(c.r.follower_state.current_leader.id, 2);
    gate_vote_end(self, role);
    assert_int_equal(self->role, RAFT_STANDBY);
    assert_ptr_equal(gate_vote_begin(&c.r, true, &role), self);
    assert_int_equal(c.r.follower_state.current_leader.id, 0);
    gate_vote_end(self, role);
    raft_close(&c.r, NULL);
}

static void g7_what_carries_a_change_waits_for_the_disk(void **state)
{
    (void)state;
    struct raft_append_entries ae = { .prev_log_index = 8, .n_entries = 2 };
    assert_false(gate_hold_append(&ae, 0, 0));
    assert_false(gate_hold_append(&ae, 11, 5)); /* 9, 10 */
    assert_true(gate_hold_append(&ae, 10, 9));
    assert_false(gate_hold_append(&ae, 10, 10));
    assert_int_equal(ae.prev_log_index, 8);
    ae = (struct raft_append_entries){ .prev_log_index = 12, .n_entries = 0 };
    assert_false(gate_hold_append(&ae, 10, 9)); /* a heartbeat goes, anchored before the change */
    assert_int_equal(ae.prev_log_index, 9);
}

static void g8_a_rejection_of_what_was_acknowledged_is_old(void **state)
{
    (void)state;
    struct raft_append_entries_result r = { .rejected = 10 };
    assert_true(gate_drop_rejection(&r, 10));
    assert_false(gate_drop_rejection(&r, 9));
    r.rejected = 0;
    assert_false(gate_drop_rejection(&r, 10));
}

static void g9_disrupting_a_leader_is_allowed_for_one_election_timeout(void **state)
{
    (void)state;
    struct raft_request_vote r = { .disrupt_leader = true };
    gate_disrupt_once(&r, 1000, 1000);
    assert_true(r.disrupt_leader);
    gate_disrupt_once(&r, 1001, 1000);
    assert_false(r.disrupt_leader);
}

static void g10_the_committed_prefix_is_cut_off(void **state)
{
    (void)state;
    struct raft_entry e[4] = { { .term = 2 }, { .term = 2 }, { .term = 3 }, { .term = 3 } };
    struct raft_append_entries ae = { .prev_log_index = 10, .prev_log_term = 1, .entries = e,
                                      .n_entries = 4 };
    assert_true(gate_cut_committed(&ae, 12, 2)); /* 11, 12 are committed here */
    assert_int_equal(ae.prev_log_index, 12);
    assert_int_equal(ae.prev_log_term, 2);
    assert_int_equal(ae.n_entries, 2);
    assert_ptr_equal(ae.entries, &e[2]);
    assert_true(gate_cut_committed(&ae, 30, 3)); /* all of it */
    assert_int_equal(ae.prev_log_index, 30);
    assert_int_equal(ae.n_entries, 0);
    ae = (struct raft_append_entries){ .prev_log_index = 10, .entries = e, .n_entries = 4 };
    assert_false(gate_cut_committed(&ae, 12, 1)); /* contradicts */
    assert_true(gate_cut_committed(&ae, 10, 1));
    assert_int_equal(ae.n_entries, 4);
}

static void g11_g12_g13_say_when(void **state)
{
    (void)state;
    struct core c;
    core_start(&c, 3, 5);
    assert_false(gate_takes_vote_result(&c.r));
    raft_close(&c.r, NULL);
    assert_false(gate_change_allowed(10, 0));
    assert_false(gate_change_allowed(10, 11));
    assert_true(gate_change_allowed(11, 11));
    assert_false(gate_may_apply(true));
    assert_true(gate_may_apply(false));
}

static void g12_libraft_takes_a_change_before_it_has_committed_in_its_term(void **state)
{
    (void)state;
    struct core c;
    core_start(&c, 1, 5);
    struct raft_configuration conf;
    raft_configuration_init(&conf);
    add(&conf, 1, RAFT_VOTER);
    add(&conf, 2, RAFT_STANDBY);
    struct raft_entry e = { .term = 5, .type = RAFT_CHANGE };
    assert_int_equal(raft_configuration_encode(&conf, &e.buf), 0);
    raft_configuration_close(&conf);
    e.batch = e.buf.base;
    struct raft_event ev = { .type = RAFT_SUBMIT, .time = ++c.now };
    ev.submit.entries = &e;
    ev.submit.n = 1;
    assert_int_equal(raft_step(&c.r, &ev, &c.update), 0); /* the log holds nothing of term 5 */
    raft_free(e.buf.base);
    raft_close(&c.r, NULL);
}

int test_gates_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(g1_a_stale_reply_claims_nothing),
        cmocka_unit_test(g1_libraft_answers_an_old_request_without_rejecting_it),
        cmocka_unit_test(g2_the_only_voter_needs_a_new_term_at_boot),
        cmocka_unit_test(g2_libraft_leads_its_old_term_again),
        cmocka_unit_test(g3_a_change_may_not_take_the_leader_out),
        cmocka_unit_test(g4_each_part_has_a_change_only_in_front),
        cmocka_unit_test(g4_libraft_notes_the_first_entry_as_the_change),
        cmocka_unit_test(g5_a_denied_pre_vote_tells_the_newer_term),
        cmocka_unit_test(g6_a_learner_is_a_voter_for_one_step),
        cmocka_unit_test(g7_what_carries_a_change_waits_for_the_disk),
        cmocka_unit_test(g8_a_rejection_of_what_was_acknowledged_is_old),
        cmocka_unit_test(g9_disrupting_a_leader_is_allowed_for_one_election_timeout),
        cmocka_unit_test(g10_the_committed_prefix_is_cut_off),
        cmocka_unit_test(g11_g12_g13_say_when),
        cmocka_unit_test(g12_libraft_takes_a_change_before_it_has_committed_in_its_term),
    };
    return cmocka_run_group_tests_name("raft/gates", tests, NULL, NULL);
}
