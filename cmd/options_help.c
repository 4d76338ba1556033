/* What the table tells people: --help by groups, `--help NAME` of one option, docs/flags.md. */
#include <string.h>

#include "cmd/options.h"
#include "lib/base/str.h"

enum { HELP_COLUMN = 38 };

static bool shown(const struct option *o)
{
    return o->fate != OPT_WORKS || o->help != NULL;
}

/* Groups are told in their order, whatever the order of the rows. */
static const struct option *next_of(enum option_group group, const struct option *o)
{
    for (o = o == NULL ? option_table : o + 1; o < option_table + option_table_n; o++) {
        if (o->group == group && shown(o)) {
            return o;
        }
    }
    return NULL;
}

static size_t count(enum option_group group, enum option_fate fate)
{
    size_t n = 0;
    for (const struct option *o = next_of(group, NULL); o != NULL; o = next_of(group, o)) {
        n += o->fate == fate;
    }
    return n;
}

static bool has_default(const struct option *o)
{
    return o->fate == OPT_WORKS && o->standard != NULL && !str_eq(o->standard, "false");
}

static void help_line(const struct option *o, struct buf *out)
{
    autobuf left = BUF_INIT;
    buf_printf(&left, "  --%s%s%s", o->name, o->value != NULL ? " " : "",
               o->value != NULL ? o->value : "");
    buf_append_slice(out, buf_slice(&left));
    if (left.len + 2 > HELP_COLUMN) {
        buf_printf(out, "\n%*s", HELP_COLUMN, "");
    } else {
        buf_printf(out, "%*s", (int)(HELP_COLUMN - left.len), "");
    }
    buf_append_str(out, o->help);
    if (has_default(o)) {
        buf_printf(out, " (%s)", o->standard);
    }
    buf_append_char(out, '\n');
}

void options_help(struct buf *out)
{
    buf_append_str(out,
                   "A value comes from its flag; if that is not given, from the environment\n"
                   "(--data-dir: BARQUE_DATA_DIR, then ETCD_DATA_DIR); else it is the default in\n"
                   "parentheses. With --config-file the file alone counts.\n");
    for (enum option_group g = 0; g < GROUPS_N; g++) {
        if (count(g, OPT_WORKS) == 0) {
            continue;
        }
        buf_printf(out, "\n%s:\n", option_groups[g]);
        for (const struct option *o = next_of(g, NULL); o != NULL; o = next_of(g, o)) {
            if (o->fate == OPT_WORKS) {
                help_line(o, out);
            }
        }
    }
    buf_append_str(out, "\nEvery other flag of etcd 3.4 to 3.6 is known, too: it is taken, and a "
                        "line says what\nis done instead, or refused, and the message says why. "
                        "--help NAME tells of one,\n--help all of all (docs/flags.md).\n");
}

static const char *fate_text(const struct option *o)
{
    switch (o->fate) {
    case OPT_WORKS:
        return "works";
    case OPT_MOOT:
    case OPT_GATES:
        return "taken, no effect";
    case OPT_ABSENT:
        return "refused";
    case OPT_ALIAS:
        break;
    }
    return "another name";
}

int option_help(const char *name, struct buf *out, struct err *err)
{
    name += strspn(name, "-");
    const struct option *o = option_find(name);
    if (o == NULL || !shown(o)) {
        const char *near = option_nearest(name);
        return err_set(err, E_NOTFOUND, "no flag --%s%s%s%s", name,
                       near != NULL ? " (did you mean --" : "", near != NULL ? near : "",
                       near != NULL ? "?)" : "");
    }
    if (!str_eq(o->name, name)) {
        buf_printf(out, "--%s is --%s\n", name, o->name);
    }
    buf_printf(out, "--%s%s%s: %s%s", o->name, o->value != NULL ? " " : "",
               o->value != NULL ? o->value : "", o->fate == OPT_WORKS ? "" : fate_text(o),
               o->fate == OPT_WORKS ? "" : ": ");
    buf_append_str(out, o->help);
    if (has_default(o)) {
        buf_printf(out, " (%s)", o->standard);
    }
    buf_append_char(out, '\n');
    return 0;
}

