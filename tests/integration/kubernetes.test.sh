#!/bin/sh
# What a Kubernetes API server asks and builds on (tests/unit/server/test_kube_*.c), put to a real etcd, which
# says that the tests are right, and to each of three members; and what needs a cluster without quorum.
. "$(dirname "$0")/lib.sh"

UNIT=$B/tests/unit-server
[ -x "$UNIT" ] || { skip 'a Kubernetes API server finds what it needs' 'unit-server is not built'; plan; exit 0; }

# asked WHAT ADDRESS: all of the tests, there. Their names go along when one fails.
asked() {
    BARQUE_TEST_PEER=$2 CMOCKA_MESSAGE_OUTPUT=TAP "$UNIT" >"$T/asked" 2>&1
    rc=$?
    n=$(grep -c '^ok ' "$T/asked")
    sed -n "s/^# measured progress_request/# measured at $1: progress_request/p" "$T/asked"
    if [ "$rc" = 0 ] && [ "$n" -ge 35 ]; then ok "all $n shapes and rules hold at $1"; return; fi
    not_ok "all shapes and rules hold at $1"; note "$(grep -B 8 '^not ok' "$T/asked" | head -60)"
}

if [ -x "$ETCD" ]; then
    cluster_new e etcd 1
    cluster_start e
    export BARQUE_TEST_PEER_OLD=1
    asked 'a real etcd' "$(endpoint e 1)"
    unset BARQUE_TEST_PEER_OLD
    member_end e 1
fi
cluster_new b barque 3 --election-timeout=500 --heartbeat-interval=50
cluster_start b
leader=$(leader_of b)
asked 'the leader of three' "$(endpoint b "$leader")"
asked 'a follower' "$(endpoint b $((leader % 3 + 1)))"

health() { curl -s --max-time 5 "http://$(endpoint b "$1")/health"; }
like 'GET /health on the client port says so' "$(health 1)" '^\{"health":"true"'

# Without quorum, as an API server hears it: a watch with `hasleader` is refused, so that it turns to another
# member.
member_end b 2 KILL; member_end b 3 KILL
no_leader() { ctl_at b 1 endpoint status -w json | jq -e '.[0].Status.leader // 0 == 0'; }
wait_until 10 no_leader
like 'a watch that needs a leader hears that there is none' \
    "$(timeout 20 etcdctl --endpoints "$(endpoint b 1)" watch k 2>&1)" 'etcdserver: no leader'
like 'a write is not known to have happened' "$(ctl_at b 1 --command-timeout=2s put k v 2>&1)" \
    'deadline exceeded|request timed out|leader changed'
like 'GET /health says that, too' "$(health 1)" '^\{"health":"false"'
member_start b 2
wait_until 20 ctl_at b 1 get nothing
asked 'one of two that are left' "$(endpoint b 1)"
plan
