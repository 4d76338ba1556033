/* The rows, and their names as people type them. */
#include "chaos/fault.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

#define NEED(x) (1u << NEED_##x)
#define WHO(x) (1u << WHO_##x)
#define ONE_MEMBER (WHO(LEADER) | WHO(FOLLOWER))

const struct fault faults[FAULTS_N] = {
    [FAULT_KILL] = { .name = "kill",
                     .family = CHAOS_PROCESS,
                     .what = "kill -9 a member, then start it again",
                     .needs = NEED(SIGNAL) | NEED(RESTART),
                     .who = ONE_MEMBER,
                     .cost = 1 },
    [FAULT_PAUSE] = { .name = "pause",
                      .family = CHAOS_PROCESS,
                      .what = "stop a member's process (SIGSTOP), then go on",
                      .needs = NEED(SIGNAL),
                      .who = ONE_MEMBER,
                      .cost = 1 },
    [FAULT_PARTITION] = { .name = "partition",
                          .family = CHAOS_NETWORK,
                          .what = "cut a member off from all others",
                          .needs = NEED(LINKS),
                          .who = ONE_MEMBER,
                          .cost = 1 },
    [FAULT_PARTIAL] = { .name = "partial",
                        .family = CHAOS_NETWORK,
                        .what = "cut one link; the third member sees both",
                        .needs = NEED(LINKS),
                        .who = ONE_MEMBER,
                        .cost = 1 },
    [FAULT_ONE_WAY] = { .name = "one-way",
                        .family = CHAOS_NETWORK,
                        .what = "a member hears the others but is not heard "
                                "(1), or the reverse (0)",
                        .needs = NEED(LINKS),
                        .who = ONE_MEMBER,
                        .cost = 1,
                        .unit = "",
                        .amount_min = 0,
                        .amount_max = 1 },
    [FAULT_DELAY] = { .name = "delay",
                      .family = CHAOS_NETWORK,
                      .what = "delay all messages to and from a member",
                      .needs = NEED(SHIM),
                      .who = ONE_MEMBER,
                      .cost = 1,
                      .unit = "ms",
                      .amount_min = 20,
                      .amount_max = 400 },
    [FAULT_LOSS] = { .name = "loss",
                     .family = CHAOS_NETWORK,
                     .what = "lose a share of the messages to and from a member",
                     .needs = NEED(LINKS),
                     .who = ONE_MEMBER,
                     .cost = 1,
                     .unit = "%",
                     .amount_min = 5,
                     .amount_max = 50 },
    [FAULT_SLOW_DISK] = { .name = "slow-disk",
                          .family = CHAOS_DISK,
                          .what = "every fsync of a member takes so long",
                          .needs = NEED(SHIM),
                          .who = ONE_MEMBER,
                          .cost = 1,
                          .unit = "ms",
                          .amount_min = 20,
                          .amount_max = 800 },
    [FAULT_FULL_DISK] = { .name = "full-disk",
                          .family = CHAOS_DISK,
                          .what = "a member's disk is full for a while",
                          .needs = NEED(SHIM) | NEED(SIGNAL) | NEED(RESTART),
                          .who = ONE_MEMBER,
                          .cost = 1 },
    [FAULT_CLOCK] = { .name = "clock",
                      .family = CHAOS_CLOCK,
                      .what = "a member's wall clock jumps",
                      .needs = NEED(SHIM),
                      .who = ONE_MEMBER,
                      .unit = "s",
                      .amount_min = -3600,
                      .amount_max = 3600 },
    [FAULT_TORN] = { .name = "torn-write",
                     .family = CHAOS_DISK,
                     .what = "kill -9 a member and tear its last write",
                     .needs = NEED(SIGNAL) | NEED(RESTART) | NEED(DATA),
                     .who = ONE_MEMBER,
                     .cost = 1 },
    [FAULT_CORRUPT] = { .name = "corrupt",
                        .family = CHAOS_DISK,
                        .what = "kill -9 a member and flip a byte of its data",
                        .needs = NEED(SIGNAL) | NEED(RESTART) | NEED(DATA) | NEED(REJOIN),
                        .who = ONE_MEMBER,
                        .cost = 1 },
    [FAULT_MEMBERSHIP] = { .name = "membership",
                           .family = CHAOS_MEMBERSHIP,
                           .what = "add a member as a learner, promote it, "
                                   "remove it",
                           .needs = NEED(MEMBERSHIP),
                           .who = WHO(ALL),
                           .cost = 1 },
    [FAULT_NODE] = { .name = "node",
                     .family = CHAOS_NODES,
                     .what = "kill -9 a node: its agent and all its pods",
                     .needs = NEED(NODES),
                     .who = WHO(NODE) },
    [FAULT_CONTROLLERS] = { .name = "controllers",
                            .family = CHAOS_PROCESS,
                            .what = "kill -9 the master whose controllers "
                                    "lead",
                            .needs = NEED(MASTERS) | NEED(SIGNAL) | NEED(RESTART),
                            .who = WHO(CONTROLLERS),
                            .cost = 1 },
    [FAULT_SCHEDULER] = { .name = "scheduler",
                          .family = CHAOS_PROCESS,
                          .what = "kill -9 the master whose scheduler leads",
                          .needs = NEED(MASTERS) | NEED(SIGNAL) | NEED(RESTART),
                          .who = WHO(SCHEDULER),
                          .cost = 1 },
    [FAULT_KILL_ALL] = { .name = "kill-all",
                         .family = CHAOS_PROCESS,
                         .what = "kill -9 every member, then start them again",
                         .needs = NEED(SIGNAL) | NEED(RESTART),
                         .who = WHO(ALL),
                         .breaks_quorum = true },
    [FAULT_PAUSE_MOST] = { .name = "pause-most",
                           .family = CHAOS_PROCESS,
                           .what = "stop a majority, the leader among them",
                           .needs = NEED(SIGNAL),
                           .who = WHO(MOST),
                           .breaks_quorum = true },
    [FAULT_SHATTER] = { .name = "shatter",
                        .family = CHAOS_NETWORK,
                        .what = "cut every link between members",
                        .needs = NEED(LINKS),
                        .who = WHO(ALL),
                        .breaks_quorum = true },
};

