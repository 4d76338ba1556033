#!/bin/sh
# Runs what `make cov` counts: tests/cov/run.sh BUILD HOURS. A part that fails is shown and ends it; but whether real
# processes keep their deadlines is judged by `make test`, not where each line counts and other work goes on beside:
# of those that is shown, and the bars are what decides.
set -u
cd "$(dirname "$0")/../.." || exit 1
B=${1:?build folder} hours=${2:?simulated hours}
log=$B/cov.log
find "$B" -name '*.gcda' -delete

timed=
part() { # name command...
    name=$1
    shift
    start=$(date +%s)
    if ! "$@" >"$log" 2>&1; then
        tail -20 "$log"
        echo "cov: $name failed: $log"
        [ "$timed" ] || exit 1
    fi
    printf '%-28s %4d s\n' "$name" $(($(date +%s) - start))
}
fuzz() {
    for t in "$B"/cov-fuzz_*; do
        "$t" "fuzz/corpus/${t##*/cov-}" || return 1
    done
}
only=${TEST_ONLY:-}
unset TEST_ONLY # it is about integration tests
part 'unit tests' tests/run "$B" unit
part 'golden traces' tests/run "$B" scenario
part 'kept fuzz inputs' fuzz
part 'failure loops' tests/run "$B" failure
part 'simulator' "$B/sim" --hours "$hours" --jobs 2
part 'simulator, store' "$B/sim" --hours "$hours" --jobs 2 --fsm store
part 'simulator, slow disks' "$B/sim" --hours 1 --jobs 2 --with 0x200000
part 'simulator, worlds' "$B/sim" --hours "$hours" --jobs 2 --world
timed=yes
part 'integration tests' env TEST_ONLY="$only" tests/run "$B" integration
part 'demo' "$B/barque" demo --script
