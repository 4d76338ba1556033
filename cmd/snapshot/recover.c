/* `barque recover DIR...`: when a majority of the members is lost for good.
 *
 *   look at each DIR without changing it -> the one whose log goes furthest is the best
 *     -> say what would be done, and ask -> its state, with its whole log applied, becomes that of
 *     a new cluster of this one member; what was in DIR is kept beside it
 *
 * What the others had committed and this one never got is lost, and what this one had in its log
 * without a majority counts: nobody is left who could tell. The new cluster has another id, so an
 * old member that comes back is not heard.
 *
 * The best log is Raft's own: the higher last term, then the higher last index. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/exit.h"
#include "cmd/command.h"
#include "cmd/flags.h"
#include "cmd/member.h"
#include "cmd/snapshot/state.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/limits.h"
#include "lib/base/str.h"

enum { KEPT_MAX = 1000 };

struct recover_flags {
    const char *name, *peer_url, *token;
    bool yes, look;
};

struct candidate {
    const char *dir;
    bool readable;
    struct inspect in;
    struct err err;
};

static int complain(int rv, const struct err *err)
{
    fprintf(stderr, "barque recover: %s\n", err->msg);
    return rv == E_INVAL ? EXIT_USAGE : (int)exit_of_status(rv);
}

/* --- looking ---------------------------------------------------------------------------------- */

static void look(struct candidate *c, const char *dir)
{
    autofree char *member = mem_printf("%s/member", dir);
    *c = (struct candidate){ .dir = dir };
    c->readable = inspect_open(NULL, member, &c->in, &c->err) == 0;
}

static bool is_better(const struct candidate *a, const struct candidate *b)
{
    return a->in.last_term != b->in.last_term ? a->in.last_term > b->in.last_term
                                              : a->in.last_index > b->in.last_index;
}

/* NULL: none can be read. E_MISMATCH: they are of different clusters. */
static int pick(struct candidate *all, size_t n, struct candidate **ret_best, struct err *err)
{
    struct candidate *best = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!all[i].readable) {
            continue;
        }
        if (best != NULL && best->in.cluster_id != all[i].in.cluster_id) {
            return err_set(err, E_MISMATCH, "%s is of cluster %016" PRIx64 ", %s of %016" PRIx64,
                           best->dir, best->in.cluster_id, all[i].dir, all[i].in.cluster_id);
        }
        if (best == NULL || is_better(&all[i], best)) {
            best = &all[i];
        }
    }
    if (best == NULL) {
        return err_set(err, E_CORRUPT, "none of these can be read. Next: restore a backup "
                       "(barque snapshot restore)");
    }
    *ret_best = best;
    return best->in.last_index > 0 ? 0
                                   : err_set(err, E_NOTFOUND, "nothing was ever written to %s",
                                             best->dir);
}

static void show(const struct candidate *all, size_t n, const struct candidate *best)
{
    printf("%-1s %-16s %-16s %6s %12s %12s %12s  %s\n", "", "MEMBER", "CLUSTER", "TERM",
           "LAST TERM", "LAST INDEX", "COMMITTED", "DIRECTORY");
    for (size_t i = 0; i < n; i++) {
        const struct inspect *in = &all[i].in;
        if (!all[i].readable) {
            printf("  cannot be read: %s\n", all[i].err.msg);
            continue;
        }
        printf("%s %016" PRIx64 " %016" PRIx64 " %6" PRIu64 " %12" PRIu64 " %12" PRIu64
               " >=%10" PRIu64 "  %s\n",
               &all[i] == best ? "*" : " ", in->member_id, in->cluster_id, in->term,
               in->last_term, in->last_index, in->commit_index, all[i].dir);
    }
}

/* Voters of the best one's configuration, and how many of them are here and can be read. */
static void count(const struct candidate *all, size_t n, const struct candidate *best,
                  size_t *ret_voters, size_t *ret_here)
{
    *ret_voters = *ret_here = 0;
    for (size_t i = 0; i < best->in.n_members; i++) {
        const struct rnode_member *m = &best->in.members[i];
        if (m->role != RNODE_VOTER) {
            continue;
        }
        ++*ret_voters;
        for (size_t k = 0; k < n; k++) {
            if (all[k].readable && all[k].in.member_id == m->id) {
                ++*ret_here;
                break;
            }
        }
    }
}

/* --- the new cluster -------------------------------------------------------------------------- */

static const char *own_address(const struct inspect *in)
{
    for (size_t i = 0; i < in->n_members; i++) {
        if (in->members[i].id == in->member_id) {
            return in->members[i].peer_address;
        }
    }
    return NULL;
}

/* The flags' member, or the one that it was. */
static int fill_self(const struct recover_flags *f, const struct inspect *in,
                     struct rnode_member *ret_members, size_t *ret_n, char **ret_cluster,
                     struct err *err)
{
    const char *address = own_address(in);
    if (f->peer_url == NULL && address == NULL) {
        return err_set(err, E_INVAL, "this member is not in its own list of members (it was "
                       "removed?). Next: say where it will be, with "
                       "--initial-advertise-peer-urls URL");
    }
    *ret_cluster = f->peer_url != NULL ? mem_printf("%s=%s", f->name, f->peer_url)
                                       : mem_printf("%s=http://%s", f->name, address);
    autofree char *text = mem_strdup(*ret_cluster);
    return member_founders(f->name, f->token, text, ret_members, ret_n, err);
}

/* Where what is in DIR now is kept. */
static char *kept_path(const char *dir)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/') {
        n--;
    }
    for (int i = 1; i < KEPT_MAX; i++) {
        char *path = mem_printf("%.*s.before-recover-%d", (int)n, dir, i);
        if (!fs_exists(NULL, path)) {
            return path;
        }
        mem_free(path);
    }
    return NULL;
}

