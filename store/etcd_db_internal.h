/* What the files of etcd_db share. */
#ifndef BARQUE_STORE_ETCD_DB_INTERNAL_H
#define BARQUE_STORE_ETCD_DB_INTERNAL_H

#include "lib/base/arena.h"
#include "lib/codec/bolt.h"
#include "store/auth.h"
#include "store/etcd_db.h"

/* etcd_db_read.c: as bolt_bucket_seek, but that there is no such bucket (E_NOTFOUND) is no error to
 * tell. */
int etcd_db_seek(const struct bolt *b, const char *name, struct bolt_cursor *ret_cursor,
                 struct err *err);

/* etcd_db_auth.c */
struct etcd_db_auth {
    struct etcd_db_items state, roles, users; /* buckets auth, authRoles, authUsers */
};
/* All in the arena; nothing when nothing was ever set. */
void etcd_db_auth_items(const struct auth *a, struct arena *arena, struct etcd_db_auth *ret_auth);
/* Into an empty `a`. E_CORRUPT, E_TOOBIG. */
int etcd_db_auth_read(const struct bolt *b, struct auth *a, struct etcd_db_report *report,
                      struct err *err);

#endif
