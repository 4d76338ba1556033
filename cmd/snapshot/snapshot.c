/* `barque snapshot save|status|restore`, `barque import`, `barque export`: etcd's database files.
 *
 *   save, export   a member that runs -> FILE          export --data-dir: one that does not
 *   status         what is in FILE, after its SHA-256 was checked
 *   restore        FILE -> the data directory of a member of a new cluster
 *   import         the same from a file of etcd or from an etcd that runs
 *
 * Everybody who restores one FILE with one --initial-cluster begins with the same snapshot, so the
 * members need not hear of each other before they start. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/exit.h"
#include "cmd/command.h"
#include "cmd/flags.h"
#include "cmd/member.h"
#include "cmd/snapshot/fetch.h"
#include "cmd/snapshot/state.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"
#include "lib/codec/bolt.h"
#include "lib/codec/crc32c.h"

enum { RESTORED_INDEX = 1, RESTORED_TERM = 1, ETCD_REVISION_BYTES = 17 };

struct snapshot_flags {
    const char *endpoints, *data_dir, *output;
    struct fetch_user as;
    const char *name, *initial_cluster, *initial_cluster_token, *initial_advertise_peer_urls;
    int64_t bump_revision;
    bool mark_compacted, skip_hash_check;
};

static int complain(const char *verb, int rv, const struct err *err)
{
    fprintf(stderr, "barque %s: %s\n", verb, err->msg);
    return rv == E_INVAL ? EXIT_USAGE : (int)exit_of_status(rv);
}

/* --- restore ---------------------------------------------------------------------------------- */

static int check_restore(const struct snapshot_flags *f, struct err *err)
{
    if (f->bump_revision < 0) {
        return err_set(err, E_INVAL, "--bump-revision must not be negative");
    }
    if ((f->bump_revision > 0) != f->mark_compacted) {
        return err_set(err, E_INVAL, "--bump-revision and --mark-compacted go together: the "
                       "revisions that are left out must be refused as compacted");
    }
    return 0;
}

static void tell_report(const struct etcd_db_report *r)
{
    state_say("%" PRIu64 " versions up to revision %" PRId64 ", compacted at %" PRId64 ", %" PRIu64
              " leases", r->records, r->file_revision, r->file_compacted, r->leases);
    if (r->orphans > 0) {
        state_say("%" PRIu64 " keys hang on a lease that is not in the file: they stay, without "
                  "one", r->orphans);
    }
    if (r->compact_revision != r->file_compacted) {
        state_say("compacted at revision %" PRId64 " here: of older ones the file does not hold "
                  "all", r->compact_revision);
    }
    if (r->revision != r->file_revision) {
        state_say("the newest revision is %" PRId64 " here", r->revision);
    }
    if (r->users + r->roles > 0) {
        state_say("%" PRIu64 " users, %" PRIu64 " roles; authentication is %s", r->users, r->roles,
                  r->auth_enabled && !r->auth_off ? "on" : "off");
    }
    if (r->foreign_passwords > 0) {
        state_say("warning: %" PRIu64 " passwords are kept in a way that is not known here. "
                  "Next: etcdctl user passwd NAME for each", r->foreign_passwords);
    }
    if (r->auth_off) {
        state_say("warning: AUTHENTICATION IS OFF, although it is on in the file: root could not "
                  "log in. Next: set passwords, then etcdctl auth enable");
    }
}

static int read_store(const struct snapshot_flags *f, const char *path, struct store **ret_store,
                      struct err *err)
{
    struct state_file file;
    struct etcd_db_report report;
    struct etcd_db_options o = { .applied_index = RESTORED_INDEX,
                                 .bump_revision = f->bump_revision };
    int rv = state_file_open(path, f->skip_hash_check, &file, err);
    if (rv != 0) {
        return rv;
    }
    state_say("reading %s, %" PRIu64 " bytes%s", path, file.size,
              file.summed ? ", its SHA-256 is right" : ": its SHA-256 was not checked");
    rv = etcd_db_read(file.bytes, &o, ret_store, &report, err);
    state_file_close(&file);
    if (rv != 0) {
        return err_prefix(err, "%s", path);
    }
    tell_report(&report);
    return 0;
}

