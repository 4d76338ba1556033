/* Manifests that the command line names: files, folders of them, and standard input. */
#ifndef BARQUE_CLI_FILES_H
#define BARQUE_CLI_FILES_H

#include "cli/run.h"

struct manifest_objects {
    struct object **items; /* in order of application: namespaces first, then as written */
    size_t n, cap;
};
void manifest_objects_fini(struct manifest_objects *m);
/* Reads all of `names`. Every problem of every file is printed to stderr, like a compiler's; then,
 * or when a file cannot be read, the verb is ended and false returned. */
bool manifest_objects_read(struct cli *cli, const struct cli_list *names,
                           struct manifest_objects *m);

#endif
