/* Where given members come from: a file or a list of endpoints.
 *
 *   members:
 *   - name: m1
 *     endpoint: 127.0.0.1:2379        # required; the rest is what can be done to it
 *     pid_file: /run/m1.pid           # or pid: 4211; or commands: kill, pause, resume
 *     start: [etcd, --name, m1, ...]
 *     data: /var/lib/m1               # a local data directory
 *     faults: /run/m1.faults          # given to the member as --unsafe-faults (Barque only)
 *     log: /var/log/m1.log
 */
#include <stdio.h>
#include <string.h>

#include "cmd/chaos/given.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "lib/codec/yaml.h"

enum { FILE_MAX = 256 * 1024, WORDS_MAX = 64 };

struct given *given_new(struct target *ret_target)
{
    struct given *g = mem_zalloc(sizeof *g);
    arena_init(&g->arena);
    memset(ret_target, 0, sizeof *ret_target);
    ret_target->arg = g;
    ret_target->ops = &given_ops;
    ret_target->server = "";
    ret_target->why_not[NEED_NODES] = "its nodes are not known";
    ret_target->why_not[NEED_MASTERS] = "where its controllers run is not known";
    ret_target->why_not[NEED_MEMBERSHIP] = "this version cannot change the members of such a "
                                           "cluster";
    ret_target->why_not[NEED_REJOIN] = "its members do not say that they repair themselves";
    return g;
}

/* --- what is possible ------------------------------------------------------------------------- */

static void lack(struct target *t, enum fault_need need, bool has, const char *why)
{
    if (!has) {
        t->why_not[need] = why;
    }
}

void given_find_lacks(struct target *t, const struct given *g)
{
    for (size_t i = 0; i < t->n_members; i++) {
        const struct given_member *m = &g->members[i];
        bool pid = m->pid > 0 || m->pid_file != NULL || t->own;
        bool commands = m->kill != NULL && m->pause != NULL && m->resume != NULL;
        lack(t, NEED_SIGNAL, pid || commands,
             "not every member's pid, pid_file or commands (kill, "
             "pause, resume) are given");
        lack(t, NEED_RESTART, m->start != NULL, "not every member's start command is given");
        lack(t, NEED_SHIM, t->members[i].faults[0] != '\0',
             "not every member's faults file is "
             "given");
        lack(t, NEED_LINKS, t->members[i].faults[0] != '\0',
             "not every member's faults file is given");
        lack(t, NEED_DATA, t->members[i].data[0] != '\0' && t->members[i].faults[0] != '\0',
             "not every member's data directory and faults file are given");
    }
}

/* --- the file --------------------------------------------------------------------------------- */

static int text_of(const struct yaml_node *m, const char *key, char *into, size_t size,
                   struct err *err)
{
    const struct yaml_node *v = yaml_get(m, key);
    if (v == NULL) {
        return 0;
    }
    if (v->type != YAML_SCALAR || !str_copy(into, size, v->text)) {
        return yaml_err(err, E_INVAL, v, "%s must be a text of less than %zu bytes", key, size);
    }
    return 0;
}

static int words_of(struct arena *a, const struct yaml_node *m, const char *key, char ***ret_words,
                    struct err *err)
{
    const struct yaml_node *v = yaml_get(m, key);
    if (v == NULL) {
        return 0;
    }
    if (v->type != YAML_SEQUENCE || v->n == 0 || v->n > WORDS_MAX) {
        return yaml_err(err, E_INVAL, v,
                        "%s must be a list of 1..%d words, the program first "
                        "(there is no shell)",
                        key, WORDS_MAX);
    }
    char **words = arena_zalloc(a, (v->n + 1) * sizeof *words);
    for (size_t i = 0; i < v->n; i++) {
        if (v->items[i]->type != YAML_SCALAR) {
            return yaml_err(err, E_INVAL, v->items[i], "%s must be a list of words", key);
        }
        words[i] = arena_strdup(a, v->items[i]->text);
    }
    *ret_words = words;
    return 0;
}

static int known_keys(const struct yaml_node *m, struct err *err)
{
    static const char *const keys[] = { "name", "endpoint", "peer",   "pid",  "pid_file", "start",
                                        "kill", "pause",    "resume", "data", "faults",   "log" };
    for (size_t i = 0; i < m->n; i++) {
        bool known = false;
        for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
            known = known || str_eq(m->keys[i]->text, keys[k]);
        }
        if (!known) {
            const char *near = str_nearest(m->keys[i]->text, keys, ARRAY_LEN(keys));
            return yaml_err(err, E_INVAL, m->keys[i], "a member has no field \"%.40s\"%s%s%s",
                            m->keys[i]->text, near != NULL ? " (did you mean " : "",
                            near != NULL ? near : "", near != NULL ? "?)" : "");
        }
    }
    return 0;
}

