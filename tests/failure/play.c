/* Plays a script: members boot, one client asks line by line, in the end all power goes once more
 * and what the members then say is judged.
 *
 * Requests that were refused for want of memory are sent again: they changed nothing, or the model
 * finds out. A write that nobody answered is left at that; some seconds later nothing of it is
 * under way any more, so that the next line meets one of two states. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/rpc/channel.h"
#include "tests/failure/failure.h"

enum {
    CALL_MS = 20000,
    ANSWER_MS = 90000,
    SETTLE_MS = 9000,
    RETRY_MS = 150,
    LEVEL_MS = 30000,
};

/* --- time ------------------------------------------------------------------------------------- */

bool run_until(struct actor *p, bool (*cond)(struct actor *p), uint64_t within_ms)
{
    uint64_t end = p->sim->now + within_ms * 1000;
    while (!cond(p) && p->sim->now < end) {
        INVARIANT(sim_step(p->sim));
        watches_step(p);
    }
    return cond(p);
}

static bool never(struct actor *p)
{
    (void)p;
    return false;
}

void run_for(struct actor *p, uint64_t ms)
{
    (void)run_until(p, never, ms);
}

bool all_up(struct actor *p)
{
    for (unsigned i = 0; i < p->n_members; i++) {
        const struct node *n = &p->sim->nodes[p->members[i]];
        if (!n->up || n->stopping || n->rnode == NULL) {
            return false;
        }
    }
    return true;
}

static struct store *member_store(const struct actor *p, unsigned i)
{
    return world_store(&p->sim->nodes[p->members[i]]);
}

bool all_level(struct actor *p)
{
    const struct store *first = all_up(p) ? member_store(p, 0) : NULL;
    for (unsigned i = 1; i < p->n_members && first != NULL; i++) {
        const struct store *s = member_store(p, i);
        if (s == NULL || store_applied_index(s) != store_applied_index(first)) {
            return false;
        }
    }
    return first != NULL;
}

/* --- who is a member -------------------------------------------------------------------------- */

static void open_channel(struct node *n, void *arg)
{
    struct actor *p = n->data;
    unsigned id = *(const unsigned *)arg;
    char address[32];
    snprintf(address, sizeof address, "10.0.0.%u:2379", id);
    struct rpc_channel_options o = { .loop = n->loop, .address = address, .seed = id };
    p->channels[id] = rpc_channel_new(&o);
}

void actor_take_member(struct actor *p, struct node *n)
{
    n->fs->policy = CRASH_LOSE;
    n->fs->hook = inject_disk;
    p->members[p->n_members++] = n->id;
    if (p->client != NULL) {
        node_enter(p->client, open_channel, &n->id);
    }
}

void actor_drop_member(struct actor *p, const struct node *n)
{
    for (unsigned i = 0; i < p->n_members; i++) {
        if (p->members[i] == n->id) {
            p->members[i] = p->members[--p->n_members];
        }
    }
    p->at = p->at == n->id ? p->members[0] : p->at;
}

unsigned next_member(const struct actor *p, unsigned at)
{
    for (unsigned i = 0; i < p->n_members; i++) {
        if (p->members[i] == at) {
            return p->members[(i + 1) % p->n_members];
        }
    }
    return p->members[0];
}

/* --- calls ------------------------------------------------------------------------------------ */

static void on_done(void *arg, const struct rpc_result *r)
{
    struct actor *p = arg;
    p->done = true;
    p->err = r->err;
    p->never_sent = r->never_sent;
    snprintf(p->text, sizeof p->text, "%s", r->text);
    if (r->err == 0) { /* a copy: the client's ends with this call */
        size_t n = protobuf_c_message_get_packed_size(r->msg);
        autofree uint8_t *bytes = mem_alloc(n + 1);
        protobuf_c_message_pack(r->msg, bytes);
        p->msg = protobuf_c_message_unpack(r->msg->descriptor, NULL, n, bytes);
    }
}

static void send(struct node *n, void *arg)
{
    struct actor *p = n->data;
    const struct wire *w = arg;
    rpc_call_unary(p->channels[p->at], w->path, w->request, w->response, CALL_MS, on_done, p);
}

