/* Messages that a member gets of a peer that is wrong: lost its disk, runs under another's id, or
 * says what no member would. Nothing of it may be believed, or bring the member down without a
 * word. */
#include "tests/unit/raft/puppet.h"

#include <string.h>

enum { TERM = 100 };

static bool applied(const struct rnode_status *status, uint64_t index)
{
    return status->applied_index >= index;
}

static bool in_term(const struct rnode_status *status, uint64_t term)
{
    return status->term == term;
}

static struct value *barrier(void)
{
    return value_new("\0\0\0\0\0\0\0", 8);
}

/* The puppet leads, and the member has applied 1..3. */
static void lead_to_three(struct stage *s)
{
    stage_entry(s, 2, TERM, RAFT_BARRIER, barrier());
    stage_entry(s, 3, TERM, RAFT_BARRIER, barrier());
    stage_append(s, TERM, 1, 1, 3);
    stage_append(s, TERM, 3, TERM, 3);
    stage_wait_status(s, applied, 3);
}

static void wait_fatal(struct stage *s)
{
    for (int i = 0; i < 2000 && s->m.fatal.code == 0; i++) {
        run_for(s->loop, 2);
    }
}

static void a_leader_that_contradicts_what_is_committed_ends_the_member(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    lead_to_three(&s);
    stage_entry(&s, 2, TERM + 1, RAFT_BARRIER, barrier());
    stage_entry(&s, 3, TERM + 1, RAFT_BARRIER, barrier());
    stage_append(&s, TERM + 1, 1, 1, 3);
    wait_fatal(&s);
    assert_int_equal(s.m.fatal.code, E_CORRUPT);
    assert_non_null(strstr(s.m.fatal.msg, "contradicts"));
    struct rnode_status status;
    rnode_get_status(s.m.node, &status);
    assert_int_equal(status.last_index, 3);
    uint64_t term;
    uint32_t type;
    struct slice data;
    assert_true(rnode_log_entry(s.m.node, 3, &term, &type, &data));
    assert_int_equal(term, TERM); /* as it was */
    assert_false(rnode_log_entry(s.m.node, 4, &term, &type, &data));
    stage_close(&s);
}

static void a_committed_command_that_cannot_be_read_ends_the_member(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    stage_entry(&s, 2, TERM, RAFT_COMMAND, value_new("no envelope", 11));
    stage_append(&s, TERM, 1, 1, 2);
    stage_append(&s, TERM, 2, TERM, 2);
    wait_fatal(&s);
    assert_int_not_equal(s.m.fatal.code, 0);
    assert_int_equal(s.m.machine.count, 0);
    stage_close(&s);
}

static void two_leaders_of_one_term_are_told_apart(void **state)
{
    (void)state;
    struct stage s;
    struct rnode_status status;
    stage_open(&s);
    stage_member_leads(&s, &status);
    stage_append(&s, status.term, 1, 1, 1);
    wait_fatal(&s);
    assert_int_equal(s.m.fatal.code, E_CORRUPT);
    assert_non_null(strstr(s.m.fatal.msg, "claims to lead"));
    stage_close(&s);
}

static void frames_that_are_no_messages_are_passed_over(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    struct buf b = BUF_INIT;
    buf_append_str(&b, "what?");
    puppet_send(&s.p, &b);
    puppet_say(&s.p, (struct raft_message){ .type = RAFT_INSTALL_SNAPSHOT, /* without a stream */
                                            .install_snapshot = { .version = 1, .term = TERM } });
    lead_to_three(&s);
    assert_int_equal(s.m.fatal.code, 0);
    assert_false(s.m.machine.restored);
    stage_close(&s);
}

static void a_vote_is_not_given_in_anothers_name(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    struct raft_request_vote v = { .version = 2, .term = TERM, .candidate_id = STRANGER_ID,
                                   .last_log_index = 50, .last_log_term = 50 };
    puppet_say(&s.p, (struct raft_message){ .type = RAFT_REQUEST_VOTE, .request_vote = v });
    v.candidate_id = PUPPET_ID;
    puppet_say(&s.p, (struct raft_message){ .type = RAFT_REQUEST_VOTE, .request_vote = v });
    puppet_wait(&s.p, RAFT_REQUEST_VOTE_RESULT, 1);
    run_for(s.loop, 20);
    assert_int_equal(s.p.heard[RAFT_REQUEST_VOTE_RESULT], 1);
    assert_true(s.p.last[RAFT_REQUEST_VOTE_RESULT].raft.request_vote_result.vote_granted);
    stage_close(&s);
}

static void say_result(struct puppet *p, uint64_t term, uint64_t last)
{
    puppet_say(p, (struct raft_message){ .type = RAFT_APPEND_ENTRIES_RESULT,
                                         .append_entries_result = { .version = 1, .term = term,
                                                                    .last_log_index = last } });
}

static void who_is_no_member_acknowledges_nothing(void **state)
{
    (void)state;
    struct stage s;
    struct puppet stranger;
    struct rnode_status before, after;
    stage_open(&s);
    stage_member_leads(&s, &before);
    puppet_open(&stranger, s.loop, STRANGER_ID);
    puppet_reach(&stranger, &s.m);
    say_result(&stranger, before.term, before.last_index + 1);
    struct buf b = BUF_INIT;
    message_put_ask(&b, 1, 1, slice_str("heard?"));
    puppet_send(&stranger, &b);
    puppet_wait(&stranger, MESSAGE_ANSWER, 1); /* so what came before it was heard, too */
    assert_int_equal(stranger.last[MESSAGE_ANSWER].status, E_UNSUPPORTED);
    rnode_get_status(s.m.node, &after);
    assert_int_equal(after.commit_index, before.commit_index);
    assert_int_equal(after.state, RNODE_LEADER);
    say_result(&stranger, before.term + 50, 1); /* a term is a term, whoever says it */
    s.p.grants = false;
    stage_wait_status(&s, in_term, before.term + 50);
    puppet_close(&stranger);
    stage_close(&s);
}

static bool leads_in(const struct rnode_status *status, uint64_t term)
{
    return status->state == RNODE_LEADER && status->term == term;
}

/* G2b: its old leader may have led in this term, too. */
static void the_last_voter_leads_in_a_new_term_only(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    stage_entry(&s, 2, TERM, RAFT_CHANGE, stage_configuration(&s, false));
    stage_append(&s, TERM, 1, 1, 1);
    puppet_wait(&s.p, RAFT_APPEND_ENTRIES_RESULT, 1);
    stage_append(&s, TERM, 2, TERM, 2);
    stage_wait_status(&s, applied, 2);
    stage_wait_status(&s, leads_in, TERM + 1);
    s.p.acks = true;
    assert_int_equal(propose(&s.m, "alone"), 0);
    assert_int_equal(read_index(&s.m), 0);
    assert_int_equal(s.m.machine.count, 1);
    assert_int_equal(s.m.fatal.code, 0);
    stage_close(&s);
}

int test_forged_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_leader_that_contradicts_what_is_committed_ends_the_member),
        cmocka_unit_test(a_committed_command_that_cannot_be_read_ends_the_member),
        cmocka_unit_test(two_leaders_of_one_term_are_told_apart),
        cmocka_unit_test(frames_that_are_no_messages_are_passed_over),
        cmocka_unit_test(a_vote_is_not_given_in_anothers_name),
        cmocka_unit_test(who_is_no_member_acknowledges_nothing),
        cmocka_unit_test(the_last_voter_leads_in_a_new_term_only),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests_name("raft/forged", tests, NULL, NULL);
}
