/* Barque and etcd, asked the same and compared. The first difference, or the first disturbance (a
 * server out of reach, an election), ends the run. */
#ifndef BARQUE_TESTS_DIFFERENTIAL_DUEL_H
#define BARQUE_TESTS_DIFFERENTIAL_DUEL_H

#include "lib/io/timer.h"
#include "lib/rpc/channel.h"
#include "tests/differential/gen.h"

enum { BARQUE, ETCD, SIDES, MEMBERS_MAX = 8 };

/* What the self-check puts into Barque's answers, to be found. */
enum plant {
    PLANT_NOTHING,
    PLANT_REVISION, /* in a header */
    PLANT_NESTED,   /* deep in an answer: a version in a txn's range */
    PLANT_UNKNOWN,  /* a field that nobody knows */
    PLANT_TEXT,     /* of an error */
    PLANT_EVENT,    /* one is lost */
    PLANTS,
};
extern const char *const plant_names[PLANTS];

struct answer {
    bool done;
    int code;
    char text[256];
    ProtobufCMessage *msg; /* NULL unless code is 0 */
};

struct duel {
    struct loop *loop;
    struct rpc_channel *members[MEMBERS_MAX]; /* of Barque */
    size_t n_members, member;                 /* which one is asked */
    struct rpc_channel *etcd;
    uint64_t seed, asked, planted_at;
    enum plant plant;
    struct answer answers[SIDES];
    bool own_id; /* the answer's ID is the server's choice: */
    int64_t own_ids[SIDES];
    uint64_t errors; /* answers that were errors, and the same */
};

enum { EXIT_DIFFERS = 1, EXIT_USAGE = 2, EXIT_DISTURBED = 3 };

/* Asks both, compares; the answers stay in d->answers until the next question. */
void duel_ask(struct duel *d, const struct question *q);
/* The same, when an id of Barque's own choice has to be asked for: each its own question. */
void duel_ask_each(struct duel *d, const struct question *barque, const struct question *etcd);

/* A stream of one request and one answer. */
void duel_ask_stream(struct duel *d, const struct question *q);
void duel_close(struct duel *d);

struct rpc_channel *duel_channel(const struct duel *d, int side);
/* Runs the loop until it holds; false after the deadline. */
bool duel_wait(struct duel *d, bool (*cond)(void *arg), void *arg, uint64_t deadline_ms);
/* Prints both and ends the run. */
void duel_differs(struct duel *d, const char *what, const char *path, const ProtobufCMessage *asked,
                  const ProtobufCMessage *barque, const ProtobufCMessage *etcd);
void duel_disturbed(struct duel *d, const char *what, const char *text)
    __attribute__((noreturn));
/* Whether it is time, once. */
bool duel_plants(struct duel *d, enum plant plant);

#endif
