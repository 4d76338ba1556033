/* Logging in, against a member of our own making that can do what a real one does only after
 * minutes: take no token any more, give one that is void at once, switch auth on. */
#include "tests/unit/client/etcd.h"
#include "tests/unit/client/member.h"
#include "tests/unit/client/tests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"

static struct client *client_with(struct member *m, const char *password)
{
    return member_client(m, (struct client_options){ .password = password });
}

/* --- calls ------------------------------------------------------------------------------------ */

struct answer {
    bool done;
    int status;
    char text[256];
};

static void on_answer(void *arg, const struct client_result *result)
{
    struct answer *a = arg;
    assert_false(a->done);
    a->done = true;
    a->status = result->status;
    str_copy(a->text, sizeof a->text, result->err != NULL ? result->err->msg : "");
}

static void put_start(struct client *c, struct answer *a)
{
    struct client_put p = { .key = slice_str("k"), .value = slice_str("v") };
    *a = (struct answer){ .done = false };
    client_put_kv(c, &p, on_answer, a);
}

static int put_status(struct member *m, struct client *c, struct answer *a)
{
    put_start(c, a);
    assert_true(run_until_set(m->loop, &a->done, WAIT_MS));
    return a->status;
}

static void calls_wait_for_one_log_in_and_carry_its_token(void **state)
{
    (void)state;
    struct member m;
    member_open(&m, "secret");
    struct client *c = client_with(&m, "secret");
    struct answer answers[20];
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        put_start(c, &answers[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        assert_true(run_until_set(m.loop, &answers[i].done, WAIT_MS));
        assert_int_equal(answers[i].status, 0);
    }
    assert_int_equal(m.puts, ARRAY_LEN(answers));
    assert_int_equal(m.logins, 1);
    member_close(&m, c);
}

static void a_write_refused_for_its_token_is_sent_again_once(void **state)
{
    (void)state;
    struct member m;
    struct answer a, b;
    member_open(&m, "secret");
    struct client *c = client_with(&m, "secret");
    assert_int_equal(put_status(&m, c, &a), 0);
    str_copy(m.token, sizeof m.token, "another");
    put_start(c, &a);
    put_start(c, &b);
    assert_true(run_until_set(m.loop, &a.done, WAIT_MS));
    assert_true(run_until_set(m.loop, &b.done, WAIT_MS));
    assert_int_equal(a.status, 0);
    assert_int_equal(b.status, 0);
    assert_int_equal(m.puts, 3);
    assert_int_equal(m.logins, 2);
    member_close(&m, c);
}

static void a_wrong_password_ends_calls_at_once_and_is_not_tried_at_each(void **state)
{
    (void)state;
    struct member m;
    struct answer a;
    member_open(&m, "secret");
    struct client *c = client_with(&m, "wrong");
    uint64_t start = clock_mono_ms();
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(put_status(&m, c, &a), E_AUTH_FAILED);
    }
    assert_non_null(strstr(a.text, "user app: etcdserver: authentication failed"));
    /* One, and one more for each half second at most. */
    assert_true(m.logins >= 1 && m.logins <= 1 + (clock_mono_ms() - start) / 500);
    assert_int_equal(m.puts, 0);

    m.password = "wrong"; /* now it is the right one, and found out without a restart */
    while (put_status(&m, c, &a) != 0) {
        assert_true(clock_mono_ms() - start < WAIT_MS);
    }
    assert_int_equal(m.puts, 1);
    member_close(&m, c);
}

static void where_auth_is_off_there_is_no_token_until_it_is_on(void **state)
{
    (void)state;
    struct member m;
    struct answer a;
    member_open(&m, NULL);
    struct client *c = client_with(&m, "secret");
    assert_int_equal(put_status(&m, c, &a), 0);
    assert_int_equal(put_status(&m, c, &a), 0);
    assert_int_equal(m.logins, 1);
    m.password = "secret";
    assert_int_equal(put_status(&m, c, &a), 0);
    assert_int_equal(m.logins, 2);
    assert_int_equal(m.puts, 3);
    member_close(&m, c);
}

static void tokens_that_are_void_at_once_are_asked_for_ever_more_slowly(void **state)
{
    (void)state;
    struct member m;
    struct answer a;
    member_open(&m, "secret");
    m.void_at_once = true;
    struct client *c = client_with(&m, "secret");
    uint64_t start = clock_mono_ms();
    struct client_put p = { .key = slice_str("k"), .timeout_ms = 2000 };
    a = (struct answer){ .done = false };
    client_put_kv(c, &p, on_answer, &a);
    assert_true(run_until_set(m.loop, &a.done, WAIT_MS));
    assert_int_not_equal(a.status, 0);
    /* 25 ms, 50, 100, 200, 400, 800 between them at least. */
    assert_true(m.logins >= 2);
    assert_true(m.logins <= 8 + (clock_mono_ms() - start) / 800);
    member_close(&m, c);
}

