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
plan
