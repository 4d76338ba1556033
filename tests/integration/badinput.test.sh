#!/bin/sh
# What a person or a broken machine may put in: wrong flags, ports in use, foreign, locked and damaged
# data directories, a full disk, garbage on the ports, requests that are too large. Each gives a
# message that says what, where and what next; nothing is lost by it.
. "$(dirname "$0")/lib.sh"

# refused SENTENCE EXIT PATTERN flag...: `barque store` ends at once, with that exit code and a message.
refused() {
    sentence=$1 code=$2 pattern=$3; shift 3
    said=$(timeout 10 "$BARQUE" store --name m1 "$@" 2>&1); rc=$?
    if [ "$rc" = "$code" ]; then like "$sentence" "$said" "$pattern"
    else not_ok "$sentence"; note "exit $rc instead of $code: $said"; fi
}

# --- flags -------------------------------------------------------------------------------------

refused 'an unknown flag is named, and where to look' 2 \
    'unknown flag --no-such. Next: barque store --help' --no-such 1
refused 'a flag that is no duration' 2 '--election-timeout: "abc" is not a duration' \
    --election-timeout abc
refused 'timeouts that cannot work' 2 'at least 5 times --heartbeat-interval' --election-timeout 100
refused 'a cluster without this member' 2 'does not name this member \(--name m1\). Next: add m1=' \
    --initial-cluster m2=http://127.0.0.1:1
refused 'a malformed cluster' 2 '"m1" is not NAME=URL' --initial-cluster m1
refused 'a URL without a scheme' 2 '--listen-client-urls: URL "nonsense": no scheme' \
    --listen-client-urls nonsense
refused 'a port that is none' 2 'port "99999" is not a number' \
    --listen-client-urls http://127.0.0.1:99999
refused 'TLS, which is absent' 2 'TLS is absent in this version' \
    --listen-client-urls https://127.0.0.1:1
refused 'a stray argument' 2 'unexpected argument "extra"' extra

# --- ports and directories ---------------------------------------------------------------------

cluster_new b barque 1
cluster_start b
ctl b put kept value >/dev/null
serves() { [ "$(ctl b get kept --print-value-only 2>/dev/null)" = value ]; }
D=$(data_of b 1)
port_pick; C=http://127.0.0.1:$PORT
port_pick; P=http://127.0.0.1:$PORT
elsewhere() { refused "$@" --listen-client-urls "$C" --listen-peer-urls "$P"; }

refused 'a client port in use' 1 'Address already in use. Next: choose another --listen-client-urls' \
    --listen-client-urls "http://$(endpoint b 1)" --listen-peer-urls "$P" --data-dir "$T/new"
check 'leaves the directory alone' [ ! -e "$T/new" ]
refused 'a peer port in use' 1 'Address already in use. Next: choose another' \
    --listen-client-urls "$C" --listen-peer-urls "http://127.0.0.1:$(cat "$T/b/m1.peer")" \
    --data-dir "$T/new"
elsewhere 'a directory in use' 1 'lock .*in use by another process. Next: choose another --data-dir' \
    --data-dir "$D"
echo text >"$T/file"
elsewhere 'a file in place of the directory' 1 "$T/file.*Not a directory. Next:" --data-dir "$T/file"
elsewhere 'a directory that cannot be made' 1 'create directory /proc/barque.*Next: .*--data-dir' \
    --data-dir /proc/barque
mkdir -p "$T/foreign/member"; echo precious >"$T/foreign/member/file"
elsewhere 'a directory with other files in it' 1 'neither empty nor a Barque data directory.*"file"' \
    --data-dir "$T/foreign"
is 'which stay' "$(cat "$T/foreign/member/file")" precious
check 'meanwhile the member serves' serves
member_end b 1
elsewhere 'the data directory of another cluster' 1 'belongs to cluster [0-9a-f]{16}, not to' \
    --data-dir "$D"

# --- damage ------------------------------------------------------------------------------------

