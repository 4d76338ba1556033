/* The file of rules: looked at on a timer, read when it has changed, obeyed when it is right.
 *
 * What is in force is told by FILE.applied, a copy, and in the log. These files are written past
 * lib/io's disk: its faults are not the shim's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/log.h"
#include "lib/io/fault_internal.h"
#include "lib/io/internal.h"

enum { POLL_MS = 50 };

struct fault_watch {
    struct loop *loop;
    struct faults *faults;
    struct timer timer;
    char *path;
    struct buf text; /* as last read, right or wrong */
    int told;
};

/* No file is no rules. Never more than one byte over the bound: that tells "too long". */
static int read_rules(const char *path, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? 0 : err_errno(err, errno, "open %s", path);
    }
    int rv = 0;
    while (out->len <= FAULT_TEXT_MAX_BYTES) {
        size_t room = FAULT_TEXT_MAX_BYTES + 1 - out->len;
        ssize_t n = read(fd, buf_reserve(out, room), room);
        if (n < 0) {
            rv = err_errno(err, errno, "read %s", path);
        }
        if (n <= 0) {
            break;
        }
        buf_advance(out, (size_t)n);
    }
    close(fd);
    return rv;
}

static void tell_applied(const struct fault_watch *w)
{
    autofree char *path = mem_printf("%s.applied", w->path);
    autofree char *tmp = mem_printf("%s.tmp", path);
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, w->text.data, w->text.len) != (ssize_t)w->text.len ||
        rename(tmp, path) != 0) {
        log_warn("io", "cannot tell that fault rules are in force", "file=%s reason=\"%s\"", path,
                 strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
}

static int apply(struct fault_watch *w, struct err *err)
{
    struct fault_rules rules = FAULT_RULES_INIT;
    int rv = fault_rules_parse(buf_slice(&w->text), &rules, err);
    if (rv != 0) {
        return err_prefix(err, "%s", w->path);
    }
    autobuf canonical = BUF_INIT;
    fault_rules_print(&rules, &canonical);
    fault_track_switch(w->faults->track, rules.disk.track_unsynced);
    faults_set_rules(w->faults, &rules);
    conns_obey_faults(w->loop);
    for (uint8_t *p = canonical.data; p < canonical.data + canonical.len; p++) {
        *p = *p == '\n' ? ';' : *p;
    }
    log_warn("io", "fault rules in force", "rules=\"%s\"", buf_str(&canonical));
    tell_applied(w);
    return 0;
}

static int look(struct fault_watch *w, bool first, struct err *err)
{
    autobuf text = BUF_INIT;
    int rv = read_rules(w->path, &text, err);
    if (rv != 0 || (!first && slice_eq(buf_slice(&text), buf_slice(&w->text)))) {
        return rv;
    }
    buf_reset(&w->text);
    buf_append_slice(&w->text, buf_slice(&text));
    return apply(w, err);
}

static void on_poll(struct timer *timer)
{
    struct fault_watch *w = CONTAINER_OF(timer, struct fault_watch, timer);
    struct err err = ERR_INIT;
    int rv = look(w, false, &err);
    bool wrong = rv == E_INVAL || rv == E_TOOBIG; /* told once: the text is remembered */
    if (wrong || (rv != 0 && rv != w->told)) {
        log_warn("io", "fault rules cannot be obeyed; the ones before stay in force",
                 "reason=\"%s\"", err.msg);
    }
    w->told = rv;
    timer_start(&w->timer, POLL_MS);
}

int faults_start(struct loop *loop, const char *path, const char *self, struct err *err)
{
    PRE(loop->faults == NULL);
    autofree char *track_path = mem_printf("%s.unsynced", path);
    struct fault_watch *w = mem_zalloc(sizeof *w);
    w->loop = loop;
    w->path = mem_strdup(path);
    w->faults = faults_new(self, track_path);
    buf_init(&w->text);
    timer_init(loop, &w->timer, on_poll);
    loop->faults = w->faults;
    loop->fault_watch = w;
    loop->fs.faults = w->faults;
    log_warn("io", "UNSAFE: this process fails on purpose when told to", "self=%s rules=%s", self,
             path);
    int rv = look(w, true, err);
    if (rv != 0) {
        faults_stop(loop);
        return rv;
    }
    timer_start(&w->timer, POLL_MS);
    return 0;
}

void faults_stop(struct loop *loop)
{
    struct fault_watch *w = TAKE(loop->fault_watch);
    if (w == NULL) {
        return;
    }
    timer_stop(&w->timer);
    loop->faults = NULL;
    loop->fs.faults = NULL;
    faults_free(w->faults);
    buf_fini(&w->text);
    mem_free(w->path);
    mem_free(w);
}

struct faults *loop_faults(struct loop *loop)
{
    return loop->faults;
}
