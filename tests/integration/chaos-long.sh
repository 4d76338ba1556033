#!/bin/sh
# Many short histories, one after the other, each with its seed against a new cluster: a line each, the sum at the end.
#   chaos-long.sh BUILD HISTORIES SECONDS SEED
# Faults of all kinds in turn; every 6th two at a time, every 8th with five masters, every 10th without a quorum at
# times, every 12th against a real etcd (not paused: a deposed leader of etcd 3.4 renews leases). Whatever did not hold stays in BUILD/chaos-long/SEED.log with the command.
set -u
B=${1:?build folder}; n=${2:?histories}; seconds=${3:?seconds}; seed=${4:?first seed}
ETCD=${ETCD:-build/peer/usr/bin/etcd}
out=$B/chaos-long; mkdir -p "$out"
held=0; violated=0; failed=0
# A copy: a build may replace the program meanwhile.
cp "$B/barque" "$out/barque" || exit 2

i=0
while [ "$i" -lt "$n" ]; do
    flags="--start 3 --nodes 3"
    [ $((i % 8)) -eq 7 ] && flags="--start 5 --nodes 2"
    [ $((i % 6)) -eq 5 ] && flags="$flags --together 2"
    [ $((i % 10)) -eq 9 ] && flags="$flags --break-quorum"
    [ $((i % 12)) -eq 11 ] && [ -x "$ETCD" ] && flags="--start-etcd $ETCD --faults kill,membership"
    begun=$(date +%s)
    # Our own words, without blanks.
    # shellcheck disable=SC2086
    "$out/barque" chaos run $flags --seed "$seed" --seconds "$seconds" >"$out/$seed.log" 2>&1
    rc=$?
    case $rc in
        0) held=$((held + 1)); word=held ;;
        1) violated=$((violated + 1)); word=VIOLATED ;;
        *) failed=$((failed + 1)); word="COULD NOT RUN ($rc)" ;;
    esac
    faults=$(grep -cE '^ +[0-9.]+ s  [a-z-]+ ' "$out/$seed.log")
    printf '%-9s seed %-6s %3ds %3d news  %s\n' "$word" "$seed" $(($(date +%s) - begun)) "$faults" "$flags"
    [ $rc -eq 0 ] && rm -f "$out/$seed.log"
    i=$((i + 1)); seed=$((seed + 1))
done
printf '%d histories: %d held, %d violated, %d could not be run\n' "$n" "$held" "$violated" "$failed"
[ "$violated" -eq 0 ] && [ "$failed" -eq 0 ]
