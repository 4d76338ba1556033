/* Parsing and printing the shim's rules: one table of statements, one of each statement's words.
 *
 * A line is words between blanks: a statement, its subject (of link and conn), then `key=value` or
 * plain words. A mistake names the line, the word and what would have been right. */
#include "lib/io/fault_rules.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

enum {
    WORDS_MAX = 16,
    WORD_MAX_BYTES = 2 * FAULT_NAME_MAX + 2,
};

#define WALL_MAX_MS ((int64_t)100 * 365 * 86400 * 1000)

struct line {
    char words[WORDS_MAX][WORD_MAX_BYTES];
    size_t n;
};

/* --- values ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    int errnum;
} errnos[] = { { "EIO", EIO }, { "ENOSPC", ENOSPC }, { "EDQUOT", EDQUOT }, { "EROFS", EROFS } };

static int parse_errno(const char *text, void *into, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(errnos); i++) {
        if (str_eq(text, errnos[i].name)) {
            *(int *)into = errnos[i].errnum;
            return 0;
        }
    }
    return err_set(err, E_INVAL, "\"%s\" is none of EIO, ENOSPC, EDQUOT, EROFS", text);
}

/* Plain decimals only: no sign, no exponent, no "inf". */
static int parse_chance(const char *text, void *into, struct err *err)
{
    char *end = NULL;
    if (text[0] != '\0' && text[strspn(text, "0123456789.")] == '\0') {
        double p = strtod(text, &end);
        if (end != text && *end == '\0' && p >= 0 && p <= 1) {
            *(double *)into = p;
            return 0;
        }
    }
    return err_set(err, E_INVAL, "\"%s\" is not a probability from 0 to 1", text);
}

static int parse_range(const char *text, void *into, struct err *err)
{
    char low[24];
    uint64_t min;
    uint64_t max;
    const char *dots = strstr(text, "..");
    size_t len = dots != NULL ? (size_t)(dots - text) : strlen(text);
    if (len < sizeof low) {
        memcpy(low, text, len);
        low[len] = '\0';
        const char *high = dots != NULL ? dots + 2 : low;
        if (str_parse_u64(low, FAULT_DELAY_MAX_MS, &min) == 0 &&
            str_parse_u64(high, FAULT_DELAY_MAX_MS, &max) == 0 && min <= max) {
            *(struct fault_range *)into = (struct fault_range){ (uint32_t)min, (uint32_t)max };
            return 0;
        }
    }
    return err_set(err, E_INVAL, "\"%s\" is not A or A..B milliseconds, at most %d", text,
                   FAULT_DELAY_MAX_MS);
}

static int parse_wall(const char *text, void *into, struct err *err)
{
    int64_t ms;
    bool sign = text[0] == '+' || text[0] == '-';
    if (!sign || !isdigit((unsigned char)text[1]) ||
        str_parse_i64(text[0] == '+' ? text + 1 : text, &ms) != 0 || ms < -WALL_MAX_MS ||
        ms > WALL_MAX_MS) {
        return err_set(err, E_INVAL, "\"%s\" is not +N or -N milliseconds", text);
    }
    *(int64_t *)into = ms;
    return 0;
}

static int parse_name(const char *text, char *into, struct err *err)
{
    size_t len = strlen(text);
    if (len == 0 || len > FAULT_NAME_MAX) {
        return err_set(err, E_INVAL, "\"%s\" is not a name or host:port of 1 to %d bytes", text,
                       FAULT_NAME_MAX);
    }
    return str_copy(into, FAULT_NAME_MAX + 1, text) ? 0 : E_INVAL;
}

static int parse_conn(const char *text, enum fault_conn *into, struct err *err)
{
    if (str_eq(text, "stall")) {
        *into = FAULT_CONN_STALL;
    } else if (str_eq(text, "refuse")) {
        *into = FAULT_CONN_REFUSE;
    } else {
        return err_set(err, E_INVAL, "\"%s\" is neither stall nor refuse", text);
    }
    return 0;
}

/* --- words of a statement -------------------------------------------------------------------- */

struct word {
    const char *name; /* with '=' at its end when a value follows */
    int (*parse)(const char *text, void *into, struct err *err); /* NULL: sets a bool */
    size_t offset;
};

