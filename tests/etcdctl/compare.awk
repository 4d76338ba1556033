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
    said = "same"
    got = answer("b", NR, $2); want = answer("e", NR, $2)
    shown = $2; gsub(/#/, "No.", shown); shown = substr(shown, 1, 120)
    same = got == want && want !~ /exit 124$/ # that of timeout: it hung
    if (same) equal++
    else if (is_meant($2, got)) { same = 1; other++; said = "differs as meant" }
    if (!same) said = "DIFFERS"
    print (same ? "ok " : "not ok ") NR " - " $1 " " shown
    print said "\t" $1 "\t" $2 >report
    if (!same) tell(want, got)
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

# The answer is another one than etcd's on purpose, and the one that was meant.
function is_meant(cmd, got,    r) {
    for (r = 1; r <= rule_count; r++)
        if (meant[r] != "" && cmd ~ command[r] && got ~ meant[r]) return used[r] = 1
    return 0
}

# What was said, normalised: lines of stdout, of stderr, and the exit code.
function answer(side, n, cmd,    base, text, rc) {
    base = say "/" side "/" n
    text = stream(side, cmd, base ".out", "") stream(side, cmd, base ".err", "err: ")
    rc = "none"
    getline rc <(base ".rc"); close(base ".rc")
    return text "exit " rc
}

function stream(side, cmd, file, mark,    line, text, count, lines, part, i, n, sorted, r) {
    count = 0
    sorted = 0
    for (r = 1; r <= rule_count; r++)
        if (pattern[r] == "SORT" && cmd ~ command[r]) sorted = used[r] = r
    while ((getline line <file) > 0) {
        line = mark clean(side, cmd, line)
        n = sorted && split_at[sorted] != "" ? split(line, part, split_at[sorted]) : 0
        if (n == 0) part[n = 1] = line
        for (i = 1; i <= n; i++) lines[++count] = part[i]
    }
    close(file)
    if (sorted) sort(lines, count)
    text = ""
    for (i = 1; i <= count; i++) text = text lines[i] "\n"
    return text
}

function clean(side, cmd, line,    n, r) {
    for (n = name_count[side]; n > 0; n--)
        if (value[side, n] != "") gsub(value[side, n], name[side, n], line)
    for (r = 1; r <= rule_count; r++)
        if (pattern[r] != "SORT" && meant[r] == "" && cmd ~ command[r] && gsub(pattern[r], replacement[r], line)) used[r] = 1
    return line
}

function sort(lines, count,    i, j, held) {
    for (i = 2; i <= count; i++) {
        held = lines[i]
        for (j = i - 1; j > 0 && lines[j] > held; j--) lines[j + 1] = lines[j]
        lines[j + 1] = held
    }
}

# The lines that differ, at most 20 pairs, of at most 400 characters.
function tell(want, got,    w, g, i, n, count) {
    n = split(want, w, "\n"); i = split(got, g, "\n")
    if (i > n) n = i
    count = 0
    for (i = 1; i <= n && count < 20; i++) {
        if (w[i] == g[i]) continue
        count++
        print "#   " i " etcd   | " substr(w[i], 1, 400)
        print "#   " i " barque | " substr(g[i], 1, 400)
    }
}
