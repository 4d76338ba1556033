/* The table of plans. A bug without arguments is found in what the seeds draw anyhow; the others
 * need a rare meeting of faults, which is made likelier here and drawn like everything else. */
#include "tests/recall/plan.h"

static const struct finder_info FINDER_INFOS[FINDERS] = {
    [FINDER_NONE] = { "none", "", NULL, false },
    [FINDER_SIM] = { "sim", "sim", NULL, true },
    [FINDER_STORE] = { "sim --fsm store", "sim", "--fsm store", true },
    [FINDER_WORLD] = { "sim --world", "sim", "--world", true },
    [FINDER_UNIT_RAFT] = { "unit-raft", "tests/unit-raft", NULL, false },
    [FINDER_UNIT_STORE] = { "unit-store", "tests/unit-store", NULL, false },
    [FINDER_UNIT_SERVER] = { "unit-server", "tests/unit-server", NULL, false },
    [FINDER_UNIT_CONTROLLERS] = { "unit-controllers", "tests/unit-controllers", NULL, false },
    [FINDER_UNIT_SCHEDULER] = { "unit-scheduler", "tests/unit-scheduler", NULL, false },
    [FINDER_UNIT_KUBELET] = { "unit-kubelet", "tests/unit-kubelet", NULL, false },
};

/* Worlds with controllers, scheduler, agents and a person. */
#define ORCHESTRATION "--set masters=2 --set agents=3 --set heal_us=150000000"

/* Worlds with long backups of members that are sent snapshots. */
#define BACKUPS                                                                                    \
    "--founders 3 --set admin=32 --set payload_max=300000 --set keys=12 --set window_bytes=65536 " \
    "--set snapshot_entries=20 --set snapshot_trailing=5"

/* enum sim_fault in tests/sim/sim.h: 0x1 crash, 0x2 crash-in-write, 0x4 pause, 0x8 partition,
 * 0x20 membership, 0x400 reorder, 0x8000 bit-flip. */
