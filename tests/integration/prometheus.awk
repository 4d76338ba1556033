# Is it Prometheus' text format? Prints what is not; exit 1. Names, types before samples, families in
# one piece, no series twice, histograms that add up.
function bad(why) { print FILENAME ":" FNR ": " why ": " $0; failed = 1 }
function family(name, base) {
    base = name; sub(/_(bucket|sum|count)$/, "", base)
    return type[base] == "histogram" ? base : name
}
/^# HELP / { if ($3 in help) bad("told twice"); help[$3] = 1; next }
/^# TYPE / {
    if ($3 in type) bad("told twice")
    if ($4 !~ /^(counter|gauge|histogram)$/) bad("no such type")
    type[$3] = $4; current = $3; next
}
/^$/ || /^#/ { bad("neither a comment nor a sample"); next }
{
    if ($0 !~ /^[a-zA-Z_:][a-zA-Z0-9_:]*([{][a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\.)*"(,[a-zA-Z_][a-zA-Z0-9_]*="([^"\\]|\\.)*")*[}])? ([-+]?[0-9.]+([eE][-+]?[0-9]+)?|[-+]Inf|NaN)$/)
        bad("malformed sample")
    name = $0; sub(/[{ ].*/, "", name)
    value = $NF; series = substr($0, 1, length($0) - length(value) - 1)
    if (!(family(name) in type) || !(family(name) in help)) bad("no type or help")
    if (family(name) != current) bad("apart from its family")
    if (series in seen) bad("twice")
    seen[series] = 1
    if (type[family(name)] != "gauge" && value + 0 < 0) bad("a counter below zero")
    if (name ~ /_bucket$/ && type[family(name)] == "histogram") {
        if (value + 0 < last[family(name)] + 0) bad("buckets go down")
        last[family(name)] = value
        if (series ~ /le="\+Inf"/) { total[family(name)] = value; last[family(name)] = 0 }
    }
    if (name ~ /_count$/ && type[family(name)] == "histogram" && value != total[family(name)])
        bad("the count is not the last bucket")
}
END { if (FNR == 0) { print "nothing to read"; failed = 1 } exit failed }
