#!/bin/sh
# Holds docs/etcd.md, the comparison with etcd, against the sources: tools/etcd-page.sh [flags]
#   without a word: prints `docs/etcd.md:1: what` for every method, JSON route, request field, flag and HTTP path that
#   there is and the page does not have, and the other way round; nothing when all is well (tools/lint.sh).
#   flags: the page's table of flags, made of tools/etcd-flags.txt and docs/flags.md (make etcd-page puts it there).
# What only a running member can tell is asked by tests/integration/etcdmd.test.sh.
set -eu
cd "$(dirname "$0")/.."
page=docs/etcd.md
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# The table rows of section $1: cells by tabs, without blanks around them.
rows() {
    awk -v want="## $1" '/^## / { on = ($0 == want); n = 0 }
        on && /^\|/ && n++ > 1 { gsub(/^\| *| *\|$/, ""); gsub(/ *\| */, "\t"); print }' $page
}
# The words in backticks of cell $1 of each row, alone or (with a second $2) after that cell.
words() {
    awk -F'\t' -v cell="$1" -v key="${2:-}" '{ head = ""; if (key != "") { head = $key; gsub(/`/, "", head); head = head "." }
        n = split($cell, part, "`"); for (i = 2; i <= n; i += 2) print head part[i] }'
}
# Both files are sorted; $3 is what a line of them is.
differ() {
    comm -23 "$1" "$2" | sed "s|^|$page:1: has no |; s|\$| ($3)|"
    comm -13 "$1" "$2" | sed "s|^|$page:1: has |; s|\$|, which does not exist ($3)|"
}

# --- methods and JSON routes -------------------------------------------------------------------

# "pkg.Service/Method RequestType" of every service that etcd has: node.proto is Barque's own.
protos=$(git ls-files 'proto/*.proto' | grep -v 'proto/node\.proto')
rpcs() {
    # shellcheck disable=SC2086
    awk '/^package / { pkg = $2; sub(/;/, "", pkg) } /^service / { svc = $2 }
        /^ *rpc / { line = $0; gsub(/[(){};]|stream /, " ", line); split(line, w, " ")
                    print pkg "." svc "/" w[2], w[3] }' $protos
}
# Served: a row of a table of methods. auth.c's macro has the service's name.
served() {
    git ls-files 'server/*.c' | grep -v 'server/guard\.c' | xargs cat |
        grep -oE '(^ *\{ |^ *\{ ?)"/[a-z0-9.A-Z]+/[A-Za-z]+", RPC_|^    ROW\("[A-Za-z]+", [a-z_]+, ' |
        sed -nE 's|.*"/(.*)",.*|\1|p; s|.*ROW\("([A-Za-z]+)".*|etcdserverpb.Auth/\1|p' | sort -u
}
# The macros of gateway.c say where a route begins.
routes() {
    awk '/^#define ROW/ { next }
        /^#define [A-Z]+\(path, method, r\)/ { split($2, w, "("); text = $0
            while (text !~ /"\/v3/) { getline; text = $0 }
            match(text, /"\/v3[^"]*"/); prefix[w[1]] = substr(text, RSTART + 1, RLENGTH - 2); next }
        /^    [A-Z]+\("/ { split($1, w, "("); split($0, q, "\""); print prefix[w[1]] q[2] }
        /^    \{ "\/v3/ { split($0, q, "\""); print q[2] }' server/gateway.c | sort -u
}

rpcs | cut -d' ' -f1 | sort >"$tmp/rpcs"
rows Methods >"$tmp/methods"
words 1 <"$tmp/methods" | sort >"$tmp/told"
awk -F'\t' '$3 != "absent"' "$tmp/methods" | words 1 | sort >"$tmp/told.served"
words 2 <"$tmp/methods" | sort -u >"$tmp/told.routes"
served >"$tmp/served"
routes >"$tmp/routes"

# --- fields of requests ------------------------------------------------------------------------

