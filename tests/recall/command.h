/* Running a finder as a child process. */
#ifndef BARQUE_TESTS_RECALL_COMMAND_H
#define BARQUE_TESTS_RECALL_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

struct outcome {
    bool failed;     /* exit code, signal or time */
    bool timed_out;  /* ended by us */
    int signal;      /* it died of, or 0 */
    double cpu_s;    /* user and system, its children included */
    char *output;    /* stdout and stderr, the first MiB; mem_free */
};

/* Runs argv with BARQUE_BUG=bug (NULL: without) and TAP output asked of cmocka; a whole process
 * group, killed after wall_s seconds. `what` is told on stderr every few seconds. E_IO. */
int command_run(const char *bug, char *const argv[], unsigned wall_s, const char *what,
                struct outcome *ret);
void outcome_fini(struct outcome *o);

#endif
