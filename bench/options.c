/* One row a flag: where it goes (an offset into struct bench_options), what it may hold, what it
 * means. */
#include "bench/options.h"

#include <stddef.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"
#include "lib/io/conn.h"

enum { PID_HIGHEST = 4194304 }; /* of Linux on 64 bits */

struct option_row {
    const char *name;
    int (*parse)(struct bench_options *o, const struct option_row *row, const char *text,
                 struct err *err);
    size_t offset;
    uint64_t min, max, value; /* numbers: bounds and default */
    const char *placeholder, *help;
};

static int parse_u64(struct bench_options *o, const struct option_row *row, const char *text,
                     struct err *err)
{
    uint64_t value;
    if (str_parse_u64(text, row->max, &value) != 0 || value < row->min) {
        return err_set(err, E_INVAL, "--%s: \"%s\" is not a number from %llu to %llu", row->name,
                       text, (unsigned long long)row->min, (unsigned long long)row->max);
    }
    memcpy((char *)o + row->offset, &value, sizeof value);
    return 0;
}

static int parse_text(struct bench_options *o, const struct option_row *row, const char *text,
                      struct err *err)
{
    (void)err;
    memcpy((char *)o + row->offset, &text, sizeof text);
    return 0;
}

static int parse_endpoint(struct bench_options *o, const char *text, struct err *err)
{
    char *into = o->endpoints[o->n_endpoints];
    if (strstr(text, "://") == NULL) {
        if (strchr(text, ':') == NULL || !str_copy(into, BENCH_ADDRESS_BYTES, text)) {
            return err_set(err, E_INVAL, "--endpoints: \"%s\" is not HOST:PORT", text);
        }
        o->n_endpoints++;
        return 0;
    }
    bool secure = false;
    int rv = address_from_url(text, into, BENCH_ADDRESS_BYTES, &secure, err);
    if (rv != 0) {
        return err_prefix(err, "--endpoints");
    }
    if (secure) {
        return err_set(err, E_INVAL, "--endpoints: %s: TLS is absent in this version; use http://",
                       text);
    }
    o->n_endpoints++;
    return 0;
}

static int parse_endpoints(struct bench_options *o, const struct option_row *row,
                           const char *text, struct err *err)
{
    o->n_endpoints = 0;
    autofree char *copy = mem_strdup(text);
    char *save = NULL;
    for (char *p = strtok_r(copy, ",", &save); p != NULL; p = strtok_r(NULL, ",", &save)) {
        if (o->n_endpoints == BENCH_ENDPOINTS_MAX) {
            return err_set(err, E_INVAL, "--%s: more than %d", row->name, BENCH_ENDPOINTS_MAX);
        }
        int rv = parse_endpoint(o, p, err);
        if (rv != 0) {
            return rv;
        }
    }
    return o->n_endpoints != 0 ? 0 : err_set(err, E_INVAL, "--%s is empty", row->name);
}

static int parse_pids(struct bench_options *o, const struct option_row *row, const char *text,
                      struct err *err)
{
    o->n_pids = 0;
    autofree char *copy = mem_strdup(text);
    char *save = NULL;
    for (char *p = strtok_r(copy, ",", &save); p != NULL; p = strtok_r(NULL, ",", &save)) {
        uint64_t pid;
        if (o->n_pids == BENCH_PIDS_MAX) {
            return err_set(err, E_INVAL, "--%s: more than %d", row->name, BENCH_PIDS_MAX);
        }
        if (str_parse_u64(p, PID_HIGHEST, &pid) != 0 || pid == 0) {
            return err_set(err, E_INVAL, "--%s: \"%s\" is not a process id", row->name, p);
        }
        o->pids[o->n_pids++] = (pid_t)pid;
    }
    return 0;
}

static int parse_output(struct bench_options *o, const struct option_row *row, const char *text,
                        struct err *err)
{
    if (!str_eq(text, "json") && !str_eq(text, "table")) {
        return err_set(err, E_INVAL, "--%s: \"%s\" is neither table nor json", row->name, text);
    }
    o->json = str_eq(text, "json");
    return 0;
}

