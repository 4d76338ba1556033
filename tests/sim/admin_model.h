/* The naive state of administration: admin_model.c changes it, admin_may.c asks it. */
#ifndef BARQUE_TESTS_SIM_ADMIN_MODEL_H
#define BARQUE_TESTS_SIM_ADMIN_MODEL_H

#include "tests/sim/admin.h"

enum { USERS = 8, ROLES = 8, PERMISSIONS = 128, ALARMS = 16, TEXT_BYTES = 16 }; /* enough */

struct text {
    char bytes[TEXT_BYTES];
    size_t len;
};

struct permission {
    struct text key, end;
    int64_t access;
};

struct role {
    struct text name;
    struct permission permissions[PERMISSIONS];
    size_t n;
};

struct user {
    struct text name, secret, roles[ROLES];
    size_t n_roles;
    bool no_password;
    uint64_t since;
};

struct sum {
    uint64_t index, value;
};

struct admin_model {
    bool enabled;
    uint64_t revision;
    struct text secret;
    struct user users[USERS];
    struct role roles[ROLES];
    size_t n_users, n_roles;
    struct alarm alarms[ALARMS];
    size_t n_alarms;

    uint64_t last;   /* index that was applied by somebody */
    bool first;      /* between before and after: of a command that is new */
    int refusal;     /* it must be refused for this; 0 must not */
    int outcome;     /* of administration: its status */
    struct sum *sums;
    size_t n_sums, sums_cap;
};

/* NULL: none */
struct user *model_user(struct admin_model *m, struct slice name);
struct role *model_role(struct admin_model *m, struct slice name);
bool model_has_role(const struct user *u, struct slice role);

/* admin_may.c: for what this must be refused before anything is looked at; 0: it is carried out, or
 * refused for what it says. `s`: the state before it. */
int admin_refusal(struct admin_model *m, const struct store *s, const struct command *c);

#endif
