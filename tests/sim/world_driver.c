/* The containers of one machine, as a driver of its agent (kubelet/runtime.h).
 *
 * Like kubelet/drivers/fake.c they are only remembered, but they belong to the machine: an agent
 * that dies finds them again by list(). One that is told to end takes its time; what happens
 * between then and its end, happens without the agent. Each life is in the journal (world_orch.c),
 * which no agent writes. */
#include <signal.h>
#include <string.h>

#include "kubelet/runtime.h"
#include "lib/base/alloc.h"
#include "lib/base/list.h"
#include "lib/io/loop.h"
#include "tests/sim/world_orch.h"

enum { END_WITHIN_US = 3000000, NEVER_ENDS_PERCENT = 5, CANNOT_START_PERCENT = 2 };

struct container_life {
    struct list link;
    char *id, *pod_uid, *pod_namespace, *pod_name, *container;
    struct attempt view;  /* numbers only; strings are above */
    size_t process;       /* in the journal */
    bool started;         /* there is a process */
    uint64_t ends_at;     /* virtual time; UINT64_MAX: not yet told to */
    int code, signal;     /* how it will end */
};

struct containers {
    unsigned machine;
    struct loop *loop; /* of the agent's present life */
    struct list lives; /* in order of start */
};

struct world_driver {
    struct driver driver;
    struct containers *containers;
};

struct containers *containers_new(unsigned machine)
{
    struct containers *c = mem_zalloc(sizeof *c);
    c->machine = machine;
    list_init(&c->lives);
    return c;
}

static struct container_life *find(struct containers *c, const char *id)
{
    LIST_FOREACH(it, &c->lives)
    {
        struct container_life *l = LIST_ENTRY(it, struct container_life, link);
        if (strcmp(l->id, id) == 0) {
            return l;
        }
    }
    return NULL;
}

static void life_free(struct container_life *l)
{
    list_remove(&l->link);
    mem_free(l->id);
    mem_free(l->pod_uid);
    mem_free(l->pod_namespace);
    mem_free(l->pod_name);
    mem_free(l->container);
    mem_free(l);
}

void containers_free(struct containers *c)
{
    struct list *it;
    while ((it = list_first(&c->lives)) != NULL) {
        life_free(LIST_ENTRY(it, struct container_life, link));
    }
    mem_free(c);
}

/* It will have ended at `at`, unless it ends sooner. */
static void end_at(struct container_life *l, uint64_t at, int code, int signal)
{
    if (at >= l->ends_at) {
        return;
    }
    l->ends_at = at;
    l->code = code;
    l->signal = signal;
    if (l->started) {
        orch_process_ends(l->process, at);
    }
}

static bool running(const struct container_life *l)
{
    return l->ends_at > world_now();
}

void containers_power_cut(struct containers *c)
{
    LIST_FOREACH(it, &c->lives)
    {
        end_at(LIST_ENTRY(it, struct container_life, link), world_now(), 137, SIGKILL);
    }
}

void containers_end_one(struct containers *c)
{
    struct rng *dice = world_dice();
    unsigned n = 0;
    LIST_FOREACH(it, &c->lives)
    {
        n += running(LIST_ENTRY(it, struct container_life, link));
    }
    uint64_t which = n > 0 ? rng_range(dice, 1, n) : 0;
    LIST_FOREACH(it, &c->lives)
    {
        struct container_life *l = LIST_ENTRY(it, struct container_life, link);
        if (running(l) && --which == 0) {
            end_at(l, world_now(), rng_chance(dice, 0.5), 0);
            return;
        }
    }
}

/* --- the driver ------------------------------------------------------------------------------- */

static struct containers *of(struct driver *d)
{
    return ((struct world_driver *)(void *)d)->containers;
}

