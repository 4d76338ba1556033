#!/bin/sh
# The membership changes under load, by etcdctl: a member is added, moved, promoted, removed and
# replaced while writers write. Nothing acknowledged is lost, the members agree, and what would break
# the quorum is refused in etcd's words.
. "$(dirname "$0")/lib.sh"

cluster_new b barque 3 --snapshot-count=2000
cluster_start b
echo 5 >"$T/b/n" # places for two more
for i in 4 5; do
    port_pick; echo "$PORT" >"$T/b/m$i.client"
    port_pick; echo "$PORT" >"$T/b/m$i.peer"
done
peer_url() { echo "http://127.0.0.1:$(cat "$T/b/m$1.peer")"; }
on() { echo "$1" >"$T/b/n"; } # so many places are looked at
three=$(for i in 1 2 3; do endpoint b $i; done | paste -sd,)
etc() { etcdctl --endpoints "$three" --dial-timeout 2s "$@"; }
id_of() { etc member list | awk -F', ' -v url="$(peer_url "$1")" '$4 == url { print $1 }'; }
role() { etc member list | awk -F', ' -v url="$(peer_url "$1")" '$4 == url { print $2, $6 }'; }
votes() { [ "$(role "$1")" = 'started false' ]; }
# join I ID: starts mI as etcdctl says that it is to be started.
join() {
    initial="$(etc member list | awk -F', ' -v me="$(peer_url "$1")" -v name="m$1" \
        '{ printf "%s%s=%s", sep, $4 == me ? name : $3, $4; sep = "," }')"
    echo "$initial" >"$T/b/initial"
    member_start b "$1" --initial-cluster-state=existing
}

# --- load --------------------------------------------------------------------------------------

"$BARQUE" bench --load fill --keys 5000 --batch 50 --value-bytes 200 --clients 4 \
    --endpoints "$three" >/dev/null
: >"$T/acked"
writer() {
    n=0
    while ! [ -e "$T/stop" ]; do
        n=$((n + 1))
        etc --command-timeout 10s put "w/$n" "$n" >/dev/null 2>&1 && echo "w/$n" >>"$T/acked"
    done
}
writer & WRITER=$!
PIDS="$PIDS $WRITER"
acked() { [ "$(wc -l <"$T/acked")" -ge "$1" ]; }
go_on() { wait_until 10 acked $(($(wc -l <"$T/acked") + 5)); }
# The members of the first N places have the same history, up to a revision of now.
same_history() {
    on "$1"; rev=$(revision b 1)
    wait_until 20 equal_at
}
equal_at() {
    hashes b "$rev" >"$T/hashes" && [ "$(wc -l <"$T/hashes")" = "$(cat "$T/b/n")" ] &&
        [ "$(sort -u "$T/hashes" | wc -l)" = 1 ]
}
wait_until 10 acked 10

# --- add ---------------------------------------------------------------------------------------

on 3
echo "$(cat "$T/b/initial"),m4=$(peer_url 4)" >"$T/b/initial"
member_start b 4 --initial-cluster-state=existing
wait "$(pid_of b 4)"; is 'whom nobody has added does not start' $? 1
like 'and says how to add it' "$(cat "$(log_of b 4)")" 'no member at .* Next: etcdctl member add'
leader=$(leader_of b); follower=$((leader % 3 + 1))
like 'a member is added by asking a follower' \
    "$(ctl_at b "$follower" member add m4 --peer-urls="$(peer_url 4)" 2>&1)" 'Member +[0-9a-f]+ added to cluster'
is 'it is a learner until it has caught up' "$(role 4)" 'unstarted true'
like 'its address is not added twice' \
    "$(etc member add again --peer-urls="$(peer_url 4)" 2>&1)" 'etcdserver: Peer URLs already exists'
like 'an address that cannot be one is refused' \
    "$(etc member add bad --peer-urls=http://127.0.0.1:1/path 2>&1)" 'given member URLs are invalid|URL must not contain a path'
began=$(now_ms)
join 4
check 'it joins, catches up and votes by itself' wait_until 30 votes 4
note "after $(($(now_ms) - began)) ms"
echo "$three,$(endpoint b 4)" >"$T/b/endpoints"
check 'it has the same history' same_history 4
check 'writes went on' go_on

# --- a member that stays a learner ---------------------------------------------------------------

like 'a learner is added' "$(etc member add m5 --learner --peer-urls="$(peer_url 5)" 2>&1)" \
    'added to cluster'
like 'and no second one' "$(etc member add more --learner --peer-urls=http://127.0.0.1:9 2>&1)" \
    'etcdserver: too many learner members in cluster'
like 'it is not promoted before it is in sync' "$(etc member promote "$(id_of 5)" 2>&1)" \
    'can only promote a learner member which is in sync with leader'
join 5
echo "$three,$(endpoint b 4),$(endpoint b 5)" >"$T/b/endpoints"
local_revision() { ctl_at b "$1" get nothing --consistency=s -w json | jq .header.revision; }
caught_up() { [ "$(local_revision "$1")" -ge "$rev" ]; }
rev=$(revision b 1)
check 'it follows' wait_until 20 caught_up 5
is 'and stays a learner' "$(role 5)" 'started true'
is 'it serves what may be old' "$(ctl_at b 5 get w/1 --consistency=s --print-value-only)" 1
is 'and tells what it is' "$(ctl_at b 5 endpoint status -w json | jq '.[0].Status.isLearner')" true
for what in 'get w/1' 'put w/1 x' 'lease grant 60' 'member list' 'alarm list' 'endpoint hashkv'; do
    # shellcheck disable=SC2086
    like "a learner serves no $what" "$(ctl_at b 5 $what 2>&1)" \
        'etcdserver: rpc not supported for learner'
