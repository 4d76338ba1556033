#!/bin/sh
# A majority is lost for good: the member whose log goes furthest becomes a cluster of one with all that
# it had, the old members are not heard, and it grows again.
. "$(dirname "$0")/lib.sh"

cluster_new a barque 3 --election-timeout=500 --heartbeat-interval=50 --snapshot-count=40
cluster_start a

puts() { for k in $(seq "$1" "$2"); do ctl_at a 1 put "k$k" "v$k" >/dev/null || return 1; done; }
content() { ctl_at a "$1" get '' --from-key -w json | jq -S '.kvs, .count'; }
tree() { (cd "$1" && find . -type f ! -name lock -exec sha256sum {} + | sort); }
dir() { data_of a "$1"; }

check 'keys are written' puts 1 30
LEASE=$(ctl_at a 1 lease grant 6000 | awk '{ print $2 }')
check 'and one on a lease' ctl_at a 1 put leased by --lease="$LEASE"
member_end a 3
check 'more are written while a member is down' puts 31 90
REV=$(revision a 1)
want=$(content 1)
check 'a member that runs is not looked at' sh -c "! '$BARQUE' recover '$(dir 1)' --look"
member_end a 1 KILL
member_end a 2 KILL

tree "$(dir 2)" >"$T/before"
OUT=$("$BARQUE" recover "$(dir 3)" "$(dir 2)" --look)
like 'the member whose log goes furthest is found' "$OUT" "^\\* .*$(dir 2)\$"
like 'the other one is listed' "$OUT" "^  .*$(dir 3)\$"
OUT=$("$BARQUE" recover "$(dir 3)" "$(dir 2)" --name m2 </dev/null 2>&1)
is 'without a word nothing is done' $? 1
like 'a majority is named' "$OUT" '2 of 3 voters can be read: that is a majority'
OUT=$("$BARQUE" recover "$T/nothing" 2>&1)
is 'a directory that is none is told' $? 1
tree "$(dir 2)" >"$T/after"
same 'nothing was changed by looking' "$T/after" "$T/before"

# Members 1 and 3 are lost.
rm -rf "$(dir 1)"
check 'the state is recovered' "$BARQUE" recover "$(dir 2)" --name m2 --yes
tree "$(dir 2).before-recover-1" >"$T/after"
same 'what was there is kept' "$T/after" "$T/before"
echo "m2=http://127.0.0.1:$(cat "$T/a/m2.peer")" >"$T/initial"
cp "$T/a/initial" "$T/all"; cp "$T/initial" "$T/a/initial"
member_start a 2
check 'the member serves alone' wait_until 30 ctl_at a 2 get nothing
is 'with all keys' "$(content 2)" "$want"
is 'at the same revision' "$(revision a 2)" "$REV"
like 'and the lease' "$(ctl_at a 2 lease timetolive "$LEASE" --keys)" leased
check 'it takes writes' ctl_at a 2 put after recovery

# An old member that comes back does not matter, and is not heard.
cp "$T/all" "$T/a/initial"
member_start a 3
check 'while an old member runs it serves' \
    etcdctl --endpoints "$(endpoint a 2)" put more writes
is 'there is one member' "$(ctl_at a 2 member list | wc -l)" 1
member_end a 3 KILL
rm -rf "$(dir 3)"

# It grows again.
ctl_at a 2 member add m3 --peer-urls="http://127.0.0.1:$(cat "$T/a/m3.peer")" >/dev/null
echo "$(cat "$T/initial"),m3=http://127.0.0.1:$(cat "$T/a/m3.peer")" >"$T/a/initial"
member_start a 3 --initial-cluster-state=existing
check 'a member is added' wait_until 60 ctl_at a 3 get after
is 'which has the same' "$(content 3)" "$(content 2)"
cp "$T/initial" "$T/a/initial"
member_end a 2; member_start a 2
check 'the recovered member starts again' wait_until 30 ctl_at a 2 get after

plan
