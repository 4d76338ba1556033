#!/bin/sh
# Users, roles and passwords in snapshots: from Barque to a real etcd and to Barque, and back from etcd.
. "$(dirname "$0")/lib.sh"

cluster_new b barque 1 --bcrypt-cost=4
cluster_start b
users() {
    ctl b user add root:rp && ctl b user grant-role root root && ctl b user add u:up &&
        ctl b user add n --no-password && ctl b role add r &&
        ctl b role grant-permission r readwrite /a/ --prefix && ctl b user grant-role u r &&
        ctl b put /z 1 && ctl b put /a/1 1 && ctl b auth enable
}
check 'users and roles are set, auth is enabled' users
check 'nobody saves a snapshot without being root' \
    sh -c "! etcdctl --endpoints $(endpoint b 1) --user u:up snapshot save $T/no.db"
check 'root does' etcdctl --endpoints "$(endpoint b 1)" --user root:rp snapshot save "$T/b.db"

# holds NAME: what cluster NAME must know of users and roles.
holds() {
    is "$1: root may read all" "$(ctl "$1" --user root:rp get /z --print-value-only)" 1
    is "$1: u may what it may" "$(ctl "$1" --user u:up put /a/1 2)" OK
    like "$1: and no more" "$(ctl "$1" --user u:up get /z 2>&1)" 'permission denied'
    like "$1: nobody may nothing" "$(ctl "$1" get /z 2>&1)" 'user name is empty'
    like "$1: a wrong password is none" "$(ctl "$1" --user u:no get /z 2>&1)" 'authentication failed'
    like "$1: who has no password has none" "$(ctl "$1" --user n:x get /z 2>&1)" 'no password user'
}
# up NAME: without lib's cluster_start, which reads without a user.
up() { wait_until 30 ctl "$1" --user root:rp get /z; }

# barque_of NAME FILE: a Barque of that file.
barque_of() {
    cluster_new "$1" barque 1
    "$BARQUE" snapshot restore "$2" --name m1 --data-dir "$(data_of "$1" 1)" \
        --initial-cluster "$(cat "$T/$1/initial")" \
        --initial-advertise-peer-urls "http://127.0.0.1:$(cat "$T/$1/m1.peer")" &&
        member_start "$1" 1 && up "$1"
}
check 'a new Barque starts on it' barque_of r "$T/b.db"
holds r

etcd_of() {
    cluster_new "$1" etcd 1
    etcdctl snapshot restore "$2" --name m1 --data-dir "$(data_of "$1" 1)" \
        --initial-cluster "$(cat "$T/$1/initial")" \
        --initial-advertise-peer-urls "http://127.0.0.1:$(cat "$T/$1/m1.peer")" &&
        member_start "$1" 1 && up "$1"
}
if [ -x "$ETCD" ]; then
    check 'a real etcd starts on it' etcd_of e "$T/b.db"
    holds e
    check 'a password is changed there' \
        sh -c "echo new | etcdctl --endpoints $(endpoint e 1) --user root:rp user passwd u --interactive=false"
    check 'and its snapshot is saved' \
        etcdctl --endpoints "$(endpoint e 1)" --user root:rp snapshot save "$T/e.db"
    member_end e 1
    check 'Barque starts on that' barque_of i "$T/e.db"
    is 'with the password of there' "$(ctl i --user u:new put /a/1 3)" OK
    like 'and not the one of before' "$(ctl i --user u:up put /a/1 3 2>&1)" 'authentication failed'
else
    skip 'a real etcd starts on it' 'there is no etcd'
fi
plan
