/* The file: u32 crc32c (big-endian) of what follows, then join.h's answer. */
#include "server/peers.h"

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/map.h"
#include "lib/codec/crc32c.h"
#include "server/internal.h"

enum { HEAD_BYTES = 4 };

bool server_peers_load(struct fs *fs, const char *data_dir, struct join_answer *ret_peers)
{
    autofree char *path = mem_printf("%s/peers", data_dir);
    autobuf b = BUF_INIT;
    if (!fs_exists(fs, path) || fs_read_file(fs, path, 64 * 1024, &b, NULL) != 0 ||
        b.len < HEAD_BYTES) {
        return false;
    }
    struct slice body = slice_make(b.data + HEAD_BYTES, b.len - HEAD_BYTES);
    uint32_t crc = (uint32_t)b.data[0] << 24 | (uint32_t)b.data[1] << 16 |
                   (uint32_t)b.data[2] << 8 | b.data[3];
    return crc == crc32c(0, body.data, body.len) && join_answer_decode(body, ret_peers) == 0;
}

void server_peers_store(struct fs *fs, const char *data_dir, const struct join_answer *peers)
{
    autofree char *path = mem_printf("%s/peers", data_dir);
    autobuf body = BUF_INIT;
    autobuf b = BUF_INIT;
    struct err err = ERR_INIT;
    join_answer_encode(peers, &body);
    buf_put_u32(&b, crc32c(0, body.data, body.len));
    buf_append_slice(&b, buf_slice(&body));
    if (fs_write_file_atomic(fs, path, buf_slice(&b), &err) != 0) {
        log_warn("server", "the list of members was not written", "error=\"%s\"", err.msg);
    }
}

void server_note_peers(struct server *s)
{
    size_t n;
    const struct rnode_member *members = rnode_members(s->node, &n);
    uint64_t hash = n;
    for (size_t i = 0; i < n; i++) {
        hash = hash_u64(hash ^ members[i].id);
        hash =
            hash_u64(hash ^ hash_bytes(members[i].peer_address, strlen(members[i].peer_address)));
    }
    if (hash == s->peers_hash || n < 2) {
        return;
    }
    struct join_answer *peers = mem_zalloc(sizeof *peers);
    peers->cluster_id = s->status.cluster_id;
    peers->your_id = s->status.member_id;
    peers->n_members = n;
    memcpy(peers->members, members, n * sizeof *members);
    server_peers_store(loop_fs(s->loop), s->data_dir, peers);
    s->peers_hash = hash;
    mem_free(peers);
}
