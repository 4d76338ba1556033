/* What a member refuses of its own callers, and entries that it passes over: bounds, changes of the
 * membership that make no sense, entries of later versions. */
#include <stdio.h>
#include <string.h>

#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/codec/mp.h"
#include "raft/membership.h"
#include "raft/node.h"
#include "tests/unit/raft/puppet.h"

enum { TERM = 100, LATER_VERSION = 9 };

struct outcome {
    bool done;
    int status;
};

static void on_outcome(void *arg, int status)
{
    struct outcome *o = arg;
    o->done = true;
    o->status = status;
}

/* --- proposals -------------------------------------------------------------------------------- */

struct many {
    struct rnode_proposal *p;
    unsigned answered, refused;
};

static struct many many;

static void on_many(struct rnode_proposal *p, int status)
{
    (void)p;
    many.answered++;
    many.refused += status == E_TOO_MANY_REQUESTS;
}

static void proposals_over_the_bound_are_refused(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s); /* without a leader they wait */
    many = (struct many){ .p = mem_zalloc((LIMIT_PROPOSALS_INFLIGHT + 2) * sizeof *many.p) };
    for (size_t i = 0; i < LIMIT_PROPOSALS_INFLIGHT + 2; i++) {
        many.p[i].done = on_many;
        rnode_propose(s.m.node, &many.p[i], slice_str("x"), 60000);
    }
    run_until_some(s.loop, &many.answered);
    assert_in_range(many.refused, 2, 4); /* its own name may wait, too */
    assert_int_equal(many.answered, many.refused);
    rnode_propose_forget(s.m.node, &many.p[0]);
    rnode_abandon(s.m.node);
    s.m.node = NULL;
    mem_free(many.p);
    stage_close(&s);
}

