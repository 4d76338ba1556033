/* Users, roles and permissions: etcd's auth, as a part of the replicated state.
 *
 * A user has roles; a role has permissions on keys and ranges of keys; what a user may do is the
 * union of those. The role "root" may do everything. Nothing is checked while auth is off.
 *
 * Each change makes a new auth revision. A request names the revision its member knew when it let
 * the request in, and is refused at apply (E_AUTH_OLD) when users or roles have changed since: what
 * was checked and what is carried out never differ. Passwords are not in here, only what a worker
 * made of them (salt and hash, opaque). Pure: no clock, no random source.
 *
 * Memory: the state owns all its bytes; LIMIT_AUTH_BYTES bounds them. Threads: loop. */
#ifndef BARQUE_STORE_AUTH_H
#define BARQUE_STORE_AUTH_H

#include "lib/base/limits.h"
#include "store/command.h"

/* What is read back may be so much: new passwords are taken at the limit, too. */
enum { AUTH_READ_BYTES = 2 * LIMIT_AUTH_BYTES };

/* Owned names in byte order, each the first member of what it names. */
struct auth_table {
    struct slice **names;
    size_t n, cap;
};

struct auth_permission {
    struct slice key, range_end; /* owned; a zero byte follows the key */
    enum auth_access access;
};

struct auth_role {
    struct slice name;
    struct auth_permission *permissions; /* by (key, range_end) */
    size_t n, cap;
};

struct auth_user {
    struct slice name;
    struct slice secret;     /* of the password; empty without one */
    bool no_password;
    uint64_t since;          /* revision at which the password was set: older tokens are void */
    struct auth_table roles; /* bare names; a role that is gone gives nothing */
    struct auth_spans *spans; /* what all that adds up to; made when asked for (auth_check.c) */
};

struct auth {
    bool enabled;
    uint64_t revision;       /* 1 before the first change */
    struct slice secret;     /* what tokens are signed with; empty before the first AUTH_ENABLE */
    struct auth_table users, roles;
    size_t bytes;            /* of all of it, about */
};

void auth_init(struct auth *a);
void auth_fini(struct auth *a);

/* Carries one change out, or nothing: E_ROOT_USER, E_ROOT_ROLE, E_USER_EXIST, E_USER_EMPTY,
 * E_USER_NOT_FOUND, E_ROLE_EXIST, E_ROLE_NOT_FOUND, E_ROLE_EMPTY, E_ROLE_NOT_GRANTED,
 * E_PERM_NOT_GRANTED, E_AUTH_MGMT, E_NOSPACE. */
int auth_apply(struct auth *a, const struct auth_change *c);

/* NULL when there is none. */
struct auth_user *auth_user(const struct auth *a, struct slice name);
struct auth_role *auth_role(const struct auth *a, struct slice name);
/* In order of names. */
struct auth_user *auth_user_at(const struct auth *a, size_t i);
struct auth_role *auth_role_at(const struct auth *a, size_t i);
bool auth_user_has(const struct auth_user *u, struct slice role);

/* --- auth_check.c: who may do what; 0 while auth is off --------------------------------------- */
/* E_USER_EMPTY (nobody is named), E_AUTH_OLD, E_PERM. */
int auth_may_range(const struct auth *a, const struct auth_who *who, struct slice key,
                   struct slice range_end, enum auth_access access);
/* The role root: E_USER_EMPTY, E_PERM. */
int auth_may_admin(const struct auth *a, const struct auth_who *who);
/* Some user: E_USER_EMPTY. */
int auth_may_any(const struct auth *a, const struct auth_who *who);
void auth_spans_free(struct auth_spans *s);

/* --- auth_snapshot.c: as items of a frame (store/snapshot.h) ---------------------------------- */
/* Whole frames of about SNAPSHOT_FRAME_BYTES, none when nothing was ever set. */
void auth_write_frames(const struct auth *a, struct buf *out);
/* One frame after its kind; a keeps what came before. E_CORRUPT. */
struct mp_reader;
int auth_read_frame(struct auth *a, struct mp_reader *m);

/* --- for auth_snapshot.c ---------------------------------------------------------------------- */
/* PRE: no such name. */
struct auth_user *auth_add_user(struct auth *a, struct slice name, struct slice secret);
struct auth_role *auth_add_role(struct auth *a, struct slice name);
bool auth_add_grant(struct auth *a, struct auth_user *u, struct slice role); /* false: has it */
void auth_set_permission(struct auth *a, struct auth_role *r, struct slice key,
                         struct slice range_end, enum auth_access access);
bool auth_permission_valid(struct slice key, struct slice range_end);
void auth_set_secret(struct auth *a, struct slice secret);

#endif
