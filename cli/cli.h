/* Everything people type at a cluster: THE table of verbs. A verb is one file; see run.h for what
 * they share. */
#ifndef BARQUE_CLI_CLI_H
#define BARQUE_CLI_CLI_H

#include <stddef.h>

enum cli_group { CLI_GROUP_LOOK, CLI_GROUP_CHANGE, CLI_GROUP_STORE, CLI_GROUP_TOOLS, CLI_GROUPS };

struct cli_verb {
    const char *name;
    /* argv[0] is the verb's name; the return value is the exit code (exit.h). */
    int (*run)(int argc, char **argv);
    const char *help; /* one line */
    enum cli_group group;
};

extern const struct cli_verb cli_verbs[];
extern const size_t cli_verbs_n;
extern const char *const cli_group_titles[CLI_GROUPS];

/* NULL when there is no such verb. */
const struct cli_verb *cli_verb_find(const char *name);

int verb_apply(int argc, char **argv);
int verb_completion(int argc, char **argv);
int verb_cordon(int argc, char **argv);
int verb_delete(int argc, char **argv);
int verb_describe(int argc, char **argv);
int verb_get(int argc, char **argv);
int verb_kv(int argc, char **argv);
int verb_logs(int argc, char **argv);
int verb_rollout(int argc, char **argv);
int verb_scale(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_uncordon(int argc, char **argv);
int verb_version(int argc, char **argv);
int verb_why(int argc, char **argv);

#endif