void options_help_all(struct buf *out)
{
    for (enum option_group g = 0; g < GROUPS_N; g++) {
        buf_printf(out, "%s%s:\n", g > 0 ? "\n" : "", option_groups[g]);
        for (const struct option *o = next_of(g, NULL); o != NULL; o = next_of(g, o)) {
            buf_printf(out, "  --%s: %s: %s%s\n", o->name, fate_text(o),
                       o->fate == OPT_ALIAS ? "--" : "", o->help);
        }
    }
}

/* --- docs/flags.md ---------------------------------------------------------------------------- */

/* A | would end the cell. */
static void cell(struct buf *out, const char *text)
{
    for (; text != NULL && *text != '\0'; text++) {
        buf_append_str(out, *text == '|' ? "\\|" : (char[2]){ *text, '\0' });
    }
}

static void works_table(enum option_group g, struct buf *out)
{
    if (count(g, OPT_WORKS) == 0) {
        return;
    }
    buf_append_str(out, "\n| flag | value | default | what it does |\n|---|---|---|---|\n");
    for (const struct option *o = next_of(g, NULL); o != NULL; o = next_of(g, o)) {
        if (o->fate == OPT_WORKS) {
            buf_printf(out, "| `--%s` | ", o->name);
            cell(out, o->value);
            buf_printf(out, " | %s | ", o->standard != NULL ? o->standard : "");
            cell(out, o->help);
            buf_append_str(out, " |\n");
        }
    }
}

static void other_table(enum option_group g, enum option_fate fate, const char *head,
                        struct buf *out)
{
    if (count(g, fate) == 0) {
        return;
    }
    buf_printf(out, "\n%s\n\n| flag | silent for | instead |\n|---|---|---|\n", head);
    for (const struct option *o = next_of(g, NULL); o != NULL; o = next_of(g, o)) {
        if (o->fate == fate) {
            const char *none = o->standard == NULL ? "" : o->standard[0] ? o->standard : "empty";
            buf_printf(out, "| `--%s` | ", o->name);
            cell(out, none);
            buf_append_str(out, " | ");
            cell(out, o->help);
            buf_append_str(out, " |\n");
        }
    }
}

static void alias_list(enum option_group g, struct buf *out)
{
    if (count(g, OPT_ALIAS) == 0) {
        return;
    }
    buf_append_str(out, "\nOther names:\n\n");
    for (const struct option *o = next_of(g, NULL); o != NULL; o = next_of(g, o)) {
        if (o->fate == OPT_ALIAS) {
            buf_printf(out, "- `--%s` is `--%s`\n", o->name, o->help);
        }
    }
}

void options_markdown(struct buf *out)
{
    buf_append_str(
        out,
        "# The flags of a member\n"
        "Of `barque store` and `barque master`. Made from cmd/options_table.c by `make flags`: "
        "change it there.\n\n"
        "Every flag of an etcd 3.4, 3.5 or 3.6 server is in this table. One that means something "
        "here works. One that\nmeans nothing here is taken, and a line on stderr says what is "
        "done instead (none for the value that asks for\nwhat happens anyway). One that would "
        "change what is promised is refused, exit code 2. Others are refused with\nthe nearest "
        "name.\n\n"
        "Each is also a variable: `--data-dir` is `BARQUE_DATA_DIR`, then `ETCD_DATA_DIR`. The "
        "flag counts more (etcd does\nnot start when both are there; here a line says so). With "
        "`--config-file` (etcd's YAML, durations as nanoseconds\nor as texts like 10m, unknown "
        "keys refused) the file alone counts, as in etcd.\n");
    for (enum option_group g = 0; g < GROUPS_N; g++) {
        buf_printf(out, "\n## %s\n", option_groups[g]);
        works_table(g, out);
        other_table(g, OPT_MOOT, "Taken without effect:", out);
        other_table(g, OPT_GATES, "Taken one by one:", out);
        other_table(g, OPT_ABSENT, "Refused:", out);
        alias_list(g, out);
    }
}
