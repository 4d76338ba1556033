/* Requests must fit into what is left of cpu, memory and pods; of the nodes where they do, the
 * least allocated one scores best. */
#include "api/quantity.h"
#include "lib/base/bug.h"
#include "scheduler/cycle.h"

static const char *filter(const struct cycle *c, const struct node_info *n)
{
    if ((int64_t)n->n_pods >= n->pods_max) {
        return "full of pods";
    }
    int64_t cpu = c->cpu_milli - (n->cpu_milli - n->used_cpu_milli);
    int64_t used_memory_bytes = BUG(BUG_MEMORY_UNCOUNTED) ? 0 : n->used_memory_bytes;
    int64_t memory = c->memory_bytes - (n->memory_bytes - used_memory_bytes);
    if (c->cpu_milli > 0 && cpu > 0) {
        autobuf b = BUF_INIT;
        quantity_print_cpu(cpu, &b);
        return arena_printf(c->arena, "cpu short by %s", buf_str(&b));
    }
    if (c->memory_bytes > 0 && memory > 0) {
        autobuf b = BUF_INIT;
        quantity_print_bytes(memory, &b);
        return arena_printf(c->arena, "memory short by %s", buf_str(&b));
    }
    return NULL;
}

/* Share still free after this pod, 0..100. */
static int64_t free_share(int64_t capacity, int64_t used)
{
    return capacity <= 0 || used >= capacity ? 0 : (capacity - used) * 100 / capacity;
}

static int64_t score(const struct cycle *c, const struct node_info *n)
{
    return (free_share(n->cpu_milli, n->used_cpu_milli + c->cpu_milli) +
            free_share(n->memory_bytes, n->used_memory_bytes + c->memory_bytes)) / 2;
}

const struct plugin plugin_resources = {
    .name = "Resources", .filter = filter, .score = score, .weight = 1,
};
