#!/bin/sh
# The plain endpoints that probes and dashboards ask: /health, /livez, /readyz, /version, /metrics. On the client
# port, with curl, in a cluster and in a member that has lost its cluster.
. "$(dirname "$0")/lib.sh"

cluster_new c barque 3 --election-timeout=300 --heartbeat-interval=50
cluster_start c
url=http://$(endpoint c 1)

get() { path=$1; shift; curl -s -m 5 -w '\n%{http_code} %{content_type}' "$@" "$url$path"; }

like 'a member with a leader is healthy' "$(get /health)" '"health":"true"'
like 'health is answered with 200 as JSON' "$(get /health)" '^200 application/json'
check 'health is one JSON object' sh -c "curl -s -m 5 $url/health | jq -e '.health == \"true\"'"
is 'it lives' "$(get /livez)" "$(printf 'ok\n\n200 text/plain; charset=utf-8')"
is 'it is ready' "$(get /readyz)" "$(printf 'ok\n\n200 text/plain; charset=utf-8')"
is 'verbose names every check' "$(curl -s -m 5 "$url/readyz?verbose")" "$(printf \
    '[+]%s ok\n' data_corruption serializable_read linearizable_read non_learner; echo ok)"
is 'a check can be left out, and one that nobody knows, too' \
    "$(curl -s -m 5 "$url/readyz?verbose&exclude=linearizable_read&exclude=nobody" | wc -l)" 4
is 'a check can be asked alone' "$(curl -s -m 5 "$url/readyz/linearizable_read?verbose=1")" \
    "$(printf '[+]linearizable_read ok\nok')"
like 'but not a check of another probe' "$(get /livez/linearizable_read)" '^404 '
like 'a probe is a GET' "$(get /readyz -X POST)" '^405 '
check 'the version names the API it speaks and its own build' \
    sh -c "curl -s -m 5 $url/version | jq -e '.etcdserver and .etcdcluster and .barque and .commit and .level and .clusterlevel == .level'"

ctl c put a 1 >/dev/null; ctl_at c 1 put a 2 >/dev/null
metric() { curl -s -m 5 "$url/metrics" | sed -n "s/^$1 //p"; }
metric_is() { [ "$(metric "$1")" = "$2" ]; }
like 'metrics are in the text format' "$(get /metrics)" '^200 text/plain; version=0.0.4'
check 'the store revision is among the metrics' \
    wait_until 5 metric_is etcd_debugging_mvcc_current_revision 3
check 'a leader is known, say the metrics' wait_until 5 metric_is etcd_server_has_leader 1
set_alarm() {
    curl -s -m 10 "$url/v3/maintenance/alarm" -d "{\"action\":\"$1\",\"memberID\":\"7\",\"alarm\":\"NOSPACE\"}"
}
alarm_told() { metric 'etcd_server_alarms{server_id="7",alarm_type="NOSPACE"}'; }
set_alarm ACTIVATE >/dev/null
is 'an alarm is among the metrics' "$(alarm_told)" 1
set_alarm DEACTIVATE >/dev/null
is 'until it is over' "$(alarm_told)" 0
curl -s -m 5 "$url/metrics" >"$T/metrics"
check 'the metrics are in the format, each series once' \
    awk -f "$(dirname "$0")/prometheus.awk" "$T/metrics"
check 'the check of the format finds a series told twice' \
    sh -c "(cat $T/metrics; tail -1 $T/metrics) | awk -f $(dirname "$0")/prometheus.awk | grep -q ': twice:'"
sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$T/metrics" | sort >"$T/names"
# Every name that docs/metrics.md says is here, one a line; what is absent is not.
sed -n '/^## As in etcd/,/^## Absent/s/^| \([a-z][^|]*\) |.*/\1/p' "$(dirname "$0")/../../docs/metrics.md" |
    tr ',' '\n' | sed 's/{.*//; s/\\\*//; s/ //g' | grep -v '^name$' >"$T/documented"
check 'every metric of docs/metrics.md is told' sh -c "
    while read -r name; do grep -q \"^\$name\" $T/names || { echo \"\$name\"; exit 1; }; done <$T/documented"
check 'and every metric told is in docs/metrics.md' sh -c "
    while read -r name; do
        case \$name in process_*) continue ;; esac
        grep -qx \"\$name\" $T/documented || { echo \"\$name\"; exit 1; }
    done <$T/names"
above() { [ "$(metric "$1" | sort -n | tail -1 | cut -d. -f1)" -gt "$2" ]; }
for name in process_resident_memory_bytes process_open_fds process_start_time_seconds \
    etcd_network_client_grpc_received_bytes_total etcd_network_client_grpc_sent_bytes_total \
    'etcd_network_peer_sent_bytes_total{.*}' 'etcd_network_peer_received_bytes_total{.*}' \
    etcd_disk_wal_fsync_duration_seconds_count; do
    check "$name counts something" above "$name" 0
done
both_connected() { [ "$(metric 'etcd_network_active_peers{.*}' | grep -c '^1$')" = 2 ]; }
check 'both peers are connected' wait_until 10 both_connected
like 'an unknown path is not found' "$(get /nothing)" '^404 '
like 'another method is refused' "$(get /health -X DELETE)" '^40[45] '
is 'two requests on one connection are both answered' \
    "$(curl -s -m 5 "$url/health" "$url/health" | grep -c '"health":"true"')" 2

# One of three cannot have a leader.
member_end c 2 KILL; member_end c 3 KILL
unhealthy() { curl -s -m 5 -o "$T/health" -w '%{http_code}' "$url/health" | grep -qx 503; }
check 'a member without a leader answers 503' wait_until 10 unhealthy
like 'and says why' "$(cat "$T/health")" '"health":"false".*NO LEADER'
like 'it lives on: a new start would not help' "$(get /livez)" '^200 '
like 'and serves what needs nobody else' "$(get '/health?serializable=true')" '^200 '
get '/readyz?exclude=linearizable_read' >"$T/most"
like 'it is ready but for the others' "$(cat "$T/most")" '^200 '
# The read waits out its time: 5 s and two election timeouts.
curl -s -m 20 -w '\n%{http_code}' "$url/readyz" >"$T/readyz"
like 'it is not ready' "$(cat "$T/readyz")" '^503'
like 'because a read would get no answer' "$(cat "$T/readyz")" \
    '^\[-\]linearizable_read failed: etcdserver: '
like 'though others would' "$(cat "$T/readyz")" '^\[\+\]serializable_read ok'
is 'the checks are counted' \
    "$(metric 'etcd_server_healthcheck{type="readyz",name="linearizable_read"}')" 0
check 'and its metrics say so' wait_until 5 metric_is etcd_server_has_leader 0
is 'and that its peers are gone' "$(metric 'etcd_network_active_peers{.*}' | grep -c '^0$')" 2
check 'to whom messages are dropped' above 'etcd_network_peer_sent_failures_total{.*}' 0
plan
