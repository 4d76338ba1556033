/* A store member from flags: shared by `barque store` and `barque master`. */
#ifndef BARQUE_CMD_MEMBER_H
#define BARQUE_CMD_MEMBER_H

#include "cmd/options.h"
#include "lib/io/loop.h"
#include "server/server.h"

/* One field for each option that works; options_init fills in the defaults. */
struct member_flags {
    struct arena arena; /* texts that came from a file */
    const char *config_file, *unsafe_damage;
    bool version;
    const char *name, *data_dir, *listen_client_urls, *advertise_client_urls, *listen_http_urls,
        *listen_metrics_urls, *listen_peer_urls, *initial_advertise_peer_urls, *initial_cluster,
        *initial_cluster_token, *initial_cluster_state, *cors, *host_whitelist, *log_level,
        *log_outputs, *unsafe_faults, *user, *password_file;
    uint64_t heartbeat_ms, election_ms, snapshot_count, max_request_bytes,
        max_txn_ops, progress_notify_ms, max_learners, max_streams, catchup_entries,
        keepalive_interval_ms, keepalive_timeout_ms, token_ttl_s, bcrypt_cost;
    bool grpc_gateway, memory_mlock, unsafe_no_fsync;
    char damage_note[4096]; /* path: where a running member notes that its state is wrong */
    int64_t quota_bytes, compact_retention;
    const char *compaction_mode, *compaction_retention;
    enum compactor_mode compact_mode; /* what these two say, with compact_retention */
};

/* What a command that runs a member does first: flags, environment and file into m, or --help,
 * --version, a mistake. True: go on; false: end with *ret_exit. `intro` begins the help. */
bool member_flags_read(const char *command, const char *intro, int argc, char **argv,
                       struct member_flags *m, int *ret_exit);
/* The members of --initial-cluster (`text`, which is cut up), room for LIMIT_PEERS; `name` must be
 * one of them. Everybody who is given the same list and token derives the same ids. */
int member_founders(const char *name, const char *token, char *text,
                    struct rnode_member *ret_members, size_t *ret_n, struct err *err);
/* Opens the member; `ret_endpoint` (>= 128 bytes) is an address at which this process can reach
 * it. Runs the loop until it is open: a joiner, or a member whose data is damaged, needs the others
 * first. m stays for the member's life. */
int member_open(struct member_flags *m, struct loop *loop, struct server **ret_server,
                char *ret_endpoint, struct err *err);

#endif
