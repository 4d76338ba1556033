#!/bin/sh
# Watchers that read nothing while a million events happen: what they cost one member in memory, and
# whether each then gets all of its events. A run with one watcher has the same history and is the base
# line; the difference of the two peaks is the price of the others, their catching up included. Prints
# a table, writes build/stalled.md; fails when events are lost or the price is over the bar.
#
#   STALLED_WATCHERS=1000  STALLED_EVENTS=1000000  STALLED_CONNS=11  STALLED_MIB=64
#   STALLED_SERVERS="barque"    also etcd, which has no bar
set -eu
cd "$(dirname "$0")/.."
. bench/lib.sh
watchers=${STALLED_WATCHERS:-1000}
events=${STALLED_EVENTS:-1000000}
conns=${STALLED_CONNS:-11}
bar=${STALLED_MIB:-64}
report=build/stalled.md
over=0

# One run against a new member: its peak in KiB in PEAK, the bench's JSON in RESULT.
run() { # kind watchers
    rm -rf "$WORK/$1-1-1"
    cluster_start "$1" 1
    RESULT=$("$BENCH" bench --endpoints "$ENDPOINTS" --pids "$PIDS" --load stalled --clients "$2" \
        --conns "$conns" --keys "$events" -o json)
    PEAK=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$PIDS/status")
    cluster_stop "$PIDS"
}

one() { # kind
    run "$1" 1
    alone=$PEAK
    run "$1" "$watchers"
    more=$(((PEAK - alone) / 1024))
    lost=$(printf '%s\n' "$RESULT" | jq .errors)
    printf '| %s | %s | %s | %s | %s | %s | %s |\n' "$1" "$((alone / 1024))" "$((PEAK / 1024))" \
        "$more" "$(printf '%s\n' "$RESULT" | jq .ops)" "$lost" \
        "$(printf '%s\n' "$RESULT" | jq '.max_us / 1e5 | round / 10')"
    [ "$lost" = 0 ] || over=1
    [ "$1" = etcd ] || [ "$more" -le "$bar" ] || over=1
}

{
    printf '# %s watchers that read nothing while %s events happen\n\n' "$watchers" "$events"
    printf '%s, commit %s, %s CPUs, %s connections, 256 B values. Bar: +%s MiB, none lost.\n\n' \
        "$(date -u +%Y-%m-%d)" "$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)" \
        "$(nproc)" "$conns" "$bar"
    printf '| server | peak with 1, MiB | with all | more | events seen | lost | all seen after s |\n'
    printf '|---|---|---|---|---|---|---|\n'
    for kind in ${STALLED_SERVERS:-barque}; do one "$kind"; done
} >"$report" || over=1
cat "$report"
exit "$over"
