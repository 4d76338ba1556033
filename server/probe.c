/* What probes ask over HTTP: /health, /livez, /readyz, and one check alone as /livez/NAME.
 *
 *     GET -> which checks? -> (one of them needs consensus: a ReadIndex wait) -> all are looked at
 *         -> 200 "ok", or 503 and why
 *
 * Names, texts and query parameters (verbose, exclude, serializable) are etcd 3.6's. A liveness
 * probe asks only what a new start could mend; the state of the cluster is readiness. */
#include <string.h>

#include "lib/base/alloc.h"
#include "server/internal.h"

enum probe_kind { HEALTH = 0, LIVEZ = 1, READYZ = 2 };

struct probe {
    struct rnode_read read;
    struct server *server;
    struct http_reply *reply;
    enum probe_kind kind;
    unsigned checks;   /* bits: rows of the table */
    bool serializable; /* /health: this member alone is asked about */
    bool verbose;
    bool excludes[ALARM_CORRUPT + 1]; /* /health: alarms that do not matter */
    int read_status;   /* of the ReadIndex wait */
};

/* --- the checks ------------------------------------------------------------------------------- */

static const char *text_of(int status)
{
    const char *text = NULL;
    if (status != 0) {
        status_from_err(status, &text);
    }
    return text;
}

/* One key, as etcd asks for it. */
static int read_one(const struct server *s)
{
    static const struct slice zero = { (const uint8_t *)"", 1 };
    const struct range_request r = { .key = zero, .range_end = zero, .limit = 1,
                                     .keys_only = true };
    struct range_result result = { 0 };
    struct arena arena;
    arena_init(&arena);
    int rv = store_range(s->store, &r, &arena, &result);
    if (rv == 0) {
        range_result_unref(&result);
    }
    arena_fini(&arena);
    return rv;
}

static const char *serializable_read(const struct probe *p)
{
    return text_of(read_one(p->server));
}

/* What a client's read would hear. */
static const char *linearizable_read(const struct probe *p)
{
    if (p->read_status != 0) {
        return text_of(server_client_error(p->read_status));
    }
    return text_of(p->server->status.split ? E_CORRUPT : read_one(p->server));
}

static const char *data_corruption(const struct probe *p)
{
    struct alarm alarms[SERVER_ALARMS_MAX];
    for (size_t i = server_alarms(p->server, alarms); i > 0; i--) {
        if (alarms[i - 1].type == ALARM_CORRUPT) {
            return "alarm activated: CORRUPT";
        }
    }
    return NULL;
}

static const char *non_learner(const struct probe *p)
{
    return p->server->status.learner ? "not supported for learner" : NULL;
}

static const struct check {
    const char *name;
    unsigned of; /* which probes */
    bool waits;  /* for a ReadIndex */
    const char *(*failure)(const struct probe *p); /* NULL: it is well */
} checks[] = {
    { "data_corruption", READYZ, false, data_corruption },
    { "serializable_read", LIVEZ | READYZ, false, serializable_read },
    { "linearizable_read", READYZ, true, linearizable_read },
    { "non_learner", READYZ, false, non_learner },
};

/* --- /livez, /readyz -------------------------------------------------------------------------- */

static void count_check(const struct probe *p, const char *name, bool well)
{
    const char *kind = p->kind == LIVEZ ? "livez" : "readyz";
    autofree char *labels = mem_printf("type=\"%s\",name=\"%s\"", kind, name);
    metric_set(metrics_gauge(p->server->metrics, "etcd_server_healthcheck", labels,
                             "The result of each kind of healthcheck."),
               well ? 1 : 0);
    autofree char *counted = mem_printf("%s,status=\"%s\"", labels, well ? "success" : "error");
    metric_add(metrics_counter(p->server->metrics, "etcd_server_healthchecks_total", counted,
                               "The total number of each kind of healthcheck."),
               1);
}

static void answer_checks(struct probe *p)
{
    struct http_response r = { 200, "text/plain; charset=utf-8", BUF_INIT };
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        if ((p->checks & 1u << i) == 0) {
            continue;
        }
        const char *why = checks[i].failure(p);
        if (why == NULL) {
            buf_printf(&r.body, "[+]%s ok\n", checks[i].name);
        } else {
            buf_printf(&r.body, "[-]%s failed: %s\n", checks[i].name, why);
            r.status = 503;
        }
        count_check(p, checks[i].name, why == NULL);
    }
    if (r.status == 503) {
        buf_append_char(&r.body, '\n');
    } else {
        r.body.len = p->verbose ? r.body.len : 0;
        buf_append_str(&r.body, "ok\n");
    }
    http_reply_send(p->reply, &r);
}

/* --- /health ---------------------------------------------------------------------------------- */

