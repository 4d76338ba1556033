#!/bin/sh
# What etcdctl does over time, against three members: watches, leases that expire, locks, elections,
# leadership that moves, and what the members say about themselves.
. "$(dirname "$0")/lib.sh"

cluster_new b barque 3 --election-timeout=500 --heartbeat-interval=50
cluster_start b
if [ -n "$ETCD" ]; then cluster_new e etcd 1; cluster_start e; fi

# --- watches -----------------------------------------------------------------------------------

watcher() { # FILE CLUSTER I arg...: in the background
    out=$1; c=$2; i=$3; shift 3
    spawn "$out" etcdctl --endpoints "$(endpoint "$c" "$i")" watch "$@"
}

# The same writes and the same watches of the past and the future, on both.
watch_story() { # CLUSTER SECOND THIRD: members to use
    c=$1
    ctl_at "$c" 1 put w/a 1 >/dev/null
    ctl_at "$c" "$2" put w/b 1 >/dev/null
    printf '\nput w/a 2\nput w/b 2\ndel w/none\n\n\n' | ctl_at "$c" "$3" txn >/dev/null
    watcher "$T/$c.past" "$c" "$2" w/ --prefix --rev 2; W1=$PID
    watcher "$T/$c.prev" "$c" "$3" w/ --prefix --rev 3 --prev-kv; W2=$PID
    watcher "$T/$c.one" "$c" 1 w/b --rev 1; W3=$PID
    watcher "$T/$c.range" "$c" 1 w/a w/b --rev 1; W4=$PID
    wait_until 10 file_has "$T/$c.past" '^PUT' 4 || return 1
    ctl_at "$c" "$2" put w/c 3 >/dev/null
    ctl_at "$c" "$3" put other 3 >/dev/null
    ctl_at "$c" 1 del w/ --prefix >/dev/null
    ctl_at "$c" 1 put w/a again >/dev/null
    for f in past prev range; do wait_until 10 file_has "$T/$c.$f" '^again' || return 1; done
    wait_until 10 file_has "$T/$c.one" '^DELETE' || return 1
    for p in $W1 $W2 $W3 $W4; do end "$p"; done
}

check 'watches of past and future see every event' watch_story b 2 3
if [ -n "$ETCD" ]; then
    check 'as they do in etcd' watch_story e 1 1
    for f in past prev one range; do
        same "watch output ($f) equals etcd's line by line" "$T/b.$f" "$T/e.$f"
    done
else
    skip 'watch output equals etcd'"'"'s' 'no etcd to compare with'
fi

# Several watches on one stream (etcdctl's interactive mode), and one of them cancelled by its end.
mkfifo "$T/in"
(exec 3>"$T/in"; printf 'watch i/a\nwatch i/b\n' >&3; wait_until 60 test -e "$T/in.done") &
FEED=$!; PIDS="$PIDS $FEED"
etcdctl --endpoints "$(endpoint b 2)" watch -i <"$T/in" >"$T/inter" 2>&1 &
W=$!; PIDS="$PIDS $W"
seen_b() { ctl_at b 1 put i/b x >/dev/null; file_has "$T/inter" '^i/b$'; }
seen_a() { ctl_at b 3 put i/a x >/dev/null; file_has "$T/inter" '^i/a$'; }
check 'two watches share one stream' wait_until 10 seen_a
check 'and both hear of their keys' wait_until 10 seen_b
touch "$T/in.done"; end "$W"; end "$FEED"

# --- leases ------------------------------------------------------------------------------------

grant() { ctl_at b "$1" lease grant "$2" | awk '{print $2}'; }
L=$(grant 2 2)
ctl_at b 3 put lease/a 1 --lease "$L" >/dev/null
ctl_at b 1 put lease/b 1 --lease "$L" >/dev/null
watcher "$T/expiry" b 3 lease/ --prefix; W=$PID
is 'keys of a lease are there while it lives' \
    "$(ctl_at b 2 get lease/ --prefix --keys-only | grep -c lease)" 2
check 'a lease that nobody renews expires, and a watch sees its keys go' \
    wait_until 10 file_has "$T/expiry" '^DELETE' 2
is 'then the keys are gone everywhere' \
    "$(for i in 1 2 3; do ctl_at b $i get lease/ --prefix; done)" ''