#define AT(field) offsetof(struct bench_options, field)
static const struct option_row rows[] = {
    { "endpoints", parse_endpoints, 0, 0, 0, 0, "A,B,...",
      "members, HOST:PORT or http:// (127.0.0.1:2379)" },
    { "load", parse_text, AT(load), 0, 0, 0, "LOAD", "what to do, see above (put)" },
    { "clients", parse_u64, AT(clients), 1, 100000, 100, "N",
      "concurrent callers, each with one call open (100)" },
    { "conns", parse_u64, AT(conns), 1, 10000, 10, "N",
      "connections they share; never more than clients (10)" },
    { "keys", parse_u64, AT(keys), 1, 100000000, 100000, "N", "key space (100000)" },
    { "value-bytes", parse_u64, AT(value_bytes), 0, 1048576, 256, "N", "size of a value (256)" },
    { "seconds", parse_u64, AT(seconds), 1, BENCH_SECONDS_MAX, 5, "N", "measured time (5)" },
    { "warmup-seconds", parse_u64, AT(warmup_seconds), 0, BENCH_SECONDS_MAX, 1, "N",
      "unmeasured time before it (1)" },
    { "wait-seconds", parse_u64, AT(wait_seconds), 0, BENCH_SECONDS_MAX, 10, "N",
      "how long to wait for the first answer (10)" },
    { "limit", parse_u64, AT(limit), 1, 100000, 500, "N", "load list: keys in a page (500)" },
    { "batch", parse_u64, AT(batch), 1, 128, 100, "N", "load fill: puts in a txn (100)" },
    { "putters", parse_u64, AT(putters), 1, 10000, 10, "N",
      "load watch: puts under way until every watcher has seen them (10)" },
    { "user", parse_text, AT(user), 0, 0, 0, "NAME",
      "who logs in, where users are on; also NAME:PASSWORD, BARQUE_USER" },
    { "password-file", parse_text, AT(password_file), 0, 0, 0, "FILE",
      "of which the first line is the password; else BARQUE_PASSWORD" },
    { "seed", parse_u64, AT(seed), 0, INT64_MAX, 1, "N", "of the random keys (1)" },
    { "pids", parse_pids, 0, 0, 0, 0, "P1,P2,...",
      "server processes whose CPU and memory to account" },
    { "output", parse_output, 0, 0, 0, 0, "table|json", "also -o (table)" },
};

static const struct option_row *find(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strlen(rows[i].name) == len && strncmp(rows[i].name, name, len) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

static int unknown(const char *name, size_t len, struct err *err)
{
    const char *names[ARRAY_LEN(rows)];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        names[i] = rows[i].name;
    }
    char given[64];
    snprintf(given, sizeof given, "%.*s", (int)(len < sizeof given ? len : sizeof given - 1), name);
    const char *near = str_nearest(given, names, ARRAY_LEN(rows));
    if (near != NULL) {
        return err_set(err, E_INVAL, "unknown flag --%s (did you mean --%s?)", given, near);
    }
    return err_set(err, E_INVAL, "unknown flag --%s", given);
}

/* One flag at argv[*i]; moves *i over its value. */
static int parse_one(struct bench_options *o, int argc, char **argv, int *i, struct err *err)
{
    const char *arg = str_eq(argv[*i], "-o") ? "--output" : argv[*i];
    if (arg[0] != '-' || arg[1] != '-') {
        return err_set(err, E_INVAL, "unexpected argument \"%s\"", arg);
    }
    const char *name = arg + 2;
    const char *eq = strchr(name, '=');
    size_t len = eq != NULL ? (size_t)(eq - name) : strlen(name);
    const struct option_row *row = find(name, len);
    if (row == NULL) {
        return unknown(name, len, err);
    }
    const char *text = eq != NULL ? eq + 1 : NULL;
    if (text == NULL) {
        if (*i + 1 >= argc) {
            return err_set(err, E_INVAL, "--%s needs a value (%s)", row->name, row->placeholder);
        }
        text = argv[++*i];
    }
    return row->parse(o, row, text, err);
}

int bench_options_parse(struct bench_options *o, int argc, char **argv, struct err *err)
{
    memset(o, 0, sizeof *o);
    o->load = "put";
    str_copy(o->endpoints[0], BENCH_ADDRESS_BYTES, "127.0.0.1:2379");
    o->n_endpoints = 1;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].parse == parse_u64) {
            memcpy((char *)o + rows[i].offset, &rows[i].value, sizeof rows[i].value);
        }
    }
    for (int i = 1; i < argc; i++) {
        if (str_eq(argv[i], "-h") || str_eq(argv[i], "--help")) {
            o->help = true;
            return 0;
        }
        int rv = parse_one(o, argc, argv, &i, err);
        if (rv != 0) {
            return rv;
        }
    }
    o->conns = o->conns < o->clients ? o->conns : o->clients;
    return 0;
}

void bench_options_print(FILE *out)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char left[64];
        snprintf(left, sizeof left, "--%s %s", rows[i].name, rows[i].placeholder);
        fprintf(out, "  %-26s %s\n", left, rows[i].help);
    }
}
