#!/bin/sh
# How a member is configured: flags, environment, etcd's configuration file; who counts more, what is said about
# what has no meaning here, and that wrong values are refused with the right ones named.
. "$(dirname "$0")/lib.sh"

# refused SENTENCE EXIT PATTERN word...: `barque store` ends at once, with that exit code and a message.
refused() {
    sentence=$1 code=$2 pattern=$3; shift 3
    said=$(timeout 10 env "$@" 2>&1); rc=$?
    if [ "$rc" = "$code" ]; then like "$sentence" "$said" "$pattern"
    else not_ok "$sentence"; note "exit $rc instead of $code: $said"; fi
}

# --- the table and its document ----------------------------------------------------------------

if "$BARQUE" store --help markdown >"$T/flags.md"; then
    same 'docs/flags.md is what the table says (make flags)' "$T/flags.md" docs/flags.md
fi
like 'help is in groups' "$("$BARQUE" store --help)" '^The cluster:'
like 'help tells of one flag' "$("$BARQUE" store --help max-wals)" '^--max-wals N: taken, no effect: '
refused 'and names the nearest' 2 'did you mean --max-wals' "$BARQUE" store --help max-wels
is 'a member tells its version' "$("$BARQUE" store --version)" "$("$BARQUE" version)"
if [ -x "$ETCD" ]; then
    ETCD_UNSUPPORTED_ARCH=$(uname -m) "$ETCD" --help 2>&1 | sed -n 's/^  --\([a-z0-9-]*\).*/\1/p' |
        grep -v '^help$' >"$T/etcd.flags"
    check 'a real etcd lists flags' test "$(wc -l <"$T/etcd.flags")" -gt 60
    : >"$T/unknown"
    while read -r flag; do
        "$BARQUE" store --help "$flag" >/dev/null 2>&1 || echo "$flag" >>"$T/unknown"
    done <"$T/etcd.flags"
    is 'each of them is known here' "$(cat "$T/unknown")" ''
else
    skip 'each flag of a real etcd is known here' 'no etcd'
fi

# --- wrong values ------------------------------------------------------------------------------

refused 'a choice names the others' 2 '--initial-cluster-state: "old" is not one of new, existing' \
    "$BARQUE" store --initial-cluster-state old
refused 'a variable is named by its name' 2 'ETCD_ELECTION_TIMEOUT: "soon" is not a duration' \
    ETCD_ELECTION_TIMEOUT=soon "$BARQUE" store
refused 'a duration without unit' 2 '"10" lacks its unit' \
    "$BARQUE" store --watch-progress-notify-interval 10
refused 'TLS is not pretended' 2 '--cert-file: TLS is absent in this version' \
    "$BARQUE" store --cert-file x --key-file y
refused 'nor by a URL' 2 'TLS is absent' "$BARQUE" store --listen-client-urls https://127.0.0.1:1
refused 'what etcd removed is told so' 2 'Next: --log-level=debug' "$BARQUE" store --debug
printf 'name: m1\nelction-timeout: 5\n' >"$T/typo.yml"
refused 'a wrong key has its place and the nearest name' 2 \
    'typo.yml:2:1: unknown key "elction-timeout" \(did you mean election-timeout\?\)' \
    "$BARQUE" store --config-file "$T/typo.yml"
refused 'a file that is not there' 2 'no-such.yml' "$BARQUE" store --config-file "$T/no-such.yml"
head -c 300000 /dev/zero | tr '\0' '#' >"$T/long.yml"
refused 'a file that is too long' 2 'long.yml' "$BARQUE" store --config-file "$T/long.yml"

# --- a member from a file, from the environment ------------------------------------------------

# one NAME word...: a member runs with these words before and after the command; its log is T/NAME.log.
one() { name=$1; shift; spawn "$T/$name.log" env "$@"; ONE=$PID; }
answers() { etcdctl --endpoints "$1" --dial-timeout 2s get nothing; }
name_is() { curl -s -m 5 -X POST "http://$1/v3/cluster/member/list" -d '{}' | jq -r '.members[].name'; }

port_pick; client=127.0.0.1:$PORT; port_pick; peer=127.0.0.1:$PORT
cat >"$T/m.yml" <<END
# As etcd's own sample is written.
name: 'from-file'
data-dir: $T/file.data
wal-dir:
snapshot-count: 10000
heartbeat-interval: 50
election-timeout: 500
listen-peer-urls: http://$peer
listen-client-urls: http://$client
initial-advertise-peer-urls: http://$peer
advertise-client-urls: http://$client
discovery:
initial-cluster:
initial-cluster-token: 'from-file-token'
initial-cluster-state: 'new'
strict-reconfig-check: true
max-wals: 5
client-transport-security:
  cert-file:
  client-cert-auth: false
  auto-tls: false
