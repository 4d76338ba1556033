#!/bin/sh
# Shrinking, proven with gates turned off (raft/gates.h): tests/sim/shrink.test.sh BUILD. TAP on stdout.
# What each of three gates prevents is found by a seed; the shrunk run is much smaller, still breaks the same
# invariant with the bug, holds with the gate; of one, shrinking again gives the same file.
set -u
sim=$1/sim
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
n=0
bad=0

say() { # condition-status name
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; bad=1; fi
}

# "... acts 41 -> 3, client events 135 -> 2 ...": at most a quarter of the choices is left.
smaller() {
    printf '%s\n' "$1" | sed -n 's/.* acts \([0-9]*\) -> \([0-9]*\), client events \([0-9]*\) -> \([0-9]*\).*/\1 \2 \3 \4/p' |
        awk '{ found = 1; ok = $1 + $3 >= 4 * ($2 + $4) } END { exit !(found && ok) }'
}

shrinks() { # name mask
    mkdir -p "$dir/$1"
    "$sim" --gates-off "$2" --seeds 1..50 --shrink-failures "$dir/$1" >"$dir/out" 2>/dev/null
    about=$(grep '^shrunk: ' "$dir/out")
    echo "# measured: $1: $about"
    smaller "$about"; say $? "a_run_with_$1_shrinks_to_a_quarter_or_less"
    file=$(echo "$dir/$1"/seed-*.sim)
    "$sim" --replay "$file" --expect-violation >/dev/null; say $? "the_shrunk_run_still_fails_with_$1"
    "$sim" --replay "$file" >/dev/null; say $? "the_shrunk_run_holds_without_$1"
}

# Of the one that takes least: each of its trials is a run that is the same again, or this fails.
again() { # name mask
    mkdir -p "$dir/$1-again"
    "$sim" --gates-off "$2" --seeds 1..50 --shrink-failures "$dir/$1-again" >/dev/null 2>&1
    sed 's/-again//' "$dir/$1-again"/seed-*.sim | cmp -s - "$file"; say $? "shrinking_$1_again_gives_the_same_file"
}

shrinks a_random_answer 0x2
shrinks a_learner_that_never_votes 0x80
shrinks an_old_term_led_again 0x4
again an_old_term_led_again 0x4

# What the file says is judged: a passing seed is no violation, and a broken file is an error.
sed 's/^gates-off .*/gates-off 0x0/' "$file" >"$dir/holds.sim"
! "$sim" --replay "$dir/holds.sim" --expect-violation >/dev/null; say $? an_expected_violation_that_does_not_come_is_a_failure
echo 'founders many' >>"$dir/holds.sim"
"$sim" --replay "$dir/holds.sim" | grep -q 'holds.sim:[0-9]*: founders many'; say $? a_broken_file_is_refused_with_its_line
echo "1..$n"
exit $bad
