/* An etcd started for the run: given members (target_given.c) that we know all about, and a member
 * more while the membership changes. It is kept in the place after the last member. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cmd/chaos/given.h"
#include "cmd/chaos/netns.h"
#include "cmd/demo/cluster.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "lib/io/file.h"

enum { WORDS_MAX = 24 };

/* The command of member i; `joins`: the others run already. */
static char **words_of(struct given *g, size_t i, bool joins)
{
    struct arena *a = &g->arena;
    const struct demo_cluster *c = g->cluster;
    const struct demo_process *p = &c->masters[i];
    char **words = arena_zalloc(a, WORDS_MAX * sizeof *words);
    struct utsname machine;
    size_t n = 0;
    autobuf initial = BUF_INIT;
    for (size_t k = 0; k < c->n_masters; k++) {
        buf_printf(&initial, "%s%s=http://%s:%d", k > 0 ? "," : "", c->masters[k].name,
                   demo_process_host(&c->masters[k]), c->masters[k].peer_port);
    }
    const char *host = demo_process_host(p);
    uname(&machine);
    words[n++] = arena_strdup(a, "/usr/bin/env");
    words[n++] = arena_printf(a, "ETCD_UNSUPPORTED_ARCH=%s",
                              str_eq(machine.machine, "aarch64") ? "arm64" : machine.machine);
    words[n++] = arena_strdup(a, g->program);
    words[n++] = arena_strdup(a, "--logger=zap");
    words[n++] = arena_printf(a, "--name=%s", p->name);
    words[n++] = arena_printf(a, "--data-dir=%s/%s", c->dir, p->name);
    words[n++] = arena_printf(a, "--listen-client-urls=http://%s:%d", host, p->client_port);
    words[n++] = arena_printf(a, "--advertise-client-urls=http://%s:%d", host, p->client_port);
    words[n++] = arena_printf(a, "--listen-peer-urls=http://%s:%d", host, p->peer_port);
    words[n++] = arena_printf(a, "--initial-advertise-peer-urls=http://%s:%d", host, p->peer_port);
    words[n++] = arena_printf(a, "--initial-cluster=%s", buf_str(&initial));
    words[n++] = arena_strdup(a, "--initial-cluster-token=barque-chaos");
    words[n++] = arena_printf(a, "--initial-cluster-state=%s", joins ? "existing" : "new");
    PRE(n < WORDS_MAX);
    return words;
}

static void place(struct target *t, struct given *g, size_t i, bool joins)
{
    struct target_member *m = &t->members[i];
    struct demo_cluster *c = g->cluster;
    const struct demo_process *p = &c->masters[i];
    if (g->net != NULL) {
        netns_place(g->net, c, i);
    }
    str_copy(m->name, sizeof m->name, c->masters[i].name);
    str_copy(m->endpoint, sizeof m->endpoint, c->endpoints[i]);
    snprintf(m->peer, sizeof m->peer, "%s:%d", demo_process_host(p), p->peer_port);
    snprintf(m->data, sizeof m->data, "%s/%s", c->dir, c->masters[i].name);
    snprintf(m->log, sizeof m->log, "%s/%s.log", c->dir, c->masters[i].name);
    g->members[i] = (struct given_member){ .start = words_of(g, i, joins), .netns = p->netns };
}

/* --- one member more -------------------------------------------------------------------------- */

static int grow(struct target *t, char *ret_peer_url, size_t size, struct err *err)
{
    struct given *g = t->arg;
    struct demo_process *p;
    int rv = demo_cluster_grow(g->cluster, &p, err);
    if (rv == 0) {
        place(t, g, t->n_members, true);
        snprintf(ret_peer_url, size, "http://%s:%d", demo_process_host(p), p->peer_port);
    }
    return rv;
}

static int join(struct target *t, struct err *err)
{
    return given_ops.start(t, TARGET_MEMBER, t->n_members, err);
}

static void shrink(struct target *t)
{
    struct given *g = t->arg;
    const struct target_member *m = &t->members[t->n_members];
    given_ops.kill(t, TARGET_MEMBER, t->n_members);
    demo_cluster_shrink(g->cluster);
    fs_remove_tree(loop_fs(g->loop), m->data, NULL);
    unlink(m->log);
}

static int cut(struct target *t, size_t i, const char *script, struct err *err)
{
    struct given *g = t->arg;
    return netns_cut(g->net, i, script, err);
}

/* --- the target ------------------------------------------------------------------------------- */

/* Its files, names, ports, and where members run. A membership change needs a place more. */
static int prepare(struct given *g, size_t n, bool in_netns, struct err *err)
{
    g->cluster = arena_zalloc(&g->arena, sizeof *g->cluster);
    int rv = in_netns ? netns_new(n < DEMO_MASTERS_MAX ? n + 1 : n, &g->net, err) : 0;
    rv = rv != 0 ? rv : own_dir(g->dir, sizeof g->dir, err);
    rv = rv != 0 ? rv : demo_cluster_new(g->dir, n, 0, g->cluster, err);
    for (size_t i = 0; in_netns && rv == 0 && i < n; i++) { /* each tells all others' addresses */
        netns_place(g->net, g->cluster, i);
    }
    return rv;
}

int target_etcd(struct loop *loop, const char *program, size_t n, bool in_netns,
                struct target *ret_target, struct err *err)
{
    if (strchr(program, '/') != NULL && access(program, X_OK) != 0) {
        return err_set(err, E_NOTFOUND, "%s is no program. Next: --start-etcd etcd looks in PATH",
                       program);
    }
    struct given *g = given_new(ret_target);
    struct target *t = ret_target;
    int rv = prepare(g, n, in_netns, err);
    if (rv != 0) {
        given_ops.free(t);
        return rv;
    }
    g->loop = loop;
    g->program = program;
    g->ops = given_ops;
    g->ops.grow = grow;
    g->ops.join = join;
    g->ops.shrink = shrink;
    g->ops.cut = cut;
    t->ops = &g->ops;
    t->own = true;
    str_copy(t->dir, sizeof t->dir, g->dir);
    t->server = "etcd";
    t->n_members = n;
    t->cuts = in_netns;
    snprintf(t->text, sizeof t->text, "an etcd of its own: %zu members%s", n,
             in_netns ? ", links cut by nftables" : "");
    for (size_t i = 0; i < n; i++) {
        place(t, g, i, false);
    }
    given_find_lacks(t, g);
    t->why_not[NEED_MEMBERSHIP] = n < TARGET_MEMBERS_MAX ? NULL : "it has members enough";
    t->why_not[NEED_NODES] = t->why_not[NEED_MASTERS] = "an etcd has no such thing";
    t->why_not[NEED_SHIM] = t->why_not[NEED_DATA] = "only Barque's members read a faults file";
    t->why_not[NEED_LINKS] = in_netns ? NULL : "links of an etcd are cut with --netns only (root)";
    t->why_not[NEED_REJOIN] = "an etcd does not repair damaged data by itself";
    return 0;
}
