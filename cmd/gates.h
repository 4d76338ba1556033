/* --feature-gates: etcd's switches for what it tries out, "Gate=true,Other=false". None switches
 * anything here; each says what is done instead, unless that is what it asks for. */
#ifndef BARQUE_CMD_GATES_H
#define BARQUE_CMD_GATES_H

#include "lib/base/err.h"

/* Calls told for each gate that asks for something else than what is done. E_INVAL with `from` and
 * the nearest name. */
int gates_read(const char *value, const char *from,
               void (*told)(void *arg, const char *gate, const char *instead), void *arg,
               struct err *err);

#endif
