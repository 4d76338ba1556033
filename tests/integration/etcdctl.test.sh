#!/bin/sh
# The etcdctl that is installed, through every command, against three members and against three etcds of the same
# version: what it says is equal line by line (tests/etcdctl).
. "$(dirname "$0")/lib.sh"
HERE=$(dirname "$0")/../etcdctl
. "$HERE/session.sh"
ETCDCTL=$(command -v etcdctl)
REPORT=$B/etcdctl.report
[ -n "$ETCD" ] || { echo '1..0 # SKIP no etcd to compare with (make deps)'; exit 0; }
sessions_compare
