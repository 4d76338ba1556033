/* Who asks: a password becomes a token, which goes along with every call and stream.
 *
 *             an endpoint is current        a token, or auth is off
 *     WANTED ------------------------> ASKING --------------------> IN
 *       ^ ^                              |  |                        |
 *       | +-- no answer: again ----------+  | wrong user or password |
 *       |                                   v                        |
 *       +------- after 1 s .. 30 s ----- REFUSED                     |
 *       +-- a member does not take the token any more ---------------+
 *
 * While WANTED or ASKING calls and streams wait, until their deadline; while REFUSED calls and new
 * watches end at once with the reason, and what was watched before waits on. A token is void when
 * its time is over, when auth was enabled anew or the password changed; whatever was refused for
 * that has not been done and is sent again with the next token, so nobody above sees it. One token
 * that is void at once after another is a member's fault: asked for again after a back-off.
 *
 * Where auth is off, nobody can log in (E_AUTH_NOT_ENABLED): then there is no token, and the first
 * refusal for want of one, when auth is switched on, leads here again. Any member takes any other's
 * token, so a change of endpoint needs no log-in. */
#include <string.h>

#include "client/internal.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/io/file.h"
#include "proto/rpc_auth.pb-c.h"

enum {
    LOGIN_TIMEOUT_MS = 10000, /* members hash slowly, and one at a time */
    LOGIN_SURE_MS = 5000,     /* a token that lived so long was a good one */
};

static void on_again(struct timer *t);

/* --- life ------------------------------------------------------------------------------------- */

int client_user_split(char *text, const char **ret_user, const char **ret_password,
                      struct err *err)
{
    char *colon = strchr(text, ':');

    if (text[0] == '\0' || colon == text) {
        return err_set(err, E_INVAL, "the user has no name. Give NAME or NAME:PASSWORD");
    }
    if (colon != NULL) {
        *colon = '\0';
    }
    *ret_user = text;
    *ret_password = colon != NULL ? colon + 1 : NULL;
    return 0;
}

static char *copy(const char *text)
{
    return text != NULL ? mem_strdup(text) : NULL;
}

static void wipe(char *secret)
{
    if (secret != NULL) {
        explicit_bzero(secret, strlen(secret));
    }
    mem_free(secret);
}

int login_init(struct client *c, const struct client_options *options, struct err *err)
{
    struct login *l = &c->login;

    timer_init(c->loop, &l->again, on_again);
    if (options->user == NULL) {
        return 0;
    }
    if (options->password == NULL && options->password_file == NULL) {
        return err_set(err, E_INVAL, "user %s: no password is given", options->user);
    }
    l->state = LOGIN_WANTED;
    l->user = copy(options->user);
    l->password = copy(options->password);
    l->password_file = copy(options->password_file);
    return 0;
}

void login_fini(struct client *c)
{
    struct login *l = &c->login;

    timer_stop(&l->again);
    if (l->rpc != NULL) {
        rpc_request_cancel(l->rpc);
    }
    mem_free(l->user);
    wipe(l->password);
    mem_free(l->password_file);
    wipe(l->token);
}

/* --- the answer ------------------------------------------------------------------------------- */

/* What waited goes out, or ends. */
static void login_tell(struct client *c)
{
    if (client_ready(c)) {
        watch_mux_endpoint(c->watches);
        lease_keeper_endpoint(c->leases);
    }
    calls_resume(c);
}

static void login_again(struct client *c, const struct backoff *backoff)
{
    struct login *l = &c->login;

    l->failures++;
    timer_start(&l->again, backoff_delay_ms(backoff, l->failures, &c->rng));
}

static void login_in(struct client *c, const char *token)
{
    struct login *l = &c->login;

    l->state = LOGIN_IN;
    l->token = copy(token);
    l->serial++;
    l->since_ms = loop_now_ms(c->loop);
    l->why.code = 0;
    login_tell(c);
}

static void login_refused(struct client *c, int code, const char *where, const char *text)
{
    static const struct backoff backoff = { 1000, 30000 };
    struct login *l = &c->login;

    l->state = LOGIN_REFUSED;
    err_set(&l->why, code, "%s: user %s: %s", where, l->user, text);
    log_warn("client", "cannot log in", "user=%s where=%s why=\"%s\"", l->user, where, text);
    login_again(c, &backoff);
    login_tell(c);
    watch_mux_refuse(c->watches);
}

/* Nobody has said no: the member's or the moment's fault. */
static void login_failed(struct client *c, struct endpoint *e, const struct rpc_result *result)
{
    static const struct backoff backoff = { 50, 2000 };
    struct login *l = &c->login;

    l->state = LOGIN_WANTED;
    err_set(&l->why, result->err, "%s: user %s cannot log in: %s", e->address, l->user,
            result->text[0] != '\0' ? result->text : err_text(result->err));
    login_again(c, &backoff);
    client_judge(c, e, result->err, result->text);
}