# "Message.field" of all that a request of a method can hold.
fields() {
    rpcs | awk '{ print "ask", $2 }' >"$tmp/asked"
    # shellcheck disable=SC2086
    awk 'FILENAME ~ /asked$/ { want[++n] = $2; next }
        { sub(/\/\/.*/, "") }
        /^message / { msg = $2 } /^}/ { msg = "" }
        /^  enum / { skip = 1 } skip && /^  }/ { skip = 0; next }
        msg != "" && !skip && /= *[0-9]+/ { at = ($1 == "repeated") ? 2 : 1; type = $at; sub(/.*\./, "", type)
            list[msg] = list[msg] " " $(at + 1) "/" type }
        END { for (i = 1; i <= n; i++) { if (seen[want[i]]++) continue
                k = split(list[want[i]], f, " ")
                for (j = 1; j <= k; j++) { split(f[j], w, "/"); print want[i] "." w[1]
                    if (w[2] in list) want[++n] = w[2] } } }' "$tmp/asked" $protos | sort
}
fields >"$tmp/fields"
rows 'Requests, field by field' >"$tmp/requests"
{ words 2 1 <"$tmp/requests"; words 3 1 <"$tmp/requests"; } | sort >"$tmp/told.fields"
# A member of a message, or of a union the case of which is all that is looked at.
git ls-files 'server/*.c' | xargs grep -ohE -- '->[a-z_0-9]+|REQUEST_UNION_[A-Z_]+' |
    sed 's/^REQUEST_UNION_/->/' | tr '[:upper:]' '[:lower:]' | sort -u >"$tmp/read"
# A name that several messages have tells nothing of one that nobody reads.
field_reads() { # cell, how many of its fields may be read (0, 1)
    words "$1" 1 <"$tmp/requests" | while read -r field; do
        name=$(printf '%s' "${field#*.}" | tr '[:upper:]' '[:lower:]')
        n=$(grep -cxe "->$name" "$tmp/read" || true)
        same=$(grep -c "\.${field#*.}\$" "$tmp/fields" || true)
        [ "$2" = 0 ] && [ "$same" -gt 1 ] && continue
        [ "$n" = "$2" ] ||
            echo "$page:1: $field is$([ "$n" = 1 ] || echo ' not') read by server/, and told otherwise"
    done
}

# --- HTTP --------------------------------------------------------------------------------------

sed -nE 's|^ *\{ "([A-Z]+)", "([^"]*)", .*|\1 \2|p' server/http.c | sort >"$tmp/http"
rows HTTP | awk -F'\t' '$1 !~ /(^`peer|\/v3|\?)/ && $2 == 200' | words 1 | grep '^GET' | sort >"$tmp/told.http"

# --- flags -------------------------------------------------------------------------------------

