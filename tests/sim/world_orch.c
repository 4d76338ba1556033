/* What is known of orchestration apart from the log: which processes ran where, which pods the
 * person deleted, when agents were in contact; and the verdicts (check/orch.h).
 *
 * Agents are in contact from healing on, at the latest: only then a process without a pod may be
 * held against one. Nothing is asked for after healing, so that the last part of the run is
 * quiet. */
#include "check/orch.h"

#include <stdio.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "tests/sim/world_orch.h"
#include "tests/sim/world_wire.h"

enum {
    SETTLED_US = 90000000, /* after healing: the brake on replacements is a minute */
    SIGHT_US = 12000000,   /* a write may be under way for long, at a paused member */
};

struct orch {
    struct sim *sim;
    struct check_process *processes;
    size_t n_processes, cap_processes;
    char **user_deletes;
    size_t n_deletes, cap_deletes;
    char names[SIM_NODES_MAX + 1][16];
};

struct orch *orch_new(struct sim *s)
{
    struct orch *o = mem_zalloc(sizeof *o);
    o->sim = s;
    for (unsigned i = 1; i <= SIM_NODES_MAX; i++) {
        snprintf(o->names[i], sizeof o->names[i], "n%u", i);
    }
    return o;
}

void orch_free(struct orch *o)
{
    if (o == NULL) {
        return;
    }
    for (size_t i = 0; i < o->n_processes; i++) {
        mem_free((void *)(uintptr_t)o->processes[i].pod_uid);
        mem_free((void *)(uintptr_t)o->processes[i].pod);
    }
    for (size_t i = 0; i < o->n_deletes; i++) {
        mem_free(o->user_deletes[i]);
    }
    mem_free(o->processes);
    mem_free(o->user_deletes);
    mem_free(o);
}

/* --- records ---------------------------------------------------------------------------------- */

static struct orch *current(void)
{
    return sim_current()->world->orch;
}

size_t orch_process(unsigned machine, const char *pod_uid, const char *pod_namespace,
                    const char *pod_name)
{
    struct orch *o = current();
    o->processes = mem_grow(o->processes, &o->cap_processes, o->n_processes + 1,
                            sizeof *o->processes);
    o->processes[o->n_processes] = (struct check_process){
        .node = o->names[machine],
        .pod_uid = mem_strdup(pod_uid),
        .pod = mem_printf("%s/%s", pod_namespace, pod_name),
        .start_us = (int64_t)o->sim->now,
        .stop_us = INT64_MAX,
    };
    return o->n_processes++;
}

void orch_process_ends(size_t process, uint64_t at)
{
    current()->processes[process].stop_us = (int64_t)at;
}

void orch_user_deletes(const char *uid)
{
    struct orch *o = current();
    o->user_deletes = mem_grow(o->user_deletes, &o->cap_deletes, o->n_deletes + 1,
                               sizeof *o->user_deletes);
    o->user_deletes[o->n_deletes++] = mem_strdup(uid);
}

/* --- the run, for programs -------------------------------------------------------------------- */

uint64_t world_now(void)
{
    return sim_current()->now;
}

struct rng *world_rng(void)
{
    return &sim_current()->rng;
}

struct rng *world_dice(void)
{
    return &sim_current()->dice;
}

void world_violation(const char *what, const char *message)
{
    sim_violation(sim_current(), "%s: %s", what, message);
}

/* --- verdicts --------------------------------------------------------------------------------- */

void orch_judge(struct orch *o)
{
    struct sim *s = o->sim;
    const int64_t healed_us = (int64_t)s->o.fault_us;
    struct check_contact contacts[SIM_NODES_MAX];
    struct check_report report;
    size_t n_contacts = 0;
    for (unsigned i = 1; i <= s->n_nodes; i++) {
        if (s->nodes[i].kind == &AGENT_KIND) {
            contacts[n_contacts++] = (struct check_contact){
                o->names[i], healed_us, (int64_t)s->now,
            };
        }
    }
    struct check_span quiet = { healed_us + SETTLED_US, (int64_t)s->now };
    struct check_orch_facts facts = {
        .processes = o->processes,
        .n_processes = o->n_processes,
        .contacts = contacts,
        .n_contacts = n_contacts,
        .quiet = &quiet,
        .n_quiet = quiet.to_us > quiet.from_us,
        .user_deletes = (const char *const *)o->user_deletes,
        .n_user_deletes = o->n_deletes,
        .sight_us = SIGHT_US,
        .end_us = (int64_t)s->now,
        .healed = true,
        .has_journals = true,
    };
    check_report_init(&report);
    (void)check_orchestration(judge_log(s->world->judge), &facts, &report);
    judge_pronounce(s->world->judge, &report);
    check_report_fini(&report);
}