static int driver_start(struct driver *d, const struct start_request *r, struct err *err)
{
    struct containers *c = of(d);
    autofree char *id = mem_printf("%s/%s/%d", r->pod_uid, r->container->name, (int)r->attempt);
    if (find(c, id) != NULL) {
        return err_set(err, E_EXIST, "%s was started before", id);
    }
    struct container_life *l = mem_zalloc(sizeof *l);
    l->id = mem_strdup(id);
    l->pod_uid = mem_strdup(r->pod_uid);
    l->pod_namespace = mem_strdup(r->pod_namespace);
    l->pod_name = mem_strdup(r->pod_name);
    l->container = mem_strdup(r->container->name);
    l->ends_at = UINT64_MAX;
    l->view.attempt = r->attempt;
    l->view.grace_s = r->spec->has_termination_grace_period_seconds
                          ? r->spec->termination_grace_period_seconds
                          : 30;
    l->view.started_ms = loop_wall_ms(c->loop);
    l->started = rng_range(world_rng(), 0, 99) >= CANNOT_START_PERCENT;
    list_push_back(&c->lives, &l->link);
    if (l->started) {
        l->process = orch_process(c->machine, r->pod_uid, r->pod_namespace, r->pod_name);
        return 0;
    }
    end_at(l, world_now(), 128, 0);
    return err_set(err, E_NOTFOUND, "no such program");
}

static int driver_signal(struct driver *d, const char *id, int signal)
{
    struct container_life *l = find(of(d), id);
    if (l == NULL || !running(l)) {
        return E_NOTFOUND;
    }
    if (signal == SIGKILL) {
        end_at(l, world_now(), 0, SIGKILL);
    } else if (rng_range(world_rng(), 0, 99) >= NEVER_ENDS_PERCENT) {
        end_at(l, world_now() + rng_range(world_rng(), 0, END_WITHIN_US), 0, SIGTERM);
    }
    return 0;
}

static void look(const struct containers *c, struct container_life *l)
{
    if (l->view.state == ATTEMPT_RUNNING && !running(l)) {
        l->view.state = ATTEMPT_EXITED;
        l->view.exit_code = l->code;
        l->view.signal = l->signal;
        l->view.finished_ms = loop_wall_ms(c->loop);
        l->view.reason = !l->started                        ? "StartError"
                         : l->code == 0 && l->signal == 0 ? "Completed"
                                                            : "Error";
    }
}

static int driver_list(struct driver *d, struct arena *arena, struct attempt **ret_attempts,
                       size_t *ret_n, struct err *err)
{
    struct containers *c = of(d);
    size_t n = 0, i = 0;
    (void)err;
    LIST_FOREACH(it, &c->lives)
    {
        n++;
    }
    struct attempt *out = arena_zalloc(arena, (n + 1) * sizeof *out);
    LIST_FOREACH(it, &c->lives)
    {
        struct container_life *l = LIST_ENTRY(it, struct container_life, link);
        look(c, l);
        out[i] = l->view;
        out[i].id = arena_strdup(arena, l->id);
        out[i].pod_uid = arena_strdup(arena, l->pod_uid);
        out[i].pod_namespace = arena_strdup(arena, l->pod_namespace);
        out[i].pod_name = arena_strdup(arena, l->pod_name);
        out[i++].container = arena_strdup(arena, l->container);
    }
    *ret_attempts = out;
    *ret_n = n;
    return 0;
}

static int driver_remove(struct driver *d, const char *id)
{
    struct container_life *l = find(of(d), id);
    if (l == NULL || running(l)) {
        return E_NOTFOUND;
    }
    life_free(l);
    return 0;
}

static void driver_free(struct driver *d)
{
    mem_free(d);
}

struct driver *containers_driver(struct containers *c, struct loop *loop)
{
    struct world_driver *d = mem_zalloc(sizeof *d);
    d->driver = (struct driver){ .name = "world",
                                 .start = driver_start,
                                 .signal = driver_signal,
                                 .list = driver_list,
                                 .remove = driver_remove,
                                 .free = driver_free };
    c->loop = loop;
    d->containers = c;
    return &d->driver;
}
