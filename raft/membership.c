/* Who is who: the core's configuration (id, address, role) joined with what members publish about
 * themselves (name, client URL, level). The attributes are commands of rnode's own in the log and a
 * part of each snapshot's head, so every member knows them without asking.
 *
 * The level says which commands a member's program understands. The cluster's is the least one of
 * its members', so nothing is proposed that one of them could not apply. A member of a version
 * before levels publishes none: it has level 1. A new program publishes again.
 *
 * The transport knows the members of the newest configuration and of the committed one: a server on
 * its way out still hears of it until the change is committed. */
#include "raft/membership.h"

#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/codec/mp.h"
#include "raft/configuration.h"
#include "raft/node.h"

enum { ATTRS_VERSION = 1, LEVEL_FIRST = 1, PUBLISH_TIMEOUT_MS = 10000 };

void membership_init(struct rnode *n)
{
    n->membership = (struct membership){ .dirty = true, .level = LEVEL_FIRST };
}

void membership_fini(struct rnode *n)
{
    struct membership *m = &n->membership;
    mem_free(m->attrs);
    mem_free(m->members);
    mem_free(m->peers);
    *m = (struct membership){ 0 };
}

/* --- attributes --- */

static struct attrs *attrs_of(const struct membership *m, uint64_t id)
{
    for (size_t i = 0; i < m->attrs_n; i++) {
        if (m->attrs[i].id == id) {
            return &m->attrs[i];
        }
    }
    return NULL;
}

const char *membership_name_of(void *arg, uint64_t id)
{
    const struct rnode *n = arg;
    const struct attrs *a = attrs_of(&n->membership, id);
    return a != NULL && a->name[0] != '\0' ? a->name : NULL;
}

static void copy_text(char *out, size_t size, struct slice s)
{
    size_t len = s.len < size ? s.len : size - 1;
    memset(out, 0, size);
    if (len != 0) {
        memcpy(out, s.data, len);
    }
}

/* The oldest one of who is no member any more: there are more places than members. */
static size_t attrs_spare(const struct rnode *n)
{
    const struct membership *m = &n->membership;
    struct raft_configuration conf;
    size_t i = 0;
    if (n->conf == NULL) {
        return 0;
    }
    configuration_decode(value_slice(n->conf), &conf);
    while (i + 1 < m->attrs_n && configuration_find(&conf, m->attrs[i].id) != NULL) {
        i++;
    }
    raft_configuration_close(&conf);
    return i;
}

/* NULL when they say nothing of anybody. */
static struct attrs *attrs_read(struct rnode *n, struct mp_reader *r)
{
    struct membership *m = &n->membership;
    uint64_t id = mp_get_u64(r);
    struct slice name = mp_get_bin(r, sizeof m->attrs->name - 1);
    struct slice url = mp_get_bin(r, sizeof m->attrs->client_url - 1);
    if (mp_reader_error(r) != 0 || id == 0) {
        return NULL;
    }
    struct attrs *a = attrs_of(m, id);
    if (a == NULL) {
        if (m->attrs_n == 2 * LIMIT_PEERS) {
            size_t i = attrs_spare(n);
            memmove(&m->attrs[i], &m->attrs[i + 1], (--m->attrs_n - i) * sizeof *m->attrs);
        }
        m->attrs = mem_grow(m->attrs, &m->attrs_cap, m->attrs_n + 1, sizeof *m->attrs);
        a = &m->attrs[m->attrs_n++];
    }
    a->id = id;
    copy_text(a->name, sizeof a->name, name);
    copy_text(a->client_url, sizeof a->client_url, url);
    a->level = LEVEL_FIRST;
    m->dirty = true;
    return a;
}

static void level_read(struct attrs *a, struct mp_reader *r)
{
    uint64_t level = mp_get_u64(r);
    if (mp_reader_error(r) == 0 && level >= LEVEL_FIRST) {
        a->level = level;
    }
}

