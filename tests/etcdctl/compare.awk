# Compares what etcdctl said of Barque (b) and of etcd (e), command by command, as TAP. Input: the list of commands,
# `where<tab>command`; variables: say (the folder with b/N.out and so on), rules, names_b, names_e, version, report,
# whole (all sessions have run: rules can be stale).
#
# Identifiers are replaced by their names first (each is random, but the same one must stand in the same place), then
# the rules of rules.txt that are for the command are applied to each line of both.

BEGIN {
    FS = "\t"
    names_read("b", names_b); names_read("e", names_e)
    rules_read()
}

{
    rules_for($2)
    n = answer("b", NR, $2); want = answer("e", NR, $2)
    same = n == want && line_of["b", n] != "exit 124" # that of timeout: it hung
    for (i = 1; same && i <= n; i++) same = line_of["b", i] == line_of["e", i]
    said = same ? "same" : "DIFFERS"
    if (same) equal++
    else if (is_meant(n)) { same = 1; other++; said = "differs as meant" }
    shown = $2; gsub(/#/, "No.", shown)
    print (same ? "ok " : "not ok ") NR " - " $1 " " substr(shown, 1, 120)
    print said "\t" $1 "\t" $2 >report
    if (!same) tell(n > want ? n : want)
    split("", line_of)
}

END {
    stale = 0
    for (r = 1; r <= rule_count; r++)
        if (whole && !used[r]) { stale++; print "not ok " (NR + stale) " - a rule is stale: " pattern[r] }
    if (!stale) print "ok " (NR + 1) " - each of " rule_count " rules is needed"
    print equal + 0 " of " NR " commands of etcdctl " version " answered line by line as by etcd, " other + 0 \
        " otherwise as meant" >report
}

function names_read(side, file,    line, part) {
    while ((getline line <file) > 0) {
        split(line, part, "\t")
        n = ++name_count[side]
        value[side, n] = part[1]; name[side, n] = part[2]
        gsub(/\./, "\\.", value[side, n])
    }
    close(file)
}

# version command-pattern ~ pattern => replacement, below a comment that says why.
function rules_read(    line, why, at, to) {
    while ((getline line <rules) > 0) {
        if (line ~ /^#/) { why = line; continue }
        if (line == "") { why = ""; continue }
        at = index(line, " ~ "); to = index(line, " => ")
        if (why == "" || !at || (!to && line !~ / ~ SORT/)) {
            print "Bail out! rules.txt: no reason, or no rule: " line
            exit 1
        }
        split(line, word, " ")
        if (word[1] != "any" && word[1] != version) continue
        r = ++rule_count
        command[r] = substr(line, length(word[1]) + 2, at - length(word[1]) - 2)
        meant[r] = to && substr(line, at + 3, to - at - 3) == "DIFFERS" ? substr(line, to + 4) : ""
        pattern[r] = to ? substr(line, at + 3, to - at - 3) : "SORT"
        if (!to) split_at[r] = substr(line, at + 8)
        replacement[r] = to ? substr(line, to + 4) : ""
        gsub(/&/, "\\\\&", replacement[r])
    }
    close(rules)
}

# Those that are for a command: mine[1..rules_mine], in their order; sorted: where its lines are cut, "" for at no place.
function rules_for(cmd,    r) {
    rules_mine = 0; sorted = 0
    for (r = 1; r <= rule_count; r++) {
        if (cmd !~ command[r]) continue
        if (pattern[r] == "SORT") sorted = used[r] = r
        else mine[++rules_mine] = r
    }
}

# The answer is another one than etcd's on purpose, and the one that was meant.
function is_meant(n,    i, k, got) {
    for (i = 1; i <= n && i < 100; i++) got = got line_of["b", i] "\n"
    for (k = 1; k <= rules_mine; k++)
        if (meant[mine[k]] != "" && got ~ meant[mine[k]]) return used[mine[k]] = 1
    return 0
}

# What was said, normalised, as line_of[side, 1..n]: stdout, stderr, the exit code. Returns n.
function answer(side, number, cmd,    base, n, rc) {
    base = say "/" side "/" number
    n = stream(side, 0, base ".out", "")
    n = stream(side, n, base ".err", "err: ")
    rc = "none"
    getline rc <(base ".rc"); close(base ".rc")
    line_of[side, ++n] = "exit " rc
    return n
}

function stream(side, n, file, mark,    line, first, parts, part, i) {
    first = n + 1
    while ((getline line <file) > 0) {
        line = mark clean(side, line)
        parts = sorted && split_at[sorted] != "" ? split(line, part, split_at[sorted]) : 0
        if (parts == 0) part[parts = 1] = line
        for (i = 1; i <= parts; i++) line_of[side, ++n] = part[i]
    }
    close(file)
    if (sorted) sort(side, first, n)
    return n
}

# Names for identifiers (which are long), then the command's rules.
function clean(side, line,    n, k, r) {
    if (line ~ /[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]|127\.0|barque-it/)
        for (n = name_count[side]; n > 0; n--)
            if (value[side, n] != "") gsub(value[side, n], name[side, n], line)
    for (k = 1; k <= rules_mine; k++) {
        r = mine[k]
        if (meant[r] == "" && gsub(pattern[r], replacement[r], line)) used[r] = 1
    }
    return line
}

function sort(side, first, last,    i, j, held) {
    for (i = first + 1; i <= last; i++) {
        held = line_of[side, i]
        for (j = i - 1; j >= first && line_of[side, j] > held; j--) line_of[side, j + 1] = line_of[side, j]
        line_of[side, j + 1] = held
    }
}

# The lines that differ, at most 20 pairs, of at most 400 characters.
function tell(n,    i, count) {
    for (i = 1; i <= n && count < 20; i++) {
        if (line_of["b", i] == line_of["e", i]) continue
        count++
        print "#   " i " etcd   | " substr(line_of["e", i], 1, 400)
        print "#   " i " barque | " substr(line_of["b", i], 1, 400)
    }
}
