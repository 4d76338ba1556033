/* The agent's loop: view and attempts in, actions and statuses out. See kubelet.h.
 *
 * One pass (sync): driver.list -> for each pod of the view, and each that only has attempts:
 * pod_actions -> carry out -> write its status -> registration's next step. A pass runs after
 * every change of the view, every event of the driver, and at least every RELIST_MS. Before the
 * first full view nothing is stopped. */
#include "kubelet/kubelet.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/checks.h"
#include "api/meta.h"
#include "kubelet/internal.h"
#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"

enum { RELIST_MS = 1000, WAKE_MIN_MS = 10, STARTS_PER_PASS = 8 };

void kubelet_wake(struct kubelet *k)
{
    loop_ready(k->loop, &k->sync);
}

/* --- workers ---------------------------------------------------------------------------------- */

static struct pod_worker *worker_get(struct kubelet *k, const char *uid)
{
    struct pod_worker *w = map_get_str(&k->workers, uid);
    if (w == NULL) {
        w = mem_zalloc(sizeof *w);
        w->uid = mem_strdup(uid);
        w->kubelet = k;
        map_put_str(&k->workers, uid, w);
    }
    return w;
}

static void worker_end(struct kubelet *k, struct pod_worker *w)
{
    if (w->write != NULL) {
        client_call_cancel(w->write);
    }
    map_remove(&k->workers, slice_str(w->uid));
    mem_free(w->uid);
    mem_free(w);
}

/* --- one pod ---------------------------------------------------------------------------------- */

struct pass {
    struct kubelet *kubelet;
    struct arena arena;
    struct attempt *attempts;
    size_t n_attempts;
    int64_t now_ms;
    int64_t wake_ms;
    bool acted;
    int starts;
};

static void start(struct pass *p, const struct node_item *item, const struct pod_action *a)
{
    struct kubelet *k = p->kubelet;
    if (p->starts++ == STARTS_PER_PASS) {
        p->acted = true; /* the rest in the next pass: the lease must be kept alive in between */
    }
    if (p->starts > STARTS_PER_PASS) {
        return;
    }
    struct start_request r = { .pod_uid = item->pod_uid,
                               .pod_namespace = item->pod_namespace,
                               .pod_name = item->pod_name,
                               .node_name = k->node,
                               .spec = &item->spec,
                               .container = a->container,
                               .attempt = a->attempt };
    struct err err = ERR_INIT;
    if (k->driver->start(k->driver, &r, &err) != 0) {
        log_warn("kubelet", "container not started", "pod=%s/%s container=%s error=\"%s\"",
                 item->pod_namespace, item->pod_name, a->container->name, err.msg);
        return; /* tried again at the next relist */
    }
    log_info("kubelet", "container started", "pod=%s/%s container=%s attempt=%d",
             item->pod_namespace, item->pod_name, a->container->name, (int)a->attempt);
    p->acted = true;
}

static void carry_out(struct pass *p, const struct node_item *item, const struct pod_output *out)
{
    struct driver *d = p->kubelet->driver;
    for (size_t i = 0; i < out->n_actions; i++) {
        const struct pod_action *a = &out->actions[i];
        switch (a->type) {
        case ACTION_START:
            start(p, item, a);
            break;
        case ACTION_SIGNAL:
            log_info("kubelet", "signalling container", "id=%s signal=%d", a->id, a->signal);
            d->signal(d, a->id, a->signal);
            break;
        case ACTION_REMOVE:
            d->remove(d, a->id);
            break;
        default:
            UNREACHABLE();
        }
    }
}

static int by_pod(const void *a, const void *b)
{
    const struct attempt *x = a, *y = b;
    int d = strcmp(x->pod_uid, y->pod_uid);
    return d != 0 ? d : strcmp(x->id, y->id);
}

/* They are sorted by pod: a slice. */
static const struct attempt *attempts_of(const struct pass *p, const char *uid, size_t *ret_n)
{
    size_t low = 0, high = p->n_attempts;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(p->attempts[middle].pod_uid, uid) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *ret_n = 0;
    while (low + *ret_n < p->n_attempts &&
           strcmp(p->attempts[low + *ret_n].pod_uid, uid) == 0) {
        ++*ret_n;
    }
    return p->attempts + low;
}

