/* Orchestration in a world: machines that run controllers and scheduler, node agents over
 * containers that are only remembered, and a person who wants things; and what is known of all of
 * it for the checks.
 *
 *     world_kinds.c  the kinds of machine | world_agent.c, world_driver.c, world_user.c  programs
 *     world_orch.c   records and verdicts
 *
 * The programs speak of api objects, and api/ has a struct node and a struct event as sim.h has:
 * they do not include it, and see the run through the functions at the end. */
#ifndef BARQUE_TESTS_SIM_WORLD_ORCH_H
#define BARQUE_TESTS_SIM_WORLD_ORCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/client.h"
#include "lib/base/rng.h"

struct sim;
struct driver;

/* --- world_driver.c ---------------------------------------------------------------------- */
/* The containers of one machine. They outlive the agent's lives and end when the power is cut. */
struct containers *containers_new(unsigned machine);
void containers_free(struct containers *c);
void containers_power_cut(struct containers *c);
/* One that runs ends by itself: with code 1, or as if it had done its work. Drawn. */
void containers_end_one(struct containers *c);
/* For one life of the agent; freed by it. */
struct driver *containers_driver(struct containers *c, struct loop *loop);

/* --- world_agent.c ----------------------------------------------------------------------- */
/* `barque agent` on this machine; client and containers outlive it. */
struct kubelet *agent_start(struct client *client, struct containers *c, unsigned machine);
void agent_end(struct kubelet *k); /* NULL is fine */

/* --- world_user.c ------------------------------------------------------------------------ */
struct user *user_start(struct client *client);
/* Makes, changes or deletes something, unless the last thing is still under way. */
void user_act(struct user *u);
void user_end(struct user *u); /* NULL is fine */

/* --- world_orch.c ------------------------------------------------------------------------ */
struct orch *orch_new(struct sim *s);
void orch_free(struct orch *o);
/* The verdicts; a violation does not return. */
void orch_judge(struct orch *o);
/* Of the run that this is in: a process of a pod runs on a machine from now on; a number for
 * orch_process_ends. */
size_t orch_process(unsigned machine, const char *pod_uid, const char *pod_namespace,
                    const char *pod_name);
/* It ends at `at` (virtual time, which may lie ahead); an earlier end told later counts. */
void orch_process_ends(size_t process, uint64_t at);
/* The person deletes this pod. */
void orch_user_deletes(const char *uid);

/* --- the run, for programs --------------------------------------------------------------- */
uint64_t world_now(void);
struct rng *world_rng(void);  /* the run's */
struct rng *world_dice(void); /* the present choice's */
void world_violation(const char *what, const char *message) __attribute__((noreturn));

#endif