static void a_command_that_no_entry_holds_is_refused(void **state)
{
    (void)state;
    struct stage s;
    stage_open(&s);
    char *big = mem_zalloc(LIMIT_LOG_ENTRY_BYTES + 1);
    memset(big, 'x', LIMIT_LOG_ENTRY_BYTES);
    assert_int_equal(propose(&s.m, big), E_TOOBIG);
    mem_free(big);
    stage_close(&s);
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void a_member_that_closes_takes_nothing_on(void **state)
{
    (void)state;
    struct stage s;
    struct outcome o = { 0 };
    struct rnode_status status;
    stage_open(&s);
    s.p.acks = true;
    stage_member_leads(&s, &status);
    assert_int_equal(propose(&s.m, "x"), 0);
    s.p.acks = false;
    struct rnode_member one = { .id = 50, .peer_address = "127.0.0.1:1" };
    rnode_change(s.m.node, MEMBER_ADD_LEARNER, &one, on_outcome, &o); /* nobody acknowledges it */
    run_for(s.loop, 20);
    assert_false(o.done);
    many = (struct many){ 0 };
    struct rnode_proposal late = { .done = on_many };
    s.m.closed = false;
    rnode_close(s.m.node, on_closed, &s.m.closed);
    rnode_propose(s.m.node, &late, slice_str("late"), 1000);
    assert_int_equal(many.answered, 0);
    run_until(s.loop, &s.m.closed);
    s.m.node = NULL;
    assert_int_equal(many.answered, 1);
    assert_true(o.done);
    assert_int_not_equal(o.status, 0); /* stopped, or deposed before that */
    stage_close(&s);
}

/* Whoever is told that the member stops may ask for more within that very call. */
static struct {
    struct rnode *node;
    struct rnode_proposal next;
    unsigned stopped;
} insistent;

static void on_stopped_again(struct rnode_proposal *p, int status)
{
    (void)p;
    insistent.stopped += status == E_STOPPED;
}

static void on_stopped(struct rnode_proposal *p, int status)
{
    (void)p;
    insistent.stopped += status == E_STOPPED;
    insistent.next.done = on_stopped_again;
    rnode_propose(insistent.node, &insistent.next, slice_str("again"), 1000);
}

static void who_asks_again_while_it_stops_is_answered_before_the_end(void **state)
{
    (void)state;
    struct stage s;
    struct rnode_proposal first = { .done = on_stopped };
    stage_open(&s); /* without a leader it waits */
    memset(&insistent, 0, sizeof insistent);
    insistent.node = s.m.node;
    rnode_propose(s.m.node, &first, slice_str("x"), 60000);
    s.m.closed = false;
    rnode_close(s.m.node, on_closed, &s.m.closed);
    run_until(s.loop, &s.m.closed);
    s.m.node = NULL;
    assert_int_equal(insistent.stopped, 2);
    stage_close(&s);
}

/* One PROPOSE of the puppet's with these (epoch, sequence number). */
static void forward(struct stage *s, uint64_t term, uint64_t epoch, uint64_t seq)
{
    struct buf b = BUF_INIT;
    autobuf e = BUF_INIT;
    message_put_propose(&b, term, 1);
    mp_put_array(&e, 6);
    mp_put_u64(&e, 1);
    mp_put_u64(&e, COMMAND_USER);
    mp_put_u64(&e, PUPPET_ID);
    mp_put_u64(&e, epoch);
    mp_put_u64(&e, seq);
    mp_put_bin(&e, slice_str("forwarded"));
    message_put_command(&b, buf_slice(&e));
    puppet_send(&s->p, &b);
}

static void what_is_forwarded_twice_or_far_too_late_is_taken_once(void **state)
{
    static const struct {
        uint64_t epoch, seq;
        bool taken;
    } SAID[] = {
        { 5, 1, true },
        { 5, 1, false },                   /* again */
        { 4, 2, false },                   /* an older life of it */
        { 5, 3, true },
        { 5, 2, true },                    /* overtaken on its way */
        { 5, 2, false },
        { 5, 10 + 2 * SEEN_WINDOW, true }, /* a leap: nothing of what was noted counts */
        { 5, 4, false },                   /* far too late */
        { 5, 9 + 2 * SEEN_WINDOW, true },
        { 6, 1, true },                    /* a new life */
    };
    (void)state;
    struct stage s;
    struct rnode_status status;
    uint64_t count = 0;
    stage_open(&s);
    s.p.acks = true;
    stage_member_leads(&s, &status);
    for (size_t i = 0; i < ARRAY_LEN(SAID); i++) {
        forward(&s, status.term, SAID[i].epoch, SAID[i].seq);
        count += SAID[i].taken;
        struct buf garbled = BUF_INIT;
        message_put_propose(&garbled, status.term, 1);
        message_put_command(&garbled, slice_str("no envelope"));
        puppet_send(&s.p, &garbled);
    }
    forward(&s, status.term + 1, 6, 2); /* of a term that is not */
    for (int k = 0; k < 2000 && s.m.machine.count < count; k++) {
        run_for(s.loop, 2);
    }
    assert_int_equal(propose(&s.m, "its own"), 0); /* so nothing of that is under way */
    assert_int_equal(s.m.machine.count, count + 1);
    assert_int_equal(s.m.fatal.code, 0);
    stage_close(&s);
}

static void who_goes_away_hears_nothing(void **state)
{
    (void)state;
    struct stage s;
    struct rnode_status status;
    stage_open(&s);
    s.p.acks = true;
    many = (struct many){ 0 };
    struct rnode_proposal first = { .done = on_many };
    struct rnode_proposal second = { .done = on_many };
    rnode_propose(s.m.node, &first, slice_str("forgotten"), 60000);
    rnode_propose(s.m.node, &second, slice_str("remembered"), 60000);
    rnode_propose_forget(s.m.node, &first);
    stage_member_leads(&s, &status);
    run_until_some(s.loop, &many.answered);
    rnode_propose_forget(s.m.node, &second); /* it was answered: nothing to forget */
    run_for(s.loop, 20);
    assert_int_equal(many.answered, 1);
    assert_int_equal(s.m.machine.count, 2); /* what was asked for is done all the same */
    stage_close(&s);
}

static void who_forgets_what_was_refused_hears_nothing(void **state)
{
    (void)state;
    struct stage s;
    struct rnode_status status;
    autofree char *big = mem_zalloc(LIMIT_LOG_ENTRY_BYTES);
    struct slice too_big = slice_make(big, LIMIT_LOG_ENTRY_BYTES);
    struct rnode_proposal refused = { .done = on_many };
    stage_open(&s);
    many = (struct many){ 0 };
    rnode_propose(s.m.node, &refused, too_big, 1000); /* before any other: no such number yet */
    rnode_propose_forget(s.m.node, &refused);
    s.p.acks = true;
    stage_member_leads(&s, &status);
    for (unsigned i = 0; i < 2 * (unsigned)-E_TOOBIG; i++) {
        assert_int_equal(propose(&s.m, "x"), 0);
    }
    rnode_propose(s.m.node, &refused, too_big, 1000); /* and behind many that are over */
    rnode_propose_forget(s.m.node, &refused);
    run_for(s.loop, 20);
    assert_int_equal(many.answered, 0);
    stage_close(&s);
}

static void an_empty_command_is_a_command(void **state)
{
    (void)state;
    struct stage s;
    struct rnode_status status;
    stage_open(&s);
    s.p.acks = true;
    stage_member_leads(&s, &status);
    assert_int_equal(propose(&s.m, ""), 0);
    assert_int_equal(s.m.machine.count, 1);
    stage_close(&s);
}

/* --- questions -------------------------------------------------------------------------------- */

static struct {
    unsigned answers;
    int status;
} asked;

static void answer_twice(void *arg, uint64_t ask_id, struct slice question)
{
    struct member *m = arg;
    rnode_answer(m->node, ask_id, 0, question);
    rnode_answer(m->node, ask_id, E_INVAL, question);
}

static void on_answer(struct rnode_ask *a, int status, struct slice answer)
{
    (void)a;
    (void)answer;
    asked.answers++;
    asked.status = status;
}

static void a_question_is_answered_once(void **state)
{
    (void)state;
    struct stage s;
    struct rnode_status status;
    struct rnode_ask a = { .done = on_answer };
    stage_open(&s);
    s.p.acks = true;
    stage_member_leads(&s, &status);
    s.m.node->options.on_ask = answer_twice;
    memset(&asked, 0, sizeof asked);
    rnode_ask_leader(s.m.node, &a, slice_str("?"), 1000);
    run_until_some(s.loop, &asked.answers);
    rnode_ask_forget(s.m.node, &a); /* it was answered: nothing to forget */
    run_for(s.loop, 60);
    assert_int_equal(asked.answers, 1);
    assert_int_equal(asked.status, 0);
    stage_close(&s);
}

/* --- changes ---------------------------------------------------------------------------------- */

static int change(struct stage *s, enum member_change kind, uint64_t id, const char *address)
{
    struct rnode_member who = { .id = id };
    str_copy(who.peer_address, sizeof who.peer_address, address);
    for (int i = 0; i < 400; i++) {
        struct outcome o = { 0 };
        rnode_change(s->m.node, kind, &who, on_outcome, &o);
        assert_false(o.done);
        run_until(s->loop, &o.done);
        if (o.status != E_NOTREADY && o.status != E_CONFLICT) {
            return o.status;
        }
        run_for(s->loop, 5);
    }
    return E_TIMEOUT;
}

static void changes_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct stage s;
    struct rnode_status status;
    struct rnode_member one = { .id = 50 };
    struct outcome o = { 0 };
    stage_open(&s);
    rnode_change(s.m.node, MEMBER_ADD_LEARNER, &one, on_outcome, &o);
    run_until(s.loop, &o.done);
    assert_int_equal(o.status, E_NOTLEADER);
    s.p.acks = true;
    stage_member_leads(&s, &status);
    assert_int_equal(change(&s, MEMBER_ADD_LEARNER, 50, "127.0.0.1:1"), 0);
    assert_int_equal(change(&s, MEMBER_ADD_LEARNER, 51, "127.0.0.1:1"), E_PEER_URL_EXIST);
    assert_int_equal(change(&s, MEMBER_DEMOTE, 50, ""), E_INVAL); /* it has no vote */
    assert_int_equal(change(&s, MEMBER_PROMOTE, PUPPET_ID, ""), E_NOT_LEARNER);
    assert_int_equal(change(&s, MEMBER_UPDATE, 50, "127.0.0.1:1"), 0); /* as it is */
    assert_int_equal(change(&s, MEMBER_UPDATE, 50, s.p.address), E_PEER_URL_EXIST);
    assert_int_equal(change(&s, MEMBER_UPDATE, 50, "127.0.0.1:2"), 0);
    assert_int_equal(change(&s, MEMBER_UPDATE, 77, "127.0.0.1:3"), E_MEMBER_NOT_FOUND);
    assert_int_equal(change(&s, MEMBER_DEMOTE, MEMBER_ID, ""), E_PERM); /* it leads */
    char address[32];
    for (uint64_t id = 51; id < 50 + LIMIT_PEERS - 2; id++) {
        snprintf(address, sizeof address, "127.0.0.1:%d", (int)id);
        assert_int_equal(change(&s, MEMBER_ADD_LEARNER, id, address), 0);
    }
    assert_int_equal(change(&s, MEMBER_ADD_LEARNER, 200, "127.0.0.1:200"), E_FULL);
    size_t n;
    rnode_members(s.m.node, &n);
    assert_int_equal(n, LIMIT_PEERS);
    stage_close(&s);
}

