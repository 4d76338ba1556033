/* As whom the load asks, where users are on: one Authenticate before anything else. Its token goes
 * along with every call of every connection; a server takes it as long as it is used. */
#include <stdio.h>

#include "bench/engine.h"
#include "client/client.h"
#include "proto/rpc_auth.pb-c.h"

enum { LOGIN_TIMEOUT_MS = 10000 /* servers hash slowly, and one at a time */ };

static void on_answer(void *arg, const struct rpc_result *result)
{
    struct bench *b = arg;
    if (b->phase != PHASE_PROBE) {
        return;
    }
    const Etcdserverpb__AuthenticateResponse *m = (const void *)result->msg;
    bool unfit = result->err == 0 && !client_token_fits(m->token);
    if (result->err == E_AUTH_FAILED || unfit) {
        char text[400];
        snprintf(text, sizeof text, "%s: user %s: %s", b->o->endpoints[0], b->o->user,
                 unfit ? "the server gave a token that is none" : result->text);
        bench_fail(b, unfit ? E_PROTO : result->err, text);
        return;
    }
    if (result->err == 0) {
        for (size_t i = 0; i < b->n_channels; i++) {
            rpc_channel_metadata(b->channels[i], "token", m->token);
        }
    }
    b->logged_in = result->err == 0 || result->err == E_AUTH_NOT_ENABLED;
    bench_probed(b, result);
}

void bench_login(struct bench *b)
{
    Etcdserverpb__AuthenticateRequest m = ETCDSERVERPB__AUTHENTICATE_REQUEST__INIT;
    m.name = (char *)(uintptr_t)b->o->user;
    m.password = (char *)(uintptr_t)b->o->password;
    rpc_call_unary(b->channels[0], "/etcdserverpb.Auth/Authenticate", &m.base,
                   &etcdserverpb__authenticate_response__descriptor, LOGIN_TIMEOUT_MS, on_answer,
                   b);
}
