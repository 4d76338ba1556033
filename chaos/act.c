/* The hands of each fault: what is done to processes, faults files and data, and how it is undone.
 *
 * Links, disks and clocks are hurt through the members' faults files (docs/faults.md): the file is
 * always the sum of all that hurts now, written beside and renamed over. Links of members in
 * network namespaces are cut by the target instead (cut.c says what). Damage to data is done to a
 * dead member, by `store --unsafe-damage` of this same program. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chaos/nemesis.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "lib/io/process.h"

enum { TRACK_MS = 800 };

static bool hits(const struct injury *i, size_t member)
{
    return (i->members >> member & 1) != 0;
}

/* --- faults files ----------------------------------------------------------------------------- */

static void both_ways(struct buf *out, const char *name, const char *what)
{
    buf_printf(out, "link %s>* %s\nlink *>%s %s\n", name, what, name, what);
}

/* What one injury adds to the rules of `member`. */
static void add_rules(const struct injury *i, size_t member, struct buf *out)
{
    const struct target *t = i->nemesis->o.target;
    int64_t amount = i->step->amount;
    const char *victim = i->members != 0 ? t->members[__builtin_ctzll(i->members)].name : "*";
    char what[64];
    switch (i->step->kind) {
    case FAULT_PARTITION:
        both_ways(out, victim, "cut");
        break;
    case FAULT_PARTIAL:
        buf_printf(out, "link %s>%s cut\nlink %s>%s cut\n", victim, t->members[i->other].name,
                   t->members[i->other].name, victim);
        break;
    case FAULT_ONE_WAY:
        buf_printf(out, amount != 0 ? "link %s>* drop=1\n" : "link *>%s drop=1\n", victim);
        break;
    case FAULT_DELAY:
        snprintf(what, sizeof what, "delay_ms=%" PRId64 "..%" PRId64, amount / 2, amount);
        both_ways(out, victim, what);
        break;
    case FAULT_LOSS:
        snprintf(what, sizeof what, "drop=%.2f duplicate=%.2f reorder=%.2f", (double)amount / 100,
                 (double)amount / 200, (double)amount / 200);
        both_ways(out, victim, what);
        break;
    case FAULT_SHATTER:
        buf_append_str(out, "link *>* cut\n");
        break;
    case FAULT_SLOW_DISK:
        buf_printf(out, hits(i, member) ? "disk sync_ms=%" PRId64 "..%" PRId64 "\n" : "",
                   amount / 2, amount);
        break;
    case FAULT_FULL_DISK:
        buf_append_str(out, hits(i, member) ? "disk full\n" : "");
        break;
    case FAULT_CLOCK:
        buf_printf(out, hits(i, member) ? "clock wall_ms=%+" PRId64 "\n" : "", amount * 1000);
        break;
    case FAULT_TORN:
        buf_append_str(out, hits(i, member) ? "disk track_unsynced\n" : "");
        break;
    default:
        break;
    }
}

void nemesis_rules(const struct nemesis *n, size_t member, struct buf *out)
{
    buf_printf(out, "seed %" PRIu64 "\n", n->o.plan->options.seed);
    for (size_t i = 0; i < n->n; i++) {
        const struct injury *one = &n->injuries[i];
        if (one->state == INJURY_HURT &&
            !(n->o.target->cuts && nemesis_cuts_link(one->step->kind))) {
            add_rules(one, member, out);
        }
    }
}

static int write_rules(const char *path, struct slice text, struct err *err)
{
    autofree char *temporary = mem_printf("%s.new", path);
    FILE *f = fopen(temporary, "we");
    bool written = f != NULL && fwrite(text.data, 1, text.len, f) == text.len;
    bool closed = f != NULL && fclose(f) == 0;
    if (!written || !closed || rename(temporary, path) != 0) {
        return err_errno(err, errno, "write %s", path);
    }
    return 0;
}

static int cut_links(struct nemesis *n, size_t member, struct err *err)
{
    struct target *t = n->o.target;
    autobuf script = BUF_INIT;
    if (!t->cuts) {
        return 0;
    }
    nemesis_cuts(n, member, &script);
    return t->ops->cut(t, member, buf_str(&script), err);
}

