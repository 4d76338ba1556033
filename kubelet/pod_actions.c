/* Decide first, act after: one pass over the pod's containers.
 *
 *   in view, not stopping:  no attempt -> START 0;  running -> nothing;  exited -> policy: START
 *                           next after its
 *                           back-off, or leave it;  attempts older than the last two -> REMOVE
 *   stopping (item.stop, or out of view): running -> SIGTERM once, SIGKILL after the grace period;
 *                           all ended: stopped; out of view: REMOVE everything, then gone */
#include "kubelet/pod_actions.h"

#include <signal.h>
#include <string.h>

#include "api/meta.h"
#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "lib/base/clock.h"

enum {
    BACKOFF_FIRST_MS = 1000,
    BACKOFF_MAX_MS = 300000,
    BACKOFF_FORGIVEN_MS = 600000, /* ran that long: the count starts again */
    KEEP_ATTEMPTS = 2,
    CLOCK_SLACK_MS = 10000, /* it may end between the pass's look at the clock and at the attempt */
    GRACE_DEFAULT_S = 30,
    GRACE_MAX_S = 1000000,
};

static void action(struct pod_output *out, struct arena *arena, struct pod_action a)
{
    /* Room for every attempt and every container was reserved at the start. */
    (void)arena;
    out->actions[out->n_actions++] = a;
}

static const struct attempt *last_attempt(const struct pod_input *in, const char *container)
{
    const struct attempt *last = NULL;
    for (size_t i = 0; i < in->n_observed; i++) {
        const struct attempt *a = &in->observed[i];
        if (strcmp(a->container, container) == 0 &&
            (last == NULL || a->attempt > last->attempt)) {
            last = a;
        }
    }
    return last;
}

static const struct attempt *attempt_before(const struct pod_input *in, const struct attempt *last)
{
    const struct attempt *prev = NULL;
    for (size_t i = 0; last != NULL && i < in->n_observed; i++) {
        const struct attempt *a = &in->observed[i];
        if (strcmp(a->container, last->container) == 0 && a->attempt < last->attempt &&
            (prev == NULL || a->attempt > prev->attempt)) {
            prev = a;
        }
    }
    return prev;
}

static bool failed(const struct attempt *a)
{
    return a->exit_code != 0 || a->signal != 0;
}

static bool restarts(const struct pod_spec *spec, const struct attempt *a)
{
    const char *policy = spec->restart_policy != NULL ? spec->restart_policy : "Always";
    return strcmp(policy, "Always") == 0 || (strcmp(policy, "OnFailure") == 0 && failed(a));
}

/* When the next attempt may start. Nothing is remembered: the wait is twice the one before,
 * which is what lies between the last two attempts, and never more than the number of attempts
 * explains (the agent may have been away in between). */
static int64_t restart_due_ms(const struct pod_input *in, const struct attempt *last)
{
    const struct attempt *prev = attempt_before(in, last);
    int64_t wait = BACKOFF_FIRST_MS, most = BACKOFF_FIRST_MS;
    if (last->finished_ms - last->started_ms >= BACKOFF_FORGIVEN_MS ||
        last->finished_ms > in->now_ms + CLOCK_SLACK_MS) { /* the clock was set back */
        return in->now_ms;
    }
    for (int32_t i = 0; i < last->attempt && most < BACKOFF_MAX_MS; i++) {
        most *= 2;
    }
    if (prev != NULL && last->started_ms - prev->finished_ms > BACKOFF_FIRST_MS / 2) {
        wait = 2 * (last->started_ms - prev->finished_ms);
    }
    most = most < BACKOFF_MAX_MS ? most : BACKOFF_MAX_MS;
    wait = wait > BACKOFF_FIRST_MS ? wait : BACKOFF_FIRST_MS;
    return last->finished_ms + (wait < most ? wait : most);
}

static void wake_at(struct pod_output *out, int64_t due_ms)
{
    if (out->wake_ms == 0 || due_ms < out->wake_ms) {
        out->wake_ms = due_ms;
    }
}

/* --- running ---------------------------------------------------------------------------------- */

