/* A stream into `path`.part, which is checked as any file is, synced and renamed. */
#include "cmd/snapshot/fetch.h"

#include <inttypes.h>
#include <string.h>

#include "client/snapshot.h"
#include "client/login_as.h"
#include "cmd/snapshot/state.h"
#include "lib/base/alloc.h"
#include "lib/io/file.h"

enum { TELL_MS = 1000 };

struct fetch {
    struct login_as as;
    struct buf secret; /* of a password file */
    struct loop *loop;
    struct file *file;
    uint64_t at, told_ms;
    int status;
    struct err err;
};

static int on_blob(void *arg, struct slice blob, uint64_t remaining, struct err *err)
{
    struct fetch *f = arg;
    int rv = file_pwrite(f->file, blob.data, blob.len, f->at, err);
    f->at += blob.len;
    uint64_t now = loop_now_ms(f->loop);
    if (f->told_ms == 0) {
        f->told_ms = now;
        state_say("getting %" PRIu64 " bytes", f->at + remaining);
    } else if (now - f->told_ms >= TELL_MS && f->at + remaining > 0) {
        f->told_ms = now;
        state_say("getting: %" PRIu64 " %%", f->at * 100 / (f->at + remaining));
    }
    return rv;
}

static void on_done(void *arg, int status, const struct err *err)
{
    struct fetch *f = arg;
    f->status = status;
    f->err = *err;
    loop_stop(f->loop);
}

/* The whole stream of one endpoint. */
static int fetch_one(struct fetch *f, const char *endpoint, struct err *err)
{
    struct client_snapshot_options o = { .loop = f->loop, .endpoint = endpoint,
                                         .user = f->as.user, .password = f->as.password,
                                         .on_blob = on_blob, .done = on_done, .arg = f };
    struct client_snapshot *stream;
    f->at = f->told_ms = 0;
    int rv = client_snapshot_start(&o, &stream, err);
    if (rv != 0) {
        return rv;
    }
    state_say("asking %s", endpoint);
    loop_run(f->loop);
    if (f->status != 0) {
        *err = f->err;
        return err_prefix(err, "%s", endpoint);
    }
    return 0;
}

static int fetch_any(struct fetch *f, const char *endpoints, struct err *err)
{
    autofree char *list = mem_strdup(endpoints);
    char *save = NULL;
    int rv = err_set(err, E_INVAL, "--endpoints is empty");
    for (char *e = strtok_r(list, ", ", &save); e != NULL; e = strtok_r(NULL, ", ", &save)) {
        rv = fetch_one(f, e, err);
        if (rv == 0) {
            break;
        }
        state_say("%s", err->msg);
    }
    return rv;
}

/* What came is whole. */
static int check(const char *part, struct err *err)
{
    struct state_file whole;
    int rv = state_file_open(part, false, &whole, err);
    if (rv == 0) {
        state_file_close(&whole);
    }
    return rv;
}

static int log_in_as(struct fetch *f, const struct fetch_user *user, struct err *err)
{
    int rv = login_as_read(user->user, user->password_file, &f->as, err);
    if (rv == 0 && f->as.password_file != NULL) {
        rv = client_password_read(NULL, f->as.password_file, &f->secret, err);
        f->as.password = buf_str(&f->secret);
    }
    return rv;
}

static void forget_who(struct fetch *f)
{
    if (f->secret.data != NULL) {
        explicit_bzero(f->secret.data, f->secret.cap);
    }
    buf_fini(&f->secret);
    login_as_fini(&f->as);
}

int fetch_snapshot(const char *endpoints, const struct fetch_user *user, const char *path,
                   struct err *err)
{
    autofree char *part = mem_printf("%s.part", path);
    struct fetch f = { .as = LOGIN_AS_INIT };
    int rv = log_in_as(&f, user, err);
    if (rv == 0) {
        rv = file_open(NULL, part, FILE_WRITE | FILE_CREATE | FILE_TRUNC, &f.file, err);
    }
    if (rv != 0) {
        forget_who(&f);
        return rv;
    }
    f.loop = loop_new();
    rv = fetch_any(&f, endpoints, err);
    loop_free(f.loop);
    forget_who(&f);
    if (rv == 0) {
        rv = file_truncate(f.file, f.at, err);
    }
    if (rv == 0) {
        rv = file_sync(f.file, err);
    }
    file_close(f.file);
    if (rv == 0) {
        rv = check(part, err);
    }
    if (rv == 0) {
        rv = fs_rename(NULL, part, path, err);
    }
    if (rv == 0) {
        rv = state_sync_parent(path, err);
    } else {
        (void)fs_unlink(NULL, part, NULL);
    }
    return rv;
}
