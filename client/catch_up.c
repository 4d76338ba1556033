/* See catch_up.h. Two questions go out together: the present revision and the member's version.
 * When both are answered the caches are looked at every STEP_MS. A member that was left in between
 * may be of another version, so a progress request is only trusted while its endpoint is current.
 * */
#include "client/catch_up.h"

#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/io/timer.h"

enum { STEP_MS = 20 };

struct catch_up {
    struct informers *set;
    struct client *client;
    struct client_call *present, *status; /* under way */
    char endpoint[256];                   /* whose version was asked */
    bool exact;
    bool relisted;
    int64_t revision;                     /* 0 = not read yet */
    uint64_t until_ms;
    struct timer timer;
    void (*done)(void *arg, bool complete, int64_t revision);
    void *arg;
};

bool catch_up_progress_is_exact(const char *version)
{
    unsigned major = 0;
    unsigned minor = 0;
    unsigned patch = 0;

    if (sscanf(version, "%u.%u.%u", &major, &minor, &patch) != 3) {
        return false;
    }
    if (major != 3) {
        return major > 3;
    }
    if (minor == 4) {
        return patch >= 31;
    }
    return minor > 5 || (minor == 5 && patch >= 13);
}

static void catch_up_free(struct catch_up *u)
{
    client_call_cancel(u->present);
    client_call_cancel(u->status);
    timer_stop(&u->timer);
    mem_free(u);
}

void catch_up_cancel(struct catch_up *u)
{
    if (u != NULL) {
        catch_up_free(u);
    }
}

static void catch_up_end(struct catch_up *u, bool complete)
{
    void (*done)(void *, bool, int64_t) = u->done;
    void *arg = u->arg;
    int64_t revision = u->revision;

    catch_up_free(u);
    done(arg, complete, revision);
}

static void ask_caches(struct catch_up *u)
{
    if (u->exact && strcmp(u->endpoint, client_endpoint(u->client)) == 0) {
        client_watch_progress(u->client);
    } else if (!u->relisted) {
        u->relisted = true;
        informers_relist(u->set);
    }
}

static void on_step(struct timer *t)
{
    struct catch_up *u = CONTAINER_OF(t, struct catch_up, timer);
    bool asked = u->present == NULL && u->status == NULL && u->revision != 0;

    if (asked && informers_revision(u->set) >= u->revision) {
        catch_up_end(u, true);
        return;
    }
    if (loop_now_ms(client_loop(u->client)) >= u->until_ms) {
        catch_up_end(u, false);
        return;
    }
    if (asked) {
        ask_caches(u);
    }
    timer_start(&u->timer, STEP_MS);
}

static void on_present(void *arg, const struct client_result *result)
{
    struct catch_up *u = arg;

    u->present = NULL;
    u->revision = result->status == 0 ? result->revision : 0;
    timer_start(&u->timer, 0);
}

static void on_status(void *arg, int status, const struct client_status *s, const struct err *err)
{
    struct catch_up *u = arg;

    (void)err;
    u->status = NULL;
    u->exact = status == 0 && catch_up_progress_is_exact(s->version);
    timer_start(&u->timer, 0);
}

static void on_begin(struct timer *t)
{
    struct catch_up *u = CONTAINER_OF(t, struct catch_up, timer);
    struct client_range range = { .key = slice_str("/barque/present"), .count_only = true };
    uint64_t left_ms = u->until_ms - loop_now_ms(client_loop(u->client));

    timer_init(client_loop(u->client), &u->timer, on_step);
    range.timeout_ms = left_ms;
    u->present = client_get(u->client, &range, on_present, u);
    str_copy(u->endpoint, sizeof u->endpoint, client_endpoint(u->client));
    if (u->endpoint[0] != 0) {
        u->status = client_status_of(u->client, u->endpoint, left_ms, on_status, u);
    }
    timer_start(&u->timer, STEP_MS);
}

struct catch_up *catch_up_start(struct informers *set, uint64_t timeout_ms,
                                void (*done)(void *arg, bool complete, int64_t revision),
                                void *arg)
{
    struct catch_up *u = mem_zalloc(sizeof *u);

    u->set = set;
    u->client = informers_client(set);
    u->until_ms = loop_now_ms(client_loop(u->client)) + timeout_ms;
    u->done = done;
    u->arg = arg;
    timer_init(client_loop(u->client), &u->timer, on_begin);
    timer_start(&u->timer, 0);
    return u;
}