static void run_container(const struct pod_input *in, const struct container *c,
                          struct arena *arena, struct pod_output *out)
{
    const struct attempt *last = last_attempt(in, c->name);
    int32_t next = last != NULL ? last->attempt + 1 : 0;
    if (last != NULL && last->state == ATTEMPT_RUNNING && BUG(BUG_CONTAINER_TWICE)) {
        action(out, arena,
               (struct pod_action){ .type = ACTION_START, .container = c, .attempt = next });
        return;
    }
    if (last != NULL && (last->state == ATTEMPT_RUNNING || !restarts(&in->desired->spec, last))) {
        return;
    }
    if (last != NULL && restart_due_ms(in, last) > in->now_ms && !BUG(BUG_NO_BACK_OFF)) {
        wake_at(out, restart_due_ms(in, last));
        return;
    }
    action(out, arena,
           (struct pod_action){ .type = ACTION_START, .container = c, .attempt = next });
}

static void remove_old(const struct pod_input *in, struct arena *arena, struct pod_output *out)
{
    for (size_t i = 0; i < in->n_observed; i++) {
        const struct attempt *a = &in->observed[i];
        const struct attempt *last = last_attempt(in, a->container);
        if (a->state == ATTEMPT_EXITED && a->attempt + KEEP_ATTEMPTS <= last->attempt) {
            action(out, arena, (struct pod_action){ .type = ACTION_REMOVE, .id = a->id });
        }
    }
}

/* --- stopping --------------------------------------------------------------------------------- */

static int64_t grace_ms(const struct pod_input *in)
{
    int64_t s = in->n_observed > 0 ? in->observed[0].grace_s : 0;
    if (in->desired != NULL) {
        s = in->desired->spec.has_termination_grace_period_seconds
                ? in->desired->spec.termination_grace_period_seconds : GRACE_DEFAULT_S;
    }
    return s < 0 ? 0 : 1000 * (s < GRACE_MAX_S ? s : GRACE_MAX_S);
}

static void stop(const struct pod_input *in, struct arena *arena, struct pod_output *out)
{
    bool first = in->stop_since_ms == 0;
    int64_t since = first ? in->now_ms : in->stop_since_ms;
    int64_t kill_at = since + grace_ms(in);
    size_t running = 0;
    out->stopping = true;
    for (size_t i = 0; i < in->n_observed; i++) {
        const struct attempt *a = &in->observed[i];
        if (a->state != ATTEMPT_RUNNING) {
            continue;
        }
        running++;
        if (in->now_ms >= kill_at || BUG(BUG_NO_GRACE)) {
            out->kill_sent = true;
            if (!in->killed) {
                action(out, arena,
                       (struct pod_action){ .type = ACTION_SIGNAL, .id = a->id,
                                            .signal = SIGKILL });
            }
        } else if (first) {
            action(out, arena,
                   (struct pod_action){ .type = ACTION_SIGNAL, .id = a->id, .signal = SIGTERM });
        }
    }
    if (running > 0) {
        wake_at(out, in->now_ms >= kill_at ? in->now_ms + 1000 : kill_at);
        return;
    }
    out->stopped = true;
    if (in->desired == NULL) {
        for (size_t i = 0; i < in->n_observed; i++) {
            action(out, arena,
                   (struct pod_action){ .type = ACTION_REMOVE, .id = in->observed[i].id });
        }
        out->gone = true;
    }
}

/* --- status ----------------------------------------------------------------------------------- */

static char *time_text(int64_t ms)
{
    char text[32];
    clock_format(ms, text, sizeof text);
    return mem_strdup(text);
}

static void terminated(const struct attempt *a, struct container_state *s)
{
    s->terminated.set = true;
    s->terminated.exit_code = a->signal != 0 ? 128 + a->signal : a->exit_code;
    s->terminated.signal = a->signal;
    s->terminated.reason =
        mem_strdup(a->reason != NULL ? a->reason : failed(a) ? "Error" : "Completed");
    s->terminated.message = a->message != NULL ? mem_strdup(a->message) : NULL;
    s->terminated.started_at = time_text(a->started_ms);
    s->terminated.finished_at = time_text(a->finished_ms);
}

