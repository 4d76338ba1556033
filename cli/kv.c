/* `barque kv`: the store's keys as bytes. A single `get` writes the value and nothing else, so that
 * `barque kv put k - <file` and `barque kv get k >file` are inverses. */
#include "cli/cli.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/run.h"
#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/codec/b64.h"
#include "lib/codec/json.h"

static const char usage[] =
    "barque kv: read and write the store's keys\n"
    "\n"
    "  barque kv get KEY [END]          the value, byte for byte; ranges: key and value in turn\n"
    "  barque kv put KEY VALUE|-        - reads the value from standard input\n"
    "  barque kv del KEY [END]          prints how many keys went\n"
    "  barque kv watch KEY [END]        each change, until interrupted\n"
    "\n"
    "Examples:\n"
    "  barque kv put greeting hello && barque kv get greeting\n"
    "  barque kv get --prefix /registry/ --keys-only\n"
    "  barque kv get greeting --rev 42             as it was then\n"
    "  barque kv watch --prefix /registry/pods/ --rev 1 -o json\n";

struct kv {
    struct cli cli;
    bool prefix, prev_kv, keys_only, values_only, serializable, reverse;
    int64_t rev, limit;
    const char *output;
    bool json;
    struct buf end;
    struct buf value;
};

/* --- printing --------------------------------------------------------------------------------- */

/* Text as a string; other bytes as base64 under another name. */
static void json_bytes(json_t *object, const char *name, struct slice bytes)
{
    json_t *text = json_stringn(bytes.len != 0 ? (const char *)bytes.data : "", bytes.len);

    if (text != NULL && (bytes.len == 0 || memchr(bytes.data, 0, bytes.len) == NULL)) {
        json_object_set_new(object, name, text);
        return;
    }
    json_decref(text);
    autobuf encoded = BUF_INIT;
    autofree char *other = mem_printf("%s_base64", name);
    b64_encode(bytes, &encoded);
    json_object_set_new(object, other, json_string(buf_str(&encoded)));
}

static json_t *json_of(const struct client_kv *kv)
{
    json_t *o = json_object();

    json_bytes(o, "key", kv->key);
    json_bytes(o, "value", kv->value);
    json_object_set_new(o, "create_revision", json_integer(kv->create_revision));
    json_object_set_new(o, "mod_revision", json_integer(kv->mod_revision));
    json_object_set_new(o, "version", json_integer(kv->version));
    if (kv->lease != 0) {
        json_object_set_new(o, "lease", json_integer(kv->lease));
    }
    return o;
}

/* Takes `doc`; one line. */
static void put_json(struct kv *k, json_t *doc)
{
    json_write(doc, &k->cli.out);
    buf_append_char(&k->cli.out, '\n');
    json_decref(doc);
}

static void put_line(struct kv *k, struct slice bytes)
{
    buf_append_slice(&k->cli.out, bytes);
    buf_append_char(&k->cli.out, '\n');
}

/* --- get -------------------------------------------------------------------------------------- */

static struct slice key_of(struct kv *k)
{
    return slice_str(k->cli.args[1]);
}

/* END, or --prefix. */
static struct slice end_of(struct kv *k)
{
    if (k->prefix) {
        if (key_of(k).len == 0) {
            buf_append_char(&k->end, 0);
        } else {
            client_prefix_end(key_of(k), &k->end);
        }
    } else if (k->cli.n_args > 2) {
        buf_append_str(&k->end, k->cli.args[2]);
    }
    return buf_slice(&k->end);
}

/* An empty key cannot be sent: the whole key space starts at "\0". */
static struct slice start_of(struct kv *k)
{
    return k->prefix && key_of(k).len == 0 ? slice_make("", 1) : key_of(k);
}

static void got_json(struct kv *k, const struct client_result *r)
{
    json_t *doc = json_object();
    json_t *kvs = json_array();

    for (size_t i = 0; i < r->n_kvs; i++) {
        json_array_append_new(kvs, json_of(&r->kvs[i]));
    }
    json_object_set_new(doc, "revision", json_integer(r->revision));
    json_object_set_new(doc, "count", json_integer(r->count));
    json_object_set_new(doc, "more", json_boolean(r->more));
    json_object_set_new(doc, "kvs", kvs);
    put_json(k, doc);
}