/* More servers come and go within one term than a configuration has room for: what the leader
 * remembers of each has its bound, and it leads on. */
static void a_leader_outlives_more_servers_than_it_has_room_for(void **state)
{
    (void)state;
    struct stage s;
    struct rnode_status status;
    stage_open(&s);
    s.p.acks = true;
    stage_member_leads(&s, &status);
    for (uint64_t id = 50; id < 50 + LIMIT_PEERS; id++) {
        assert_int_equal(change(&s, MEMBER_ADD_LEARNER, id, "127.0.0.1:1"), 0);
        assert_int_equal(change(&s, MEMBER_REMOVE, id, ""), 0);
    }
    assert_int_equal(propose(&s.m, "x"), 0);
    struct rnode_status after;
    rnode_get_status(s.m.node, &after);
    assert_int_equal(after.state, RNODE_LEADER);
    assert_int_equal(after.term, status.term);
    stage_close(&s);
}

static void a_change_whose_leader_is_deposed_has_no_known_outcome(void **state)
{
    (void)state;
    struct stage s;
    struct rnode_status status;
    struct outcome o = { 0 };
    struct rnode_member one = { .id = 50, .peer_address = "127.0.0.1:1" };
    stage_open(&s);
    s.p.acks = true;
    stage_member_leads(&s, &status);
    assert_int_equal(propose(&s.m, "x"), 0);
    s.p.acks = false;
    rnode_change(s.m.node, MEMBER_ADD_LEARNER, &one, on_outcome, &o);
    run_for(s.loop, 10);
    assert_false(o.done);
    stage_append(&s, status.term + 1, 1, 1, 1);
    run_until(s.loop, &o.done);
    assert_int_equal(o.status, E_LEADER_CHANGED);
    stage_close(&s);
}

