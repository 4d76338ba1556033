/* Peer messages: round trips, and bounds. */
#include "test.h"

#include "lib/base/buf.h"
#include "lib/base/limits.h"
#include "lib/codec/mp.h"
#include "raft/configuration.h"
#include "raft/message.h"

static struct message_reader reader;

static int teardown(void **state)
{
    (void)state;
    message_reader_fini(&reader);
    return 0;
}

static struct message back(struct buf *b)
{
    struct message m;
    assert_int_equal(message_decode(&reader, buf_slice(b), &m), 0);
    return m;
}

static void votes_come_back(void **state)
{
    (void)state;
    autobuf b = BUF_INIT;
    struct raft_message v = { .type = RAFT_REQUEST_VOTE };
    v.request_vote = (struct raft_request_vote){ 2, 7, 0xfffffffffffffff1ULL, 100, 6, true, true };
    message_put_raft(&b, &v);
    struct message m = back(&b);
    assert_int_equal(m.kind, RAFT_REQUEST_VOTE);
    assert_int_equal(m.raft.request_vote.version, 2);
    assert_int_equal(m.raft.request_vote.term, 7);
    assert_true(m.raft.request_vote.candidate_id == 0xfffffffffffffff1ULL);
    assert_int_equal(m.raft.request_vote.last_log_index, 100);
    assert_int_equal(m.raft.request_vote.last_log_term, 6);
    assert_true(m.raft.request_vote.disrupt_leader);
    assert_true(m.raft.request_vote.pre_vote);

    buf_reset(&b);
    v = (struct raft_message){ .type = RAFT_REQUEST_VOTE_RESULT };
    v.request_vote_result = (struct raft_request_vote_result){ 2, 8, true, false, 1, 65535 };
    message_put_raft(&b, &v);
    m = back(&b);
    assert_int_equal(m.raft.request_vote_result.term, 8);
    assert_true(m.raft.request_vote_result.vote_granted);
    assert_false(m.raft.request_vote_result.pre_vote);
    assert_int_equal(m.raft.request_vote_result.features, 1);
    assert_int_equal(m.raft.request_vote_result.capacity, 65535);
}

static void results_and_timeout_now_come_back(void **state)
{
    (void)state;
    autobuf b = BUF_INIT;
    struct raft_message v = { .type = RAFT_APPEND_ENTRIES_RESULT };
    v.append_entries_result = (struct raft_append_entries_result){ 2, 8, 5, 4, 1, 3 };
    message_put_raft(&b, &v);
    struct message m = back(&b);
    assert_int_equal(m.raft.append_entries_result.version, 2);
    assert_int_equal(m.raft.append_entries_result.rejected, 5);
    assert_int_equal(m.raft.append_entries_result.last_log_index, 4);
    assert_int_equal(m.raft.append_entries_result.capacity, 3);
    buf_reset(&b);
    v = (struct raft_message){ .type = RAFT_TIMEOUT_NOW };
    v.timeout_now = (struct raft_timeout_now){ 0, 8, 9, 7 };
    message_put_raft(&b, &v);
    m = back(&b);
    assert_int_equal(m.kind, RAFT_TIMEOUT_NOW);
    assert_int_equal(m.raft.timeout_now.last_log_index, 9);
    assert_int_equal(m.raft.timeout_now.last_log_term, 7);
}

static void fill_log(struct entry_log *log, size_t n, size_t len)
{
    entry_log_init(log, 11);
    for (size_t i = 0; i < n; i++) {
        struct value *v = value_alloc(len);
        memset(v->data, (int)i, len);
        entry_log_append(log, 4, RAFT_COMMAND, v);
    }
}

static void append_entries_carry_the_log_and_are_split_by_bytes(void **state)
{
    (void)state;
    struct entry_log log;
    fill_log(&log, 5, 400 * 1024);
    struct raft_append_entries ae = { .term = 4, .prev_log_index = 10, .prev_log_term = 3,
                                      .leader_commit = 9, .n_entries = 5 };
    autobuf b = BUF_INIT;
    assert_int_equal(message_put_append_entries(&b, &ae, &log), 3);
    assert_true(b.len < 2 * MESSAGE_AE_BYTES);
    struct message m = back(&b);
    assert_int_equal(m.raft.append_entries.n_entries, 3);
    assert_int_equal(m.raft.append_entries.prev_log_index, 10);
    assert_int_equal(m.raft.append_entries.prev_log_term, 3);
    assert_int_equal(m.raft.append_entries.leader_commit, 9);
    const struct raft_entry *e = &m.raft.append_entries.entries[2];
    assert_int_equal(e->term, 4);
    assert_int_equal(e->type, RAFT_COMMAND);
    assert_int_equal(e->buf.len, 400 * 1024);
    assert_int_equal(((uint8_t *)e->buf.base)[1000], 2);
    buf_reset(&b);
    ae.n_entries = 0;
    assert_int_equal(message_put_append_entries(&b, &ae, &log), 0);
    m = back(&b);
    assert_int_equal(m.raft.append_entries.n_entries, 0);
    entry_log_fini(&log);
}