static const struct plan PLANS[BUGS] = {
    [BUG_WAL_NO_SYNC] = { FINDER_SIM, NULL, false },
    [BUG_WAL_SOME_SYNC] = { FINDER_SIM, NULL, false },
    [BUG_WAL_NO_DIR_SYNC] = { FINDER_SIM, NULL, false },
    [BUG_WAL_NO_CRC] = { FINDER_SIM, NULL, false },
    [BUG_WAL_MARK_IGNORED] = { FINDER_SIM, NULL, false },
    [BUG_WAL_TRUNCATE_FORGOTTEN] = { FINDER_SIM, NULL, false },
    [BUG_WAL_OLD_DURABLE] = { FINDER_UNIT_RAFT, NULL, false },
    [BUG_META_NO_SYNC] = { FINDER_SIM, NULL, false },
    [BUG_META_ONE_COPY] = { FINDER_UNIT_RAFT, NULL, false },
    [BUG_META_LATE] = { FINDER_SIM, NULL, false },
    [BUG_SNAPSHOT_NO_SYNC] = { FINDER_SIM, NULL, false },
    [BUG_SNAPSHOT_BEHIND] = { FINDER_SIM, NULL, false },
    [BUG_INSTALL_NO_SYNC] = { FINDER_SIM, NULL, false },
    [BUG_INSTALL_NO_DIR_SYNC] = { FINDER_SIM, NULL, false },

    [BUG_APPLY_UNCOMMITTED] = { FINDER_SIM, NULL, false },
    [BUG_REPLY_BEFORE_COMMIT] = { FINDER_SIM, NULL, false },
    [BUG_COMMIT_OLD_TERM] = { FINDER_SIM, NULL, false },
    [BUG_READ_LOCAL] = { FINDER_SIM, NULL, false },
    [BUG_READ_NO_QUORUM] = { FINDER_SIM, NULL, false },
    [BUG_READ_OLD_ROUND] = { FINDER_SIM, "--with 0x4 --founders 3", false },
    [BUG_READ_BEFORE_OWN_COMMIT] = { FINDER_SIM, NULL, false },
    [BUG_READ_BEFORE_APPLY] = { FINDER_SIM, NULL, false },
    [BUG_PROPOSE_NO_DEDUPE] = { FINDER_SIM, NULL, false },
    [BUG_PROPOSE_OLD_EPOCH] = { FINDER_SIM, NULL, false },
    [BUG_PROPOSE_RETRY_EARLY] = { FINDER_SIM, NULL, false },
    [BUG_PROPOSE_NEVER_SENT] = { FINDER_SIM, NULL, false },
    [BUG_PROPOSE_OVER_SNAPSHOT] = { FINDER_SIM, NULL, false },

    [BUG_LEARNER_FOR_EVER] = { FINDER_WORLD, NULL, false },

    [BUG_G1] = { FINDER_SIM, NULL, false },
    [BUG_G2A] = { FINDER_SIM, NULL, false },
    [BUG_G2B] = { FINDER_SIM, "--with 0x21 --founders 2", false },
    [BUG_G6] = { FINDER_SIM, NULL, false },
    [BUG_G7] = { FINDER_SIM, "--with 0x23 --without 0x400 --founders 2", false },
    [BUG_G13] = { FINDER_SIM, NULL, true },

    [BUG_STORE_LEASES_UNTOLD] = { FINDER_STORE, NULL, false },
    [BUG_STORE_COMPACT_REVISION_LOST] = { FINDER_STORE, NULL, false },
    [BUG_STORE_VERSION_KEPT] = { FINDER_UNIT_STORE, NULL, false },
    [BUG_STORE_LEASE_KEPT] = { FINDER_UNIT_STORE, NULL, false },
    [BUG_STORE_REVOKE_KEEPS_KEYS] = { FINDER_UNIT_STORE, NULL, false },
    [BUG_STORE_TXN_UNCHECKED] = { FINDER_UNIT_STORE, NULL, false },
    [BUG_STORE_HASH_OF_GARBAGE] = { FINDER_STORE, NULL, false },

    [BUG_AUTH_OLD_TAKEN] = { FINDER_STORE, NULL, false },
    [BUG_AUTH_ROLE_KEPT] = { FINDER_STORE, NULL, false },
    [BUG_AUTH_UNTOLD] = { FINDER_STORE, NULL, false },
    [BUG_ALARMS_UNTOLD] = { FINDER_STORE, NULL, false },
    [BUG_NOSPACE_FOR_DELETES] = { FINDER_STORE, NULL, false },

    [BUG_QUOTA_OF_HISTORY] = { FINDER_WORLD, NULL, false },
    [BUG_ALARM_FOR_EVER] = { FINDER_WORLD, NULL, false },
    [BUG_COMPACT_HASTY] = { FINDER_WORLD, NULL, false },
    [BUG_BACKUP_STALLED] = { FINDER_WORLD, BACKUPS, false },
    [BUG_BACKUP_STORE_FREED] = { FINDER_WORLD, BACKUPS " --with 0x8 --without 0x2043", false },
    [BUG_BACKUP_NO_LEASES] = { FINDER_WORLD, NULL, false },

    [BUG_WATCH_START_LATE] = { FINDER_WORLD, NULL, false },
    [BUG_WATCH_FUTURE_EARLY] = { FINDER_WORLD, NULL, false },
    [BUG_WATCH_SLOW_DROPPED] = { FINDER_UNIT_STORE, NULL, false },
    [BUG_WATCH_BLOCKED_SKIPPED] = { FINDER_UNIT_STORE, NULL, false },
    [BUG_WATCH_COMPACTED_SKIPPED] = { FINDER_WORLD, NULL, false },
    [BUG_WATCH_OVER_SNAPSHOT] = { FINDER_WORLD, NULL, false },
    [BUG_PROGRESS_EARLY] = { FINDER_WORLD, NULL, false },
    [BUG_BOOKMARK_EARLY] = { FINDER_UNIT_SERVER, NULL, false },
    [BUG_RESUME_LATE] = { FINDER_WORLD, NULL, false },
    [BUG_RESUME_AGAIN] = { FINDER_WORLD, NULL, false },
    [BUG_LEASE_DEPOSED] = { FINDER_WORLD, NULL, false },
    [BUG_LEASE_NEW_LEADER] = { FINDER_WORLD, NULL, false },
    [BUG_LEASE_FOR_EVER] = { FINDER_WORLD, NULL, false },
    [BUG_KEEPALIVE_IGNORED] = { FINDER_WORLD, NULL, false },
    [BUG_KEEPALIVE_UNCHECKED] = { FINDER_WORLD, "--with 0xc --founders 3", false },
    [BUG_RANGE_LOCAL] = { FINDER_WORLD, NULL, false },
    [BUG_WRITE_RETRIED] = { FINDER_WORLD, NULL, false },

    [BUG_VICTIMS_COUNT] = { FINDER_UNIT_CONTROLLERS, NULL, false },
    [BUG_ROLLOUT_HASTY] = { FINDER_WORLD, ORCHESTRATION, false },
    [BUG_RECREATE_OVERLAP] = { FINDER_UNIT_CONTROLLERS, NULL, false },
    [BUG_GC_STALE_CACHE] = { FINDER_UNIT_CONTROLLERS, NULL, false },
    [BUG_NODE_NO_BRAKE] = { FINDER_UNIT_CONTROLLERS, NULL, false },
    [BUG_ASSUMED_FORGOTTEN] = { FINDER_UNIT_SCHEDULER, NULL, false },
    [BUG_MEMORY_UNCOUNTED] = { FINDER_UNIT_SCHEDULER, NULL, false },
    [BUG_CONTAINER_TWICE] = { FINDER_WORLD, ORCHESTRATION, false },
    [BUG_NO_BACK_OFF] = { FINDER_UNIT_KUBELET, NULL, false },
    [BUG_NO_GRACE] = { FINDER_UNIT_KUBELET, NULL, false },
    [BUG_ORPHAN_LEFT] = { FINDER_WORLD, ORCHESTRATION, false },
    [BUG_UPDATE_UNGUARDED] = { FINDER_WORLD, ORCHESTRATION, false },
};

const struct plan *plan_of(enum bug bug)
{
    return &PLANS[bug];
}

const struct finder_info *finder_info(enum finder finder)
{
    return &FINDER_INFOS[finder];
}
