/* `barque get`: objects as a table, names, JSON or YAML; -w goes on watching.
 *
 *     PLAN --list or get, one selection after the other--> PRINT --without -w--> end
 *                                                            | -w
 *                                                            v
 *     a terminal: the whole table again at each change;  a pipe: one line (or document) a change
 */
#include "cli/cli.h"

#include "cli/get.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"

static const char usage[] =
    "barque get: list objects, or show one\n"
    "\n"
    "  barque get KIND[,KIND...] [NAME...]\n"
    "  barque get KIND/NAME...\n"
    "\n"
    "Kinds: pods (po), deployments (deploy), replicasets (rs), nodes (no), namespaces (ns),\n"
    "configmaps (cm), events (ev); `all` is deployments, replicasets and pods.\n"
    "\n"
    "Examples:\n"
    "  barque get pods -A -o wide\n"
    "  barque get deploy/web -o yaml\n"
    "  barque get pods -l app=web,tier!=test -w      goes on watching; survives lost members\n"
    "  barque get pods -o name | xargs -n1 barque delete\n";

static const struct {
    const char *name;
    enum get_format format;
} formats[] = {
    { "", GET_TABLE },     { "wide", GET_TABLE }, { "name", GET_NAME },
    { "json", GET_JSON },  { "yaml", GET_YAML },
};

/* --- what ------------------------------------------------------------------------------------- */

static void select_add(struct get *g, const struct kind *kind, const char *name)
{
    g->wanted = mem_grow(g->wanted, &g->cap_wanted, g->n_wanted + 1, sizeof *g->wanted);
    g->wanted[g->n_wanted++] = (struct get_wanted){ kind, name };
}

static bool select_kinds(struct get *g, char *words)
{
    char *save = NULL;

    for (char *p = strtok_r(words, ",", &save); p != NULL; p = strtok_r(NULL, ",", &save)) {
        if (str_eq(p, "all")) {
            select_add(g, &kind_deployment, NULL);
            select_add(g, &kind_replicaset, NULL);
            select_add(g, &kind_pod, NULL);
            continue;
        }
        const struct kind *kind = cli_kind(&g->cli, p);
        if (kind == NULL) {
            return false;
        }
        select_add(g, kind, NULL);
    }
    return g->n_wanted > 0;
}