void membership_apply_attrs(struct rnode *n, struct slice command)
{
    struct mp_reader r;
    mp_reader_init(&r, command);
    uint32_t fields = mp_get_array(&r, 16);
    if (mp_get_u64(&r) != ATTRS_VERSION) {
        return;
    }
    struct attrs *a = attrs_read(n, &r);
    if (a != NULL && fields > 4) {
        level_read(a, &r);
    }
}

void membership_restore_attrs(struct rnode *n, struct slice bytes)
{
    struct mp_reader r;
    mp_reader_init(&r, bytes);
    n->membership.attrs_n = 0;
    uint32_t count = mp_get_array(&r, 4 * LIMIT_PEERS);
    for (uint32_t i = 0; i < count && mp_reader_error(&r) == 0; i++) {
        mp_get_array(&r, 16);
        attrs_read(n, &r);
    }
    uint32_t pairs = r.at < r.end ? mp_get_array(&r, 4 * LIMIT_PEERS) : 0;
    for (uint32_t i = 0; i < pairs && mp_reader_error(&r) == 0; i++) {
        mp_get_array(&r, 16);
        struct attrs *a = attrs_of(&n->membership, mp_get_u64(&r));
        if (a != NULL) {
            level_read(a, &r);
        } else {
            mp_skip(&r);
        }
    }
    n->membership.dirty = true;
}

static void attrs_write(struct buf *b, uint64_t id, const char *name, const char *url)
{
    mp_put_u64(b, id);
    mp_put_str(b, name);
    mp_put_str(b, url);
}

/* The levels come after what a version before them reads. */
struct value *membership_encode_attrs(const struct rnode *n)
{
    const struct membership *m = &n->membership;
    autobuf b = BUF_INIT;
    mp_put_array(&b, (uint32_t)m->attrs_n);
    for (size_t i = 0; i < m->attrs_n; i++) {
        mp_put_array(&b, 3);
        attrs_write(&b, m->attrs[i].id, m->attrs[i].name, m->attrs[i].client_url);
    }
    mp_put_array(&b, (uint32_t)m->attrs_n);
    for (size_t i = 0; i < m->attrs_n; i++) {
        mp_put_array(&b, 2);
        mp_put_u64(&b, m->attrs[i].id);
        mp_put_u64(&b, m->attrs[i].level);
    }
    return value_new(b.data, b.len);
}

static void on_published(struct rnode_proposal *p, int status)
{
    struct rnode *n = CONTAINER_OF(p, struct rnode, membership.publish);
    n->membership.publishing = false;
    if (status != 0) {
        n->membership.publish_after_ms = loop_now_ms(n->loop) + SWEEP_MS;
        node_sweep(n); /* again, when there is a leader */
    }
}

static uint64_t own_level(const struct rnode *n)
{
    return n->options.level > LEVEL_FIRST ? n->options.level : LEVEL_FIRST;
}

/* Tells the cluster who we are, once there is a leader, if it does not know yet. */
void membership_publish(struct rnode *n)
{
    struct membership *m = &n->membership;
    const char *name = n->options.name;
    const char *url = n->options.client_url;
    if (m->published || m->publishing || driver_leader(n) == 0 || n->closing != CLOSE_NO) {
        return;
    }
    if (loop_now_ms(n->loop) < m->publish_after_ms) {
        node_sweep(n);
        return;
    }
    const struct attrs *a = attrs_of(m, n->id);
    if ((a != NULL && str_eq(a->name, name) && str_eq(a->client_url, url) &&
         a->level == own_level(n)) ||
        (name[0] == '\0' && url[0] == '\0')) {
        m->published = true;
        return;
    }
    autobuf b = BUF_INIT;
    mp_put_array(&b, 5);
    mp_put_u64(&b, ATTRS_VERSION);
    attrs_write(&b, n->id, name, url);
    mp_put_u64(&b, own_level(n));
    m->publishing = true;
    m->publish.done = on_published;
    propose_kind(n, COMMAND_ATTRS, &m->publish, buf_slice(&b), PUBLISH_TIMEOUT_MS);
}

/* --- members and peers --- */

