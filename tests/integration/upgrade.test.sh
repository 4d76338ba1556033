#!/bin/sh
# A cluster of an earlier commit's program is rolled to this one, member by member, while chaos' clients
# write, read, watch, keep leases and hold locks: every answer is judged as after a fault. A node with
# running pods is rolled, too. The earlier commit is in upgrade.from, or UPGRADE_FROM=COMMIT.
. "$(dirname "$0")/lib.sh"

from=${UPGRADE_FROM:-$(grep -v '^#' "$(dirname "$0")/upgrade.from" | head -1)}
if ! commit=$(git rev-parse --verify -q "$from^{commit}"); then
    skip 'an earlier program is rolled to this one' "the history has no $from here"
    plan
    exit 0
fi

# Built once a commit, without its history and fast: all that is needed of it is the program.
root=build/upgrade/$commit
if [ ! -x "$root/build/barque" ]; then
    rm -rf "$root" && mkdir -p "$root" && git archive "$commit" | tar -x -C "$root" &&
        make -s -C "$root" -j"$(nproc)" B=build OPT=-O1 COMMIT="$(echo "$commit" | cut -c1-12)" MAKEFLAGS= build/barque >"$T/build.log" 2>&1
fi
if [ ! -x "$root/build/barque" ]; then
    not_ok "the program of $from is built"; note "$(tail -20 "$T/build.log")"
    plan
    exit 1
fi
new=$BARQUE
old=$T/bin/barque-old
cp "$root/build/barque" "$old" || exit 1
BARQUE=$old

cluster_new c master 3 --snapshot-count=500
cluster_start c
BARQUE_ENDPOINTS=$(endpoints c); export BARQUE_ENDPOINTS
agent_start c n1 --capacity cpu=4,memory=4Gi,pods=50
objects() { ctl c get --prefix "/registry/$1" --print-value-only | sed '/^$/d'; }
ready() {
    [ "$(objects pods/default/ | jq -r 'select(.status.conditions[]? |
        .type == "Ready" and .status == "True") | .metadata.uid' | wc -l)" = "$1" ]
}
uids() { objects pods/default/ | jq -r '.metadata.uid' | sort; }
processes() { (cd "$(node_root c n1)/pods" && cat ./*/*/*/pid | cut -d' ' -f1 | sort); }
runs() { [ "$(readlink "/proc/$(pid_of c "$2")/exe")" = "$1" ]; } # PROGRAM MEMBER

check 'the cluster is of the old program' runs "$old" 1
check 'the old program: a Deployment' "$BARQUE" apply -f examples/web.yaml -d
check 'the old program: six pods are ready' wait_until 30 ready 6
"$BARQUE" bench --load fill --keys 5000 --batch 50 --value-bytes 200 --clients 4 \
    --endpoints "$(endpoints c)" >/dev/null
ctl c lease grant 3600 >"$T/lease"; lease=$(awk '{ print $2 }' "$T/lease")
ctl c put kept "by a lease" --lease="$lease" >/dev/null
ctl c put kept again --ignore-lease >/dev/null && ctl c del gone >/dev/null
before=$(revision c 1)
# All keys of then with all their fields, as each member tells them.
told() { for i in $(members c); do ctl_at c "$i" get "" --prefix --rev="$before" -w json | jq -c '.kvs[]' | sha256sum; done; }
told >"$T/told.before"
uids >"$T/uids.before"; processes >"$T/pids.before"

# --- the roll, under load ----------------------------------------------------------------------

spawn "$T/chaos.out" "$new" chaos run --endpoints "$(endpoints c)" --faults none --loads kv,watch,lease,txn \
    --seconds 30 --seed 1 --json "$T/chaos.json"
chaos=$PID
wait_until 10 test -s "$T/chaos.out"
led=$(leader_of c)
order=$(for i in 1 2 3; do [ "$i" = "$led" ] || echo "$i"; done; echo "$led") # the leader last: it is the hardest
for i in $order; do
    member_end c "$i"
    is "m$i of the old program ends in order" "$RC" 0
    BARQUE=$new member_start c "$i"
    check "m$i of the new program serves" wait_until 30 ctl_at c "$i" get nothing
    check '... which it is' runs "$new" "$i"
done
check 'the load was there all the while' kill -0 "$chaos"
RC=0; wait "$chaos" || RC=$?
is 'every answer that was given meanwhile holds' "$RC" 0
[ "$RC" = 0 ] || note "$(tail -60 "$T/chaos.out")"
note "$(grep -E 'acknowledged|operations' "$T/chaos.out" | tail -2)"

# --- what was there before ---------------------------------------------------------------------

told >"$T/told.after"
same 'what was written before is the same, at every member' "$T/told.after" "$T/told.before"
is '... and has been told' "$(ctl_at c 1 get "" --prefix --rev="$before" -w json | jq '.kvs | length >= 5000')" true
check 'all members have the same history' wait_until 20 equal_hashes c
like 'the lease is there, with its key' "$(ctl c lease timetolive "$lease" --keys)" \
    'granted with TTL\(3600s\).*\[kept\]'
BARQUE=$new
end "$(cat "$T/c/n1.pid")" TERM
agent_start c n1 --capacity cpu=4,memory=4Gi,pods=50
check "the node's new program takes over" wait_until 20 file_has "$T/c/n1.log" 'serving|registered|node'
check 'all pods are ready' wait_until 20 ready 6
uids >"$T/uids.after"; processes >"$T/pids.after"
same 'they are the same pods' "$T/uids.after" "$T/uids.before"
same '... with the same processes' "$T/pids.after" "$T/pids.before"
plan
