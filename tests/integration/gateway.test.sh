#!/bin/sh
# The JSON gateway with curl: every route once against three members and against a real etcd, compared
# where etcd 3.4 has the same answer; streams, errors, a reader that does not read.
. "$(dirname "$0")/lib.sh"

cluster_new c barque 3 --bcrypt-cost=4 --election-timeout=500 --heartbeat-interval=50
cluster_start c
cluster_new e etcd 1 --bcrypt-cost=4
have_etcd=
[ -x "$ETCD" ] && cluster_start e && have_etcd=1

# post CLUSTER ROUTE JSON [curl argument...]: "status body", ids, terms and sizes masked. A failed
# precondition is 400 since etcd 3.5; 3.4 says 412. 3.4 has no "details".
post() {
    at=$1 route=$2 body=$3; shift 3
    curl -s -m 5 -w '\n%{http_code}' "$@" -X POST "http://$(endpoint "$at" 1)/v3/$route" -d "$body" |
        sed -E 's/"(cluster_id|member_id|raft_term|leader|ID|memberID)":"[0-9]+"/"\1":"N"/g
                s/,"details":\[\]//; s/^412$/400/'
}
code() { printf '%s\n' "$1" | tail -1; }

# Key foo is Zm9v, bar is YmFy. The same requests in the same order: revisions are compared, too.
while IFS='|' read -r route body; do
    got=$(post c "$route" "$body")
    if [ -n "$have_etcd" ]; then
        is "$route $body answers as etcd does" "$got" "$(post e "$route" "$body")"
    else
        skip "$route answers as etcd does" 'no etcd here'
    fi
done <<'END'
kv/put|{"key":"Zm9v","value":"YmFy"}
kv/put|{"key":"Zm9v","value":"YmF6","prev_kv":true,"bogus":[1]}
kv/range|{"key":"Zm9v"}
kv/range|{"key":"AA==","rangeEnd":"AA==","limit":1,"sort_order":"DESCEND","sort_target":"MOD","keys_only":true}
kv/range|{"key":"Zm9v","revision":"2"}
kv/range|{"key":"Zm9v","revision":99}
kv/range|{"key":"bm8="}
kv/range|{}
kv/range|
kv/txn|{"compare":[{"key":"Zm9v","target":"VERSION","version":"2"}],"success":[{"request_put":{"key":"eA==","value":"eQ=="}},{"request_range":{"key":"Zm9v"}}],"failure":[{"request_delete_range":{"key":"Zm9v"}}]}
kv/txn|{"compare":[{"key":"Zm9v","target":"VALUE","result":"NOT_EQUAL","value":"YmF6"}],"failure":[{"request_delete_range":{"key":"eA==","prev_kv":true}}]}
kv/deleterange|{"key":"Zm9v","prev_kv":true}
kv/deleterange|{"key":"Zm9v"}
kv/compaction|{"revision":"3"}
kv/compaction|{"revision":"3"}
kv/range|{"key":"Zm9v","revision":2}
lease/grant|{"TTL":"60","ID":"7"}
lease/grant|{"TTL":60,"ID":7}
lease/timetolive|{"ID":"8"}
kv/lease/timetolive|{"ID":"8"}
lease/leases|{}
kv/lease/leases|{}
lease/keepalive|{"ID":7}{"ID":7} {"ID":9}
lease/revoke|{"ID":7}
kv/lease/revoke|{"ID":7}
cluster/member/remove|{"ID":"77"}
cluster/member/promote|{"ID":77}
END

# Routes whose answers differ between two programs, or that a service does not have yet: they are
# routes (no 404) and answer JSON.
for route in cluster/member/add cluster/member/update cluster/member/list maintenance/alarm \
    maintenance/status maintenance/defragment maintenance/hash maintenance/hashkv \
    maintenance/transfer-leadership maintenance/downgrade auth/disable auth/status auth/authenticate \
    auth/user/add auth/user/get auth/user/list auth/user/delete auth/user/changepw auth/user/grant \
    auth/user/revoke auth/role/add auth/role/get auth/role/list auth/role/delete auth/role/grant \
    auth/role/revoke lock/unlock election/proclaim election/leader election/resign; do
    got=$(post c "$route" '{}')
    check "$route is a route and answers one JSON object" sh -c \
        "echo '$(code "$got")' | grep -Eqx '200|400|404|429|500|501|503' &&
         printf '%s\n' '$(printf '%s\n' "$got" | head -1)' | jq -e 'type == \"object\"'"