peer-transport-security:
  allowed-cn:
self-signed-cert-validity: 1
log-level: info
logger: zap
log-outputs: [stderr]
force-new-cluster: false
cipher-suites: [
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
]
tls-min-version: 'TLS1.2'
watch-progress-notify-interval: 600000000000
END
one file ETCD_DATA_DIR="$T/elsewhere" "$BARQUE" store --config-file "$T/m.yml" --name from-flag
check 'a member serves by its file' wait_until 20 answers "$client"
is 'its name is the one in the file' "$(name_is "$client")" from-file
check 'a flag and a variable beside the file are passed over, which is said' grep -q \
    'm.yml alone: --name, ETCD_DATA_DIR passed over' "$T/file.log"
check 'so they were not used' test ! -e "$T/elsewhere"
check 'what has no meaning here is told with its place' grep -q \
    'm.yml:[0-9]*:1: max-wals has no effect' "$T/file.log"
end "$ONE"
is 'it ends in order' "$RC" 0

one env ETCD_NAME=from-env ETCD_DATA_DIR="$T/env.data" BARQUE_DATA_DIR="$T/barque.data" \
    ETCD_LISTEN_CLIENT_URLS="http://$client" ETCD_ADVERTISE_CLIENT_URLS="http://$client" \
    ETCD_LISTEN_PEER_URLS="http://$peer" ETCD_INITIAL_ADVERTISE_PEER_URLS="http://$peer" \
    ETCD_NO_SUCH=1 "$BARQUE" store --name from-flag
check 'a member serves by its environment' wait_until 20 answers "$client"
is 'a flag counts more than a variable' "$(name_is "$client")" from-flag
check 'which is said' grep -q 'ETCD_NAME is passed over: --name is given' "$T/env.log"
check 'BARQUE_ counts more than ETCD_' test -d "$T/barque.data" -a ! -e "$T/env.data"
check 'a variable that is none is told' grep -q "ETCD_NO_SUCH is no option's variable" "$T/env.log"
end "$ONE"

one conf ETCD_CONFIG_FILE="$T/m.yml" "$BARQUE" store
check 'the file may be named by ETCD_CONFIG_FILE' wait_until 20 answers "$client"
is 'and counts' "$(name_is "$client")" from-file
end "$ONE"

# --- ports of their own ------------------------------------------------------------------------

port_pick; http=127.0.0.1:$PORT; port_pick; metrics=127.0.0.1:$PORT
code() { curl -s -m 5 -o "$T/body" -w '%{http_code}' "$@"; }
one ports "$BARQUE" store --name ports --data-dir "$T/ports.data" --listen-client-urls "http://$client" \
    --listen-peer-urls "http://$peer" --listen-client-http-urls "http://$http" \
    --listen-metrics-urls "http://$metrics"
check 'a member with three kinds of ports serves gRPC' wait_until 20 answers "$client"
is 'but no HTTP there any more' "$(code "http://$client/health")" 000
is 'HTTP has its own port' "$(code "http://$http/version")" 200
is 'with the gateway' "$(code "http://$http/v3/kv/range" -d '{"key":"YQ=="}')" 200
not() { ! "$@"; }
check 'and without gRPC' not etcdctl --endpoints "$http" --dial-timeout 1s --command-timeout 1s put x y
is 'metrics have theirs' "$(code "http://$metrics/metrics")" 200
check 'with all of them' grep -q '^etcd_server_has_leader 1' "$T/body"
is 'and probes' "$(code "http://$metrics/readyz") $(code "http://$metrics/health")" '200 200'
is 'and nothing else' "$(code "http://$metrics/version") $(code -d '{}' "http://$metrics/v3/kv/range")" \
    '404 404'
end "$ONE"
is 'and ends in order' "$RC" 0
one gate "$BARQUE" store --name gate --data-dir "$T/gate.data" --listen-client-urls "http://$client" \
    --listen-peer-urls "http://$peer" --enable-grpc-gateway=false
check 'a member without a gateway serves' wait_until 20 answers "$client"
is 'gRPC and HTTP, but no API as JSON' \
    "$(code "http://$client/health") $(code -d '{}' "http://$client/v3/kv/range")" '200 404'
end "$ONE"

one any "$BARQUE" store --name any --data-dir "$T/any.data" --listen-client-urls "http://0.0.0.0:${client#*:}" \
    --listen-peer-urls "http://$peer"
