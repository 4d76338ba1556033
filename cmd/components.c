/* Wires controllers and scheduler to their elections; see components.h. */
#include "cmd/components.h"

#include <inttypes.h>

#include "client/elector.h"
#include "controllers/controllers.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/log.h"
#include "scheduler/scheduler.h"

/* One of them: what to tell when leadership comes or goes. */
struct component {
    const char *name;
    struct components *all;
    struct elector *elector;
    /* fence: the guard of its writes while leading. */
    void (*lead)(struct components *c, bool leading, const struct client_guard *fence);
};

struct components {
    struct informers *informers;
    struct recorder *recorder;
    struct scheduler *scheduler;
    struct controller_group *controllers;
    struct component list[2];
};

/* Who is deposed keeps the old fence: what it still has under way must fail. */
static void lead_controllers(struct components *c, bool leading, const struct client_guard *fence)
{
    if (leading) {
        controller_group_fence(c->controllers, fence);
    }
    controller_group_lead(c->controllers, leading);
}

static void lead_scheduler(struct components *c, bool leading, const struct client_guard *fence)
{
    if (leading) {
        scheduler_fence(c->scheduler, fence);
    }
    scheduler_lead(c->scheduler, leading);
}

static void on_leading(void *arg, bool leading, int64_t fence)
{
    struct component *c = arg;
    log_info(c->name, leading ? "leading" : "standing by", "fence=%" PRId64, fence);
    struct client_guard guard = { 0 };
    if (leading) {
        guard = elector_guard(c->elector);
    }
    c->lead(c->all, leading, &guard);
}

struct components *components_new(struct client *client, const char *identity, uint64_t seed)
{
    struct components *all = mem_zalloc(sizeof *all);
    all->informers = informers_new(client, seed);
    controllers_indexes(all->informers);
    all->recorder = recorder_new(client, "scheduler", identity, seed);
    struct scheduler_options s = { all->informers, all->recorder, seed };
    all->scheduler = scheduler_new(&s);
    struct controller_group_options g = {
        .informers = all->informers, .table = controllers, .n = controllers_n,
        .component = "controllers", .host = identity, .seed = seed,
    };
    all->controllers = controller_group_new(&g);
    all->list[0] = (struct component){ "controllers", all, NULL, lead_controllers };
    all->list[1] = (struct component){ "scheduler", all, NULL, lead_scheduler };
    for (size_t i = 0; i < ARRAY_LEN(all->list); i++) {
        struct component *c = &all->list[i];
        autofree char *election = mem_printf("/barque/leaders/%s", c->name);
        struct elector_options e = { .client = client, .election = election,
                                     .identity = identity, .seed = seed + i,
                                     .on_leading = on_leading, .arg = c };
        c->elector = elector_new(&e);
    }
    return all;
}

struct components *components_free(struct components *c)
{
    if (c == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(c->list); i++) {
        elector_free(c->list[i].elector);
    }
    scheduler_free(c->scheduler);
    controller_group_free(c->controllers);
    recorder_free(c->recorder);
    informers_free(c->informers);
    mem_free(c);
    return NULL;
}
