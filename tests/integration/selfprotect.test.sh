#!/bin/sh
# A member protects itself and its cluster: from its own slow disk, from a log that nobody reads, from
# too few file descriptors. Faults are played by --unsafe-faults (docs/faults.md) and by limits.
. "$(dirname "$0")/lib.sh"

rules() { # C I TEXT
    file=$T/$1/m$2.faults
    printf '%s\n' "$3" >"$file.new"; mv "$file.new" "$file"
    wait_until 5 cmp -s "$file" "$file.applied"
}
put() { ctl "$1" --command-timeout 8s put "$2" "$3" >/dev/null; }

# --- a slow disk -------------------------------------------------------------------------------

cluster_new s barque 5
for m in 1 2 3 4 5; do member_start s "$m" "--unsafe-faults=$T/s/m$m.faults"; done
check 'five members serve' serving s
l=$(leader_of s); slow=$((l % 5 + 1))
: >"$T/acked"; rm -f "$T/stop"
( n=0; while [ ! -e "$T/stop" ]; do n=$((n + 1)); put s "k/$n" 1 2>/dev/null && echo "k/$n" >>"$T/acked"; done ) &
writer=$!; PIDS="$PIDS $writer"
rules s "$slow" 'disk sync_ms=800'
check 'a follower notices that its disk is slow' \
    wait_until 15 file_has "$(log_of s "$slow")" 'the disk is slow: writes take'
is '... which is no reason to change the leader' "$(leader_of s)" "$l"
rules s "$l" 'disk sync_ms=800'
another_leads() { now=$(leader_of s) && [ "$now" != 0 ] && [ "$now" != "$l" ]; }
check 'a leader whose disk is slow hands over' wait_until 15 another_leads
check '... says so' file_has "$(log_of s "$l")" 'the disk is slow: leadership is handed over to='
next=$(leader_of s)
check '... and to one whose disk is quick' [ "$next" != "$slow" ]
before=$(wc -l <"$T/acked")
more() { [ "$(wc -l <"$T/acked")" -ge $((before + $1)) ]; }
check 'writes go on at the pace of the quick majority: 20 in 10 s' wait_until 10 more 20
rules s "$next" 'disk sync_ms=800'
check 'when the quick ones are no majority, nobody hands over' \
    wait_until 20 file_has "$(log_of s "$next")" 'those with better ones are no majority'
is '... and the leader stays' "$(leader_of s)" "$next"
for m in "$slow" "$l" "$next"; do rules s "$m" '# healed'; done
check 'a disk that is quick again is told' \
    wait_until 20 file_has "$(log_of s "$next")" 'the disk is quick again'
touch "$T/stop"; wait "$writer"
check 'all agree' wait_until 20 equal_hashes s
is 'nothing acknowledged is gone' "$(ctl s get k/ --prefix --keys-only | grep . | sort >"$T/have"
    sort "$T/acked" | comm -23 - "$T/have")" ''
for m in 1 2 3 4 5; do member_end s "$m"; done

# --- a log that nobody reads -------------------------------------------------------------------

metric() { curl -s -m 5 "http://$1/metrics" | sed -n "s/^$2 //p"; }
cluster_new l barque 1
mkfifo "$T/l/stderr"
cat <"$T/l/stderr" >"$T/l/m1.read" & reader=$!; PIDS="$PIDS $reader"
member_argv l 1 "--unsafe-faults=$T/l/m1.faults" --unsafe-no-fsync
# shellcheck disable=SC2046
"$BARQUE" $(sed 1d "$T/l/m1.argv") </dev/null 2>"$T/l/stderr" & PID=$!
PIDS="$PIDS $PID"; echo "$PID" >"$T/l/m1.pid"
check 'a member serves whose log goes into a pipe' serving l
# Rules that change are logged, 4 KB a line: this fills pipe and ring within seconds.
i=0; while [ $i -lt 250 ]; do i=$((i + 1)); echo "link a>b drop=0.$i"; done >"$T/l/rules"
chatter() {
    n=0
    while [ ! -e "$T/stop" ]; do
        n=$((n + 1)); { echo "seed $n"; cat "$T/l/rules"; } >"$T/l/m1.faults.new"
        mv "$T/l/m1.faults.new" "$T/l/m1.faults"; sleep 0.05
    done
}
rm -f "$T/stop"; chatter & chatter=$!; PIDS="$PIDS $chatter"
ops() { "$BARQUE" bench --load put --seconds 1 --clients 20 --endpoints "$(endpoint l 1)" -o json | jq .ops_per_second; }
dropping() { [ "$(metric "$(endpoint l 1)" barque_log_lines_dropped_total)" -gt 0 ]; }
kill -STOP "$reader"
check 'with nobody reading, lines are dropped and counted' wait_until 60 dropping
ops >/dev/null # a fresh member is quicker than any later
read_run() { kill -CONT "$reader"; read_ops=$(ops); }
blocked_run() {
    kill -STOP "$reader"
    # The pipe and the ring are full again when the count moves.
    dropped=$(metric "$(endpoint l 1)" barque_log_lines_dropped_total)
    wait_until 60 more_dropped
    blocked_ops=$(ops)
}
more_dropped() { [ "$(metric "$(endpoint l 1)" barque_log_lines_dropped_total)" -gt "$dropped" ]; }
good_enough() { awk "BEGIN { exit !($blocked_ops >= 0.9 * $read_ops) }"; }
# Two runs, one after the other, in turns; again while other work on the machine is in the way. (A
# member that waits for its log makes no progress at all, however often it is tried.)
n=0
while [ $n -lt 8 ]; do
    n=$((n + 1))
    if [ $((n % 2)) = 1 ]; then blocked_run; read_run; else read_run; blocked_run; fi
    note "puts a second: $read_ops with a reader, $blocked_ops without"
    good_enough && break
