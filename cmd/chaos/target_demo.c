/* A demo's masters and nodes (cmd/demo/cluster.h), somebody's or of this run alone. */
#include "cmd/chaos/targets.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/chaos/netns.h"
#include "cmd/demo/cluster.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "lib/io/file.h"

enum { END_MS = 3000 };

struct demo_target {
    struct demo_cluster cluster;
    struct loop *loop;
    struct demo_process *extra; /* of a membership change; NULL = none */
    struct netns *net;          /* of the masters; NULL = loopback */
};

static struct demo_process *process_of(struct target *t, enum target_part part, size_t i)
{
    struct demo_target *d = t->arg;
    return part == TARGET_MEMBER ? &d->cluster.masters[i] : &d->cluster.agents[i];
}

static bool runs(struct target *t, enum target_part part, size_t i)
{
    struct demo_process *p = process_of(t, part, i);
    /* A child of ours is known by its pid alone: until it has become another program its command
     * line is ours. */
    if (p->pid > 0 && waitpid(p->pid, NULL, WNOHANG) == 0) {
        return true;
    }
    return demo_process_runs(p);
}

static int start(struct target *t, enum target_part part, size_t i, struct err *err)
{
    struct demo_target *d = t->arg;
    return demo_process_start(&d->cluster, process_of(t, part, i), err);
}

static int pause_(struct target *t, size_t i, bool on, struct err *err)
{
    struct demo_process *p = process_of(t, TARGET_MEMBER, i);
    if (!demo_process_runs(p) || kill(p->pid, on ? SIGSTOP : SIGCONT) != 0) {
        return err_set(err, E_NOTFOUND, "%s does not run", p->name);
    }
    return 0;
}

/* demo_process_kill waits for children; one that somebody else started is gone a moment later. */
static void kill_(struct target *t, enum target_part part, size_t i)
{
    struct demo_target *d = t->arg;
    struct demo_process *p = process_of(t, part, i);
    struct demo_process was = *p;
    demo_process_kill(&d->cluster, p);
    for (int k = 0; k < END_MS && demo_process_runs(&was); k++) {
        poll(NULL, 0, 1);
    }
}

static int open_(struct target *t, struct err *err)
{
    struct demo_target *d = t->arg;
    int rv = 0;
    for (size_t i = 0; t->own && rv == 0 && i < t->n_members; i++) {
        rv = demo_process_start(&d->cluster, &d->cluster.masters[i], err);
    }
    for (size_t i = 0; t->own && rv == 0 && i < t->n_nodes; i++) {
        rv = demo_process_start(&d->cluster, &d->cluster.agents[i], err);
    }
    return rv;
}

static void close_(struct target *t, bool keep)
{
    struct demo_target *d = t->arg;
    if (!t->own) {
        return;
    }
    for (size_t i = 0; i < d->cluster.n_agents; i++) { /* nobody needs it any more: not politely */
        demo_process_kill(&d->cluster, &d->cluster.agents[i]);
    }
    for (size_t i = 0; i < d->cluster.n_masters; i++) {
        demo_process_kill(&d->cluster, &d->cluster.masters[i]);
    }
    struct fs *fs = loop_fs(d->loop);
    for (int i = 0; !keep && i < 40 && fs_exists(fs, d->cluster.dir); i++) {
        if (fs_remove_tree(fs, d->cluster.dir, NULL) != 0) {
            poll(NULL, 0, 50); /* shims whose program was just killed still write its exit */
        }
    }
}

static int grow(struct target *t, char *ret_peer_url, size_t size, struct err *err)
{
    struct demo_target *d = t->arg;
    int rv = demo_cluster_grow(&d->cluster, &d->extra, err);
    if (rv == 0) {
        if (d->net != NULL) {
            netns_place(d->net, &d->cluster, d->cluster.n_masters - 1);
        }
        snprintf(ret_peer_url, size, "http://%s:%d", demo_process_host(d->extra),
                 d->extra->peer_port);
    }
    return rv;
}

static int join(struct target *t, struct err *err)
{
    struct demo_target *d = t->arg;
    return demo_process_start(&d->cluster, d->extra, err);
}

static void shrink(struct target *t)
{
    struct demo_target *d = t->arg;
    autofree char *data = mem_printf("%s/%s", d->cluster.dir, d->extra->name);
    autofree char *log = mem_printf("%s/%s.log", d->cluster.dir, d->extra->name);
    demo_process_kill(&d->cluster, d->extra);
    demo_cluster_shrink(&d->cluster);
    demo_cluster_save(&d->cluster, NULL);
    fs_remove_tree(loop_fs(d->loop), data, NULL);
    unlink(log);
    d->extra = NULL;
}