static const struct word link_words[] = {
    { "cut", NULL, offsetof(struct fault_link, cut) },
    { "drop=", parse_chance, offsetof(struct fault_link, drop) },
    { "duplicate=", parse_chance, offsetof(struct fault_link, duplicate) },
    { "reorder=", parse_chance, offsetof(struct fault_link, reorder) },
    { "delay_ms=", parse_range, offsetof(struct fault_link, delay_ms) },
    { 0 },
};

static const struct word disk_words[] = {
    { "sync_ms=", parse_range, offsetof(struct fault_disk, sync_ms) },
    { "write_ms=", parse_range, offsetof(struct fault_disk, write_ms) },
    { "full", NULL, offsetof(struct fault_disk, full) },
    { "sync_fails=", parse_errno, offsetof(struct fault_disk, sync_fails) },
    { "write_fails=", parse_errno, offsetof(struct fault_disk, write_fails) },
    { "track_unsynced", NULL, offsetof(struct fault_disk, track_unsynced) },
    { 0 },
};

static const struct word clock_words[] = {
    { "wall_ms=", parse_wall, 0 },
    { 0 },
};

static int unknown_word(const char *text, const struct word *words, struct err *err)
{
    autobuf valid = BUF_INIT;
    for (const struct word *w = words; w->name != NULL; w++) {
        buf_printf(&valid, "%s%s", w == words ? "" : ", ", w->name);
    }
    return err_set(err, E_INVAL, "unknown word \"%s\" (valid: %s)", text, buf_str(&valid));
}

static int parse_word(const char *text, const struct word *words, void *into, struct err *err)
{
    for (const struct word *w = words; w->name != NULL; w++) {
        void *field = (char *)into + w->offset;
        if (w->parse == NULL) {
            if (str_eq(text, w->name)) {
                *(bool *)field = true;
                return 0;
            }
        } else if (str_starts(text, w->name)) {
            return w->parse(text + strlen(w->name), field, err);
        }
    }
    return unknown_word(text, words, err);
}

static int parse_words(const struct line *l, size_t from, const struct word *words, void *into,
                       struct err *err)
{
    int rv = 0;
    if (l->n <= from) {
        return unknown_word("", words, err);
    }
    for (size_t i = from; i < l->n && rv == 0; i++) {
        rv = parse_word(l->words[i], words, into, err);
    }
    return rv;
}

/* --- statements ------------------------------------------------------------------------------ */

static int statement_seed(const struct line *l, struct fault_rules *r, struct err *err)
{
    if (l->n != 2 || str_parse_u64(l->words[1], UINT64_MAX, &r->seed) != 0) {
        return err_set(err, E_INVAL, "one number must follow");
    }
    return 0;
}

static int statement_link(const struct line *l, struct fault_rules *r, struct err *err)
{
    struct fault_link link = { 0 };
    char ends[WORD_MAX_BYTES];
    if (r->n_links == FAULT_LINKS_MAX) {
        return err_set(err, E_TOOBIG, "more than %d links", FAULT_LINKS_MAX);
    }
    str_copy(ends, sizeof ends, l->n > 1 ? l->words[1] : "");
    char *arrow = strchr(ends, '>');
    if (arrow == NULL) {
        return err_set(err, E_INVAL, "\"%s\" is not FROM>TO", ends);
    }
    *arrow = '\0';
    int rv = parse_name(ends, link.from, err);
    if (rv == 0) {
        rv = parse_name(arrow + 1, link.to, err);
    }
    if (rv == 0) {
        rv = parse_words(l, 2, link_words, &link, err);
    }
    if (rv == 0) {
        r->links[r->n_links++] = link;
    }
    return rv;
}

static int statement_conn(const struct line *l, struct fault_rules *r, struct err *err)
{
    struct fault_conn_rule conn = { 0 };
    if (r->n_conns == FAULT_CONNS_MAX) {
        return err_set(err, E_TOOBIG, "more than %d conns", FAULT_CONNS_MAX);
    }
    if (l->n != 3) {
        return err_set(err, E_INVAL, "ADDRESS and stall or refuse must follow");
    }
    int rv = parse_name(l->words[1], conn.address, err);
    if (rv == 0) {
        rv = parse_conn(l->words[2], &conn.what, err);
    }
    if (rv == 0) {
        r->conns[r->n_conns++] = conn;
    }
    return rv;
}

