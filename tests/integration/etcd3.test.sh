#!/bin/sh
# A client library nobody here wrote, etcd3 of the npm registry, against three members and, as a check of the test itself, against
# a real etcd: what passes there must pass here.
. "$(dirname "$0")/lib.sh"

here=$(cd "$(dirname "$0")/foreign" && pwd)
modules=$PWD/build/foreign/node_modules
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    skip 'etcd3 of the npm registry works' 'there is no node and npm here. Next: make deps'
    plan
    exit 0
fi
if ! cmp -s "$here/package.json" build/foreign/package.json || [ ! -d "$modules/etcd3" ]; then
    mkdir -p build/foreign && cp "$here/package.json" build/foreign/ &&
        (cd build/foreign && npm install --no-package-lock --ignore-scripts --no-audit --no-fund) >"$T/npm.log" 2>&1 ||
        { not_ok 'etcd3 is installed'; note "$(tail -20 "$T/npm.log")"; rm -rf build/foreign; plan; exit 1; }
fi

# run CLUSTER: its tests become ours, named after the cluster.
run() {
    timeout 120 node "$here/etcd3.js" "$modules" "$(endpoints "$1")" >"$T/$1.out" 2>&1
    grep -qE '^1\.\.[1-9]' "$T/$1.out" || { not_ok "$2: the client ran to its end"; note "$(tail -20 "$T/$1.out")"; }
    while read -r line; do
        case $line in
            'ok '*) ok "$2: ${line#*- }" ;;
            'not ok '*) not_ok "$2: ${line#*- }" ;;
            '#'*) note "${line#\#}" ;;
        esac
    done <"$T/$1.out"
}

cluster_new b barque 3
cluster_start b
run b barque
cluster_new e etcd 1
cluster_start e
run e etcd
plan
