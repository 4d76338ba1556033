/* A client machine: one client for all it does, one elector that stands for a lock, a few watches
 * and leases. world_client.c lives, world_ask.c asks, world_hold.c keeps watches, leases and the
 * lock, world_backup.c takes backups. */
#ifndef BARQUE_TESTS_SIM_WORLD_CLIENT_H
#define BARQUE_TESTS_SIM_WORLD_CLIENT_H

#include "client/elector.h"
#include "tests/sim/world.h"

enum { CLIENT_WATCHES = 3, CLIENT_LEASES = 2, CLIENT_KEYS_MAX = 32 };

struct client_machine;

struct held_watch {
    struct client_machine *machine;
    struct client_watch *watch; /* NULL: free */
    char key[8], range_end[8];
    int64_t told; /* all events up to here; 0: not known yet (from now) */
};

struct held_lease {
    struct client_machine *machine;
    struct client_lease *lease; /* NULL: free */
    int64_t id;                 /* 0: not granted yet */
};

struct client_machine {
    struct node *node;
    /* Of the present life: */
    struct client *client;
    struct elector *elector;
    struct held_watch watches[CLIENT_WATCHES];
    struct held_lease leases[CLIENT_LEASES];
    /* Of all lives: */
    struct list asks;                   /* under way (world_ask.c) */
    int64_t known[2 * CLIENT_KEYS_MAX]; /* mod_revision as last heard, by key */
    int64_t revision;                   /* the newest heard of */
    bool answered;                      /* something asked after healing was done */
    struct backup *backup;              /* under way, or NULL */
    bool backed_up;                     /* since healing */
};

/* --- world_ask.c ------------------------------------------------------------------------- */
/* One read, write, txn or compaction; drawn. PRE: runs as the machine's code. */
void ask_something(struct client_machine *m);
void ask_put(struct client_machine *m);
/* Deletes what fills a quota. */
void ask_relief(struct client_machine *m);
/* Writes what the lock protects, guarded by the lock. */
void ask_fenced(struct client_machine *m);
/* The machine's life is over: nothing is answered any more. */
void asks_forget(struct client_machine *m);

/* --- world_backup.c ---------------------------------------------------------------------- */
/* Unless one is under way. PRE: runs as the machine's code. */
void backup_start(struct client_machine *m);
void backup_stop(struct client_machine *m);
/* The machine's life is over. */
void backup_forget(struct client_machine *m);
/* There must be one in the end, and is none yet. */
bool backup_due(const struct client_machine *m);

/* --- world_hold.c ------------------------------------------------------------------------ */
void hold_open(struct client_machine *m);
/* Starts or ends a watch or a lease; drawn. */
void hold_watch(struct client_machine *m);
void hold_lease(struct client_machine *m);
void hold_close(struct client_machine *m);
/* A lease that has been granted, 0 none. */
int64_t hold_some_lease(const struct client_machine *m);

#endif