static void a_token_that_cannot_be_a_header_is_refused(void **state)
{
    (void)state;
    static const char *const odd[] = { "", "two words", "line\r\nx: y", "\x7f" };
    char *longest = mem_zalloc(9001);
    memset(longest, 'x', 9000);
    for (size_t i = 0; i <= ARRAY_LEN(odd); i++) {
        struct member m;
        struct answer a;
        member_open(&m, "secret");
        m.odd_token = i < ARRAY_LEN(odd) ? odd[i] : longest;
        struct client *c = client_with(&m, "secret");
        assert_int_equal(put_status(&m, c, &a), E_PROTO);
        assert_int_equal(m.puts, 0);
        member_close(&m, c);
    }
    mem_free(longest);
}

/* --- the password's file ---------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void the_password_file_is_read_at_each_log_in(void **state)
{
    (void)state;
    struct member m;
    struct answer a;
    char path[] = "/tmp/barque-login-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    member_open(&m, "first");
    struct client *c = member_client(&m, (struct client_options){ .password_file = path });
    assert_int_equal(put_status(&m, c, &a), E_INVAL); /* it is empty */
    assert_int_equal(m.logins, 0);
    write_file(path, "first\nand what else there is\n");
    uint64_t start = clock_mono_ms();
    while (put_status(&m, c, &a) != 0) {
        assert_true(clock_mono_ms() - start < WAIT_MS);
    }
    write_file(path, "second");
    m.password = "second";
    str_copy(m.token, sizeof m.token, "another");
    assert_int_equal(put_status(&m, c, &a), 0);
    assert_int_equal(m.refused, 0);
    assert_int_equal(unlink(path), 0);
    str_copy(m.token, sizeof m.token, "a third");
    assert_int_equal(put_status(&m, c, &a), E_NOTFOUND);
    assert_non_null(strstr(a.text, path));
    member_close(&m, c);
}

static void a_user_needs_a_name_and_a_password(void **state)
{
    (void)state;
    static const struct {
        const char *text, *user, *password;
    } cases[] = { { "a", "a", NULL }, { "a:", "a", "" }, { "a:b:c", "a", "b:c" } };
    char text[16];
    const char *user, *password;
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        str_copy(text, sizeof text, cases[i].text);
        assert_int_equal(client_user_split(text, &user, &password, &err), 0);
        assert_string_equal(user, cases[i].user);
        if (cases[i].password == NULL) {
            assert_null(password);
        } else {
            assert_string_equal(password, cases[i].password);
        }
    }
    str_copy(text, sizeof text, ":b");
    assert_int_equal(client_user_split(text, &user, &password, &err), E_INVAL);
    str_copy(text, sizeof text, "");
    assert_int_equal(client_user_split(text, &user, &password, &err), E_INVAL);

    struct loop *loop = loop_new();
    const char *endpoint = "127.0.0.1:1";
    struct client_options o = { .loop = loop, .endpoints = &endpoint, .n_endpoints = 1,
                                .user = "a" };
    struct client *c;
    assert_int_equal(client_new(&o, &c, &err), E_INVAL);
    loop_free(loop);
}

/* --- streams ---------------------------------------------------------------------------------- */

struct watcher {
    struct member *member;
    int64_t seen[16];
    size_t n, want, resumed, ended;
};

static void on_events(void *arg, const struct client_event *events, size_t n, int64_t revision)
{
    struct watcher *w = arg;
    (void)revision;
    for (size_t i = 0; i < n && w->n < ARRAY_LEN(w->seen); i++) {
        w->seen[w->n++] = events[i].kv.mod_revision;
    }
}

static void on_end(void *arg, int status, int64_t compact_revision, const struct err *err)
{
    struct watcher *w = arg;
    (void)compact_revision;
    print_message("the watch ended: %d %s\n", status, err->msg);
    w->ended++;
}

static void on_resume(void *arg, const char *endpoint, int64_t revision)
{
    struct watcher *w = arg;
    (void)endpoint;
    assert_int_equal(revision, w->n + 2);
    w->resumed++;
}

static struct client_watch *watch_of(struct client *c, struct watcher *w, const char *key)
{
    struct client_watch_options options = { .key = slice_str(key), .start_revision = 2,
                                            .on_events = on_events, .on_end = on_end,
                                            .on_resume = on_resume, .arg = w };
    return client_watch_start(c, &options);
}

static bool watched(void *arg)
{
    return ((struct watcher *)arg)->member->watch_id > 0;
}

