#!/bin/sh
# Authentication is on, and the orchestration goes on: masters, agents and the command line log in, each as
# a user who may no more than it needs; then a node is lost, passwords change under all of them, a leader dies.
. "$(dirname "$0")/lib.sh"

echo of-control >"$T/control.password"
for n in n1 n2 n3; do echo "of-$n" >"$T/$n.password"; done
cluster_new c master 3 --user=control "--password-file=$T/control.password" \
    --election-timeout=500 --heartbeat-interval=50
cluster_start c
BARQUE_ENDPOINTS=$(endpoints c); export BARQUE_ENDPOINTS
node_start() { # NAME USER
    agent_start c "$1" --driver fake --capacity cpu=4,memory=4Gi,pods=50 --user "$2" \
        --password-file "$T/$2.password"
}
barque() { "$BARQUE" "$@" </dev/null; }
node_start n1 n1; node_start n2 n2 # before there is any user

# --- users ---------------------------------------------------------------------------------------

admin() { ctl c --command-timeout 30s --user root:of-root "$@"; }
user() { # NAME [prefix...]: which it may read and write
    name=$1; shift
    ctl c user add "$name:of-$name" && ctl c role add "$name" && ctl c user grant-role "$name" "$name" || return 1
    for prefix; do ctl c role grant-permission "$name" readwrite "$prefix" --prefix || return 1; done
}
users() {
    user control /registry/ /barque/ && user people /registry/ && user other /other/ || return 1
    for n in n1 n2 n3; do user "$n" "/barque/nodes/$n/" "/barque/alive/$n" || return 1; done
    ctl c user add root:of-root && ctl c user grant-role root root && ctl c auth enable
}
node_is() { # NAME True|Unknown...
    admin get "/registry/minions/$1" --print-value-only |
        jq -e --arg s "$2" '.status.conditions[] | select(.type == "Ready") | .status == $s'
}
check 'the first node joins while authentication is off' \
    wait_until 20 sh -c "etcdctl --endpoints $BARQUE_ENDPOINTS get /registry/minions/n1 | grep -q minions"
check 'users are made and authentication is enabled' users
check 'a node that was there stays ready' wait_until 20 node_is n1 True
node_start n3 n3
check 'another joins' wait_until 20 node_is n3 True

# --- the command line -----------------------------------------------------------------------------

cat >"$T/web.yaml" <<'Y'
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 3
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers: [{ name: c, image: x, command: [sleep, "1000"] }]
Y
said() { barque "$@" 2>&1; echo "exit $?"; }
bench() { said bench --endpoints "$BARQUE_ENDPOINTS" --clients 4 --conns 2 --keys 500 --seconds 1 --warmup-seconds 0 "$@" | tr '\n' ' '; }
like 'bench: nobody is told to log in' "$(bench)" 'user name is empty\. Next: --user NAME.*exit 1'
like 'bench: a wrong password is refused' "$(bench --user root:wrong)" 'user root: .*authentication failed.*exit 1'
like 'bench: a user without the right is told so' "$(bench --user people:of-people)" 'permission denied\. Next: .*exit 1'
echo of-root >"$T/root.password"
for load in put watch past lease; do
    like "bench: $load as a user who may" "$(bench --load $load --user root --password-file "$T/root.password" -o json)" \
        '"ops": [1-9][0-9]*, "errors": 0,.*exit 0'
done
like 'nobody is told to log in' "$(said get pods)" \
    'etcdserver: user name is empty\. Next: --user NAME'
like 'a wrong password is refused' "$(said get pods --user people:wrong)" \
    'user people: etcdserver: authentication failed, invalid user ID or password\. Next: check --user'
like 'so is a watch' "$(said kv watch --prefix /registry/ --user people:wrong)" 'user people: etcdserver: authentication failed'
is '... with exit code 1' "$(said get pods --user people:wrong | tail -1)" 'exit 1'
like 'a user who may not is told so' "$(said get pods --user other:of-other)" \
    'etcdserver: permission denied\. Next: a user who may'
if command -v setsid >/dev/null; then
    # No terminal to ask at.
    like 'a user without a password is a mistake' \
        "$(setsid -w "$BARQUE" get pods --user people </dev/null 2>&1; echo "exit $?")" 'exit 2'
fi
BARQUE_USER=people:of-people; export BARQUE_USER
check 'who may applies' barque apply -f "$T/web.yaml" --timeout 60s
BARQUE_USER=people BARQUE_PASSWORD=of-people
export BARQUE_USER BARQUE_PASSWORD
check 'scales' barque scale deployment/web --replicas 4
ready() { [ "$(barque get pods | grep -c ' Running ')" = "$1" ]; }
check 'and sees four pods' wait_until 30 ready 4
like 'who may not see the elections is told so' "$(said status)" 'etcdserver: permission denied\. Next: a user who may'
is '... after what it may see' "$(barque status 2>/dev/null | grep -c '^m[123] .*127.0.0.1')" 3
check 'it may' admin role grant-permission people read /barque/leaders/ --prefix
check 'the state of the cluster is told' barque status
is 'a wrong password is not called a lost quorum' "$(barque status --user people:wrong >/dev/null 2>&1; echo $?)" 1
spawn "$T/watch" "$BARQUE" kv watch --prefix /registry/deployments/ -o json
watch_pid=$PID
in_argv() { tr '\0' ' ' <"/proc/$1/cmdline" | grep -q "$2"; }
spawn "$T/argv" "$BARQUE" kv watch --prefix /registry/nothing/ --user people:of-people
argv_pid=$PID
hidden() { ! in_argv "$argv_pid" of-people && in_argv "$argv_pid" xxxx; }
check 'the password is gone from the command line' wait_until 10 hidden

