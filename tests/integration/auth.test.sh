#!/bin/sh
# Users, roles and permissions: the same questions to Barque and to a real etcd; then three members that know
# them all, take each other's tokens, lose a leader, and come back from their snapshots.
. "$(dirname "$0")/lib.sh"

# What etcdctl answers, without what it logs.
said() { grep -v '^{"level"' | sed -E 's/[0-9a-f]{16}/ID/g'; }
ask() { echo "--- $*"; ctl_at "$C" 1 "$@" 2>&1 | said; }
as() { who=$1; shift; ask --user "$who" "$@"; }

# --- the same as etcd --------------------------------------------------------------------------

before() {
    ask auth enable
    ask user add root:rp
    ask user add u:pass-of-u
    ask user add u:pass-of-u
    ask user add n --no-password
    ask user delete v
    ask user grant-role u r
    ask role add r
    ask role add r
    ask role delete q
    ask role grant-permission r readwrite /a/ --prefix
    ask role grant-permission r read /b/1
    ask role grant-permission r read /b/2 /b/5
    ask role grant-permission r read /b/5 /c
    ask role grant-permission r write /w
    ask role grant-permission q read /w
    ask role revoke-permission r /x
    ask role revoke-permission q /x
    ask user revoke-role u r
    ask user grant-role u r
    ask user grant-role u r
    ask user grant-role v r
    ask role get r
    ask role get q
    ask user get u
    ask user get v
    ask user list
    ask role list
    ask put /z before
    ask auth enable
}
during() {
    ask get /z
    ask put /z 1
    as root:no get /z
    as nobody:no get /z
    as n:no get /z
    as root:rp get /z
    as u:pass-of-u get /z
    as u:pass-of-u put /z 1
    as u:pass-of-u put /a/1 one
    as u:pass-of-u put /w w
    as u:pass-of-u get /w
    as u:pass-of-u put --prev-kv /w w
    as u:pass-of-u del --prev-kv /w
    as u:pass-of-u del /w
    as u:pass-of-u get /a/ --prefix
    as u:pass-of-u get /a/1 /b
    as u:pass-of-u get /a/1 /b0
    as u:pass-of-u get /b/2 /b/9
    as u:pass-of-u get /b/2 /d
    as u:pass-of-u get /b/1
    as u:pass-of-u get /b/1 /b/2
    as u:pass-of-u get / --from-key
    printf 'value("/a/1") = "one"\n\nput /a/2 two\n\nput /a/2 no\n\n' >"$T/mine"
    printf 'value("/a/1") = "one"\n\nput /a/2 two\n\nget /z\n\n' >"$T/theirs"
    printf 'value("/z") = "one"\n\nput /a/2 two\n\nput /a/2 no\n\n' >"$T/asks"
    for f in mine theirs asks; do as u:pass-of-u txn <"$T/$f"; done
    as u:pass-of-u user list
    as u:pass-of-u user add x:y
    as u:pass-of-u user get u
    as u:pass-of-u user get root
    as u:pass-of-u role get r
    as u:pass-of-u role get root
    as u:pass-of-u role list
    as u:pass-of-u auth disable
    as u:pass-of-u member remove 1234
    as root:rp user delete root
    as root:rp user revoke-role root root
    as root:rp role delete root
    as root:rp role revoke-permission r /a/ --prefix
    as u:pass-of-u get /a/1
    as root:rp role grant-permission r readwrite /a/ --prefix
    as u:pass-of-u get /a/1
    printf 'new\n' | as root:rp user passwd u --interactive=false
    as u:pass-of-u get /a/1
    as u:new get /a/1
    as root:rp user revoke-role u r
    as u:new get /a/1
    as root:rp user grant-role u root
    as u:new get /z
    as u:new role delete r
    as u:new role list
    as root:rp user delete u
    as u:new get /z
    as root:rp auth disable
    ask get /z
    as u:new get /z
}
questions() { C=$1; before; during; }

if [ -x "$ETCD" ]; then
    cluster_new e etcd 1 --bcrypt-cost=4
    cluster_new one barque 1 --bcrypt-cost=4
    cluster_start e
    cluster_start one
    questions e >"$T/of-etcd"
    questions one >"$T/of-barque"
    same 'users, roles and what they may do are as etcd has them' "$T/of-barque" "$T/of-etcd"
    is 'each of its questions was answered' "$(grep -c '^---' "$T/of-barque")" \
        "$(grep -c '^---' "$T/of-etcd")"
    member_end e 1; member_end one 1
