#!/bin/sh
# Puts a table of known bugs between the marks of a document: tests/recall/docs.sh TABLE DOCUMENT
set -eu
table=$1
document=$2
new=$(mktemp)
trap 'rm -f "$new"' EXIT
awk -v table="$table" '
    /<!-- recall: begin/ { print; while ((getline line < table) > 0) print line; skip = 1 }
    /<!-- recall: end/ { skip = 0 }
    !skip { print }' "$document" >"$new"
grep -q 'recall: end' "$new"
cat "$new" >"$document"
