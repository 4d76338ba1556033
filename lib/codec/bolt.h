/* bbolt database files, the format of etcd's snapshots: written once, front to back, and read from
 * bytes that are believed in nothing. The bytes are described in bolt_format.h.
 *
 * Writing. A file is planned first: a pass over the sizes of all items gives every page its place,
 * so that the file's length is known before its first byte, and it can be streamed. Memory: about
 * 24 bytes a page beside the caller's items. Equal items give equal bytes.
 *
 * Reading. A cursor walks one bucket in key order over a borrowed slice (a mapped file). Every page
 * number, count and offset is held against the file before it is followed; keys must ascend and
 * no more pages are visited than there are, so no file can send a reader in circles.
 *
 * Threads: any, one user at a time. */
#ifndef BARQUE_CODEC_BOLT_H
#define BARQUE_CODEC_BOLT_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

/* --- writing ---------------------------------------------------------------------------------- */

/* One top-level bucket. Item i's sizes are asked several times and must stay the same; key and
 * value append exactly that many bytes. Keys ascend. */
struct bolt_bucket {
    const char *name;
    size_t n;
    void (*size)(void *arg, size_t i, size_t *ret_key, size_t *ret_value);
    void (*key)(void *arg, size_t i, struct buf *out);
    void (*value)(void *arg, size_t i, struct buf *out);
    void *arg;
};

struct bolt_writer;

/* Plans the file. PRE: names ascend. `buckets` is copied, what it points to stays the caller's. */
struct bolt_writer *bolt_writer_new(const struct bolt_bucket *buckets, size_t n);
/* Of the whole file. */
uint64_t bolt_writer_size(const struct bolt_writer *w);
/* Appends the next pages, at least `bytes` unless the file ends; 1 more, 0 that was the last. */
int bolt_writer_next(struct bolt_writer *w, size_t bytes, struct buf *out);
void bolt_writer_free(struct bolt_writer *w);

/* --- reading ---------------------------------------------------------------------------------- */

enum { BOLT_DEPTH_MAX = 24 };

struct bolt {
    struct slice bytes;
    size_t page_size;
    uint64_t n_pages; /* in use or free; the file holds them all */
    uint64_t root;    /* page of the list of buckets */
    uint64_t txid;
};

struct bolt_cursor {
    const struct bolt *bolt;
    int depth; /* 0: at the end */
    uint64_t visited;
    struct slice last_key;
    bool has_last;
    struct {
        struct slice page;
        size_t at, count;
        bool leaf;
    } path[BOLT_DEPTH_MAX];
};

/* `bytes` stay the caller's and must stay as they are. E_CORRUPT: no valid head, or cut short;
 * E_UNSUPPORTED: another version of the format. */
int bolt_open(struct bolt *b, struct slice bytes, struct err *err);
/* A cursor before the first item of a top-level bucket. E_NOTFOUND: no such bucket. */
int bolt_bucket_seek(const struct bolt *b, const char *name, struct bolt_cursor *ret_cursor,
                     struct err *err);
/* 1: the next item, borrowed from the file; 0: there is none; E_CORRUPT with the page. Buckets
 * inside a bucket are passed over. */
int bolt_next(struct bolt_cursor *c, struct slice *ret_key, struct slice *ret_value,
              struct err *err);
/* A cursor over the top-level buckets' names: use with bolt_next_bucket. */
int bolt_buckets(const struct bolt *b, struct bolt_cursor *ret_cursor, struct err *err);
int bolt_next_bucket(struct bolt_cursor *c, struct slice *ret_name, struct bolt_cursor *ret_bucket,
                     struct err *err);

#endif
