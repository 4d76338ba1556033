/* Snapshots made of JSON with single quotes, and one cycle on them. */
#ifndef BARQUE_TESTS_UNIT_SCHEDULER_FIXTURE_H
#define BARQUE_TESTS_UNIT_SCHEDULER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scheduler/cycle.h"

struct fixture {
    struct snapshot snapshot;
    struct arena arena;
    struct cycle_result result; /* of the last cycle */
};

void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
/* A ready node with 4 cpu, 4Gi, 10 pods; spec and labels are JSON members and may be empty. */
void add_node(struct fixture *f, const char *name, const char *spec, const char *labels);
/* The object; object_free. spec and meta are JSON members (meta begins with a comma), or empty. */
struct pod *make_pod(const char *name, const char *meta, const char *spec);
void add_pod(struct fixture *f, const char *name, const char *meta, const char *node,
             const char *cpu);
/* Runs a cycle and returns the node's name, or NULL. */
const char *place(struct fixture *f, const char *meta, const char *spec);

int test_snapshot_run(void);
int test_plugins_run(void);
int test_cycle_run(void);
int test_spread_run(void);

#endif
