/* THE table of scheduler plugins: order of filters, weights of scores. Adding one = one file in
 * plugins/ and one line here. */
#include "lib/base/assert.h"
#include "scheduler/cycle.h"

const struct plugin *const plugins[] = {
    &plugin_node_name, &plugin_cordoned,  &plugin_node_selector,
    &plugin_taints,    &plugin_resources, &plugin_spread,
};
const size_t plugins_n = ARRAY_LEN(plugins);