like 'and the lease is unknown' "$(ctl_at b 1 lease timetolive "$L")" 'already expired'
end "$W"
L=$(grant 1 2)
ctl_at b 2 put kept 1 --lease "$L" >/dev/null
spawn "$T/keep" etcdctl --endpoints "$(endpoint b 3)" lease keep-alive "$L"; K=$PID
check 'a lease that is kept alive outlives its time to live' \
    wait_until 15 file_has "$T/keep" 'keepalived with TTL\(2\)' 6
is 'and so does its key' "$(ctl_at b 1 get kept --print-value-only)" 1
end "$K" KILL
key_gone() { [ -z "$(ctl_at b 1 get kept)" ]; }
check 'when its keeper is killed it expires' wait_until 10 key_gone

# --- locks and elections -----------------------------------------------------------------------

# Each holder notes when it enters and leaves; no two may be inside at once.
cat >"$T/hold" <<END
echo in >>$T/held; sleep 0.1; echo out >>$T/held
END
holders=
for i in 1 2 3 1 2 3; do
    spawn "$T/lock.log" etcdctl --endpoints "$(endpoint b "$i")" lock mutex sh "$T/hold"
    holders="$holders $PID"
done
check 'six contenders for a lock all get it' wait_until 20 file_has "$T/held" '^out$' 6
is 'and never two at once' "$(uniq "$T/held" | wc -l)" 12
for p in $holders; do wait "$p"; done
is 'nothing of the lock is left' "$(ctl_at b 1 get mutex --prefix --keys-only)" ''

spawn "$T/elect1" etcdctl --endpoints "$(endpoint b 1)" elect chief one; E1=$PID
check 'the first candidate is elected' wait_until 10 file_has "$T/elect1" '^one$'
spawn "$T/observe" etcdctl --endpoints "$(endpoint b 3)" elect --listen chief; O=$PID
check 'an observer hears who leads' wait_until 10 file_has "$T/observe" '^one$'
spawn "$T/elect2" etcdctl --endpoints "$(endpoint b 2)" elect chief two; E2=$PID
campaigns() { [ "$(ctl_at b 1 get chief --prefix --keys-only | grep -c chief)" = 2 ]; }
check 'the second candidate waits' wait_until 10 campaigns
is 'while the first leads' "$(cat "$T/elect2")" ''
end "$E1" INT
check 'when the first resigns the second is elected' wait_until 10 file_has "$T/elect2" '^two$'
check 'and the observer hears of it' wait_until 10 file_has "$T/observe" '^two$'
end "$E2" INT; end "$O"

# --- what members say --------------------------------------------------------------------------

is 'the member list names three started members' \
    "$(ctl_at b 2 member list | awk -F', ' '{print $2, $3, $6}' | sort | tr '\n' ';')" \
    'started m1 false;started m2 false;started m3 false;'
is 'with the URLs that clients use' "$(ctl_at b 1 member list | awk -F', ' '{print $5}' | sort)" \
    "$(for i in 1 2 3; do echo "http://$(endpoint b "$i")"; done | sort)"
is 'every member is healthy' "$(ctl b endpoint health 2>&1 | grep -c 'is healthy')" 3
is 'from its status every member takes the same one for the leader' \
    "$(ctl b endpoint status -w json | jq '.[].Status.leader' | sort -u | wc -l)" 1
is 'exactly one member says that it leads' \
    "$(ctl b endpoint status | awk -F', ' '$5 == "true"' | wc -l)" 1
check 'all members have the same hash of their history' wait_until 10 equal_hashes b
is 'defragmenting succeeds' "$(ctl b defrag 2>&1 | grep -c '^Finished')" 3
is 'no alarm is raised' "$(ctl_at b 1 alarm list)" ''

from=$(leader_of b); to=$((from % 3 + 1)); other=$((to % 3 + 1))
to_id=$(ctl_at b "$to" endpoint status | awk -F', ' '{print $2}')
like 'a follower does not move leadership' \
    "$(ctl_at b "$other" move-leader "$to_id" 2>&1)" 'no leader endpoint given'
like 'leadership moves to the named member' \
    "$(ctl_at b "$from" move-leader "$to_id" 2>&1)" 'Leadership transferred'
moved() { [ "$(leader_of b)" = "$to" ]; }
check 'and stays there' wait_until 5 moved
check 'writes go on' ctl_at b "$from" put after move
like 'moving to a stranger is refused' \
    "$(ctl_at b "$to" move-leader abcdef 2>&1)" 'bad leader transferee'
plan
