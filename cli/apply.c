/* `barque apply`: manifests into the store, one object after the other, then (unless -d) waiting
 * for the Deployments.
 *
 *     for each object:  modify (read, merge, write at that revision) --not found--> create
 *                          ^                                                          |
 *                          +---------------- somebody else created it ----------------+
 *     then for each Deployment: rollout_wait */
#include "cli/cli.h"

#include "api/validate.h"
#include "cli/files.h"
#include "cli/merge.h"
#include "cli/rollout_wait.h"
#include "lib/base/alloc.h"
#include "lib/base/str.h"

static const char usage[] =
    "barque apply: create or change what manifests say, and wait until it is there\n"
    "\n"
    "  barque apply -f FILE|FOLDER|- [-f ...]\n"
    "\n"
    "Every problem of every file is told before anything is sent. Applying again changes nothing.\n"
    "What controllers and other people set elsewhere in an object stays.\n"
    "\n"
    "Examples:\n"
    "  barque apply -f examples/web.yaml             waits for the rollout, with progress\n"
    "  barque apply -d -f manifests/                 does not wait\n"
    "  barque apply --dry-run -f web.yaml            says what would change, and changes nothing\n"
    "  sed s/v1/v2/ web.yaml | barque apply -f -\n";

enum { DIFF_LINES_MAX = 12, WAIT_MS = 300000 };

struct apply {
    struct cli cli;
    struct cli_list files;
    bool detach, dry_run;
    struct manifest_objects objects;
    size_t at;
    struct buf diff;       /* of the last edit */
    struct buf problems;   /* of the last edit */
    struct rollout_wait wait;
};

static void apply_next(struct apply *a);
static void wait_next(struct apply *a);

static struct object *present(struct apply *a)
{
    return a->objects.items[a->at];
}

/* --- what happened, as the plan's lines ------------------------------------------------------- */

static void say(struct apply *a, const char *what, enum table_tone tone)
{
    const struct object *o = present(a);
    struct buf *out = &a->cli.out;
    bool color = a->cli.style.color;
    size_t lines = 0;

    buf_printf(out, "%s/%s %s%s%s\n", o->kind->singular, o->metadata.name,
               tone_start(tone, color), what, tone_end(tone, color));
    for (const char *line = buf_str(&a->diff); *line != 0; lines++) {
        size_t len = strcspn(line, "\n");

        if (lines < DIFF_LINES_MAX) {
            buf_printf(out, "  %.*s\n", (int)len, line);
        }
        line += len + (line[len] == '\n');
    }
    if (lines > DIFF_LINES_MAX) {
        buf_printf(out, "  ... and %zu more differences\n", lines - DIFF_LINES_MAX);
    }
    buf_reset(&a->diff);
    cli_flush(&a->cli);
    a->at++;
    apply_next(a);
}

/* --- one object ------------------------------------------------------------------------------- */

static void on_created(void *arg, struct objects_result *r)
{
    struct apply *a = arg;

    if (r->status == E_EXIST) {
        apply_next(a);
    } else if (r->status != 0) {
        cli_fail_call(&a->cli, r->status, r->err);
    } else {
        object_free(a->objects.items[a->at]); /* its name may be a generated one */
        a->objects.items[a->at] = TAKE(r->object);
        buf_reset(&a->diff);
        say(a, "created", TONE_GOOD);
    }
}

static void create(struct apply *a)
{
    struct object *o = object_copy(present(a));

    if (a->dry_run) {
        object_free(o);
        buf_reset(&a->diff);
        say(a, "would be created", TONE_GOOD);
        return;
    }
    merge_note(o);
    object_stamp_new(o, &a->cli.rng, loop_wall_ms(a->cli.loop));
    objects_create(a->cli.client, o, on_created, a);
    object_free(o);
}

