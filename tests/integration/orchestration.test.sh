#!/bin/sh
# Three masters and three agents run examples/web.yaml through what goes wrong: an agent that dies
# and comes back, a node that dies, a leader that dies in the middle of a rollout, a program that
# crashes, a pod that fits nowhere, a master that is asked to leave.
. "$(dirname "$0")/lib.sh"

cluster_new c master 3
cluster_start c
BARQUE_ENDPOINTS=$(endpoints c); export BARQUE_ENDPOINTS
node_start() { # NAME [flag...]
    name=$1; shift
    agent_start c "$name" --capacity cpu=4,memory=4Gi,pods=50 "$@"
}
node_pid() { cat "$T/c/$1.pid"; }
for n in n1 n2 n3; do node_start "$n"; done

# --- what there is -----------------------------------------------------------------------------

objects() { ctl c get --prefix "/registry/$1" --print-value-only | sed '/^$/d'; } # JSON, one a line
pods() { objects pods/default/; }
# "name node ready" of the pods of app $1 that are not on their way out.
app_pods() {
    pods | jq -r --arg app "$1" 'select(.metadata.labels.app == $app and
        .metadata.deletionTimestamp == null) | [.metadata.name, .spec.nodeName // "-",
        ([.status.conditions[]? | select(.type == "Ready")][0].status // "-")] | join(" ")' | sort
}
ready() { [ "$(app_pods "$1" | grep -c ' True$')" = "$2" ] && [ "$(app_pods "$1" | wc -l)" = "$2" ]; }
nodes_ready() {
    [ "$(objects minions/ | jq -r 'select(.status.conditions[] |
        .type == "Ready" and .status == "True") | .metadata.name' | wc -l)" = "$1" ]
}
# "pod uid, container, attempt, pid" of the processes that run on a node.
processes() {
    (cd "$(node_root c "$1")/pods" 2>/dev/null || exit 0
     for f in */*/*/pid; do
         p=$(cut -d' ' -f1 "$f" 2>/dev/null)
         [ -n "$p" ] && [ ! -e "${f%pid}exit" ] && kill -0 "$p" 2>/dev/null && echo "$f $p"
     done | sort)
}
apply() { "$BARQUE" apply -f "$1" -d; }
edit() { # KEY JQ-FILTER: compare-and-set would be better manners; here nobody else writes
    ctl c put "$1" "$(ctl c get "$1" --print-value-only | jq -c "$2")" >/dev/null
}

check 'three agents become three nodes' wait_until 15 nodes_ready 3
check 'the example is applied' apply examples/web.yaml
check 'its six pods become ready' wait_until 20 ready web 6
is 'they are spread over the nodes' "$(app_pods web | cut -d' ' -f2 | sort | uniq -c | tr -d ' \n')" \
    2n12n22n3

# --- an agent dies and comes back --------------------------------------------------------------

before=$(processes n1); names=$(app_pods web)
check 'two programs run on n1' [ "$(printf '%s\n' "$before" | wc -l)" = 2 ]
end "$(node_pid n1)" KILL
node_start n1
sleep 4 # longer than the lease of the agent that died
is 'an agent that dies and returns keeps its programs' "$(processes n1)" "$before"
is '... and its pods' "$(app_pods web)" "$names"
end "$(node_pid n1)" TERM
is 'an agent that is asked to stop ends in order' "$RC" 0
node_start n1
sleep 4
is 'an agent that is restarted keeps its programs' "$(processes n1)" "$before"

# --- a node dies -------------------------------------------------------------------------------

node_kill() { # with all that runs there
    running=$(processes "$1" | cut -d' ' -f2)
    end "$(node_pid "$1")" KILL
    for p in $running; do kill -9 "-$p" 2>/dev/null; done
}
none_on() { ! app_pods web | grep -q " $1 "; }
replaced() { none_on "$1" && ready web 6; }
node_kill n3
start=$(now_ms)
check 'the pods of a dead node are replaced' wait_until 15 replaced n3
took=$(($(now_ms) - start))
note "measured: node death -> six pods ready elsewhere: $took ms"
check "within 5 s" [ "$took" -le 5500 ]
node_start n3
check 'the node returns' wait_until 10 nodes_ready 3
is 'and runs nothing of what was replaced' "$(processes n3)" ''

# --- an agent that was thought lost returns -----------------------------------------------------

check 'the pods are moved by a new template' edit /registry/deployments/default/web \
    '.spec.template.metadata.labels.version = "1" | .metadata.generation += 1'
check '... onto all nodes' wait_until 30 sh -c '[ -n "$(ls "$0"/pods/*/*/*/pid 2>/dev/null)" ]' \
    "$(node_root c n3)"
wait_until 30 ready web 6
check 'a program runs on n3' [ -n "$(processes n3)" ]
kill -STOP "$(node_pid n3)"
check 'a silent node counts as lost' wait_until 15 replaced n3
check 'its programs still run' [ -n "$(processes n3)" ]
kill -CONT "$(node_pid n3)"
check 'it returns' wait_until 20 nodes_ready 3
is 'and has stopped what was replaced before it said so' "$(processes n3)" ''

# --- the masters are away ------------------------------------------------------------------------

before=$(processes n1); names=$(app_pods web)
for i in 1 2 3; do member_end c "$i" KILL; done
end "$(node_pid n1)" KILL
node_start n1
sleep 5
is 'without masters a restarted agent stops nothing' "$(processes n1)" "$before"
for i in 1 2 3; do member_start c "$i"; done
check 'the masters return' wait_until 30 serving c
check 'and find all nodes alive' wait_until 20 nodes_ready 3
check 'and all pods' wait_until 20 ready web 6
sleep 4 # longer than a lease: nobody is given up afterwards
is 'which are the same ones' "$(app_pods web)" "$names"
is 'with the same programs' "$(processes n1)" "$before"

# --- the leader dies in the middle of a rollout ------------------------------------------------

leader_of_component() { # the m of the member whose election key is the oldest
    ctl c get --prefix "/barque/leaders/$1/" --sort-by CREATE --print-value-only --limit 1 |
        sed '/^$/d' | sed 's/^m//'
}
rolled() {
    ready web 6 && [ "$(objects deployments/default/web |
        jq '.status.updatedReplicas == 6 and .status.replicas == 6 and
            .status.observedGeneration == .metadata.generation')" = true ]
}
edit /registry/deployments/default/web \
    '.spec.template.metadata.labels.version = "2" | .metadata.generation += 1'
wait_until 10 sh -c "[ \$(etcdctl --endpoints $BARQUE_ENDPOINTS get --prefix --keys-only \
    /registry/replicasets/default/ | grep -c web) = 3 ]"
victim=$(leader_of_component controllers)
like 'the controllers have a leader' "m$victim" '^m[123]$'
member_end c "$victim" KILL
start=$(now_ms)
check 'a rollout is completed though its leader died' wait_until 30 rolled
note "measured: leader killed -> rollout complete: $(($(now_ms) - start)) ms"
is 'all pods are of the new version' \
    "$(pods | jq -r 'select(.metadata.deletionTimestamp == null) | .metadata.labels.version' | sort -u)" 2
member_start c "$victim"
check 'the member returns' wait_until 30 serving c

# --- a program that crashes --------------------------------------------------------------------

cat >"$T/crash.yaml" <<END
apiVersion: v1
kind: Pod
metadata: {name: crash, labels: {app: crash}}
spec:
  containers:
  - {name: main, command: [/bin/sh, -c, 'echo here; exit 7']}
---
apiVersion: v1
kind: Pod
metadata: {name: nothere, labels: {app: nothere}}
spec:
  restartPolicy: Never
  containers:
  - {name: main, command: [/no/such/program]}
END
container() { pods | jq -c --arg n "$1" "select(.metadata.name == \$n) | .status.containerStatuses[0] | $2"; }
restarted() { [ "$(container crash .restartCount)" -ge "$1" ]; }
start=$(now_ms)
apply "$T/crash.yaml" >/dev/null
note "measured: apply: $(($(now_ms) - start)) ms"
check 'a crashing container is started again' wait_until 20 restarted 3
took=$(($(now_ms) - start))
check 'after 1, 2 and 4 seconds' [ "$took" -ge 6500 ]
is 'its end is told' "$(container crash '.lastState.terminated.exitCode')" 7
like 'a program that is not there is told' "$(container nothere .state.terminated)" \
    'StartError.*no/such/program|no/such/program.*StartError'

# --- a program that says much ------------------------------------------------------------------

cat >"$T/loud.yaml" <<END
apiVersion: v1
kind: Pod
metadata: {name: loud, labels: {app: loud}}
spec:
  restartPolicy: Never
  containers:
  - {name: main, command: [/bin/sh, -c, 'echo begin; sleep 3; seq 1 300000; echo end']}
END
apply "$T/loud.yaml" >/dev/null
wait_until 10 ready loud 1
spawn "$T/loud.out" "$BARQUE" logs -f loud
check 'a log is followed to its end' wait_until 60 file_has "$T/loud.out" '^end$'
seq 1 300000 | { echo begin; cat; echo end; } >"$T/loud.want"
check 'and its rotation loses nothing' cmp "$T/loud.out" "$T/loud.want"
check 'it was rotated' sh -c 'ls "$0"/*.state/pods/*/main/0/log.1' "$T/c"

# --- a pod that fits nowhere -------------------------------------------------------------------

cat >"$T/picky.yaml" <<END
apiVersion: v1
kind: Pod
metadata: {name: picky, labels: {app: picky}}
spec:
  nodeSelector: {disk: ssd}
  containers:
  - {name: main, command: [/bin/sleep, '1000']}
END
why() { pods | jq -r 'select(.metadata.name == "picky") | .status.conditions[] | select(.type == "PodScheduled") | .message // ""'; }
apply "$T/picky.yaml" >/dev/null
check 'a pod that fits nowhere says so' wait_until 10 sh -c "etcdctl --endpoints $BARQUE_ENDPOINTS \
    get /registry/pods/default/picky | grep -q Unschedulable"
is 'and why' "$(why)" '0/3 nodes fit: 3 without label disk=ssd'
node_start n4 --labels disk=ssd
check 'it runs once a node fits' wait_until 10 ready picky 1
is 'on that node' "$(app_pods picky | cut -d' ' -f2)" n4

# --- deletion ----------------------------------------------------------------------------------

is 'a pod of the same name can follow' "$(
    ctl c del /registry/pods/default/picky >/dev/null
    apply "$T/picky.yaml" >/dev/null; wait_until 10 ready picky 1 && echo yes)" yes
ctl c del /registry/deployments/default/web >/dev/null
no_pods() { [ -z "$(app_pods web)" ] && ! pods | grep -q '"app":"web"'; }
check 'what belongs to a deleted deployment goes' wait_until 20 no_pods
no_items() { ! ctl c get --prefix /barque/nodes/ --keys-only | grep -q 'default\.web-'; }
check 'and its items' wait_until 10 no_items

# --- a master is asked to leave ----------------------------------------------------------------

leader=$(leader_of_component scheduler)
other_leads() { l=$(leader_of_component scheduler); [ -n "$l" ] && [ "$l" != "$leader" ]; }
member_end c "$leader" TERM
start=$(now_ms)
check 'another takes over' wait_until 10 other_leads
took=$(($(now_ms) - start))
note "measured: leader left -> next: $took ms"
check 'without waiting for the lease' [ "$took" -le 1500 ]
member_start c "$leader"
for n in n1 n2 n3 n4; do end "$(node_pid "$n")" TERM; done
pods_end
plan
