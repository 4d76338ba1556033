# What the integration scripts share: TAP, clusters of real processes on free loopback ports, and
# an end that leaves no process and no file. Source it with $1 = the build folder:
#
#   . "$(dirname "$0")/lib.sh"
#
# T is the script's temporary directory. A cluster is a folder of T; its members are m1..mN:
#   cluster_new C barque|master|etcd N [flag...]  gives out ports, starts nothing; barque is
#                                           `barque store`, master has controllers and a scheduler
#   member_start C I [flag...]              starts mI; its pid is pid_of C I, its log log_of C I
#   cluster_start C                         starts all and waits until a linearizable read is served
#   member_end C I [SIGNAL]                 sends it (TERM), waits until the process is gone
#   agent_start C NODE [flag...]            a node's agent; it and its pods end with the script
#   ctl C arg...                            etcdctl (API 3) at all its members; ctl_at C I: at one
# Waiting is always a poll with a deadline: wait_until SECONDS command...

set -u
B=${1:?build folder}
ETCD=${ETCD:-$B/peer/usr/bin/etcd}
[ -x "$ETCD" ] || ETCD=build/peer/usr/bin/etcd
[ -x "$ETCD" ] || ETCD=$(command -v etcd || true)
# What `etcdctl` reads from its environment must be ours only.
for name in $(env | sed -n 's/^\(\(ETCDCTL\|ETCD\|BARQUE\)_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
export ETCDCTL_API=3
T=$(mktemp -d "${TMPDIR:-/tmp}/barque-it.XXXXXX")
mkdir "$T/bin"
BARQUE=$T/bin/barque # a copy: a build may replace the program while the script runs
cp "$B/barque" "$BARQUE" || exit 1
PIDS=
TESTS=0

cleanup() {
    # shellcheck disable=SC2086
    [ -z "$PIDS" ] || kill -9 $PIDS 2>/dev/null
    pods_end
    for p in $PIDS; do wait "$p" 2>/dev/null; done
    [ -z "${KEEP:-}" ] && rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- TAP ---------------------------------------------------------------------------------------

ok() { TESTS=$((TESTS + 1)); echo "ok $TESTS - $*"; }
not_ok() { TESTS=$((TESTS + 1)); echo "not ok $TESTS - $*"; }
skip() { TESTS=$((TESTS + 1)); echo "ok $TESTS - $1 # SKIP $2"; }
note() { printf '%s\n' "$*" | sed 's/^/#   /'; }

# check SENTENCE command...: ok when the command succeeds.
check() {
    sentence=$1; shift
    if "$@" >"$T/check.out" 2>&1; then ok "$sentence"; return 0; fi
    not_ok "$sentence"; note "failed: $*"; note "$(head -c 2000 "$T/check.out")"
    return 1
}

# is SENTENCE GOT WANT
is() {
    if [ "$2" = "$3" ]; then ok "$1"; return 0; fi
    not_ok "$1"; note "got:  $2"; note "want: $3"
    return 1
}

# like SENTENCE GOT PATTERN (extended regular expression, one line of GOT must match)
like() {
    if printf '%s\n' "$2" | grep -Eq -- "$3"; then ok "$1"; return 0; fi
    not_ok "$1"; note "got:  $2"; note "want: $3"
    return 1
}

# same SENTENCE FILE FILE
same() {
    if diff -u "$3" "$2" >"$T/same.diff" 2>&1; then ok "$1"; return 0; fi
    not_ok "$1"; note "$(head -60 "$T/same.diff")"
    return 1
}

# The end of a script: the members that still run are asked to end, which must go in order, and none
# may have said anything that a sanitizer says.
plan() {
    for f in "$T"/*/m*.pid; do
        [ -e "$f" ] && ! gone "$(cat "$f")" || continue
        kind=$(cat "${f%/*}/kind")
        end "$(cat "$f")" TERM
        [ "$kind" = etcd ] || [ "$RC" = 0 ] || {
            not_ok "a member ends in order (exit $RC)"; note "$(tail -20 "${f%.pid}.log")"
        }
    done
    for f in "$T"/*/m*.log; do
        if grep -q 'Sanitizer\|runtime error:' "$f" 2>/dev/null; then
            not_ok 'sanitizers have nothing to say'
            note "$(grep -A 25 'Sanitizer\|runtime error:' "$f" | head -60)"
        fi
    done
    echo "1..$TESTS"
}

# --- waiting -----------------------------------------------------------------------------------

now_ms() { date +%s%3N; }

# wait_until SECONDS command...: polls; fails after the deadline.
wait_until() {
    until_ms=$(($(now_ms) + $1 * 1000)); shift
    while ! "$@" >/dev/null 2>&1; do
        [ "$(now_ms)" -lt "$until_ms" ] || return 1
        sleep 0.05
    done
}

# file_has FILE PATTERN [COUNT]: at least COUNT lines match.
file_has() { [ "$(grep -Ec -- "$2" "$1" 2>/dev/null)" -ge "${3:-1}" ]; }

gone() { ! kill -0 "$1" 2>/dev/null; }

# --- ports, processes --------------------------------------------------------------------------

# A port nobody listens on and that was not given out before, below the ephemeral range; in PORT.
port_pick() {
    while :; do
        PORT=$(($(od -An -N2 -tu2 /dev/urandom) % 20000 + 12000))
        grep -qx "$PORT" "$T/ports" 2>/dev/null && continue
        grep -q "$(printf ':%04X ' "$PORT")" /proc/net/tcp || break
    done
    echo "$PORT" >>"$T/ports"
}

# spawn OUT command...: in the background, ended with the script; its pid in PID.
spawn() {
    out=$1; shift
    "$@" </dev/null >>"$out" 2>&1 &
    PID=$!
    PIDS="$PIDS $PID"
}

# end PID [SIGNAL]: and waits for it. Its exit code in RC.
end() {
    kill "-${2:-TERM}" "$1" 2>/dev/null
    RC=0
    wait "$1" 2>/dev/null || RC=$?
}

# --- clusters ----------------------------------------------------------------------------------

cluster_new() {
    c=$T/$1; mkdir -p "$c"
    echo "$2" >"$c/kind"; echo "$3" >"$c/n"
    n=$3; shift 3
    printf '%s\n' "$@" >"$c/flags"
    initial=; all=
    for i in $(seq 1 "$n"); do
        port_pick; echo "$PORT" >"$c/m$i.client"; all=$all${all:+,}127.0.0.1:$PORT
        port_pick; echo "$PORT" >"$c/m$i.peer"
        initial="$initial${initial:+,}m$i=http://127.0.0.1:$PORT"
    done
    echo "$initial" >"$c/initial"; echo "$all" >"$c/endpoints"
}

endpoints() { cat "$T/$1/endpoints"; }
endpoint() { echo "127.0.0.1:$(cat "$T/$1/m$2.client")"; }
pid_of() { cat "$T/$1/m$2.pid"; }
log_of() { echo "$T/$1/m$2.log"; }
data_of() { echo "$T/$1/m$2.data"; }

# The words of the command that runs member I of cluster C, one a line, in $T/C/mI.argv.
member_argv() {
    c=$T/$1; i=$2; shift 2
    client=http://127.0.0.1:$(cat "$c/m$i.client") peer=http://127.0.0.1:$(cat "$c/m$i.peer")
    {
        if [ "$(cat "$c/kind")" = etcd ]; then printf '%s\n' "$ETCD" --logger=zap
        elif [ "$(cat "$c/kind")" = master ]; then printf '%s\n' "$BARQUE" master
        else printf '%s\n' "$BARQUE" store; fi
        printf '%s\n' "--name=m$i" "--data-dir=$c/m$i.data" "--listen-client-urls=$client" \
            "--advertise-client-urls=$client" "--listen-peer-urls=$peer" \
            "--initial-advertise-peer-urls=$peer" "--initial-cluster=$(cat "$c/initial")"
        cat "$c/flags"
        [ $# -eq 0 ] || printf '%s\n' "$@"
    } | sed '/^$/d' >"$c/m$i.argv"
}

member_start() {
    member_argv "$@"
    # The words hold no blanks: paths are ours.
    # shellcheck disable=SC2046
    spawn "$T/$1/m$2.log" env ETCD_UNSUPPORTED_ARCH="$(uname -m)" $(cat "$T/$1/m$2.argv")
    echo "$PID" >"$T/$1/m$2.pid"
}

member_end() { end "$(pid_of "$1" "$2")" "${3:-TERM}"; }

# --- nodes -------------------------------------------------------------------------------------

node_root() { echo "$T/$1/$2.state"; }

agent_start() {
    c=$1; node=$2; shift 2
    spawn "$T/$c/$node.log" "$BARQUE" agent --node "$node" --root "$(node_root "$c" "$node")" \
        --endpoints "$(endpoints "$c")" "$@"
    echo "$PID" >"$T/$c/$node.pid"
}

# What agents left running: the containers' process groups, as written down; their shims follow.
pods_end() {
    for f in "$T"/*/*.state/pods/*/*/*/pid; do
        [ -f "$f" ] && kill -9 -"$(cut -d' ' -f1 "$f")" 2>/dev/null
    done
    wait_until 5 no_process_of_ours
}

# No process has our temporary directory in its command line (the shell itself has not).
no_process_of_ours() {
    for p in /proc/[0-9]*; do
        tr '\0' ' ' 2>/dev/null <"$p/cmdline" | grep -qF "$T/" && return 1
    done
    return 0
}

members() { seq 1 "$(cat "$T/$1/n")"; }

cluster_start() {
    for i in $(members "$1"); do member_start "$1" "$i"; done
    serving "$1" && return 0
    not_ok "cluster $1 serves"
    for i in $(members "$1"); do note "$(tail -5 "$(log_of "$1" "$i")")"; done
    exit 1
}

# serving C: every member answers a linearizable read within 30 s.
serving() {
    for i in $(members "$1"); do wait_until 30 ctl_at "$1" "$i" get nothing || return 1; done
}

ctl() { c=$1; shift; "${ETCDCTL:-etcdctl}" --endpoints "$(endpoints "$c")" --dial-timeout 2s "$@"; }
ctl_at() { c=$1; i=$2; shift 2; "${ETCDCTL:-etcdctl}" --endpoints "$(endpoint "$c" "$i")" --dial-timeout 2s "$@"; }

# The member that leads, by its own word; 0 when none does.
leader_of() {
    for i in $(members "$1"); do
        gone "$(pid_of "$1" "$i")" && continue
        if ctl_at "$1" "$i" endpoint status -w json 2>/dev/null |
            jq -e '.[0].Status | .leader == .header.member_id' >/dev/null 2>&1; then
            echo "$i"; return 0
        fi
    done
    echo 0; return 1
}

has_leader() { [ "$(leader_of "$1")" != 0 ]; }

# hashes C [REVISION]: the members' hashes of their history, one a line.
hashes() { ctl "$1" endpoint hashkv ${2:+--rev "$2"} -w json | jq '.[].HashKV.hash'; }

# All N members give one and the same hash.
equal_hashes() {
    hashes "$1" >"$T/hashes" && [ "$(wc -l <"$T/hashes")" = "$(cat "$T/$1/n")" ] &&
        [ "$(sort -u "$T/hashes" | wc -l)" = 1 ]
}

revision() { ctl_at "$1" "$2" get nothing -w json | jq .header.revision; }
