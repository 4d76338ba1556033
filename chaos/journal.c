/* A glob a node and look; see journal.h. */
#include "chaos/journal.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

static struct journal_process *find(struct journal *j, const char *dir)
{
    for (size_t i = j->n; i > 0; i--) { /* the newest are asked for most */
        if (str_eq(j->processes[i - 1].dir, dir)) {
            return &j->processes[i - 1];
        }
    }
    return NULL;
}

/* "<root>/pods/<uid>/<container>/<attempt>" -> "<uid>" */
static char *uid_of(const char *dir, const char *root)
{
    const char *uid = dir + strlen(root) + strlen("/pods/");
    const char *end = strchr(uid, '/');
    return end != NULL ? mem_printf("%.*s", (int)(end - uid), uid) : mem_strdup(uid);
}

static void add(struct journal *j, size_t node, const char *pid_file, const char *dir)
{
    int pid = 0;
    long long wall_ms = 0;
    FILE *f = fopen(pid_file, "re");
    bool read = f != NULL && fscanf(f, "%d %lld", &pid, &wall_ms) == 2;
    if (f != NULL) {
        fclose(f);
    }
    if (!read || pid <= 1) {
        return; /* it is being written */
    }
    if (j->n == JOURNAL_PROCESSES_MAX) {
        j->overflow = true;
        return;
    }
    int64_t now_us = (int64_t)loop_now_us(j->loop);
    int64_t ago_ms = loop_wall_ms(j->loop) - wall_ms;
    j->processes = mem_grow(j->processes, &j->cap, j->n + 1, sizeof *j->processes);
    j->processes[j->n++] = (struct journal_process){
        .dir = mem_strdup(dir), .uid = uid_of(dir, j->target->node_roots[node]), .node = node,
        .pid = pid, .start_us = now_us - ago_ms * 1000, .stop_us = INT64_MAX,
    };
}

static void look_at_node(struct journal *j, size_t node)
{
    glob_t files;
    autofree char *pattern = mem_printf("%s/pods/*/*/*/pid", j->target->node_roots[node]);
    if (glob(pattern, GLOB_NOSORT, NULL, &files) != 0) {
        return;
    }
    for (size_t i = 0; i < files.gl_pathc; i++) {
        const char *path = files.gl_pathv[i];
        autofree char *dir = mem_printf("%.*s", (int)(strlen(path) - strlen("/pid")), path);
        if (find(j, dir) == NULL) {
            add(j, node, path, dir);
        }
    }
    globfree(&files);
}

static void look_for_ends(struct journal *j)
{
    for (size_t i = 0; i < j->n; i++) {
        struct journal_process *p = &j->processes[i];
        if (p->stop_us != INT64_MAX) {
            continue;
        }
        autofree char *exit_file = mem_printf("%s/exit", p->dir);
        if (!target_pid_lives(p->pid) || access(exit_file, F_OK) == 0) {
            p->stop_us = (int64_t)loop_now_us(j->loop);
        }
    }
}

/* --- contact ---------------------------------------------------------------------------------- */

static bool quorum_serves(const struct journal *j)
{
    size_t serve = 0;
    for (size_t i = 0; i < j->target->n_members; i++) {
        serve += sight_serves(j->sight, i, 0);
    }
    return serve > j->target->n_members / 2;
}

static void note_contact(struct journal *j, size_t node, bool has, int64_t now_us)
{
    if (j->open[node] != 0) {
        j->contacts[j->open[node] - 1].to_us = now_us;
        j->open[node] = has ? j->open[node] : 0;
    } else if (has && j->n_contacts == JOURNAL_CONTACTS_MAX) {
        j->overflow = true;
    } else if (has) {
        j->contacts = mem_grow(j->contacts, &j->cap_contacts, j->n_contacts + 1,
                               sizeof *j->contacts);
        j->contacts[j->n_contacts++] =
            (struct check_contact){ j->target->nodes[node], now_us, now_us };
        j->open[node] = j->n_contacts;
    }
}

static void look(struct journal *j)
{
    int64_t now_us = (int64_t)loop_now_us(j->loop);
    bool quorum = quorum_serves(j);
    for (size_t k = 0; k < j->target->n_nodes; k++) {
        look_at_node(j, k);
        note_contact(j, k, quorum && j->target->ops->runs(j->target, TARGET_NODE, k), now_us);
    }
    look_for_ends(j);
}

static void on_timer(struct timer *t)
{
    look(CONTAINER_OF(t, struct journal, timer));
    timer_start(t, JOURNAL_MS);
}

/* --- life ------------------------------------------------------------------------------------- */

void journal_start(struct journal *j, struct loop *loop, struct target *t, const struct sight *s)
{
    memset(j, 0, sizeof *j);
    j->loop = loop;
    j->target = t;
    j->sight = s;
    timer_init(loop, &j->timer, on_timer);
    timer_start(&j->timer, JOURNAL_MS);
}

void journal_stop(struct journal *j)
{
    if (j->loop != NULL && timer_active(&j->timer)) {
        timer_stop(&j->timer);
        look(j);
    }
}

struct check_process *journal_processes(const struct journal *j)
{
    struct check_process *list = mem_zalloc((j->n + 1) * sizeof *list);
    for (size_t i = 0; i < j->n; i++) {
        const struct journal_process *p = &j->processes[i];
        list[i] = (struct check_process){ .node = j->target->nodes[p->node], .pod_uid = p->uid,
                                          .pod = p->uid, .start_us = p->start_us,
                                          .stop_us = p->stop_us };
    }
    return list;
}

void journal_free(struct journal *j)
{
    for (size_t i = 0; i < j->n; i++) {
        mem_free(j->processes[i].dir);
        mem_free(j->processes[i].uid);
    }
    mem_free(j->processes);
    mem_free(j->contacts);
    memset(j, 0, sizeof *j);
}