done
check 'progress without a reader is at least 90 %' good_enough
kill -STOP "$reader"; wait_until 60 more_dropped
touch "$T/stop"; wait "$chatter"
end "$(pid_of l 1)"
is 'it ends in order, unheard' "$RC" 0
kill -CONT "$reader"; wait "$reader"
check 'who reads again is told how many lines were lost' \
    file_has "$T/l/m1.read" 'lines dropped count=[0-9]'

# --- few file descriptors ----------------------------------------------------------------------

printf '#!/bin/sh\nulimit -n 128\nexec %s "$@"\n' "$BARQUE" >"$T/bin/limited"; chmod +x "$T/bin/limited"
printf '#!/bin/sh\nulimit -n 70\nexec %s "$@"\n' "$BARQUE" >"$T/bin/tiny"; chmod +x "$T/bin/tiny"
like 'too few descriptors refuse the start' "$(timeout 10 "$T/bin/tiny" store --data-dir "$T/never" \
    --listen-client-urls http://127.0.0.1:0 --listen-peer-urls http://127.0.0.1:0 2>&1)" \
    '70 file descriptors are too few: at least 80'
cluster_new f barque 3 --snapshot-count=200
plain=$BARQUE; BARQUE=$T/bin/limited; cluster_start f; BARQUE=$plain
l=$(leader_of f)
term() { ctl_at f "$l" endpoint status -w json | jq '.[0].Status.raftTerm'; }
before=$(term)
# Writes whose connections are there already: 100 KB each, so that segments and snapshots are made.
"$BARQUE" bench --load put --value-bytes 100000 --keys 100 --clients 2 --conns 2 --seconds 20 \
    --endpoints "$(endpoint f "$l")" -o json >"$T/f/bench" 2>&1 & bench=$!; PIDS="$PIDS $bench"
wait_until 10 ctl_at f "$l" get bench --prefix --limit 1
"$BARQUE" bench --load watch --clients 150 --conns 150 --seconds 60 --endpoints "$(endpoint f "$l")" \
    >/dev/null 2>&1 & flood=$!; PIDS="$PIDS $flood"
check 'a crowd of clients is not accepted' wait_until 15 file_has "$(log_of f "$l")" 'accepting paused'
kill -STOP "$flood"
follower=$((l % 3 + 1))
member_end f "$follower" KILL; BARQUE=$T/bin/limited; member_start f "$follower"; BARQUE=$plain
check 'a peer that comes back is' wait_until 20 ctl_at f "$follower" get nothing
wait "$bench"
check 'writes went on' jq -e '.errors == 0 and .ops > 20' "$T/f/bench"
# Segments are numbered from 1, in hexadecimal.
newest=$(find "$(data_of f "$l")" -name '*.wal' | sed 's|.*/||; s|[.]wal$||' | sort | tail -1)
check "... into new segments ($newest)" [ $((0x$newest)) -gt 1 ]
cpu() { awk '{ print $14 + $15 }' "/proc/$(pid_of f "$l")/stat"; }
# Who spins does so for ever; what is left to do at first (snapshots, a follower that comes back) has an end.
rests() { a=$(cpu); sleep 2; b=$(cpu); [ $((b - a)) -lt 60 ]; } # the time itself is what is measured
check 'it does not spin' wait_until 20 rests
kill -KILL "$flood"
check 'when the crowd is gone, new clients are served' wait_until 10 ctl_at f "$l" get nothing
is 'nobody had to be elected' "$(term)" "$before"
check 'all agree' wait_until 20 equal_hashes f
plan
