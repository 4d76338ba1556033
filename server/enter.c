/* Opening a member, whatever its data directory is like; see the header. */
#include "server/enter.h"

#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/io/file.h"
#include "lib/io/timer.h"
#include "raft/join.h"
#include "raft/quarantine.h"
#include "server/internal.h"
#include "server/peers.h"

enum { WHO_TIMEOUT_MS = 30000, REPLACE_TIMEOUT_MS = 10000, ROOM_AGAIN_MS = 2000 };

struct enter {
    struct server_options o;
    enum join_what what;       /* asked last */
    struct err damage;         /* why the directory cannot be used */
    char moved_to[300];
    void (*done)(void *arg, int status, struct server *server, const struct err *err);
    void *arg;
    struct ready ready;
    struct timer retry; /* when there was no room on the disk */
};

static void finish(struct enter *e, int status, struct server *server, const struct err *err)
{
    void (*done)(void *arg, int status, struct server *server, const struct err *err) = e->done;
    void *arg = e->arg;
    mem_free(e);
    done(arg, status, server, err);
}

/* The address under which the others know us. */
static const char *own_address(const struct server_options *o)
{
    for (size_t i = 0; i < o->n_initial; i++) {
        if (str_eq(o->initial[i].name, o->name)) {
            return o->initial[i].peer_address;
        }
    }
    return o->listen_peer;
}

static void on_replaced(void *arg, int status, const struct join_answer *answer,
                        const struct err *err);

/* Asks the members of the flags, and those that were members when this one last ran. */
static size_t ask(struct enter *e, enum join_what what)
{
    const struct server_options *o = &e->o;
    const char *own = own_address(o);
    struct join_answer *known = mem_zalloc(sizeof *known);
    bool has = server_peers_load(loop_fs(o->loop), o->data_dir, known);
    const char *addresses[2 * LIMIT_PEERS];
    size_t n = 0;
    for (size_t i = 0; i < o->n_initial && i < LIMIT_PEERS; i++) {
        if (!str_eq(o->initial[i].peer_address, own)) {
            addresses[n++] = o->initial[i].peer_address;
        }
    }
    for (size_t i = 0; has && i < known->n_members; i++) {
        if (!str_eq(known->members[i].peer_address, own)) {
            addresses[n++] = known->members[i].peer_address;
        }
    }
    struct join_options j = {
        .loop = o->loop,
        .what = what,
        .cluster_id = has ? known->cluster_id : 0,
        .name = o->name,
        .address = own,
        .ask = addresses,
        .n_ask = n,
        .once = what == JOIN_STARTED,
        .timeout_ms = what == JOIN_WHO ? WHO_TIMEOUT_MS : REPLACE_TIMEOUT_MS,
    };
    e->what = what;
    if (what == JOIN_STARTED) { /* nothing of another cluster at these addresses is meant */
        j.cluster_id = rnode_cluster_id(o->initial, o->n_initial, o->cluster_token);
    }
    if (n > 0) {
        join_start(&j, on_replaced, e);
    }
    mem_free(known);
    return n;
}

/* --- a damaged directory ---------------------------------------------------------------------- */

static void ask_for_replacement(struct enter *e)
{
    struct err err = ERR_INIT;
    autofree char *dir = mem_printf("%s/member", e->o.data_dir);
    if (quarantine_room(loop_fs(e->o.loop), dir, LIMIT_WAL_SEGMENT_BYTES, &err) != 0) {
        log_error("server", "a new start needs room on the disk: waiting for it",
                  "error=\"%s\" next=\"make room, or remove old member.quarantine-N\"", err.msg);
        timer_start(&e->retry, ROOM_AGAIN_MS);
        return;
    }
    if (ask(e, JOIN_REPLACE) == 0) {
        err_set(&err, E_CORRUPT,
                "%s. There are no other members that could replace it. Next: keep "
                "%s for inspection and put a backup of it in its place",
                e->damage.msg, e->o.data_dir);
        finish(e, E_CORRUPT, NULL, &err);
    }
}

static void on_retry(struct timer *timer)
{
    ask_for_replacement(CONTAINER_OF(timer, struct enter, retry));
}

static void quarantine(struct enter *e, const struct err *damage)
{
    e->damage = *damage;
    log_error("server",
              "the data directory is damaged: asking the others to take a new member in "
              "its place",
              "dir=%s damage=\"%s\"", e->o.data_dir, damage->msg);
    ask_for_replacement(e);
}

