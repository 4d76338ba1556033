/* One text at a time: read, parsed, problems told, objects kept. */
#include "cli/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/manifest.h"
#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"

void manifest_objects_fini(struct manifest_objects *m)
{
    for (size_t i = 0; i < m->n; i++) {
        object_free(m->items[i]);
    }
    mem_free(m->items);
    *m = (struct manifest_objects){ 0 };
}

static int read_all(int fd, struct buf *out)
{
    ssize_t n;

    do {
        n = read(fd, buf_reserve(out, 65536), 65536);
        if (n < 0 && errno == EINTR) {
            n = 1;
            continue;
        }
        buf_advance(out, n > 0 ? (size_t)n : 0);
    } while (n > 0 && out->len <= LIMIT_DOC_BYTES);
    return n < 0 ? -errno : 0;
}

static bool take_text(struct cli *cli, const char *name, struct slice text,
                      struct manifest_objects *m, size_t *problems_found)
{
    struct problems problems;
    struct object **objects = NULL;
    size_t n = 0;

    problems_init(&problems);
    if (manifest_parse(text, cli->namespace_, &objects, &n, &problems) != 0) {
        autobuf lines = BUF_INIT;

        problems_print(&problems, name, text, &lines);
        fputs(buf_str(&lines), stderr);
        *problems_found += problems.found;
    }
    for (size_t i = 0; i < n; i++) {
        m->items = mem_grow(m->items, &m->cap, m->n + 1, sizeof *m->items);
        m->items[m->n++] = objects[i];
    }
    mem_free(objects);
    problems_fini(&problems);
    return true;
}

static bool take_file(struct cli *cli, const char *name, struct manifest_objects *m,
                      size_t *problems_found)
{
    bool standard = str_eq(name, "-");
    int fd = standard ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    autobuf text = BUF_INIT;
    int rv = fd < 0 ? -errno : read_all(fd, &text);

    if (fd > STDIN_FILENO) {
        close(fd);
    }
    if (rv != 0) {
        cli_fail(cli, CLI_FAILED, NULL, "%s: %s", name, strerror(-rv));
        return false;
    }
    return take_text(cli, standard ? "<stdin>" : name, buf_slice(&text), m, problems_found);
}

static int manifest_file(const struct dirent *e)
{
    return str_ends(e->d_name, ".yaml") || str_ends(e->d_name, ".yml") ||
           str_ends(e->d_name, ".json");
}

static bool take_folder(struct cli *cli, const char *name, struct manifest_objects *m,
                        size_t *problems_found)
{
    struct dirent **entries;
    int n = scandir(name, &entries, manifest_file, alphasort);
    bool ok = n > 0;

    if (n <= 0) {
        cli_fail(cli, CLI_FAILED, NULL, "%s: no .yaml, .yml or .json file in this folder", name);
    }
    for (int i = 0; i < n; i++) {
        autofree char *path = mem_printf("%s/%s", name, entries[i]->d_name);
        ok = ok && take_file(cli, path, m, problems_found);
        free(entries[i]);
    }
    if (n >= 0) {
        free(entries);
    }
    return ok;
}

static size_t rank(const struct kind *kind)
{
    size_t i = 0;

    while (i < kinds_n && kinds[i] != kind) {
        i++;
    }
    return i;
}

/* Stable: manifests are short, and their order within a kind is the author's. */
static void sort(struct manifest_objects *m)
{
    for (size_t i = 1; i < m->n; i++) {
        struct object *o = m->items[i];
        size_t at = i;

        for (; at > 0 && rank(m->items[at - 1]->kind) > rank(o->kind); at--) {
            m->items[at] = m->items[at - 1];
        }
        m->items[at] = o;
    }
}

bool manifest_objects_read(struct cli *cli, const struct cli_list *names,
                           struct manifest_objects *m)
{
    size_t problems_found = 0;

    for (size_t i = 0; i < names->n; i++) {
        struct stat st;
        bool folder = stat(names->items[i], &st) == 0 && S_ISDIR(st.st_mode);

        if (!(folder ? take_folder : take_file)(cli, names->items[i], m, &problems_found)) {
            return false;
        }
    }
    if (problems_found != 0) {
        cli_fail(cli, CLI_FAILED, NULL, "%zu problem%s; nothing was sent", problems_found,
                 problems_found == 1 ? "" : "s");
        return false;
    }
    if (m->n == 0) {
        cli_fail(cli, CLI_FAILED, NULL, "no object in %s", names->n != 0 ? names->items[0] : "");
        return false;
    }
    sort(m);
    return true;
}