/* item NULL: only attempts are left of this pod. */
static void sync_pod(struct pass *p, const char *uid, const struct node_item *item)
{
    struct kubelet *k = p->kubelet;
    struct pod_worker *w = worker_get(k, uid);
    struct pod_input in = { .desired = item, .now_ms = p->now_ms,
                            .stop_since_ms = w->stop_since_ms, .killed = w->killed,
                            .host_ip = k->host_ip };
    in.observed = attempts_of(p, uid, &in.n_observed);
    struct pod_output out;
    pod_actions(&in, &p->arena, &out);
    carry_out(p, item, &out);
    if (out.stopping && w->stop_since_ms == 0) {
        w->stop_since_ms = p->now_ms;
    } else if (!out.stopping) {
        w->stop_since_ms = 0;
    }
    w->killed = out.kill_sent;
    k->leftovers = k->leftovers || (item == NULL && !out.stopped);
    if (out.wake_ms != 0 && (p->wake_ms == 0 || out.wake_ms < p->wake_ms)) {
        p->wake_ms = out.wake_ms;
    }
    if (item != NULL) {
        status_write(k, w, item, &out.status, out.stopped);
    } else if (out.gone) {
        worker_end(k, w);
    }
}

/* --- one pass --------------------------------------------------------------------------------- */

/* What somebody may have put there past every check names no pod: no uid, a name missing or too
 * long for a status item, a container or variable without a name. */
static bool usable(const struct node_item *item)
{
    if (item->pod_uid == NULL || item->pod_namespace == NULL || item->pod_name == NULL ||
        strlen(item->pod_namespace) > LIMIT_NAME_BYTES ||
        strlen(item->pod_name) > LIMIT_NAME_BYTES) {
        return false;
    }
    for (size_t i = 0; i < item->spec.n_containers; i++) {
        const struct container *c = &item->spec.containers[i];
        if (c->name == NULL) {
            return false;
        }
        for (size_t k = 0; k < c->n_env; k++) {
            if (c->env[k].name == NULL) {
                return false;
            }
        }
    }
    return true;
}

static void sync_all(struct pass *p)
{
    struct kubelet *k = p->kubelet;
    struct object_list items = cache_list(informer_cache(k->informer), NULL, &p->arena);
    struct map wanted; /* uid -> its item */
    map_init(&wanted);
    k->leftovers = false;
    qsort(p->attempts, p->n_attempts, sizeof *p->attempts, by_pod);
    for (size_t i = 0; i < items.n; i++) {
        const struct node_item *item = object_node_item(items.items[i]);
        if (node_item_type(items.items[i]) == NODE_ITEM_POD && usable(item)) {
            map_put_str(&wanted, item->pod_uid, (void *)(uintptr_t)item);
            sync_pod(p, item->pod_uid, item);
        }
    }
    for (size_t i = 0; i < p->n_attempts; i++) {
        const char *uid = p->attempts[i].pod_uid;
        bool seen = i > 0 && strcmp(p->attempts[i - 1].pod_uid, uid) == 0;
        if (!seen && map_get_str(&wanted, uid) == NULL) {
            sync_pod(p, uid, NULL);
        }
    }
    /* Pods that left the view before anything ran. */
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&k->workers, &at)) != NULL) {
        struct pod_worker *w = e->value;
        size_t observed;
        attempts_of(p, w->uid, &observed);
        if (observed == 0 && map_get_str(&wanted, w->uid) == NULL) {
            worker_end(k, w);
        }
    }
    map_fini(&wanted);
}

static void sync(struct ready *r)
{
    struct kubelet *k = CONTAINER_OF(r, struct kubelet, sync);
    struct pass p = { .kubelet = k, .now_ms = loop_wall_ms(k->loop) };
    struct err err = ERR_INIT;
    uint64_t again_ms = RELIST_MS;
    arena_init(&p.arena);
    int rv = k->driver->list(k->driver, &p.arena, &p.attempts, &p.n_attempts, &err);
    if (rv != 0) {
        log_error("kubelet", "cannot list containers", "error=\"%s\"", err.msg);
    } else if (informer_synced(k->informer)) {
        sync_all(&p);
        registration_step(k);
    }
    if (p.wake_ms != 0 && p.wake_ms - p.now_ms < RELIST_MS) {
        again_ms = p.wake_ms > p.now_ms + WAKE_MIN_MS ? (uint64_t)(p.wake_ms - p.now_ms)
                                                      : WAKE_MIN_MS;
    }
    arena_fini(&p.arena);
    timer_start(&k->relist, again_ms);
    if (p.acted) {
        kubelet_wake(k); /* what was started is observed at once */
    }
}

