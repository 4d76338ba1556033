#!/bin/sh
# Automatic compaction: by time, by a new leader, too; and what of its options is refused. The schedule
# itself is tested in virtual time (tests/unit/server/test_compactor.c).
. "$(dirname "$0")/lib.sh"

cluster_new c barque 3 --election-timeout=300 --heartbeat-interval=50 --auto-compaction-retention=2s
cluster_start c
compacted() { curl -s -m 5 "http://$(endpoint c "$1")/metrics" | sed -n 's/^etcd_debugging_mvcc_compact_revision //p'; }
reaches() { ctl_at c "$1" put k v >/dev/null; [ "$(compacted "$1")" -ge "$2" ]; }
for i in 1 2 3 4 5; do ctl c put k "$i" >/dev/null; done
check 'history is compacted by itself' wait_until 20 reaches 1 5
check 'on every member' wait_until 10 reaches 2 5
leader=$(leader_of c)
member_end c "$leader" KILL
other=$((leader % 3 + 1))
check 'another one leads' wait_until 20 ctl_at c "$other" put k again
now=$(revision c "$other")
check 'and goes on' wait_until 30 reaches "$other" "$now"
like 'what was compacted cannot be read' "$(ctl_at c "$other" get k --rev 2 2>&1)" \
    'required revision has been compacted'
like 'the newest can' "$(ctl_at c "$other" get k --print-value-only)" 'v|again'

refused() { "$BARQUE" store --data-dir "$T/none" "$@" 2>&1; echo "exit $?"; }
like 'a retention that is nothing is refused' "$(refused --auto-compaction-retention=soon)" \
    '^barque.*--auto-compaction-retention.*soon'
like 'with the exit code of usage' "$(refused --auto-compaction-retention=soon)" '^exit 2'
like 'so are revisions as a duration' \
    "$(refused --auto-compaction-mode=revision --auto-compaction-retention=5m)" 'revisions'
like 'and an unknown mode' "$(refused --auto-compaction-mode=always)" 'periodic'
plan