/* Members and data directory of the flags. */
static int fill_target(const struct snapshot_flags *f, struct state_found *t,
                       struct rnode_member *members, char **ret_data_dir, struct err *err)
{
    autofree char *cluster = f->initial_cluster != NULL
                                 ? mem_strdup(f->initial_cluster)
                                 : mem_printf("%s=%s", f->name, f->initial_advertise_peer_urls);
    int rv = member_founders(f->name, f->initial_cluster_token, cluster, members, &t->n_members,
                             err);
    if (rv != 0) {
        return rv;
    }
    for (size_t i = 0; i < t->n_members; i++) {
        if (str_eq(members[i].name, f->name)) {
            t->member_id = members[i].id;
        }
    }
    *ret_data_dir = f->data_dir != NULL ? mem_strdup(f->data_dir)
                                        : mem_printf("%s.barque", f->name);
    t->data_dir = *ret_data_dir;
    t->members = members;
    t->cluster_id = rnode_cluster_id(members, t->n_members, f->initial_cluster_token);
    t->index = RESTORED_INDEX;
    t->term = RESTORED_TERM;
    return 0;
}

static int restore(const struct snapshot_flags *f, const char *path, struct err *err)
{
    autofree struct rnode_member *members = mem_zalloc(LIMIT_PEERS * sizeof *members);
    autofree char *data_dir = NULL;
    struct state_found target = { 0 };
    struct store *s = NULL;
    int rv = check_restore(f, err);
    if (rv == 0) {
        rv = fill_target(f, &target, members, &data_dir, err);
    }
    if (rv == 0) {
        rv = state_dir_free(data_dir, err);
    }
    if (rv == 0) {
        rv = read_store(f, path, &s, err);
    }
    if (rv == 0) {
        rv = state_found(s, &target, err);
    }
    if (rv == 0) {
        printf("member %s (%016" PRIx64 ") of cluster %016" PRIx64 " is in %s. Next: restore the "
               "other members from the same file, then barque store with the same --name, "
               "--initial-cluster and --initial-cluster-token on each\n", f->name,
               target.member_id, target.cluster_id, data_dir);
    }
    return rv;
}

static bool is_file(const char *source)
{
    return strstr(source, "://") == NULL && access(source, F_OK) == 0;
}

/* From a file, or by way of one from an etcd that runs. */
static int import(const struct snapshot_flags *f, const char *source, struct err *err)
{
    if (is_file(source)) {
        return restore(f, source, err);
    }
    if (strstr(source, "://") == NULL && strchr(source, ':') == NULL) {
        return err_set(err, E_NOTFOUND, "%s: there is no such file, and it is no endpoint", source);
    }
    autofree char *path = mem_printf("%s.import.db",
                                     f->data_dir != NULL ? f->data_dir : f->name);
    int rv = check_restore(f, err);
    if (rv == 0 && fs_exists(NULL, path)) {
        rv = err_set(err, E_EXIST, "%s is there: the snapshot would be put there meanwhile. Next: "
                     "move it away", path);
    }
    if (rv == 0 && f->data_dir != NULL) {
        rv = state_dir_free(f->data_dir, err);
    }
    if (rv == 0) {
        rv = fetch_snapshot(source, &f->as, path, err);
    }
    if (rv == 0) {
        rv = restore(f, path, err);
        (void)fs_unlink(NULL, path, NULL);
    }
    return rv;
}

/* --- save, export ----------------------------------------------------------------------------- */

static int export_stopped(const char *data_dir, const char *path, struct err *err)
{
    autofree char *dir = mem_printf("%s/member", data_dir);
    struct inspect in;
    struct store *s = NULL;
    int rv = inspect_open(NULL, dir, &in, err);
    if (rv != 0) {
        return rv;
    }
    struct etcd_db_facts facts = { .term = in.term };
    state_say("reading %s: log up to %" PRIu64, data_dir, in.last_index);
    rv = state_replay(&in, &s, err);
    if (rv == 0) {
        rv = state_file_write(s, &facts, path, err);
        store_free(s);
    }
    inspect_close(&in);
    return rv;
}

