#!/bin/sh
# What --unsafe-faults promises (docs/faults.md), on real processes: links, disk, clock, clients and
# the damage to a dead member's data. No write that was acknowledged may be gone after any of it.
. "$(dirname "$0")/lib.sh"

# rules C I TEXT: member I obeys them when this returns.
rules() {
    file=$T/$1/m$2.faults
    printf '%s\n' "$3" >"$file.new"; mv "$file.new" "$file"
    wait_until 5 cmp -s "$file" "$file.applied"
}
all_rules() { for m in 1 2 3; do rules c "$m" "$1"; done; }
start() { member_start c "$1" "--unsafe-faults=$T/c/m$1.faults"; }
put() { ctl c --command-timeout 8s put "$1" "$2"; }
put_at() { ctl_at c "$1" --command-timeout 3s put "$2" "$3"; }
# A linearizable read there fails within 3 s.
silent() { ! ctl_at c "$1" --command-timeout 3s get nothing; }
others_lead() { now=$(leader_of c); [ "$now" != 0 ] && [ "$now" != "$1" ]; }
agree() { wait_until 20 serving c && wait_until 20 equal_hashes c; }
# Every key that is in $T/acked is there.
nothing_lost() {
    ctl c get k/ --prefix --keys-only | grep . | sort >"$T/have"
    [ -s "$T/acked" ] && [ -z "$(sort "$T/acked" | comm -23 - "$T/have")" ]
}
ended_badly() { gone "$(pid_of c "$1")" && { end "$(pid_of c "$1")"; [ "$RC" != 0 ]; }; }

# --- off, and refused --------------------------------------------------------------------------

cluster_new c barque 3
is 'people are not shown the flags' "$("$BARQUE" store --help | grep -c unsafe-faults)" 0
echo 'disk ful' >"$T/wrong"
out=$("$BARQUE" store --data-dir "$T/never" --unsafe-faults "$T/wrong" 2>&1); RC=$?
is 'wrong rules refuse the start' "$RC" 2
like '... and say what is right' "$out" 'line 1: disk: unknown word "ful" \(valid: sync_ms='
for m in 1 2 3; do start "$m"; done
check 'three members serve under a shim without rules' serving c
like 'it is never silent' "$(cat "$(log_of c 1)")" 'WARN .*UNSAFE: this process fails on purpose'
rules c 1 'seed 5'
echo 'lnk a>b cut' >"$T/c/m1.faults.new"; mv "$T/c/m1.faults.new" "$T/c/m1.faults"
check 'a mistake made later is logged with its line' \
    wait_until 5 file_has "$(log_of c 1)" 'the ones before stay in force.*line 1: unknown rule'

# --- links -------------------------------------------------------------------------------------

put k/1 1 >/dev/null && echo k/1 >>"$T/acked"
l=$(leader_of c)
all_rules "link m$l>* cut
link *>m$l cut"
check 'a leader that is cut off is replaced' wait_until 15 others_lead "$l"
check '... the majority takes writes' wait_until 10 put_at "$now" k/2 2 && echo k/2 >>"$T/acked"
check '... and it serves no stale read' silent "$l"
all_rules '# healed'
check 'healed, all agree' agree

l=$(leader_of c)
all_rules "link *>m$l drop=1"
check 'a leader that hears nobody gives up' wait_until 15 others_lead "$l"
all_rules '# healed'
check 'healed, all agree' agree

l=$(leader_of c); a=$((l % 3 + 1)); b=$((a % 3 + 1))
terms() { ctl_at c "$1" endpoint status -w json | jq '.[0].Status.raftTerm'; }
before=$(terms "$l")
all_rules "link m$a>m$b cut
link m$b>m$a cut"
for n in 1 2 3 4 5; do put "k/partial$n" 1 >/dev/null && echo "k/partial$n" >>"$T/acked"; done
check 'two followers that do not see each other disturb nobody' [ "$(terms "$l")" = "$before" ]

all_rules 'seed 9
link *>* drop=0.15 duplicate=0.1 reorder=0.2 delay_ms=1..20'
for n in 1 2 3 4 5 6 7 8 9 10; do put "k/loss$n" 1 >/dev/null && echo "k/loss$n" >>"$T/acked"; done
check 'writes go on under loss, delay, disorder and doubles' [ "$(grep -c loss "$T/acked")" -ge 8 ]
all_rules '# healed'
check 'healed, all agree' agree
check 'nothing acknowledged is gone' nothing_lost

