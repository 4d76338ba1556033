/* Hashing and checking passwords, off the loop: each takes tens of milliseconds on purpose.
 *
 *   password_ask -> waiting -> (one at a time, on a thread of its own) -> done
 *
 * One thread, made when it is first needed: a flood of log-ins makes log-ins wait, and nothing
 * else. What waits is bounded; a call that has ended meanwhile is not hashed for. The password's
 * bytes are wiped as soon as they have been used. */
#include "server/passwords.h"

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/base/rng.h"
#include "lib/codec/secret.h"
#include "server/internal.h"

static void ask_free(struct password_ask *a)
{
    if (a->password.len > 0) {
        explicit_bzero((void *)(uintptr_t)a->password.data, a->password.len);
    }
    mem_free((void *)(uintptr_t)a->password.data);
    buf_fini(&a->hashed);
    mem_free(a);
}

/* The worker's part. */
static void ask_run(struct job *job)
{
    struct password_ask *a = CONTAINER_OF(job, struct password_ask, job);
    a->status = a->check ? secret_check(a->password, buf_slice(&a->hashed))
                         : secret_hash(a->password, a->salt, a->cost, &a->hashed);
}

static void ask_next(struct server *s);

static void ask_done(struct job *job)
{
    struct password_ask *a = CONTAINER_OF(job, struct password_ask, job);
    struct server *s = a->server;
    s->password_running = NULL;
    s->passwords_n--;
    if (rpc_call_closed(a->call)) {
        rpc_fail_err(a->call, E_CANCELED);
    } else if (a->status != 0) {
        rpc_fail_err(a->call, a->status);
    } else {
        a->done(a);
    }
    ask_free(a);
    ask_next(s);
}

static void ask_next(struct server *s)
{
    struct list *l;
    while (s->password_running == NULL && (l = list_pop_front(&s->passwords)) != NULL) {
        struct password_ask *a = LIST_ENTRY(l, struct password_ask, link);
        if (rpc_call_closed(a->call)) {
            s->passwords_n--;
            rpc_fail_err(a->call, E_CANCELED);
            ask_free(a);
            continue;
        }
        if (s->password_worker == NULL) {
            s->password_worker = worker_new(s->loop, "passwords");
        }
        s->password_running = a;
        worker_submit(s->password_worker, &a->job);
    }
}

void password_ask(struct server *s, struct rpc_call *call, struct slice password,
                  struct slice hashed, void *data, void (*done)(struct password_ask *a))
{
    if (s->passwords_n >= LIMIT_AUTH_WAITING) {
        rpc_fail_err(call, E_TOO_MANY_REQUESTS);
        return;
    }
    if (s->closing) {
        rpc_fail_err(call, E_STOPPED);
        return;
    }
    struct password_ask *a = mem_zalloc(sizeof *a);
    a->job = (struct job){ .run = ask_run, .done = ask_done };
    a->server = s;
    a->call = call;
    a->password = slice_make(mem_dup(password.data, password.len), password.len);
    a->check = hashed.len > 0;
    a->cost = s->options.bcrypt_cost;
    buf_append_slice(&a->hashed, hashed);
    for (size_t i = 0; i < sizeof a->salt; i += sizeof(uint64_t)) {
        uint64_t random = rng_os_seed();
        memcpy(a->salt + i, &random, sizeof random);
    }
    a->data = data;
    a->done = done;
    list_push_back(&s->passwords, &a->link);
    s->passwords_n++;
    ask_next(s);
}

void server_passwords_stop(struct server *s)
{
    struct password_ask *running = TAKE(s->password_running);
    struct list *l;
    if (running != NULL) {
        rpc_fail_err(running->call, E_STOPPED);
    }
    while ((l = list_pop_front(&s->passwords)) != NULL) {
        struct password_ask *a = LIST_ENTRY(l, struct password_ask, link);
        rpc_fail_err(a->call, E_STOPPED);
        ask_free(a);
    }
    worker_free(TAKE(s->password_worker)); /* waits for the one that runs */
    if (running != NULL) {
        ask_free(running);
    }
    s->passwords_n = 0;
}
