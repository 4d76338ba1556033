#!/bin/sh
# clang-tidy (.clang-tidy says which checks, and why not the others) and cppcheck over all that ships:
# tools/analyze.sh BUILD. The build folder must have the generated headers. Ends with `N passed, N failed`, a file each.
set -u
cd "$(dirname "$0")/.." || exit 1
B=${1:?build folder}
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
found=$(mktemp)
trap 'rm -f "$found"' EXIT
for tool in clang-tidy cppcheck; do
    command -v "$tool" >/dev/null 2>&1 || { echo "analyze: $tool is not installed. Next: run 'make deps'." >&2; exit 2; }
done
sources=$(git ls-files '*.c' | grep -vE '^(tests|fuzz)/')

# A tool that cannot read a file says `error:`, too.
printf '%s\n' $sources | xargs -P "$jobs" -n 8 sh -c 'clang-tidy --quiet "$@" -- -std=gnu11 -D_GNU_SOURCE -iquote . \
    -iquote "$0/gen" -I"$0/gen/proto" '"$(pkg-config --cflags raft jansson libprotobuf-c)"' \
    -DBARQUE_VERSION=\"x\" -DBARQUE_COMMIT=\"x\" 2>/dev/null' "$B" |
    grep -E '(warning|error):' | sed "s|^$PWD/||" >"$found"
cppcheck --quiet -j "$jobs" --std=c11 --enable=warning,performance,portability --inline-suppr \
    --suppress=missingIncludeSystem "--suppress=*:$B/*" -I. -I"$B/gen" -D_GNU_SOURCE -DBARQUE_VERSION='""' \
    --template='{file}:{line}: {severity}: {message} [{id}]' $sources >>"$found" 2>&1
sort -u "$found"
n=$(printf '%s\n' $sources | wc -l)
bad=$(cut -d: -f1 "$found" | sort -u | wc -l)
printf '%d passed, %d failed\n' $((n - bad)) "$bad"
[ "$bad" -eq 0 ]
