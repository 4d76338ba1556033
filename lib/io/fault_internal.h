/* The insides of the fault shim, for the files of lib/io that carry it out: fault.c (state and
 * draws), fault_watch.c (the file of rules), fault_disk.c and fault_track.c (the disk). */
#ifndef BARQUE_IO_FAULT_INTERNAL_H
#define BARQUE_IO_FAULT_INTERNAL_H

#include <pthread.h>

#include "lib/base/map.h"
#include "lib/base/rng.h"
#include "lib/io/fault.h"
#include "lib/io/file.h"

struct fault_track;

struct faults {
    char *self;
    char *address; /* NULL until known */
    char **clients;
    size_t n_clients;
    struct u64map links; /* hash of the peer -> struct rng */

    pthread_mutex_t lock; /* guards the rest: workers ask about the disk */
    pthread_cond_t changed;
    struct fault_rules rules; /* changed by the loop only, which may read it without the lock */
    struct rng disk_rng;
    struct fault_track *track; /* its own lock */
};

struct faults *faults_new(const char *self, const char *track_path);
void faults_free(struct faults *f);
/* Takes the rules; all draws begin anew. */
void faults_set_rules(struct faults *f, struct fault_rules *rules);

/* --- connections and clock (loop) ------------------------------------------------------------- */

enum fault_conn faults_outgoing(const struct faults *f, struct fault_name to);
bool faults_is_client(const struct faults *f, const char *listen_address);
enum fault_conn faults_client(const struct faults *f);
int64_t faults_wall_ms(const struct faults *f);

/* --- the disk (any thread): 0, or what the call has to fail with ------------------------------ */

int fault_disk_create(struct faults *f, const char *path, struct err *err);
int fault_disk_resize(struct faults *f, int fd, const char *path, uint64_t size, struct err *err);
int fault_disk_write(struct faults *f, int fd, const char *path, uint64_t offset, size_t len,
                     struct err *err);
/* Before an fsync: waits as long as the rules say. */
int fault_disk_sync(struct faults *f, const char *path, struct err *err);
/* After it. */
void fault_disk_synced(struct faults *f, int fd);
/* Before this name is taken from its file: the next file may get the same inode. */
void fault_disk_unlink(struct faults *f, const char *path);

/* --- the journal of unsynced writes (fault_track.c; bytes in docs/faults.md) ------------------ */

enum {
    TRACK_HEAD_BYTES = 40,
    TRACK_OLD_MAX_BYTES = 16 * 1024 * 1024, /* of one write */
    TRACK_JOURNAL_MAX_BYTES = 512 * 1024 * 1024,
};
enum track_kind { TRACK_WRITE = 1, TRACK_SYNCED = 2, TRACK_RESIZE = 3 };

struct track_record {
    enum track_kind kind;
    uint64_t inode;
    uint64_t offset;
    uint64_t file_size;
    uint32_t len;
    struct slice old;
};

/* Removes the journal that an earlier process left. */
struct fault_track *fault_track_new(const char *path);
/* As the end does, off removes the journal: an orderly end leaves no unsynced bytes that matter. A
 * journal that cannot be made or written ends tracking, which is logged. */
void fault_track_switch(struct fault_track *t, bool on);
void fault_track_free(struct fault_track *t);
/* Before the write or the change of size. Nothing while off. */
void fault_track_write(struct fault_track *t, int fd, uint64_t offset, size_t len);
void fault_track_resize(struct fault_track *t, int fd, uint64_t size);
void fault_track_synced(struct fault_track *t, uint64_t inode);
/* Takes one record from the front; 1, or 0 when there is none that is whole. */
int track_record_next(struct slice *bytes, struct track_record *ret_record);

#endif