check 'a member on all addresses serves' wait_until 20 answers "$client"
check 'and says that this is no address to tell clients' wait_until 5 grep -q 'next="give --advertise-client-urls"' "$T/any.log"
end "$ONE"

# --- who may ask over HTTP ---------------------------------------------------------------------

one access "$BARQUE" store --name access --data-dir "$T/access.data" --listen-client-urls "http://$client" \
    --listen-peer-urls "http://$peer" --host-whitelist 127.0.0.1,good.example --cors http://page.example:80 \
    --listen-metrics-urls "http://$metrics"
check 'a member with a list of hosts serves' wait_until 20 answers "$client"
is 'those of the list' "$(code "http://$client/health") $(code -H 'Host: good.example' "http://$client/health")" \
    '200 200'
is 'and no others' "$(code -H 'Host: evil.example' "http://$client/v3/kv/range" -d '{"key":"YQ=="}')" 421
check 'who hear why' grep -q 'e.g. etcd --host-whitelist "evil.example"' "$T/body"
is 'metrics are for everybody' "$(code -H 'Host: evil.example' "http://$metrics/metrics")" 200
origin() { curl -s -m 5 -D - -o /dev/null "$@" | tr -d '\r' | sed -n 's/^Access-Control-Allow-Origin: //p'; }
is 'a page of a listed origin may ask' \
    "$(origin -X OPTIONS -H 'Origin: http://page.example:80' "http://$client/v3/kv/range")" http://page.example:80
is 'another is not told that it may' \
    "$(origin -X OPTIONS -H 'Origin: http://evil.example:80' "http://$client/v3/kv/range")" ''
end "$ONE"

# --- options of the machine and the log --------------------------------------------------------

one host "$BARQUE" store --name host --data-dir "$T/host.data" --listen-client-urls "http://$client" \
    --listen-peer-urls "http://$peer" --log-outputs "$T/host.out" --snapshot-count 10 \
    --snapshot-catchup-entries 5 --max-learners 2 --feature-gates CompactHashCheck=true,LeaseCheckpoint=true
check 'a member that logs to a file serves' wait_until 20 answers "$client"
check 'its log is there' wait_until 5 grep -q 'serving clients name=host' "$T/host.out"
is 'and on stderr only what comes before' "$(cat "$T/host.log")" \
    'barque: --feature-gates: LeaseCheckpoint has no effect: a new leader starts every lease afresh: none ends early'
for i in $(seq 15); do etcdctl --endpoints "$client" put a "$i"; done >/dev/null
check 'a snapshot leaves as many entries as it is told' \
    wait_until 10 grep -Eq 'snapshot taken index=10 first=6 ' "$T/host.out"
add_learner() { etcdctl --endpoints "$client" member add "$1" --learner --peer-urls "http://127.0.0.1:$2"; }
check 'a learner may be added' add_learner l1 1
check 'two, if two are allowed' add_learner l2 2
like 'and no third' "$(add_learner l3 3 2>&1)" 'too many learner members in cluster'
end "$ONE"
is 'it ends in order' "$RC" 0
refused 'a log that cannot be opened' 2 '--log-outputs .*none/log: No such file' \
    "$BARQUE" store --log-outputs "$T/none/log"
refused 'a log of two outputs' 2 'there is one output' "$BARQUE" store --log-outputs stderr,stdout
refused 'tokens that are void at once' 2 '--auth-token-ttl must be between 1 and 31536000' \
    "$BARQUE" store --auth-token-ttl 0
for cost in 3 16 4294967306; do
    refused "a hash that costs $cost" 2 '--bcrypt-cost must be between 4 and 15' "$BARQUE" store --bcrypt-cost $cost
done
refused 'no learner at all' 2 '--max-learners must be at least 1' "$BARQUE" store --max-learners 0
one lock "$BARQUE" store --name lock --data-dir "$T/lock.data" --listen-client-urls "http://$client" \
    --listen-peer-urls "http://$peer" --memory-mlock
lock_decided() { gone "$ONE" || answers "$client"; }
check 'a member locks its memory or ends' wait_until 20 lock_decided
if gone "$ONE"; then
    check 'it may not, and says what is needed' grep -q 'Next: lift the limit' "$T/lock.log"
else
    check 'its memory is locked' grep -Eq 'VmLck:.* [1-9][0-9]* kB' "/proc/$ONE/status"
fi
end "$ONE"

# --- listening here, known as there -------------------------------------------------------------