static int cut(struct target *t, size_t i, const char *script, struct err *err)
{
    struct demo_target *d = t->arg;
    return netns_cut(d->net, i, script, err);
}

static void free_(struct target *t)
{
    struct demo_target *d = TAKE(t->arg);
    if (t->own) {
        rmdir(t->dir); /* nothing was started: a plan alone */
    }
    netns_free(d->net);
    mem_free(d);
}

static const struct target_ops ops = { open_, close_, runs, start,  pause_, kill_,
                                       grow,  join,   shrink, cut, free_ };

static void fill(struct target *t, struct demo_target *d, bool own)
{
    const struct demo_cluster *c = &d->cluster;
    memset(t, 0, sizeof *t);
    t->arg = d;
    t->ops = &ops;
    t->own = own;
    t->cuts = d->net != NULL;
    str_copy(t->dir, sizeof t->dir, c->dir);
    t->server = "Barque, etcd API";
    t->n_members = c->n_masters < TARGET_MEMBERS_MAX ? c->n_masters : TARGET_MEMBERS_MAX;
    t->n_nodes = c->n_agents < TARGET_NODES_MAX ? c->n_agents : TARGET_NODES_MAX;
    snprintf(t->text, sizeof t->text, "%s: %zu masters, %zu nodes%s",
             t->own ? "a cluster of its own" : "demo cluster", t->n_members, t->n_nodes,
             t->cuts ? ", links cut by nftables" : "");
    for (size_t i = 0; i < t->n_members; i++) {
        struct target_member *m = &t->members[i];
        str_copy(m->name, sizeof m->name, c->masters[i].name);
        str_copy(m->endpoint, sizeof m->endpoint, c->endpoints[i]);
        snprintf(m->peer, sizeof m->peer, "%s:%d", demo_process_host(&c->masters[i]),
                 c->masters[i].peer_port);
        snprintf(m->faults, sizeof m->faults, "%s/%s.faults", c->dir, m->name);
        snprintf(m->data, sizeof m->data, "%s/%s", c->dir, m->name);
        snprintf(m->log, sizeof m->log, "%s/%s.log", c->dir, m->name);
    }
    for (size_t i = 0; i < t->n_nodes; i++) {
        str_copy(t->nodes[i], sizeof t->nodes[i], c->agents[i].name);
        snprintf(t->node_roots[i], sizeof t->node_roots[i], "%s/%s", c->dir, c->agents[i].name);
    }
    t->why_not[NEED_NODES] = t->n_nodes > 0 ? NULL : "this cluster has no nodes";
    t->why_not[NEED_MEMBERSHIP] =
        t->n_members < DEMO_MASTERS_MAX ? NULL : "it has as many masters as a demo can have";
    t->why_not[NEED_REJOIN] = t->n_members > 1 ? NULL : "a single member has nobody to join again";
}

int target_demo(struct loop *loop, const char *dir, struct target *ret_target, struct err *err)
{
    struct demo_target *d = mem_zalloc(sizeof *d);
    d->loop = loop;
    int rv = demo_cluster_load(dir, &d->cluster, err);
    if (rv == 0 && d->cluster.n_masters == 0) {
        rv = err_set(err, E_NOTFOUND, "the demo in %s has no masters", dir);
    }
    if (rv != 0) {
        mem_free(d);
        return rv;
    }
    fill(ret_target, d, false);
    return 0;
}

int own_dir(char *ret_dir, size_t size, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(ret_dir, size, "%s/barque-chaos-XXXXXX", tmp != NULL ? tmp : "/tmp");
    return mkdtemp(ret_dir) != NULL ? 0 : err_errno(err, errno, "create %s", ret_dir);
}

/* A membership change needs a place more. */
static size_t places(size_t masters)
{
    return masters < DEMO_MASTERS_MAX ? masters + 1 : masters;
}

int target_own(struct loop *loop, size_t masters, size_t nodes, bool in_netns,
               struct target *ret_target, struct err *err)
{
    char dir[200];
    struct demo_target *d = mem_zalloc(sizeof *d);
    d->loop = loop;
    int rv = in_netns ? netns_new(places(masters), &d->net, err) : 0;
    rv = rv != 0 ? rv : own_dir(dir, sizeof dir, err);
    rv = rv != 0 ? rv : demo_cluster_new(dir, masters, nodes, &d->cluster, err);
    if (rv != 0) {
        netns_free(d->net);
        mem_free(d);
        return rv;
    }
    for (size_t i = 0; in_netns && i < masters; i++) {
        netns_place(d->net, &d->cluster, i);
    }
    fill(ret_target, d, true);
    return 0;
}
