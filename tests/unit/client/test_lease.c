/* Leases against a real etcd: kept alive, lost on our own clock, gone with their keys. */
#include "tests/unit/client/etcd.h"
#include "tests/unit/client/tests.h"

#include <signal.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"

struct holder {
    struct loop *loop;
    int64_t id;
    size_t renewals;
    bool alive, lost;
    uint64_t deadline_ms;
    uint64_t lost_ms;
};

static void on_state(void *arg, int64_t id, bool alive, uint64_t deadline_ms)
{
    struct holder *h = arg;

    assert_false(h->lost);
    if (alive) {
        assert_true(deadline_ms >= h->deadline_ms);
        h->renewals += h->alive;
        h->alive = true;
        h->deadline_ms = deadline_ms;
        h->id = id;
    } else {
        h->lost = true;
        h->lost_ms = loop_now_ms(h->loop);
    }
}

static bool renewed_twice(void *arg)
{
    return ((struct holder *)arg)->renewals >= 2;
}

/* Reads until the key is gone; each read waits for its answer, so this does not spin. */
static bool key_goes(struct client *c, uint64_t deadline_ms)
{
    uint64_t until = clock_mono_ms() + deadline_ms;

    while (clock_mono_ms() < until) {
        autofree char *value = must_get(c, "lease/a");

        if (value == NULL) {
            return true;
        }
    }
    return false;
}

static void a_lease_is_renewed_and_its_key_stays_past_its_time_to_live(void **state)
{
    struct etcd *e = etcd_shared();
    struct client *c = etcd_client(e);
    struct holder h = { .loop = e->loop };
    struct client_lease *l = client_lease_start(c, 1, on_state, &h);
    uint64_t first;
    autofree char *value = NULL;

    (void)state;
    assert_true(run_until_set(e->loop, &h.alive, 5000));
    assert_int_equal(client_lease_id(l), h.id);
    first = h.deadline_ms;
    must_put(c, "lease/a", "held", h.id);
    assert_true(run_until(e->loop, renewed_twice, &h, 5000));
    assert_true(h.deadline_ms > first);
    value = must_get(c, "lease/a");
    assert_string_equal(value, "held");
    client_lease_stop(l, NULL, NULL);
    assert_true(key_goes(c, 5000)); /* revoked at once, with its key */
    client_free(c);
}

static void a_holder_that_dies_loses_its_key_after_the_time_to_live(void **state)
{
    struct etcd *e = etcd_shared();
    struct client *c = etcd_client(e);
    struct client *other = etcd_client(e);
    struct holder h = { .loop = e->loop };
    struct client_lease *l = client_lease_start(c, 1, on_state, &h);
    uint64_t died;
    uint64_t took;

    (void)state;
    assert_true(run_until_set(e->loop, &h.alive, 5000));
    must_put(c, "lease/a", "held", h.id);
    client_free(c); /* no revocation: as if it had been killed */
    died = clock_mono_ms();
    assert_true(key_goes(other, 6000));
    took = clock_mono_ms() - died;
    assert_true(took >= 400); /* the last renewal was at most TTL / 3 ago */
    assert_false(h.lost);
    client_lease_stop(l, NULL, NULL);
    client_free(other);
}

static void a_lease_is_lost_on_our_own_clock_when_the_store_is_silent(void **state)
{
    struct etcd *e = etcd_start(1);
    struct client *c = etcd_client(e);
    struct holder h = { .loop = e->loop };
    uint64_t stopped;

    (void)state;
    client_lease_start(c, 2, on_state, &h);
    assert_true(run_until_set(e->loop, &h.alive, 5000));
    process_kill(e->members[0].process, SIGSTOP);
    stopped = clock_mono_ms();
    assert_true(run_until_set(e->loop, &h.lost, 5000));
    assert_true(h.lost_ms >= h.deadline_ms);
    assert_true(h.lost_ms <= h.deadline_ms + 300);
    assert_true(h.lost_ms <= stopped + 2300);
    process_kill(e->members[0].process, SIGCONT);
    client_free(c);
    etcd_stop(e);
}

struct until {
    struct holder *h;
    uint64_t deadline_ms;
};

static bool renewed_past(void *arg)
{
    const struct until *u = arg;

    return u->h->lost || u->h->deadline_ms > u->deadline_ms;
}

static void a_lease_outlives_a_restart_of_the_store(void **state)
{
    struct etcd *e = etcd_start(1);
    struct client *c = etcd_client(e);
    struct holder h = { .loop = e->loop };
    struct client_lease *l = client_lease_start(c, 4, on_state, &h);
    struct until u = { .h = &h };

    (void)state;
    assert_true(run_until_set(e->loop, &h.alive, 5000));
    etcd_kill(e, 0, SIGKILL);
    u.deadline_ms = h.deadline_ms;
    etcd_restart(e, 0);
    assert_true(run_until(e->loop, renewed_past, &u, 5000));
    assert_false(h.lost);
    client_lease_stop(l, NULL, NULL);
    client_free(c);
    etcd_stop(e);
}

static void a_revoked_lease_is_lost_at_the_next_renewal(void **state)
{
    struct etcd *e = etcd_shared();
    struct client *c = etcd_client(e);
    struct holder h = { .loop = e->loop };

    (void)state;
    client_lease_start(c, 3, on_state, &h);
    assert_true(run_until_set(e->loop, &h.alive, 5000));
    etcd_revoke(e, h.id);
    assert_true(run_until_set(e->loop, &h.lost, 5000));
    assert_true(h.lost_ms < h.deadline_ms);
    client_free(c);
}

int test_lease_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_is_renewed_and_its_key_stays_past_its_time_to_live),
        cmocka_unit_test(a_holder_that_dies_loses_its_key_after_the_time_to_live),
        cmocka_unit_test(a_lease_is_lost_on_our_own_clock_when_the_store_is_silent),
        cmocka_unit_test(a_lease_outlives_a_restart_of_the_store),
        cmocka_unit_test(a_revoked_lease_is_lost_at_the_next_renewal),
    };

    return cmocka_run_group_tests_name("client/lease", tests, NULL, NULL);
}