# As behind an address translation: members listen everywhere and are known by other addresses.
cluster_new nat barque 3 --election-timeout=500 --heartbeat-interval=50
for i in 1 2 3; do member_start nat $i "--listen-peer-urls=http://0.0.0.0:$(cat "$T/nat/m$i.peer")"; done
check 'three members that listen on all addresses find each other' serving nat
check 'and write' ctl nat put a 1
is 'each is known by the address of the list' \
    "$(ctl_at nat 1 member list -w json | jq -r '.members[].peerURLs[0]' | sort | tr '\n' ' ')" \
    "$(sed 's/m[0-9]=//g; s/,/\n/g' "$T/nat/initial" | sort | tr '\n' ' ')"
for i in 1 2 3; do member_end nat $i; done

# --- unix sockets ------------------------------------------------------------------------------

# etcd 3.4's own flags take only such names of sockets that look like host:port; from its client any will do.
port_pick; peer=http://127.0.0.1:$PORT; port_pick; client=127.0.0.1:$PORT
member_of() { # NAME URLS: in T, where relative sockets are; for spawn
    cd "$T" && exec "$BARQUE" store --name "$1" --data-dir "$1.data" --listen-client-urls "$2" \
        --listen-peer-urls "$peer"
}
S=$T/s.sock
spawn "$T/u.log" member_of u "unix://$S, unix://rel:1,http://$client"; u=$PID
check 'etcdctl finds a member at a socket' wait_until 20 answers "unix://$S"
check 'and writes there' etcdctl --endpoints "unix://$S" put a 1
is 'barque kv reads there' "$("$BARQUE" kv get a --endpoints "unix://$S")" 1
is 'also without the slashes' "$("$BARQUE" kv get a --endpoints "unix:$S")" 1
is 'the port beside it serves the same' "$("$BARQUE" kv get a --endpoints "$client")" 1
is 'a relative path is from the working directory' \
    "$(cd "$T" && etcdctl --endpoints unix://rel:1 get a --print-value-only)" 1
is 'HTTP is served there, too' "$(curl -s -m 5 --unix-socket "$S" http://x/health | jq -r .health)" true
like 'a member with several URLs tells each' \
    "$(curl -s -m 5 "http://$client/v3/cluster/member/list" -d '{}' | jq -c '.members[].clientURLs')" \
    "^\[\"unix://$S\",\"unix://rel:1\",\"http://$client\"\]\$"
like 'barque status goes by them' "$("$BARQUE" status --endpoints "unix://$S")" '^u .*leader'
refused 'unixs is TLS' 2 'TLS is absent' "$BARQUE" store --listen-client-urls "unixs://$S"
refused 'members do not meet at sockets' 2 'unix sockets are for clients' \
    "$BARQUE" store --listen-peer-urls "unix://$S"
port_pick
refused 'a socket that somebody listens on is not taken' 1 'in use' "$BARQUE" store --name v \
    --data-dir "$T/v.data" --listen-client-urls "unix://$S" --listen-peer-urls "http://127.0.0.1:$PORT"
check 'and its owner goes on' answers "unix://$S"
end "$u" KILL
check 'one that died leaves its socket behind' test -S "$S"
spawn "$T/u.log" member_of u "unix://$S"; u=$PID
check 'which its next start takes' wait_until 20 answers "unix://$S"
is 'with what was written' "$("$BARQUE" kv get a --endpoints "unix://$S")" 1
end "$u" TERM
is 'it ends in order' "$RC" 0
check 'and takes its socket away' test ! -e "$S"
: >"$T/file"
refused 'a file that is no socket is not taken' 1 'in use' "$BARQUE" store --name w \
    --data-dir "$T/w.data" --listen-client-urls "unix://$T/file" --listen-peer-urls "http://127.0.0.1:$PORT"
check 'and stays' test -f "$T/file"
if [ -x "$ETCD" ]; then
    port_pick; peer=http://127.0.0.1:$PORT
    etcd=$(readlink -f "$ETCD")
    etcd_at() {
        cd "$T" && exec env ETCD_UNSUPPORTED_ARCH="$(uname -m)" "$etcd" --name e --data-dir e.data \
            --listen-client-urls "$1" --advertise-client-urls "$1" --listen-peer-urls "$peer" \
            --initial-advertise-peer-urls "$peer" --initial-cluster "e=$peer"
    }
    spawn "$T/e.log" etcd_at unix://etcd:1; e=$PID
    check 'our client speaks to a real etcd at its socket' \
        wait_until 20 "$BARQUE" kv put b 2 --endpoints "unix://$T/etcd:1"
    end "$e"
else
    skip 'our client speaks to a real etcd at its socket' 'no etcd'
fi
plan