else
    skip 'users, roles and what they may do are as etcd has them' 'there is no etcd'
fi

# --- three members -----------------------------------------------------------------------------

cluster_new b barque 3 --bcrypt-cost=4 --election-timeout=500 --heartbeat-interval=50 --snapshot-count=200
cluster_start b
C=b
before >"$T/before"
like 'auth is enabled by one member' "$(tail -1 "$T/before")" '^Authentication Enabled$'

post() { curl -s -X POST -d "$3" ${4:+-H "Authorization: $4"} "http://$(endpoint b "$1")/v3/$2"; }
token_at() { post "$1" auth/authenticate "{\"name\":\"$2\",\"password\":\"$3\"}" | jq -r .token; }
knows() { post "$1" kv/range '{"key":"eg=="}' | jq -e '.error | test("user name is empty")'; }
for i in 2 3; do check "member $i asks for a user, too" wait_until 10 knows "$i"; done

root=$(token_at 1 root rp); u=$(token_at 2 u pass-of-u)
key() { printf %s "$1" | base64; }
put_at() { post "$1" kv/put "{\"key\":\"$(key "$3")\",\"value\":\"MQ==\"}" "$2" | jq -r '.error // "OK"'; }
for i in 1 2 3; do
    is "member $i takes the tokens of others" "$(put_at "$i" "$root" /z) $(put_at "$i" "Bearer $u" "/a/$i")" 'OK OK'
    is "and holds users to what they may" "$(put_at "$i" "$u" /z)" 'etcdserver: permission denied'
    is "a token that is none is none" "$(put_at "$i" "${u%?}" /a/1)" 'etcdserver: invalid auth token'
done

# A watch at another member than the one that is written to.
etcdctl --endpoints "$(endpoint b 3)" --user u:pass-of-u watch --prefix /a/ >"$T/watch" 2>&1 & PIDS="$PIDS $!"
watching() { put_at 1 "$root" /a/w >/dev/null && file_has "$T/watch" '^/a/w$'; }
check 'a watch of what one may read goes on' wait_until 20 watching
like 'a watch of more is refused' \
    "$(timeout 10 etcdctl --endpoints "$(endpoint b 3)" --user u:pass-of-u watch /z 2>&1 </dev/null)" \
    'code = PermissionDenied desc = etcdserver: permission denied'

like 'a lock needs its keys' "$(ctl b --user u:pass-of-u lock /z/lock true 2>&1)" 'permission denied'
check 'and is had with them' ctl b --user u:pass-of-u lock /a/lock true
export ETCDCTL_USER=root:rp

leader=$(leader_of b); other=$((leader % 3 + 1)); third=$((other % 3 + 1))
member_end b "$leader" KILL
check 'without the member that led, the others serve' wait_until 20 ctl_at b "$other" get /z
is 'tokens outlive it' "$(put_at "$other" "$root" /z) $(put_at "$third" "$u" /a/1)" 'OK OK'
check 'roles change meanwhile' ctl_at b "$other" role revoke-permission r /a/ --prefix
denied() { [ "$(put_at "$1" "$u" /a/1)" = 'etcdserver: permission denied' ]; }
check 'which binds at another member' wait_until 10 denied "$third"

# More than a snapshot's worth, so that all start from one.
n=0
while [ $n -lt 250 ]; do n=$((n + 1)); put_at "$other" "$root" /n >/dev/null; done
member_start b "$leader"
check 'it comes back' wait_until 30 ctl_at b "$leader" get /z
check 'and knows what has changed' wait_until 10 denied "$leader"
has_snapshot() { ls "$(data_of b "$1")"/member/snap/*.snap; }
check 'there is a snapshot to start from' wait_until 20 has_snapshot "$other"
for i in 1 2 3; do member_end b $i; done
for i in 1 2 3; do member_start b $i; done
for i in 1 2 3; do check "started anew, member $i serves root" wait_until 30 ctl_at b $i get /z; done
is 'and nobody else' "$(put_at 1 '' /z)" 'etcdserver: user name is empty'
check 'the states are equal' wait_until 20 equal_hashes b
is 'all users are there' "$(ctl b user list | tr '\n' ' ')" 'n root u '
check 'no password is in a log or a snapshot' sh -c "! grep -rqa 'pass-of-u' '$T/b'"
check 'root may say that it is enough' ctl b auth disable
unset ETCDCTL_USER
check 'then anybody may' wait_until 10 ctl_at b 2 put /z 1
plan
