#!/bin/sh
# A member that was down while 100,000 keys were written rejoins: the others have cut their logs, so
# it gets a snapshot, streamed while writes go on. Afterwards all members agree.
. "$(dirname "$0")/lib.sh"

cluster_new b barque 3 --snapshot-count=1000
cluster_start b
fill() { # KEYS BATCH ENDPOINTS
    "$BARQUE" bench --load fill --keys "$1" --batch "$2" --value-bytes 100 --clients 20 \
        --endpoints "$3"
}

is 'three members serve' "$(ctl b endpoint health 2>&1 | grep -c 'is healthy')" 3
ctl b put before 1 >/dev/null
leader=$(leader_of b)
down=$((leader % 3 + 1)); up=$((down % 3 + 1)); [ "$up" = "$leader" ] && up=$((up % 3 + 1))
member_end b "$down" KILL
both=$(endpoint b "$leader"),$(endpoint b "$up")

check '100,000 keys are written by two of three' fill 100000 4 "$both"
count() { ctl_at b "$1" get bench --prefix --limit 1 -w json | jq .count; }
is 'and both have them' "$(count "$leader") $(count "$up")" '100000 100000'
L=$(ctl_at b "$leader" lease grant 600 | awk '{print $2}')
ctl_at b "$leader" put leased 1 --lease "$L" >/dev/null
check 'the log was cut behind a snapshot' \
    wait_until 20 file_has "$(log_of b "$leader")" 'snapshot taken'

# Writes go on while it rejoins, and a watcher on a member that stays sees all of them.
rm -f "$T/stop"
writer() {
    n=0
    while ! [ -e "$T/stop" ]; do
        n=$((n + 1))
        etcdctl --endpoints "$both" put "during/$n" "$n" >/dev/null 2>&1 && echo "during/$n" >>"$T/acked"
    done
}
: >"$T/acked"
writer & WRITER=$!
PIDS="$PIDS $WRITER"
lines() { [ "$(wc -l <"$T/acked")" -ge "$1" ]; }
wait_until 10 lines 5
before=$(wc -l <"$T/acked")
began=$(now_ms)
member_start b "$down"
check 'the member that was away answers linearizable reads again' \
    wait_until 30 ctl_at b "$down" get before
note "after $(($(now_ms) - began)) ms"
check 'it installed a snapshot' file_has "$(log_of b "$down")" 'snapshot installed'
check 'writes went on meanwhile' wait_until 10 lines $((before + 5))
touch "$T/stop"; wait "$WRITER"
is 'it has every key' "$(count "$down")" 100000
is 'and every write acknowledged meanwhile' \
    "$(ctl_at b "$down" get during/ --prefix --keys-only | grep . | sort >"$T/have"
       sort "$T/acked" | comm -23 - "$T/have")" ''
like 'leases came with it' "$(ctl_at b "$down" lease timetolive "$L" --keys)" 'keys\(\[leased\]\)'
check 'all members have the same hash of their history' wait_until 20 equal_hashes b

# What it got is durable: it starts again from its own disk, and can lead.
member_end b "$down" KILL
: >"$(log_of b "$down")"
member_start b "$down"
check 'it starts again from its own snapshot' wait_until 30 ctl_at b "$down" get before
is 'with every key' "$(count "$down")" 100000
is 'and without another snapshot over the wire' "$(grep -c 'snapshot installed' "$(log_of b "$down")")" 0
id=$(ctl_at b "$down" endpoint status | awk -F', ' '{print $2}')
from=$(leader_of b)
like 'it can lead' "$(ctl_at b "$from" move-leader "$id" 2>&1)" 'Leadership transferred'
check 'and write' ctl_at b "$down" put after 1
like 'as leader it keeps the lease' "$(ctl_at b "$up" lease timetolive "$L")" 'granted with TTL\(600s\), remaining\(([1-9])'
check 'and all agree again' wait_until 20 equal_hashes b
plan
