/* Every bound in the system. Nothing is allocated from an unchecked length, and every queue has a
 * limit and a rule for what happens there (named beside it). Sizes in bytes unless the name says
 * otherwise. */
#ifndef BARQUE_BASE_LIMITS_H
#define BARQUE_BASE_LIMITS_H

enum {
    /* requests */
    LIMIT_REQUEST_BYTES = 1536 * 1024,               /* etcd's default --max-request-bytes */
    LIMIT_GRPC_OVERHEAD = 512 * 1024,                /* a gRPC message may be this much longer */
    LIMIT_GRPC_RECV_BYTES = LIMIT_REQUEST_BYTES + LIMIT_GRPC_OVERHEAD,
    LIMIT_CLIENT_RECV_BYTES = 2147483647,            /* what our client accepts from a server */
    LIMIT_TXN_OPS = 128,                             /* --max-txn-ops */
    LIMIT_TXN_DEPTH = 8,
    LIMIT_TXN_RECORDS = 4000000,                     /* in the ranges of one txn: over it, 8 */
    LIMIT_TXN_CHECK_STEPS = 1000000,                 /* comparing puts with deletes of one txn */
    LIMIT_COMMAND_ITEMS = 65536,                     /* compares, ops or ids in one log entry */
    LIMIT_KEY_BYTES = 4 * 1024 * 1024,               /* whatever fits a log entry */
    LIMIT_VALUE_BYTES = 16 * 1024 * 1024,            /* any ref-counted value */
    LIMIT_ALARMS = 256,                              /* set at once: refused */
    LIMIT_AUTH_NAME_BYTES = 1024,                    /* of a user, of a role */
    LIMIT_AUTH_SECRET_BYTES = 256,                   /* a password's salt and hash; a key */
    LIMIT_AUTH_WAITING = 1024,                       /* passwords to be hashed: refused */
    LIMIT_AUTH_TOKENS = 16384,                       /* in use beyond their time: expired */
    LIMIT_AUTH_BYTES = 16 * 1024 * 1024,             /* all users and roles: over it, E_NOSPACE */

    /* connections and streams */
    LIMIT_CONNS = 10000,                             /* further ones wait in the backlog */
    LIMIT_STREAMS_PER_CONN = 10000,                  /* open calls; further ones are refused (8) */
    LIMIT_HEADER_BYTES = 16 * 1024,                  /* header list of one request */
    LIMIT_STREAM_QUEUE_BYTES = 1024 * 1024,          /* queued output: the source is not pulled */
    LIMIT_SERVER_QUEUE_BYTES = 24 * 1024 * 1024,     /* on all streams: then a stream may */
    LIMIT_STREAM_SCARCE_BYTES = 8 * 1024,            /* queue this much */
    LIMIT_CONN_QUEUE_BYTES = 4 * 1024 * 1024,        /* queued output: reading stops */
    LIMIT_CONN_PARTIAL_BYTES = 64 * 1024 * 1024,     /* half-received requests: more get 8 */
    LIMIT_CONN_REPLY_BYTES = 64 * 1024 * 1024,       /* unread replies: further calls get 8 */
    LIMIT_STREAM_ASK_BYTES = 4096,                   /* then also messages on a stream: 14 */
    LIMIT_HTTP1_HEAD_BYTES = 8 * 1024,
    LIMIT_WATCHES_PER_STREAM = 100000,
    LIMIT_LINE_PLACES = 20000,                       /* waiting for locks, elections: refused */
    LIMIT_WATCHES_BYTES = 512 * 1024 * 1024,         /* with their keys, of a member: refused */

    /* raft */
    LIMIT_PROPOSALS_INFLIGHT = 16384,                /* further ones: E_TOO_MANY_REQUESTS */
    LIMIT_PROPOSALS_BYTES = 64 * 1024 * 1024,        /* same */
    LIMIT_PEER_FRAME_BYTES = 8 * 1024 * 1024,        /* a longer one closes the connection */
    LIMIT_PEER_QUEUE_BYTES = 64 * 1024 * 1024,       /* to a slow peer: messages are dropped */
    LIMIT_PEERS = 32,
    LIMIT_LOG_ENTRY_BYTES = 4 * 1024 * 1024,
    LIMIT_WAL_SEGMENT_BYTES = 64 * 1024 * 1024,
    LIMIT_WAL_RECORD_BYTES = 8 * 1024 * 1024,
    LIMIT_SNAPSHOT_CHUNK_BYTES = 256 * 1024,

    /* documents */
    LIMIT_DOC_BYTES = 4 * 1024 * 1024,               /* one manifest or JSON object */
    LIMIT_DOC_DEPTH = 64,
    LIMIT_YAML_ALIASES = 0,                          /* aliases are refused */
    LIMIT_CONFIG_BYTES = 256 * 1024,                 /* a configuration file (--config-file) */
    LIMIT_OBJECT_ITEMS = 8192,                       /* of one list or map inside an object */
    LIMIT_NAME_BYTES = 253,                          /* of a name, of a namespace */
    LIMIT_YAML_NODES = 1024 * 1024,                  /* values and keys of one stream */

    /* clients and nodes */
    LIMIT_ENDPOINTS = 64,
    LIMIT_LOG_LINE_BYTES = 16 * 1024,                /* one line of a pod's log; longer: split */
    LIMIT_LOG_FILE_BYTES = 10 * 1024 * 1024,         /* then a new one; the one before is kept */
};

#endif