/* --- entries of later versions ---------------------------------------------------------------- */

static struct value *envelope(uint64_t kind, uint64_t origin, struct slice command)
{
    autobuf b = BUF_INIT;
    mp_put_array(&b, 6);
    mp_put_u64(&b, 1);
    mp_put_u64(&b, kind);
    mp_put_u64(&b, origin);
    mp_put_u64(&b, 1); /* epoch */
    mp_put_u64(&b, 1); /* seq */
    mp_put_bin(&b, command);
    return value_new(b.data, b.len);
}

static struct value *versioned(uint64_t kind, uint64_t version)
{
    autobuf b = BUF_INIT;
    mp_put_array(&b, 4);
    mp_put_u64(&b, version);
    mp_put_u64(&b, 0);
    mp_put_u64(&b, 0);
    mp_put_u64(&b, 0);
    return envelope(kind, PUPPET_ID, buf_slice(&b));
}

static struct value *named(uint64_t id, const char *name)
{
    autobuf b = BUF_INIT;
    mp_put_array(&b, 4);
    mp_put_u64(&b, 1);
    mp_put_u64(&b, id);
    mp_put_str(&b, name);
    mp_put_str(&b, "");
    return envelope(COMMAND_ATTRS, id, buf_slice(&b));
}

static bool applied(const struct rnode_status *status, uint64_t index)
{
    return status->applied_index >= index;
}

