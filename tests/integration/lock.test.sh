#!/bin/sh
# Locks and elections as services (v3lockpb, v3electionpb) and the health service: the same questions to
# Barque and to a real etcd; then three members under contention, and without one of them.
. "$(dirname "$0")/lib.sh"

V3ASK=$B/tests/v3ask
cluster_new b barque 3 --election-timeout=500 --heartbeat-interval=50
cluster_start b

ask_at() { c=$1; i=$2; shift 2; "$V3ASK" "$(endpoint "$c" "$i")" "$@"; }
# lease C TTL: its id, as the services write it.
lease() { ctl "$1" lease grant "$2" | sed -E 's/^lease 0*([0-9a-f]+) .*/\1/'; }
created() { ctl_at "$1" "$2" get "$3" -w json | jq '.kvs[0].create_revision // 0'; }
stands() { [ "$(created "$1" "$2" "$3")" != 0 ]; }
missing() { [ "$(created "$1" "$2" "$3")" = 0 ]; }

# --- the same as etcd --------------------------------------------------------------------------

ask() { echo "--- $*" | sed "s/$l1/L1/g;s/$l2/L2/g"; ask_at "$C" 1 "$@" | sed "s/$l1/L1/g;s/$l2/L2/g"; }
questions() {
    C=$1 l1=$(lease "$1" 60) l2=$(lease "$1" 60)
    ask 5000 lock n 12345
    ask 5000 lock n 0x$l1
    ask 5000 lock n 0x$l1
    ask 300 lock n 0x$l2
    wait_until 5 missing "$C" 1 "n/$l2" # its call has ended
    ask 5000 lock '' 0x$l2
    ask 5000 lock m -5
    ask 5000 unlock ''
    ask 5000 unlock nothing
    ask 5000 unlock "n/$l1"
    ask 5000 lock n 0x$l2
    ask 5000 leader e
    ask 5000 campaign e 0x$l1 v1
    ask 5000 campaign e 0x$l1 v1
    rev=$(created "$C" 1 "e/$l1")
    ask 5000 proclaim e "e/$l1" "$rev" 0x$l1 v2
    ask 5000 proclaim e "e/$l1" 1 0x$l1 v3
    ask 5000 proclaim e "e/$l1" "$rev" 777 v3
    ask 5000 proclaim-nothing
    ask 5000 resign-nothing
    ask 300 campaign e 0x$l2 other
    ask 5000 leader e
    ask 5000 resign e "e/$l1" 1 0x$l1
    ask 5000 resign e "e/$l1" "$rev" 777
    ask 5000 campaign e 0x$l2 w
    ask 5000 leader e
    ask 5000 campaign e 12345 v
    ask 300 observe e
    ask 5000 health ''
    ask 5000 health etcdserverpb.KV
    ask 300 health-watch ''
    ask 300 health-watch nobody
}

if [ -x "$ETCD" ]; then
    cluster_new e etcd 1
    cluster_new one barque 1
    cluster_start e
    cluster_start one
    questions e >"$T/of-etcd" 2>&1
    questions one >"$T/of-barque" 2>&1
    same 'locks, elections and health answer as etcd does' "$T/of-barque" "$T/of-etcd"
    member_end e 1; member_end one 1
else
    skip 'locks, elections and health answer as etcd does' 'there is no etcd'
fi

# --- one at a time -----------------------------------------------------------------------------

# Worker W, three times: takes the lock at its member, is alone, gives it up.
worker() {
    at=$(($1 % 3 + 1))
    l=$(lease b 60)
    for turn in 1 2 3; do
        key=$(ask_at b "$at" 60000 lock mutex "0x$l" | sed -n 's/^key=\(.*\) rev=.*/\1/p')
        mkdir "$T/inside" || echo "$1 $turn" >>"$T/together"
        echo "$1 $turn $key" >>"$T/sections"
        rmdir "$T/inside"
        ask_at b "$at" 60000 unlock "$key" >/dev/null
    done
}
workers=
for w in 1 2 3 4 5 6 7 8 9; do worker "$w" & workers="$workers $!"; PIDS="$PIDS $!"; done
for p in $workers; do wait "$p"; done
is 'nine workers at three members all got the lock, three times each' \
    "$(grep -c mutex/ "$T/sections")" 27