static void own_frames_come_back(void **state)
{
    (void)state;
    autobuf b = BUF_INIT;
    message_put_propose(&b, 9, 2);
    message_put_command(&b, slice_str("one"));
    message_put_command(&b, slice_str(""));
    struct message m = back(&b);
    assert_int_equal(m.kind, MESSAGE_PROPOSE);
    assert_int_equal(m.term, 9);
    assert_int_equal(m.n_commands, 2);
    assert_true(slice_eq(m.commands[0], slice_str("one")));
    assert_int_equal(m.commands[1].len, 0);
    buf_reset(&b);
    message_put_read_reply(&b, 3, 4, 5);
    m = back(&b);
    assert_int_equal(m.kind, MESSAGE_READ_REPLY);
    assert_int_equal(m.epoch, 3);
    assert_int_equal(m.seq, 4);
    assert_int_equal(m.index, 5);
    buf_reset(&b);
    message_put_probe(&b, MESSAGE_ACK, 6, 7);
    m = back(&b);
    assert_int_equal(m.kind, MESSAGE_ACK);
    assert_int_equal(m.term, 6);
    assert_int_equal(m.seq, 7);
    buf_reset(&b);
    message_put_disk_slow(&b, 8);
    m = back(&b);
    assert_int_equal(m.kind, MESSAGE_DISK_SLOW);
    assert_int_equal(m.term, 8);
    buf_reset(&b);
    message_put_answer(&b, 1, 2, E_TIMEOUT, slice_str("why"));
    m = back(&b);
    assert_int_equal(m.status, E_TIMEOUT);
    assert_true(slice_eq(m.bytes, slice_str("why")));
}

static void no_prefix_of_a_message_is_taken_for_one(void **state)
{
    (void)state;
    struct entry_log log;
    fill_log(&log, 3, 20);
    struct raft_append_entries ae = { .term = 4, .prev_log_index = 10, .prev_log_term = 3,
                                      .n_entries = 3 };
    autobuf b = BUF_INIT;
    message_put_append_entries(&b, &ae, &log);
    for (size_t len = 0; len < b.len; len++) {
        struct message m;
        uint8_t *copy = mem_dup(b.data, len + 1); /* so that a sanitizer sees a read past the end */
        copy = mem_realloc(copy, len != 0 ? len : 1);
        assert_true(message_decode(&reader, slice_make(copy, len), &m) < 0);
        mem_free(copy);
    }
    entry_log_fini(&log);
}

/* An AE of one entry with the given fields. */
static int decode_entry(uint64_t ae_term, uint64_t entry_term, uint64_t type, struct slice data,
                        uint64_t claimed)
{
    autobuf b = BUF_INIT;
    struct message m;
    mp_put_array(&b, 11);
    mp_put_u64(&b, MESSAGE_VERSION);
    mp_put_u64(&b, RAFT_APPEND_ENTRIES);
    mp_put_u64(&b, 0);
    mp_put_u64(&b, ae_term);
    mp_put_u64(&b, 1);
    mp_put_u64(&b, 1);
    mp_put_u64(&b, 0);
    mp_put_u64(&b, claimed);
    mp_put_u64(&b, entry_term);
    mp_put_u64(&b, type);
    mp_put_bin(&b, data);
    return message_decode(&reader, buf_slice(&b), &m);
}

static void entries_that_would_harm_the_core_are_refused(void **state)
{
    (void)state;
    struct slice x = slice_str("x");
    assert_int_equal(decode_entry(5, 5, RAFT_COMMAND, x, 1), 0);
    assert_true(decode_entry(5, 6, RAFT_COMMAND, x, 1) < 0);  /* newer than its message */
    assert_true(decode_entry(5, 0, RAFT_COMMAND, x, 1) < 0);
    assert_true(decode_entry(5, 5, 0, x, 1) < 0);
    assert_true(decode_entry(5, 5, 4, x, 1) < 0);
    assert_true(decode_entry(5, 5, RAFT_CHANGE, x, 1) < 0);   /* no configuration */
    assert_true(decode_entry(5, 5, RAFT_COMMAND, x, 200000) < 0); /* claims more than there is */
    assert_true(decode_entry(0, 0, RAFT_COMMAND, x, 1) < 0);
}

static void configurations_are_checked_before_libraft_reads_them(void **state)
{
    (void)state;
    struct raft_configuration conf;
    raft_configuration_init(&conf);
    raft_configuration_add(&conf, 1, "127.0.0.1:1", RAFT_VOTER);
    raft_configuration_add(&conf, 2, "127.0.0.1:2", RAFT_STANDBY);
    struct value *v = configuration_encode(&conf);
    raft_configuration_close(&conf);
    assert_int_equal(configuration_check(value_slice(v)), 0);
    configuration_decode(value_slice(v), &conf);
    assert_int_equal(conf.n, 2);
    assert_int_equal(configuration_voters(&conf), 1);
    assert_string_equal(configuration_find(&conf, 2)->address, "127.0.0.1:2");
    assert_null(configuration_find(&conf, 3));
    raft_configuration_close(&conf);
    size_t end = v->len;
    while (v->data[end - 1] == 0) {
        end--; /* padding, and the last role (stand-by is 0) */
    }
    for (size_t len = 0; len < end; len++) {
        assert_int_equal(configuration_check(slice_make(v->data, len)), E_PROTO);
    }
    uint8_t *count = v->data + 1;
    count[7] = 0xff; /* 2^63 servers */
    assert_int_equal(configuration_check(value_slice(v)), E_PROTO);
    count[7] = 0;
    memcpy(v->data + 9 + 8 + 12 + 1, v->data + 9, 8); /* the same id twice */
    assert_int_equal(configuration_check(value_slice(v)), E_PROTO);
    value_unref(v);
}

int test_message_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(votes_come_back),
        cmocka_unit_test(results_and_timeout_now_come_back),
        cmocka_unit_test(append_entries_carry_the_log_and_are_split_by_bytes),
        cmocka_unit_test(own_frames_come_back),
        cmocka_unit_test(no_prefix_of_a_message_is_taken_for_one),
        cmocka_unit_test(entries_that_would_harm_the_core_are_refused),
        cmocka_unit_test(configurations_are_checked_before_libraft_reads_them),
    };
    return cmocka_run_group_tests_name("raft/message", tests, NULL, teardown);
}