static void append_all(struct stage *s)
{
    uint64_t last = s->log.last;
    stage_append(s, TERM, 1, 1, 1);
    puppet_wait(&s->p, RAFT_APPEND_ENTRIES_RESULT, 1);
    struct buf b = BUF_INIT;
    struct raft_append_entries ae = { .version = 1, .term = TERM, .prev_log_index = last,
                                      .prev_log_term = TERM, .leader_commit = last };
    message_put_append_entries(&b, &ae, &s->log);
    puppet_send(&s->p, &b);
    stage_wait_status(s, applied, last);
}

static void entries_that_are_not_understood_are_passed_over(void **state)
{
    (void)state;
    struct stage s;
    struct rnode_status status;
    uint64_t i = 2;
    stage_open(&s);
    stage_entry(&s, i++, TERM, RAFT_COMMAND, versioned(COMMAND_ATTRS, LATER_VERSION));
    stage_entry(&s, i++, TERM, RAFT_COMMAND, versioned(COMMAND_ATTRS, 1)); /* of nobody */
    stage_entry(&s, i++, TERM, RAFT_COMMAND, versioned(COMMAND_REPORT, LATER_VERSION));
    stage_entry(&s, i++, TERM, RAFT_COMMAND, envelope(COMMAND_REPORT, 1, slice_str("garbled")));
    stage_entry(&s, i++, TERM, RAFT_COMMAND, envelope(COMMAND_ATTRS, 1, slice_str("\377")));
    stage_entry(&s, i++, TERM, RAFT_COMMAND, versioned(77, 1)); /* a kind to come */
    stage_entry(&s, i++, TERM, RAFT_COMMAND, named(PUPPET_ID, "puppet"));
    stage_entry(&s, i++, TERM, RAFT_COMMAND, envelope(COMMAND_USER, 1, slice_str("command")));
    append_all(&s);
    assert_int_equal(s.m.machine.count, 1);
    assert_int_equal(s.m.fatal.code, 0);
    assert_string_equal(membership_name_of(s.m.node, PUPPET_ID), "puppet");
    rnode_get_status(s.m.node, &status);
    assert_int_equal(status.corrupt_member, 0);
    stage_close(&s);
}

static void names_of_those_who_left_make_room(void **state)
{
    (void)state;
    struct stage s;
    uint64_t i = 2;
    stage_open(&s);
    stage_entry(&s, i++, TERM, RAFT_COMMAND, named(PUPPET_ID, "puppet"));
    for (uint64_t id = 1000; id < 1000 + 2 * LIMIT_PEERS; id++) {
        stage_entry(&s, i++, TERM, RAFT_COMMAND, named(id, "gone"));
    }
    append_all(&s);
    assert_string_equal(membership_name_of(s.m.node, PUPPET_ID), "puppet");
    assert_null(membership_name_of(s.m.node, 1000));
    assert_string_equal(membership_name_of(s.m.node, 999 + 2 * LIMIT_PEERS), "gone");
    stage_close(&s);
}

int test_bounds_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proposals_over_the_bound_are_refused),
        cmocka_unit_test(a_command_that_no_entry_holds_is_refused),
        cmocka_unit_test(a_member_that_closes_takes_nothing_on),
        cmocka_unit_test(who_asks_again_while_it_stops_is_answered_before_the_end),
        cmocka_unit_test(what_is_forwarded_twice_or_far_too_late_is_taken_once),
        cmocka_unit_test(who_goes_away_hears_nothing),
        cmocka_unit_test(who_forgets_what_was_refused_hears_nothing),
        cmocka_unit_test(an_empty_command_is_a_command),
        cmocka_unit_test(a_question_is_answered_once),
        cmocka_unit_test(changes_that_make_no_sense_are_refused),
        cmocka_unit_test(a_leader_outlives_more_servers_than_it_has_room_for),
        cmocka_unit_test(a_change_whose_leader_is_deposed_has_no_known_outcome),
        cmocka_unit_test(entries_that_are_not_understood_are_passed_over),
        cmocka_unit_test(names_of_those_who_left_make_room),
    };
    log_set_level(LOG_OFF);
    return cmocka_run_group_tests_name("raft/bounds", tests, NULL, NULL);
}
