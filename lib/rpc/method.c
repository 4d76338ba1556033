/* Methods by path (exact match, one hash), and their counters with etcd's names. */
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/rpc/server_int.h"

/* labels: grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary" */
static char *labels_of(const struct rpc_method *m, const char *code)
{
    const char *slash = strrchr(m->path, '/');
    PRE(m->path[0] == '/' && slash != m->path);
    struct buf b = BUF_INIT;
    if (code != NULL) {
        buf_append_str(&b, "grpc_code=\"");
        buf_append_str(&b, code);
        buf_append_str(&b, "\",");
    }
    buf_append_str(&b, "grpc_method=\"");
    buf_append_str(&b, slash + 1);
    buf_append_str(&b, "\",grpc_service=\"");
    buf_append(&b, m->path + 1, (size_t)(slash - m->path - 1));
    buf_append_str(&b, m->kind == RPC_UNARY ? "\",grpc_type=\"unary\"" : "\",grpc_type=\"stream\"");
    return buf_take(&b);
}

void rpc_server_methods(struct rpc_server *s, const struct rpc_method *methods, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        PRE(methods[i].message != NULL && methods[i].request != NULL);
        struct method_entry *e = mem_zalloc(sizeof *e);
        e->method = &methods[i];
        if (s->metrics != NULL) {
            autofree char *labels = labels_of(e->method, NULL);
            e->started = metrics_counter(s->metrics, "grpc_server_started_total", labels,
                                         "Total number of RPCs started on the server.");
        }
        mem_free(map_put_str(&s->methods, methods[i].path, e));
    }
}

struct method_entry *method_find(struct rpc_server *s, struct slice path)
{
    return map_get(&s->methods, path);
}

void method_count_started(struct method_entry *m)
{
    if (m->started != NULL) {
        metric_add(m->started, 1);
    }
}

/* "INVALID_ARGUMENT" -> "InvalidArgument": etcd's metrics use Go's names. */
static void go_name(enum grpc_code code, char *ret, size_t size)
{
    size_t n = 0;
    bool up = true;
    if (code == GRPC_OK) {
        memcpy(ret, "OK", 3);
        return;
    }
    for (const char *p = grpc_code_name((int)code); *p != '\0' && n + 1 < size; p++) {
        if (*p == '_') {
            up = true;
            continue;
        }
        ret[n++] = (char)(up ? *p : *p + ('a' - 'A'));
        up = false;
    }
    ret[n] = '\0';
}

void method_count_handled(struct rpc_server *s, struct method_entry *m, enum grpc_code code)
{
    if (s->metrics == NULL || (size_t)code >= ARRAY_LEN(m->handled)) {
        return;
    }
    if (m->handled[code] == NULL) {
        char name[32];
        go_name(code, name, sizeof name);
        autofree char *labels = labels_of(m->method, name);
        m->handled[code] =
            metrics_counter(s->metrics, "grpc_server_handled_total", labels,
                            "Total number of RPCs completed on the server, whatever the outcome.");
    }
    metric_add(m->handled[code], 1);
}

void methods_fini(struct rpc_server *s)
{
    size_t at = 0;
    struct map_entry *e;
    while ((e = map_next(&s->methods, &at)) != NULL) {
        mem_free(e->value);
    }
    map_fini(&s->methods);
}
