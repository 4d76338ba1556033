/* Peer messages as msgpack. Field order per kind (after version and kind):
 *
 *   REQUEST_VOTE           v, term, candidate, last index, last term, disrupt, pre-vote
 *   REQUEST_VOTE_RESULT    v, term, granted, pre-vote, features, capacity
 *   APPEND_ENTRIES         v, term, prev index, prev term, commit, n, then n times (term, type,
 *                          data)
 *   APPEND_ENTRIES_RESULT  v, term, rejected, last index, features, capacity
 *   INSTALL_SNAPSHOT       v, term    (head of a snapshot stream; the rest is in the file)
 *   TIMEOUT_NOW            v, term, last index, last term
 *   PROPOSE                term, n, then n commands
 *   READ_INDEX             epoch, seq           READ_REPLY  epoch, seq, index
 *   PROBE, ACK             term, seq
 *   DISK_SLOW              term
 *   ASK                    epoch, seq, bytes    ANSWER      epoch, seq, status, bytes
 *
 * v is libraft's version of the message: it gates pre-vote and capacity logic, so it travels. */
#include "raft/message.h"

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/err.h"
#include "lib/base/limits.h"
#include "lib/codec/mp.h"
#include "raft/configuration.h"

enum { ELEMENTS_MAX = 3 * 1024 * 1024, ENTRIES_MAX = 256 * 1024, ASK_BYTES_MAX = 64 * 1024 };

static void start(struct buf *b, uint32_t elements, unsigned kind)
{
    mp_put_array(b, elements + 2);
    mp_put_u64(b, MESSAGE_VERSION);
    mp_put_u64(b, kind);
}

/* --- writing --- */

static void put_vote(struct buf *b, const struct raft_request_vote *v)
{
    start(b, 7, RAFT_REQUEST_VOTE);
    mp_put_u64(b, v->version);
    mp_put_u64(b, v->term);
    mp_put_u64(b, v->candidate_id);
    mp_put_u64(b, v->last_log_index);
    mp_put_u64(b, v->last_log_term);
    mp_put_bool(b, v->disrupt_leader);
    mp_put_bool(b, v->pre_vote);
}

static void put_vote_result(struct buf *b, const struct raft_request_vote_result *v)
{
    start(b, 6, RAFT_REQUEST_VOTE_RESULT);
    mp_put_u64(b, v->version);
    mp_put_u64(b, v->term);
    mp_put_bool(b, v->vote_granted);
    mp_put_bool(b, v->pre_vote);
    mp_put_u64(b, v->features);
    mp_put_u64(b, v->capacity);
}

static void put_append_result(struct buf *b, const struct raft_append_entries_result *v)
{
    start(b, 6, RAFT_APPEND_ENTRIES_RESULT);
    mp_put_u64(b, v->version);
    mp_put_u64(b, v->term);
    mp_put_u64(b, v->rejected);
    mp_put_u64(b, v->last_log_index);
    mp_put_u64(b, v->features);
    mp_put_u64(b, v->capacity);
}

void message_put_raft(struct buf *b, const struct raft_message *m)
{
    switch (m->type) {
    case RAFT_REQUEST_VOTE:
        put_vote(b, &m->request_vote);
        return;
    case RAFT_REQUEST_VOTE_RESULT:
        put_vote_result(b, &m->request_vote_result);
        return;
    case RAFT_APPEND_ENTRIES_RESULT:
        put_append_result(b, &m->append_entries_result);
        return;
    case RAFT_INSTALL_SNAPSHOT:
        start(b, 2, RAFT_INSTALL_SNAPSHOT);
        mp_put_u64(b, m->install_snapshot.version);
        mp_put_u64(b, m->install_snapshot.term);
        return;
    case RAFT_TIMEOUT_NOW:
        start(b, 4, RAFT_TIMEOUT_NOW);
        mp_put_u64(b, m->timeout_now.version);
        mp_put_u64(b, m->timeout_now.term);
        mp_put_u64(b, m->timeout_now.last_log_index);
        mp_put_u64(b, m->timeout_now.last_log_term);
        return;
    case RAFT_APPEND_ENTRIES:
        break; /* message_put_append_entries */
    }
    UNREACHABLE();
}

unsigned message_put_append_entries(struct buf *b, const struct raft_append_entries *ae,
                                    const struct entry_log *log)
{
    unsigned n = 0;
    size_t bytes = 0;
    while (n < ae->n_entries && n < ENTRIES_MAX && (n == 0 || bytes < MESSAGE_AE_BYTES)) {
        const struct entry *e = entry_log_get(log, ae->prev_log_index + 1 + n);
        PRE(e != NULL);
        bytes += e->data->len + 16;
        n++;
    }
    buf_reserve(b, bytes + 64);
    start(b, 6 + 3 * n, RAFT_APPEND_ENTRIES);
    mp_put_u64(b, ae->version);
    mp_put_u64(b, ae->term);
    mp_put_u64(b, ae->prev_log_index);
    mp_put_u64(b, ae->prev_log_term);
    mp_put_u64(b, ae->leader_commit);
    mp_put_u64(b, n);
    for (unsigned i = 0; i < n; i++) {
        const struct entry *e = entry_log_get(log, ae->prev_log_index + 1 + i);
        mp_put_u64(b, e->term);
        mp_put_u64(b, e->type);
        mp_put_bin(b, value_slice(e->data));
    }
    return n;
}