static void open_member(struct enter *e, const struct join_answer *joined)
{
    struct server *server = NULL;
    struct err err = ERR_INIT;
    e->o.joined = joined;
    int rv = server_open(&e->o, &server, &err);
    e->o.joined = NULL;
    if (rv == E_CORRUPT && e->damage.code == 0) {
        quarantine(e, &err);
        return;
    }
    if (rv == 0 && e->damage.code != 0) {
        log_warn("server", "joined again as a learner; it votes once it has caught up",
                 "id=%016" PRIx64 " old_data=%s next=\"look at old_data, then remove it\"",
                 joined->your_id, e->moved_to[0] != '\0' ? e->moved_to : "none");
    }
    finish(e, rv, server, &err);
}

static void move_and_open(struct enter *e, const struct join_answer *answer)
{
    struct err err = ERR_INIT;
    autofree char *dir = mem_printf("%s/member", e->o.data_dir);
    if (!quarantine_due(loop_fs(e->o.loop), dir)) {
        open_member(e, answer); /* it was moved in an earlier life, or lost */
        return;
    }
    int rv = quarantine_move(loop_fs(e->o.loop), dir, e->moved_to, sizeof e->moved_to, &err);
    if (rv != 0) {
        finish(e, rv, NULL, &err);
        return;
    }
    log_warn("server", "the damaged data directory was moved aside", "from=%s to=%s", dir,
             e->moved_to);
    open_member(e, answer);
}

/* --- what the others say ---------------------------------------------------------------------- */

/* Who was let in begins as a learner without a name, and says its name when it runs. */
static bool has_taken_part(const struct join_answer *answer)
{
    for (size_t i = 0; i < answer->n_members; i++) {
        const struct rnode_member *m = &answer->members[i];
        if (m->id == answer->your_id) {
            return m->role == RNODE_VOTER || m->name[0] != '\0';
        }
    }
    return false;
}

static void disk_was_lost(struct enter *e, uint64_t id)
{
    struct err told = ERR_INIT;
    err_set(&told, E_CORRUPT,
            "it is empty, but this member has taken part in the cluster "
            "before (as %016" PRIx64 "): what it had promised is lost",
            id);
    quarantine(e, &told);
}

static void on_replaced(void *arg, int status, const struct join_answer *answer,
                        const struct err *err)
{
    struct enter *e = arg;
    struct err told = ERR_INIT;
    if (e->what == JOIN_STARTED) {
        if (status != 0) {
            open_member(e, NULL);
        } else {
            disk_was_lost(e, answer->your_id);
        }
        return;
    }
    if (e->what == JOIN_WHO) {
        if (status == 0 && has_taken_part(answer)) {
            disk_was_lost(e, answer->your_id);
            return;
        }
        if (status == 0) {
            open_member(e, answer);
            return;
        }
        err_set(&told, status, "joining: %s. Next: %s", err->msg,
                status == E_MEMBER_NOT_FOUND
                    ? "etcdctl member add NAME --peer-urls=URL at the running cluster"
                    : "check --initial-cluster, and that a majority of the members runs");
        finish(e, status, NULL, &told);
        return;
    }
    if (status == 0) {
        move_and_open(e, answer);
        return;
    }
    log_error("server", "the others cannot take a new member in place of this damaged one yet; "
              "nothing was changed, and they are asked again", "reason=\"%s\" damage=\"%s\"",
              err->msg, e->damage.msg);
    ask_for_replacement(e);
}

/* Without a state, but with one that was moved aside: a new id again, and not the one that the
 * others know for this address. It may have been used since, and what it promised is lost. */
static void begin(struct ready *r)
{
    struct enter *e = CONTAINER_OF(r, struct enter, ready);
    struct fs *fs = loop_fs(e->o.loop);
    autofree char *dir = mem_printf("%s/member", e->o.data_dir);
    autofree char *meta = mem_printf("%s/meta", dir);
    struct err err = ERR_INIT;
    if (fs_exists(fs, meta)) {
        open_member(e, NULL);
        return;
    }
    if (quarantine_any(fs, dir)) {
        err_set(&err, E_CORRUPT,
                "it was moved aside, and this member ended on its way to a new id");
        quarantine(e, &err);
        return;
    }
    if (!e->o.existing) {
        if (!e->o.check_lost || ask(e, JOIN_STARTED) == 0) {
            open_member(e, NULL);
        }
        return;
    }
    log_info("server", "joining a running cluster", "name=%s address=%s", e->o.name,
             own_address(&e->o));
    if (ask(e, JOIN_WHO) == 0) {
        err_set(&err, E_INVAL, "--initial-cluster names no other member to join. Next: name the "
                "running members in it, too");
        finish(e, E_INVAL, NULL, &err);
    }
}

void server_enter(const struct server_options *options,
                  void (*done)(void *arg, int status, struct server *server,
                               const struct err *err),
                  void *arg)
{
    struct enter *e = mem_zalloc(sizeof *e);
    e->o = *options;
    e->done = done;
    e->arg = arg;
    ready_init(&e->ready, begin);
    timer_init(options->loop, &e->retry, on_retry);
    loop_ready(options->loop, &e->ready);
}
