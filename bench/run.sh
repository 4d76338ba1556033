#!/bin/sh
# Barque beside etcd: both run at once, each load goes to one and then to the other, so that what
# the machine does otherwise hits both. Prints a table and writes build/bench.md and
# build/bench.json (one object a line).
#
#   BENCH_SECONDS=3   measured time of each load
#   BENCH_ROUNDS=1    rounds; the median round counts
#   BENCH_MEMBERS="1 3"  BENCH_LOADS="put get get-serializable past"  BENCH_CLIENTS="1 100"
set -eu
cd "$(dirname "$0")/.."
. bench/lib.sh
seconds=${BENCH_SECONDS:-3}
rounds=${BENCH_ROUNDS:-1}
json=build/bench.json
report=build/bench.md
: >"$json"

one() { # kind members endpoints pids load clients
    out=$("$BENCH" bench --endpoints "$3" --pids "$4" --load "$5" --clients "$6" \
        --seconds "$seconds" --keys "${BENCH_KEYS:-10000}" -o json) || out=
    [ -n "$out" ] || { echo "bench: $1, $2 members, $5: no result" >&2; return 0; }
    printf '%s\n' "$out" | jq -c --arg server "$1" --argjson members "$2" \
        '{server: $server, members: $members} + .' >>"$json"
}

for members in ${BENCH_MEMBERS:-1 3}; do
    cluster_start etcd "$members"; etcd_at=$ENDPOINTS etcd_pids=$PIDS
    cluster_start barque "$members"; barque_at=$ENDPOINTS barque_pids=$PIDS
    for load in ${BENCH_LOADS:-put get get-serializable past}; do
        for clients in ${BENCH_CLIENTS:-1 100}; do
            printf 'bench: %s members, %s, %s clients ...\n' "$members" "$load" "$clients" >&2
            round=0
            while [ "$round" -lt "$rounds" ]; do
                one etcd "$members" "$etcd_at" "$etcd_pids" "$load" "$clients"
                one barque "$members" "$barque_at" "$barque_pids" "$load" "$clients"
                round=$((round + 1))
            done
        done
    done
    cluster_stop "$etcd_pids"
    cluster_stop "$barque_pids"
done

{
    printf '# Barque beside etcd\n\n'
    printf '%s, commit %s, %s CPUs, %s, %s s a load, %s rounds, 256 B values.\n' \
        "$(date -u +%Y-%m-%d)" "$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)" \
        "$(nproc)" "$("$ETCD" --version | sed -n '1s/ Version//p')" "$seconds" "$rounds"
    printf 'Ratios are Barque/etcd: throughput above 1 and CPU or latency below 1 are better.\n\n'
    jq -rs -f bench/table.jq "$json"
} >"$report"
cat "$report"
