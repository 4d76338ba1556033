/* The snapshot of a member that runs, Barque's or etcd's, into a file. */
#ifndef BARQUE_CMD_SNAPSHOT_FETCH_H
#define BARQUE_CMD_SNAPSHOT_FETCH_H

#include <stdint.h>

#include "lib/base/err.h"

/* As whom, as in login_as.h; either may be NULL. */
struct fetch_user {
    const char *user, *password_file;
};

/* Of the first of `endpoints` (with commas between) that answers. The file gets its name only when
 * its sum is right. E_INVAL: the user. E_UNAVAILABLE, E_TIMEOUT, E_CORRUPT, E_DISKFULL... */
int fetch_snapshot(const char *endpoints, const struct fetch_user *user, const char *path,
                   struct err *err);

#endif