/* All members' files say what hurts now, and their links are cut accordingly. */
static int tell_all(struct nemesis *n, struct err *err)
{
    int rv = 0;
    for (size_t m = 0; m < n->o.target->n_members; m++) {
        const char *path = n->o.target->members[m].faults;
        autobuf text = BUF_INIT;
        nemesis_rules(n, m, &text);
        int one = path[0] != '\0' ? write_rules(path, buf_slice(&text), err) : 0;
        rv = rv == 0 ? one : rv;
        one = cut_links(n, m, err);
        rv = rv == 0 ? one : rv;
    }
    return rv;
}

/* --- processes -------------------------------------------------------------------------------- */

static int pause_all(const struct injury *i, bool on, struct err *err)
{
    struct target *t = i->nemesis->o.target;
    int rv = 0;
    for (size_t m = 0; m < t->n_members; m++) {
        int one = hits(i, m) ? t->ops->pause(t, m, on, err) : 0;
        rv = rv == 0 ? one : rv;
    }
    return rv;
}

static void kill_all(const struct injury *i)
{
    struct target *t = i->nemesis->o.target;
    for (size_t m = 0; m < t->n_members; m++) {
        if (hits(i, m)) {
            t->ops->kill(t, TARGET_MEMBER, m);
        }
    }
}

static int start_all(const struct injury *i, struct err *err)
{
    struct target *t = i->nemesis->o.target;
    int rv = 0;
    for (size_t m = 0; m < t->n_members; m++) {
        if (hits(i, m) && !t->ops->runs(t, TARGET_MEMBER, m)) {
            int one = t->ops->start(t, TARGET_MEMBER, m, err);
            rv = rv == 0 ? one : rv;
        }
    }
    return rv;
}

/* --- damage ----------------------------------------------------------------------------------- */

static void on_damaged(void *arg, struct process *p, int exit_code, int signal_)
{
    struct injury *i = arg;
    i->damaging = false;
    i->damager = NULL;
    process_release(p);
    if (exit_code != 0 || signal_ != 0) {
        chaos_report_add_error(i->nemesis->o.report, "data could not be damaged", 1);
    }
}

/* The member is dead now: a program of ours damages its data; nothing waits for it but the heal. */
static void damage(struct injury *i)
{
    struct nemesis *n = i->nemesis;
    const struct target_member *m = &n->o.target->members[__builtin_ctzll(i->members)];
    autofree char *what = mem_printf("%s:%" PRIu64, i->step->kind == FAULT_TORN ? "torn" : "flip",
                                     (uint64_t)i->step->pick);
    const char *argv[] = { "barque", "store",           "--unsafe-damage", what, "--data-dir",
                           m->data,  "--unsafe-faults", m->faults,         NULL };
    struct process_options o = { .path = n->o.program,
                                 .argv = argv,
                                 .stdout_fd = -1,
                                 .stderr_fd = -1,
                                 .on_exit = on_damaged,
                                 .arg = i };
    struct err err = ERR_INIT;
    i->damaging = process_spawn(n->o.loop, &o, &i->damager, &err) == 0;
    if (!i->damaging) {
        chaos_report_add_error(n->o.report, err.msg, 1);
    }
}

static void on_tracked(struct timer *t)
{
    struct injury *i = CONTAINER_OF(t, struct injury, timer);
    i->tracked = true;
    kill_all(i);
    damage(i);
}

/* --- the two doors ---------------------------------------------------------------------------- */

