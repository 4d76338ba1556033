#!/bin/sh
# docs/etcd.md, the comparison with etcd, against a running member and a real etcd: the codes of all paths, that all routes
# are there, etcd's own lists of flags and of etcdctl's commands, and what the page says of proxies, mirrors and data
# directories. What the sources alone can tell is in tools/etcd-page.sh (make lint).
. "$(dirname "$0")/lib.sh"
PAGE=docs/etcd.md

# The rows of section $1, cells by tabs, the backticks gone.
rows() {
    awk -v want="## $1" '/^## / { on = ($0 == want); n = 0 }
        on && /^\|/ && n++ > 1 { gsub(/^\| *| *\|$/, ""); gsub(/ *\| */, "\t"); gsub(/`/, ""); print }' "$PAGE"
}
version_of() { "$@" 2>/dev/null | grep -oE '3\.[0-9]+' | head -1; }

cluster_new c barque 1
cluster_start c
cluster_new e etcd 1
have_etcd=
[ -x "$ETCD" ] && cluster_start e && have_etcd=1 && of=$(version_of "$ETCD" --version)

# --- HTTP --------------------------------------------------------------------------------------

# code CLUSTER WORD...: of a request as the page writes it; none: not HTTP at all.
code() {
    at=$1 port=client; shift
    [ "$1" != peer ] || { port=peer; shift; }
    got=$(curl -s -m 10 -o "$T/body" -w '%{http_code}' $([ "$1" = HEAD ] && echo -I || echo "-X $1") \
        $([ "$1" != POST ] || echo '-d {"key":"YQ=="}') "http://127.0.0.1:$(cat "$T/$at/m1.$port")$2")
    [ "$got" = 000 ] && echo none || echo "$got"
}
rows HTTP >"$T/http"
cut -f1,2 "$T/http" >"$T/want.c"
# shellcheck disable=SC2046 # a request is words
while IFS="$(printf '\t')" read -r what rest; do printf '%s\t%s\n' "$what" "$(code c $what)"; done <"$T/http" >"$T/got.c"
check 'the page has paths' test "$(wc -l <"$T/http")" -gt 30
same 'each path answers as the page says' "$T/got.c" "$T/want.c"
if [ -n "$have_etcd" ]; then
    case $of in 3.4) cell=3 ;; 3.5) cell=4 ;; *) cell=5 ;; esac
    cut -f1,$cell "$T/http" >"$T/want.e"
    while IFS="$(printf '\t')" read -r what rest; do printf '%s\t%s\n' "$what" "$(code e $what)"; done <"$T/http" >"$T/got.e"
    same "and those of etcd $of as it says" "$T/got.e" "$T/want.e"
else
    skip 'and those of etcd as it says' 'no etcd here'
fi
for p in /health /livez /readyz /version /metrics; do echo "$p $(code c HEAD $p)"; done >"$T/heads"
is 'HEAD is answered everywhere' "$(grep -c ' 200$' "$T/heads")" 5

# A path that nobody knows is told in words; a route's 404 is JSON.
rows Methods | cut -f2 | tr ' ' '\n' | grep . >"$T/routes"
check 'the page has routes' test "$(wc -l <"$T/routes")" -gt 40
while read -r route; do
    curl -s -m 1 -X POST -d '{}' "http://$(endpoint c 1)$route" | grep -q 'page not found' && echo "$route"
done <"$T/routes" >"$T/unknown"
is 'each route of the page is one' "$(cat "$T/unknown")" ''

# --- etcd's own lists --------------------------------------------------------------------------

if [ -n "$have_etcd" ] && [ "$of" = 3.4 ]; then
    "$ETCD" --help 2>&1 | sed -nE 's/^ +--([a-z0-9-]+).*/\1/p' | sort -u >"$T/flags.etcd"
    awk -F'\t' '!/^#/ && $2 != "-" && $2 != "hidden" { print $1 }' tools/etcd-flags.txt | sort >"$T/flags.told"
    check 'etcd has flags' test "$(wc -l <"$T/flags.etcd")" -gt 60
    same "all flags of etcd $of are told" "$T/flags.told" "$T/flags.etcd"
    awk -F'\t' '!/^#/ && $2 == "hidden" { print $1 }' tools/etcd-flags.txt | while read -r f; do
        timeout 20 "$ETCD" --version "--$f=x" </dev/null 2>&1 | grep -q 'not defined' && echo "$f"
    done >"$T/hidden"
    is 'the hidden ones are there' "$(cat "$T/hidden")" ''
else
    skip 'all flags of etcd are told' "the list is of 3.4.23, here is ${of:-none}"
fi
ctl=$(version_of etcdctl version)
# `completion` comes and goes with the library that a build of etcdctl was made with.
etcdctl help | sed -n '/COMMANDS/,/OPTIONS/p' |
    sed -nE 's/^(\t|  )([a-z-]+( [a-z-]+)?)(\t|  ).*/etcdctl \2/p' | grep -v completion | sort >"$T/commands.etcdctl"
rows Tools | awk -F'\t' -v v="$ctl" '/^etcdctl/ && index($2, v) { print $1 }' | grep -v completion | sort >"$T/commands.told"
check 'etcdctl has commands' test "$(wc -l <"$T/commands.etcdctl")" -gt 40
same "all commands of etcdctl $ctl are told" "$T/commands.told" "$T/commands.etcdctl"

# --- what the page says of tools ---------------------------------------------------------------

lease=$(ctl c lease grant 60 | cut -d' ' -f2)
is 'a lease is kept alive once' "$(ctl c lease keep-alive --once "$lease")" "lease $lease keepalived with TTL(60)"
spawn "$T/elect" etcdctl --endpoints "$(endpoints c)" elect chair me
check 'etcdctl elect wins' wait_until 10 file_has "$T/elect" '^me$'
like 'barque kv reads what etcdctl wrote' "$(ctl c put k v && "$BARQUE" kv get k --endpoints "$(endpoints c)")" '^v$'
if [ -n "$have_etcd" ]; then
    has() { [ "$(ctl "$1" get "$2" --print-value-only)" = "$3" ]; }
    ctl e put from/etcd 1 >/dev/null
    spawn "$T/mirror" etcdctl --endpoints "$(endpoints e)" make-mirror "$(endpoints c)"
    check 'a mirror of an etcd has what was there' wait_until 10 has c from/etcd 1
    ctl e put from/etcd 2 >/dev/null
    check 'and follows it' wait_until 10 has c from/etcd 2
    end "$PID"
    for kind in gateway grpc-proxy; do
        port_pick; at=127.0.0.1:$PORT
        spawn "$T/$kind" env ETCD_UNSUPPORTED_ARCH="$(uname -m)" "$ETCD" $kind start --endpoints "$(endpoints c)" \
            --listen-addr "$at"
        proxy=$PID
        check "etcd $kind stands in front of it" wait_until 20 etcdctl --endpoints "$at" put through $kind
        is 'and reads' "$(etcdctl --endpoints "$at" get through --print-value-only)" $kind
        end "$proxy"
    done
    member_end c 1
    member_end e 1
    cp -r "$(data_of e 1)" "$T/of-etcd"; cp -r "$(data_of c 1)" "$T/of-barque"
    like 'a member does not start in the directory of an etcd' \
        "$("$BARQUE" store --data-dir "$T/of-etcd" --listen-client-urls "http://$(endpoint c 1)" \
            --listen-peer-urls "http://127.0.0.1:$(cat "$T/c/m1.peer")" 2>&1)" 'neither empty nor a Barque data directory'
    ETCD_UNSUPPORTED_ARCH="$(uname -m)" timeout 20 "$ETCD" --data-dir "$T/of-barque" --logger=zap \
        --listen-client-urls "http://$(endpoint c 1)" --advertise-client-urls "http://$(endpoint c 1)" \
        --listen-peer-urls "http://127.0.0.1:$(cat "$T/c/m1.peer")" >"$T/of-barque.log" 2>&1
    is 'an etcd does not start in that of a member' "$?" 1
else
    skip 'mirrors, proxies, data directories' 'no etcd here'
fi
plan
