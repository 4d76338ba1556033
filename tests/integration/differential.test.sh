#!/bin/sh
# The same random requests to three members of Barque and to a real etcd, every answer compared
# (tests/differential/README.md). SEED, REQUESTS and SECONDS_MAX choose another run.
. "$(dirname "$0")/lib.sh"

DUEL=$B/tests/duel
FLAGS='--heartbeat-interval=200 --election-timeout=2000 --max-request-bytes=8192'

if [ ! -x "$ETCD" ]; then
    skip 'every answer is like that of a real etcd' 'no etcd here'
    plan
    exit 0
fi

# clusters N: new ones, and equal; the addresses in BARQUES and ONE.
clusters() {
    # shellcheck disable=SC2086
    cluster_new "b$1" barque 3 $FLAGS
    # shellcheck disable=SC2086
    cluster_new "e$1" etcd 1 $FLAGS
    cluster_start "b$1"
    cluster_start "e$1"
    BARQUES=$(endpoints "b$1") ONE=$(endpoint "e$1" 1)
}

duel() { "$DUEL" --barque "$BARQUES" --etcd "$ONE" --seconds "${SECONDS_MAX:-25}" "$@" >"$T/duel.out" 2>&1; }

# A slow machine may cost one run its leader; not two.
for try in 1 2; do
    clusters "$try"
    duel --seed "${SEED:-1}" --requests "${REQUESTS:-3000}"
    RC=$?
    [ "$RC" = 3 ] || break
    note "$(cat "$T/duel.out")"
done
if [ "$RC" = 0 ]; then ok 'every answer is like that of a real etcd'
else not_ok "every answer is like that of a real etcd (exit $RC)"; fi
cut -c1-3000 "$T/duel.out"
asked=$(sed -n 's/^# measured: \([0-9]*\) requests.*/\1/p' "$T/duel.out")
check 'enough was asked' [ "${asked:-0}" -ge 500 ]

# --- a difference is found: each is put into one answer of Barque's -------------------------------

# finds PLANT PATTERN: a line of what is said.
finds() {
    duel --seed 5 --requests 1000 --plant "$1"
    if [ $? = 1 ] && grep -Eq "$2" "$T/duel.out"; then ok "a planted difference is found: $1"
    else not_ok "a planted difference is found: $1"; note "$(cut -c1-600 "$T/duel.out")"; fi
}
finds revision '^#   path     header\.revision$'
finds nested '^#   path     responses\[[0-9]+\]\.response_range\.kvs\[[0-9]+\]\.version$'
finds unknown '^#   path     unknown field 127$'
finds text '^#   path     status: '
finds event '^# differs: watch '
plan