check 'and never two at a time' test ! -e "$T/together"

# --- in order, whoever goes --------------------------------------------------------------------

# waiter NAME LOCK MEMBER LEASE: in the background; when it wins, NAME goes to $T/won.
waiter() { (ask_at b "$3" 60000 lock "$2" "0x$4" >"$T/$1.out" && echo "$1" >>"$T/won") & PIDS="$PIDS $!"; }
has_won() { file_has "$T/won" "^$1\$"; }

holder=$(lease b 60)
ask_at b 1 5000 lock q "0x$holder" >/dev/null
i=0; ids=
for name in first second third fourth; do
    i=$((i + 1)); l=$(lease b 60); ids="$ids $l"
    waiter "$name" q $((i % 3 + 1)) "$l"
    wait_until 5 stands b 1 "q/$l"
done
# shellcheck disable=SC2086
set -- $ids
check 'nobody wins while it is held' test ! -e "$T/won"
ask_at b 2 5000 unlock "q/$holder" >/dev/null
check 'unlocked at another member, it goes to the first' wait_until 5 has_won first
ctl b lease revoke "$1" >/dev/null
check 'its lease revoked, it goes to the second' wait_until 5 has_won second
ctl b del "q/$2" >/dev/null
check 'its key deleted, it goes to the third' wait_until 5 has_won third
is 'each only once, in the order of their keys' "$(tr '\n' ' ' <"$T/won")" 'first second third '

# --- without a member --------------------------------------------------------------------------

# The third holds it at member 1 (3 % 3 + 1), the fourth waits at member 2.
served=2
place=$(created b 1 "q/$4")
member_end b "$served" KILL
behind=$(lease b 60)
waiter behind q 3 "$behind"
wait_until 5 stands b 3 "q/$behind"
waiter again q 1 "$4"
check "the place of a waiter whose member was killed stands" test "$(created b 1 "q/$4")" = "$place"
ask_at b 3 10000 unlock "q/$3" >/dev/null
check 'asking another member with the same lease, it wins' wait_until 10 has_won again
check 'before the one that came later' sh -c "! grep -q behind '$T/won'"
ask_at b 3 10000 unlock "q/$4" >/dev/null
check 'which wins then' wait_until 10 has_won behind
member_start b "$served"
serving b

l=$(lease b 60)
leader=$(leader_of b); other=$((leader % 3 + 1))
waiter after q "$other" "$l"
wait_until 5 stands b "$other" "q/$l"
member_end b "$leader" KILL
ask_at b "$other" 20000 unlock "q/$behind" >/dev/null
check 'a wait outlives the leader' wait_until 10 has_won after
member_start b "$leader"
serving b

# --- what is observed, and health --------------------------------------------------------------

spawn "$T/observed" "$V3ASK" "$(endpoint b 1)" 60000 observe e
spawn "$T/health" "$V3ASK" "$(endpoint b 1)" 60000 health-watch ''
l1=$(lease b 60) l2=$(lease b 60)
ask_at b 2 5000 campaign e "0x$l1" one >/dev/null
spawn "$T/second" "$V3ASK" "$(endpoint b 3)" 60000 campaign e "0x$l2" two
wait_until 5 stands b 1 "e/$l2"
ctl b lease revoke "$l1" >/dev/null
wait_until 5 file_has "$T/observed" value=two
is 'an observer sees each leader once' "$(sed -E 's/.* value=([a-z]+) .*/\1/' "$T/observed" | tr '\n' ' ')" \
    'one two '
member_end b 2 KILL; member_end b 3 KILL
check 'a member without quorum says that it does not serve' \
    wait_until 10 file_has "$T/health" '^NOT_SERVING$'
member_start b 2; member_start b 3
check 'and that it does again' wait_until 20 file_has "$T/health" '^SERVING$' 2
plan
