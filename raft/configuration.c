/* Configurations. The encoding is libraft's (it decodes RAFT_CHANGE entries itself): one byte 1,
 * u64 count (little-endian), then per server u64 id, the address with its NUL, one byte role; zero
 * padding. */
#include "raft/configuration.h"

#include "lib/base/assert.h"
#include "lib/base/err.h"
#include "lib/base/limits.h"

enum { ENCODING = 1, HEAD_BYTES = 9, ID_BYTES = 8, ADDRESS_MAX = 128 };

static uint64_t get64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--) {
        v = v << 8 | p[i];
    }
    return v;
}

int configuration_check(struct slice bytes)
{
    if (bytes.len < HEAD_BYTES || bytes.data[0] != ENCODING) {
        return E_PROTO;
    }
    uint64_t n = get64(bytes.data + 1);
    if (n == 0 || n > LIMIT_PEERS) {
        return E_PROTO;
    }
    uint64_t ids[LIMIT_PEERS];
    const char *addresses[LIMIT_PEERS];
    size_t at = HEAD_BYTES;
    for (uint64_t i = 0; i < n; i++) {
        if (bytes.len - at < ID_BYTES + 2) {
            return E_PROTO;
        }
        ids[i] = get64(bytes.data + at);
        at += ID_BYTES;
        size_t left = bytes.len - at - 1;
        const uint8_t *nul = memchr(bytes.data + at, 0, left < ADDRESS_MAX ? left : ADDRESS_MAX);
        if (ids[i] == 0 || nul == NULL || nul == bytes.data + at) {
            return E_PROTO;
        }
        addresses[i] = (const char *)bytes.data + at;
        at = (size_t)(nul - bytes.data) + 1;
        if (bytes.data[at++] > RAFT_SPARE) {
            return E_PROTO;
        }
        for (uint64_t k = 0; k < i; k++) {
            if (ids[k] == ids[i] || strcmp(addresses[k], addresses[i]) == 0) {
                return E_PROTO;
            }
        }
    }
    return 0;
}

void configuration_decode(struct slice bytes, struct raft_configuration *ret_conf)
{
    PRE(configuration_check(bytes) == 0);
    struct raft_buffer b = { (void *)(uintptr_t)bytes.data, bytes.len };
    raft_configuration_init(ret_conf);
    int rv = raft_configuration_decode(&b, ret_conf);
    INVARIANT(rv == 0);
}

struct value *configuration_encode(const struct raft_configuration *conf)
{
    struct raft_buffer b;
    int rv = raft_configuration_encode(conf, &b);
    INVARIANT(rv == 0);
    struct value *v = value_new(b.base, b.len);
    raft_free(b.base);
    return v;
}

void configuration_copy(const struct raft_configuration *from, struct raft_configuration *ret_to)
{
    raft_configuration_init(ret_to);
    for (unsigned i = 0; i < from->n; i++) {
        const struct raft_server *s = &from->servers[i];
        int rv = raft_configuration_add(ret_to, s->id, s->address, s->role);
        INVARIANT(rv == 0);
    }
}

struct raft_server *configuration_find(const struct raft_configuration *conf, uint64_t id)
{
    for (unsigned i = 0; i < conf->n; i++) {
        if (conf->servers[i].id == id) {
            return &conf->servers[i];
        }
    }
    return NULL;
}

unsigned configuration_voters(const struct raft_configuration *conf)
{
    unsigned voters = 0;
    for (unsigned i = 0; i < conf->n; i++) {
        voters += conf->servers[i].role == RAFT_VOTER;
    }
    return voters;
}