static int member_of(struct given *g, struct target *t, const struct yaml_node *node,
                     struct err *err)
{
    struct target_member *m = &t->members[t->n_members];
    struct given_member *o = &g->members[t->n_members];
    char pid[24] = "", pid_file[TARGET_PATH_BYTES] = "";
    int64_t n = 0;
    if (node->type != YAML_MAPPING) {
        return yaml_err(err, E_INVAL, node, "a member must be a mapping");
    }
    snprintf(m->name, sizeof m->name, "member%zu", t->n_members + 1);
    int rv = known_keys(node, err);
    rv = rv != 0 ? rv : text_of(node, "name", m->name, sizeof m->name, err);
    rv = rv != 0 ? rv : text_of(node, "endpoint", m->endpoint, sizeof m->endpoint, err);
    rv = rv != 0 ? rv : text_of(node, "peer", m->peer, sizeof m->peer, err);
    rv = rv != 0 ? rv : text_of(node, "data", m->data, sizeof m->data, err);
    rv = rv != 0 ? rv : text_of(node, "faults", m->faults, sizeof m->faults, err);
    rv = rv != 0 ? rv : text_of(node, "log", m->log, sizeof m->log, err);
    rv = rv != 0 ? rv : text_of(node, "pid", pid, sizeof pid, err);
    rv = rv != 0 ? rv : text_of(node, "pid_file", pid_file, sizeof pid_file, err);
    rv = rv != 0 ? rv : words_of(&g->arena, node, "start", &o->start, err);
    rv = rv != 0 ? rv : words_of(&g->arena, node, "kill", &o->kill, err);
    rv = rv != 0 ? rv : words_of(&g->arena, node, "pause", &o->pause, err);
    rv = rv != 0 ? rv : words_of(&g->arena, node, "resume", &o->resume, err);
    if (rv == 0 && m->endpoint[0] == '\0') {
        rv = yaml_err(err, E_INVAL, node, "%s has no endpoint", m->name);
    }
    if (rv == 0 && pid[0] != '\0' && (str_parse_i64(pid, &n) != 0 || n < 2 || n > INT32_MAX)) {
        rv = yaml_err(err, E_INVAL, node, "pid must be a process id");
    }
    o->pid = (pid_t)n;
    o->pid_file = pid_file[0] != '\0' ? arena_strdup(&g->arena, pid_file) : NULL;
    t->n_members += rv == 0;
    return rv;
}

static int parse(struct given *g, struct target *t, struct slice text, struct err *err)
{
    struct arena arena;
    struct yaml_stream s;
    arena_init(&arena);
    int rv = yaml_parse(text, &arena, &s, err);
    const struct yaml_node *members = rv == 0 && s.n == 1 ? yaml_get(s.docs[0], "members") : NULL;
    if (rv == 0 && (members == NULL || members->type != YAML_SEQUENCE || members->n == 0 ||
                    members->n > TARGET_MEMBERS_MAX)) {
        rv = err_set(err, E_INVAL, "it must have a list `members` of 1..%d", TARGET_MEMBERS_MAX);
    }
    for (size_t i = 0; rv == 0 && i < members->n; i++) {
        rv = member_of(g, t, members->items[i], err);
    }
    arena_fini(&arena);
    return rv;
}

static int read_file(const char *path, struct buf *out, struct err *err)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return err_set(err, E_NOTFOUND, "%s cannot be read", path);
    }
    size_t n = fread(buf_reserve(out, FILE_MAX), 1, FILE_MAX, f);
    fclose(f);
    buf_advance(out, n);
    return 0;
}

int target_described(const char *path, struct target *ret_target, struct err *err)
{
    autobuf text = BUF_INIT;
    int rv = read_file(path, &text, err);
    if (rv != 0) {
        return rv;
    }
    struct given *g = given_new(ret_target);
    rv = parse(g, ret_target, buf_slice(&text), err);
    if (rv != 0) {
        given_ops.free(ret_target);
        return err_prefix(err, "%s", path);
    }
    snprintf(ret_target->text, sizeof ret_target->text, "%zu members of %s", ret_target->n_members,
             path);
    given_find_lacks(ret_target, g);
    return 0;
}

int target_endpoints(const char *list, struct target *ret_target, struct err *err)
{
    struct given *g = given_new(ret_target);
    struct target *t = ret_target;
    autofree char *copy = mem_strdup(list);
    char *save = NULL;
    int rv = 0;
    for (char *p = strtok_r(copy, ",", &save); p != NULL && rv == 0;
         p = strtok_r(NULL, ",", &save)) {
        if (t->n_members == TARGET_MEMBERS_MAX ||
            !str_copy(t->members[t->n_members].endpoint, TARGET_ADDRESS_BYTES, p)) {
            rv = err_set(err, E_INVAL, "--endpoints: at most %d, each of less than %d bytes",
                         TARGET_MEMBERS_MAX, TARGET_ADDRESS_BYTES);
        } else {
            snprintf(t->members[t->n_members].name, TARGET_NAME_BYTES, "e%zu", t->n_members + 1);
            t->n_members++;
        }
    }
    if (rv == 0 && t->n_members == 0) {
        rv = err_set(err, E_INVAL, "--endpoints is empty");
    }
    if (rv != 0) {
        given_ops.free(t);
        return rv;
    }
    snprintf(t->text, sizeof t->text, "%zu members at %.100s", t->n_members, list);
    given_find_lacks(t, g);
    return 0;
}
