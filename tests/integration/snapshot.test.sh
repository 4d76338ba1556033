#!/bin/sh
# Snapshots by etcd's own tools: etcdctl saves one of a Barque member, says what is in it, restores it,
# and a real etcd that is started on it serves the same keys, leases and history.
. "$(dirname "$0")/lib.sh"

[ -x "$ETCD" ] || { skip 'snapshots by a real etcd' 'no etcd here'; plan; exit 0; }

cluster_new b barque 3 --election-timeout=500 --heartbeat-interval=50
cluster_start b

# About 4,000 keys of all sizes (pages that overflow, several levels), history, deletes, leases.
fill() {
    for i in $(seq 1 40); do
        {
            echo; echo
            for k in $(seq 1 100); do echo "put bulk/$i/$k value-$i-$k"; done
            echo
            echo
        } | grep . >"$T/puts"
        { echo; cat "$T/puts"; echo; echo; } | ctl_at b $((i % 3 + 1)) txn >/dev/null || return 1
    done
    head -c 300000 /dev/zero | tr '\0' x | ctl_at b 1 put big >/dev/null || return 1
    for v in 1 2 3 4 5; do ctl_at b 2 put changed "v$v" >/dev/null || return 1; done
    ctl_at b 1 put gone soon >/dev/null && ctl_at b 1 del gone >/dev/null || return 1
    LEASE=$(ctl_at b 1 lease grant 6000 | awk '{ print $2 }')
    ctl_at b 1 put leased by --lease="$LEASE" >/dev/null
}

# Keys, values, revisions, versions of cluster $1's member $2, at revision $3 (0: now).
content() { ctl_at "$1" "$2" get '' --from-key --rev="${3:-0}" -w json | jq -S '.kvs, .count'; }

# restored NAME: a cluster of one etcd on $T/snap.db.
restored() {
    cluster_new "$1" etcd 1
    etcdctl snapshot restore "$T/$1.db" --name m1 --data-dir "$(data_of "$1" 1)" \
        --initial-cluster "$(cat "$T/$1/initial")" \
        --initial-advertise-peer-urls "http://127.0.0.1:$(cat "$T/$1/m1.peer")" >"$T/restore" 2>&1 &&
        cluster_start "$1"
}

check 'a store with history is filled' fill
REV=$(revision b 1)
check 'etcdctl saves a snapshot of a member' etcdctl --endpoints "$(endpoint b 1)" \
    snapshot save "$T/e.db"
is 'the file is pages and a checksum of 32 bytes' "$(($(stat -c %s "$T/e.db") % 512))" 32
STATUS=$(etcdctl snapshot status "$T/e.db" -w json)
is 'etcdctl finds its revision' "$(echo "$STATUS" | jq .revision)" "$REV"

check 'etcdctl restores it and etcd starts on it' restored e
is 'etcd is at the same revision' "$(revision e 1)" "$REV"
content b 1 >"$T/want"; content e 1 >"$T/got"
same 'etcd serves the same keys, values, versions and revisions' "$T/got" "$T/want"
content b 1 $((REV - 7)) >"$T/want"; content e 1 $((REV - 7)) >"$T/got"
same 'and the same of seven revisions ago' "$T/got" "$T/want"
is 'a key that was deleted can be read before that' \
    "$(ctl_at e 1 get gone --rev=$((REV - 2)) --print-value-only)" soon
like 'the lease is there, with its key' "$(ctl_at e 1 lease timetolive "$LEASE" --keys)" 'leased'
check 'etcd takes writes' ctl_at e 1 put after restore
member_end e 1

check 'history is compacted' ctl_at b 1 compact $((REV - 3))
check 'a snapshot of a compacted member is saved' etcdctl --endpoints "$(endpoint b 2)" \
    snapshot save "$T/c.db"
check 'etcd starts on that, too' restored c
content b 1 >"$T/want"; content c 1 >"$T/got"
same 'it serves the same keys' "$T/got" "$T/want"
content b 1 $((REV - 3)) >"$T/want"; content c 1 $((REV - 3)) >"$T/got"
same 'and the same at the compacted revision' "$T/got" "$T/want"
like 'what was compacted is refused' "$(ctl_at c 1 get changed --rev=$((REV - 4)) 2>&1)" compacted
member_end c 1

plan
