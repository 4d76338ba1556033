/* Taints of effect NoSchedule and NoExecute keep pods off that do not tolerate them. */
#include "api/meta.h"
#include "lib/base/str.h"
#include "scheduler/cycle.h"

static const char *filter(const struct cycle *c, const struct node_info *n)
{
    for (size_t i = 0; i < n->node->spec.n_taints; i++) {
        const struct taint *t = &n->node->spec.taints[i];
        bool ok = str_eq(t->effect, "PreferNoSchedule");
        for (size_t k = 0; k < c->pod->spec.n_tolerations && !ok; k++) {
            ok = toleration_matches(&c->pod->spec.tolerations[k], t);
        }
        if (!ok) {
            return arena_printf(c->arena, "tainted %s", t->key != NULL ? t->key : "");
        }
    }
    return NULL;
}

const struct plugin plugin_taints = { .name = "Taints", .filter = filter };
