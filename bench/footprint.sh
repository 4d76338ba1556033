#!/bin/sh
# A million keys of 256 B in one member: memory, restart until the first read is served, a list of
# 500, a snapshot of everything. First etcd, then Barque, alone. Prints a table, writes
# build/footprint.md.
#
#   FOOTPRINT_KEYS=1000000
set -eu
cd "$(dirname "$0")/.."
. bench/lib.sh
keys=${FOOTPRINT_KEYS:-1000000}
report=build/footprint.md

field() { printf '%s\n' "$1" | jq -r "$2"; }

rss() { awk '$1 == "VmRSS:" { printf "%.0f", $2 / 1000 }' "/proc/$1/status"; }

peak() { awk '$1 == "VmHWM:" { printf "%.0f", $2 / 1000 }' "/proc/$1/status"; }

# How long etcd takes to stream a snapshot of everything to a client; Barque has no such call yet,
# but writes one by itself when enough was applied and logs the time.
snapshot_ms() { # kind dir endpoint
    if [ "$1" = etcd ]; then
        from=$(date +%s%N)
        ETCDCTL_API=3 etcdctl --endpoints "$3" snapshot save "$2/save.db" \
            >/dev/null 2>&1 || return 0
        echo $(( ($(date +%s%N) - from) / 1000000 ))
    else
        sed -n 's/.*snapshot taken.* ms=\([0-9]*\).*/\1/p' "$2/log" | tail -n 1
    fi
}

footprint() { # kind
    kind=$1 dir="$WORK/$1-1-1"
    # A snapshot while loading and one after it; etcd keeps its habits.
    MEMBER_FLAGS=
    [ "$kind" = etcd ] || MEMBER_FLAGS="--snapshot-count $((keys / 250)) --log-level info"
    cluster_start "$kind" 1
    port_of=$(printf '%s' "$ENDPOINTS" | cut -d: -f2)
    fill=$("$BENCH" bench --endpoints "$ENDPOINTS" --pids "$PIDS" --load fill --keys "$keys" \
        --clients 8 -o json)
    list=$("$BENCH" bench --endpoints "$ENDPOINTS" --pids "$PIDS" --load list --keys "$keys" \
        --clients 1 --conns 1 --seconds 3 -o json)
    loaded_rss=$(rss "$PIDS") loaded_peak=$(peak "$PIDS")
    snapshot=$(snapshot_ms "$kind" "$dir" "$ENDPOINTS")
    cluster_stop "$PIDS"
    peer_of=$(printf '%s' "$USED_PORTS" | awk '{ print $NF }')
    member_start "$kind" "$dir" m1 "$port_of" "$peer_of" "m1=http://127.0.0.1:$peer_of"
    restart=$("$BENCH" bench --endpoints "$ENDPOINTS" --load first-read --wait-seconds 120 -o json)
    restart_rss=$(rss "$PID")
    cluster_stop "$PID"
    printf '| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' "$kind" \
        "$(field "$fill" '.ops_per_second | round')" "$(field "$fill" .server_cpu_us_per_op)" \
        "$loaded_rss" "$loaded_peak" "$(field "$restart" '.max_us / 1000 | round')" "$restart_rss" \
        "$(field "$list" '.p50_us / 10 | round / 100')" "${snapshot:--}"
}

{
    printf '# %s keys of 256 B in one member\n\n' "$keys"
    printf '%s, commit %s, %s CPUs, %s.\n\n' "$(date -u +%Y-%m-%d)" \
        "$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)" "$(nproc)" \
        "$("$ETCD" --version | sed -n '1s/ Version//p')"
    printf '| server | fill keys/s | fill CPU us/key | RSS MB | peak MB | restart ms |'
    printf ' RSS after MB | list of 500 ms | snapshot ms |\n'
    printf '|---|---|---|---|---|---|---|---|---|\n'
    footprint etcd
    footprint barque
} >"$report"
cat "$report"