# The member refuses to start, says so, and serves again when what was damaged is put back.
damaged() { # SENTENCE PATTERN
    : >"$(log_of b 1)"
    member_start b 1
    wait_until 10 gone "$PID" || note 'it runs'
    end "$PID" KILL
    like "$1" "$(cat "$(log_of b 1)")" "$2"
}
flip() { # FILE OFFSET
    printf '\377\377\377' | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}
cp -r "$D" "$T/good"
restore() { rm -rf "$D"; cp -r "$T/good" "$D"; }
W=$D/member/wal/0000000000000001.wal
flip "$W" 20
damaged 'a damaged segment header is found' 'wal: offset 0: the segment header is damaged'
for at in 110 180 250; do
    restore; flip "$W" $at
    damaged "a byte changed at $at of the log is found" \
        '0001.wal: offset [0-9]+: acknowledged bytes are damaged.*add it again with an empty'
done
restore; rm "$W"
damaged 'a log that is gone is noticed' 'the WAL is missing.*keep the directory'
restore; head -c 8192 /dev/zero | tr '\0' x >"$D/member/meta"
damaged 'damaged term and vote are found' 'both copies of term and vote are damaged'
restore
member_start b 1
check 'with its bytes back the member serves what it had' wait_until 10 serves

# In a cluster the others go on without the damaged one.
cluster_new c barque 3 --election-timeout=500 --heartbeat-interval=50
cluster_start c
ctl c put kept value >/dev/null
f=$(($(leader_of c) % 3 + 1))
member_end c "$f"
flip "$(data_of c "$f")/member/wal/0000000000000001.wal" 250
member_start c "$f"
wait_until 10 gone "$PID"; end "$PID" KILL
like 'in a cluster the damaged member stays away' "$(cat "$(log_of c "$f")")" 'is damaged|are damaged'
other=$((f % 3 + 1))
check 'and the others serve' ctl_at c "$other" put more value

# --- garbage on the ports ----------------------------------------------------------------------

# Bytes to a port, as they are; what comes back is not looked at.
feed() { curl -s -m 1 "telnet://$1" <"$2" >/dev/null 2>&1; }
head -c 65536 /dev/urandom >"$T/g1"
printf 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' >"$T/g2"; head -c 65536 /dev/urandom >>"$T/g2"
printf 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\377\377\377\004\0\0\0\0\0' >"$T/g3"
printf 'GET / HTTP/1.1\r\n' >"$T/g4"; head -c 40000 /dev/zero | tr '\0' a >>"$T/g4"
printf 'POST /health HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n' >"$T/g5"
printf '\377\377\377\377\0\0\0\0' >"$T/g6"
printf '\0\0\0\020\0\0\0\0abcdefghijklmnop' >"$T/g7"
: >"$T/g8"
term() { ctl_at c "$other" endpoint status | awk -F', ' '{print $7}'; }
before=$(term)
for port in "$(endpoint c "$other")" "127.0.0.1:$(cat "$T/c/m$other.peer")"; do
    for g in 1 2 3 4 5 6 7 8; do feed "$port" "$T/g$g" & FEEDS="${FEEDS:-} $!"; done
done
for p in $FEEDS; do wait "$p"; done
check 'after garbage on its ports a member lives' ctl_at c "$other" put more again
is 'and nobody was elected anew' "$(term)" "$before"

# A gRPC message by hand: FLAG LENGTH-IN-OCTAL-BYTES, the body on stdin; prints the status.
grpc() { # PATH FILE
    curl -s -m 5 --http2-prior-knowledge -H 'content-type: application/grpc' -H 'te: trailers' \
        -o /dev/null -D - --data-binary @"$2" "http://$(endpoint c "$other")$1" |
        tr -d '\r' | sed -n 's/^grpc-status: //p'
}
if curl --version | grep -q HTTP2; then
    printf '\0\0\0\0\004\377\377\377\377' >"$T/m"
    is 'a message that is no protobuf is refused as such' "$(grpc /etcdserverpb.KV/Put "$T/m")" 13
    : >"$T/m" # nothing more to send: curl drops an answer that comes before its last byte is out
    is 'an unknown method is unimplemented' "$(grpc /etcdserverpb.KV/Nothing "$T/m")" 12
    printf '\0\377\377\377\377x' >"$T/m"
    is 'a length of 4 GiB is refused unread' "$(grpc /etcdserverpb.KV/Put "$T/m")" 8