static void container_status(const struct pod_input *in, const struct container *c,
                             struct container_status *s)
{
    const struct attempt *last = last_attempt(in, c->name);
    const struct attempt *prev = attempt_before(in, last);
    s->name = mem_strdup(c->name);
    s->image = c->image != NULL ? mem_strdup(c->image) : NULL;
    if (last == NULL) {
        s->state.waiting.set = true;
        s->state.waiting.reason = mem_strdup("ContainerCreating");
        return;
    }
    s->container_id = mem_printf("process://%s", last->id);
    s->restart_count = last->attempt;
    if (last->state == ATTEMPT_RUNNING) {
        s->state.running.set = true;
        s->state.running.started_at = time_text(last->started_ms);
        s->ready = s->started = true;
    } else if (!in->desired->stop && restarts(&in->desired->spec, last)) {
        s->state.waiting.set = true;
        s->state.waiting.reason = mem_strdup("CrashLoopBackOff");
        s->state.waiting.message =
            last->message != NULL ? mem_strdup(last->message)
                                  : mem_printf("ended with %d; starts again", last->exit_code);
        terminated(last, &s->last_state);
        return;
    } else {
        terminated(last, &s->state);
    }
    if (prev != NULL) {
        terminated(prev, &s->last_state);
    }
}

struct tally {
    size_t running, waiting, ended, ended_badly;
    int64_t first_start_ms, last_change_ms;
};

static struct tally count(const struct pod_input *in, const struct pod_status *status)
{
    struct tally t = { 0 };
    for (size_t i = 0; i < status->n_container_statuses; i++) {
        const struct container_status *s = &status->container_statuses[i];
        const struct attempt *last = last_attempt(in, s->name);
        t.running += s->state.running.set;
        t.waiting += s->state.waiting.set;
        t.ended += s->state.terminated.set;
        t.ended_badly += s->state.terminated.set && s->state.terminated.exit_code != 0;
        if (last != NULL) {
            int64_t change = last->state == ATTEMPT_RUNNING ? last->started_ms : last->finished_ms;
            t.last_change_ms = change > t.last_change_ms ? change : t.last_change_ms;
        }
    }
    for (size_t i = 0; i < in->n_observed; i++) {
        int64_t at = in->observed[i].started_ms;
        t.first_start_ms = t.first_start_ms == 0 || at < t.first_start_ms ? at : t.first_start_ms;
    }
    return t;
}

static void pod_status(const struct pod_input *in, struct pod_status *status)
{
    const struct pod_spec *spec = &in->desired->spec;
    status->n_container_statuses = spec->n_containers;
    status->container_statuses =
        mem_zalloc((spec->n_containers + 1) * sizeof *status->container_statuses);
    for (size_t i = 0; i < spec->n_containers; i++) {
        container_status(in, &spec->containers[i], &status->container_statuses[i]);
    }
    struct tally t = count(in, status);
    const char *phase = "Running";
    if (in->n_observed == 0) {
        phase = "Pending";
    } else if (t.running == 0 && t.waiting == 0) {
        phase = t.ended_badly > 0 ? "Failed" : "Succeeded";
    }
    status->phase = mem_strdup(phase);
    status->host_ip = in->host_ip != NULL ? mem_strdup(in->host_ip) : NULL;
    status->pod_ip = in->host_ip != NULL ? mem_strdup(in->host_ip) : NULL;
    status->start_time = t.first_start_ms != 0 ? time_text(t.first_start_ms) : NULL;
    bool ready = t.running == spec->n_containers && !in->desired->stop;
    /* Times come from what was observed, so that the same observation gives the same status. */
    autofree char *at = time_text(t.last_change_ms != 0 ? t.last_change_ms : in->now_ms);
    if (in->n_observed > 0) {
        condition_set(&status->conditions, "Initialized", "True", NULL, NULL, at);
        condition_set(&status->conditions, "ContainersReady", ready ? "True" : "False",
                      ready ? NULL : "ContainersNotReady", NULL, at);
        condition_set(&status->conditions, "Ready", ready ? "True" : "False",
                      ready ? NULL : "ContainersNotReady", NULL, at);
    }
}

void pod_actions(const struct pod_input *in, struct arena *arena, struct pod_output *ret_output)
{
    struct pod_output *out = ret_output;
    *out = (struct pod_output){ 0 };
    size_t containers = in->desired != NULL ? in->desired->spec.n_containers : 0;
    size_t most = 2 * in->n_observed + containers + 1;
    out->actions = arena_alloc(arena, most * sizeof *out->actions);
    if (in->desired == NULL && BUG(BUG_ORPHAN_LEFT)) {
        out->gone = true;
    } else if (in->desired == NULL || in->desired->stop) {
        stop(in, arena, out);
    } else {
        for (size_t i = 0; i < containers; i++) {
            run_container(in, &in->desired->spec.containers[i], arena, out);
        }
        remove_old(in, arena, out);
    }
    if (in->desired != NULL) {
        pod_status(in, &out->status);
    }
}
