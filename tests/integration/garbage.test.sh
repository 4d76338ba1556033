#!/bin/sh
# What anybody who may write to the store can put where objects are kept: broken JSON, wrong types,
# names that are missing, foreign, endless or paths, numbers at the ends of their range, owners that
# are not there. One master and one agent live through all of it, do their work and then are quiet.
. "$(dirname "$0")/lib.sh"

cluster_new c master 1
cluster_start c
BARQUE_ENDPOINTS=$(endpoints c); export BARQUE_ENDPOINTS
agent_start c n1 --capacity cpu=4,memory=4Gi,pods=20
AGENT=$PID
node_ready() { "$BARQUE" get nodes --no-headers | grep -q '^n1  *Ready'; }
check 'a node is ready' wait_until 15 node_ready

put() { # KEY VALUE
    printf '%s' "$2" | "$BARQUE" kv put "$1" - >/dev/null || not_ok "put $1"
}
garbage() { # KEY: what is no object of its kind
    put "$1" ''
    put "$1" '{'
    put "$1" '[]'
    put "$1" '{}'
    put "$1" '{"metadata":{}}'
    put "$1" '{"metadata":{"name":7,"labels":[],"ownerReferences":{}}}'
    put "$1" '{"metadata":{"name":"another","namespace":"elsewhere"},"spec":{},"status":{}}'
}

# --- keys of every kind ------------------------------------------------------------------------

for key in namespaces/g minions/g configmaps/default/g pods/default/g replicasets/default/g \
    deployments/default/g events/default/g; do
    garbage "/registry/$key"
done
for key in nodes/n1/pod.default.g nodes/n1/status.default.g nodes/n1/else nodes/g/node alive/g \
    leaders/controllers/0 leaders/scheduler/0; do
    garbage "/barque/$key"
done
put /registry/pods//x '{"metadata":{"name":"x","namespace":""}}'
put /registry/pods/default/a/b '{"metadata":{"name":"a/b","namespace":"default"}}'
put /registry/pods/x "$(head -c 300000 /dev/zero | tr '\0' '[')"
"$BARQUE" kv del --prefix /barque/leaders/controllers/0 >/dev/null
"$BARQUE" kv del --prefix /barque/leaders/scheduler/0 >/dev/null

# --- objects that can be read, with what nobody would write ------------------------------------

long=$(head -c 600 /dev/zero | tr '\0' a)
pod() { # NAME METADATA SPEC [STATUS]
    put "/registry/pods/default/$1" "{\"metadata\":{\"name\":\"$1\",\"namespace\":\"default\"$2},
        \"spec\":{$3},\"status\":{${4:-}}}"
}
owner() { printf ',"uid":"u-%s","ownerReferences":[{"controller":true%s}]' "$1" "$2"; }
sleeps='"containers":[{"name":"main","command":["/bin/sleep","600"]}]'
pod no-spec '' ''
pod no-uid '' "\"nodeName\":\"n1\",$sleeps"
pod owner-empty "$(owner a '')" "\"nodeName\":\"n1\",$sleeps"
pod owner-kind "$(owner b ',"kind":"ReplicaSet"')" "\"nodeName\":\"n1\",$sleeps"
pod owner-self "$(owner c ',"kind":"ReplicaSet","name":"owner-self","uid":"u-c"')" "$sleeps"
pod nameless "$(owner d '')" '"nodeName":"n1","containers":[{},{"env":[{}],"command":["a"]}]'
pod up ',"uid":"../../up"' "\"nodeName\":\"n1\",$sleeps"
pod in ',"uid":"u-in"' '"nodeName":"n1","containers":[{"name":"../../in","command":["/bin/sh"]}]'
pod grace ',"uid":"u-g","deletionTimestamp":"yesterday"' \
    "\"nodeName\":\"n1\",\"terminationGracePeriodSeconds\":-9223372036854775808,$sleeps"
pod nowhere ',"uid":"u-n"' "\"nodeName\":\"../n1\",$sleeps"
pod nulls ',"uid":null,"labels":{"a":null}' '"tolerations":[{}],"topologySpreadConstraints":[{}],
    "nodeSelector":{"x":null},"containers":[{"name":"m","resources":{"requests":
    {"cpu":9223372036854775807,"memory":"9223372036854775807"}}}]' \
    '"conditions":[{},{"type":"Ready"}],"containerStatuses":[{"restartCount":2147483647},
    {"restartCount":2147483647}]'
pod "$long" ',"uid":"u-long"' "\"nodeName\":\"n1\",$sleeps"
put /registry/minions/odd '{"metadata":{"name":"odd"},"spec":{"taints":[{},{"key":"a"}]},"status":
    {"conditions":[{},{"type":"Ready"}],"addresses":[{}],"allocatable":{"cpu":9223372036854775807,
    "memory":"9223372036854775807","pods":"-1"}}}'
put /registry/events/default/odd '{"metadata":{"name":"odd","namespace":"default"},"count":-1}'
put /registry/namespaces/odd '{"metadata":{"name":"odd","deletionTimestamp":"x"}}'
put /registry/configmaps/default/odd \
    '{"metadata":{"name":"odd","namespace":"default"},"data":{"":""}}'

