/* Exit codes, stable: scripts may branch on them. Pure. */
#ifndef BARQUE_CLI_EXIT_H
#define BARQUE_CLI_EXIT_H

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_NOTFOUND = 3,
    CLI_CONFLICT = 4,    /* it exists already, or was changed in between */
    CLI_UNREACHABLE = 5, /* no member can be reached, or those that can have no quorum */
    CLI_TIMEOUT = 6,     /* the cluster answers, but what was waited for did not come in time */
};

/* The exit code of a failed call's E_ code. E_TIMEOUT of a call means that nobody answered it,
 * which is CLI_UNREACHABLE; CLI_TIMEOUT belongs to --timeout of a verb that waits. */
enum cli_exit exit_of_status(int status);

#endif
