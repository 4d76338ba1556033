#!/bin/sh
# Every verb of the command line, typed at a real cluster of three masters and two agents: what it
# prints, what it changes, its exit codes; then with a master killed, then without a quorum.
. "$(dirname "$0")/lib.sh"

# run args...: OUT, ERR and RC of the command.
run() {
    RC=0
    OUT=$("$BARQUE" "$@" 2>"$T/err" </dev/null) || RC=$?
    ERR=$(cat "$T/err")
}
# exits SENTENCE CODE args...
exits() {
    sentence=$1; code=$2; shift 2
    run "$@"
    is "$sentence" "$RC" "$code" || note "$OUT" "$ERR"
}

web() { # REPLICAS CPU [LABEL]
    cat <<EOF
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web${3:+, $3}}
spec:
  replicas: $1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - name: web
        command: [/bin/sh, -c, 'trap "exit 0" TERM; echo one; echo two; while :; do sleep 1 & wait; done']
        resources: {requests: {cpu: $2}}
EOF
}
job() { # NAME: a pod that writes three lines and ends
    cat <<EOF
apiVersion: v1
kind: Pod
metadata: {name: $1, labels: {app: job}}
spec:
  restartPolicy: Never
  containers:
  - {name: main, command: [/bin/sh, -c, 'echo begin; sleep 1; echo middle; echo end']}
EOF
}
web_pods() { "$BARQUE" get pods -l app=web -o name; }
nodes_ready() { [ "$("$BARQUE" get nodes --no-headers | awk '$2 == "Ready"' | wc -l)" = 2 ]; }
pods_on() {
    "$BARQUE" get pods -o json | jq --arg n "$1" '[.items[] | select(.spec.nodeName == $n)] | length'
}
pods_are() { [ "$(web_pods | wc -l)" = "$1" ]; }

cluster_new c master 3
for i in 1 2 3; do member_start c "$i"; done
for node in n1 n2; do agent_start c "$node" --capacity cpu=4,memory=4Gi,pods=50; done
BARQUE_ENDPOINTS=$(endpoints c); export BARQUE_ENDPOINTS

# --- the command line itself -------------------------------------------------------------------

run --help
like "help shows servers and verbs in groups" "$OUT" '^Look:$'
like "help names the verbs" "$OUT" '^  apply '
exits "an unknown command is wrong usage" 2 aply
like "an unknown command gets the nearest name" "$ERR" 'did you mean apply\?'
exits "an unknown flag is wrong usage" 2 get pods --selecto a=b
like "an unknown flag gets the nearest name" "$ERR" 'did you mean --selector\?'
untaught=
for verb in apply completion cordon delete describe get kv logs rollout scale status uncordon \
    version why; do
    run "$verb" --help
    case $RC$OUT in 0*"  barque $verb"*"Exit codes:"*) ;; *) untaught="$untaught $verb" ;; esac
done
is "every verb's help shows how it is used" "$untaught" ""
run version
like "version is told" "$OUT" '^barque [0-9]+\.'
run completion bash
check "the completion for bash is a correct script" sh -c 'printf "%s" "$1" | bash -n' - "$OUT"
exits "nobody there is exit code 5" 5 get pods --endpoints 127.0.0.1:1 --timeout 1s
like "nobody there is said with the reason and what to do" "$ERR" 'refused.*Next: '

check "two nodes register and become ready" wait_until 30 nodes_ready

# --- kv ----------------------------------------------------------------------------------------

head -c 3000 /dev/urandom >"$T/bytes"
"$BARQUE" kv put t/bytes - <"$T/bytes" >/dev/null
"$BARQUE" kv get t/bytes >"$T/bytes.back"
check "a value goes through pipes byte for byte" cmp "$T/bytes" "$T/bytes.back"
run kv put t/a one -o json
revision=$(printf '%s' "$OUT" | jq .revision)
run kv put t/a two --prev-kv
is "a put can show what was there" "$OUT" "$(printf 'OK\nt/a\none')"
run kv get t/a --rev "$revision"
is "a value can be read as it was" "$OUT" one
run kv get --prefix t/ --keys-only
is "a prefix lists keys in order" "$OUT" "$(printf 't/a\nt/bytes')"
run kv get t/a -o json
is "json tells the revisions" "$(printf '%s' "$OUT" | jq -c '.kvs[0] | [.key, .value, .version]')" \
    '["t/a","two",2]'
