/* The few facts a member must never forget, in one small file: who it is, its term and vote, and
 * how often it has started (the epoch that makes its proposals' sequence numbers unique).
 *
 * Two checksummed copies at offsets 0 and 4096, written one after the other, each synced before the
 * next: at any moment one of them is whole, and when one is damaged the other is at least as new as
 * all that was ever answered for. Elections are rare, so two syncs cost nothing that matters.
 * Threads: loop; meta_store blocks (a vote must be on disk before anything else happens). */
#ifndef BARQUE_RAFT_META_H
#define BARQUE_RAFT_META_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/io/file.h"

enum { META_BYTES = 8192, META_COPY_BYTES = 80 };

struct meta {
    uint64_t cluster_id;
    uint64_t member_id;
    uint64_t seq;   /* counts the stores */
    uint64_t term;
    uint64_t vote;
    uint64_t epoch;
    bool ready;     /* false while the directory is set up: what is in it may be thrown away */
    bool joined;    /* no founder: its ids were given by the cluster */
    /* the open file */
    struct file *file;
    bool no_fsync;
};

/* One copy: META_COPY_BYTES at out. */
void meta_encode(const struct meta *m, uint8_t *out);
/* The file's bytes, however many there are; `path` is for messages. Fills all but `file` and
 * `no_fsync`. E_CORRUPT, E_UNSUPPORTED as below. */
int meta_parse(struct slice bytes, const char *path, struct meta *ret_meta, struct err *err);
/* E_NOTFOUND: no such file. E_CORRUPT: both copies damaged. E_UNSUPPORTED: another format. */
int meta_load(struct fs *fs, const char *path, struct meta *ret_meta, struct err *err);
/* Creates the file with what `m` says. */
int meta_create(struct fs *fs, const char *dir, const char *path, struct meta *m, struct err *err);
/* Both copies on disk on return. */
int meta_store(struct meta *m, struct err *err);
void meta_close(struct meta *m);

#endif