static int statement_client(const struct line *l, struct fault_rules *r, struct err *err)
{
    return l->n == 2 ? parse_conn(l->words[1], &r->client, err)
                     : err_set(err, E_INVAL, "stall or refuse must follow");
}

static int statement_disk(const struct line *l, struct fault_rules *r, struct err *err)
{
    return parse_words(l, 1, disk_words, &r->disk, err);
}

static int statement_clock(const struct line *l, struct fault_rules *r, struct err *err)
{
    return parse_words(l, 1, clock_words, &r->wall_ms, err);
}

static const struct {
    const char *name;
    int (*parse)(const struct line *l, struct fault_rules *r, struct err *err);
} statements[] = {
    { "seed", statement_seed },     { "link", statement_link }, { "conn", statement_conn },
    { "client", statement_client }, { "disk", statement_disk }, { "clock", statement_clock },
};

static int parse_statement(const struct line *l, struct fault_rules *r, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
        if (str_eq(l->words[0], statements[i].name)) {
            int rv = statements[i].parse(l, r, err);
            return rv == 0 ? 0 : err_prefix(err, "%s", l->words[0]);
        }
    }
    return err_set(err, E_INVAL,
                   "unknown rule \"%s\" (valid: seed, link, conn, client, disk, clock)",
                   l->words[0]);
}

/* --- lines ----------------------------------------------------------------------------------- */

static int split(struct slice text, struct line *ret_line, struct err *err)
{
    size_t at = 0;
    ret_line->n = 0;
    for (;;) {
        while (at < text.len && (text.data[at] == ' ' || text.data[at] == '\t' ||
                                 text.data[at] == '\r')) {
            at++;
        }
        if (at == text.len || text.data[at] == '#') {
            return 0;
        }
        if (ret_line->n == WORDS_MAX) {
            return err_set(err, E_INVAL, "more than %d words", WORDS_MAX);
        }
        char *word = ret_line->words[ret_line->n++];
        size_t len = 0;
        while (at < text.len && text.data[at] > ' ') {
            if (len == WORD_MAX_BYTES - 1) {
                return err_set(err, E_INVAL, "a word of more than %d bytes", WORD_MAX_BYTES - 1);
            }
            word[len++] = (char)text.data[at++];
        }
        word[len] = '\0';
        if (at < text.len && text.data[at] < ' ' && text.data[at] != '\t' &&
            text.data[at] != '\r') {
            return err_set(err, E_INVAL, "a control byte (0x%02x)", text.data[at]);
        }
    }
}

static int parse_lines(struct slice text, struct fault_rules *r, struct err *err)
{
    struct line line;
    unsigned number = 0;
    for (size_t at = 0; at < text.len;) {
        const uint8_t *start = text.data + at;
        const uint8_t *end = memchr(start, '\n', text.len - at);
        size_t len = end != NULL ? (size_t)(end - start) : text.len - at;
        int rv = split(slice_make(start, len), &line, err);
        number++;
        if (rv == 0 && line.n > 0) {
            rv = parse_statement(&line, r, err);
        }
        if (rv != 0) {
            err_prefix(err, "line %u", number);
            return rv;
        }
        at += len + 1;
    }
    return 0;
}

int fault_rules_parse(struct slice text, struct fault_rules *ret_rules, struct err *err)
{
    if (text.len > FAULT_TEXT_MAX_BYTES) {
        return err_set(err, E_TOOBIG, "longer than %d bytes", FAULT_TEXT_MAX_BYTES);
    }
    struct fault_rules rules = FAULT_RULES_INIT;
    rules.links = mem_zalloc(FAULT_LINKS_MAX * sizeof *rules.links);
    rules.conns = mem_zalloc(FAULT_CONNS_MAX * sizeof *rules.conns);
    int rv = parse_lines(text, &rules, err);
    if (rv != 0) {
        fault_rules_fini(&rules);
        return rv;
    }
    *ret_rules = rules;
    return 0;
}

