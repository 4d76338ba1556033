#!/bin/sh
# The simulator as a test: tests/sim/sim.test.sh BUILD. SIM_HOURS (default 300) is split between bare
# members with the small state machine and with the real store (2/5 each) and whole worlds; SIM_FROM is
# the first seed. TAP on stdout.
set -u
sim=$1/sim
hours=${SIM_HOURS:-300}
from=${SIM_FROM:-1}
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
[ "$jobs" -gt 16 ] && jobs=16
n=0
bad=0

check() { # name command...
    name=$1
    shift
    n=$((n + 1))
    if out=$("$@" 2>/dev/null); then
        echo "ok $n - $name"
        printf '%s\n' "$out" | grep 'simulated hours' | sed 's/^/# sim: /'
    else
        echo "not ok $n - $name"
        bad=1
        printf '%s\n' "$out" | sed 's/^/# /'
    fi
}

# A failing seed is shrunk and kept beside the build; its replay command is in the output.
failures=$1/sim-failures
mkdir -p "$failures"

bare=$(awk "BEGIN { print $hours * 2 / 5 }")
world=$(awk "BEGIN { print $hours / 5 }")
check raft_keeps_every_promise_under_faults \
    "$sim" --hours "$bare" --from "$from" --jobs "$jobs" --keep-going --shrink-failures "$failures"
check the_store_keeps_every_promise_under_faults \
    "$sim" --hours "$bare" --from "$from" --jobs "$jobs" --keep-going --fsm store \
    --shrink-failures "$failures"
check members_and_clients_keep_every_promise_under_faults \
    "$sim" --hours "$world" --from "$from" --jobs "$jobs" --keep-going --world \
    --shrink-failures "$failures"
check the_same_seed_is_the_same_run "$sim" --seeds "$from..$((from + 29))" --twice --jobs "$jobs"
check the_same_seed_is_the_same_world \
    "$sim" --seeds "$from..$((from + 29))" --twice --world --jobs "$jobs"
check what_was_found_once_stays_away \
    "$sim" --recall "$(dirname "$0")/regressions.txt" --jobs "$jobs"
# Disks that stall for seconds (fault 0x200000 is on only when asked for): leaders hand over.
stalls() {
    "$sim" --seeds 1..40 --with 0x200000 --founders 3 --jobs "$jobs" --keep-going >"$failures/stalls" &&
        cat "$failures/stalls" && grep -q 'handovers [1-9]' "$failures/stalls"
}
check leaders_whose_disks_stall_hand_over stalls
for kept in "$(dirname "$0")"/regressions/*.sim; do
    check "kept_run_$(basename "$kept" .sim)_holds" "$sim" --replay "$kept"
done
echo "1..$n"
exit $bad