done
is 'an unknown path is not found' "$(code "$(post c nope '{}')")" 404
is 'another method is refused' \
    "$(curl -s -o /dev/null -w '%{http_code}' "http://$(endpoint c 1)/v3/kv/put")" 405
for body in '[]' '{"key":"!"}' '{"key":"Zm9v",' '{"limit":"x"}' '{"sort_order":"BAD"}'; do
    got=$(post c kv/range "$body")
    is "$body is an invalid argument" "$(code "$got")" 400
    like "and is told so as etcd's clients read it" "$got" '^\{"error":".+","message":".+","code":3\}$'
done

# --- streams -----------------------------------------------------------------------------------
url=http://$(endpoint c 1)/v3
spawn "$T/watch" curl -sN "$url/watch" -d '{"create_request":{"key":"dw=="}}'; watch=$PID
check 'a watch begins with its creation' wait_until 10 file_has "$T/watch" '^{"result":{.*"created":true}}$'
post c kv/put '{"key":"dw==","value":"MQ=="}' >/dev/null
post c kv/deleterange '{"key":"dw=="}' >/dev/null
check 'it tells of a put' wait_until 10 file_has "$T/watch" '"events":\[\{"kv":\{"key":"dw==".*"value":"MQ=="'
check 'and of a deletion, a line each' wait_until 10 file_has "$T/watch" '"type":"DELETE"'
is 'every line is a JSON object' "$(jq -es 'length' <"$T/watch")" 3
streams() { curl -s "http://$(endpoint c 1)/metrics" | sed -n 's/^etcd_debugging_mvcc_watcher_total //p'; }
watchers_are() { [ "$(streams)" = "$1" ]; }
check 'the watch is counted' wait_until 10 watchers_are 1
end "$watch"
check 'a client that goes away ends its watch' wait_until 10 watchers_are 0

mkfifo "$T/body"
# "-T ." reads what there is of its input and listens meanwhile.
spawn "$T/watch2" sh -c "exec curl -sN -X POST -T . -H 'Expect:' '$url/watch' <'$T/body'"; watch=$PID
exec 3>"$T/body"
echo '{"create_request":{"key":"YQ==","watch_id":5}}' >&3
check 'requests may come one by one, in chunks' wait_until 10 file_has "$T/watch2" '"created":true'
echo '{"cancel_request":{"watch_id":5}}' >&3
check 'and the second one is obeyed' wait_until 10 file_has "$T/watch2" '"canceled":true'
exec 3>&-
end "$watch"

# --- many on one connection, large bodies, a stalled reader ------------------------------------
is 'requests on one kept connection are all answered' \
    "$(curl -s "$url/kv/range" -d '{"key":"YQ=="}' --next -s "$url/kv/range" -d '{"key":"YQ=="}' |
        grep -o '"header"' | wc -l)" 2
head -c 1000000 /dev/zero | base64 -w0 | sed 's/.*/{"key":"YmlnMQ==","value":"&"}/' >"$T/big"
is 'a body of more than a megabyte is taken' \
    "$(curl -s -m 20 -o /dev/null -w '%{http_code}' "$url/kv/put" --data-binary "@$T/big")" 200
is 'also in chunks' "$(curl -s -m 20 -o /dev/null -w '%{http_code}' -H 'Transfer-Encoding: chunked' \
    "$url/kv/put" --data-binary "@$T/big")" 200
cat "$T/big" "$T/big" >"$T/bigger"
is 'a longer one is refused' "$(curl -s -m 20 -o /dev/null -w '%{http_code}' "$url/kv/put" \
    --data-binary "@$T/bigger")" 413
mkfifo "$T/slow"; exec 9<>"$T/slow" # a reader that never reads
spawn "$T/slow" curl -sN "$url/watch" -d '{"create_request":{"key":"YmlnMQ=="}}'
for _ in 1 2 3 4 5 6; do curl -s -m 20 "$url/kv/put" --data-binary "@$T/big" >/dev/null; done
is 'a reader that does not read holds up nobody' "$(code "$(post c kv/put '{"key":"YQ==","value":"YQ=="}')")" 200
plan