static bool has_ended(void *arg)
{
    return ((struct watcher *)arg)->ended > 0;
}

static bool enough(void *arg)
{
    return ((struct watcher *)arg)->n >= ((struct watcher *)arg)->want;
}

static bool resumed(void *arg)
{
    return ((struct watcher *)arg)->resumed > 0;
}

/* A stream keeps its token: the watch that comes later is refused, and both go on with another. */
static void watches_go_on_with_the_next_token(void **state)
{
    (void)state;
    struct member m;
    member_open(&m, "secret");
    struct client *c = client_with(&m, "secret");
    struct watcher w = { .member = &m, .want = 1 }, later = { .member = &m };
    struct client_watch *first = watch_of(c, &w, "a");
    assert_true(run_until(m.loop, watched, &w, WAIT_MS));
    member_event(&m);
    assert_true(run_until(m.loop, enough, &w, WAIT_MS));

    str_copy(m.token, sizeof m.token, "another");
    struct client_watch *second = watch_of(c, &later, "b");
    assert_true(run_until(m.loop, resumed, &w, WAIT_MS));
    member_event(&m);
    w.want = 2;
    assert_true(run_until(m.loop, enough, &w, WAIT_MS));
    assert_int_equal(w.n, 2);
    assert_int_equal(w.seen[0], 2);
    assert_int_equal(w.seen[1], 3);
    assert_int_equal(w.ended + later.ended, 0);
    assert_int_equal(m.streams, 2);
    assert_int_equal(m.logins, 2);
    client_watch_stop(first);
    client_watch_stop(second);
    member_close(&m, c);
}

/* What has begun waits for better times; what has not is told why. */
static void a_refused_log_in_ends_new_watches_only(void **state)
{
    (void)state;
    struct member m;
    member_open(&m, "secret");
    struct client *c = client_with(&m, "secret");
    struct watcher w = { .member = &m, .want = 1 }, later = { .member = &m },
                   last = { .member = &m };
    struct client_watch *first = watch_of(c, &w, "a");
    assert_true(run_until(m.loop, watched, &w, WAIT_MS));
    m.password = "other";
    str_copy(m.token, sizeof m.token, "another");
    watch_of(c, &later, "b");
    assert_true(run_until(m.loop, has_ended, &later, WAIT_MS));
    watch_of(c, &last, "c");
    assert_true(run_until(m.loop, has_ended, &last, WAIT_MS));
    m.password = "secret";
    assert_true(run_until(m.loop, resumed, &w, WAIT_MS));
    member_event(&m);
    assert_true(run_until(m.loop, enough, &w, WAIT_MS));
    assert_int_equal(w.ended, 0);
    client_watch_stop(first);
    member_close(&m, c);
}

static unsigned renewals, losses;

static void on_lease(void *arg, int64_t id, bool alive, uint64_t deadline_ms)
{
    struct member *m = arg;
    (void)id;
    (void)deadline_ms;
    losses += !alive;
    if (alive && renewals++ == 0) {
        str_copy(m->token, sizeof m->token, "another");
    }
}

static bool renewed(void *arg)
{
    (void)arg;
    return renewals >= 3 || losses > 0;
}

static void a_lease_outlives_the_token_of_its_stream(void **state)
{
    (void)state;
    struct member m;
    member_open(&m, "secret");
    struct client *c = client_with(&m, "secret");
    renewals = losses = 0;
    struct client_lease *l = client_lease_start(c, 3, on_lease, &m);
    assert_true(run_until(m.loop, renewed, NULL, WAIT_MS));
    assert_int_equal(losses, 0);
    assert_true(m.logins >= 2);
    client_lease_abandon(l);
    member_close(&m, c);
}

int test_login_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_wait_for_one_log_in_and_carry_its_token),
        cmocka_unit_test(a_write_refused_for_its_token_is_sent_again_once),
        cmocka_unit_test(a_wrong_password_ends_calls_at_once_and_is_not_tried_at_each),
        cmocka_unit_test(where_auth_is_off_there_is_no_token_until_it_is_on),
        cmocka_unit_test(tokens_that_are_void_at_once_are_asked_for_ever_more_slowly),
        cmocka_unit_test(a_token_that_cannot_be_a_header_is_refused),
        cmocka_unit_test(the_password_file_is_read_at_each_log_in),
        cmocka_unit_test(a_user_needs_a_name_and_a_password),
        cmocka_unit_test(watches_go_on_with_the_next_token),
        cmocka_unit_test(a_refused_log_in_ends_new_watches_only),
        cmocka_unit_test(a_lease_outlives_the_token_of_its_stream),
    };
    return cmocka_run_group_tests_name("client/login", tests, NULL, NULL);
}
