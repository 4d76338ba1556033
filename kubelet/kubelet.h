/* The node agent: makes one node's view true and writes back what became of it.
 *
 * It watches /barque/nodes/<node>/ and nothing else, runs pods through a driver, writes status
 * items, and keeps the key /barque/alive/<node> alive with a lease. While the masters are away
 * pods keep running. Its own restart harms no pod: attempts are found again by listing. A
 * returning agent stops what is no longer in its view before it says that it is alive. Threads:
 * loop. */
#ifndef BARQUE_KUBELET_KUBELET_H
#define BARQUE_KUBELET_KUBELET_H

#include "api/barque.h"
#include "client/client.h"
#include "kubelet/runtime.h"

struct kubelet;

struct kubelet_options {
    struct client *client;        /* outlives the agent */
    struct driver *driver;        /* taken */
    const char *node;             /* RFC 1123 name */
    const char *root;             /* state directory: epoch, pods */
    const char *host_ip;          /* "127.0.0.1" */
    const char *listen;           /* "127.0.0.1:0": where logs are served */
    const struct string_map *labels;   /* of the Node; may be NULL */
    const struct string_map *capacity; /* "cpu" "memory" "pods"; NULL: this machine's */
    int64_t lease_ttl_s;          /* 0 = 3 */
    uint64_t seed;
};

/* E_INVAL (name), E_IO, E_CONFLICT (another agent uses root), E_ADDRINUSE. */
int kubelet_new(const struct kubelet_options *options, struct kubelet **ret_kubelet,
                struct err *err);
/* Stops looking after pods (they go on running). The sign of life stays until its lease runs
 * out: an agent that is started again within that time was never away. */
struct kubelet *kubelet_free(struct kubelet *k);
/* Entry of the shim subcommand: `barque shim DIR`; see drivers/shim.c. */
int kubelet_shim_main(int argc, char **argv);

#endif
