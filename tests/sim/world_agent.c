/* A node's agent: the product's own, over containers that are only remembered (world_driver.c). */
#include <stdio.h>

#include "kubelet/kubelet.h"
#include "lib/base/alloc.h"
#include "tests/sim/world_orch.h"

struct kubelet *agent_start(struct client *client, struct containers *c, unsigned machine)
{
    struct string_map capacity = { 0 };
    struct err err = ERR_INIT;
    struct kubelet *k;
    char name[16], ip[16], listen[32];
    snprintf(name, sizeof name, "n%u", machine);
    snprintf(ip, sizeof ip, "10.0.0.%u", machine);
    snprintf(listen, sizeof listen, "10.0.0.%u:10250", machine);
    /* Two nodes have room for all that the person can want (world_user.c), one has not. */
    string_map_set(&capacity, "cpu", "3");
    string_map_set(&capacity, "memory", "4Gi");
    string_map_set(&capacity, "pods", "10");
    struct kubelet_options o = {
        .client = client,
        .driver = containers_driver(c, client_loop(client)),
        .node = name,
        .root = "/agent",
        .host_ip = ip,
        .listen = listen,
        .capacity = &capacity,
        .seed = rng_u64(world_rng()),
    };
    if (kubelet_new(&o, &k, &err) != 0) {
        world_violation("CANNOT START: an agent", err.msg);
    }
    while (capacity.n > 0) {
        string_map_remove(&capacity, capacity.items[capacity.n - 1].key);
    }
    mem_free(capacity.items);
    return k;
}

void agent_end(struct kubelet *k)
{
    kubelet_free(k);
}