bool client_token_fits(const char *token)
{
    size_t n = 0;

    while (token[n] > ' ' && token[n] < 0x7f && n <= CLIENT_TOKEN_BYTES) {
        n++;
    }
    return token[n] == '\0' && n > 0;
}

static void on_answer(void *arg, const struct rpc_result *result)
{
    struct client *c = arg;
    struct login *l = &c->login;
    struct endpoint *e = TAKE(l->endpoint);

    l->rpc = NULL;
    client_release(c, e);
    if (result->err == 0) {
        const Etcdserverpb__AuthenticateResponse *m =
            (const Etcdserverpb__AuthenticateResponse *)(const void *)result->msg;

        client_heard(c);
        if (client_token_fits(m->token)) {
            login_in(c, m->token);
        } else {
            login_refused(c, E_PROTO, e->address, "the member gave a token that is none");
        }
    } else if (result->err == E_AUTH_NOT_ENABLED || result->err == E_UNSUPPORTED) {
        login_in(c, NULL); /* also a member that does not know auth */
    } else if (call_transient(result->err)) {
        login_failed(c, e, result);
    } else {
        login_refused(c, result->err, e->address,
                      result->text[0] != '\0' ? result->text : err_text(result->err));
    }
}

/* --- asking ----------------------------------------------------------------------------------- */

int client_password_read(struct fs *fs, const char *path, struct buf *out, struct err *err)
{
    int rv = fs_read_file(fs, path, CLIENT_PASSWORD_BYTES, out, err);

    if (rv != 0) {
        return rv;
    }
    if (out->len > 0) {
        out->len = strcspn(buf_str(out), "\r\n");
        out->data[out->len] = '\0';
    }
    return out->len > 0 ? 0 : err_set(err, E_INVAL, "no password in the first line of %s", path);
}

static void login_ask(struct client *c, const char *password)
{
    Etcdserverpb__AuthenticateRequest request = ETCDSERVERPB__AUTHENTICATE_REQUEST__INIT;
    struct login *l = &c->login;

    request.name = l->user;
    request.password = (char *)(uintptr_t)password;
    l->state = LOGIN_ASKING;
    l->endpoint = c->current;
    l->endpoint->in_flight++;
    l->rpc = rpc_call_unary(c->current->channel, "/etcdserverpb.Auth/Authenticate", &request.base,
                            &etcdserverpb__authenticate_response__descriptor, LOGIN_TIMEOUT_MS,
                            on_answer, c);
}

void login_start(struct client *c)
{
    struct login *l = &c->login;
    struct err err = ERR_INIT;
    struct buf password = BUF_INIT;
    int rv = 0;

    if (l->state != LOGIN_WANTED || c->current == NULL || c->current->channel == NULL ||
        timer_active(&l->again)) {
        return;
    }
    if (l->password_file != NULL) {
        rv = client_password_read(loop_fs(c->loop), l->password_file, &password, &err);
    }
    if (rv != 0) {
        login_refused(c, rv, "--password-file", err.msg);
    } else {
        login_ask(c, l->password_file != NULL ? buf_str(&password) : l->password);
    }
    if (password.data != NULL) {
        explicit_bzero(password.data, password.cap);
    }
    buf_fini(&password);
}

static void on_again(struct timer *t)
{
    struct client *c = CONTAINER_OF(t, struct client, login.again);

    c->login.state = LOGIN_WANTED;
    login_start(c);
}

void login_endpoint(struct client *c)
{
    struct login *l = &c->login;

    if (l->state == LOGIN_ASKING && l->endpoint != c->current) {
        struct endpoint *left = TAKE(l->endpoint);

        rpc_request_cancel(TAKE(l->rpc));
        client_release(c, left);
        l->state = LOGIN_WANTED;
    }
    if (l->state == LOGIN_WANTED) {
        timer_stop(&l->again); /* what the last one failed for need not be this one's */
        login_start(c);
    }
}

/* --- in use ----------------------------------------------------------------------------------- */

bool login_void(struct client *c, int code, uint64_t serial)
{
    static const struct backoff backoff = { 50, 5000 };
    struct login *l = &c->login;

    if (l->state == LOGIN_NONE ||
        (code != E_AUTH_TOKEN && code != E_USER_EMPTY && code != E_AUTH_OLD)) {
        return false;
    }
    if (l->state != LOGIN_IN || serial != l->serial) {
        return true; /* another was there first */
    }
    l->state = LOGIN_WANTED;
    wipe(TAKE(l->token));
    if (loop_now_ms(c->loop) - l->since_ms < LOGIN_SURE_MS) {
        login_again(c, &backoff);
    } else {
        l->failures = 0;
        login_start(c);
    }
    return true;
}

void login_request(const struct client *c, struct rpc_request *r)
{
    if (c->login.token != NULL) {
        rpc_request_metadata(r, "token", c->login.token);
    }
}

void login_stream(const struct client *c, struct rpc_stream *s)
{
    if (c->login.token != NULL) {
        rpc_stream_metadata(s, "token", c->login.token);
    }
}
