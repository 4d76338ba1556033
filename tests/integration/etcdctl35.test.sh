#!/bin/sh
# etcdctl 3.5 through every command, against three members and against three etcds 3.5 (tests/etcdctl). Neither is in
# Debian 12: `make peer35` builds them where Go is.
peer=${1:?build folder}/peer35
ETCDCTL=${ETCDCTL35:-$peer/etcdctl} ETCD=${ETCD35:-$peer/etcd}
for program in "$ETCDCTL" "$ETCD"; do
    [ -x "$program" ] || { echo "ok 1 - etcdctl 3.5 # SKIP no $program (make peer35, or ETCDCTL35 and ETCD35)"; echo 1..1; exit 0; }
done
. "$(dirname "$0")/lib.sh"
HERE=$(dirname "$0")/../etcdctl
. "$HERE/session.sh"
REPORT=$B/etcdctl35.report
sessions_compare
