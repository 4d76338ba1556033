/* See puppet.h. */
#include "tests/unit/raft/puppet.h"

#include <stdio.h>

#include "lib/base/str.h"

/* --- the puppet ------------------------------------------------------------------------------- */

static void grant(struct puppet *p, const struct raft_request_vote *v)
{
    puppet_say(p, (struct raft_message){
                      .type = RAFT_REQUEST_VOTE_RESULT,
                      .request_vote_result = { .version = 2, .term = v->term,
                                               .vote_granted = true, .pre_vote = v->pre_vote } });
}

static void ack(struct puppet *p, const struct raft_append_entries *ae)
{
    puppet_say(p, (struct raft_message){
                      .type = RAFT_APPEND_ENTRIES_RESULT,
                      .append_entries_result = { .version = 1, .term = ae->term,
                                                 .last_log_index = ae->prev_log_index +
                                                                   ae->n_entries,
                                                 .capacity = UINT16_MAX } });
}

static void on_frame(void *arg, uint64_t from, struct slice payload)
{
    struct puppet *p = arg;
    struct message m;
    assert_int_equal(from, MEMBER_ID);
    assert_int_equal(message_decode(&p->reader, payload, &m), 0);
    p->heard[m.kind]++;
    p->last[m.kind] = m;
    if (m.kind == RAFT_REQUEST_VOTE && p->grants) {
        grant(p, &m.raft.request_vote);
    } else if (m.kind == RAFT_APPEND_ENTRIES && p->acks) {
        ack(p, &m.raft.append_entries);
    }
}

static int on_stream(void *arg, uint64_t from, uint64_t id, struct slice bytes, bool last)
{
    (void)arg, (void)from, (void)id, (void)bytes, (void)last;
    return 0;
}

static void on_stream_broken(void *arg, uint64_t from, uint64_t id)
{
    (void)arg, (void)from, (void)id;
}

void puppet_open(struct puppet *p, struct loop *loop, uint64_t id)
{
    *p = (struct puppet){ .loop = loop, .id = id };
    struct transport_options o = { .loop = loop, .cluster_id = CLUSTER_ID, .member_id = id,
                                   .listen_address = "127.0.0.1:0", .on_frame = on_frame,
                                   .on_stream = on_stream, .on_stream_broken = on_stream_broken,
                                   .arg = p };
    assert_int_equal(transport_open(&o, &p->t, NULL), 0);
    str_copy(p->address, sizeof p->address, transport_listen_address(p->t));
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

void puppet_close(struct puppet *p)
{
    transport_close(p->t, on_closed, &p->closed);
    run_until(p->loop, &p->closed);
    message_reader_fini(&p->reader);
}

void puppet_reach(struct puppet *p, const struct member *m)
{
    transport_peer_set(p->t, MEMBER_ID, m->address);
    for (int i = 0; i < 2000 && !transport_peer_up(p->t, MEMBER_ID); i++) {
        run_for(p->loop, 2);
    }
    assert_true(transport_peer_up(p->t, MEMBER_ID));
}

void puppet_send(struct puppet *p, struct buf *b)
{
    transport_send(p->t, MEMBER_ID, b);
    buf_fini(b);
}

void puppet_say(struct puppet *p, struct raft_message m)
{
    struct buf b = BUF_INIT;
    message_put_raft(&b, &m);
    puppet_send(p, &b);
}

void puppet_wait(struct puppet *p, unsigned kind, unsigned times)
{
    for (int i = 0; i < 2000 && p->heard[kind] < times; i++) {
        run_for(p->loop, 2);
    }
    assert_true(p->heard[kind] >= times);
}

/* --- the stage -------------------------------------------------------------------------------- */

struct value *stage_configuration(const struct stage *s, bool puppet_votes)
{
    struct raft_configuration conf;
    raft_configuration_init(&conf);
    int role = puppet_votes ? RAFT_VOTER : RAFT_STANDBY;
    assert_int_equal(raft_configuration_add(&conf, PUPPET_ID, s->p.address, role), 0);
    assert_int_equal(raft_configuration_add(&conf, MEMBER_ID, s->m.address, RAFT_VOTER), 0);
    struct value *v = configuration_encode(&conf);
    raft_configuration_close(&conf);
    return v;
}

void stage_open(struct stage *s)
{
    struct rnode_options o;
    struct err err = ERR_INIT;
    *s = (struct stage){ .loop = loop_new(), .dir = temp_dir_new(), .m.id = MEMBER_ID };
    entry_log_init(&s->log, 1);
    puppet_open(&s->p, s->loop, PUPPET_ID);
    address_pick(s->loop, s->m.address, sizeof s->m.address);
    member_options(&s->m, s->loop, s->dir, &o);
    struct rnode_member founders[2] = { { .id = PUPPET_ID, .role = RNODE_VOTER },
                                        { .id = MEMBER_ID, .role = RNODE_VOTER } };
    str_copy(founders[0].peer_address, sizeof founders[0].peer_address, s->p.address);
    str_copy(founders[1].peer_address, sizeof founders[1].peer_address, s->m.address);
    o.initial = founders;
    o.n_initial = 2;
    assert_int_equal(rnode_open(&o, &s->m.node, &err), 0);
    stage_entry(s, 1, 1, RAFT_CHANGE, stage_configuration(s, true));
    puppet_reach(&s->p, &s->m);
}

void stage_close(struct stage *s)
{
    if (s->m.node != NULL) {
        rnode_abandon(s->m.node);
    }
    puppet_close(&s->p);
    run_for(s->loop, 20);
    entry_log_fini(&s->log);
    loop_free(s->loop);
    temp_dir_free(s->dir);
}

void stage_entry(struct stage *s, uint64_t index, uint64_t term, unsigned type, struct value *data)
{
    if (index <= s->log.last) {
        entry_log_truncate(&s->log, index);
    }
    entry_log_append(&s->log, term, type, data);
}

void stage_append(struct stage *s, uint64_t term, uint64_t prev, uint64_t prev_term,
                  uint64_t commit)
{
    struct buf b = BUF_INIT;
    struct raft_append_entries ae = { .version = 1, .term = term, .prev_log_index = prev,
                                      .prev_log_term = prev_term, .leader_commit = commit,
                                      .n_entries = (unsigned)(s->log.last - prev) };
    message_put_append_entries(&b, &ae, &s->log);
    puppet_send(&s->p, &b);
}

void stage_wait_status(struct stage *s, bool (*until)(const struct rnode_status *status,
                                                      uint64_t arg),
                       uint64_t arg)
{
    struct rnode_status status;
    for (int i = 0; i < 4000; i++) {
        rnode_get_status(s->m.node, &status);
        if (until(&status, arg)) {
            return;
        }
        run_for(s->loop, 2);
    }
    fail();
}

static bool leads(const struct rnode_status *status, uint64_t arg)
{
    (void)arg;
    return status->state == RNODE_LEADER;
}

void stage_member_leads(struct stage *s, struct rnode_status *ret_status)
{
    s->p.grants = true;
    stage_wait_status(s, leads, 0);
    rnode_get_status(s->m.node, ret_status);
}
