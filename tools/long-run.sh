#!/bin/sh
# The long run of docs/reliability.md, in pieces that may be stopped and gone on with: tools/long-run.sh [PART ...]
# Parts: sim-chain sim-store sim-world histories recall failure fuzz (all of them). A piece that has held is in build/long
# and is not run again; one that has not stays there as PIECE.failed, with its output. --summary: what there is, as a
# table. The fuzzing alone is seven hours of one processor; JOBS (processors) at a time where a piece can use them.
set -u
cd "$(dirname "$0")/.." || exit 1
out=build/long
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)}
SIM_CHUNK_H=100 HISTORIES_CHUNK=10 HISTORY_S=20 FIRST_SEED=1000000
mkdir -p "$out"
commit=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
bad=0

piece() { # name command...
    name=$1
    shift
    [ ! -f "$out/$name.held" ] || return 0
    rm -f "$out/$name.failed"
    start=$(date +%s)
    "$@" >"$out/$name.running" 2>"$out/$name.err"
    rc=$?
    echo "# commit $commit, $(($(date +%s) - start)) s, exit $rc" >>"$out/$name.running"
    if [ $rc -eq 0 ]; then end=held; rm -f "$out/$name.err"; else end=failed; bad=1; fi
    mv "$out/$name.running" "$out/$name.$end"
    printf '%-6s %-24s %6d s\n' "$end" "$name" $(($(date +%s) - start))
}

sim() { # mode hours flags...
    mode=$1 hours=$2
    shift 2
    i=0
    while [ $((i * SIM_CHUNK_H)) -lt "$hours" ]; do
        # Seeds of a chunk are its own: none has more than a hundred thousand runs.
        piece "sim-$mode-$i" build/sim --hours $SIM_CHUNK_H --from $((FIRST_SEED * (i + 1))) --jobs "$jobs" --keep-going "$@"
        i=$((i + 1))
    done
}

histories() {
    i=0
    while [ $((i * HISTORIES_CHUNK)) -lt 150 ]; do
        piece "histories-$i" tests/integration/chaos-long.sh build $HISTORIES_CHUNK $HISTORY_S $((20001 + i * HISTORIES_CHUNK))
        i=$((i + 1))
    done
}

failure() {
    for script in tests/failure/scripts/*.script; do
        for kind in alloc io crash; do
            name=$(basename "$script" .script)
            ASAN_OPTIONS=detect_leaks=0 piece "failure-$name-$kind" build/failure --full --script "$name" --kind $kind
        done
    done
}

fuzz() {
    make -s -j"$jobs" fuzz-build || exit 1
    for source in fuzz/fuzz_*.c; do
        t=$(basename "$source" .c)
        piece "fuzz-$t" fuzz/run.sh build/fuzz 900 "$t"
    done
}

# What there is: a row a part, and sums.
summary() {
    echo '| part | pieces held | of |'
    echo '|---|---:|---:|'
    n_scripts=$(ls tests/failure/scripts/*.script | wc -l)
    for line in 'sim-chain 16' 'sim-store 16' 'sim-world 8' 'histories 15' 'recall 1' \
        "failure $((n_scripts * 3))" "fuzz $(ls fuzz/fuzz_*.c | wc -l)"; do
        set -- $line
        printf '| %s | %d | %d |\n' "$1" "$(ls "$out/$1"*.held 2>/dev/null | wc -l)" "$2"
    done
    cat "$out"/sim-*.held 2>/dev/null | awk '/simulated hours/ { h += $1; for (i = 1; i < NF; i++) {
        if ($i == "seeds") s += $(i + 1); if ($i == "violations") v += $(i + 1) } }
        END { printf "\n%d simulated hours, %d seeds, %d violations\n", h, s, v }'
    cat "$out"/fuzz-*.held 2>/dev/null | awk '/ runs / { r += $3; c += $(NF - 2) } END { printf "%d inputs in %d CPU s\n", r, c }'
    echo "failed: $(ls "$out"/*.failed 2>/dev/null | tr '\n' ' ')"
}

case ${1:-} in
--summary) summary; exit ;;
--help) sed -n '2,6s/^# //p' "$0"; exit ;;
esac
[ $# -gt 0 ] || set -- sim-chain sim-store sim-world histories recall failure fuzz
make -s -j"$jobs" build/barque build/sim build/failure || exit 1
for part; do
    case $part in
    sim-chain) sim chain 1600 ;;
    sim-store) sim store 1600 --fsm store ;;
    sim-world) sim world 800 --world ;;
    histories) histories ;;
    recall) piece recall make -s recall ;;
    failure) failure ;;
    fuzz) fuzz ;;
    *) echo "no part $part. Next: $0 --help"; exit 2 ;;
    esac
done
[ $bad -eq 0 ]