static void on_got(void *arg, const struct client_result *r)
{
    struct kv *k = arg;
    bool range = k->end.len != 0;

    if (r->status != 0) {
        cli_fail_call(&k->cli, r->status, r->err);
        return;
    }
    if (k->json) {
        got_json(k, r);
        cli_end(&k->cli, r->n_kvs == 0 && !range ? CLI_NOTFOUND : CLI_OK);
        return;
    }
    if (r->n_kvs == 0 && !range) {
        cli_fail(&k->cli, CLI_NOTFOUND, "barque kv get --prefix --keys-only PREFIX",
                 "key \"%s\" not found", k->cli.args[1]);
        return;
    }
    for (size_t i = 0; i < r->n_kvs; i++) {
        if (k->keys_only || (range && !k->values_only)) {
            put_line(k, r->kvs[i].key);
        }
        if (!k->keys_only && range) {
            put_line(k, r->kvs[i].value);
        } else if (!k->keys_only) {
            buf_append_slice(&k->cli.out, r->kvs[i].value);
            if (k->cli.screen) {
                buf_append_char(&k->cli.out, '\n');
            }
        }
    }
    cli_end(&k->cli, CLI_OK);
}

static void kv_get(struct kv *k)
{
    struct client_range range = {
        .key = start_of(k),
        .range_end = end_of(k),
        .limit = k->limit,
        .revision = k->rev,
        .serializable = k->serializable,
        .keys_only = k->keys_only,
        .descending = k->reverse,
    };

    client_get(k->cli.client, &range, on_got, k);
}

/* --- put, del --------------------------------------------------------------------------------- */

static void on_put(void *arg, const struct client_result *r)
{
    struct kv *k = arg;

    if (r->status != 0) {
        cli_fail_call(&k->cli, r->status, r->err);
        return;
    }
    if (k->json) {
        json_t *doc = json_object();

        json_object_set_new(doc, "revision", json_integer(r->revision));
        if (r->has_prev) {
            json_object_set_new(doc, "prev_kv", json_of(&r->prev));
        }
        put_json(k, doc);
    } else {
        buf_append_str(&k->cli.out, "OK\n");
        if (r->has_prev) {
            put_line(k, r->prev.key);
            put_line(k, r->prev.value);
        }
    }
    cli_end(&k->cli, CLI_OK);
}

static bool read_stdin(struct kv *k)
{
    ssize_t n;

    do {
        n = read(STDIN_FILENO, buf_reserve(&k->value, 65536), 65536);
        buf_advance(&k->value, n > 0 ? (size_t)n : 0);
        if (k->value.len > LIMIT_VALUE_BYTES) {
            cli_fail(&k->cli, CLI_FAILED, NULL, "standard input: over %d bytes", LIMIT_VALUE_BYTES);
            return false;
        }
    } while (n > 0);
    if (n < 0) {
        cli_fail(&k->cli, CLI_FAILED, NULL, "standard input cannot be read");
    }
    return n == 0;
}

static void kv_put(struct kv *k)
{
    struct client_put put = { .key = key_of(k), .prev_kv = k->prev_kv };

    if (k->cli.n_args != 3) {
        cli_fail_usage(&k->cli, "put needs KEY and VALUE (- for standard input)");
        return;
    }
    if (str_eq(k->cli.args[2], "-")) {
        if (!read_stdin(k)) {
            return;
        }
        put.value = buf_slice(&k->value);
    } else {
        put.value = slice_str(k->cli.args[2]);
    }
    client_put_kv(k->cli.client, &put, on_put, k);
}

static void on_deleted(void *arg, const struct client_result *r)
{
    struct kv *k = arg;

    if (r->status != 0) {
        cli_fail_call(&k->cli, r->status, r->err);
        return;
    }
    if (k->json) {
        json_t *doc = json_object();

        json_object_set_new(doc, "revision", json_integer(r->revision));
        json_object_set_new(doc, "deleted", json_integer(r->deleted));
        put_json(k, doc);
    } else {
        buf_printf(&k->cli.out, "%lld\n", (long long)r->deleted);
    }
    cli_end(&k->cli, r->deleted == 0 && k->end.len == 0 ? CLI_NOTFOUND : CLI_OK);
}

static void kv_del(struct kv *k)
{
    client_delete(k->cli.client, start_of(k), end_of(k), on_deleted, k);
}

/* --- watch ------------------------------------------------------------------------------------ */

static void put_event(struct kv *k, const struct client_event *e)
{
    const char *type = e->type == EVENT_PUT ? "PUT" : "DELETE";

    if (k->json) {
        json_t *doc = json_object();

        json_object_set_new(doc, "type", json_string(type));
        json_object_set_new(doc, "kv", json_of(&e->kv));
        if (e->has_prev) {
            json_object_set_new(doc, "prev_kv", json_of(&e->prev));
        }
        put_json(k, doc);
        return;
    }
    put_line(k, slice_str(type));
    if (e->has_prev) {
        put_line(k, e->prev.key);
        put_line(k, e->prev.value);
    }
    put_line(k, e->kv.key);
    if (!k->keys_only && e->type == EVENT_PUT) {
        put_line(k, e->kv.value);
    }
}

