#!/bin/sh
# Known bugs are nowhere in the product: tests/recall/recall.test.sh BUILD. TAP on stdout.
set -u
product=$1/barque
bugs=lib/base/bug.c
n=0
bad=0

check() { # name command...
    name=$1
    shift
    n=$((n + 1))
    if out=$("$@" 2>&1); then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        bad=1
        printf '%s\n' "$out" | sed 's/^/# /'
    fi
}

no_symbols() {
    [ -x "$product" ] || return 1
    nm "$product" | awk '$3 ~ /^bug_(is|select|selected|info|named)$/ { print; bad = 1 } END { exit bad }'
}

# What each bug is and where it is known from.
texts() {
    awk -F'"' '/^#/ { next } { for (i = 2; i <= NF; i += 2) if ($i ~ /[a-z] [a-z]/ && length($i) > 12) print $i }' $bugs
}

no_texts() {
    [ -x "$product" ] || return 1
    [ "$(texts | wc -l)" -ge 30 ] || { echo "$bugs: only $(texts | wc -l) texts"; return 1; }
    texts | while read -r text; do
        ! grep -qaF -- "$text" "$product" || { echo "$product has: $text"; exit 1; }
    done && ! grep -qaF BARQUE_BUG "$product"
}

check no_symbol_of_the_switches_is_in_the_product no_symbols
check no_text_of_the_table_is_in_the_product no_texts
echo "1..$n"
exit $bad
