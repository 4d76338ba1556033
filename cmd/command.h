/* The subcommands of `barque`: each a row in main.c's table. */
#ifndef BARQUE_CMD_COMMAND_H
#define BARQUE_CMD_COMMAND_H

/* argv[0] is the subcommand's name. The return value is the exit code. */
int command_store(int argc, char **argv);   /* store.c: one member, etcd's flags */
int command_master(int argc, char **argv);  /* master.c: member + controllers + scheduler */
int command_agent(int argc, char **argv);   /* agent.c: one node */
int command_shim(int argc, char **argv);    /* agent.c: parent of one container; not for people */
int command_chaos(int argc, char **argv);   /* chaos/chaos.c: break a cluster, check its promises */
int command_demo(int argc, char **argv);    /* demo/demo.c: a cluster to look at and to break */
int command_snapshot(int argc, char **argv); /* snapshot/snapshot.c: etcd's database files */
int command_recover(int argc, char **argv);  /* snapshot/recover.c: a majority is lost */
int command_import(int argc, char **argv);   /* the same: `barque import`, `barque export` */

/* Stable exit codes (ARCHITECTURE.md). */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
};

/* The commit this binary was built from. */
extern const char *const barque_commit;

#endif