static bool is_done(struct actor *p)
{
    return p->done;
}

void call_once(struct actor *p, const struct wire *w)
{
    if (p->msg != NULL) {
        protobuf_c_message_free_unpacked(TAKE(p->msg), NULL);
    }
    p->done = false;
    node_enter(p->client, send, (void *)(uintptr_t)w);
    if (!run_until(p, is_done, 2 * CALL_MS)) {
        sim_violation(p->sim, "a call never ends: %s", w->path);
    }
    if (p->err == E_NOMEM) {
        inject_outcome()->refused++;
        if (!inject_happened()) {
            sim_violation(p->sim, "refused for want of memory without any");
        }
    }
    if (p->sim->verbose) {
        sim_log(p->sim, "  member %u: %s: %s", p->at, w->path, p->err == 0 ? "OK" : p->text);
    }
}

/* It did not happen, and may when it is asked again. */
static bool refused(int err)
{
    return err == E_NOMEM || err == E_LEARNER;
}

/* Nobody knows what became of it, or of what it asks for. */
static bool no_answer(int err)
{
    return err == E_UNAVAILABLE || err == E_TIMEOUT || err == E_CANCELED || err == E_CLOSED ||
           err == E_NOLEADER || err == E_LEADER_CHANGED || err == E_STOPPED || err == E_IO ||
           err == E_NOSPACE || err == E_TOO_MANY_REQUESTS || err == E_PROTO;
}

/* False: ask again. */
static bool had_answer(struct actor *p)
{
    if (p->err == E_NOMEM) {
        run_for(p, RETRY_MS);
        return false;
    }
    if (!no_answer(p->err) && !refused(p->err)) {
        return true;
    }
    p->at = next_member(p, p->at);
    return false;
}

void call_until_answered(struct actor *p, const struct wire *w)
{
    uint64_t end = p->sim->now + ANSWER_MS * 1000ull;
    for (call_once(p, w); !had_answer(p); call_once(p, w)) {
        if (p->sim->now > end) {
            sim_violation(p->sim, "nobody answers %s: %s", w->path, p->text);
        }
        run_for(p, RETRY_MS);
    }
}

static void take_answer(struct actor *p, const struct ask *a)
{
    int err = p->err;
    if (!model_answer(p->model, a, err, p->msg)) {
        sim_violation(p->sim, "no state explains this answer: %s",
                      err != 0 ? p->text : "its content");
    }
    p->revision = model_revision(p->model);
}

/* A write that may or may not happen. */
static void leave(struct actor *p, const struct ask *a)
{
    if (!inject_may_end() && !p->disturbed) {
        sim_violation(p->sim, "a write has no answer: %s", p->text);
    }
    inject_outcome()->unknown++;
    run_for(p, SETTLE_MS);
    model_unknown(p->model, a);
}

void ask_now(struct actor *p, const struct ask *a)
{
    struct wire w;
    uint64_t end = p->sim->now + ANSWER_MS * 1000ull;
    ask_to_wire(a, &p->arena, &w);
    for (;;) {
        call_once(p, &w);
        bool sent = !p->never_sent;
        if (had_answer(p)) {
            take_answer(p, a);
            return;
        }
        if (sent && !refused(p->err) && !ask_reads(a)) {
            leave(p, a);
            return;
        }
        if (p->sim->now > end) {
            sim_violation(p->sim, "nobody answers %s: %s", w.path, p->text);
        }
        run_for(p, RETRY_MS);
    }
}

/* --- the client's machine --------------------------------------------------------------------- */

static void boot(struct node *n)
{
    struct actor *p = n->data;
    for (unsigned i = 0; i < p->n_members; i++) {
        open_channel(n, &p->members[i]);
    }
    n->process = p;
}

static void abandon(struct node *n)
{
    (void)n;
}

static const struct node_kind PLAYER_KIND = {
    .name = "client", .boot = boot, .abandon = abandon,
};

/* --- a play ----------------------------------------------------------------------------------- */