static void on_relist(struct timer *t)
{
    kubelet_wake(CONTAINER_OF(t, struct kubelet, relist));
}

static void on_driver(void *arg)
{
    kubelet_wake(arg);
}

/* --- events of the view ----------------------------------------------------------------------- */

static void view_added(void *arg, const struct object *o)
{
    (void)o;
    kubelet_wake(arg);
}

/* Somebody removed our registration (a restored store, `barque delete`): we are still here. */
static void view_deleted(void *arg, const struct object *last)
{
    struct kubelet *k = arg;
    if (node_item_type(last) == NODE_ITEM_NODE && k->registration == REGISTRATION_WRITTEN) {
        k->registration = REGISTRATION_WAITING;
    }
    kubelet_wake(k);
}

static void view_updated(void *arg, const struct object *old, const struct object *o)
{
    (void)old;
    /* Our own writes come back here too: only what others wrote needs a pass. */
    if (node_item_type(o) == NODE_ITEM_POD) {
        kubelet_wake(arg);
    }
}

static void view_synced(void *arg)
{
    kubelet_wake(arg);
}

static void view_advanced(void *arg, int64_t revision)
{
    struct kubelet *k = arg;
    (void)revision;
    if (!k->alive_written) {
        kubelet_wake(k); /* registration may wait for this revision */
    }
}

static const struct informer_handler view_handler = {
    .added = view_added,
    .updated = view_updated,
    .deleted = view_deleted,
    .synced = view_synced,
    .advanced = view_advanced,
};

/* --- life ------------------------------------------------------------------------------------- */

static int open_root(struct kubelet *k, struct err *err)
{
    struct fs *fs = loop_fs(k->loop);
    int rv = fs_mkdir_p(fs, k->root, 0700, err);
    if (rv != 0) {
        return err_prefix(err, "agent's state directory");
    }
    autofree char *path = mem_printf("%s/lock", k->root);
    rv = fs_lock(fs, path, &k->lock, err);
    return rv != 0 ? err_prefix(err, "another agent uses %s", k->root) : 0;
}

int kubelet_new(const struct kubelet_options *options, struct kubelet **ret_kubelet,
                struct err *err)
{
    const char *problem = dns_label_problem(options->node);
    if (problem != NULL) {
        options->driver->free(options->driver);
        return err_set(err, E_INVAL, "node \"%s\": %s", options->node, problem);
    }
    struct kubelet *k = mem_zalloc(sizeof *k);
    k->client = options->client;
    k->loop = client_loop(options->client);
    k->driver = options->driver;
    k->node = mem_strdup(options->node);
    k->root = mem_strdup(options->root);
    k->host_ip = mem_strdup(options->host_ip != NULL ? options->host_ip : "127.0.0.1");
    k->lease_ttl_s = options->lease_ttl_s != 0 ? options->lease_ttl_s : 3;
    rng_init(&k->rng, options->seed);
    map_init(&k->workers);
    list_init(&k->log_streams);
    ready_init(&k->sync, sync);
    timer_init(k->loop, &k->relist, on_relist);
    registration_init(k);
    int rv = open_root(k, err);
    if (rv == 0) {
        rv = log_service_open(k, options->listen != NULL ? options->listen : "127.0.0.1:0", err);
    }
    if (rv == 0) {
        rv = registration_open(k, options, err);
    }
    if (rv != 0) {
        kubelet_free(k);
        return rv;
    }
    k->driver->changed = on_driver;
    k->driver->arg = k;
    struct informer_options view = { .client = k->client, .kind = &kind_node_item,
                                     .namespace_ = k->node, .seed = options->seed };
    k->informer = informer_new(&view);
    informer_handle(k->informer, &view_handler, k);
    kubelet_wake(k);
    *ret_kubelet = k;
    return 0;
}

struct kubelet *kubelet_free(struct kubelet *k)
{
    if (k == NULL) {
        return NULL;
    }
    registration_close(k);
    log_service_close(k);
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&k->workers, &at)) != NULL) {
        worker_end(k, e->value);
    }
    map_fini(&k->workers);
    if (k->informer != NULL) {
        informer_free(k->informer);
    }
    ready_cancel(&k->sync);
    timer_stop(&k->relist);
    k->driver->free(k->driver);
    file_close(k->lock);
    mem_free(k->node);
    mem_free(k->root);
    mem_free(k->host_ip);
    mem_free(k);
    return NULL;
}
