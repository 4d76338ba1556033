#!/bin/sh
# Backups: a cluster is restored from its snapshot, from an etcd's, from an etcd that runs, and back into an
# etcd; a damaged file, a directory that exists and a wrong flag change nothing.
. "$(dirname "$0")/lib.sh"

FAST='--election-timeout=500 --heartbeat-interval=50'

fill() {
    for i in $(seq 1 30); do
        { echo; for k in $(seq 1 60); do echo "put $1/$i/$k value-$i-$k"; done; echo; echo; } |
            ctl_at "$1" 1 txn >/dev/null || return 1
    done
    for v in 1 2 3 4 5; do ctl_at "$1" 1 put changed "v$v" >/dev/null || return 1; done
    ctl_at "$1" 1 put gone soon >/dev/null && ctl_at "$1" 1 del gone >/dev/null || return 1
    LEASE=$(ctl_at "$1" 1 lease grant 6000 | awk '{ print $2 }')
    ctl_at "$1" 1 put leased by --lease="$LEASE" >/dev/null
}

content() { ctl_at "$1" "$2" get '' --from-key --rev="${3:-0}" -w json | jq -S '.kvs, .count'; }

# into CLUSTER VERB... : every member of a new cluster of Barque is made from the same source.
into() {
    cluster=$1; shift
    for i in $(members "$cluster"); do
        "$BARQUE" "$@" --name "m$i" --data-dir "$(data_of "$cluster" "$i")" \
            --initial-cluster "$(cat "$T/$cluster/initial")" >>"$T/into" 2>&1 || {
            cat "$T/into"; return 1
        }
    done
}

# equal A B SENTENCE: both serve the same, now and at REV.
equal() {
    content "$1" 1 >"$T/want"; content "$2" 1 >"$T/got"
    same "$3" "$T/got" "$T/want"
    content "$1" 1 "$REV" >"$T/want"; content "$2" 1 "$REV" >"$T/got"
    same "$3, also before the last changes" "$T/got" "$T/want"
}

# shellcheck disable=SC2086
cluster_new a barque 3 $FAST
cluster_start a
check 'a store with history is filled' fill a
REV=$(($(revision a 1) - 6))

# --- Barque to Barque ---------------------------------------------------------------------------
check 'a snapshot is saved' "$BARQUE" snapshot save "$T/a.db" --endpoints "$(endpoints a)"
check 'its status is told' "$BARQUE" snapshot status "$T/a.db"
"$BARQUE" snapshot status "$T/a.db" --write-out json | jq -S . >"$T/got"
etcdctl snapshot status "$T/a.db" -w json | jq -S . >"$T/want"
same 'it says what etcdctl says' "$T/got" "$T/want"
# shellcheck disable=SC2086
cluster_new r barque 3 $FAST
check 'three members are restored' into r snapshot restore "$T/a.db"
cluster_start r
equal a r 'the restored cluster serves the same'
is 'at the same revision' "$(revision r 2)" "$(revision a 1)"
like 'the lease is there, with its key' "$(ctl_at r 3 lease timetolive "$LEASE" --keys)" leased
check 'it takes writes' ctl_at r 2 put after restore
check 'its members agree' wait_until 20 equal_hashes r
member_end r 2; member_start r 2
check 'a restored member starts again' wait_until 30 ctl_at r 2 get after

# --- what must not be ---------------------------------------------------------------------------
refused() { # SENTENCE CODE PATTERN command...
    sentence=$1 code=$2 pattern=$3; shift 3
    out=$("$@" 2>&1); got=$?
    is "$sentence (exit code)" "$got" "$code"
    like "$sentence" "$out" "$pattern"
}
restore() { "$BARQUE" snapshot restore "$1" --name m1 --initial-cluster m1=http://127.0.0.1:9 \
    --data-dir "$T/new" "$2"; }
cp "$T/a.db" "$T/bad.db"
printf X | dd of="$T/bad.db" bs=1 seek=20000 conv=notrunc 2>/dev/null
refused 'a damaged file is refused' 1 'damaged: its SHA-256' restore "$T/bad.db" --name=m1
head -c 20001 "$T/a.db" >"$T/cut.db"
refused 'a cut file is refused' 1 'no SHA-256' restore "$T/cut.db" --name=m1
refused 'a missing file is told' 3 'a missing' "$BARQUE" snapshot status "$T/a missing"
refused 'a raised revision must be compacted' 2 'go together' restore "$T/a.db" --bump-revision=5
check 'nothing was made by these' test ! -e "$T/new" -a ! -e "$T/new.unfinished"
mkdir "$T/new"; echo mine >"$T/new/file"
refused 'a directory that holds something is not touched' 4 'never overwritten' \
    restore "$T/a.db" --name=m1
is 'what it held is still there' "$(cat "$T/new/file")" mine

# --- a raised revision --------------------------------------------------------------------------
cluster_new u barque 1
check 'a member is restored with a raised revision' into u snapshot restore "$T/a.db" \
    --bump-revision 1000000 --mark-compacted
cluster_start u
is 'its revision is a million higher' "$(revision u 1)" "$(($(revision a 1) + 1000000))"
content a 1 | jq -S '.[]?.value' >"$T/want"; content u 1 | jq -S '.[]?.value' >"$T/got"
same 'its values are the same' "$T/got" "$T/want"
like 'the old revisions are compacted' "$(ctl_at u 1 get x --rev="$REV" 2>&1)" compacted
check 'it takes writes' ctl_at u 1 put after bump

# --- from a stopped member ----------------------------------------------------------------------
ctl_at u 1 put not-in-a-snapshot yet >/dev/null
want=$(content u 1)
member_end u 1 KILL
check 'a member that does not run is exported' "$BARQUE" export "$T/u.db" \
    --data-dir "$(data_of u 1)"
