#!/bin/sh
# The tables of `make cov`: tests/cov/cov.sh BUILD [FOLDER | FILE.c | gaps | bars]. Counts each source file of a folder by
# what its own objects say (headers' inline functions are left out); with a folder, a row a file; with a file, each
# line of it that has a branch which was not taken, with their number and how often the line ran.
# Branches of statements that assert or log are left out. `gaps` holds what was not taken of the files whose bar says
# or-listed against tests/cov/gaps: exit 1 when a branch is not listed, or what is listed is not in the source. `bars`
# holds the counts against tests/cov/bars: exit 1 below.
set -u
cd "$(dirname "$0")/../.." || exit 1
B=${1:?build folder} only=${2:-}

# gcov's text of one source file, as "lines run, lines, branches taken, branches, file" or by line: with SHOW=missed those
# that have a branch nobody took, with SHOW=places "file:function branches missed, branches, text" of all that branch.
count() { # source.c
    gcov -b -c -t -o "$B/$(dirname "$1")" "$B/${1%.c}.gcno" 2>/dev/null | awk -v want="$1" -v show="${SHOW:-}" '
        function flush() {
            if (show == "missed" && missed) printf "%d of %d %s\n", missed, n, line
            if (show == "places" && n) print want ":" place, missed + 0, n, text
            missed = n = 0 }
        / 0:Source:/ { flush(); on = substr($0, length($0) - length(want) + 1) == want; next }
        !on { next }
        /^branch/ { if (quiet) next
                    n++; b_all++; if ($0 ~ /taken 0( |$)|never executed/) missed++; else b++; next }
        /^function/ { flush(); place = $2 }
        /^(call|function|unconditional)/ { next }
        { flush(); line = $0; count = $1; sub(/:.*/, "", count)
          if (count != "-") { l_all++; if (count !~ /^[#=]/) l++ }
          text = $0; sub(/^[^:]*:[^:]*: */, "", text)
          if (text ~ /^(PRE|INVARIANT|log_[a-z]+)\(/) asserting = 1
          quiet = asserting
          if (asserting && text ~ /;[ }]*(\/\*.*)?$/) asserting = 0 }
        END { flush(); if (show == "") printf "%d %d %d %d %s\n", l, l_all, b, b_all, want }'
}

all_counts() {
    find "$B" -name '*.gcno' | sed "s|^$B/||" | grep -vE '^(tests|gen|fuzz)/' | sort | while read -r notes; do
        [ ! -f "${notes%.gcno}.c" ] || count "${notes%.gcno}.c"
    done
}

# Each line that branches, beside what tests/cov/gaps says of it; its kinds are rows of docs/reliability.md.
gaps() {
    for source in $(awk '$3 ~ /or-listed/ { for (i = 4; i <= NF; i++) print $i }' tests/cov/bars); do
        case $source in *.c) SHOW=places count "$source" ;; esac
    done >"$B/places"
    awk '
        function bad(what, text) { printf "%-9s %s\n", what, text; wrong++ }
        FILENAME ~ /reliability.md$/ {
            if (/^## /) here = /Coverage/
            if (here && /^\| `[a-z-]+` \|/) kinds[substr($2, 2, length($2) - 2)]
            next }
        { text = $0; sub(/^[^ ]+ +[^ ]+ +[^ ]+ +/, "", text) }
        FILENAME ~ /gaps$/ {
            if ($0 ~ /^#/ || NF < 4) next
            if (!($2 in kinds)) bad("no kind", $0)
            else used[$2]
            n++; place[n] = $1; most[n] = $3; part[n] = text; whole[n] = $0; next }
        { branches += $3; covered = 0
          for (k = 1; k <= n; k++) if (place[k] == $1 && index(text, part[k])) {
              seen[k]; if ($2) hit[k]
              if (covered < most[k]) covered = most[k] }
          untaken += $2
          if ($2 > covered) bad("unlisted", sprintf("%s %d of %d: %s", $1, $2, $3, text)) }
        END { for (k = 1; k <= n; k++)
                  if (!(k in seen)) bad("gone", whole[k])
                  else if (!(k in hit)) { printf "%-9s %s\n", "stale", whole[k]; stale++ }
              for (k in kinds) if (!(k in used)) bad("no gap", k)
              printf "%d of %d branches untaken, %d gaps listed, %d of them taken by now, %d wrong\n",
                     untaken, branches, n, stale, wrong
              exit wrong > 0 }' docs/reliability.md tests/cov/gaps "$B/places"
}

bars() {
    gaps >"$B/gaps.log" && listed=1 || listed=0
    cat "$B/gaps.log"
    all_counts | awk -v listed="$listed" '
        function percent(part, whole) { return whole ? 100 * part / whole : 100 }
        function pattern(glob) { gsub(/\./, "\\.", glob); gsub(/\*/, ".*", glob); return "^" glob "$" }
        NR == FNR { if ($0 !~ /^#/ && NF > 3) { bar[++n] = $1; wl[n] = $2; wb[n] = $3; for (i = 4; i <= NF; i++)
                    globs[n] = globs[n] (i > 4 ? "|" : "") pattern($i) }; next }
        { for (k = 1; k <= n; k++) if ($5 ~ globs[k]) { l[k] += $1; ln[k] += $2; b[k] += $3; bn[k] += $4 } }
        END { printf "%-10s %8s %6s   %8s %6s\n", "", "lines", "bar", "branches", "bar"
              for (k = 1; k <= n; k++) {
                  pl = percent(l[k], ln[k]); pb = percent(b[k], bn[k])
                  reason = pb < wb[k] + 0 && wb[k] ~ /or-listed/ && listed
                  low = pl < wl[k] || pb < wb[k] + 0 && !reason
                  printf "%-10s %6.1f %% %4d %%   %6.1f %% %4d %%   %s\n", bar[k], pl, wl[k], pb, wb[k],
                         low ? "BELOW" : reason ? "ok, the rest is listed in gaps" : "ok"
                  bad += low }
              printf "%d passed, %d failed\n", n - bad, bad
              exit bad > 0 }' tests/cov/bars -
}

case $only in
*.c) SHOW=missed count "$only"; exit ;;
gaps | bars) "$only"; exit ;;
esac

all_counts | awk -v only="$only" '
    function percent(part, whole) { return whole ? 100 * part / whole : 100 }
    function row(name, l, ln, b, bn) {
        printf "%-28s %6d of %6d  %5.1f %%   %6d of %6d  %5.1f %%\n", name, l, ln, percent(l, ln),
               b, bn, percent(b, bn) }
    BEGIN { printf "%-28s %18s %8s   %18s\n", "", "lines reached", "", "branches taken" }
    { name = $5; if (only == "") sub(/\/[^\/]*$/, "", name); else if (index($5, only "/") != 1) next
      if (!(name in ln)) order[++n] = name
      l[name] += $1; ln[name] += $2; b[name] += $3; bn[name] += $4
      L += $1; LN += $2; B += $3; BN += $4 }
    END { for (i = 1; i <= n; i++) row(order[i], l[order[i]], ln[order[i]], b[order[i]], bn[order[i]])
          row("all", L, LN, B, BN) }'