is 'a backup is what root may take' "$(barque snapshot save "$T/no.db" >"$T/backup.out" 2>&1; echo $?)" 1
like '... as people are told' "$(cat "$T/backup.out")" 'permission denied'
echo of-root >"$T/root.password"
check 'root takes it' barque snapshot save "$T/root.db" --user root --password-file "$T/root.password"

# --- the same at an etcd ---------------------------------------------------------------------------------

if [ -x "$ETCD" ]; then
    cluster_new e etcd 1
    cluster_start e
    etcds() { env -u BARQUE_USER -u BARQUE_PASSWORD "$BARQUE" kv "$@" --endpoints "$(endpoints e)" </dev/null; }
    ctl e user add root:rp >/dev/null && ctl e user grant-role root root >/dev/null
    check 'a user is taken where there is no authentication' etcds put k v --user root:rp
    ctl e auth enable >/dev/null
    check 'an etcd gives a token, too' etcds put k w --user root:rp
    is '... which it takes' "$(etcds get k --user root:rp)" w
    like 'it refuses what is wrong' "$(etcds get k --user root:no 2>&1)" 'user root: etcdserver: authentication failed'
    like 'and nobody' "$(etcds get k 2>&1)" 'etcdserver: user name is empty'
    member_end e 1
else
    skip 'an etcd gives a token, too' 'there is no etcd'
fi

# --- a node is lost --------------------------------------------------------------------------------

end "$(cat "$T/c/n1.pid")" KILL
moved() { ready 4 && ! barque get pods -o wide | grep -q ' n1 '; }
check 'the pods of a lost node are replaced' wait_until 30 moved
node_start n1 n2 # as another node's user
kept_out() { file_has "$T/c/n1.log" 'permission denied'; }
check 'who logs in as another node may not be this one' wait_until 20 kept_out
end "$(cat "$T/c/n1.pid")" KILL

# --- passwords change under them --------------------------------------------------------------------

# All tokens of a user are void with a new password. First the file, then the store.
new_password() {
    echo "new-$1" >"$T/$1.password"
    printf 'new-%s\n' "$1" | admin user passwd "$1" --interactive=false
}
alive() { for n in n2 n3; do admin get "/barque/alive/$n" -w json | jq '.kvs[0].create_revision'; done; }
before=$(alive)
for u in control n2 n3; do check "the password of $u is changed" wait_until 60 new_password "$u"; done
check 'the next scaling is carried out' barque scale deployment/web --replicas 6
check '... by all of them' wait_until 30 ready 6
is 'no node has lost its lease meanwhile' "$(alive)" "$before"
watched() { file_has "$T/watch" 'replicas[^,]{1,4}:6'; }
check 'the watch that was open has seen it' wait_until 20 watched
new_people() { printf 'of-people\n' | admin user passwd people --interactive=false; }
check 'the password of the watcher is set anew, to the same' wait_until 60 new_people

# --- the leader dies --------------------------------------------------------------------------------

leader=$(ETCDCTL_USER=root:of-root leader_of c)
check 'there is a leader' [ "$leader" != 0 ]
member_end c "$leader" KILL
check 'without it the next scaling is carried out' wait_until 30 barque scale deployment/web --replicas 5
check '... too' wait_until 40 ready 5
watched_too() { file_has "$T/watch" 'replicas[^,]{1,4}:5'; }
check 'the watch goes on with a new token at another member' wait_until 20 watched_too
end "$watch_pid" TERM
revisions() { sed -n 's/^.*"mod_revision": *\([0-9]*\).*/\1/p' "$T/watch"; }
check 'it has seen many revisions' [ "$(revisions | wc -l)" -ge 4 ]
is 'each once, in order' "$(revisions)" "$(revisions | sort -nu)"

# --- a wrong password in a file -----------------------------------------------------------------------

echo wrong >"$T/n1.password"
node_start n1 n1
check 'an agent with a wrong password says so' wait_until 20 \
    file_has "$T/c/n1.log" 'cannot log in user=n1 .*authentication failed'
tries() { grep -c 'cannot log in' "$T/c/n1.log"; }
echo of-n1 >"$T/n1.password"
check 'and joins once it is corrected' wait_until 60 node_is n1 True
check 'after few tries' [ "$(tries)" -le 8 ]
check 'an agent does not start without a password' sh -c \
    "env -u BARQUE_PASSWORD timeout 30 '$BARQUE' agent --node n9 --user n9 2>&1 | grep -q 'no password'"
plan
