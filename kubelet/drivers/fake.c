/* The fake driver: containers that are only remembered. Deterministic; for tests and hollow nodes.
 *
 * A container runs until it is signalled. Its command may say otherwise: {"exit", "N"} ends with
 * code N at once, {"ignore-term"} dies of SIGKILL only. Time comes from the loop. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "kubelet/runtime.h"
#include "lib/base/alloc.h"
#include "lib/base/list.h"
#include "lib/io/loop.h"

struct fake_attempt {
    struct list link;
    char *id, *pod_uid, *pod_namespace, *pod_name, *container;
    struct attempt view; /* numbers only; strings are above */
    bool ignores_term;
};

struct fake_driver {
    struct driver driver;
    struct loop *loop;
    struct list attempts; /* in order of start */
};

static struct fake_attempt *find(struct fake_driver *d, const char *id)
{
    LIST_FOREACH(it, &d->attempts)
    {
        struct fake_attempt *a = LIST_ENTRY(it, struct fake_attempt, link);
        if (strcmp(a->id, id) == 0) {
            return a;
        }
    }
    return NULL;
}

static void end(struct fake_driver *d, struct fake_attempt *a, int code, int signal)
{
    a->view.state = ATTEMPT_EXITED;
    a->view.exit_code = code;
    a->view.signal = signal;
    a->view.finished_ms = loop_wall_ms(d->loop);
    a->view.reason = code == 0 && signal == 0 ? "Completed" : "Error";
    if (d->driver.changed != NULL) {
        d->driver.changed(d->driver.arg);
    }
}

static int fake_start(struct driver *driver, const struct start_request *r, struct err *err)
{
    struct fake_driver *d = (struct fake_driver *)(void *)driver;
    const struct container *c = r->container;
    autofree char *id = mem_printf("%s/%s/%d", r->pod_uid, c->name, (int)r->attempt);
    if (find(d, id) != NULL) {
        return err_set(err, E_EXIST, "%s was started before", id);
    }
    struct fake_attempt *a = mem_zalloc(sizeof *a);
    a->id = mem_strdup(id);
    a->pod_uid = mem_strdup(r->pod_uid);
    a->pod_namespace = mem_strdup(r->pod_namespace);
    a->pod_name = mem_strdup(r->pod_name);
    a->container = mem_strdup(c->name);
    a->view.attempt = r->attempt;
    a->view.grace_s = r->spec->has_termination_grace_period_seconds
                          ? r->spec->termination_grace_period_seconds : 30;
    a->view.started_ms = loop_wall_ms(d->loop);
    a->ignores_term = c->n_command > 0 && strcmp(c->command[0], "ignore-term") == 0;
    list_push_back(&d->attempts, &a->link);
    if (c->n_command == 2 && strcmp(c->command[0], "exit") == 0) {
        end(d, a, (int)strtol(c->command[1], NULL, 10), 0);
    }
    return 0;
}

static int fake_signal(struct driver *driver, const char *id, int signal)
{
    struct fake_driver *d = (struct fake_driver *)(void *)driver;
    struct fake_attempt *a = find(d, id);
    if (a == NULL || a->view.state != ATTEMPT_RUNNING) {
        return E_NOTFOUND;
    }
    if (signal == SIGKILL || (signal == SIGTERM && !a->ignores_term)) {
        end(d, a, 0, signal);
    }
    return 0;
}

static int fake_list(struct driver *driver, struct arena *arena, struct attempt **ret_attempts,
                     size_t *ret_n, struct err *err)
{
    struct fake_driver *d = (struct fake_driver *)(void *)driver;
    (void)err;
    size_t n = 0, i = 0;
    LIST_FOREACH(it, &d->attempts)
    {
        n++;
    }
    struct attempt *out = arena_zalloc(arena, (n + 1) * sizeof *out);
    LIST_FOREACH(it, &d->attempts)
    {
        const struct fake_attempt *a = LIST_ENTRY(it, struct fake_attempt, link);
        out[i] = a->view;
        out[i].id = arena_strdup(arena, a->id);
        out[i].pod_uid = arena_strdup(arena, a->pod_uid);
        out[i].pod_namespace = arena_strdup(arena, a->pod_namespace);
        out[i].pod_name = arena_strdup(arena, a->pod_name);
        out[i++].container = arena_strdup(arena, a->container);
    }
    *ret_attempts = out;
    *ret_n = n;
    return 0;
}

static void fake_attempt_free(struct fake_attempt *a)
{
    list_remove(&a->link);
    mem_free(a->id);
    mem_free(a->pod_uid);
    mem_free(a->pod_namespace);
    mem_free(a->pod_name);
    mem_free(a->container);
    mem_free(a);
}

static int fake_remove(struct driver *driver, const char *id)
{
    struct fake_driver *d = (struct fake_driver *)(void *)driver;
    struct fake_attempt *a = find(d, id);
    if (a == NULL || a->view.state == ATTEMPT_RUNNING) {
        return E_NOTFOUND;
    }
    fake_attempt_free(a);
    return 0;
}

static void fake_free(struct driver *driver)
{
    struct fake_driver *d = (struct fake_driver *)(void *)driver;
    struct list *it;
    while ((it = list_first(&d->attempts)) != NULL) {
        fake_attempt_free(LIST_ENTRY(it, struct fake_attempt, link));
    }
    mem_free(d);
}

struct driver *driver_fake_new(struct loop *loop)
{
    struct fake_driver *d = mem_zalloc(sizeof *d);
    d->driver = (struct driver){ .name = "fake",
                                 .start = fake_start,
                                 .signal = fake_signal,
                                 .list = fake_list,
                                 .remove = fake_remove,
                                 .free = fake_free };
    d->loop = loop;
    list_init(&d->attempts);
    return &d->driver;
}
