/* The table of known bugs; empty but in recall builds (bug.h). */
#include "lib/base/bug.h"

#ifdef BARQUE_BUGS

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct bug_info INFOS[BUGS] = {
    [BUG_NONE] = { "none", "no bug", "", "" },
    [BUG_WAL_NO_SYNC] = { "wal-no-sync", "the log is acknowledged without fsync",
                          "etcd #14143", "raft/wal_file.c" },
    [BUG_WAL_SOME_SYNC] = { "wal-some-sync", "about every other fsync of the log is left out",
                            "lazy group commit", "raft/wal_file.c" },
    [BUG_WAL_NO_DIR_SYNC] = { "wal-no-dir-sync", "a new segment's directory is not synced",
                              "etcd #6368", "raft/wal_file.c" },
    [BUG_WAL_NO_CRC] = { "wal-no-crc", "a record counts although its checksum is wrong",
                         "torn writes taken for entries", "raft/wal_format.c" },
    [BUG_WAL_MARK_IGNORED] = { "wal-mark-ignored",
                               "damage among acknowledged records passes for a torn tail",
                               "Protocol-Aware Recovery (FAST 2018)", "raft/wal_scan.c" },
    [BUG_WAL_TRUNCATE_FORGOTTEN] = { "wal-truncate-forgotten",
                                     "overwritten entries are back after a restart",
                                     "Raft dissertation 3.5", "raft/recover.c" },
    [BUG_WAL_OLD_DURABLE] = { "wal-old-durable",
                              "the sync of a replaced entry is taken for its successor's",
                              "group commit racing a truncation", "raft/wal.c" },
    [BUG_META_NO_SYNC] = { "meta-no-sync", "term and vote are not synced",
                           "Raft dissertation 3.8", "raft/meta.c" },
    [BUG_META_ONE_COPY] = { "meta-one-copy", "term and vote are overwritten in place",
                            "torn write of a hard state", "raft/meta.c" },
    [BUG_META_LATE] = { "meta-late", "the vote is sent before it is stored",
                        "Raft dissertation 3.8", "raft/driver.c" },
    [BUG_SNAPSHOT_NO_SYNC] = { "snapshot-no-sync", "a snapshot is renamed before it is synced",
                               "rename without fsync", "raft/snapshot_file.c" },
    [BUG_SNAPSHOT_BEHIND] = { "snapshot-behind",
                              "a snapshot's index is one behind the state in it",
                              "etcd #13766", "raft/snapshot_take.c" },
    [BUG_INSTALL_NO_SYNC] = { "install-no-sync", "a received snapshot counts before it is synced",
                              "etcd #14143", "raft/snapshot_install.c" },
    [BUG_INSTALL_NO_DIR_SYNC] = { "install-no-dir-sync",
                                  "a received snapshot's name may be lost, its log is not",
                                  "etcd #22340", "raft/snapshot_install.c" },

    [BUG_APPLY_UNCOMMITTED] = { "apply-uncommitted", "entries are applied before their commit",
                                "Raft dissertation 3.5", "raft/apply.c" },
    [BUG_REPLY_BEFORE_COMMIT] = { "reply-before-commit",
                                  "the leader answers once it has appended",
                                  "etcd #14370", "raft/propose.c" },
    [BUG_COMMIT_OLD_TERM] = { "commit-old-term",
                              "entries of older terms are committed by counting",
                              "libraft 0.15; Raft dissertation 3.6.2", "raft/driver.c" },
    [BUG_READ_LOCAL] = { "read-local", "a linearizable read asks nobody",
                         "etcd #741", "raft/read_index.c" },
    [BUG_READ_NO_QUORUM] = { "read-no-quorum", "a leader believes itself instead of a quorum",
                             "Raft dissertation 6.4", "raft/read_index.c" },
    [BUG_READ_OLD_ROUND] = { "read-old-round",
                             "a ReadIndex round counts answers to another one, of any term",
                             "etcd #20418", "raft/read_index.c" },
    [BUG_READ_BEFORE_OWN_COMMIT] = { "read-before-own-commit",
                                     "a new leader serves its old commit index",
                                     "etcd #7331", "raft/read_index.c" },
    [BUG_READ_BEFORE_APPLY] = { "read-before-apply", "a confirmed read does not wait for apply",
                                "etcd #3879", "raft/read_index.c" },
    [BUG_PROPOSE_NO_DEDUPE] = { "propose-no-dedupe", "a repeated proposal is appended again",
                                "retries over a lossy link", "raft/propose.c" },
    [BUG_PROPOSE_OLD_EPOCH] = { "propose-old-epoch",
                                "an entry of an earlier life answers a new proposal",
                                "request ids reused after a restart", "raft/apply.c" },
    [BUG_PROPOSE_RETRY_EARLY] = { "propose-retry-early",
                                  "a new leader is sent what the old one may have appended",
                                  "etcd #18424", "raft/driver.c" },
    [BUG_PROPOSE_NEVER_SENT] = { "propose-never-sent",
                                 "an unknown outcome is told as a failure",
                                 "Jepsen: info taken for fail", "raft/propose.c" },
    [BUG_PROPOSE_OVER_SNAPSHOT] = { "propose-over-snapshot",
                                    "what a received snapshot may contain is proposed again",
                                    "dedupe by log only", "raft/snapshot_install.c" },

    [BUG_LEARNER_FOR_EVER] = { "learner-for-ever",
                               "a member that was added to vote stays a learner",
                               "a promotion left to whoever added it", "raft/change.c" },

    [BUG_G1] = { "G1", "an answer to an old request acknowledges at random",
                 "libraft 0.22.1", "raft/gates.c" },
    [BUG_G2A] = { "G2a", "the only voter leads its old term again after a restart",
                  "libraft 0.22.1", "raft/gates.c" },
    [BUG_G2B] = { "G2b", "two leaders of one term after a leader removed itself (with G3)",
                  "libraft 0.22.1", "raft/gates.c" },
    [BUG_G6] = { "G6", "a learner never votes, though it was promoted",
                 "libraft 0.22.1", "raft/gates.c" },
    [BUG_G7] = { "G7", "a change leaves its leader before it is on disk",
                 "libraft 0.22.1", "raft/gates.c" },
    [BUG_G13] = { "G13", "entries are applied while a snapshot is installed",
                  "libraft 0.22.1", "raft/gates.c" },

    [BUG_STORE_LEASES_UNTOLD] = { "leases-untold", "leases are missing from snapshots",
                                  "soft state left out of a backup", "store/snapshot.c" },
    [BUG_STORE_COMPACT_REVISION_LOST] = { "compact-revision-lost",
                                          "a restored store forgets how far it was compacted",
                                          "etcd #17780", "store/restore.c" },
    [BUG_STORE_VERSION_KEPT] = { "version-kept", "a deleted key's next life goes on counting",
                                 "etcd's version contract", "store/apply.c" },
    [BUG_STORE_LEASE_KEPT] = { "lease-kept", "an overwritten key still ends with its old lease",
                               "detach forgotten on overwrite", "store/apply.c" },
    [BUG_STORE_REVOKE_KEEPS_KEYS] = { "revoke-keeps-keys", "a revoked lease leaves its keys",
                                      "locks held for ever", "store/apply.c" },
    [BUG_STORE_TXN_UNCHECKED] = { "txn-unchecked",
                                  "a txn runs although one of its operations must fail",
                                  "partial apply of a failed txn", "store/txn.c" },
    [BUG_STORE_HASH_OF_GARBAGE] = { "hash-of-garbage",
                                    "HashKV counts what compaction has not swept yet",
                                    "etcd #4914", "store/hash.c" },

    [BUG_AUTH_OLD_TAKEN] = { "auth-old-taken",
                             "what was checked before users or roles changed is carried out after",
                             "time of check, time of use", "store/auth_check.c" },
    [BUG_AUTH_ROLE_KEPT] = { "role-kept", "a deleted role stays with its users",
                             "rights that come back with a name", "store/auth.c" },
    [BUG_AUTH_UNTOLD] = { "auth-untold", "users and roles are missing from snapshots",
                          "soft state left out of a backup", "store/snapshot.c" },
    [BUG_ALARMS_UNTOLD] = { "alarms-untold", "alarms are missing from snapshots",
                            "soft state left out of a backup", "store/snapshot.c" },
    [BUG_NOSPACE_FOR_DELETES] = { "nospace-for-deletes",
                                  "without space deletes are refused, too",
                                  "a full store that cannot be emptied", "store/alarm.c" },

    [BUG_QUOTA_OF_HISTORY] = { "quota-of-history",
                               "old versions count for the quota: deletes make it worse",
                               "etcd's quota before compaction", "server/alarm.c" },
    [BUG_ALARM_FOR_EVER] = { "alarm-for-ever", "there is space again, and the alarm stays",
                             "etcd's alarm disarm by hand", "server/alarm.c" },
    [BUG_COMPACT_HASTY] = { "compact-hasty", "automatic compaction keeps half its retention",
                            "a window read from its middle", "server/compactor.c" },
    [BUG_BACKUP_STALLED] = { "backup-stalled",
                             "a reader that stalls loses the rest of a backup's chunk",
                             "back-pressure taken for an end", "server/snapshot.c" },
    [BUG_BACKUP_STORE_FREED] = { "backup-store-freed",
                                 "a snapshot from the leader frees the store a backup reads",
                                 "a pin without a reference", "server/fsm.c" },
    [BUG_BACKUP_NO_LEASES] = { "backup-no-leases", "leases are missing from backups",
                               "soft state left out of a backup", "store/etcd_db_write.c" },

    [BUG_WATCH_START_LATE] = { "watch-start-late", "a watch begins one revision late",
                               "etcd's watch guarantees", "store/watch_hub.c" },
    [BUG_WATCH_FUTURE_EARLY] = { "watch-future-early",
                                 "a watch from the future is told what comes before",
                                 "etcd #20221", "store/watch_hub.c" },
    [BUG_WATCH_SLOW_DROPPED] = { "watch-slow-dropped",
                                 "a watcher without room misses the events of that moment",
                                 "etcd's watch guarantees", "store/watch_hub.c" },
    [BUG_WATCH_BLOCKED_SKIPPED] = { "watch-blocked-skipped",
                                    "a lagging watcher without room goes on behind the gap",
                                    "etcd's watch guarantees", "store/watch_hub.c" },
    [BUG_WATCH_COMPACTED_SKIPPED] = { "watch-compacted-skipped",
                                      "compaction overtakes a watcher and nobody tells it",
                                      "etcd #18089", "store/watch_hub.c" },
    [BUG_WATCH_OVER_SNAPSHOT] = { "watch-over-snapshot",
                                  "what a received snapshot jumps over is never told",
                                  "watchers left synced over a restore", "store/watch_hub.c" },
    [BUG_PROGRESS_EARLY] = { "progress-early", "a progress answer overtakes events",
                             "etcd #15220", "server/watch.c" },
    [BUG_BOOKMARK_EARLY] = { "bookmark-early", "a bookmark is sent to a lagging watch",
                             "etcd #15220", "server/watch.c" },
    [BUG_RESUME_LATE] = { "resume-late", "a client resumes its watch one revision late",
                          "off by one at a reconnect", "client/watch.c" },
    [BUG_RESUME_AGAIN] = { "resume-again", "a client hears the last revision again at a resume",
                           "off by one at a reconnect", "client/watch.c" },

    [BUG_LEASE_DEPOSED] = { "lease-deposed", "a deposed leader goes on expiring leases",
                            "etcd #15247", "server/expiry.c" },
    [BUG_LEASE_NEW_LEADER] = { "lease-new-leader", "a new leader lets all leases run out at once",
                               "etcd #8382", "server/expiry.c" },
    [BUG_LEASE_FOR_EVER] = { "lease-for-ever", "what ran out is never revoked",
                             "etcd #10686", "server/expiry.c" },
    [BUG_KEEPALIVE_IGNORED] = { "keepalive-ignored", "a keepalive is answered and not counted",
                                "acknowledged, then lost", "server/lease.c" },
    [BUG_KEEPALIVE_UNCHECKED] = { "keepalive-unchecked",
                                  "a deposed leader answers keepalives",
                                  "etcd #15247", "server/lease.c" },

    [BUG_RANGE_LOCAL] = { "range-local", "every range is served as a serializable one",
                          "etcd #741", "server/kv.c" },
    [BUG_WRITE_RETRIED] = { "write-retried", "a client repeats a write of unknown outcome",
                            "etcd #18424; Jepsen: jetcd 0.8.2", "client/call.c" },

    [BUG_VICTIMS_COUNT] = { "victims-count", "pods on their way out count as available",
                            "an earlier Barque", "controllers/replicaset.c" },
    [BUG_ROLLOUT_HASTY] = { "rollout-hasty", "a rollout does not wait for the new pods",
                            "Kubernetes' maxUnavailable", "controllers/rolling.c" },
    [BUG_RECREATE_OVERLAP] = { "recreate-overlap",
                               "Recreate starts new pods beside old ones that are ending",
                               "Kubernetes' Recreate", "controllers/rolling.c" },
    [BUG_GC_STALE_CACHE] = { "gc-stale-cache",
                             "an owner that a cache does not show yet counts as gone",
                             "level triggers over two caches", "controllers/pod_gc.c" },
    [BUG_NODE_NO_BRAKE] = { "node-no-brake", "a partition empties all nodes behind it",
                            "Kubernetes' zone disruption", "controllers/node_lifecycle.c" },
    [BUG_ASSUMED_FORGOTTEN] = { "assumed-forgotten",
                                "a cache that is behind frees what was just given away",
                                "kube-scheduler's assumed pods", "scheduler/snapshot.c" },
    [BUG_MEMORY_UNCOUNTED] = { "memory-uncounted", "memory that is taken counts as free",
                               "overcommitted nodes", "scheduler/plugins/resources.c" },
    [BUG_CONTAINER_TWICE] = { "container-twice", "a running container is started again",
                              "observed state ignored", "kubelet/pod_actions.c" },
    [BUG_NO_BACK_OFF] = { "no-back-off", "a crash loop starts again at once",
                          "Kubernetes' CrashLoopBackOff", "kubelet/pod_actions.c" },
    [BUG_NO_GRACE] = { "no-grace", "a pod is killed without its grace period",
                       "Kubernetes' termination", "kubelet/pod_actions.c" },
    [BUG_ORPHAN_LEFT] = { "orphan-left", "what runs for a pod that is gone goes on",
                          "orphaned containers", "kubelet/pod_actions.c" },
    [BUG_UPDATE_UNGUARDED] = { "update-unguarded",
                               "an object is written whatever it has become meanwhile",
                               "lost updates", "client/objects.c" },
};

static enum bug selected;

bool bug_is(enum bug bug)
{
    return bug == selected && bug != BUG_NONE;
}

void bug_select(enum bug bug)
{
    selected = bug;
}

enum bug bug_selected(void)
{
    return selected;
}

const struct bug_info *bug_info(enum bug bug)
{
    return &INFOS[bug];
}

enum bug bug_named(const char *name)
{
    enum bug bug = BUG_NONE;
    while (bug < BUGS && (INFOS[bug].name == NULL || strcmp(INFOS[bug].name, name) != 0)) {
        bug++;
    }
    return bug;
}

static void __attribute__((constructor)) select_from_environment(void)
{
    const char *name = getenv("BARQUE_BUG");
    if (name != NULL && bug_named(name) == BUGS) {
        fprintf(stderr, "BARQUE_BUG=%s: there is no such bug (lib/base/bug.c)\n", name);
        exit(2);
    }
    selected = name != NULL ? bug_named(name) : BUG_NONE;
}

#endif
