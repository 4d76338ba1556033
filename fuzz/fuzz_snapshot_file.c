/* Snapshot files. Even inputs are read as they are; odd ones become the chunks of a valid file that
 * is then damaged in one place, which must be told. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/limits.h"
#include "raft/snapshot_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *scratch_dir(void)
{
    static char dir[64];
    if (dir[0] == '\0') {
        snprintf(dir, sizeof dir, "/dev/shm/barque-fuzz-XXXXXX");
        if (mkdtemp(dir) == NULL) {
            abort();
        }
    }
    return dir;
}

static int read_all(const char *path)
{
    struct snapshot_reader r;
    int rv = snapshot_reader_open(&r, NULL, path, 0, NULL);
    if (rv != 0) {
        return rv;
    }
    struct buf chunk = BUF_INIT;
    while ((rv = snapshot_reader_next(&r, &chunk, NULL)) == 1) {
        if (chunk.len > LIMIT_SNAPSHOT_CHUNK_BYTES) {
            abort();
        }
    }
    buf_fini(&chunk);
    snapshot_reader_close(&r);
    return rv;
}

static void as_it_is(const uint8_t *data, size_t size)
{
    char path[96];
    snprintf(path, sizeof path, "%s/raw.snap", scratch_dir());
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(data, 1, size, f) != size || fclose(f) != 0) {
        abort();
    }
    (void)read_all(path);
}

static void damaged(const uint8_t *data, size_t size)
{
    struct snapshot_info info = { .cluster_id = 1, .index = 2, .term = 3, .conf_index = 1,
                                  .conf = value_new(data, 2), .attrs = value_new(data, 1) };
    struct snapshot_writer w;
    struct buf whole = BUF_INIT;
    if (snapshot_writer_open(&w, NULL, scratch_dir(), &info, NULL) != 0) {
        abort();
    }
    for (size_t at = 3; at < size; at += 100) {
        size_t len = size - at < 100 ? size - at : 100;
        (void)snapshot_writer_append(&w, slice_make(data + at, len), NULL);
    }
    char *path = snapshot_path(scratch_dir(), info.index, info.term);
    if (snapshot_writer_finish(&w, NULL) != 0 || read_all(path) != 0 ||
        fs_read_file(NULL, path, 1 << 20, &whole, NULL) != 0) {
        abort();
    }
    whole.data[((size_t)data[1] << 8 | data[2]) % whole.len] ^= 0x20;
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(whole.data, 1, whole.len, f) != whole.len || fclose(f) != 0 ||
        read_all(path) >= 0) {
        abort();
    }
    buf_fini(&whole);
    mem_free(path);
    snapshot_info_fini(&info);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 8 && size < 4096 && (data[0] & 1) != 0) {
        damaged(data, size);
    } else {
        as_it_is(data, size);
    }
    return 0;
}
