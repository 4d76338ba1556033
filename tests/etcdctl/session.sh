# The real etcdctl through every command, against three Barque members and against three real etcds, at once;
# what it says is compared line by line (compare.awk). Sourced after tests/integration/lib.sh, with ETCDCTL and
# ETCD of one version. tests/etcdctl/README.md tells the language of the sessions.
#
# One life of a line: `session` gives it a number, evaluates it in the shell of its cluster (b: Barque, e: etcd) with
# stdout, stderr and exit code kept in $T/say/C/NUMBER.{out,err,rc}; when both have come to the end, compare.awk
# reads them side by side.
HERE=${HERE:-tests/etcdctl}
SAY=$T/say
SESSIONS_ALL='kv txn lease watch compaction pages lock cluster tools auth check'
WHOLE=${SESSIONS:+0}; WHOLE=${WHOLE:-1}
SESSIONS=${SESSIONS:-$SESSIONS_ALL}
SECONDS_MAX=120 # for whatever is waited for
WORDS=' at all stdin keep revision proto retry within live seen typed fill start restart end '

# --- the words ---------------------------------------------------------------------------------

# What an etcdctl command or a word with a command after it does; the endpoints are in EP.
go() {
    case "$WORDS" in
        *" $1 "*) "word_$@" ;;
        *) timeout -k 1 $SECONDS_MAX "$ETCDCTL" --command-timeout 60s --dial-timeout 10s --endpoints "$EP" "$@" ;;
    esac
}

word_at() { EP=$(endpoint "$C" "$1"); shift; go "$@"; }
word_all() { EP=$(endpoints "$C"); go "$@"; }
word_stdin() { text=$1; shift; printf '%b' "$text" | go "$@"; }
word_proto() { go "$@" -w protobuf | od -An -v -tx1 | tr -d '\n'; echo; }

# name ID NAME: an identifier of this cluster, which compare.awk replaces by its name: as it is, without and with
# leading zeros, and in decimal.
name() {
    for form in %u %x %016x; do printf "$form\t%s\n" "0x$1" "$2"; done >>"$T/$C.names"
}

# keep NAME command: the first identifier that it prints is $NAME from now on.
word_keep() {
    kept=$1; shift
    go "$@" >"$T/$C.kept"; kept_rc=$?
    cat "$T/$C.kept"
    id=$(grep -oE '\b[0-9a-f]{13,16}\b' "$T/$C.kept" | head -1)
    decimal=$(grep -oE '"ID" ?: ?[0-9]+' "$T/$C.kept" | head -1 | grep -oE '[0-9]+$')
    [ -z "$decimal" ] || id=$(printf %x "$decimal")
    eval "$kept=\$id"
    [ -z "$id" ] || name "$id" "$kept"
    return $kept_rc
}

# revision NAME: the store's revision is $NAME from now on.
word_revision() { eval "$1=\$(go get nothing -w json | sed 's/.*\"revision\":\([0-9]*\).*/\1/')"; }

# retry command: until it goes well; the last answer counts.
word_retry() {
    until_s=$(($(date +%s) + SECONDS_MAX))
    while :; do
        go "$@" >"$T/$C.try.out" 2>"$T/$C.try.err"; tried=$?
        [ $tried -ne 0 ] && [ "$(date +%s)" -lt $until_s ] || break
        sleep 0.1
    done
    cat "$T/$C.try.out"; cat "$T/$C.try.err" >&2
    return $tried
}

# within PATTERN command: until a line of the answer matches.
word_within() {
    pattern=$1; shift
    until_s=$(($(date +%s) + SECONDS_MAX))
    while :; do
        go "$@" >"$T/$C.try.out" 2>"$T/$C.try.err"; tried=$?
        ! grep -Eq -- "$pattern" "$T/$C.try.out" || break
        [ "$(date +%s)" -lt $until_s ] || { tried=124; break; }
        sleep 0.1
    done
    cat "$T/$C.try.out"; cat "$T/$C.try.err" >&2
    return $tried
}

watchers() { curl -s "http://$EP/metrics" | awk '$1 == "etcd_debugging_mvcc_watcher_total" { print int($2) }'; }
more_watchers() { now=$(watchers); [ "${now:-0}" -gt "$1" ]; }