/* What is wrong without asking anybody. */
static const char *health_failure(const struct probe *p)
{
    struct alarm alarms[SERVER_ALARMS_MAX];
    size_t n = server_alarms(p->server, alarms);
    for (size_t i = 0; i < n; i++) {
        if (!p->excludes[alarms[i].type]) {
            return alarms[i].type == ALARM_NOSPACE ? "ALARM NOSPACE" : "ALARM CORRUPT";
        }
    }
    return !p->serializable && p->server->status.leader_id == 0 ? "RAFT NO LEADER" : NULL;
}

static void answer_health(struct probe *p)
{
    struct http_response r = { 200, "application/json", BUF_INIT };
    const char *reason = health_failure(p), *range = NULL;
    if (reason == NULL) {
        range = p->serializable ? serializable_read(p) : linearizable_read(p);
        reason = range;
    }
    if (reason != NULL) {
        r.status = 503;
        buf_printf(&r.body, "{\"health\":\"false\",\"reason\":\"%s%s\"}\n",
                   range != NULL ? "RANGE ERROR:" : "", reason);
    } else {
        buf_append_str(&r.body, "{\"health\":\"true\",\"reason\":\"\"}\n");
    }
    metric_add(reason == NULL ? p->server->m.health_success : p->server->m.health_failures, 1);
    http_reply_send(p->reply, &r);
}

/* --- a probe's life --------------------------------------------------------------------------- */

static void probe_end(struct probe *p)
{
    if (p->kind == HEALTH) {
        answer_health(p);
    } else {
        answer_checks(p);
    }
    mem_free(p);
}

static void read_done(struct rnode_read *read, int status)
{
    struct probe *p = CONTAINER_OF(read, struct probe, read);
    p->read_status = status;
    probe_end(p);
}

static bool probe_waits(const struct probe *p)
{
    if (p->kind == HEALTH) {
        return !p->serializable && health_failure(p) == NULL;
    }
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        if (checks[i].waits && (p->checks & 1u << i) != 0) {
            return true;
        }
    }
    return false;
}

/* `pair` is "name" or "name=value" of the query. A name that nobody knows excludes nothing. */
static void take_pair(struct probe *p, struct slice pair)
{
    static const char exclude[] = "exclude=";
    if (slice_eq(pair, slice_str("verbose")) || slice_starts(pair, slice_str("verbose="))) {
        p->verbose = true;
    } else if (slice_eq(pair, slice_str("serializable=true"))) {
        p->serializable = true;
    } else if (slice_starts(pair, slice_str(exclude))) {
        struct slice name = slice_make(pair.data + sizeof exclude - 1,
                                       pair.len - (sizeof exclude - 1));
        for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
            if (slice_eq(name, slice_str(checks[i].name))) {
                p->checks &= ~(1u << i);
            }
        }
        for (int t = ALARM_NOSPACE; t <= ALARM_CORRUPT; t++) {
            p->excludes[t] |= slice_eq(name, slice_str(alarm_name((enum alarm_type)t)));
        }
    }
}

static void take_query(struct probe *p, const char *query)
{
    while (*query != '\0') {
        size_t len = strcspn(query, "&");
        take_pair(p, slice_make(query, len));
        query += len + (query[len] == '&');
    }
}

/* "/readyz": all checks but the excluded; "/readyz/NAME": that one, whatever the query says. */
static void take_path(struct probe *p, const struct http_request *request)
{
    const char *name = strchr(request->path + 1, '/');
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        if ((checks[i].of & p->kind) != 0 && (name == NULL || !strcmp(name + 1, checks[i].name))) {
            p->checks |= 1u << i;
        }
    }
    unsigned asked = p->checks;
    take_query(p, request->query);
    p->checks = name != NULL ? asked : p->checks;
}

static void probe_begin(struct server *s, enum probe_kind kind, const struct http_request *request,
                        struct http_reply *reply)
{
    struct probe *p = mem_zalloc(sizeof *p);
    p->server = s;
    p->reply = reply;
    p->kind = kind;
    p->read.done = read_done;
    take_path(p, request);
    rnode_get_status(s->node, &s->status);
    if (probe_waits(p)) {
        rnode_read_index(s->node, &p->read, server_request_timeout_ms(s));
    } else {
        probe_end(p);
    }
}

void server_probe_health(void *arg, const struct http_request *request, struct http_reply *reply)
{
    probe_begin(arg, HEALTH, request, reply);
}

void server_probe_livez(void *arg, const struct http_request *request, struct http_reply *reply)
{
    probe_begin(arg, LIVEZ, request, reply);
}

void server_probe_readyz(void *arg, const struct http_request *request, struct http_reply *reply)
{
    probe_begin(arg, READYZ, request, reply);
}