replicas() { # KIND NAME SPEC STATUS [METADATA]
    put "/registry/$1/default/$2" "{\"metadata\":{\"name\":\"$2\",\"namespace\":\"default\",
        \"uid\":\"u-$2\",\"generation\":-1${5:-}},\"spec\":{$3},\"status\":{$4}}"
}
ends='"replicas":-2147483648,"readyReplicas":2147483647,"availableReplicas":-2147483648'
replicas deployments few '"replicas":-2147483648' "$ends"
replicas deployments odd '"replicas":0,"progressDeadlineSeconds":-2147483648,
    "revisionHistoryLimit":-2147483648,"strategy":{"type":"","rollingUpdate":
    {"maxSurge":-2147483648,"maxUnavailable":"-2147483648%"}}' \
    '"conditions":[{},{"type":"Progressing"}]'
replicas deployments old '"replicas":2147483647,"paused":true' ''
owned=',"ownerReferences":[{"controller":true,"kind":"Deployment","name":"old","uid":"u-old"}]'
for i in 1 2; do
    replicas replicasets "old-$i" "\"replicas\":-1,\"minReadySeconds\":2147483647" \
        '"replicas":2147483647,"availableReplicas":2147483647,"readyReplicas":2147483647' \
        "$owned"
done
replicas replicasets self '"replicas":0' '' \
    ',"ownerReferences":[{"controller":true,"kind":"ReplicaSet","name":"self","uid":"u-self"}]'

item() { # NAME POD SPEC: straight to the agent, past the masters
    put "/barque/nodes/n1/$1" "{\"metadata\":{\"name\":\"$1\",\"namespace\":\"n1\"},\"pod\":{$2},
        \"spec\":{$3},\"status\":{\"conditions\":[{}]}}"
}
item pod.x.1 '"uid":"i-1"' "$sleeps"
item pod.x.2 "\"uid\":\"i-2\",\"namespace\":\"$long\",\"name\":\"x\"" "$sleeps"
item pod.x.3 '"uid":"i-3","namespace":"x","name":"3"' '"containers":[{}]'
item pod.x.4 '"uid":"i-4","namespace":"x","name":"4"' \
    '"containers":[{"name":"m","env":[{}],"command":["$(A)"]}]'
item pod.x.5 '"uid":"../../up","namespace":"x","name":"5"' "$sleeps"
item status.x.6 '"uid":"i-6","namespace":"default","name":"owner-empty"' ''

# --- what must still hold ----------------------------------------------------------------------

sleep 2
check 'the master lives' kill -0 "$(pid_of c 1)"
check 'the agent lives' kill -0 "$AGENT"
survives() { # words of the command line: it may refuse, but in order
    RC=0
    "$BARQUE" "$@" >"$T/out" 2>&1 || RC=$?
    cat "$T/out"
    [ "$RC" -le 6 ] && ! grep -q 'Sanitizer\|runtime error:' "$T/out"
}
look() { # at every list; the words that fail, if any
    for kind in namespaces nodes configmaps pods replicasets deployments events; do
        survives get "$kind" -o wide >&2 || echo "get $kind"
    done
    for words in 'describe node/odd' 'describe pod/nulls' 'describe pod/nameless' \
        'describe deployment/few' 'describe deployment/odd' 'describe rs/old-1' 'why pod/nulls' \
        'why pod/up' 'why deployment/few' 'why node/odd' 'status' 'logs nameless' \
        'rollout history deployment/old' 'rollout status deployment/odd --timeout 1s'; do
        # shellcheck disable=SC2086 # words
        survives $words >&2 || echo "$words"
    done
}
is 'the command line lives, with what cannot be read' "$(look 2>"$T/look")" '' ||
    note "$(grep -A 20 'Sanitizer\|runtime error:\|failed: ' "$T/look" | head -60)"
for kind in namespaces minions configmaps/default pods/default replicasets/default \
    deployments/default events/default; do
    "$BARQUE" kv del "/registry/$kind/g" >/dev/null
done
"$BARQUE" kv del /registry/pods/x >/dev/null
is '... and without' "$(look 2>"$T/look")" '' ||
    note "$(grep -A 20 'Sanitizer\|runtime error:\|failed: ' "$T/look" | head -60)"

cat >"$T/good.yaml" <<EOF
apiVersion: apps/v1
kind: Deployment
metadata: {name: good}
spec:
  replicas: 2
  selector: {matchLabels: {app: good}}
  template:
    metadata: {labels: {app: good}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: main, command: [/bin/sleep, '600']}
EOF
check 'a good deployment still becomes ready' "$BARQUE" apply -f "$T/good.yaml" --timeout 15s
is 'nothing is written outside the directories' \
    "$(ls "$T/c" | grep -v '^m1\|^n1\|^kind$\|^n$\|^flags$\|^initial$\|^endpoints$')" ''
is 'nor among them' \
    "$(cd "$(node_root c n1)" && ls -A | grep -vx 'pods\|events\|lock\|epoch')" ''

settled() { # no write within 2 s
    before=$(revision c 1); sleep 2
    [ "$(revision c 1)" = "$before" ]
}
check 'then nobody writes any more' wait_until 12 settled
check 'the master lives to the end' kill -0 "$(pid_of c 1)"
check 'the agent lives to the end' kill -0 "$AGENT"
end "$AGENT"
is 'the agent ends in order' "$RC" 0
check 'sanitizers have nothing to say to the agent' \
    sh -c '! grep -q "Sanitizer\|runtime error:" "$0"' "$T/c/n1.log"
plan