# live NAME command: goes on in the background from here on; with a watch, from when the member has it.
word_live() {
    live=$T/$C.live.$1; shift
    before=$(watchers)
    # Its own shell's process is the one that is ended, so no function may stand in between.
    "$ETCDCTL" --command-timeout 60s --dial-timeout 10s --endpoints "$EP" "$@" </dev/null >"$live" 2>&1 &
    echo $! >"$live.pid"; echo $! >>"$T/pids"
    case $1 in
        watch | make-mirror) wait_until $SECONDS_MAX more_watchers "${before:-0}" || return 124 ;;
    esac
}

# seen NAME LINES [SIGNAL]: waits until it has said as many lines, ends it, tells what it said.
word_seen() {
    live=$T/$C.live.$1 seen_rc=0
    wait_until $SECONDS_MAX file_has "$live" '' "$2" || seen_rc=124
    kill "-${3:-TERM}" "$(cat "$live.pid")" 2>/dev/null
    { wait "$(cat "$live.pid")"; } 2>/dev/null
    cat "$live"
    return $seen_rc
}

# typed TEXT LINES command: with the text on its stdin, which is closed when it has said as many lines.
word_typed() {
    text=$1 lines=$2 typed=$T/$C.typed; shift 2
    : >"$typed"
    { printf '%b' "$text"; wait_until $SECONDS_MAX file_has "$typed" '' "$lines"; } | go "$@" >"$typed" 2>&1
    typed_rc=$?
    cat "$typed"
    file_has "$typed" '' "$lines" || typed_rc=124
    return $typed_rc
}

# fill KEYS: as many keys bench/..., a hundred a transaction.
word_fill() {
    "$BARQUE" bench --load fill --keys "$1" --batch 100 --value-bytes 1200 --clients 1 --conns 1 \
        --endpoints "$EP" >/dev/null
}

# start I: the member that was added as mI, with the addresses of the cluster file.
word_start() {
    initial=$(cat "$T/$C/initial")
    echo "$initial,m$1=http://127.0.0.1:$(cat "$T/$C/m$1.peer")" >"$T/$C/initial"
    member_start "$C" "$1" --initial-cluster-state=existing
    echo "$initial" >"$T/$C/initial"
    echo "$PID" >>"$T/pids"
}

# restart I: a member of the first three that was ended.
word_restart() { member_start "$C" "$1"; echo "$PID" >>"$T/pids"; RESTARTED=$1; }

# end I: that member. (How is no command's exit code.)
word_end() { member_end "$C" "$1"; RC=0; }

# --- a session ---------------------------------------------------------------------------------

