/* The printing half of `barque get`, and -w.
 *
 * Watching starts at the revision after the list's, so nothing falls between; when the store has
 * forgotten that revision (E_COMPACTED) everything is read again. */
#include "cli/get.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/codec/json.h"

/* --- one object ------------------------------------------------------------------------------- */

static void put_object(struct get *g, const struct object *o)
{
    struct buf *out = &g->cli.out;

    switch (g->format) {
    case GET_NAME:
        buf_printf(out, "%s/%s\n", o->kind->singular, o->metadata.name);
        return;
    case GET_JSON:
        object_to_json_pretty(o, out);
        buf_append_char(out, '\n');
        return;
    case GET_YAML:
        buf_append_str(out, g->n_items > 1 || g->watching ? "---\n" : "");
        object_to_yaml(o, out);
        return;
    case GET_TABLE:
    default:
        UNREACHABLE();
    }
}

static void put_json_list(struct get *g)
{
    struct buf *out = &g->cli.out;

    buf_append_str(out, "{\n\"apiVersion\": \"v1\",\n\"kind\": \"List\",\n\"items\": [\n");
    for (size_t i = 0; i < g->n_items; i++) {
        object_to_json_pretty(g->items[i], out);
        buf_append_str(out, i + 1 < g->n_items ? ",\n" : "\n");
    }
    buf_append_str(out, "]\n}\n");
}

/* --- tables ----------------------------------------------------------------------------------- */

/* The items of one kind from `from` on; the index after them. */
static size_t put_kind(struct get *g, size_t from)
{
    const struct kind *kind = g->items[from]->kind;
    struct table t;
    size_t i;

    table_init(&t, columns_count(kind, &g->columns));
    if (!g->no_title) {
        columns_title(kind, &g->columns, &t);
    }
    for (i = from; i < g->n_items && g->items[i]->kind == kind; i++) {
        columns_row(g->items[i], &g->columns, loop_wall_ms(g->cli.loop), &t);
    }
    table_print(&t, &g->cli.style, &g->cli.out);
    table_fini(&t);
    return i;
}

static void put_tables(struct get *g)
{
    for (size_t at = 0; at < g->n_items;) {
        at = put_kind(g, at);
        if (at < g->n_items) {
            buf_append_char(&g->cli.out, '\n');
        }
    }
}

static void put_all(struct get *g)
{
    bool one = g->n_wanted == 1 && g->wanted[0].name != NULL;

    if (g->format == GET_TABLE) {
        put_tables(g);
    } else if (g->format == GET_JSON && !one) {
        put_json_list(g);
    } else {
        for (size_t i = 0; i < g->n_items; i++) {
            put_object(g, g->items[i]);
        }
    }
}

/* --- watching --------------------------------------------------------------------------------- */

static size_t lines_in(struct slice text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        n += text.data[i] == '\n';
    }
    return n;
}

/* The table again, over the old one. What does not fit the screen's height is counted. */
static void redraw(struct get *g)
{
    struct winsize size;
    size_t height = 24;
    autobuf text = BUF_INIT;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 2) {
        height = size.ws_row;
        g->cli.style.width = size.ws_col > 0 ? size.ws_col : g->cli.style.width;
    }
    if (g->lines > 0) {
        buf_printf(&text, "\x1b[%zuA\x1b[J", g->lines);
    }
    table_clear(&g->table);
    columns_title(g->wanted[0].kind, &g->columns, &g->table);
    size_t shown = g->n_items < height - 3 ? g->n_items : height - 3;
    for (size_t i = 0; i < shown; i++) {
        columns_row(g->items[i], &g->columns, loop_wall_ms(g->cli.loop), &g->table);
    }
    size_t head = text.len;
    table_print(&g->table, &g->cli.style, &text);
    if (shown < g->n_items) {
        buf_printf(&text, "... and %zu more\n", g->n_items - shown);
    }
    g->lines = lines_in(slice_make(text.data + head, text.len - head));
    buf_append_slice(&g->cli.out, buf_slice(&text));
    cli_flush(&g->cli);
}

static void append(struct get *g, const struct object *o)
{
    if (g->format != GET_TABLE) {
        put_object(g, o);
        return;
    }
    if (g->table.n == 0 && !g->no_title) {
        columns_title(g->wanted[0].kind, &g->columns, &g->table);
    }
    columns_row(o, &g->columns, loop_wall_ms(g->cli.loop), &g->table);
    table_print(&g->table, &g->cli.style, &g->cli.out);
}

static bool is_wanted(const struct get *g, const char *name)
{
    for (size_t i = 0; i < g->n_wanted; i++) {
        if (g->wanted[i].name == NULL || str_eq(g->wanted[i].name, name)) {
            return true;
        }
    }
    return false;
}