const char *fault_who_text(enum fault_who who)
{
    static const char *const texts[WHO_N] = {
        [WHO_LEADER] = "the leader",
        [WHO_FOLLOWER] = "a follower",
        [WHO_CONTROLLERS] = "the controllers' leader",
        [WHO_SCHEDULER] = "the scheduler's leader",
        [WHO_NODE] = "a node",
        [WHO_MOST] = "a majority",
        [WHO_ALL] = "the cluster",
    };
    PRE(who < WHO_N);
    return texts[who];
}

int fault_by_name(const char *name, enum fault_kind *ret_kind, struct err *err)
{
    const char *names[FAULTS_N];
    for (size_t i = 0; i < FAULTS_N; i++) {
        names[i] = faults[i].name;
        if (str_eq(name, names[i])) {
            *ret_kind = (enum fault_kind)i;
            return 0;
        }
    }
    const char *near = str_nearest(name, names, FAULTS_N);
    return err_set(err, E_NOTFOUND, "there is no fault \"%.40s\"%s%s%s", name,
                   near != NULL ? " (did you mean " : "", near != NULL ? near : "",
                   near != NULL ? "?)" : "");
}

int faults_parse(const char *list, uint64_t *ret_kinds, struct err *err)
{
    uint64_t kinds = 0;
    if (str_eq(list, "none")) {
        *ret_kinds = 0;
        return 0;
    }
    autofree char *copy = mem_strdup(list);
    char *save = NULL;
    for (char *p = strtok_r(copy, ",", &save); p != NULL; p = strtok_r(NULL, ",", &save)) {
        enum fault_kind kind;
        if (str_eq(p, "all")) {
            for (size_t i = 0; i < FAULTS_N; i++) {
                kinds |= faults[i].breaks_quorum ? 0 : 1ull << i;
            }
        } else if (fault_by_name(p, &kind, err) == 0) {
            kinds |= 1ull << kind;
        } else {
            return E_INVAL;
        }
    }
    if (kinds == 0) {
        return err_set(err, E_INVAL, "the list of faults is empty");
    }
    *ret_kinds = kinds;
    return 0;
}