void message_put_propose(struct buf *b, uint64_t term, uint32_t n)
{
    start(b, 2 + n, MESSAGE_PROPOSE);
    mp_put_u64(b, term);
    mp_put_u64(b, n);
}

void message_put_command(struct buf *b, struct slice command)
{
    mp_put_bin(b, command);
}

void message_put_read_index(struct buf *b, uint64_t epoch, uint64_t seq)
{
    start(b, 2, MESSAGE_READ_INDEX);
    mp_put_u64(b, epoch);
    mp_put_u64(b, seq);
}

void message_put_read_reply(struct buf *b, uint64_t epoch, uint64_t seq, uint64_t index)
{
    start(b, 3, MESSAGE_READ_REPLY);
    mp_put_u64(b, epoch);
    mp_put_u64(b, seq);
    mp_put_u64(b, index);
}

void message_put_probe(struct buf *b, enum message_kind kind, uint64_t term, uint64_t seq)
{
    start(b, 2, kind);
    mp_put_u64(b, term);
    mp_put_u64(b, seq);
}

void message_put_disk_slow(struct buf *b, uint64_t term)
{
    start(b, 1, MESSAGE_DISK_SLOW);
    mp_put_u64(b, term);
}

void message_put_ask(struct buf *b, uint64_t epoch, uint64_t seq, struct slice question)
{
    start(b, 3, MESSAGE_ASK);
    mp_put_u64(b, epoch);
    mp_put_u64(b, seq);
    mp_put_bin(b, question);
}

void message_put_answer(struct buf *b, uint64_t epoch, uint64_t seq, int status,
                        struct slice answer)
{
    start(b, 4, MESSAGE_ANSWER);
    mp_put_u64(b, epoch);
    mp_put_u64(b, seq);
    mp_put_i64(b, status);
    mp_put_bin(b, answer);
}

/* --- reading --- */

/* A number that must fit; out of range is the peer's fault. */
static uint64_t get_max(struct mp_reader *r, uint64_t max)
{
    uint64_t v = mp_get_u64(r);
    if (v > max) {
        r->error = r->error != 0 ? r->error : E_PROTO;
        return 0;
    }
    return v;
}

static uint64_t get_index(struct mp_reader *r)
{
    return get_max(r, UINT64_MAX / 4); /* so that sums of indexes never wrap */
}

static void get_entries(struct message_reader *reader, struct mp_reader *r,
                        struct raft_append_entries *ae)
{
    uint32_t n = (uint32_t)get_max(r, ENTRIES_MAX);
    if (n > (size_t)(r->end - r->at) / 3) {
        r->error = r->error != 0 ? r->error : E_TRUNCATED;
        return;
    }
    if (n > 0) {
        reader->entries = mem_grow(reader->entries, &reader->entries_cap, n,
                                   sizeof *reader->entries);
    }
    for (uint32_t i = 0; i < n && r->error == 0; i++) {
        struct raft_entry *e = &reader->entries[i];
        *e = (struct raft_entry){ .term = get_index(r) };
        uint64_t type = get_max(r, RAFT_CHANGE);
        struct slice data = mp_get_bin(r, LIMIT_LOG_ENTRY_BYTES);
        e->type = (enum raft_entry_type)type;
        e->buf.base = (void *)(uintptr_t)data.data;
        e->buf.len = data.len;
        bool bad = e->term == 0 || type == 0 || e->term > ae->term ||
                   (type == RAFT_CHANGE && configuration_check(data) != 0);
        if (bad && r->error == 0) {
            r->error = E_PROTO;
        }
    }
    ae->entries = n > 0 ? reader->entries : NULL;
    ae->n_entries = n;
}

static void get_append_entries(struct message_reader *reader, struct mp_reader *r,
                               struct raft_append_entries *ae)
{
    ae->version = (unsigned char)get_max(r, UINT8_MAX);
    ae->term = get_index(r);
    ae->prev_log_index = get_index(r);
    ae->prev_log_term = get_index(r);
    ae->leader_commit = get_index(r);
    get_entries(reader, r, ae);
    bool bad = ae->term == 0 || (ae->prev_log_index == 0) != (ae->prev_log_term == 0) ||
               ae->prev_log_term > ae->term;
    if (bad && r->error == 0) {
        r->error = E_PROTO;
    }
}

static void get_vote(struct mp_reader *r, struct raft_request_vote *v)
{
    v->version = (unsigned char)get_max(r, UINT8_MAX);
    v->term = get_index(r);
    v->candidate_id = mp_get_u64(r);
    v->last_log_index = get_index(r);
    v->last_log_term = get_index(r);
    v->disrupt_leader = mp_get_bool(r);
    v->pre_vote = mp_get_bool(r);
}