static void lines_play(struct actor *p)
{
    for (size_t i = 0; i < p->script->n; i++) {
        struct words w = { .file = p->script->file, .line = p->script->numbers[i] };
        words_split(&w, &p->arena, p->script->lines[i]);
        if (p->sim->verbose) {
            char line[200];
            snprintf(line, sizeof line, "%s", p->script->lines[i]);
            line[strcspn(line, "\n")] = '\0';
            sim_log(p->sim, "> %s", line);
        }
        op_play(p, &w);
        if (words_peek(&w) != NULL) {
            words_fail(&w, "a word too many");
        }
    }
}

static void read_all(struct actor *p)
{
    struct ask all = { .is_range = true };
    all.range.key = all.range.range_end = slice_make("", 1);
    ask_now(p, &all);
}

/* The power of all machines goes at once, and nothing survives that was not synced. */
static void power_cut(struct actor *p)
{
    for (unsigned i = 0; i < p->n_members; i++) {
        struct node *n = &p->sim->nodes[p->members[i]];
        n->fs->policy = CRASH_LOSE;
        if (n->up) {
            node_crash(n, false, true);
        }
    }
}

static void states_check(struct actor *p)
{
    if (!run_until(p, all_level, LEVEL_MS)) {
        sim_violation(p->sim, "the members do not level");
    }
    uint64_t digest = store_digest(member_store(p, 0));
    for (unsigned i = 1; i < p->n_members; i++) {
        if (store_digest(member_store(p, i)) != digest) {
            sim_violation(p->sim, "member %u's state differs", p->members[i]);
        }
    }
}

static void judge(struct actor *p)
{
    struct sim *s = p->sim;
    memset(s->cut, 0, sizeof s->cut);
    if (!run_until(p, all_up, LEVEL_MS)) {
        sim_violation(s, "a member does not come back");
    }
    read_all(p);
    power_cut(p);
    if (!run_until(p, all_up, LEVEL_MS)) {
        sim_violation(s, "a member does not come back");
    }
    read_all(p);
    states_check(p);
    watches_check(p);
}

static struct sim *world_make(struct actor *p, struct sim_setup *setup, struct sim_stats *stats)
{
    const struct script *script = p->script;
    struct sim *s = sim_new(setup, 1, stats);
    s->o = (struct sim_options){
        .seed = 1,
        .founders = script->members,
        .delay_lo_us = 50,
        .delay_hi_us = 200,
        .disk_lo_us = 20,
        .disk_hi_us = 100,
        .turn_us = 10,
        .snapshot_entries = script->snapshot_entries,
        .snapshot_trailing = script->snapshot_trailing,
        .chunk_us = 100,
        .wal_segment_bytes = script->segment_bytes,
        .window_bytes = 65536,
        .piece_bytes = 65536,
    };
    rng_init(&s->dice, 1);
    world_new(s);
    for (unsigned i = 1; i <= script->members; i++) {
        actor_take_member(p, &s->nodes[i]);
    }
    p->client = sim_node_add(s, &PLAYER_KIND);
    p->client->member_id = 0;
    p->client->data = p;
    return s;
}

void play(const struct script *script, bool verbose)
{
    struct actor *p = mem_zalloc(sizeof *p);
    struct sim_stats *stats = mem_zalloc(sizeof *stats);
    struct sim_setup *setup = mem_zalloc(sizeof *setup);
    setup->machine = &WORLD_OPS;
    setup->verbose = verbose;
    setup->verdict = &inject_outcome()->verdict;
    p->script = script;
    p->at = 1;
    p->model = model_new();
    arena_init(&p->arena);
    p->sim = world_make(p, setup, stats);
    if (script->from_boot) {
        inject_begin(p->sim);
    }
    node_boot(p->client);
    if (!run_until(p, all_up, LEVEL_MS)) {
        sim_violation(p->sim, "a member does not start");
    }
    if (!script->from_boot) {
        read_all(p);
        inject_begin(p->sim);
    }
    lines_play(p);
    inject_end();
    judge(p);
}
