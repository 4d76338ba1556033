/* Calls that stand in line: locks and campaigns that wait while the test goes on. */
#ifndef BARQUE_TEST_SERVER_LINE_CALLS_H
#define BARQUE_TEST_SERVER_LINE_CALLS_H

#include "fixture.h"

struct pending {
    struct member *m;
    struct rpc_request *request;
    bool done;
    int code;
    char text[128], key[128];
    int64_t create_revision, revision;
};

/* A call that goes on: it fills p when it is done. p must outlive it. */
void lock(struct member *m, struct pending *p, const char *name, int64_t lease);
void lock_within(struct member *m, struct pending *p, const char *name, int64_t lease,
                 uint64_t timeout_ms);
void campaign(struct member *m, struct pending *p, const char *name, int64_t lease,
              const char *value);
void must_win(struct pending *p, const char *key);
void must_fail(struct pending *p, int code, const char *text);
/* What would have come, would have come by now: a round trip and some turns. */
void must_wait(struct pending *p);
/* Until so many places are in the line: calls wait, or have left. */
void await_line(struct member *m, size_t n);

void leases(struct member *m); /* 1 to 4, of a minute */
void revoke(struct member *m, int64_t lease);
int64_t created(struct member *m, const char *key); /* its create revision; 0: it is missing */

#endif
