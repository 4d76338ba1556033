/* See gates.h. The gates are those of etcd 3.6 and 3.7. */
#include "cmd/gates.h"

#include <stdbool.h>
#include <string.h>

#include "cmd/values.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

static const struct gate {
    const char *name;
    bool here; /* what is done anyway */
    const char *instead;
} gates[] = {
    { "AllAlpha", false, "nothing here is on trial" },
    { "AllBeta", false, "nothing here is on trial" },
    { "CompactHashCheck", true, "members always compare digests of their states" },
    { "FastLeaseKeepAlive", true, "keepalives never wait for the log" },
    { "InitialCorruptCheck", true, "what is read at the start is always checked" },
    { "LeaseCheckpoint", false, "a new leader starts every lease afresh: none ends early" },
    { "LeaseCheckpointPersist", false, "a new leader starts every lease afresh: none ends early" },
    { "PriorityRequest", false, "requests are served in their order" },
    { "SetMemberLocalAddr", false, "connections to members go out as the system routes them" },
    { "StopGRPCServiceOnDefrag", false, "there is nothing to defragment" },
    { "TxnModeWriteWithSharedBuffer", true, "a txn's reads never copy what they see" },
};

static const struct gate *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(gates); i++) {
        if (str_eq(gates[i].name, name)) {
            return &gates[i];
        }
    }
    return NULL;
}

static int unknown(const char *name, const char *from, struct err *err)
{
    const char *names[ARRAY_LEN(gates)];
    for (size_t i = 0; i < ARRAY_LEN(gates); i++) {
        names[i] = gates[i].name;
    }
    const char *near = str_nearest(name, names, ARRAY_LEN(gates));
    return err_set(err, E_INVAL, "%s: no gate \"%.60s\"%s%s%s", from, name,
                   near != NULL ? " (did you mean " : "", near != NULL ? near : "",
                   near != NULL ? "?)" : "");
}

int gates_read(const char *value, const char *from,
               void (*told)(void *arg, const char *gate, const char *instead), void *arg,
               struct err *err)
{
    autofree char *copy = mem_strdup(value);
    char *save = NULL;
    for (char *item = strtok_r(copy, ", ", &save); item != NULL;
         item = strtok_r(NULL, ", ", &save)) {
        char *eq = strchr(item, '=');
        bool on;
        if (eq == NULL) {
            return err_set(err, E_INVAL, "%s: \"%.60s\" is not GATE=true or GATE=false", from,
                           item);
        }
        *eq = '\0';
        const struct gate *g = find(item);
        if (g == NULL) {
            return unknown(item, from, err);
        }
        if (value_bool(eq + 1, &on) != 0) {
            return err_set(err, E_INVAL, "%s: %s=%.60s is not true or false", from, item, eq + 1);
        }
        if (on != g->here) {
            told(arg, g->name, g->instead);
        }
    }
    return 0;
}