static int carry_out(const struct candidate *best, const struct rnode_member *members, size_t n,
                     const char *token, const char *kept, struct err *err)
{
    struct store *s = NULL;
    state_say("reading %s: log up to %" PRIu64, best->dir, best->in.last_index);
    int rv = state_replay(&best->in, &s, err);
    if (rv != 0) {
        return rv;
    }
    struct state_found f = { .data_dir = best->dir, .replaces = kept, .members = members,
                             .n_members = n, .member_id = members[0].id,
                             .cluster_id = rnode_cluster_id(members, n, token),
                             .index = best->in.last_index, .term = best->in.last_term };
    return state_found(s, &f, err);
}

static bool agreed(const struct recover_flags *f)
{
    char answer[16] = "";
    if (f->yes) {
        return true;
    }
    if (isatty(STDIN_FILENO) == 0) {
        fprintf(stderr, "barque recover: nothing was changed. Next: the same with --yes\n");
        return false;
    }
    printf("Type yes to do this: ");
    fflush(stdout);
    bool yes = fgets(answer, sizeof answer, stdin) != NULL && str_eq(answer, "yes\n");
    if (!yes) {
        fprintf(stderr, "barque recover: nothing was changed\n");
    }
    return yes;
}

static int recover(const struct recover_flags *f, const struct candidate *all, size_t n,
                   const struct candidate *best)
{
    autofree struct rnode_member *members = mem_zalloc(LIMIT_PEERS * sizeof *members);
    autofree char *cluster = NULL;
    autofree char *kept = kept_path(best->dir);
    struct err err = ERR_INIT;
    size_t n_members = 0, voters, here;
    int rv = fill_self(f, &best->in, members, &n_members, &cluster, &err);
    if (rv == 0 && kept == NULL) {
        rv = err_set(&err, E_FULL, "%s.before-recover-1...%d are all there", best->dir, KEPT_MAX);
    }
    if (rv != 0) {
        return complain(rv, &err);
    }
    count(all, n, best, &voters, &here);
    printf("\n%s goes furthest. It becomes a cluster of one member, %s, with its whole log\n"
           "applied; what is in it now is kept in %s.\n", best->dir, cluster, kept);
    if (here > voters / 2) {
        printf("WARNING: %zu of %zu voters can be read: that is a majority. Start them instead: "
               "they lose nothing.\n", here, voters);
    } else {
        printf("%zu of %zu voters can be read. What only the others had is lost. They must not "
               "run again.\n", here, voters);
    }
    if (!agreed(f)) {
        return EXIT_FAILED;
    }
    rv = carry_out(best, members, n_members, f->token, kept, &err);
    if (rv != 0) {
        return complain(rv, &err);
    }
    printf("done. Next: barque store --name %s --data-dir %s --initial-cluster %s, then add "
           "members (etcdctl member add)\n", f->name, best->dir, cluster);
    return EXIT_OK;
}

/* --- the verb --------------------------------------------------------------------------------- */

static void usage(const struct flag *flags, size_t n)
{
    printf("barque recover: a cluster of one member out of what is left of a cluster\n\n"
           "  barque recover DIR... [flags]    DIR: data directories of members that do not run\n\n"
           "Only when a majority is lost for good: what the lost members alone had is lost.\n\n"
           "Examples:\n"
           "  barque recover m1.barque m2.barque --look     who goes furthest; changes nothing\n"
           "  barque recover m1.barque m2.barque --name m1\n\nFlags:\n");
    flags_print(flags, n);
}

static int run(const struct recover_flags *f, char **dirs, size_t n)
{
    autofree struct candidate *all = mem_calloc(n, sizeof *all);
    struct candidate *best = NULL;
    struct err err = ERR_INIT;
    for (size_t i = 0; i < n; i++) {
        look(&all[i], dirs[i]);
    }
    int rv = pick(all, n, &best, &err);
    show(all, n, best);
    int code = rv != 0 ? complain(rv, &err) : f->look ? EXIT_OK : recover(f, all, n, best);
    for (size_t i = 0; i < n; i++) {
        if (all[i].readable) {
            inspect_close(&all[i].in);
        }
    }
    return code;
}

int command_recover(int argc, char **argv)
{
    struct member_flags defaults; /* the member will be started with these, too */
    options_init(&defaults);
    struct recover_flags f = { .name = defaults.name, .token = defaults.initial_cluster_token };
    options_fini(&defaults); /* frees no default: those are the table's */
    const struct flag flags[] = {
        { "name", FLAG_STRING, &f.name, "NAME", "of the member (default)" },
        { "initial-advertise-peer-urls", FLAG_STRING, &f.peer_url, "URL",
          "where its peers will reach it (where they did)" },
        { "initial-cluster-token", FLAG_STRING, &f.token, "TEXT",
          "keeps clusters apart (as barque store's)" },
        { "look", FLAG_BOOL, &f.look, NULL, "only show what is there" },
        { "yes", FLAG_BOOL, &f.yes, NULL, "do not ask" },
    };
    bool help = false;
    struct err err = ERR_INIT;
    if (flags_parse(flags, ARRAY_LEN(flags), &argc, argv, &help, &err) != 0) {
        return complain(E_INVAL, &err);
    }
    if (help || argc < 2) {
        usage(flags, ARRAY_LEN(flags));
        return help ? EXIT_OK : EXIT_USAGE;
    }
    if (argc - 1 > LIMIT_PEERS) {
        return complain(E_INVAL, &(struct err){ .msg = "more directories than members can be" });
    }
    return run(&f, argv + 1, (size_t)argc - 1);
}