# --- clock, clients ----------------------------------------------------------------------------

l=$(leader_of c)
lease=$(ctl c lease grant 60 | awk '{print $2}')
rules c "$l" 'clock wall_ms=+3600000'
put k/late 1 >/dev/null && echo k/late >>"$T/acked"
like 'an hour that jumps ends no lease' "$(ctl_at c "$l" lease timetolive "$lease")" \
    'granted with TTL\(60s\), remaining\((5[0-9]|60)s\)'
rules c "$l" 'client refuse'
check 'clients are refused' silent "$l"
rules c "$l" 'client stall'
check 'clients are stalled' silent "$l"
rules c "$l" '# healed'
check 'healed, they are served' wait_until 10 ctl_at c "$l" get nothing

# --- disk --------------------------------------------------------------------------------------

l=$(leader_of c); f=$((l % 3 + 1))
rules c "$f" 'disk sync_fails=EIO'
put k/eio 1 >/dev/null && echo k/eio >>"$T/acked"
check 'a member whose fsync fails ends' wait_until 10 ended_badly "$f"
check '... naming the disk' file_has "$(log_of c "$f")" 'fsync.*fault rule'
check 'the others go on' wait_until 10 put_at "$l" k/two 2 && echo k/two >>"$T/acked"
echo '# healed' >"$T/c/m$f.faults"
start "$f"
check 'it comes back' wait_until 20 ctl_at c "$f" get nothing
rules c "$f" 'disk full'
for n in 1 2 3; do put "k/full$n" 1 >/dev/null && echo "k/full$n" >>"$T/acked"; done
check 'a member with a full disk lives' ctl_at c "$f" get k/full3 --consistency=s
rules c "$f" 'disk sync_ms=50..100'
check 'a slow follower slows nobody' put k/slow 1
rules c "$f" '# healed'
check 'healed, all agree' agree

# --- damage ------------------------------------------------------------------------------------

hurt() { # I KIND:SEED
    "$BARQUE" store --unsafe-damage "$2" --data-dir "$(data_of c "$1")" \
        --unsafe-faults "$T/c/m$1.faults"
}
all_rules 'disk track_unsynced sync_ms=60..120' # most of the time something is unsynced
rm -f "$T/stop"
n=0
( while [ ! -e "$T/stop" ]; do n=$((n + 1)); put "k/cut$n" 1 >/dev/null 2>&1 && echo "k/cut$n" >>"$T/acked"; done ) &
writer=$!; PIDS="$PIDS $writer"
check 'writes go on under the journal' wait_until 20 file_has "$T/acked" 'cut' 10
for m in 1 2 3; do kill -KILL "$(pid_of c "$m")"; done
touch "$T/stop"
for m in 1 2 3; do end "$(pid_of c "$m")"; done
wait "$writer"
for m in 1 2 3; do
    seed=$(date +%N | sed 's/^0*//')0; [ "$m" = 2 ] && how=lost || how=torn
    check "the power of m$m is cut" hurt "$m" "$how:$seed"
    note "$how:$seed $(cat "$T/check.out")"
done
for m in 1 2 3; do echo '# healed' >"$T/c/m$m.faults"; start "$m"; done
check 'after a power cut of all three, all serve' serving c
check '... and nothing acknowledged is gone' nothing_lost
check '... and all agree' agree
like 'the data of a member that runs is left alone' "$(hurt 1 flip:1 2>&1)" 'in use by another process'
member_end c 3 KILL
like 'a bit flips in those of one that does not' "$(hurt 3 flip:7)" 'bit [0-7] of byte [0-9]+ flipped'
rm -rf "$(data_of c 3)" # a flip may or may not be fatal: not this script's matter

# --- an agent ----------------------------------------------------------------------------------

cluster_new a master 1
cluster_start a
node_is() {
    [ "$(ctl a get --prefix /registry/minions/ --print-value-only | jq -r '.status.conditions[] |
        select(.type == "Ready") | .status')" = "$1" ]
}
agent_start a n1 "--unsafe-faults=$T/a/n1.faults"
check 'an agent under a shim is a node' wait_until 15 node_is True
echo 'conn * stall' >"$T/a/n1.faults"
check 'cut off, it is not ready' wait_until 20 node_is Unknown
echo '# healed' >"$T/a/n1.faults"
check 'healed, it is again' wait_until 20 node_is True
plan
