#!/bin/sh
# A thousand watchers stop reading while events go on: the member they hang on holds a bounded part of
# what they did not take, and each has every event once it reads again. `make bench-stalled` is the same
# with a million events.
. "$(dirname "$0")/lib.sh"

# The run's result in $T/WATCHERS.json, the member's peak in KiB in PEAK.
run() {
    of=of$1
    cluster_new "$of" barque 1 --log-level=warn
    cluster_start "$of"
    "$BARQUE" bench --load stalled --clients "$1" --conns 11 --keys 40000 --value-bytes 4096 \
        --endpoints "$(endpoint "$of" 1)" -o json >"$T/$1.json" 2>"$T/$1.err"
    check "$1 that stop reading: the run ends" [ -s "$T/$1.json" ]
    PEAK=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$(pid_of "$of" 1)/status")
    member_end "$of" 1
}

run 1
alone=$PEAK
run 1000
is 'each of a thousand has each event of its key, once and in order' \
    "$(jq -c '[.ops, .errors]' "$T/1000.json")" '[40000,0]'
more=$(((PEAK - alone) / 1024))
if grep -q __asan_init "$BARQUE"; then
    skip 'they cost the member at most 64 MiB' 'a sanitizer keeps memory of its own'
else
    check "they cost the member at most 64 MiB (it was $more, of 160 that they did not take)" \
        [ "$more" -le 64 ]
fi

# --- those that come back ask for what they have missed ------------------------------------------

cluster_new back barque 1
cluster_start back
"$BARQUE" bench --load past --clients 20 --conns 2 --keys 3000 --endpoints "$(endpoint back 1)" -o json >"$T/past.json" 2>&1
is 'each of twenty has three thousand revisions of the past, in order' \
    "$(jq -c '[.ops, .errors]' "$T/past.json")" '[60000,0]'

# The first thing that failed is told, not what follows from it.
spawn "$T/lost" "$BARQUE" bench --load past --keys 10000000 --clients 4 --conns 2 --endpoints "$(endpoint back 1)"
more_puts() { [ "$(revision back 1)" -gt 4000 ]; }
check 'another is under way' wait_until 10 more_puts
kill -9 "$(pid_of back 1)"
RC=0; wait "$PID" || RC=$?
is 'a member that is lost ends it with 1' "$RC" 1
like 'and is the reason' "$(cat "$T/lost")" 'connection to .* lost'
plan
