/* What is asked of users, roles and alarms. A few names, so that they meet; with a purpose, so that
 * auth is on for a good part of a run, and alarms are not: a member is asked for what its own state
 * lacks for that. */
#include "tests/sim/admin.h"

#include <inttypes.h>
#include <stdio.h>

enum { ALARM_MEMBERS = 3, KEY_BYTES = 3 };

static const char *const USERS[] = { "ann", "bob", "cid", "root" };
static const char *const ROLES[] = { "r1", "r2", "r3", "root" };

static unsigned draw_world(struct rng *r, const struct sim_options *o)
{
    bool small = o->payload_max <= ADMIN_QUOTA_PAYLOAD && o->agents == 0;
    unsigned quota = rng_chance(r, 0.5) && small ? ADMIN_QUOTA : 0;
    unsigned compact = rng_chance(r, 0.4) ? ADMIN_COMPACT : 0;
    unsigned members = rng_chance(r, 0.5) ? ADMIN_MEMBERS : 0;
    return quota | compact | members | (rng_chance(r, 0.4) ? ADMIN_BACKUP : 0);
}

unsigned admin_draw(const struct sim_options *o, bool world)
{
    static const unsigned DRAWN[] = { 0,          0,           ADMIN_AUTH,
                                      ADMIN_AUTH, ADMIN_ALARM, ADMIN_AUTH | ADMIN_ALARM };
    struct rng r;
    rng_init(&r, hash_u64(o->seed ^ 0x61646d696e)); /* "admin" */
    return world ? draw_world(&r, o) : DRAWN[rng_range(&r, 0, ARRAY_LEN(DRAWN) - 1)];
}

static struct slice some_name(struct sim *s, const char *const *names, size_t n)
{
    return slice_str(names[rng_range(&s->dice, 0, n - 1)]);
}

/* Of memory that lasts: a key of a run by its number. */
static struct slice key_numbered(uint64_t i)
{
    static const char DIGITS[] = "k00k01k02k03k04k05k06k07k08k09k10k11k12k13k14k15k16k17k18k19"
                                 "k20k21k22k23k24k25k26k27k28k29k30k31k32k33k34k35k36k37k38k39";
    return slice_make(DIGITS + KEY_BYTES * i, KEY_BYTES);
}

/* One key, some, or all from one on. Ranges touch and overlap. */
static void some_range(struct sim *s, struct auth_change *a)
{
    uint64_t from = 5 * rng_range(&s->dice, 0, 7);
    uint64_t to = 5 * rng_range(&s->dice, 0, 7);
    double how = rng_double(&s->dice);
    a->key = key_numbered(from);
    if (how < 0.2) {
        a->range_end = slice_make("", 1);
    } else if (how < 0.7) {
        a->range_end = to > from ? key_numbered(to) : slice_str("k99");
    }
}

/* What is still missing before auth can be on. */
static void lacking(const struct auth *auth, struct auth_change *a)
{
    struct slice root = slice_str("root");
    const struct auth_user *u = auth_user(auth, root);
    if (u == NULL) {
        *a = (struct auth_change){ .action = AUTH_USER_ADD, .user = root, .secret = root };
    } else if (!auth_user_has(u, root)) {
        *a = (struct auth_change){ .action = AUTH_USER_GRANT, .user = root, .role = root };
    } else {
        *a = (struct auth_change){ .action = AUTH_ENABLE, .secret = slice_str("key") };
    }
}

static void some_change(struct sim *s, struct auth_change *a)
{
    static const enum auth_action ACTIONS[] = {
        AUTH_USER_ADD,    AUTH_USER_ADD,   AUTH_USER_ADD,   AUTH_USER_DELETE, AUTH_USER_PASSWORD,
        AUTH_USER_GRANT,  AUTH_USER_GRANT, AUTH_USER_GRANT, AUTH_USER_REVOKE, AUTH_USER_REVOKE,
        AUTH_ROLE_ADD,    AUTH_ROLE_ADD,   AUTH_ROLE_ADD,   AUTH_ROLE_DELETE, AUTH_ROLE_GRANT,
        AUTH_ROLE_GRANT,  AUTH_ROLE_GRANT, AUTH_ROLE_GRANT, AUTH_ROLE_REVOKE, AUTH_ENABLE,
        AUTH_DISABLE,
    };
    *a = (struct auth_change){ .action = ACTIONS[rng_range(&s->dice, 0, ARRAY_LEN(ACTIONS) - 1)] };
    a->user = some_name(s, USERS, ARRAY_LEN(USERS));
    a->role = some_name(s, ROLES, ARRAY_LEN(ROLES));
    a->secret = some_name(s, ROLES, ARRAY_LEN(ROLES));
    a->number = (int64_t)rng_range(&s->dice, ACCESS_READ, ACCESS_READ_WRITE);
    some_range(s, a);
}

static void some_alarm(struct sim *s, const struct alarms *alarms, struct alarm_change *a)
{
    if (alarms->n > 0 && rng_chance(&s->dice, 0.8)) {
        const struct alarm *set = &alarms->items[rng_range(&s->dice, 0, alarms->n - 1)];
        *a = (struct alarm_change){ false, set->member, set->type, rng_chance(&s->dice, 0.4) };
        return;
    }
    *a = (struct alarm_change){
        .active = rng_chance(&s->dice, 0.9),
        .member = rng_range(&s->dice, 1, ALARM_MEMBERS),
        .type = (enum alarm_type)rng_range(&s->dice, ALARM_NONE, ALARM_CORRUPT),
        .automatic = rng_chance(&s->dice, 0.5),
    };
}

bool admin_command(struct sim *s, const struct store *store, struct command *ret)
{
    bool alarm = (s->o.admin & ADMIN_ALARM) != 0;
    bool set = alarm && store_alarms(store)->n > 0;
    double what = rng_double(&s->dice);
    if (alarm && what < (set ? 0.15 : 0.01)) {
        *ret = (struct command){ .type = COMMAND_ALARM };
        some_alarm(s, store_alarms(store), &ret->alarm);
        return true;
    }
    if ((s->o.admin & ADMIN_AUTH) == 0 || what < 0.9) {
        return false;
    }
    *ret = (struct command){ .type = COMMAND_AUTH };
    if (!store_auth(store)->enabled && rng_chance(&s->dice, 0.4)) {
        lacking(store_auth(store), &ret->auth);
    } else {
        some_change(s, &ret->auth);
    }
    return true;
}

/* A token is as old as its check: the revision is the one that the member knew, at times one that
 * it knew before. Administration is root's, mostly. */
void admin_sign(struct sim *s, const struct store *store, struct command *c)
{
    const struct auth *a = store_auth(store);
    double who = rng_double(&s->dice);
    uint64_t back = rng_chance(&s->dice, 0.05) ? rng_range(&s->dice, 1, 3) : 0;
    struct slice user = some_name(s, USERS, ARRAY_LEN(USERS));
    double root = c->type == COMMAND_AUTH ? 0.8 : 0.4;
    if (!a->enabled || who < 0.03) {
        return;
    }
    c->who.kind = who < 0.05 ? WHO_SYSTEM : WHO_USER;
    c->who.user = c->who.kind == WHO_SYSTEM ? slice_make(NULL, 0)
                  : rng_chance(&s->dice, root) ? slice_str("root") : user;
    c->who.revision = c->who.kind == WHO_SYSTEM ? 0 : a->revision > back ? a->revision - back : 1;
}
