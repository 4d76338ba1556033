/* Alarms as a part of the replicated state: which member has said that what is wrong.
 *
 * While one is set, every member refuses the same commands as they are applied: NOSPACE what adds
 * bytes (puts, txns with puts, grants), CORRUPT every change of keys and leases. An alarm that a
 * member raised by itself (automatic) is also cleared by itself; one that was set by hand stays
 * until it is disarmed. Pure. Memory: at most LIMIT_ALARMS. */
#ifndef BARQUE_STORE_ALARM_H
#define BARQUE_STORE_ALARM_H

#include "store/command.h"

struct alarm {
    uint64_t member;
    enum alarm_type type;
    bool automatic;
};

struct alarms {
    struct alarm *items; /* by (member, type) */
    size_t n, cap;
};

void alarms_fini(struct alarms *a);
/* NULL when it is not set. */
const struct alarm *alarms_find(const struct alarms *a, uint64_t member, enum alarm_type type);
/* Any member's. */
bool alarms_active(const struct alarms *a, enum alarm_type type);
/* Sets or clears one. *ret_told: there is something to tell, as etcd's answer does: the alarm that
 * is set now, or the one that was cleared. E_FULL. */
int alarms_apply(struct alarms *a, const struct alarm_change *c, bool *ret_told);
/* What NOSPACE refuses. */
bool alarm_adds_bytes(const struct command *c);
/* E_NOSPACE, E_CORRUPT: this command is not carried out while these are set. */
int alarms_refuse(const struct alarms *a, const struct command *c);
/* A whole frame of a snapshot (store/snapshot.h); none when no alarm is set. */
void alarms_write_frame(const struct alarms *a, struct buf *out);
/* One after its kind. E_CORRUPT. */
struct mp_reader;
int alarms_read_frame(struct alarms *a, struct mp_reader *m);

#endif
