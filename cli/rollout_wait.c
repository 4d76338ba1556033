/* get --> judge --> watch from the revision after --> judge each change --> done */
#include "cli/rollout_wait.h"

#include "api/meta.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

enum rollout_state rollout_state_of(const struct deployment *d, struct buf *text)
{
    const char *name = d->object.metadata.name;
    const struct condition *progressing = condition_find(&d->status.conditions, "Progressing");
    int updated = (int)d->status.updated_replicas, wanted = (int)d->spec.replicas;

    if (d->object.metadata.generation > d->status.observed_generation) {
        buf_printf(text, "waiting for deployment \"%s\" to be looked at", name);
        return ROLLOUT_GOES_ON;
    }
    if (progressing != NULL && str_eq(progressing->reason, "ProgressDeadlineExceeded")) {
        buf_printf(text, "deployment \"%s\" exceeded its progress deadline", name);
        return ROLLOUT_FAILED;
    }
    if (updated < wanted) {
        buf_printf(text, "waiting for deployment \"%s\": %d of %d new replicas have been made",
                   name, updated, wanted);
        return ROLLOUT_GOES_ON;
    }
    if ((int)d->status.replicas > updated) {
        buf_printf(text, "waiting for deployment \"%s\": %d old replicas are going", name,
                   (int)d->status.replicas - updated);
        return ROLLOUT_GOES_ON;
    }
    if ((int)d->status.available_replicas < updated) {
        buf_printf(text, "waiting for deployment \"%s\": %d of %d new replicas are available",
                   name, (int)d->status.available_replicas, updated);
        return ROLLOUT_GOES_ON;
    }
    buf_printf(text, "deployment \"%s\" successfully rolled out", name);
    return ROLLOUT_COMPLETE;
}

static void say(struct rollout_wait *w, struct buf *text, bool last)
{
    struct cli *cli = w->cli;

    if (!last && str_eq(buf_str(text), buf_str(&w->said))) {
        return;
    }
    buf_reset(&w->said);
    buf_append_slice(&w->said, buf_slice(text));
    if (cli->screen) {
        size_t n = text->len < cli->style.width ? text->len : cli->style.width - 1;
        buf_printf(&cli->out, "\r\x1b[K%.*s%s", (int)n, buf_str(text), last ? "\n" : "");
        w->line_open = !last;
    } else {
        buf_printf(&cli->out, "%s\n", buf_str(text));
    }
    cli_flush(cli);
}

static void close_line(struct rollout_wait *w)
{
    if (w->line_open) {
        buf_append_char(&w->cli->out, '\n');
        w->line_open = false;
    }
}

static void stop(struct rollout_wait *w)
{
    if (w->cli->watch != NULL) {
        client_watch_stop(TAKE(w->cli->watch));
    }
}

static void judge(struct rollout_wait *w, const struct object *o)
{
    autobuf text = BUF_INIT;
    autofree char *next =
        mem_printf("barque why deploy/%s -n %s", w->name, w->namespace_);

    switch (rollout_state_of(object_deployment(o), &text)) {
    case ROLLOUT_GOES_ON:
        say(w, &text, false);
        return;
    case ROLLOUT_FAILED:
        close_line(w);
        cli_fail(w->cli, CLI_FAILED, next, "%s", buf_str(&text));
        return;
    case ROLLOUT_COMPLETE:
        say(w, &text, true);
        stop(w);
        w->done(w);
        return;
    default:
        UNREACHABLE();
    }
}

static void on_events(void *arg, const struct client_event *events, size_t n, int64_t revision)
{
    struct rollout_wait *w = arg;

    (void)revision;
    for (size_t i = 0; i < n && w->cli->watch != NULL && !w->cli->ended; i++) {
        struct object *o = NULL;

        if (events[i].type == EVENT_DELETE) {
            close_line(w);
            cli_fail(w->cli, CLI_NOTFOUND, NULL, "deployment \"%s\" was deleted", w->name);
        } else if (object_from_json(&kind_deployment, events[i].kv.value, &o, NULL) == 0) {
            judge(w, o);
            object_free(o);
        }
    }
}

static void begin(struct rollout_wait *w);

static void on_watch_end(void *arg, int status, int64_t compact_revision, const struct err *err)
{
    struct rollout_wait *w = arg;

    (void)compact_revision;
    w->cli->watch = NULL;
    if (status == E_COMPACTED) {
        begin(w);
    } else {
        close_line(w);
        cli_fail_call(w->cli, status, err);
    }
}

static void on_got(void *arg, struct objects_result *r)
{
    struct rollout_wait *w = arg;
    autobuf key = BUF_INIT;

    if (r->status != 0) {
        cli_fail_call(w->cli, r->status, r->err);
        return;
    }
    kind_key(&kind_deployment, w->namespace_, w->name, &key);
    struct client_watch_options options = {
        .key = buf_slice(&key),
        .start_revision = r->revision + 1,
        .on_events = on_events,
        .on_end = on_watch_end,
        .arg = w,
    };
    w->cli->watch = client_watch_start(w->cli->client, &options);
    judge(w, r->object);
}

static void begin(struct rollout_wait *w)
{
    objects_get(w->cli->client, &kind_deployment, w->namespace_, w->name, on_got, w);
}

void rollout_wait_start(struct rollout_wait *w, struct cli *cli, const char *namespace_,
                        const char *name, void (*done)(struct rollout_wait *w))
{
    w->cli = cli;
    w->namespace_ = namespace_;
    w->name = name;
    w->done = done;
    buf_reset(&w->said);
    begin(w);
}

void rollout_wait_timeout(struct rollout_wait *w)
{
    autofree char *next = mem_printf("barque why deploy/%s -n %s", w->name, w->namespace_);

    close_line(w);
    cli_fail(w->cli, CLI_TIMEOUT, next, "time is over (--timeout); %s",
             w->said.len != 0 ? buf_str(&w->said) : "the deployment was not seen yet");
}

void rollout_wait_fini(struct rollout_wait *w)
{
    buf_fini(&w->said);
}
