/* A leader whose disk is slow hands its leadership to a voter whose disk is not: its own share of
 * each commit and every vote it casts wait for that disk, and everybody's writes go through it.
 *
 * Each member judges its own disk (disk_health.c). A follower that is slow says so to its leader,
 * again every election timeout; what was said counts for three. Unless a majority is quick, the
 * leader goes on leading: every commit waits for a majority's disks whoever leads, and votes would
 * wait for slow disks, too. After an attempt it waits a while, so that leadership cannot go round
 * among disks that are slow by turns. */
#include <inttypes.h>

#include "lib/base/log.h"
#include "raft/configuration.h"
#include "raft/node.h"

enum { TICK_MS = 50, NOTE_LASTS = 3, PAUSE = 10 /* election timeouts */ };

void slow_disk_init(struct rnode *n)
{
    disk_health_init(&n->slow_disk.health, n->options.election_timeout_ms);
    if (n->options.metrics != NULL) {
        n->slow_disk.m_slow = metrics_gauge(n->options.metrics, "barque_disk_slow", NULL,
                                            "1 while this member's disk is too slow to lead.");
        n->slow_disk.m_handovers =
            metrics_counter(n->options.metrics, "barque_disk_handovers_total", NULL,
                            "Times that leadership was handed over for a slow disk.");
    }
}

/* --- what others say -------------------------------------------------------------------------- */

static struct slow_note *note_of(struct rnode *n, uint64_t id)
{
    struct slow_disk *s = &n->slow_disk;
    for (size_t i = 0; i < s->notes_n; i++) {
        if (s->notes[i].id == id) {
            return &s->notes[i];
        }
    }
    return NULL;
}

void slow_disk_receive(struct rnode *n, uint64_t from)
{
    struct slow_disk *s = &n->slow_disk;
    struct slow_note *note = note_of(n, from);
    if (note == NULL) {
        /* Who was removed leaves a place; there are no more members than places. */
        note = &s->notes[s->notes_n < ARRAY_LEN(s->notes) ? s->notes_n++ : 0];
        note->id = from;
    }
    note->until_ms = loop_now_ms(n->loop) + NOTE_LASTS * n->options.election_timeout_ms;
}

static void say(struct rnode *n, uint64_t now_ms)
{
    uint64_t leader = driver_leader(n);
    if (leader == 0 || leader == n->id || now_ms < n->slow_disk.say_ms) {
        return;
    }
    n->slow_disk.say_ms = now_ms + n->options.election_timeout_ms;
    autobuf b = BUF_INIT;
    message_put_disk_slow(&b, driver_term(n));
    send_frame(n, leader, &b);
}

/* --- handing over ----------------------------------------------------------------------------- */

/* The voter that is there, quick, and has most of the log; 0 when the quick are no majority. */
static uint64_t successor(struct rnode *n, uint64_t now_ms)
{
    const struct raft_configuration *c = &n->core.configuration;
    uint64_t best = 0;
    raft_index best_match = 0;
    unsigned quick = 0;
    for (unsigned i = 0; i < c->n; i++) {
        uint64_t id = c->servers[i].id;
        raft_index match = 0;
        if (c->servers[i].role != RAFT_VOTER || id == n->id ||
            !transport_peer_up(n->transport, id) || raft_match_index(&n->core, id, &match) != 0) {
            continue;
        }
        const struct slow_note *note = note_of(n, id);
        if (note != NULL && now_ms < note->until_ms) {
            continue;
        }
        quick++;
        if (best == 0 || match > best_match) {
            best = id;
            best_match = match;
        }
    }
    return 2 * quick > configuration_voters(c) ? best : 0;
}

static void on_handed_over(void *arg, int status)
{
    struct rnode *n = arg;
    if (status == 0) {
        n->slow_disk.handovers++;
        if (n->slow_disk.m_handovers != NULL) {
            metric_add(n->slow_disk.m_handovers, 1);
        }
    } else if (status != E_STOPPED) {
        log_warn("raft", "leadership was not handed over", "reason=%s", err_name(status));
    }
}

static void hand_over(struct rnode *n, uint64_t now_ms)
{
    struct slow_disk *s = &n->slow_disk;
    if (now_ms < s->try_ms || n->transfer.active || n->closing != CLOSE_NO ||
        configuration_voters(&n->core.configuration) < 2) {
        return;
    }
    uint64_t to = successor(n, now_ms);
    if (to == 0) {
        if (!s->told_alone) {
            log_warn("raft", "the disk is slow, but those with better ones are no majority",
                     "term=%" PRIu64, driver_term(n));
        }
        s->told_alone = true;
        return;
    }
    s->try_ms = now_ms + PAUSE * n->options.election_timeout_ms;
    log_warn("raft", "the disk is slow: leadership is handed over", "to=%016" PRIx64
             " term=%" PRIu64, to, driver_term(n));
    rnode_transfer(n, to, on_handed_over, n);
}

/* --- every now and then ----------------------------------------------------------------------- */

static void tell_change(struct rnode *n)
{
    struct slow_disk *s = &n->slow_disk;
    if (s->told == s->health.slow) {
        return;
    }
    s->told = s->health.slow;
    s->told_alone = false;
    if (s->m_slow != NULL) {
        metric_set(s->m_slow, s->told);
    }
    if (s->told) {
        log_warn("raft", "the disk is slow: writes take more than half an election timeout",
                 "dir=%s limit_ms=%" PRIu64, n->options.dir, n->options.election_timeout_ms / 2);
    } else {
        log_info("raft", "the disk is quick again", "dir=%s", n->options.dir);
    }
}

void slow_disk_synced(struct rnode *n, double seconds)
{
    disk_health_synced(&n->slow_disk.health, loop_now_ms(n->loop), (uint64_t)(seconds * 1e6));
}

void slow_disk_tick(struct rnode *n)
{
    struct slow_disk *s = &n->slow_disk;
    uint64_t now_ms = loop_now_ms(n->loop);
    if (now_ms < s->tick_ms || n->closing != CLOSE_NO) {
        return;
    }
    s->tick_ms = now_ms + TICK_MS;
    disk_health_tick(&s->health, now_ms, wal_running(n->wal));
    tell_change(n);
    if (!s->health.slow) {
        return;
    }
    if (driver_leads(n)) {
        hand_over(n, now_ms);
    } else {
        say(n, now_ms);
    }
}