done
like 'nor a watch' "$(curl -s -m 5 "http://$(endpoint b 5)/v3/watch" \
    -d '{"create_request":{"key":"YQ=="}}')" 'rpc not supported for learner'
like 'it is not ready' "$(curl -s -m 20 "http://$(endpoint b 5)/readyz")" \
    '^\[-\]non_learner failed: not supported for learner'
like 'leadership does not go to a learner' \
    "$(ctl_at b "$(leader_of b)" move-leader "$(id_of 5)" 2>&1)" 'etcdserver: bad leader transferee'
check 'it is promoted when that is asked for' wait_until 10 etc member promote "$(id_of 5)"
is 'and votes' "$(role 5)" 'started false'
check 'it has the same history, too' same_history 5
like 'a voter is not promoted' "$(etc member promote "$(id_of 5)" 2>&1)" \
    'etcdserver: can only promote a learner member'

# --- leadership ----------------------------------------------------------------------------------

like 'leadership moves to the new member' \
    "$(ctl_at b "$(leader_of b)" move-leader "$(id_of 4)" 2>&1)" 'Leadership transferred'
leads() { [ "$(leader_of b)" = "$1" ]; }
check 'which leads' wait_until 5 leads 4
like 'a member that does not lead cannot give leadership away' \
    "$(etcdctl --endpoints "$(endpoint b 1)" move-leader "$(id_of 2)" 2>&1)" 'no leader endpoint|not leader'

# --- remove ------------------------------------------------------------------------------------

like 'the leader itself is removed: it hands over first' \
    "$(ctl_at b 1 member remove "$(id_of 4)" 2>&1)" 'removed from cluster'
is 'it is no member any more' "$(role 4)" ''
check 'its process finds out and ends' wait_until 30 gone "$(pid_of b 4)"
like 'and says why' "$(cat "$(log_of b 4)")" 'was removed from cluster [0-9a-f]+\. Next: '
like 'an unknown member is not removed' "$(etc member remove 1234 2>&1)" 'etcdserver: member not found'
check 'writes go on' go_on

# --- replace -----------------------------------------------------------------------------------

gone=$([ "$(leader_of b)" = 2 ] && echo 3 || echo 2)
member_end b "$gone" KILL
old=$(id_of "$gone")
check 'a dead member is removed' etc member remove "$old"
rm -rf "$(data_of b "$gone")"
check 'and added again at its address' etc member add "m$gone" --peer-urls="$(peer_url "$gone")"
join "$gone"
check 'it votes again' wait_until 30 votes "$gone"
check 'under another id' [ "$(id_of "$gone")" != "$old" ]
member_end b "$gone" KILL
: >"$(log_of b "$gone")"
member_start b "$gone" --initial-cluster-state=existing
check 'and starts again from its own data' wait_until 20 ctl_at b "$gone" get w/1
was=$(id_of "$gone")
member_end b "$gone" KILL
rm -rf "$(data_of b "$gone")"
: >"$(log_of b "$gone")"
member_start b "$gone" --initial-cluster-state=existing
check 'with its disk lost it comes back' wait_until 30 ctl_at b "$gone" get w/1
check 'and votes' wait_until 30 votes "$gone"
check 'not under the id whose promises are lost' [ "$(id_of "$gone")" != "$was" ]

# --- update ------------------------------------------------------------------------------------

moved=$(id_of "$gone")
member_end b "$gone"
port_pick; echo "$PORT" >"$T/b/m$gone.peer"
check 'a member gets another peer URL' etc member update "$moved" --peer-urls="$(peer_url "$gone")"
is 'which the list tells' "$(id_of "$gone")" "$moved"
initial="$(etc member list | awk -F', ' '{ printf "%s%s=%s", sep, $3, $4; sep = "," }')"
echo "$initial" >"$T/b/initial"
member_start b "$gone" --initial-cluster-state=existing
check 'it is reached there' wait_until 20 ctl_at b "$gone" get w/1

# --- what is acknowledged, is there; the members agree -------------------------------------------

touch "$T/stop"; wait "$WRITER"
live() { for i in 1 2 3 5; do echo $i; done; }
for i in $(live); do
    check "member $i serves" wait_until 20 ctl_at b "$i" get nothing
    is "and has every acknowledged write of $(wc -l <"$T/acked")" \
        "$(ctl_at b "$i" get w/ --prefix --keys-only | grep . | sort >"$T/have"
           sort "$T/acked" | comm -23 - "$T/have")" ''
done
agree() {
    for i in $(live); do ctl_at b "$i" endpoint hashkv -w json | jq '.[].HashKV.hash'; done >"$T/hashes"
    [ "$(wc -l <"$T/hashes")" = 4 ] && [ "$(sort -u "$T/hashes" | wc -l)" = 1 ]
}
check 'all have the same hash of their history' wait_until 20 agree

# --- what would break the quorum is refused -----------------------------------------------------

# Four voters; one is down. Another one less would leave two of three: fine. With two down there is
# no quorum for anything.
member_end b 5 KILL
m5=$(id_of 5)
check 'a dead member goes' wait_until 10 etc member remove "$m5"
member_end b "$gone" KILL
wait_until 10 etc put still 1
stays=$(for i in 1 2 3; do [ $i = "$gone" ] || echo $i; done | head -1)
like 'of two that are left none can be removed' \
    "$(etc member remove "$(id_of "$stays")" 2>&1)" 'etcdserver: unhealthy cluster'
check 'nor did that harm' wait_until 10 etc put still 2
member_start b "$gone" --initial-cluster-state=existing
check 'the third one returns' wait_until 20 ctl_at b "$gone" get still
plan
