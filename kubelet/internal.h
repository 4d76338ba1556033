/* What the files of the agent share. */
#ifndef BARQUE_KUBELET_INTERNAL_H
#define BARQUE_KUBELET_INTERNAL_H

#include "client/informer.h"
#include "client/objects.h"
#include "kubelet/kubelet.h"
#include "kubelet/pod_actions.h"
#include "lib/base/map.h"
#include "lib/base/rng.h"
#include "lib/io/file.h"
#include "lib/io/timer.h"
#include "lib/rpc/server.h"

/* What the agent remembers of a pod between passes; all else is observed anew. */
struct pod_worker {
    char *uid;
    int64_t stop_since_ms;
    bool killed;
    struct client_call *write; /* status write in flight, or NULL */
    struct kubelet *kubelet;
};

enum registration_state {
    REGISTRATION_WAITING,  /* for the first full view */
    REGISTRATION_WRITING,  /* the "node" item is on its way */
    REGISTRATION_WRITTEN,
};

struct kubelet {
    struct client *client;
    struct loop *loop;
    struct driver *driver;
    char *node, *root, *host_ip;
    struct string_map labels, capacity;
    int64_t lease_ttl_s, epoch;
    struct rng rng;
    struct file *lock;
    /* view */
    struct informer *informer;
    struct map workers;        /* pod uid -> struct pod_worker */
    struct ready sync;
    struct timer relist;
    bool leftovers;            /* something runs that is not in our view */
    /* registration and sign of life */
    enum registration_state registration;
    struct client_call *registering;
    struct client_lease *lease;
    struct client_call *alive_put;
    bool lease_held, alive_written;
    int64_t lease_id;
    struct timer lease_retry;
    struct client_call *present; /* asks for the store's revision, once a lease */
    int64_t view_needed;         /* the view must show this revision before we say we are alive */
    uint64_t view_again_ms;      /* when to list again if it still does not */
    /* logs */
    struct rpc_server *rpc;
    struct list log_streams;
};

/* --- kubelet.c -------------------------------------------------------------------------------- */
void kubelet_wake(struct kubelet *k);
/* --- registration.c --------------------------------------------------------------------------- */
void registration_init(struct kubelet *k); /* first of all: close may follow any failure */
int registration_open(struct kubelet *k, const struct kubelet_options *options, struct err *err);
/* Called at the end of every pass: takes the next step that is possible now. */
void registration_step(struct kubelet *k);
void registration_close(struct kubelet *k);
/* --- status_writer.c -------------------------------------------------------------------------- */
/* Writes the status item of `item`'s pod when it differs from what the store has. Takes the
 * status. */
void status_write(struct kubelet *k, struct pod_worker *w, const struct node_item *item,
                  struct pod_status *taken, bool stopped);
/* --- log_service.c ---------------------------------------------------------------------------- */
int log_service_open(struct kubelet *k, const char *listen, struct err *err);
const char *log_service_address(const struct kubelet *k);
void log_service_close(struct kubelet *k);

#endif
