#!/bin/sh
# The house rules, checked: includes point down (tools/layers.txt), foreign headers only where they belong,
# files <= 600 lines, functions <= 70, lines <= 100, no forbidden calls, a README a folder; docs/etcd.md is true;
# nothing left behind by a run.
# Prints every problem as file:line: what; ends with `N problems`; exit 1 when there are any.
set -eu
cd "$(dirname "$0")/.."
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# 1. Layers and foreign headers.
git ls-files '*.c' '*.h' | grep -vE '^(tests|fuzz)/' | while read -r f; do
    [ -f "$f" ] || continue
    awk -v file="$f" '
        BEGIN {
            while ((getline line < "tools/layers.txt") > 0) {
                if (line ~ /^#/ || line !~ /:/) continue
                name = line; sub(/:.*/, "", name)
                rest = line; sub(/^[^:]*:/, "", rest)
                split(rest, half, "|")
                allow[name] = " " half[1] " "; foreign[name] = " " half[2] " "
                if (index(file, name "/") == 1 && length(name) > length(own)) own = name
            }
            if (own == "") { print file ":1: folder is not in tools/layers.txt"; exit }
        }
        /^#include "/ {
            path = $2; gsub(/"/, "", path); dir = path; sub(/\/[^\/]*$/, "", dir)
            if (dir == path) { print file ":" FNR ": include with the full path, not \"" path "\""; next }
            top = dir
            if (top !~ /^lib\//) sub(/\/.*/, "", top)
            if (top != own && index(allow[own], " " top " ") == 0)
                print file ":" FNR ": " own " may not include " path " (tools/layers.txt)"
        }
        /^#include </ {
            path = $2; gsub(/[<>]/, "", path)
            if (path !~ /^(raft|uv|nghttp2|protobuf-c|jansson|yaml|msgpack|openssl|cmocka)/) next
            ok = 0; n = split(foreign[own], fs, " ")
            for (i = 1; i <= n; i++) if (index(path, fs[i]) == 1) ok = 1
            if (!ok) print file ":" FNR ": " own " may not include <" path "> (tools/layers.txt)"
        }' "$f"
done >>"$out"

# 2. Sizes: a function is from its opening brace in column 0 to the closing one.
git ls-files '*.c' '*.h' | while read -r f; do
    [ -f "$f" ] || continue
    awk -v file="$f" '
        length($0) > 100 { print file ":" FNR ": line of " length($0) " columns (at most 100)" }
        /^\{$/ { start = FNR }
        /^\}$/ && start { if (FNR - start - 1 > 70)
            print file ":" start ": function of " (FNR - start - 1) " lines (at most 70)"; start = 0 }
        END { if (FNR > 600) print file ":1: " FNR " lines (at most 600)" }' "$f"
done >>"$out"

# 3. Calls that have a better form here.
git ls-files '*.c' '*.h' | grep -v '^lib/base/alloc' | while read -r f; do
    [ -f "$f" ] || continue
    awk -v file="$f" '
        { code = $0; gsub(/"([^"\\]|\\.)*"/, "\"\"", code); sub(/\/\/.*/, "", code); sub(/\/\*.*/, "", code)
          if (code ~ /^ \*/) next
          if (match(code, /(^|[^a-zA-Z0-9_])(strcpy|strcat|sprintf|gets|strtok|system|popen|atoi|atol|usleep|alloca)[ ]*\(/))
              print file ":" FNR ": forbidden call: " substr(code, RSTART, RLENGTH) ")"
          if (file !~ /^(tests|fuzz)\// && match(code, /(^|[^a-zA-Z0-9_])(malloc|calloc|realloc|strdup)[ ]*\(/))
              print file ":" FNR ": use lib/base/alloc.h: " substr(code, RSTART, RLENGTH) ")" }' "$f"
done >>"$out"

# 4. The pure floors see no clock, socket, file, random source or log.
git ls-files 'store/*.[ch]' 'api/*.[ch]' 'check/*.[ch]' | while read -r f; do
    [ -f "$f" ] || continue
    grep -nE '#include "lib/(io|base/(log|clock))|(^|[^a-z_])(time|clock_gettime|open|socket|rand|random|getenv)\(' "$f" |
        sed "s|^\([0-9]*\):.*|$f:\1: a pure floor may not do this|" || true
done >>"$out"

# 5. A README in each folder.
for d in $(git ls-files '*.c' | grep -vE '^tests/unit' | sed 's|/[^/]*$||' | sort -u); do
    case $d in kubelet/*|scheduler/*|*/*/*) continue ;; esac
    if [ ! -f "$d/README.md" ]; then printf '%s:1: no README.md\n' "$d"
    elif [ "$(wc -l <"$d/README.md")" -gt 30 ]; then printf '%s/README.md:1: over 30 lines\n' "$d"; fi
done >>"$out"

# 6. Known bugs: each has its row, its plan, and its switch in the file that the row names, only there.
bugs=lib/base/bug.c
awk '/^    \[BUG_/ { text = "" } { text = text $0 } /\},$/ && match(text, /\[BUG_[A-Z0-9_]+\]/) {
         name = substr(text, RSTART + 1, RLENGTH - 2); sub(/" \},$/, "", text); sub(/.*"/, "", text)
         print name, text; text = "" }' $bugs >"$out.bugs"
for bug in $(grep -oE '^    BUG_[A-Z0-9_]+,' lib/base/bug.h | tr -d ' ,' | grep -v '^BUG_NONE$'); do
    where=$(sed -n "s/^$bug //p" "$out.bugs")
    used=$(git ls-files '*.c' '*.h' | grep -vE '^(lib/base/bug\.|tests/)' | xargs grep -lw "$bug" | tr '\n' ' ')
    [ "$used" = "$where " ] || echo "$bugs:1: $bug is at \"$where\", but used in \"${used% }\""
    grep -qE "\[$bug\] = \{ FINDER_" tests/recall/plan.c || echo "tests/recall/plan.c:1: no plan for $bug"
done >>"$out"
rm -f "$out.bugs"

# 7. docs/etcd.md has every method, route, field of a request, path and flag, and no others.
tools/etcd-page.sh >>"$out"

# 8. What a run has left behind is not the project's: nothing else in the top folder, no empty file but fuzz inputs.
git ls-files | grep -v / | grep -vE '^(\..*|.*\.md|LICENSE|Makefile)$' | sed 's/$/:1: what is this in the top folder?/' >>"$out" || true
git ls-files -s | sed -n 's/^[0-9]* e69de29[0-9a-f]* 0\t//p' | grep -v '^fuzz/corpus/' | sed 's/$/:1: an empty file/' >>"$out" || true

cat "$out"
n=$(wc -l <"$out")
printf 'lint: %d problems\n' "$n"
[ "$n" -eq 0 ]