void membership_fill(struct rnode *n, const struct raft_server *s, struct rnode_member *out)
{
    *out = (struct rnode_member){ .id = s->id, .level = LEVEL_FIRST,
                                  .role = s->role == RAFT_VOTER ? RNODE_VOTER : RNODE_LEARNER };
    str_copy(out->peer_address, sizeof out->peer_address, s->address);
    for (size_t i = 0; i < n->options.n_initial; i++) {
        if (n->options.initial[i].id == s->id) {
            str_copy(out->name, sizeof out->name, n->options.initial[i].name);
        }
    }
    const struct attrs *a = attrs_of(&n->membership, s->id);
    if (a != NULL) {
        str_copy(out->name, sizeof out->name, a->name);
        str_copy(out->client_url, sizeof out->client_url, a->client_url);
        out->level = a->level;
    }
}

static const char *wanted_address(const struct rnode *n, uint64_t id)
{
    const struct raft_server *s = configuration_find(&n->core.configuration, id);
    if (s == NULL) {
        s = configuration_find(&n->core.configuration_committed, id);
    }
    if (s != NULL) {
        return s->address;
    }
    /* A new member does not know the cluster yet: whoever it was told about may introduce it. It
     * stays so while it replays configurations that are older than its own addition. */
    bool joining = configuration_find(&n->core.configuration, n->id) == NULL;
    for (size_t i = 0; joining && i < n->options.n_initial; i++) {
        if (n->options.initial[i].id == id) {
            return n->options.initial[i].peer_address;
        }
    }
    return NULL;
}

static void peer_want(struct rnode *n, uint64_t id)
{
    struct membership *m = &n->membership;
    const char *address = wanted_address(n, id);
    if (id == n->id || address == NULL) {
        return;
    }
    transport_peer_set(n->transport, id, address);
    for (size_t i = 0; i < m->peers_n; i++) {
        if (m->peers[i] == id) {
            return;
        }
    }
    m->peers = mem_grow(m->peers, &m->peers_cap, m->peers_n + 1, sizeof *m->peers);
    m->peers[m->peers_n++] = id;
}

static void refresh_peers(struct rnode *n)
{
    struct membership *m = &n->membership;
    const struct raft *core = &n->core;
    for (unsigned i = 0; i < core->configuration.n; i++) {
        peer_want(n, core->configuration.servers[i].id);
    }
    for (unsigned i = 0; i < core->configuration_committed.n; i++) {
        peer_want(n, core->configuration_committed.servers[i].id);
    }
    for (size_t i = 0; i < n->options.n_initial; i++) {
        peer_want(n, n->options.initial[i].id);
    }
    for (size_t i = 0; i < m->peers_n;) {
        if (wanted_address(n, m->peers[i]) != NULL) {
            i++;
            continue;
        }
        transport_peer_remove(n->transport, m->peers[i]);
        m->peers[i] = m->peers[--m->peers_n];
    }
}

/* Of those that run, or have run: a learner that was added and never started holds nobody up. If an
 * older program is started in its place, it cannot read the log anyway. */
static uint64_t least_level(const struct rnode *n)
{
    const struct membership *m = &n->membership;
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < m->members_n; i++) {
        const struct rnode_member *who = &m->members[i];
        bool counts = who->role == RNODE_VOTER || attrs_of(m, who->id) != NULL;
        least = counts && who->level < least ? who->level : least;
    }
    return least == UINT64_MAX ? LEVEL_FIRST : least;
}

void membership_refresh(struct rnode *n)
{
    struct membership *m = &n->membership;
    const struct raft_configuration *conf = &n->core.configuration;
    m->dirty = false;
    m->members_n = 0;
    m->members = mem_realloc(m->members, (conf->n + 1) * sizeof *m->members);
    m->wishes = false;
    for (unsigned i = 0; i < conf->n; i++) {
        membership_fill(n, &conf->servers[i], &m->members[m->members_n++]);
        m->wishes = m->wishes || change_wished(&conf->servers[i]);
    }
    m->level = least_level(n);
    if (n->transport != NULL) {
        refresh_peers(n);
    }
    loop_ready(n->loop, &n->change_ready);
}

const struct rnode_member *rnode_members(const struct rnode *n, size_t *ret_n)
{
    *ret_n = n->membership.members_n;
    return n->membership.members;
}