static void get_vote_result(struct mp_reader *r, struct raft_request_vote_result *v)
{
    v->version = (unsigned char)get_max(r, UINT8_MAX);
    v->term = get_index(r);
    v->vote_granted = mp_get_bool(r);
    v->pre_vote = mp_get_bool(r);
    v->features = (unsigned short)get_max(r, UINT16_MAX);
    v->capacity = (unsigned short)get_max(r, UINT16_MAX);
}

static void get_append_result(struct mp_reader *r, struct raft_append_entries_result *v)
{
    v->version = (unsigned char)get_max(r, UINT8_MAX);
    v->term = get_index(r);
    v->rejected = get_index(r);
    v->last_log_index = get_index(r);
    v->features = (unsigned short)get_max(r, UINT16_MAX);
    v->capacity = (unsigned short)get_max(r, UINT16_MAX);
}

static bool get_raft(struct message_reader *reader, struct mp_reader *r, struct raft_message *m)
{
    switch (m->type) {
    case RAFT_REQUEST_VOTE:
        get_vote(r, &m->request_vote);
        return true;
    case RAFT_REQUEST_VOTE_RESULT:
        get_vote_result(r, &m->request_vote_result);
        return true;
    case RAFT_APPEND_ENTRIES:
        get_append_entries(reader, r, &m->append_entries);
        return true;
    case RAFT_APPEND_ENTRIES_RESULT:
        get_append_result(r, &m->append_entries_result);
        return true;
    case RAFT_INSTALL_SNAPSHOT:
        m->install_snapshot.version = (unsigned char)get_max(r, UINT8_MAX);
        m->install_snapshot.term = get_index(r);
        return true;
    case RAFT_TIMEOUT_NOW:
        m->timeout_now.version = (unsigned char)get_max(r, UINT8_MAX);
        m->timeout_now.term = get_index(r);
        m->timeout_now.last_log_index = get_index(r);
        m->timeout_now.last_log_term = get_index(r);
        return true;
    }
    return false;
}

static void get_commands(struct message_reader *reader, struct mp_reader *r, struct message *m)
{
    m->term = get_index(r);
    uint32_t n = (uint32_t)get_max(r, ENTRIES_MAX);
    if (n > (size_t)(r->end - r->at)) {
        r->error = r->error != 0 ? r->error : E_TRUNCATED;
        return;
    }
    if (n > 0) {
        reader->commands = mem_grow(reader->commands, &reader->commands_cap, n,
                                    sizeof *reader->commands);
    }
    for (uint32_t i = 0; i < n; i++) {
        reader->commands[i] = mp_get_bin(r, LIMIT_LOG_ENTRY_BYTES);
    }
    m->commands = reader->commands;
    m->n_commands = n;
}

static bool get_own(struct message_reader *reader, struct mp_reader *r, struct message *m)
{
    switch (m->kind) {
    case MESSAGE_PROPOSE:
        get_commands(reader, r, m);
        return true;
    case MESSAGE_PROBE:
    case MESSAGE_ACK:
        m->term = get_index(r);
        m->seq = mp_get_u64(r);
        return true;
    case MESSAGE_DISK_SLOW:
        m->term = get_index(r);
        return true;
    case MESSAGE_READ_INDEX:
    case MESSAGE_READ_REPLY:
    case MESSAGE_ASK:
    case MESSAGE_ANSWER:
        m->epoch = mp_get_u64(r);
        m->seq = mp_get_u64(r);
        if (m->kind == MESSAGE_READ_REPLY) {
            m->index = get_index(r);
        } else if (m->kind == MESSAGE_ANSWER) {
            int64_t status = mp_get_i64(r);
            m->status = status > 0 || status < -1000 ? E_PROTO : (int)status;
        }
        if (m->kind == MESSAGE_ASK || m->kind == MESSAGE_ANSWER) {
            m->bytes = mp_get_bin(r, ASK_BYTES_MAX);
        }
        return true;
    }
    return false;
}

int message_decode(struct message_reader *reader, struct slice payload, struct message *ret_message)
{
    struct mp_reader r;
    struct message m = { 0 };
    mp_reader_init(&r, payload);
    mp_get_array(&r, ELEMENTS_MAX);
    uint64_t version = mp_get_u64(&r);
    m.kind = (unsigned)get_max(&r, UINT8_MAX);
    if (mp_reader_error(&r) != 0) {
        return mp_reader_error(&r);
    }
    if (version == 0) {
        return E_PROTO;
    }
    m.raft.type = (enum raft_message_type)m.kind;
    bool known = m.kind <= RAFT_TIMEOUT_NOW ? get_raft(reader, &r, &m.raft)
                                            : get_own(reader, &r, &m);
    if (mp_reader_error(&r) != 0 || !known) {
        return known ? mp_reader_error(&r) : E_PROTO;
    }
    *ret_message = m;
    return 0;
}

void message_reader_fini(struct message_reader *r)
{
    mem_free(r->entries);
    mem_free(r->commands);
    *r = (struct message_reader){ 0 };
}
