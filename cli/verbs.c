/* THE table of verbs, and the titles of its groups. Adding a verb = one file + one line. */
#include "cli/cli.h"

#include "lib/base/assert.h"
#include "lib/base/str.h"

const struct cli_verb cli_verbs[] = {
    { "get", verb_get, "list objects, or show one; -w goes on watching", CLI_GROUP_LOOK },
    { "describe", verb_describe, "one object for people, with its events", CLI_GROUP_LOOK },
    { "why", verb_why, "why something is not as it should be", CLI_GROUP_LOOK },
    { "logs", verb_logs, "what a container wrote; -f goes on", CLI_GROUP_LOOK },
    { "status", verb_status, "members, leaders, nodes and workloads on one screen",
      CLI_GROUP_LOOK },
    { "apply", verb_apply, "create or change what a manifest says, and wait for it",
      CLI_GROUP_CHANGE },
    { "delete", verb_delete, "remove objects and wait until they are gone", CLI_GROUP_CHANGE },
    { "scale", verb_scale, "how many pods a Deployment shall have", CLI_GROUP_CHANGE },
    { "rollout", verb_rollout, "status, history, undo, restart of a Deployment",
      CLI_GROUP_CHANGE },
    { "cordon", verb_cordon, "no new pods on a node", CLI_GROUP_CHANGE },
    { "uncordon", verb_uncordon, "new pods on a node again", CLI_GROUP_CHANGE },
    { "kv", verb_kv, "the store's keys: get, put, del, watch", CLI_GROUP_STORE },
    { "version", verb_version, "of this program", CLI_GROUP_TOOLS },
    { "completion", verb_completion, "for bash, zsh or fish", CLI_GROUP_TOOLS },
};
const size_t cli_verbs_n = ARRAY_LEN(cli_verbs);

const char *const cli_group_titles[CLI_GROUPS] = {
    [CLI_GROUP_LOOK] = "Look",
    [CLI_GROUP_CHANGE] = "Change",
    [CLI_GROUP_STORE] = "Store",
    [CLI_GROUP_TOOLS] = "Tools",
};

const struct cli_verb *cli_verb_find(const char *name)
{
    for (size_t i = 0; i < cli_verbs_n; i++) {
        if (str_eq(cli_verbs[i].name, name)) {
            return &cli_verbs[i];
        }
    }
    return NULL;
}
