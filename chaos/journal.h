/* What ran on which node, from the nodes' own files: each attempt of a pod's container writes down
 * its process id and, at its end, how it ended (kubelet/drivers/shim.h). Read every JOURNAL_MS, so
 * a stop is seen so much late at the most; and whether the node was in contact with a quorum.
 *
 * Bounded by JOURNAL_PROCESSES_MAX and JOURNAL_CONTACTS_MAX; beyond them it is not complete, and
 * says so. Threads: the loop's. */
#ifndef BARQUE_CHAOS_JOURNAL_H
#define BARQUE_CHAOS_JOURNAL_H

#include "chaos/sight.h"
#include "check/orch.h"

enum { JOURNAL_MS = 100, JOURNAL_PROCESSES_MAX = 20000, JOURNAL_CONTACTS_MAX = 20000 };

struct journal_process {
    char *dir;     /* of the attempt; owned */
    char *uid;     /* owned */
    size_t node;
    pid_t pid;
    int64_t start_us, stop_us; /* INT64_MAX: it runs */
};

struct journal {
    struct loop *loop;
    struct target *target;
    const struct sight *sight;
    struct timer timer;
    struct journal_process *processes;
    size_t n, cap;
    struct check_contact *contacts; /* the last of a node is open while `in_contact` */
    size_t n_contacts, cap_contacts;
    size_t open[TARGET_NODES_MAX];  /* index of the node's open contact + 1; 0 = none */
    bool overflow;
};

/* Begins to look. PRE: every node has a root. */
void journal_start(struct journal *j, struct loop *loop, struct target *t, const struct sight *s);
/* A last look, then no more; what was seen stays. */
void journal_stop(struct journal *j);
/* The processes for the checkers: borrows from the journal; mem_free it. */
struct check_process *journal_processes(const struct journal *j);
void journal_free(struct journal *j);

#endif
