#!/bin/sh
# Members die under a stream of writes: kill -9 of the leader, of all members, and a polite end.
# What was acknowledged is there, watchers miss and repeat nothing, and the members agree.
. "$(dirname "$0")/lib.sh"

cluster_new b barque 3
cluster_start b

# --- a stream of writes ------------------------------------------------------------------------

# Writer W writes b-key after b-key until $T/stop exists; what was acknowledged, with the time, is in
# $T/acked.W. A write that failed is never tried again: it may or may not be there.
writer() { # W ENDPOINTS
    n=0
    while ! [ -e "$T/stop" ]; do
        n=$((n + 1))
        if etcdctl --endpoints "$2" --command-timeout 10s put "w/$1/$n" "$n" >/dev/null 2>&1; then
            echo "w/$1/$n $(now_ms)" >>"$T/acked.$1"
        fi
    done
}
writers_start() { # ENDPOINTS
    rm -f "$T/stop" "$T"/acked.*
    WRITERS=
    for w in "$round-1" "$round-2" "$round-3"; do
        : >"$T/acked.$w"
        writer "$w" "$1" & WRITERS="$WRITERS $!"
        PIDS="$PIDS $!"
    done
    wait_until 10 acked_more_than 20
}
writers_stop() { touch "$T/stop"; for p in $WRITERS; do wait "$p"; done; cat "$T"/acked.* >"$T/acked"; }
acked_count() { cat "$T"/acked.* | wc -l; }
acked_more_than() { [ "$(acked_count)" -gt "$1" ]; }
# The longest time between two acknowledgements, in ms.
longest_gap() {
    sort -nk2 "$T/acked" | awk 'NR > 1 && $2 - last > most { most = $2 - last } { last = $2 }
                                END { print most + 0 }'
}
# Acknowledged keys that member I does not have.
missing() {
    ctl_at b "$1" get w/ --prefix --keys-only | grep . | sort >"$T/have.$1"
    cut -d' ' -f1 "$T/acked" | sort | comm -23 - "$T/have.$1"
}
# The watcher's file must say exactly what the history says, in order.
watch_from() { # FILE REVISION I
    spawn "$1" etcdctl --endpoints "$3" watch w/ --prefix --rev "$2"; W=$PID
}
replay() { # FILE REVISION I N: the history as one member tells it, N lines
    watch_from "$1" "$2" "$(endpoint b "$3")"
    wait_until 20 file_lines "$1" "$4"; end "$W"
}
file_lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }

# --- kill -9 the leader ------------------------------------------------------------------------

round=kill
start=$(($(revision b 1) + 1))
leader=$(leader_of b); follower=$((leader % 3 + 1))
writers_start "$(endpoints b)"
watch_from "$T/live" "$start" "$(endpoint b "$leader"),$(endpoint b "$follower")"; LIVE=$W
wait_until 10 file_lines "$T/live" 30
before=$(acked_count)
member_end b "$leader" KILL
check 'after kill -9 of the leader another one serves writes' \
    wait_until 15 acked_more_than $((before + 40))
check 'and another member leads' has_leader b
writers_stop
note "writes stopped for $(longest_gap) ms, $(wc -l <"$T/acked") were acknowledged"
for i in 1 2 3; do
    [ "$i" = "$leader" ] || is "member $i has every acknowledged write" "$(missing "$i")" ''
done
lines=$((($(revision b "$follower") - start + 1) * 3))
check 'the watcher heard of every write' wait_until 10 file_lines "$T/live" "$lines"
replay "$T/history" "$start" "$follower" "$lines"
same 'it missed nothing, repeated nothing and kept the order' "$T/live" "$T/history"
end "$LIVE"
member_start b "$leader"
check 'the killed member comes back' serving b
is 'with every acknowledged write' "$(missing "$leader")" ''
check 'and the same history as the others' wait_until 10 equal_hashes b

# --- kill -9 them all --------------------------------------------------------------------------

round=all
ctl b lease grant 600 >"$T/lease"; lease=$(awk '{print $2}' "$T/lease")
ctl b put leased value --lease "$lease" >/dev/null
writers_start "$(endpoints b)"
wait_until 10 acked_more_than 60
for i in 1 2 3; do kill -9 "$(pid_of b $i)"; done
for i in 1 2 3; do end "$(pid_of b $i)" KILL; done
touch "$T/stop"
for i in 1 2 3; do member_start b $i; done
check 'after kill -9 of all members the cluster comes back' serving b
writers_stop
for i in 1 2 3; do is "then member $i has every acknowledged write" "$(missing $i)" ''; done
check 'and all have the same history' wait_until 10 equal_hashes b
lines=$((($(revision b 1) - start + 1) * 3 - 3)) # but for the leased key
replay "$T/history1" "$start" 1 "$lines"; replay "$T/history2" "$start" 2 "$lines"
same 'watches replay it equally from any member' "$T/history1" "$T/history2"
is 'the old history is unchanged' \
    "$(head -n "$(wc -l <"$T/history")" "$T/history1" | cksum)" "$(cksum <"$T/history")"
like 'leases are still there' "$(ctl_at b 2 lease timetolive "$lease" --keys)" 'keys\(\[leased\]\)'

# --- SIGTERM -----------------------------------------------------------------------------------

round=term
leader=$(leader_of b)
others=$(for i in 1 2 3; do [ $i = "$leader" ] || endpoint b $i; done | paste -sd,)
writers_start "$others"
before=$(acked_count)
began=$(now_ms)
member_end b "$leader" TERM
took=$(($(now_ms) - began))
is 'a leader that is asked to end ends in order' "$RC" 0
check 'and soon' [ "$took" -lt 2000 ]
wait_until 15 acked_more_than $((before + 60))
writers_stop
gap=$(longest_gap)
check "it hands leadership over: writes go on within a second (longest gap $gap ms)" [ "$gap" -lt 1000 ]
rest=$(for i in 1 2 3; do [ $i = "$leader" ] || echo $i; done)
for i in $rest; do is "nothing is lost on member $i" "$(missing "$i")" ''; done
began=$(now_ms)
for i in $rest; do kill "$(pid_of b "$i")"; done
for i in $rest; do end "$(pid_of b "$i")" CONT; is "member $i ends in order, too" "$RC" 0; done
check 'the last ones do not wait for each other' [ $(($(now_ms) - began)) -lt 2000 ]
plan
