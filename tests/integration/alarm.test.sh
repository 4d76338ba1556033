#!/bin/sh
# Alarms and the quota, with the real etcdctl: three members, a small quota; what is raised by itself and
# what by hand, what is refused, what ends it, and that it outlives a restart.
. "$(dirname "$0")/lib.sh"

cluster_new c barque 3 --election-timeout=300 --heartbeat-interval=50 --quota-backend-bytes=100000
cluster_start c
head -c 30000 /dev/zero | tr '\0' x >"$T/value"
put() { ctl_at c "${2:-1}" put "$1" <"$T/value" 2>&1; }
alarms() { ctl_at c "${1:-1}" alarm list; }
raised() { [ "$(alarms "$1" | grep -c NOSPACE)" = "$2" ]; }
set_alarm() {
    curl -s -m 10 "http://$(endpoint c 2)/v3/maintenance/alarm" \
        -d "{\"action\":\"$1\",\"memberID\":\"$2\",\"alarm\":\"$3\"}"
}

is 'at first there is no alarm' "$(alarms)" ''
is 'up to the quota a put is taken' "$(put a) $(put b) $(put c) $(put d)" 'OK OK OK OK'
check 'over it each member raises an alarm' wait_until 10 raised 2 3
like 'with its id' "$(alarms 2)" '^memberID:[0-9]+ alarm:NOSPACE'
is 'a put is refused with the words of etcd' "$(put e 3 | sed -n 's/^Error: //p')" \
    'etcdserver: mvcc: database space exceeded'
like 'a txn that puts, too' "$(printf '\nput x y\n\n\n' | ctl c txn 2>&1)" 'database space exceeded'
like 'and a lease' "$(ctl c lease grant 60 2>&1)" 'database space exceeded'
like 'the status says so as etcd does' \
    "$(ctl_at c 1 endpoint status -w json | jq -r '.[0].Status.errors[]')" \
    '^memberID:[0-9]+ alarm:NOSPACE $'
is 'the members are not healthy' \
    "$(curl -s -m 10 -o "$T/health" -w '%{http_code}' "http://$(endpoint c 1)/health")" 503
is 'but for the alarm' \
    "$(curl -s -m 10 -o /dev/null -w '%{http_code}' "http://$(endpoint c 1)/health?exclude=NOSPACE")" 200
is 'reads are served' "$(ctl_at c 2 get a --print-value-only | tr -d '\n' | wc -c)" 30000
like 'and compactions' "$(ctl c compact 2 2>&1)" 'compacted revision 2'
member_end c 3 KILL; member_start c 3; serving c
check 'an alarm outlives a restart' raised 3 3
like 'a disarmed alarm comes back while nothing was freed' \
    "$(ctl_at c 1 alarm disarm >/dev/null; put f; wait_until 10 raised 1 3 && echo back)" 'back'
is 'deletes are taken' "$(ctl_at c 2 del a) $(ctl_at c 2 del b)" '1 1'
check 'and end the alarm by themselves' wait_until 10 raised 1 0
is 'then a put is taken' "$(put g)" OK

ctl_at c 2 del c >/dev/null # room for what follows
# By hand, as etcdctl and the API do it.
like 'an alarm can be set' "$(set_alarm ACTIVATE 77 NOSPACE)" '"memberID":"77","alarm":"NOSPACE"'
like 'it refuses what is put' "$(put h)" 'database space exceeded'
is 'it does not end by itself' "$(alarms 3)" 'memberID:77 alarm:NOSPACE '
is 'disarming tells what was set' "$(ctl_at c 3 alarm disarm)" 'memberID:77 alarm:NOSPACE '
is 'and lets puts through' "$(put h)" OK
set_alarm ACTIVATE 78 CORRUPT >/dev/null
like 'a corrupt cluster takes no put' "$(put i)" 'etcdserver: corrupt cluster'
like 'no delete' "$(ctl c del h 2>&1)" 'etcdserver: corrupt cluster'
like 'no compaction' "$(ctl c compact 3 2>&1)" 'etcdserver: corrupt cluster'
is 'but serves reads' "$(ctl_at c 2 get h --keys-only | sed -n 1p)" h
like 'it is not ready' "$(curl -s -m 20 "http://$(endpoint c 1)/readyz")" \
    '^\[-\]data_corruption failed: alarm activated: CORRUPT'
is 'it lives' "$(curl -s -m 10 "http://$(endpoint c 1)/livez")" ok
ctl_at c 1 alarm disarm >/dev/null
is 'disarmed, it takes puts' "$(put i)" OK
like 'what is no alarm is refused' "$(set_alarm ACTIVATE 1 7)" '"code":3'
check 'all members agree' wait_until 10 equal_hashes c
plan
