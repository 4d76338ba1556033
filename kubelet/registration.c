/* Who this node is, and that it is alive.
 *
 *   WAITING --first full view--> WRITING --stored--> WRITTEN
 *   lease (TTL 3 s, kept alive by the client) held, WRITTEN, the view is as new as the lease,
 *   nothing runs that is not in it
 *       -> put /barque/alive/<node> with the lease
 *   lease lost (masters away, or we were paused) -> a new lease, and the same again
 *
 * The epoch is made once for a state directory: an agent that restarts keeps it (its pods
 * survived), a node whose disk is new gets another. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "api/meta.h"
#include "kubelet/internal.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

enum { LEASE_RETRY_MS = 200, VIEW_AGAIN_MS = 2000, PODS_MAX = 110 };

/* --- the node's description ------------------------------------------------------------------- */

static void default_capacity(struct string_map *m)
{
    char text[32];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN), pages = sysconf(_SC_PHYS_PAGES);
    snprintf(text, sizeof text, "%ld", cpus > 0 ? cpus : 1);
    string_map_set(m, "cpu", text);
    snprintf(text, sizeof text, "%lldKi",
             (long long)(pages > 0 ? pages : 0) * (sysconf(_SC_PAGESIZE) / 1024));
    string_map_set(m, "memory", text);
    snprintf(text, sizeof text, "%d", PODS_MAX);
    string_map_set(m, "pods", text);
}

static void describe(const struct kubelet *k, struct node_item *item)
{
    struct utsname u;
    uname(&u);
    string_set(&item->object.metadata.name, "node");
    string_set(&item->object.metadata.namespace_, k->node);
    item->epoch = k->epoch;
    string_map_copy(&item->labels, &k->labels);
    string_map_set(&item->labels, "kubernetes.io/hostname", k->node);
    string_map_set(&item->labels, "kubernetes.io/os", "linux");
    string_map_copy(&item->capacity, &k->capacity);
    string_map_copy(&item->allocatable, &k->capacity);
    string_map_set(&item->node_info, "operatingSystem", "linux");
    string_map_set(&item->node_info, "kernelVersion", u.release);
    string_map_set(&item->node_info, "architecture", u.machine);
    string_map_set(&item->node_info, "kubeletVersion", BARQUE_VERSION);
    string_map_set(&item->node_info, "containerRuntimeVersion", k->driver->name);
    const char *const addresses[][2] = {
        { "Hostname", k->node },
        { "InternalIP", k->host_ip },
        { "AgentEndpoint", log_service_address(k) },
    };
    for (size_t i = 0; i < item->n_addresses; i++) {
        mem_free(item->addresses[i].type);
        mem_free(item->addresses[i].address);
    }
    mem_free(item->addresses);
    item->n_addresses = ARRAY_LEN(addresses);
    item->addresses = mem_zalloc(item->n_addresses * sizeof *item->addresses);
    for (size_t i = 0; i < item->n_addresses; i++) {
        item->addresses[i].type = mem_strdup(addresses[i][0]);
        item->addresses[i].address = mem_strdup(addresses[i][1]);
    }
}

static void registered(void *arg, struct objects_result *result)
{
    struct kubelet *k = arg;
    k->registering = NULL;
    if (result->status == 0) {
        k->registration = REGISTRATION_WRITTEN;
        log_info("kubelet", "registered", "node=%s epoch=%" PRId64, k->node, k->epoch);
    } else {
        k->registration = REGISTRATION_WAITING;
        log_warn("kubelet", "not registered yet", "node=%s error=\"%s\"", k->node,
                 result->err->msg);
    }
    kubelet_wake(k);
}

static void write_registration(struct kubelet *k)
{
    autofree char *key = mem_printf("%s/node", k->node);
    const struct object *have = cache_get(informer_cache(k->informer), key);
    struct node_item *next =
        object_node_item(have != NULL ? object_copy(have) : object_new(&kind_node_item));
    describe(k, next);
    if (have != NULL && object_equal(have, &next->object)) {
        k->registration = REGISTRATION_WRITTEN;
        kubelet_wake(k);
    } else {
        k->registration = REGISTRATION_WRITING;
        if (have == NULL) {
            object_stamp_new(&next->object, &k->rng, loop_wall_ms(k->loop));
            k->registering = objects_create(k->client, &next->object, registered, k);
        } else {
            k->registering = objects_update(k->client, &next->object, registered, k);
        }
    }
    object_free(&next->object);
}

/* --- the sign of life ------------------------------------------------------------------------- */

static void alive_done(void *arg, const struct client_result *result)
{
    struct kubelet *k = arg;
    k->alive_put = NULL;
    k->alive_written = result->status == 0;
    if (result->status != 0) {
        log_warn("kubelet", "sign of life not written", "node=%s error=\"%s\"", k->node,
                 result->err->msg);
    }
}