static int save(const struct snapshot_flags *f, const char *path, struct err *err)
{
    int rv = f->data_dir != NULL ? export_stopped(f->data_dir, path, err)
                                 : fetch_snapshot(f->endpoints, &f->as, path, err);
    if (rv == 0) {
        printf("saved to %s. Next: barque snapshot status %s\n", path, path);
    }
    return rv;
}

/* --- status ----------------------------------------------------------------------------------- */

struct summary {
    uint32_t hash; /* etcdctl's */
    int64_t revision;
    uint64_t keys;
};

static int summarize(struct slice bytes, struct summary *ret, struct err *err)
{
    struct bolt b;
    struct bolt_cursor buckets, c;
    struct slice name, key, value;
    int rv = bolt_open(&b, bytes, err);
    if (rv == 0) {
        rv = bolt_buckets(&b, &buckets, err);
    }
    while (rv == 0 && (rv = bolt_next_bucket(&buckets, &name, &c, err)) == 1) {
        ret->hash = crc32c(ret->hash, name.data, name.len);
        while ((rv = bolt_next(&c, &key, &value, err)) == 1) {
            ret->hash = crc32c(ret->hash, key.data, key.len);
            ret->hash = crc32c(ret->hash, value.data, value.len);
            ret->keys++;
            if (slice_eq(name, slice_str("key")) && key.len >= ETCD_REVISION_BYTES) {
                ret->revision = 0;
                for (int i = 0; i < 8; i++) {
                    ret->revision = ret->revision << 8 | key.data[i];
                }
            }
        }
    }
    return rv;
}

static int status(const struct snapshot_flags *f, const char *path, struct err *err)
{
    struct state_file file;
    struct summary s = { 0 };
    int rv = state_file_open(path, f->skip_hash_check, &file, err);
    if (rv != 0) {
        return rv;
    }
    rv = summarize(file.bytes, &s, err);
    if (rv == 0 && str_eq(f->output, "json")) {
        printf("{\"hash\":%" PRIu32 ",\"revision\":%" PRId64 ",\"totalKey\":%" PRIu64
               ",\"totalSize\":%zu}\n", s.hash, s.revision, s.keys, file.bytes.len);
    } else if (rv == 0) {
        printf("hash      %08" PRIx32 "\nrevision  %" PRId64 "\nkeys      %" PRIu64
               "  (of all buckets, versions counted)\nsize      %zu bytes\nsha256    %s\n", s.hash,
               s.revision, s.keys, file.bytes.len, file.summed ? "right" : "not checked");
    }
    state_file_close(&file);
    return rv;
}

/* --- verbs ------------------------------------------------------------------------------------ */

typedef int (*verb_fn)(const struct snapshot_flags *f, const char *what, struct err *err);

struct verb {
    const char *name; /* "snapshot save" */
    const char *what; /* its argument */
    const char *help;
    verb_fn run;
};

static const struct verb verbs[] = {
    { "snapshot save", "FILE", "the state of a member that runs, as etcd's database file", save },
    { "snapshot status", "FILE", "what is in such a file", status },
    { "snapshot restore", "FILE", "a member of a new cluster out of such a file", restore },
    { "import", "FILE|ENDPOINT", "a member of a new cluster out of an etcd", import },
    { "export", "FILE", "the state as a file that etcdctl snapshot restore takes; with --data-dir "
                        "that of a member that does not run", save },
};

static void usage(const struct flag *flags, size_t n)
{
    printf("barque snapshot, import, export: etcd's database files\n\n");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        printf("  barque %s %s [flags]\n        %s\n", verbs[i].name, verbs[i].what,
               verbs[i].help);
    }
    printf("\nExamples:\n"
           "  barque snapshot save backup.db --endpoints 127.0.0.1:2379\n"
           "  barque snapshot restore backup.db --name m1 --data-dir m1.barque \\\n"
           "      --initial-cluster m1=http://127.0.0.1:2380\n"
           "  barque import http://127.0.0.1:2379 --name m1 --data-dir m1.barque\n\nFlags:\n");
    flags_print(flags, n);
}

