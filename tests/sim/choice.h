/* The choices of a run: each nemesis act and each client event is one, numbered from 1 within its
 * kind, and draws from a generator of its own, made of (seed, kind, number) alone. So a run may
 * leave some of them out (shrink.c) and the others still draw what they drew before. Disks, network
 * and timing draw from the run's one generator as they come. */
#ifndef BARQUE_TESTS_SIM_CHOICE_H
#define BARQUE_TESTS_SIM_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

struct sim;

enum choice {
    CHOICE_ACT,    /* of the nemesis */
    CHOICE_CLIENT, /* a client event */
    CHOICE_PROBE,  /* from here on: never left out */
    CHOICE_GONE,
    CHOICE_RESUMED, /* a request that waited */
    CHOICES
};

enum { CHOICES_SKIPPABLE = CHOICE_PROBE };

/* A set of numbers from 1. Zeroed is empty. */
struct skips {
    bool *in; /* by number; mem_free */
    uint64_t n;
};

bool skips_has(const struct skips *s, uint64_t number);
void skips_set(struct skips *s, uint64_t number, bool in);
uint64_t skips_count(const struct skips *s);
void skips_copy(struct skips *to, const struct skips *from); /* to is empty */
void skips_fini(struct skips *s);
/* "1-4,7,9-30", or "none". Parsing: E_INVAL otherwise. */
void skips_print(const struct skips *s, struct buf *out);
int skips_parse(const char *text, struct skips *ret);

/* Begins the next choice of a kind: s->dice is its generator until the next one begins. False when
 * the run leaves it out; what is drawn before that is asked (the time of the next) stays. */
bool sim_choose(struct sim *s, enum choice kind);

#endif
