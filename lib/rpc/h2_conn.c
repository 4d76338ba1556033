/* The bridge from sessions to connections. */
#include "lib/rpc/h2_conn.h"

static void write_bytes(void *arg, struct slice bytes)
{
    conn_write(arg, bytes);
}

static void write_value(void *arg, struct value *v, size_t from, size_t len)
{
    conn_write_value(arg, v, from, len);
}

static bool full(void *arg)
{
    return conn_congested(arg);
}

int h2_pull_into_conn(struct h2 *h2, struct conn *c)
{
    struct h2_sink sink = { write_bytes, write_value, full, c };
    return h2_pull(h2, &sink);
}