# A row a flag: in which etcd, the verdict, and what is done here by docs/flags.md; last those that etcd has not.
flag_table() {
    printf '| flag | etcd | | here |\n|---|---|---|---|\n'
    awk -F'\t' '
        function versions(r,  v, i, first, last) {
            for (i = 2; i <= 4; i++) if (r[i] != "-") { if (!first) first = i; last = i }
            if (!first) return ""
            return "3." first + 2 (last > first ? " to 3." last + 2 : "") }
        FILENAME ~ /flags\.md$/ {
            if (/^Taken /) kind = "no effect"; if (/^Refused/) kind = "refused"; if (/^## /) kind = "works"
            if (/^\| `--/) { split($0, c, / \| /); name = c[1]; gsub(/[|` ]|^--/, "", name); sub(/^--/, "", name)
                fate[name] = kind; own[++owns] = name; n = split($0, c, / \| /); last = c[n]; sub(/ \|$/, "", last)
                standard[name] = kind == "works" ? c[n - 1] : ""; text[name] = last; gsub(/ /, "", standard[name]) }
            if (/^- `--.*` is `--/) { split($0, c, "`"); a = c[2]; b = c[4]; sub(/^--/, "", a); sub(/^--/, "", b)
                fate[a] = "alias"; target[a] = b }
            next }
        /^#/ { next }
        { for (i = 2; i <= 6; i++) row[$1, i] = $i; order[++total] = $1 }
        END { for (k = 1; k <= total; k++) { f = order[k]; for (i = 2; i <= 4; i++) r[i] = row[f, i]
                if (!(f in fate)) { print "docs/etcd.md:1: --" f " is not in docs/flags.md" >"/dev/stderr"; continue }
                theirs = r[4]; if (theirs == "-") theirs = r[3]; if (theirs == "-") theirs = r[2]
                verdict = row[f, 5]; how = ""
                if (fate[f] == "alias") { verdict = row[target[f], 5]; how = "is `--" target[f] "`" (theirs == "-" ? ", in a file" : "") }
                else if (fate[f] == "works") { mine = standard[f]; if (mine == "") mine = "\047\047"
                    if (row[f, 6] !~ /^=/ && mine != theirs && theirs !~ /^(hidden|\?)$/ && mine != "\047\047" ) how = "default " mine ", etcd " theirs }
                else how = fate[f] ": " text[f]
                # What works is not absent, what is refused is nothing else.
                if (fate[f] == "works" && verdict == "absent" || fate[f] == "refused" && verdict != "absent")
                    print "docs/etcd.md:1: --" f " is told as " verdict ", but it " \
                        (fate[f] == "works" ? "works" : "is refused") ": tools/etcd-flags.txt" >"/dev/stderr"
                sub(/^= ?/, "", row[f, 6])
                if (row[f, 6] != "") how = how (how != "" ? "; " : "") row[f, 6]
                print "| `--" f "` | " versions(r) " | " verdict " | " how " |"; told[f] = 1 }
            for (i = 1; i <= owns; i++) if (!(own[i] in told))
                print "| `--" own[i] "` | | different | Barque\047s own: " text[own[i]] " |" }' docs/flags.md tools/etcd-flags.txt
}
case ${1:-} in
flags) flag_table; exit ;;
put)
    flag_table >"$tmp/table"
    awk -v table="$tmp/table" '/^<!-- flags: / { print; while ((getline line < table) > 0) print line; off = 1; next }
        /^<!-- end/ { off = 0 } !off' $page >"$tmp/page"
    cat "$tmp/page" >$page
    exit ;;
esac
flag_table 2>"$tmp/flags.none" >"$tmp/flags"
awk '/^<!-- end/ { on = 0 } on; /^<!-- flags: / { on = 1 }' $page >"$tmp/told.flags"

# --- the verdict -------------------------------------------------------------------------------
{
    differ "$tmp/rpcs" "$tmp/told" method
    differ "$tmp/served" "$tmp/told.served" 'method of server/'
    differ "$tmp/routes" "$tmp/told.routes" 'route of server/gateway.c'
    differ "$tmp/fields" "$tmp/told.fields" 'field of a request'
    field_reads 2 1
    field_reads 3 0
    differ "$tmp/http" "$tmp/told.http" 'path of server/http.c'
    cat "$tmp/flags.none"
    cmp -s "$tmp/flags" "$tmp/told.flags" || echo "$page:1: its flags are not those of docs/flags.md: make etcd-page"
    for section in Methods:3 HTTP:6 Tools:3 Flags:3; do
        rows "${section%:*}" | awk -F'\t' -v s="${section%:*}" -v at="${section#*:}" '$at !~ /^(same|better|different|absent)$/ {
            print "docs/etcd.md:1: no verdict on " $1 " in " s }'
    done
    # shellcheck disable=SC2016 # the backticks are the page's
    grep -oE '`[a-z0-9_-]+\.test\.sh`' $page | tr -d '`' | sort -u | while read -r t; do
        [ -f "tests/integration/$t" ] || echo "$page:1: names $t, which does not exist"
    done
} >"$tmp/problems"
cat "$tmp/problems"