static size_t find(const struct get *g, const char *namespace_, const char *name)
{
    size_t i;

    for (i = 0; i < g->n_items; i++) {
        const char *ns = g->items[i]->metadata.namespace_;

        if (str_eq(g->items[i]->metadata.name, name) && str_eq(ns != NULL ? ns : "", namespace_)) {
            break;
        }
    }
    return i;
}

static void take_event(struct get *g, const struct client_event *e)
{
    char namespace_[254], name[254];
    const struct kind *kind = kind_by_key(e->kv.key, namespace_, name);
    struct object *o = NULL;
    size_t at;

    if (kind != g->wanted[0].kind || !is_wanted(g, name)) {
        return;
    }
    at = find(g, namespace_, name);
    if (e->type == EVENT_PUT && object_from_json(kind, e->kv.value, &o, NULL) == 0) {
        o->metadata.resource_version = e->kv.mod_revision;
        if (!label_selector_matches(&g->selector, &o->metadata.labels)) {
            object_free(o);
            o = NULL;
        }
    }
    if (o == NULL && at == g->n_items) {
        return;
    }
    if (o == NULL) {
        if (!g->cli.screen && g->format == GET_TABLE) {
            append(g, g->items[at]); /* its last state, as kubectl does */
        }
        object_free(g->items[at]);
        memmove(g->items + at, g->items + at + 1, (g->n_items - at - 1) * sizeof *g->items);
        g->n_items--;
        return;
    }
    if (at < g->n_items) {
        object_free(g->items[at]);
        g->items[at] = o;
    } else {
        get_keep(g, o);
    }
    if (!g->cli.screen || g->format != GET_TABLE) {
        append(g, o);
    } else {
        get_sort(g, 0);
    }
}

static void on_events(void *arg, const struct client_event *events, size_t n, int64_t revision)
{
    struct get *g = arg;

    g->revision = revision;
    for (size_t i = 0; i < n; i++) {
        take_event(g, &events[i]);
    }
    if (n != 0 && g->cli.screen && g->format == GET_TABLE) {
        redraw(g);
    } else {
        cli_flush(&g->cli);
    }
}

static void on_watch_end(void *arg, int status, int64_t compact_revision, const struct err *err)
{
    struct get *g = arg;

    (void)compact_revision;
    g->cli.watch = NULL;
    if (status == E_COMPACTED) {
        get_read(g);
    } else {
        cli_fail_call(&g->cli, status, err);
    }
}

static void on_resume(void *arg, const char *endpoint, int64_t revision)
{
    struct get *g = arg;

    if (g->cli.screen) {
        g->lines++; /* the note stands below the table */
    }
    cli_note(&g->cli, "# the watch moved to %s and goes on at revision %lld; nothing is lost",
             endpoint, (long long)revision);
}

static void watch_start(struct get *g)
{
    const struct kind *kind = g->wanted[0].kind;
    autobuf key = BUF_INIT;
    autobuf end = BUF_INIT;

    kind_prefix(kind, g->all_namespaces ? NULL : cli_namespace_of(&g->cli, kind), &key);
    client_prefix_end(buf_slice(&key), &end);
    struct client_watch_options options = {
        .key = buf_slice(&key),
        .range_end = buf_slice(&end),
        .start_revision = g->revision + 1,
        .on_events = on_events,
        .on_end = on_watch_end,
        .on_resume = on_resume,
        .arg = g,
    };
    g->cli.watch = client_watch_start(g->cli.client, &options);
}

/* --- the whole -------------------------------------------------------------------------------- */

static void nothing_found(struct get *g)
{
    const struct kind *kind = g->wanted[0].kind;

    if (g->no_title || g->format != GET_TABLE) {
        return;
    }
    if (kind->namespaced && !g->all_namespaces) {
        cli_note(&g->cli, "No %s in namespace %s (-A shows all namespaces).", kind->plural,
                 g->cli.namespace_);
    } else {
        cli_note(&g->cli, "No %s.", kind->plural);
    }
}

void get_show(struct get *g)
{
    if (g->watching) {
        if (g->table.columns == 0) {
            table_init(&g->table, columns_count(g->wanted[0].kind, &g->columns));
        }
        if (g->cli.screen && g->format == GET_TABLE) {
            redraw(g);
        } else {
            for (size_t i = 0; i < g->n_items; i++) {
                append(g, g->items[i]);
            }
            cli_flush(&g->cli);
        }
        watch_start(g);
        return;
    }
    if (g->n_items == 0 && g->missing == 0 && g->format != GET_JSON) {
        nothing_found(g);
    } else if (g->n_items != 0 || g->missing == 0) {
        put_all(g);
    }
    cli_end(&g->cli, g->missing != 0 ? CLI_NOTFOUND : CLI_OK);
}

void get_fini(struct get *g)
{
    for (size_t i = 0; i < g->n_items; i++) {
        object_free(g->items[i]);
    }
    mem_free(g->items);
    mem_free(g->wanted);
    label_selector_fini(&g->selector);
    table_fini(&g->table);
}