static int edit(void *arg, struct object *o, struct err *err)
{
    struct apply *a = arg;
    struct object *before = object_copy(o);
    struct problems problems;
    int rv = merge_into(o, present(a), err);

    buf_reset(&a->diff);
    buf_reset(&a->problems);
    problems_init(&problems);
    if (rv == 0 && object_validate_update(before, o, &problems) != 0) {
        autofree char *name = mem_printf("%s/%s", o->kind->singular, o->metadata.name);

        problems_print(&problems, name, slice_make(NULL, 0), &a->problems);
        rv = err_set(err, E_INVAL, "%s cannot be changed this way", name);
    }
    merge_diff(before, o, &a->diff);
    if (rv == 0 && a->dry_run) {
        rv = err_set(err, E_CANCELED, "dry run"); /* ends the operation before its write */
    }
    problems_fini(&problems);
    object_free(before);
    return rv;
}

static void on_modified(void *arg, struct objects_result *r)
{
    struct apply *a = arg;

    if (r->status == E_NOTFOUND) {
        create(a);
    } else if (r->status == E_INVAL && a->problems.len != 0) {
        autofree char *next = mem_printf("barque delete %s/%s, then apply again",
                                         present(a)->kind->singular, present(a)->metadata.name);

        cli_note(&a->cli, "%.*s", (int)a->problems.len - 1, buf_str(&a->problems));
        cli_fail(&a->cli, CLI_FAILED, next, "%s", r->err->msg);
    } else if (r->status == E_CANCELED && a->dry_run && !a->cli.ended) {
        say(a, a->diff.len != 0 ? "would be configured" : "unchanged",
            a->diff.len != 0 ? TONE_WARN : TONE_DIM);
    } else if (r->status != 0) {
        cli_fail_call(&a->cli, r->status, r->err);
    } else if (a->diff.len != 0) {
        say(a, "configured", TONE_WARN);
    } else {
        say(a, "unchanged", TONE_DIM);
    }
}

static void apply_next(struct apply *a)
{
    const struct object *o;

    if (a->cli.ended) {
        return;
    }
    if (a->at == a->objects.n) {
        a->at = 0;
        wait_next(a);
        return;
    }
    o = present(a);
    if (o->metadata.name == NULL || o->metadata.name[0] == 0) {
        create(a); /* generateName: always a new one */
        return;
    }
    objects_modify(a->cli.client, o->kind, o->metadata.namespace_, o->metadata.name, edit,
                   on_modified, a);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void on_rolled_out(struct rollout_wait *w)
{
    struct apply *a = CONTAINER_OF(w, struct apply, wait);

    a->at++;
    wait_next(a);
}

static void on_timeout(struct cli *cli)
{
    struct apply *a = CLI_OF(cli, struct apply);

    if (a->wait.cli != NULL) {
        rollout_wait_timeout(&a->wait);
    }
}

static void wait_next(struct apply *a)
{
    while (a->at < a->objects.n && present(a)->kind != &kind_deployment) {
        a->at++;
    }
    if (a->detach || a->dry_run || a->at == a->objects.n) {
        cli_end(&a->cli, CLI_OK);
        return;
    }
    rollout_wait_start(&a->wait, &a->cli, present(a)->metadata.namespace_,
                       present(a)->metadata.name, on_rolled_out);
}

static void start(struct cli *cli)
{
    struct apply *a = CLI_OF(cli, struct apply);

    if (a->files.n == 0 || cli->n_args != 0) {
        cli_fail_usage(cli, "say what to apply with -f FILE");
        return;
    }
    if (manifest_objects_read(cli, &a->files, &a->objects)) {
        cli_wait_start(cli, on_timeout);
        apply_next(a);
    }
}

int verb_apply(int argc, char **argv)
{
    struct apply a = { .at = 0 };
    const struct cli_flag flags[] = {
        { "filename", 'f', CLI_LIST, &a.files, "FILE", "a file, a folder, or - (may be repeated)" },
        { "detach", 'd', CLI_BOOL, &a.detach, NULL, "do not wait for the rollouts" },
        { "dry-run", 0, CLI_BOOL, &a.dry_run, NULL, "only say what would change" },
    };
    const struct cli_spec spec = { .name = "apply", .usage = usage, .flags = flags,
                                   .n_flags = ARRAY_LEN(flags), .start = start,
                                   .timeout_ms = WAIT_MS, .waits = true };
    int code = cli_main(&a.cli, &spec, argc, argv);

    manifest_objects_fini(&a.objects);
    buf_fini(&a.diff);
    buf_fini(&a.problems);
    rollout_wait_fini(&a.wait);
    return code;
}