int injury_act(struct injury *i, struct err *err)
{
    struct target *t = i->nemesis->o.target;
    switch (i->step->kind) {
    case FAULT_PAUSE:
    case FAULT_PAUSE_MOST:
        return pause_all(i, true, err);
    case FAULT_KILL:
    case FAULT_KILL_ALL:
    case FAULT_CONTROLLERS:
    case FAULT_SCHEDULER:
        kill_all(i);
        return 0;
    case FAULT_CORRUPT:
        kill_all(i);
        damage(i);
        return 0;
    case FAULT_TORN:
        timer_init(i->nemesis->o.loop, &i->timer, on_tracked);
        timer_start(&i->timer, TRACK_MS);
        return tell_all(i->nemesis, err);
    case FAULT_MEMBERSHIP:
        return grow_start(&i->nemesis->grow, i->nemesis->o.ops, i->nemesis->o.sight, err);
    case FAULT_NODE:
        t->ops->kill(t, TARGET_NODE, (size_t)i->node);
        return 0;
    default:
        return tell_all(i->nemesis, err);
    }
}

int injury_heal(struct injury *i, struct err *err)
{
    struct target *t = i->nemesis->o.target;
    timer_stop(&i->timer);
    if (i->damaging) {
        return err_set(err, E_NOTREADY, "its data is being damaged still");
    }
    int rv = tell_all(i->nemesis, err);
    if (i->step->kind == FAULT_MEMBERSHIP) {
        grow_leave(&i->nemesis->grow);
        return i->nemesis->grow.step == GROW_GONE
                   ? rv
                   : err_set(err, E_NOTREADY, "the new member is being removed still");
    }
    if (i->step->kind == FAULT_PAUSE || i->step->kind == FAULT_PAUSE_MOST) {
        pause_all(i, false, NULL); /* it may have ended */
    }
    if (i->step->kind == FAULT_NODE) {
        return t->ops->runs(t, TARGET_NODE, (size_t)i->node)
                   ? 0
                   : t->ops->start(t, TARGET_NODE, (size_t)i->node, err);
    }
    if (t->why_not[NEED_RESTART] == NULL) {
        int started = start_all(i, err);
        rv = rv == 0 ? started : rv;
    }
    return rv;
}

/* In ticks since the machine started (proc(5): the 22nd field); 0: it does not live. */
static unsigned long long started_at(pid_t pid)
{
    char path[40], line[512] = "";
    unsigned long long at = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = pid > 1 ? fopen(path, "re") : NULL;
    if (f == NULL) {
        return 0;
    }
    char *got = fgets(line, sizeof line, f);
    fclose(f);
    const char *state = got != NULL ? strrchr(line, ')') : NULL; /* a name may hold anything */
    if (state == NULL || state[1] != ' ' || state[2] == 'Z' || state[2] == 'X' ||
        sscanf(state + 3, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                          "%*s %llu", &at) != 1) {
        return 0;
    }
    return at;
}

bool target_pid_lives(pid_t pid)
{
    return started_at(pid) != 0;
}

bool target_pid_is(pid_t pid, unsigned long long *started)
{
    unsigned long long at = started_at(pid);
    *started = *started == 0 ? at : *started;
    return at != 0 && at == *started;
}

int target_heal(struct target *t, struct err *err)
{
    int rv = 0;
    for (size_t m = 0; m < t->n_members; m++) {
        int one = t->members[m].faults[0] != '\0'
                      ? write_rules(t->members[m].faults, slice_str("# healed\n"), err)
                      : 0;
        int uncut = t->cuts ? t->ops->cut(t, m, TARGET_UNCUT, err) : 0;
        one = one == 0 ? uncut : one;
        if (t->why_not[NEED_SIGNAL] == NULL && t->ops->runs(t, TARGET_MEMBER, m)) {
            int paused = t->ops->pause(t, m, false, err);
            one = one == 0 ? paused : one;
        } else if (t->why_not[NEED_RESTART] == NULL) {
            int started = t->ops->start(t, TARGET_MEMBER, m, err);
            one = one == 0 ? started : one;
        }
        rv = rv == 0 ? one : rv;
    }
    for (size_t k = 0; k < t->n_nodes; k++) {
        if (t->why_not[NEED_NODES] == NULL && !t->ops->runs(t, TARGET_NODE, k)) {
            int one = t->ops->start(t, TARGET_NODE, k, err);
            rv = rv == 0 ? one : rv;
        }
    }
    return rv;
}
