#!/bin/sh
# What a connection, a stream and a watch cost a member in memory: many are held open at a member of their own, and
# what it needs more than one with a single connection is divided by their number. Bars: 17 KB, 8 KB, 256 bytes, and for
# a watch of what nobody else watches, which has a range beside, 448.
. "$(dirname "$0")/lib.sh"
HOLD=$B/tests/hold

# Resident KiB of a fresh member that holds so many: rss NAME CONNECTIONS STREAMS WATCHES KEYS; in RSS, 0 when it failed.
rss() {
    RSS=0
    cluster_new "$1" barque 1 --log-level=warn
    cluster_start "$1"
    "$HOLD" "$(endpoint "$1" 1)" "$2" "$3" "$4" "$5" >"$T/$1.out" 2>"$T/$1.err" &
    holder=$!
    PIDS="$PIDS $holder"
    if check "$2 connections, $3 streams, $4 watches of $5 keys are held" wait_until 60 grep -qx held "$T/$1.out"; then
        RSS=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$(pid_of "$1" 1)/status")
    else
        note "$(cat "$T/$1.err")"
    fi
    end "$holder" KILL
    member_end "$1" 1
}

# bar SENTENCE KIB NUMBER BYTES: ok when KIB more for NUMBER of them is at most BYTES each.
bar() {
    each=$(($2 * 1024 / $3))
    sentence="$1 costs at most $4 bytes (it was $each)"
    if grep -q __asan_init "$BARQUE"; then skip "$1 costs at most $4 bytes" 'a sanitizer keeps memory of its own'
    else check "$sentence" [ "$each" -le "$4" ]; fi
}

rss one 1 1 1 1
one=$RSS
rss connections 1001 1 1 1
bar 'a connection' $((RSS - one)) 1000 17408
rss streams 11 1001 1 1
bar 'a stream' $((RSS - one)) 1000 8192
rss watches 11 11 100001 100
bar 'a watch of what others watch' $((RSS - one)) 100000 256
rss ranges 11 11 100001 100001
bar 'a watch of a key of its own' $((RSS - one)) 100000 448
plan
