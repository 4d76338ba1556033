/* Status items: /barque/nodes/<node>/status.<ns>.<name>, written when what we observe differs
 * from what the store has (as our own watch shows it). One write a pod in flight; a lost compare
 * is settled by the next pass. */
#include "api/meta.h"
#include "kubelet/internal.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"

static void written(void *arg, struct objects_result *result)
{
    struct pod_worker *w = arg;
    w->write = NULL;
    if (result->status != 0 && result->status != E_CONFLICT && result->status != E_EXIST &&
        result->status != E_NOTFOUND) {
        log_warn("kubelet", "status not written", "pod_uid=%s error=\"%s\"", w->uid,
                 result->err->msg);
        return; /* the next relist tries again */
    }
    kubelet_wake(w->kubelet);
}

void status_write(struct kubelet *k, struct pod_worker *w, const struct node_item *item,
                  struct pod_status *taken, bool stopped)
{
    char name[520];
    node_item_name(NODE_ITEM_STATUS, item->pod_namespace, item->pod_name, name, sizeof name);
    autofree char *key = mem_printf("%s/%s", k->node, name);
    const struct object *have = cache_get(informer_cache(k->informer), key);
    struct node_item *next =
        object_node_item(have != NULL ? object_copy(have) : object_new(&kind_node_item));
    string_set(&next->object.metadata.name, name);
    string_set(&next->object.metadata.namespace_, k->node);
    string_set(&next->pod_namespace, item->pod_namespace);
    string_set(&next->pod_name, item->pod_name);
    string_set(&next->pod_uid, item->pod_uid);
    next->stopped = stopped;
    struct pod_status old = next->status;
    next->status = *taken;
    /* The old status goes with a scratch object. */
    struct node_item *scratch = object_node_item(object_new(&kind_node_item));
    scratch->status = old;
    object_free(&scratch->object);
    if (w->write == NULL && have == NULL) {
        object_stamp_new(&next->object, &k->rng, loop_wall_ms(k->loop));
        w->write = objects_create(k->client, &next->object, written, w);
    } else if (w->write == NULL && !object_equal(have, &next->object)) {
        w->write = objects_update(k->client, &next->object, written, w);
    }
    object_free(&next->object);
}