cluster_new v barque 1
check 'and imported' into v import "$T/u.db"
cluster_start v
is 'with all that was in its log' "$(content v 1)" "$want"

# --- users --------------------------------------------------------------------------------------
users_on() {
    ctl_at "$1" 1 user add root:secret && ctl_at "$1" 1 role add r &&
        ctl_at "$1" 1 user add u:word && ctl_at "$1" 1 user grant-role u r &&
        ctl_at "$1" 1 role grant-permission r read not --prefix && ctl_at "$1" 1 role add root &&
        ctl_at "$1" 1 user grant-role root root && ctl_at "$1" 1 auth enable
}
check 'authentication is turned on' users_on v
refused 'nobody saves a snapshot' 1 'user name is empty' "$BARQUE" snapshot save "$T/w.db" \
    --endpoints "$(endpoints v)"
refused 'a user saves none either' 1 'permission denied' "$BARQUE" snapshot save "$T/w.db" \
    --endpoints "$(endpoints v)" --user u:word
refused 'a wrong password is told' 1 'authentication failed' "$BARQUE" snapshot save "$T/w.db" \
    --endpoints "$(endpoints v)" --user root:wrong
check 'nothing was saved' test ! -e "$T/w.db" -a ! -e "$T/w.db.part"
check 'root saves one' env BARQUE_USER=root:secret "$BARQUE" snapshot save "$T/w.db" \
    --endpoints "$(endpoints v)"
cluster_new w barque 1
check 'a cluster with users is restored' into w snapshot restore "$T/w.db"
member_start w 1
check 'authentication is on there' wait_until 20 sh -c \
    "etcdctl --endpoints $(endpoint w 1) get not 2>&1 | grep -q 'user name is empty'"
is 'a user reads what it may' \
    "$(ctl_at w 1 --user u:word get not --prefix --print-value-only)" yet
like 'and nothing else' "$(ctl_at w 1 --user u:word get x 2>&1)" 'permission denied'

# --- etcd ---------------------------------------------------------------------------------------
if [ -x "$ETCD" ]; then
    cluster_new e etcd 1
    cluster_start e
    check 'an etcd is filled' fill e
    REV=$(($(revision e 1) - 6))
    # shellcheck disable=SC2086
    cluster_new i barque 3 $FAST
    check 'three members are imported from an etcd that runs' into i import "http://$(endpoint e 1)"
    cluster_start i
    equal e i 'they serve what etcd serves'
    is 'at its revision' "$(revision i 1)" "$(revision e 1)"
    is 'and all of them with the hash that etcd gives' "$(hashes i | sort -u)" "$(hashes e)"
    ctl_at e 1 compact "$REV" >/dev/null
    etcdctl --endpoints "$(endpoint e 1)" snapshot save "$T/e.db" >/dev/null 2>&1
    cluster_new j barque 1
    check "a member is imported from a compacted etcd's file" into j import "$T/e.db"
    cluster_start j
    REV=$((REV + 1))
    equal e j 'it serves what etcd serves'
    like 'what etcd has compacted is compacted' \
        "$(ctl_at j 1 get x --rev=$((REV - 2)) 2>&1)" compacted
    for c in e j; do ctl_at $c 1 compact "$(revision e 1)" --physical >/dev/null; done
    is 'compacted alike, they have the same hash' "$(hashes j)" "$(hashes e)"
    member_end e 1
    cluster_new k barque 1
    check "a member is imported from a stopped etcd's own database" into k import \
        "$(data_of e 1)/member/snap/db" --skip-hash-check
    cluster_start k
    content j 1 >"$T/want"; content k 1 >"$T/got"
    same 'it serves the same' "$T/got" "$T/want"
    check 'a cluster is exported' "$BARQUE" export "$T/j.db" --endpoints "$(endpoints j)"
    cluster_new f etcd 1
    check 'etcd is restored from that' etcdctl snapshot restore "$T/j.db" --name m1 \
        --data-dir "$(data_of f 1)" --initial-cluster "$(cat "$T/f/initial")" \
        --initial-advertise-peer-urls "http://127.0.0.1:$(cat "$T/f/m1.peer")"
    cluster_start f
    content j 1 >"$T/want"; content f 1 >"$T/got"
    same 'and serves the same' "$T/got" "$T/want"
    is 'with the hash that Barque gives' "$(hashes f)" "$(hashes j)"
    member_end f 1

    cluster_new g etcd 1
    cluster_start g
    ctl_at g 1 put k v >/dev/null
    check 'authentication is turned on at etcd' users_on g
    cluster_new h barque 1
    : >"$T/into"
    check 'it is imported' into h import "http://$(endpoint g 1)" --user root:secret
    like 'it is said that authentication is on' "$(cat "$T/into")" \
        '2 users, 2 roles; authentication is on'
    member_start h 1
    check 'nobody may ask' wait_until 20 sh -c \
        "etcdctl --endpoints $(endpoint h 1) get k 2>&1 | grep -q 'user name is empty'"
    is 'root logs in with the password of before' \
        "$(ctl_at h 1 --user root:secret get k --print-value-only)" v
    is 'users are there' "$(ctl_at h 1 --user root:secret user list | sort | tr '\n' ' ')" \
        'root u '
    like 'and what their roles may' "$(ctl_at h 1 --user root:secret role get r)" 'prefix not'
    like 'a user may not more' "$(ctl_at h 1 --user u:word get k 2>&1)" 'permission denied'
else
    skip 'etcd to Barque and back' 'no etcd here'
fi

plan