void fault_rules_fini(struct fault_rules *rules)
{
    mem_free(rules->links);
    mem_free(rules->conns);
    *rules = (struct fault_rules)FAULT_RULES_INIT;
}

/* --- printing -------------------------------------------------------------------------------- */

static void print_chance(struct buf *out, const char *name, double p)
{
    if (p >= 1e-9) {
        buf_printf(out, " %s=%.9f", name, p);
        while (out->data[out->len - 1] == '0' && out->data[out->len - 2] != '.') {
            out->len--;
        }
        out->data[out->len] = 0;
    }
}

static void print_range(struct buf *out, const char *name, struct fault_range r)
{
    if (r.max > 0) {
        buf_printf(out, r.min == r.max ? " %s=%u" : " %s=%u..%u", name, r.min, r.max);
    }
}

static void print_errno(struct buf *out, const char *name, int errnum)
{
    for (size_t i = 0; i < ARRAY_LEN(errnos); i++) {
        if (errnos[i].errnum == errnum) {
            buf_printf(out, " %s=%s", name, errnos[i].name);
        }
    }
}

static void print_link(struct buf *out, const struct fault_link *l)
{
    buf_printf(out, "link %s>%s", l->from, l->to);
    size_t bare = out->len;
    buf_append_str(out, l->cut ? " cut" : "");
    print_chance(out, "drop", l->drop);
    print_chance(out, "duplicate", l->duplicate);
    print_chance(out, "reorder", l->reorder);
    print_range(out, "delay_ms", l->delay_ms);
    if (out->len == bare) {
        buf_append_str(out, " drop=0"); /* it still shields from the rules below it */
    }
    buf_append_char(out, '\n');
}

static void print_disk(struct buf *out, const struct fault_disk *d)
{
    size_t start = out->len;
    buf_append_str(out, "disk");
    size_t empty = out->len;
    print_range(out, "sync_ms", d->sync_ms);
    print_range(out, "write_ms", d->write_ms);
    print_errno(out, "sync_fails", d->sync_fails);
    print_errno(out, "write_fails", d->write_fails);
    buf_append_str(out, d->full ? " full" : "");
    buf_append_str(out, d->track_unsynced ? " track_unsynced" : "");
    if (out->len == empty) {
        out->len = start;
        out->data[start] = 0;
    } else {
        buf_append_char(out, '\n');
    }
}

static const char *conn_word(enum fault_conn what)
{
    return what == FAULT_CONN_STALL ? "stall" : "refuse";
}

void fault_rules_print(const struct fault_rules *rules, struct buf *out)
{
    buf_printf(out, "seed %" PRIu64 "\n", rules->seed);
    for (size_t i = 0; i < rules->n_links; i++) {
        print_link(out, &rules->links[i]);
    }
    for (size_t i = 0; i < rules->n_conns; i++) {
        buf_printf(out, "conn %s %s\n", rules->conns[i].address, conn_word(rules->conns[i].what));
    }
    if (rules->client != FAULT_CONN_OK) {
        buf_printf(out, "client %s\n", conn_word(rules->client));
    }
    print_disk(out, &rules->disk);
    if (rules->wall_ms != 0) {
        buf_printf(out, "clock wall_ms=%+" PRId64 "\n", rules->wall_ms);
    }
}

/* --- looking up ------------------------------------------------------------------------------ */

static bool called(const char *rule, struct fault_name n)
{
    return (rule[0] == '*' && rule[1] == '\0') || (n.name != NULL && str_eq(rule, n.name)) ||
           (n.address != NULL && str_eq(rule, n.address));
}

const struct fault_link *fault_rules_link(const struct fault_rules *rules, struct fault_name from,
                                          struct fault_name to)
{
    for (size_t i = 0; i < rules->n_links; i++) {
        const struct fault_link *l = &rules->links[i];
        if (called(l->from, from) && called(l->to, to)) {
            return l;
        }
    }
    return NULL;
}

enum fault_conn fault_rules_conn(const struct fault_rules *rules, struct fault_name to)
{
    for (size_t i = 0; i < rules->n_conns; i++) {
        if (called(rules->conns[i].address, to)) {
            return rules->conns[i].what;
        }
    }
    return FAULT_CONN_OK;
}