else
    skip 'gRPC by hand' 'this curl has no HTTP/2'
fi
head -c 1700000 /dev/zero | tr '\0' v >"$T/value"
like 'a value over the limit is refused in etcd'"'"'s words' \
    "$(ctl_at c "$other" put large <"$T/value" 2>&1)" 'Error: etcdserver: request is too large'
like 'a message over 2 MiB is not even read' \
    "$(head -c 3145728 /dev/zero | "$BARQUE" kv put large - --endpoints "$(endpoint c "$other")" 2>&1)" \
    'grpc: received message larger than max \([0-9]+ vs. 2097152\)'
head -c 1500000 "$T/value" >"$T/value2"
check 'one under the limit is taken' sh -c \
    "etcdctl --endpoints $(endpoint c "$other") put large <$T/value2"
is 'and comes back whole' \
    "$(ctl_at c "$other" get large --print-value-only | head -c 1500000 | cksum)" "$(cksum <"$T/value2")"
check 'after all that it serves' ctl_at c "$other" get kept

# --- the quota ---------------------------------------------------------------------------------

cluster_new q barque 1 --quota-backend-bytes=100000
cluster_start q
head -c 60000 "$T/value" >"$T/value3"
put3() { ctl q put "$1" <"$T/value3" 2>&1; }
is 'below the quota a put is taken' "$(put3 a) $(put3 b)" 'OK OK'
like 'over it the next is refused' "$(put3 c)" 'etcdserver: mvcc: database space exceeded'
like 'a txn that puts, too' "$(printf '\nput x y\n\n\n' | ctl q txn 2>&1)" 'database space exceeded'
like 'and a lease' "$(ctl q lease grant 60 2>&1)" 'database space exceeded'
like 'the alarm is listed' "$(ctl q alarm list)" 'alarm:NOSPACE'
like 'the member is not healthy' "$(curl -s "http://$(endpoint q 1)/health")" 'ALARM NOSPACE'
is 'reads are served' "$(ctl q get a --print-value-only | tr -d '\n' | wc -c)" 60000
is 'and deletes' "$(ctl q del a)" 1
no_alarm() { [ -z "$(ctl q alarm list)" ]; }
check 'which end the alarm' wait_until 10 no_alarm
is 'and make room' "$(put3 d)" OK

# --- a full disk -------------------------------------------------------------------------------

full='on a full disk writes are refused, not lost'
if [ "$(id -u)" = 0 ] && mkdir "$T/disk" && mount -t tmpfs -o size=200m none "$T/disk" 2>/dev/null; then
    trap 'umount -l "$T/disk"; cleanup' EXIT
    cluster_new d barque 1
    mkdir "$T/disk/data"; ln -s "$T/disk/data" "$(data_of d 1)"
    cluster_start d
    ctl d put kept value >/dev/null
    dd if=/dev/zero of="$T/disk/ballast" bs=1M 2>/dev/null
    "$BARQUE" bench --load fill --keys 40000 --batch 10 --value-bytes 3000 --clients 4 \
        --endpoints "$(endpoint d 1)" >"$T/bench" 2>&1
    like "$full" "$(ctl d put no value 2>&1)" 'Error: etcdserver: mvcc: database space exceeded'
    like 'the log names the disk' "$(cat "$(log_of d 1)")" 'the disk is full: writes are refused.*dir='
    is 'reads are served meanwhile' "$(ctl d get kept --print-value-only)" value
    rm "$T/disk/ballast"
    check 'with space they are taken again' wait_until 20 ctl d put yes value
    keys=$(ctl d get bench/ --prefix --limit 1 -w json | jq .count)
    check 'much was written before' [ "$keys" -gt 1000 ]
    member_end d 1 KILL; member_start d 1
    check 'after a crash it serves' serving d
    is 'everything' "$(ctl d get bench/ --prefix --limit 1 -w json | jq .count) $(ctl d get yes --print-value-only)" \
        "$keys value"
    member_end d 1 KILL
else
    skip "$full" 'needs root and a tmpfs'
fi
plan
