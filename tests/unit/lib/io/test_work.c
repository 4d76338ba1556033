/* Workers: order, threads, and what worker_free drops. */
#include "fixture.h"

#include <pthread.h>
#include <unistd.h>

#include "lib/io/work.h"

enum { JOBS = 200 };

struct task {
    struct job job;
    struct tasks *all;
    int number;
    bool on_loop_thread; /* where run() was */
};

struct tasks {
    struct loop *loop;
    struct worker *worker;
    pthread_t loop_thread;
    int ran; /* written by run() only, read after the join or done() */
    int done;
    int gate[2];    /* a pipe that blocks run() until the test writes */
    int entered[2]; /* a pipe on which run() says that it has begun */
    struct task tasks[JOBS];
};

static void run(struct job *job)
{
    struct task *t = CONTAINER_OF(job, struct task, job);

    t->on_loop_thread = pthread_equal(pthread_self(), t->all->loop_thread) != 0;
    t->number = t->all->ran++;
}

static void done(struct job *job)
{
    struct task *t = CONTAINER_OF(job, struct task, job);
    struct tasks *all = t->all;

    assert_true(pthread_equal(pthread_self(), all->loop_thread));
    assert_ptr_equal(t, &all->tasks[all->done]);
    assert_int_equal(t->number, all->done);
    all->done++;
    assert_int_equal(worker_pending(all->worker), JOBS - all->done);
}

static int setup(void **state)
{
    struct tasks *all = mem_zalloc(sizeof *all);

    all->loop = loop_new();
    all->worker = worker_new(all->loop, "test-worker-long-name");
    all->loop_thread = pthread_self();
    assert_int_equal(pipe(all->gate), 0);
    assert_int_equal(pipe(all->entered), 0);
    for (size_t i = 0; i < JOBS; i++) {
        all->tasks[i] = (struct task){ .job = { .run = run, .done = done }, .all = all };
    }
    *state = all;
    return 0;
}

static int teardown(void **state)
{
    struct tasks *all = *state;

    worker_free(all->worker);
    loop_free(all->loop);
    close(all->gate[0]);
    close(all->gate[1]);
    close(all->entered[0]);
    close(all->entered[1]);
    mem_free(all);
    return 0;
}

static void jobs_run_in_order_off_the_loop_and_end_on_it(void **state)
{
    struct tasks *all = *state;

    for (size_t i = 0; i < JOBS; i++) {
        worker_submit(all->worker, &all->tasks[i].job);
    }
    assert_int_equal(worker_pending(all->worker), JOBS);
    assert_int_equal(all->done, 0);
    loop_run(all->loop); /* pending jobs keep it running, then it ends */
    assert_int_equal(all->done, JOBS);
    for (size_t i = 0; i < JOBS; i++) {
        assert_false(all->tasks[i].on_loop_thread);
    }
}

static void chain_done(struct job *job)
{
    struct task *t = CONTAINER_OF(job, struct task, job);

    if (++t->all->done < JOBS) {
        worker_submit(job->worker, job); /* the memory is the caller's again */
    }
}

static void a_job_may_be_submitted_again_from_done(void **state)
{
    struct tasks *all = *state;

    all->tasks[0].job.done = chain_done;
    worker_submit(all->worker, &all->tasks[0].job);
    loop_run(all->loop);
    assert_int_equal(all->done, JOBS);
    assert_int_equal(all->ran, JOBS);
    assert_int_equal(worker_pending(all->worker), 0);
}

/* Tells that it runs, then waits until the gate is opened. */
static void wait_at_gate(struct job *job)
{
    struct task *t = CONTAINER_OF(job, struct task, job);
    char byte = 'r';
    bool ok = write(t->all->entered[1], &byte, 1) == 1 && read(t->all->gate[0], &byte, 1) == 1;

    t->all->ran += ok;
}

static void not_done(struct job *job)
{
    (void)job;
    fail();
}

static void *open_gate(void *arg)
{
    struct tasks *all = arg;

    return write(all->gate[1], "x", 1) == 1 ? all : NULL;
}

static void free_waits_for_the_running_job_and_calls_no_done(void **state)
{
    struct tasks *all = *state;
    pthread_t opener;
    char byte;

    all->tasks[0].job.run = wait_at_gate;
    for (size_t i = 0; i < 3; i++) {
        all->tasks[i].job.done = not_done;
        worker_submit(all->worker, &all->tasks[i].job);
    }
    assert_int_equal(read(all->entered[0], &byte, 1), 1);
    assert_int_equal(pthread_create(&opener, NULL, open_gate, all), 0);
    worker_free(all->worker);
    pthread_join(opener, NULL);
    assert_in_range(all->ran, 1, 3);
    all->worker = NULL;
    loop_run(all->loop);
}

static void free_worker(struct job *job)
{
    struct task *t = CONTAINER_OF(job, struct task, job);

    t->all->done++;
    worker_free(t->all->worker);
    t->all->worker = NULL;
}

static void free_from_done_lets_no_further_done_come(void **state)
{
    struct tasks *all = *state;

    for (size_t i = 0; i < JOBS; i++) {
        all->tasks[i].job.done = i == 0 ? free_worker : not_done;
        worker_submit(all->worker, &all->tasks[i].job);
    }
    loop_run(all->loop);
    assert_int_equal(all->done, 1);
}

#define work_case(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int test_work_run(void)
{
    const struct CMUnitTest tests[] = {
        work_case(jobs_run_in_order_off_the_loop_and_end_on_it),
        work_case(a_job_may_be_submitted_again_from_done),
        work_case(free_waits_for_the_running_job_and_calls_no_done),
        work_case(free_from_done_lets_no_further_done_come),
    };
    return cmocka_run_group_tests_name("io/work", tests, NULL, NULL);
}