static void on_events(void *arg, const struct client_event *events, size_t n, int64_t revision)
{
    struct kv *k = arg;

    (void)revision;
    for (size_t i = 0; i < n; i++) {
        put_event(k, &events[i]);
        if (k->limit != 0 && --k->limit == 0) {
            cli_end(&k->cli, CLI_OK);
            return;
        }
    }
    cli_flush(&k->cli);
}

static void on_watch_end(void *arg, int status, int64_t compact_revision, const struct err *err)
{
    struct kv *k = arg;

    k->cli.watch = NULL;
    if (status == E_COMPACTED) {
        cli_fail(&k->cli, CLI_FAILED, "the same with a higher --rev",
                 "the history up to revision %lld was compacted", (long long)compact_revision);
    } else {
        cli_fail_call(&k->cli, status, err);
    }
}

static void on_resume(void *arg, const char *endpoint, int64_t revision)
{
    struct kv *k = arg;

    cli_note(&k->cli, "# the watch moved to %s and goes on at revision %lld; nothing is lost",
             endpoint, (long long)revision);
}

static void kv_watch(struct kv *k)
{
    struct client_watch_options options = {
        .key = start_of(k),
        .range_end = end_of(k),
        .start_revision = k->rev,
        .prev_kv = k->prev_kv,
        .on_events = on_events,
        .on_end = on_watch_end,
        .on_resume = on_resume,
        .arg = k,
    };

    k->cli.watch = client_watch_start(k->cli.client, &options);
}

/* --- which ------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    void (*start)(struct kv *k);
    size_t arguments_max;
} actions[] = {
    { "get", kv_get, 3 }, { "put", kv_put, 3 }, { "del", kv_del, 3 },
    { "delete", kv_del, 3 }, { "watch", kv_watch, 3 },
};

static void start(struct cli *cli)
{
    struct kv *k = CLI_OF(cli, struct kv);
    const char *names[ARRAY_LEN(actions)];
    const char *near;

    k->json = str_eq(k->output, "json");
    if (k->output[0] != 0 && !k->json) {
        cli_fail_usage(cli, "-o %s: only json", k->output);
        return;
    }
    if (cli->n_args == 0) {
        cli_fail_usage(cli, "what? get, put, del or watch");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        names[i] = actions[i].name;
        if (!str_eq(cli->args[0], actions[i].name)) {
            continue;
        }
        if (cli->n_args < 2 || cli->n_args > actions[i].arguments_max) {
            cli_fail_usage(cli, "%s %s", actions[i].name,
                           cli->n_args < 2 ? "needs a KEY" : "has too many arguments");
        } else if (k->cli.args[1][0] == 0 && !k->prefix) {
            cli_fail_usage(cli, "the key is empty; --prefix \"\" names all keys");
        } else {
            actions[i].start(k);
        }
        return;
    }
    near = str_nearest(cli->args[0], names, ARRAY_LEN(names));
    cli_fail_usage(cli, "unknown action \"%s\"%s%s%s", cli->args[0],
                   near != NULL ? " (did you mean " : "", near != NULL ? near : "",
                   near != NULL ? "?)" : "");
}

int verb_kv(int argc, char **argv)
{
    struct kv k = { .output = "" };
    const struct cli_flag flags[] = {
        { "prefix", 0, CLI_BOOL, &k.prefix, NULL, "all keys that begin with KEY" },
        { "rev", 0, CLI_INT, &k.rev, "N", "get: as of revision N; watch: from it on" },
        { "limit", 0, CLI_INT, &k.limit, "N", "at most N keys; watch: end after N events" },
        { "prev-kv", 0, CLI_BOOL, &k.prev_kv, NULL, "put, watch: what was there before, too" },
        { "keys-only", 0, CLI_BOOL, &k.keys_only, NULL, "no values" },
        { "print-value-only", 0, CLI_BOOL, &k.values_only, NULL, "no keys" },
        { "reverse", 0, CLI_BOOL, &k.reverse, NULL, "get: the last key first" },
        { "serializable", 0, CLI_BOOL, &k.serializable, NULL,
          "get: from one member's own state, perhaps stale, also without a quorum" },
        { "output", 'o', CLI_STRING, &k.output, "json", "one JSON document, or one a line" },
    };
    const struct cli_spec spec = { .name = "kv", .usage = usage, .flags = flags,
                                   .n_flags = ARRAY_LEN(flags), .start = start };
    int code = cli_main(&k.cli, &spec, argc, argv);

    buf_fini(&k.end);
    buf_fini(&k.value);
    return code;
}