static const struct verb *find_verb(const char *command, const char *word)
{
    autofree char *name = word != NULL ? mem_printf("%s %s", command, word) : mem_strdup(command);
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (str_eq(verbs[i].name, name)) {
            return &verbs[i];
        }
    }
    return NULL;
}

/* `words`: how many of the arguments belong to the verb's name. */
static int run(int argc, char **argv, int words)
{
    struct member_flags defaults; /* the member will be started with these, too */
    options_init(&defaults);
    struct snapshot_flags f = {
        .endpoints = "127.0.0.1:2379",
        .name = defaults.name,
        .initial_cluster_token = defaults.initial_cluster_token,
        .initial_advertise_peer_urls = defaults.listen_peer_urls,
        .output = "simple",
    };
    options_fini(&defaults); /* frees no default: those are the table's */
    const struct flag flags[] = {
        { "endpoints", FLAG_STRING, &f.endpoints, "A,B", "members to save from, one after the "
          "other (127.0.0.1:2379)" },
        { "user", FLAG_STRING, &f.as.user, "NAME:PASSWORD", "who asks, where authentication is on "
          "(better in BARQUE_USER: others see arguments)" },
        { "password-file", FLAG_STRING, &f.as.password_file, "FILE",
          "the user's password is this file's first line" },
        { "data-dir", FLAG_STRING, &f.data_dir, "DIR", "restore, import: to be made (NAME.barque). "
          "export, save: of a member that does not run" },
        { "name", FLAG_STRING, &f.name, "NAME", "of the restored member (default)" },
        { "initial-cluster", FLAG_STRING, &f.initial_cluster, "N=URL,...",
          "the members of the new cluster (NAME and its peer URL)" },
        { "initial-cluster-token", FLAG_STRING, &f.initial_cluster_token, "TEXT",
          "keeps clusters apart (as barque store's)" },
        { "initial-advertise-peer-urls", FLAG_STRING, &f.initial_advertise_peer_urls, "URL",
          "where the restored member's peers reach it (http://127.0.0.1:2380)" },
        { "bump-revision", FLAG_I64, &f.bump_revision, "N",
          "raise the revision: caches of the old cluster must not take one for the other" },
        { "mark-compacted", FLAG_BOOL, &f.mark_compacted, NULL,
          "the revisions up to the raised one are compacted (with --bump-revision)" },
        { "skip-hash-check", FLAG_BOOL, &f.skip_hash_check, NULL,
          "take a file without SHA-256, copied out of a data directory" },
        { "write-out", FLAG_CHOICE, &f.output, "simple|json", "how status is shown (simple)" },
    };
    bool help = false;
    struct err err = ERR_INIT;
    if (flags_parse(flags, ARRAY_LEN(flags), &argc, argv, &help, &err) != 0) {
        return complain(argv[0], E_INVAL, &err);
    }
    if (help || argc < 2) {
        usage(flags, ARRAY_LEN(flags));
        return help ? EXIT_OK : EXIT_USAGE;
    }
    const struct verb *v = find_verb(argv[0], words == 2 ? argv[1] : NULL);
    if (v == NULL || argc != words + 1) {
        err_set(&err, E_INVAL, v == NULL ? "unknown verb. Next: barque %s --help"
                                         : "one argument is needed. Next: barque %s --help",
                argv[0]);
        return complain(v == NULL ? argv[0] : v->name, E_INVAL, &err);
    }
    int rv = v->run(&f, argv[words], &err);
    return rv == 0 ? EXIT_OK : complain(v->name, rv, &err);
}

int command_snapshot(int argc, char **argv)
{
    return run(argc, argv, 2);
}

int command_import(int argc, char **argv)
{
    return run(argc, argv, 1);
}