static bool select_all(struct get *g)
{
    struct cli *cli = &g->cli;

    if (cli->n_args == 0) {
        cli_fail_usage(cli, "which kind? For example: barque get pods");
        return false;
    }
    if (strchr(cli->args[0], '/') != NULL) {
        for (size_t i = 0; i < cli->n_args; i++) {
            const struct kind *kind;
            const char *name;

            if (strchr(cli->args[i], '/') == NULL) {
                cli_fail_usage(cli, "%s: all arguments must be KIND/NAME, or none", cli->args[i]);
                return false;
            }
            if (!cli_kind_and_name(cli, i, &kind, &name)) {
                return false;
            }
            select_add(g, kind, name);
        }
        return true;
    }
    if (!select_kinds(g, cli->args[0])) {
        cli_fail_usage(cli, "which kind?");
        return false;
    }
    if (cli->n_args > 1) {
        const struct kind *kind = g->wanted[0].kind;

        if (g->n_wanted != 1) {
            cli_fail_usage(cli, "names go with one kind");
            return false;
        }
        g->n_wanted = 0;
        for (size_t i = 1; i < cli->n_args; i++) {
            select_add(g, kind, cli->args[i]);
        }
    }
    return true;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void read_next(struct get *g);

static bool chosen(const struct get *g, const struct object *o)
{
    return label_selector_matches(&g->selector, &o->metadata.labels);
}

static int by_namespace_and_name(const void *a_, const void *b_)
{
    const struct object *a = *(struct object *const *)a_, *b = *(struct object *const *)b_;
    const char *na = a->metadata.namespace_, *nb = b->metadata.namespace_;
    int d = strcmp(na != NULL ? na : "", nb != NULL ? nb : "");

    return d != 0 ? d : strcmp(a->metadata.name, b->metadata.name);
}

/* Events are read like a log: the newest last. */
static int by_time(const void *a_, const void *b_)
{
    const struct event *a = object_event(*(struct object *const *)a_);
    const struct event *b = object_event(*(struct object *const *)b_);
    int d = strcmp(a->last_timestamp != NULL ? a->last_timestamp : "",
                   b->last_timestamp != NULL ? b->last_timestamp : "");
    int64_t ra = a->object.metadata.resource_version, rb = b->object.metadata.resource_version;

    return d != 0 ? d : ra < rb ? -1 : ra > rb;
}

void get_sort(struct get *g, size_t from)
{
    if (g->n_items > from) {
        qsort(g->items + from, g->n_items - from, sizeof *g->items,
              g->items[from]->kind == &kind_event ? by_time : by_namespace_and_name);
    }
}

void get_keep(struct get *g, struct object *o)
{
    g->items = mem_grow(g->items, &g->cap_items, g->n_items + 1, sizeof *g->items);
    g->items[g->n_items++] = o;
}

static void on_listed(void *arg, struct objects_result *r)
{
    struct get *g = arg;
    size_t from = g->n_items;

    if (r->status != 0) {
        cli_fail_call(&g->cli, r->status, r->err);
        return;
    }
    for (size_t i = 0; i < r->n_items; i++) {
        if (chosen(g, r->items[i])) {
            get_keep(g, TAKE(r->items[i]));
        }
    }
    get_sort(g, from);
    g->revision = r->revision;
    read_next(g);
}

static void on_got(void *arg, struct objects_result *r)
{
    struct get *g = arg;

    if (r->status == E_NOTFOUND) {
        /* Each missing name is told; the others are shown. */
        cli_note(&g->cli, "barque get: %s", r->err->msg);
        g->missing++;
    } else if (r->status != 0) {
        cli_fail_call(&g->cli, r->status, r->err);
        return;
    } else {
        get_keep(g, TAKE(r->object));
    }
    g->revision = r->revision > g->revision ? r->revision : g->revision;
    read_next(g);
}

static void read_next(struct get *g)
{
    const struct get_wanted *w;
    const char *ns;

    if (g->cli.ended) {
        return;
    }
    if (g->at == g->n_wanted) {
        get_show(g);
        return;
    }
    w = &g->wanted[g->at++];
    ns = g->all_namespaces ? NULL : cli_namespace_of(&g->cli, w->kind);
    if (w->name == NULL) {
        objects_list(g->cli.client, w->kind, ns, on_listed, g);
    } else {
        objects_get(g->cli.client, w->kind, ns, w->name, on_got, g);
    }
}

void get_read(struct get *g)
{
    for (size_t i = 0; i < g->n_items; i++) {
        object_free(g->items[i]);
    }
    g->n_items = 0;
    g->at = 0;
    g->missing = 0;
    read_next(g);
}

/* --- start ------------------------------------------------------------------------------------ */

static bool check(struct get *g)
{
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (str_eq(g->output, formats[i].name)) {
            g->format = formats[i].format;
            g->columns.wide = str_eq(g->output, "wide");
            g->known_format = true;
        }
    }
    if (!g->known_format) {
        cli_fail_usage(&g->cli, "-o %s: use wide, name, json or yaml", g->output);
        return false;
    }
    if (label_selector_parse(g->selector_text, &g->selector, &err) != 0) {
        cli_fail_usage(&g->cli, "-l: %s", err.msg);
        return false;
    }
    for (size_t i = 0; i < g->n_wanted; i++) {
        if (g->wanted[i].name != NULL && g->all_namespaces && g->wanted[i].kind->namespaced) {
            cli_fail_usage(&g->cli, "a name and -A: say its namespace with -n");
            return false;
        }
        if (g->watching && g->wanted[i].kind != g->wanted[0].kind) {
            cli_fail_usage(&g->cli, "-w watches one kind at a time");
            return false;
        }
    }
    g->columns.namespaces = g->all_namespaces;
    return true;
}

static void start(struct cli *cli)
{
    struct get *g = CLI_OF(cli, struct get);

    if (select_all(g) && check(g)) {
        get_read(g);
    }
}

int verb_get(int argc, char **argv)
{
    struct get g = { .output = "", .selector_text = "" };
    const struct cli_flag flags[] = {
        { "output", 'o', CLI_STRING, &g.output, "FORMAT", "wide, name, json or yaml" },
        { "selector", 'l', CLI_STRING, &g.selector_text, "LABELS", "a=b,c!=d,e in (f,g),!h" },
        { "all-namespaces", 'A', CLI_BOOL, &g.all_namespaces, NULL, "of all namespaces" },
        { "watch", 'w', CLI_BOOL, &g.watching, NULL, "go on with what changes" },
        { "show-labels", 0, CLI_BOOL, &g.columns.labels, NULL, "a column with the labels" },
        { "no-headers", 0, CLI_BOOL, &g.no_title, NULL, "no first line" },
    };
    const struct cli_spec spec = { .name = "get", .usage = usage, .flags = flags,
                                   .n_flags = ARRAY_LEN(flags), .start = start };
    int code = cli_main(&g.cli, &spec, argc, argv);

    get_fini(&g);
    return code;
}
