/* The executor: a plan's writes in order, up to EXECUTOR_IN_FLIGHT at once.
 *
 *     create create create | update-status
 *     \____ together ____/   \_ when all before it are done
 *
 * What the cache did not know yet (a create of what exists, an update of what is gone) is a
 * conflict: the key is looked at again. A delete of what is gone has succeeded. Events are
 * recorded at the end, those planned before the first failure. */
#include "client/executor.h"

#include "client/objects.h"
#include "lib/base/alloc.h"
#include "lib/base/list.h"

enum { EXECUTOR_IN_FLIGHT = 16, EXECUTOR_KINDS_MAX = 8 };

struct run;

struct step {
    struct run *run;
    const struct plan_op *op;
    struct client_call *call; /* in flight */
};

struct run {
    struct executor *executor;
    struct list link;
    struct plan plan;
    struct step *steps; /* one an op */
    size_t next;        /* the first op not yet begun */
    size_t in_flight;
    size_t failed_at;   /* index of the first op that failed, or plan.n */
    int status;
    struct err err;
    size_t written;
    struct executor_wrote wrote[EXECUTOR_KINDS_MAX];
    size_t n_wrote;
    struct ready begin; /* also ends an empty plan */
    executor_done done;
    void *arg;
};

struct executor {
    struct client *client;
    struct recorder *recorder;
    struct buf fence_key;        /* empty = no fence */
    struct client_guard fence;
    struct list runs;
    size_t n_runs;
};

static void run_advance(struct run *run);

struct executor *executor_new(struct client *c, struct recorder *recorder)
{
    struct executor *x = mem_zalloc(sizeof *x);

    x->client = c;
    x->recorder = recorder;
    list_init(&x->runs);
    return x;
}

static void run_free(struct run *run)
{
    list_remove(&run->link);
    run->executor->n_runs--;
    ready_cancel(&run->begin);
    plan_fini(&run->plan);
    mem_free(run->steps);
    mem_free(run);
}

struct executor *executor_free(struct executor *x)
{
    if (x == NULL) {
        return NULL;
    }
    LIST_FOREACH_SAFE(it, &x->runs) {
        struct run *run = LIST_ENTRY(it, struct run, link);

        for (size_t i = 0; i < run->next; i++) {
            client_call_cancel(run->steps[i].call);
        }
        run_free(run);
    }
    buf_fini(&x->fence_key);
    mem_free(x);
    return NULL;
}

void executor_set_fence(struct executor *x, const struct client_guard *fence)
{
    buf_reset(&x->fence_key);
    if (fence != NULL) {
        buf_append_slice(&x->fence_key, fence->key);
        x->fence = (struct client_guard){ buf_slice(&x->fence_key), fence->mod_revision };
    }
}

size_t executor_running(const struct executor *x)
{
    return x->n_runs;
}

/* --- outcome ---------------------------------------------------------------------------------- */

static void note_write(struct run *run, const struct kind *kind, int64_t revision)
{
    run->written++;
    for (size_t i = 0; i < run->n_wrote; i++) {
        if (run->wrote[i].kind == kind) {
            if (revision > run->wrote[i].revision) {
                run->wrote[i].revision = revision;
            }
            return;
        }
    }
    PRE(run->n_wrote < EXECUTOR_KINDS_MAX);
    run->wrote[run->n_wrote++] = (struct executor_wrote){ kind, revision };
}

static void record_events(struct run *run)
{
    for (size_t i = 0; i < run->failed_at; i++) {
        const struct plan_op *op = &run->plan.ops[i];
        struct event_about about = { op->kind, op->namespace_, op->name, op->uid };

        if (op->action == PLAN_EVENT && run->executor->recorder != NULL) {
            recorder_event(run->executor->recorder, &about, op->type, op->reason, op->message);
        }
    }
}

static void run_end(struct run *run)
{
    struct executor_outcome outcome = {
        .status = run->status,
        .err = run->status != 0 ? &run->err : NULL,
        .written = run->written,
        .wrote = run->wrote,
        .n_wrote = run->n_wrote,
        .requeue_after_ms = run->plan.requeue_after_ms,
    };

    record_events(run);
    /* Out of the list first: done may free the executor. */
    list_remove(&run->link);
    run->executor->n_runs--;
    run->done(run->arg, &outcome);
    plan_fini(&run->plan);
    mem_free(run->steps);
    mem_free(run);
}

/* --- steps ------------------------------------------------------------------------------------ */

/* The cache did not know: not a failure, a reason to look again. */
static int as_conflict(enum plan_action action, int status)
{
    if (action == PLAN_CREATE && status == E_EXIST) {
        return E_CONFLICT;
    }
    if (action != PLAN_CREATE && status == E_NOTFOUND) {
        return action == PLAN_DELETE ? 0 : E_CONFLICT;
    }
    return status;
}

static void on_step(void *arg, struct objects_result *result)
{
    struct step *step = arg;
    struct run *run = step->run;
    size_t index = (size_t)(step - run->steps);
    int status = as_conflict(step->op->action, result->status);

    step->call = NULL;
    run->in_flight--;
    if (result->status == 0) {
        note_write(run, step->op->kind, result->revision);
    }
    if (status != 0) {
        if (index < run->failed_at) {
            run->failed_at = index;
        }
        /* A conflict beside a real failure: the failure is told. */
        if (run->status == 0 || run->status == E_CONFLICT) {
            run->status = status;
            run->err = *result->err;
        }
    }
    run_advance(run);
}

static void step_begin(struct run *run, struct step *step)
{
    struct executor *x = run->executor;
    struct client *c = x->client;
    const struct plan_op *op = step->op;
    const struct client_guard *fence = x->fence_key.len != 0 ? &x->fence : NULL;

    switch (op->action) {
    case PLAN_CREATE:
        step->call = objects_create_fenced(c, op->object, fence, on_step, step);
        break;
    case PLAN_UPDATE:
    case PLAN_UPDATE_STATUS:
        step->call = objects_update_fenced(c, op->object, fence, on_step, step);
        break;
    case PLAN_DELETE:
        step->call = objects_delete_fenced(c, op->kind, op->namespace_, op->name,
                                           op->resource_version, fence, on_step, step);
        break;
    case PLAN_EVENT:
        return; /* at the end */
    }
    run->in_flight++;
}

static void run_advance(struct run *run)
{
    while (run->status == 0 && run->next < run->plan.n && run->in_flight < EXECUTOR_IN_FLIGHT) {
        struct step *step = &run->steps[run->next];

        if (step->op->action == PLAN_UPDATE_STATUS && run->in_flight != 0) {
            return;
        }
        run->next++;
        step_begin(run, step);
    }
    if (run->in_flight == 0) {
        run_end(run);
    }
}

static void on_begin(struct ready *r)
{
    run_advance(CONTAINER_OF(r, struct run, begin));
}

void executor_run(struct executor *x, struct plan *p, executor_done done, void *arg)
{
    struct run *run = mem_zalloc(sizeof *run);

    run->executor = x;
    run->plan = *p;
    *p = (struct plan){ .requeue_after_ms = UINT64_MAX };
    arena_init(&p->arena);
    run->steps = mem_zalloc((run->plan.n + 1) * sizeof *run->steps);
    run->failed_at = run->plan.n;
    for (size_t i = 0; i < run->plan.n; i++) {
        run->steps[i].run = run;
        run->steps[i].op = &run->plan.ops[i];
    }
    run->done = done;
    run->arg = arg;
    ready_init(&run->begin, on_begin);
    list_push_back(&x->runs, &run->link);
    x->n_runs++;
    loop_ready(client_loop(x->client), &run->begin);
}