static void write_alive(struct kubelet *k)
{
    struct node_alive *alive = object_node_alive(object_new(&kind_node_alive));
    string_set(&alive->object.metadata.name, k->node);
    alive->epoch = k->epoch;
    autobuf key = BUF_INIT, value = BUF_INIT;
    object_key(&alive->object, &key);
    object_to_json(&alive->object, &value);
    struct client_put put = { .key = buf_slice(&key), .value = buf_slice(&value),
                              .lease = k->lease_id };
    k->alive_put = client_put_kv(k->client, &put, alive_done, k);
    object_free(&alive->object);
}

/* With a new lease we may have been away: what left the view meanwhile must be known, and stopped,
 * before we say that we are alive. */
static void present_known(void *arg, const struct client_result *result)
{
    struct kubelet *k = arg;
    k->present = NULL;
    if (result->status != 0) {
        timer_start(&k->lease_retry, LEASE_RETRY_MS);
        return;
    }
    k->view_needed = result->revision;
    k->view_again_ms = loop_now_ms(k->loop);
    kubelet_wake(k);
}

/* Does the view show what it must? Otherwise it is listed, every VIEW_AGAIN_MS until it does. */
static bool view_is_fresh(struct kubelet *k)
{
    if (cache_revision(informer_cache(k->informer)) >= k->view_needed) {
        return true;
    }
    if (k->view_needed != INT64_MAX && loop_now_ms(k->loop) >= k->view_again_ms) {
        k->view_again_ms = loop_now_ms(k->loop) + VIEW_AGAIN_MS;
        informer_relist(k->informer);
    }
    return false;
}

static void ask_present(struct kubelet *k)
{
    autobuf key = BUF_INIT;
    kind_key(&kind_node_item, k->node, "node", &key);
    struct client_range range = { .key = buf_slice(&key), .count_only = true };
    k->view_needed = INT64_MAX;
    k->present = client_get(k->client, &range, present_known, k);
}

static void on_lease(void *arg, int64_t id, bool alive, uint64_t deadline_ms)
{
    struct kubelet *k = arg;
    (void)deadline_ms;
    if (alive && !k->lease_held) {
        k->lease_held = true;
        k->lease_id = id;
        ask_present(k);
    } else if (!alive) {
        log_warn("kubelet", "lease lost: pods go on, a new lease is asked for", "node=%s", k->node);
        k->lease = NULL;
        k->lease_held = k->alive_written = false;
        /* A late answer would count for the next lease. */
        client_call_cancel(TAKE(k->alive_put));
        client_call_cancel(TAKE(k->present));
        timer_start(&k->lease_retry, LEASE_RETRY_MS);
    }
}

static void lease_again(struct timer *t)
{
    struct kubelet *k = CONTAINER_OF(t, struct kubelet, lease_retry);
    if (k->lease != NULL) {
        ask_present(k);
        return;
    }
    k->lease = client_lease_start(k->client, k->lease_ttl_s, on_lease, k);
}

void registration_step(struct kubelet *k)
{
    if (k->registration == REGISTRATION_WAITING) {
        write_registration(k);
        return;
    }
    if (k->registration == REGISTRATION_WRITTEN && k->lease_held && !k->alive_written &&
        k->alive_put == NULL && view_is_fresh(k) && !k->leftovers) {
        write_alive(k);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static int load_epoch(struct kubelet *k, struct err *err)
{
    struct fs *fs = loop_fs(k->loop);
    autofree char *path = mem_printf("%s/epoch", k->root);
    autobuf text = BUF_INIT;
    if (fs_read_file(fs, path, 64, &text, NULL) == 0 &&
        str_parse_i64(buf_str(&text), &k->epoch) == 0) {
        return 0;
    }
    k->epoch = loop_wall_ms(k->loop);
    buf_reset(&text);
    buf_printf(&text, "%" PRId64, k->epoch);
    return fs_write_file_atomic(fs, path, buf_slice(&text), err);
}

void registration_init(struct kubelet *k)
{
    timer_init(k->loop, &k->lease_retry, lease_again);
    k->view_needed = INT64_MAX;
}

int registration_open(struct kubelet *k, const struct kubelet_options *options, struct err *err)
{
    if (options->labels != NULL) {
        string_map_copy(&k->labels, options->labels);
    }
    default_capacity(&k->capacity);
    for (size_t i = 0; options->capacity != NULL && i < options->capacity->n; i++) {
        string_map_set(&k->capacity, options->capacity->items[i].key,
                       options->capacity->items[i].value);
    }
    int rv = load_epoch(k, err);
    if (rv == 0) {
        k->lease = client_lease_start(k->client, k->lease_ttl_s, on_lease, k);
    }
    return rv;
}

static void string_map_release(struct string_map *m)
{
    while (m->n > 0) {
        string_map_remove(m, m->items[m->n - 1].key);
    }
    mem_free(m->items);
}

void registration_close(struct kubelet *k)
{
    timer_stop(&k->lease_retry);
    if (k->registering != NULL) {
        client_call_cancel(k->registering);
    }
    client_call_cancel(k->alive_put);
    client_call_cancel(k->present);
    /* Its lease is left to run out: an agent that is back by then was never away. */
    client_lease_abandon(k->lease);
    string_map_release(&k->labels);
    string_map_release(&k->capacity);
}