exits "an absent key is exit code 3" 3 kv get t/absent
exits "deleting an absent key is exit code 3" 3 kv del t/absent
run kv del --prefix t/
is "a deletion counts" "$OUT" 2
run kv watch t/a --rev "$revision" --limit 3
is "a watch replays history, deletions too" "$OUT" "$(printf 'PUT\nt/a\none\nPUT\nt/a\ntwo\nDELETE\nt/a')"
exits "a wrong action of kv is wrong usage" 2 kv gett t/a

# --- apply -------------------------------------------------------------------------------------

web 3 100m | sed 's/replicas/replica/; s/cpu: 100m/cpu: 100q/' >"$T/bad.yaml"
exits "a wrong manifest is refused" 1 apply -f "$T/bad.yaml"
like "its first problem has a place and the nearest name" "$ERR" \
    'bad\.yaml:7:3: .*did you mean "replicas"\?'
like "its second problem is told as well" "$ERR" 'bad\.yaml:[0-9]+:[0-9]+: .*100q'
like "and nothing was sent" "$ERR" '2 problems; nothing was sent'
exits "no object came of it" 3 get deploy/web

web 3 100m tier:\ x >"$T/web.yaml"
run apply --dry-run -f "$T/web.yaml"
is "a dry run says what would happen" "$OUT" "deployment/web would be created"
exits "and does nothing" 3 get deploy/web
exits "apply waits until the deployment is there" 0 apply -f "$T/web.yaml"
like "it says what was created" "$OUT" '^deployment/web created$'
like "it ends with the rollout" "$OUT" '^deployment "web" successfully rolled out$'
is "three pods run then" "$("$BARQUE" get pods --no-headers | awk '$3 == "Running"' | wc -l)" 3
run apply -f "$T/web.yaml"
like "applying again changes nothing" "$OUT" '^deployment/web unchanged$'
"$BARQUE" get deploy/web -o yaml >"$T/live.yaml"
run apply -f "$T/live.yaml"
like "what get -o yaml prints can be applied" "$OUT" '^deployment/web unchanged$'
web 4 100m | "$BARQUE" apply --dry-run -f - >"$T/out" 2>&1
check "a dry run shows the differences" grep -q 'spec.replicas: 3 -> 4' "$T/out"
web 4 100m | "$BARQUE" apply -f - >"$T/out" 2>&1
check "a change shows its difference" grep -q 'spec.replicas: 3 -> 4' "$T/out"
run get deploy/web -o json
is "a label that left the manifest goes" "$(printf '%s' "$OUT" | jq -c '.metadata.labels')" \
    '{"app":"web"}'
is "the controller's annotation stays" \
    "$(printf '%s' "$OUT" | jq -r '.metadata.annotations["deployment.kubernetes.io/revision"]')" 1
web 4 100m | sed 's/app: web}}$/app: other}}/; s/labels: {app: web}}/labels: {app: other}}/' >"$T/sel.yaml"
exits "what may not change is refused" 1 apply -f "$T/sel.yaml"
like "the field is named" "$ERR" 'spec\.selector'
web 1 90 | sed 's/name: web$/name: huge/; s/app: web/app: huge/g' >"$T/huge.yaml"
exits "a rollout that does not come is exit code 6" 6 apply -f "$T/huge.yaml" --timeout 1s
like "and says how far it was" "$ERR" 'time is over.*deployment "huge"'
exits "a file that is not there is a failure" 1 apply -f "$T/nowhere.yaml"
unplaced() { "$BARQUE" why deploy/huge | grep -q cpu; }
wait_until 20 unplaced
run why deploy/huge
like "why names the constraint that no node satisfies" "$OUT" '^    pod/huge-.* has no node: .*cpu'
like "why says what to look at next" "$OUT" '^Next: barque get nodes'
web 2 50m | sed 's/name: web$/name: bad/; s/app: web/app: bad/g; s/echo one;/exit 3;/' |
    "$BARQUE" apply -d -f - >/dev/null
why_ends() { "$BARQUE" why deploy/bad | grep -q '2 pods: each container bad: CrashLoopBackOff.*exit code 3'; }
check "why counts the pods whose container ends" wait_until 20 why_ends
exits "why of what is absent is exit code 3" 3 why pod/absent
"$BARQUE" delete deploy/bad >/dev/null
exits "a rollout can be looked at without waiting" 0 rollout status deploy/huge --watch=false
exits "status says that something is off" 1 status
like "it names what is off target" "$OUT" 'default/deployment/huge +1 '
exits "a deployment is deleted" 0 delete deploy huge
mkdir "$T/folder"
job job-1 >"$T/folder/b.yaml"; printf 'apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n' >"$T/folder/c.yml"
run apply -f "$T/folder"
is "a folder is applied, namespaces first" "$OUT" "$(printf 'namespace/other created\npod/job-1 created')"

