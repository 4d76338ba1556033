/* A stream into `path`.part, which is checked as any file is, synced and renamed. */
#include "cmd/snapshot/fetch.h"

#include <inttypes.h>
#include <string.h>

#include "client/snapshot.h"
#include "cmd/snapshot/state.h"
#include "lib/base/alloc.h"
#include "lib/io/file.h"

enum { TELL_MS = 1000 };

struct fetch {
    char *user; /* "NAME" and its password, or NULL */
    const char *password;
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
                                         .user = f->user, .password = f->password,
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

static void split_user(struct fetch *f, const char *user)
{
    if (user == NULL) {
        return;
    }
    f->user = mem_strdup(user);
    char *colon = strchr(f->user, ':');
    if (colon != NULL) {
        *colon = '\0';
        f->password = colon + 1;
    }
}

int fetch_snapshot(const char *endpoints, const char *user, const char *path, struct err *err)
{
    autofree char *part = mem_printf("%s.part", path);
    struct fetch f = { 0 };
    int rv = file_open(NULL, part, FILE_WRITE | FILE_CREATE | FILE_TRUNC, &f.file, err);
    if (rv != 0) {
        return rv;
    }
    split_user(&f, user);
    f.loop = loop_new();
    rv = fetch_any(&f, endpoints, err);
    loop_free(f.loop);
    mem_free(f.user);
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