# Lines of the list: file, number of the line, command.
session_lines() {
    for f in $SESSIONS; do
        awk -v file="$f" -v version="$VERSION" '
            /^[ ]*(#|$)/ { next }
            /^\[/ { if (index($0, "[" version "] ") != 1) next; sub(/^\[[^]]*\] /, "") }
            { print file ":" FNR "\t" $0 }' "$HERE/$f.txt"
    done
}

id_of() { awk -F', ' -v name="$1" '$3 == name { print $1 }' "$T/$C.members"; }

# Evaluates all lines against cluster C. The members take turns.
session() {
    C=$1
    mkdir -p "$SAY/$C" "$T/$C.dir"
    D=$T/$C.dir; N=0; RESTARTED=
    P1=127.0.0.1:$(cat "$T/$C/m1.peer") P4=127.0.0.1:$(cat "$T/$C/m4.peer")
    M1=$(id_of m1) M2=$(id_of m2) M3=$(id_of m3)
    while IFS='	' read -r _ line <&3; do
        N=$((N + 1)); EP=$(endpoint "$C" $((N % 3 + 1)))
        RC=0
        eval "go $line" >"$SAY/$C/$N.out" 2>"$SAY/$C/$N.err" </dev/null || RC=$?
        echo $RC >"$SAY/$C/$N.rc"
    done 3<"$T/lines"
    # It is a child of this shell, so nobody else can wait for it.
    [ -z "$RESTARTED" ] || { member_end "$C" "$RESTARTED"; echo "$RC" >"$T/$C.ended"; }
}

# The names of the cluster and its members, as compare.awk reads them: value, tab, name.
names() {
    C=$1
    EP=$(endpoint "$C" 1)
    for i in 1 2 3 4; do
        printf '127.0.0.1:%s\tCLIENT%s\n127.0.0.1:%s\tPEER%s\n' "$(cat "$T/$C/m$i.client")" $i \
            "$(cat "$T/$C/m$i.peer")" $i
    done >"$T/$C.names"
    printf '%s\tDIR\n' "$T/$C.dir" >>"$T/$C.names"
    go member list >"$T/$C.members"
    while IFS=', ' read -r id _ member _; do
        name "$id" "MEMBER-$member"
    done <"$T/$C.members"
    name "$(printf %x "$(go member list -w json | sed 's/.*"cluster_id":\([0-9]*\).*/\1/')")" CLUSTER
}

# Both clusters begin alike: m1 leads, and the cluster's version is known.
begin() {
    C=$1; cluster_new "$C" "$2" 3 --bcrypt-cost=4 # users are no slower than keys
    port_pick; echo "$PORT" >"$T/$C/m4.client"
    port_pick; echo "$PORT" >"$T/$C/m4.peer"
    cluster_start "$C"
    names "$C"
    wait_until $SECONDS_MAX lead_by_first || { not_ok "m1 of $C leads"; exit 1; }
    wait_until $SECONDS_MAX version_known || { not_ok "$C knows its version"; exit 1; }
}
lead_by_first() {
    leader=$(leader_of "$C") || return 1
    [ "$leader" = 1 ] && return 0
    EP=$(endpoint "$C" "$leader")
    go move-leader "$(id_of m1)"
    return 1
}
version_known() { curl -s "http://$EP/version" | grep -q '"etcdcluster":"3\.[4-9]'; }

session_end() {
    # shellcheck disable=SC2046
    [ ! -f "$T/pids" ] || kill -9 $(cat "$T/pids") 2>/dev/null
    cleanup
}

# Everything: prints TAP, writes REPORT: a line a command, and the sum.
sessions_compare() {
    VERSION=$("$ETCDCTL" version | sed -n 's/^API version: //p')
    etcd_version=$("$ETCD" --version | sed -n 's/^etcd Version: \([0-9]*\.[0-9]*\).*/\1/p')
    trap session_end EXIT
    [ "$VERSION" = "$etcd_version" ] || {
        skip "etcdctl $VERSION says the same of Barque and of etcd" "etcd is of version $etcd_version"
        echo 1..$TESTS
        return
    }
    begin b barque; begin e etcd
    session_lines >"$T/lines"
    begun=$(date +%s)
    session b & of_b=$!
    session e & of_e=$!
    PIDS="$PIDS $of_b $of_e"
    wait $of_b; wait $of_e
    took=$(($(date +%s) - begun))
    compared "$HERE/rules.txt" "$REPORT" >"$T/tap"
    cat "$T/tap"
    TESTS=$(grep -cE '^(not )?ok ' "$T/tap")
    self_check
    [ ! -f "$T/b.ended" ] || is 'the member that was started again ends in order' "$(cat "$T/b.ended")" 0
    echo "# measured: $(tail -1 "$REPORT"), in $took s"
    plan
}

compared() { # RULES REPORT [WHOLE]
    awk -v say="$SAY" -v version="$VERSION" -v rules="$1" -v names_b="$T/b.names" -v names_e="$T/e.names" \
        -v report="$2" -v whole="${3:-$WHOLE}" -f "$HERE/compare.awk" "$T/lines"
}

# The comparison itself: a line that differs, an exit code, and a rule that nobody needs must be told; that an identifier
# has fewer digits than 16, which is chance, must not be.
self_check() {
    sed -i -E 's/(Member|cluster) ([0-9a-f]{16}) /\1  \2 /; s/(cluster) ([0-9a-f]{16})$/\1  \2/' "$SAY"/b/*.out
    compared "$HERE/rules.txt" /dev/null | diff "$T/tap" - >"$T/narrow"
    is 'identifiers of fewer digits are told as the same' "$(cat "$T/narrow")" ''
    last=$(wc -l <"$T/lines")
    echo planted >>"$SAY/b/1.out"
    echo 99 >"$SAY/b/$last.rc"
    { cat "$HERE/rules.txt"; printf '# Planted.\nany . ~ never said by anybody => \n'; } >"$T/rules.planted"
    compared "$T/rules.planted" /dev/null 1 >"$T/planted"
    told=$(grep -cE '^not ok (1|'"$last"') |^not ok .*stale.*never said' "$T/planted")
    is 'planted differences of output and exit code, and a planted stale rule, are told' "$told" 3
}