# --- get, describe -----------------------------------------------------------------------------

run get pods -l app=web
like "a table has kubectl's columns" "$OUT" '^NAME +READY +STATUS +RESTARTS +AGE$'
run get pods -l app=web -o wide
like "wide shows the node" "$OUT" ' n[12]$'
pod=$(web_pods | head -1); pod=${pod#pod/}
run get pod "$pod" -o json
is "json is the object" "$(printf '%s' "$OUT" | jq -r '.kind + .metadata.name')" "Pod$pod"
run get pods -o json
is "json of many is a List" "$(printf '%s' "$OUT" | jq -r '.kind')" List
run get pods -l 'app in (web),tier=x'
is "a selector that fits nothing lists nothing" "$OUT" ""
run get deploy,rs
like "several kinds are several tables" "$OUT" '^NAME +DESIRED'
run get pods -A --no-headers
like "all namespaces show the namespace" "$OUT" '^default +'
run get pods -n other
like "an empty namespace is said on stderr" "$ERR" 'No pods in namespace other'
exits "an absent object is exit code 3" 3 get pods "$pod" absent
like "what is there is shown all the same" "$OUT" "^$pod "
exits "an unknown kind is wrong usage" 2 get pdos
exits "an unknown format is wrong usage" 2 get pods -o xml
scheduled() { "$BARQUE" describe pod "$pod" | grep -q Scheduled; }
wait_until 20 scheduled
run describe pod "$pod"
like "describe tells the node" "$OUT" '^Node: +n[12]$'
like "describe lists events" "$OUT" 'Scheduled'
run describe deploy/web
like "describe tells a deployment's replicas" "$OUT" '^Replicas: +4 wanted, 4 there'
exits "describing what is absent is exit code 3" 3 describe pod/absent

# --- logs --------------------------------------------------------------------------------------

logged() { "$BARQUE" logs "$1" | grep -qx "$2"; }
check "logs come from the pod's node" wait_until 10 logged "$pod" two
run logs "$pod" --tail 1
is "the tail can be asked for" "$OUT" two
run logs "$pod" --timestamps
like "lines can have their time" "$OUT" '^20[0-9-]+T[0-9:.]+Z one$'
run logs deploy/web -c web
like "a deployment's logs are those of one pod" "$OUT" '^one$'
exits "following ends with the container" 0 logs -f job-1
is "following loses no line" "$OUT" "$(printf 'begin\nmiddle\nend')"
exits "logs of an absent pod are exit code 3" 3 logs absent
exits "logs of an absent container are exit code 3" 3 logs "$pod" -c absent

# --- scale, rollout ----------------------------------------------------------------------------

run scale deploy/web --replicas 2
is "scale says from what to what" "$OUT" "deployment/web scaled from 4 to 2"
exits "rollout status waits" 0 rollout status deploy/web
check "two pods are left" wait_until 20 pods_are 2
exits "scaling from a wrong size is a conflict" 4 scale deploy web --replicas 9 --current-replicas 7
exits "scaling what is absent is exit code 3" 3 scale deploy/absent --replicas 1
like "and says where to look" "$ERR" 'Next: barque get deployments -A$'
exits "scaling pods is wrong usage" 2 scale pod/"$pod" --replicas 1
web 2 50m | "$BARQUE" apply -f - >/dev/null
run rollout history deploy/web
is "history lists the revisions" "$(printf '%s\n' "$OUT" | awk 'NR > 1 {print $1}' | tr '\n' ' ')" "1 2 "
exits "undo goes back" 0 rollout undo deploy/web
exits "and the rollout completes" 0 rollout status deploy/web --timeout 30s
is "the old template is there again" \
    "$("$BARQUE" get deploy web -o json | jq -r '.spec.template.spec.containers[0].resources.requests.cpu')" 100m
is "without the hash label" \
    "$("$BARQUE" get deploy web -o json | jq -c '.spec.template.metadata.labels')" '{"app":"web"}'
exits "a revision that never was is exit code 3" 3 rollout undo deploy/web --to-revision 99
before=$(web_pods | sort)
exits "restart makes new pods" 0 rollout restart deploy/web
exits "one after the other" 0 rollout status deploy/web --timeout 30s
check "two pods are left again" wait_until 20 pods_are 2
is "none of them is an old one" "$(printf '%s\n' "$before" "$(web_pods)" | sort | uniq -d)" ""

# --- cordon ------------------------------------------------------------------------------------

run cordon n1
is "a node is cordoned" "$OUT" "node/n1 cordoned"
run get nodes
like "and shows it" "$OUT" '^n1 +Ready,SchedulingDisabled'
before=$(pods_on n1)
"$BARQUE" scale deploy/web --replicas 6 >/dev/null
"$BARQUE" rollout status deploy/web >/dev/null
is "no new pod comes there" "$(pods_on n1)" "$before"
run uncordon n1
is "it is opened again" "$OUT" "node/n1 uncordoned"
exits "a node that is absent is exit code 3" 3 cordon n9
"$BARQUE" scale deploy/web --replicas 2 >/dev/null
check "two pods are left over" wait_until 20 pods_are 2

# --- delete ------------------------------------------------------------------------------------

pod=$(web_pods | head -1)
exits "delete waits until the pod is gone" 0 delete "$pod"
is "and says so" "$OUT" "$pod deleted"
exits "it is gone" 3 get "$pod"
check "it is replaced" wait_until 20 pods_are 2
pod=$(web_pods | head -1)
exits "delete need not wait" 0 delete "$pod" --wait=false
like "and says that it does not" "$OUT" 'is being deleted$'
check "two pods stand again" wait_until 20 pods_are 2
pod=$(web_pods | head -1)
exits "force deletes at once" 0 delete "$pod" --force
exits "at once, indeed" 3 get "$pod"
exits "deleting what is absent is exit code 3" 3 delete pod absent
exits "unless that is fine" 0 delete pod absent --ignore-not-found
exits "delete without a target is wrong usage" 2 delete pods
exits "a selector deletes" 0 delete pods -l app=job
exits "what it chose is gone" 3 get pod/job-1
exits "a manifest says what to delete" 0 delete -f "$T/folder" --ignore-not-found
exits "it is deleted" 3 get ns/other

# --- a master dies: watches move, nothing is lost ------------------------------------------------

web 2 100m | "$BARQUE" apply -f - >/dev/null
exits "all is well" 0 status
like "status shows the leader" "$OUT" '^m[123] +127.* leader '
like "status shows who leads the controllers" "$OUT" '^controllers +m[123] +2$'
like "status shows the nodes" "$OUT" '^n1 +Ready +[0-9]+/50 '
spawn "$T/watch" "$BARQUE" get pods -l app=web -w --no-headers
watch_pid=$PID
spawn "$T/kv" "$BARQUE" kv watch --prefix w/ --keys-only
check "a watch begins with what is there" wait_until 10 file_has "$T/watch" 'Running' 2
"$BARQUE" kv put w/0 x >/dev/null
check "a watch of keys shows a change" wait_until 10 file_has "$T/kv" '^w/0$'
# Whichever member they were on, it is gone at some moment.
for i in 1 2 3; do
    member_end c "$i" KILL
    "$BARQUE" kv put "w/$i" x --timeout 20s >/dev/null
    member_start c "$i"
    wait_until 20 sh -c "'$BARQUE' status --timeout 5s | grep -Eq '^m$i .* (leader|follower) '"
done
check "the watch of keys moved" wait_until 10 file_has "$T/kv" '^# the watch moved to 127'
check "it shows the last change" wait_until 10 file_has "$T/kv" '^w/3$'
is "it lost nothing and repeated nothing" "$(grep '^w/' "$T/kv" | tr '\n' ' ')" "w/0 w/1 w/2 w/3 "
exits "the cluster can still be changed" 0 scale deploy/web --replicas 3
check "the watch of pods goes on" wait_until 20 sh -c "[ \"\$(grep Running '$T/watch' | awk '{print \$1}' | sort -u | wc -l)\" -ge 3 ]"
check "it is still the same process" kill -0 "$watch_pid"
exits "deleting a deployment leaves no pods" 0 delete deploy/web
check "its pods go" wait_until 20 pods_are 0

# --- no quorum ---------------------------------------------------------------------------------

member_end c 1 KILL
exits "a missing member is something off" 1 status
like "it is named" "$OUT" '^m1 .* unreachable '
member_end c 2 KILL
exits "no quorum is exit code 5" 5 get pods --timeout 2s
exits "also for writes" 5 kv put a b --timeout 2s
exits "also for what waits" 5 rollout status deploy/web --timeout 2s
exits "status knows it" 5 status
like "and names who is missing" "$ERR" '2 of 3 members do not answer \((m1, m2|m2, m1)\)'
exits "stale reads go on" 0 kv get --serializable --prefix /registry/ --keys-only
like "and find what is there" "$OUT" '^/registry/minions/n1$'

for node in n1 n2; do end "$(cat "$T/c/$node.pid")" KILL; done
end "$watch_pid" KILL
member_end c 3 KILL
# shellcheck disable=SC2086
kill -9 $PIDS 2>/dev/null
pods_end
check "no process is left" no_process_of_ours
plan
