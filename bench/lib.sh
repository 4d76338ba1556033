# Clusters for the benchmarks, on loopback and free ports, in one temporary directory; all are ended
# by pid and all files removed when the script that sources this exits. BARQUE and ETCD name the
# binaries.
#
#   cluster_start etcd|barque N    sets ENDPOINTS (comma list) and PIDS, waits until it serves
#   member_start KIND DIR NAME CLIENT_PORT PEER_PORT INITIAL   one member; its pid in PID
#   cluster_stop PIDS              ends them and waits

BARQUE=${BARQUE:-build/barque}
ETCD=${ETCD:-build/peer/usr/bin/etcd}
# The generator; another build of it may drive the same servers.
BENCH=${BENCH:-$BARQUE}
for tool in "$BARQUE" "$ETCD"; do
    [ -x "$tool" ] || {
        echo "bench: $tool is not there. Next: make, or tools/deps.sh test" >&2
        exit 1
    }
done

WORK=$(mktemp -d "${TMPDIR:-/tmp}/barque-bench.XXXXXX")
ALL_PIDS=
USED_PORTS=

cleanup() {
    # shellcheck disable=SC2086
    [ -z "$ALL_PIDS" ] || kill -9 $ALL_PIDS 2>/dev/null || true
    rm -rf "$WORK"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A port nobody listens on now and that was not given out before, in PORT.
port_pick() {
    while :; do
        PORT=$(( $(od -An -N2 -tu2 /dev/urandom) % 20000 + 12000 ))
        hex=$(printf ':%04X ' "$PORT")
        case " $USED_PORTS " in *" $PORT "*) continue ;; esac
        grep -q "$hex" /proc/net/tcp || break
    done
    USED_PORTS="$USED_PORTS $PORT"
}

member_start() {
    kind=$1 dir=$2 name=$3 client=$4 peer=$5 initial=$6
    case "$kind" in
        etcd) set -- "$ETCD" --logger zap --log-level error ;;
        barque) set -- "$BARQUE" store --log-level warn ;;
    esac
    ETCD_UNSUPPORTED_ARCH=$(uname -m) "$@" --name "$name" --data-dir "$dir/data" \
        --listen-client-urls "http://127.0.0.1:$client" \
        --advertise-client-urls "http://127.0.0.1:$client" \
        --listen-peer-urls "http://127.0.0.1:$peer" \
        --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
        --initial-cluster "$initial" --initial-cluster-state new \
        ${MEMBER_FLAGS:-} >>"$dir/log" 2>&1 &
    PID=$!
    ALL_PIDS="$ALL_PIDS $PID"
}

cluster_start() {
    kind=$1 n=$2 initial='' ports='' ENDPOINTS='' PIDS=''
    i=1
    while [ "$i" -le "$n" ]; do
        port_pick; client=$PORT
        port_pick
        ports="$ports $client:$PORT"
        initial="$initial${initial:+,}m$i=http://127.0.0.1:$PORT"
        ENDPOINTS="$ENDPOINTS${ENDPOINTS:+,}127.0.0.1:$client"
        i=$((i + 1))
    done
    i=1
    for p in $ports; do
        mkdir -p "$WORK/$kind-$n-$i"
        member_start "$kind" "$WORK/$kind-$n-$i" "m$i" "${p%:*}" "${p#*:}" "$initial"
        PIDS="$PIDS${PIDS:+,}$PID"
        i=$((i + 1))
    done
    "$BENCH" bench --endpoints "$ENDPOINTS" --load first-read --wait-seconds 30 >/dev/null || {
        echo "bench: $kind with $n members does not serve; its log ends:" >&2
        tail -n 25 "$WORK/$kind-$n-1/log" >&2
        exit 1
    }
}

cluster_stop() {
    for p in $(echo "$1" | tr , ' '); do
        kill "$p" 2>/dev/null || true
        wait "$p" 2>/dev/null || true
    done
}
