/* One status call at a time and member, on a channel of its own: a member that does not answer
 * holds up nobody. See sight.h. */
#include "chaos/sight.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

enum { STATUS_MS = 700, ELECTED_EVERY_MS = 250, ELECTED_MS = 2000 };

static void saw_leader(struct sight *s, uint64_t leader_id, uint64_t term)
{
    int leader = -1;
    for (size_t i = 0; i < s->target->n_members; i++) {
        if (s->members[i].id == leader_id) {
            leader = (int)i;
        }
    }
    if (leader >= 0 && term == s->term && leader != s->leader) {
        s->other_leader = s->other_leader < 0 ? leader : s->other_leader;
        s->other_term = term;
        return;
    }
    if (leader < 0 || term <= s->term) {
        return;
    }
    bool first = s->term == 0;
    s->leader = leader;
    s->term = term;
    s->leader_since_ms = loop_now_ms(s->loop);
    if (!first) {
        s->lost_ms = s->lost_ms == 0 ? s->leader_since_ms : s->lost_ms;
    }
    if (s->on_leader != NULL) {
        s->on_leader(s->arg, leader, term);
    }
}

static void on_status(void *arg, int status, const struct client_status *answer,
                      const struct err *err)
{
    struct sight_member *m = arg;
    struct sight *s = m->sight;
    (void)err;
    m->asked = false;
    s->pending--;
    if (status != 0 || s->closing) {
        return;
    }
    m->answered_ms = loop_now_ms(s->loop);
    m->id = answer->member_id;
    m->term = answer->raft_term;
    m->learner = answer->learner;
    m->revision = answer->revision > m->revision ? answer->revision : m->revision;
    if (answer->leader_id == 0 && m->leader_id != 0) {
        s->lost_ms = m->answered_ms;
    }
    m->leader_id = answer->leader_id;
    str_copy(s->version, sizeof s->version, answer->version);
    if (answer->leader_id != 0) {
        saw_leader(s, answer->leader_id, answer->raft_term);
    }
}

/* --- elections -------------------------------------------------------------------------------- */

static const char *const election_prefixes[2] = { "/barque/leaders/controllers/",
                                                  "/barque/leaders/scheduler/" };

/* The oldest contender leads. */
static void note_elected(struct sight *s, size_t which, const struct client_result *result)
{
    const struct client_kv *oldest = NULL;
    for (size_t i = 0; i < result->n_kvs; i++) {
        if (oldest == NULL || result->kvs[i].create_revision < oldest->create_revision) {
            oldest = &result->kvs[i];
        }
    }
    s->asking_elected[which] = false;
    s->pending--;
    if (result->status != 0 || s->closing) {
        return;
    }
    char *into = s->elected[which];
    size_t len = oldest != NULL ? oldest->value.len : 0;
    len = len < TARGET_NAME_BYTES ? len : TARGET_NAME_BYTES - 1;
    if (len > 0) {
        memcpy(into, oldest->value.data, len);
    }
    into[len] = '\0';
}

static void on_controllers(void *arg, const struct client_result *result)
{
    note_elected(arg, 0, result);
}

static void on_scheduler(void *arg, const struct client_result *result)
{
    note_elected(arg, 1, result);
}

static void ask_elected(struct sight *s)
{
    static const client_done dones[2] = { on_controllers, on_scheduler };
    for (size_t i = 0; i < 2; i++) {
        if (s->asking_elected[i]) {
            continue;
        }
        autobuf end = BUF_INIT;
        client_prefix_end(slice_str(election_prefixes[i]), &end);
        struct client_range r = { .key = slice_str(election_prefixes[i]),
                                  .range_end = buf_slice(&end),
                                  .serializable = true,
                                  .timeout_ms = ELECTED_MS };
        s->asking_elected[i] = true;
        s->pending++;
        client_get(s->client, &r, dones[i], s);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static void on_timer(struct timer *t)
{
    struct sight *s = CONTAINER_OF(t, struct sight, timer);
    uint64_t now = loop_now_ms(s->loop);
    for (size_t i = 0; i < s->target->n_members; i++) {
        struct sight_member *m = &s->members[i];
        if (!m->asked) {
            m->asked = true;
            m->asked_ms = now;
            s->pending++;
            client_status_of(s->client, s->target->members[i].endpoint, STATUS_MS, on_status, m);
        }
    }
    if (s->elections && now >= s->next_elected_ms) {
        s->next_elected_ms = now + ELECTED_EVERY_MS;
        ask_elected(s);
    }
    timer_start(t, SIGHT_MS);
}

void sight_open(struct sight *s, struct loop *loop, struct client *c, struct target *t)
{
    memset(s, 0, sizeof *s);
    s->loop = loop;
    s->client = c;
    s->target = t;
    s->leader = s->other_leader = -1;
    s->elections = t->why_not[NEED_MASTERS] == NULL;
    for (size_t i = 0; i < t->n_members; i++) {
        s->members[i].sight = s;
    }
    timer_init(loop, &s->timer, on_timer);
    timer_start(&s->timer, 0);
}

void sight_close(struct sight *s)
{
    s->closing = true;
    timer_stop(&s->timer);
}

bool sight_answers(const struct sight *s, size_t member)
{
    uint64_t at = s->members[member].answered_ms;
    return at != 0 && loop_now_ms(s->loop) - at < SIGHT_STALE_MS;
}

bool sight_serves(const struct sight *s, size_t member, int64_t revision)
{
    const struct sight_member *m = &s->members[member];
    return sight_answers(s, member) && !m->learner && m->leader_id != 0 && m->revision >= revision;
}

int64_t sight_revision(const struct sight *s)
{
    int64_t most = 0;
    for (size_t i = 0; i < s->target->n_members; i++) {
        most = s->members[i].revision > most ? s->members[i].revision : most;
    }
    return most;
}
