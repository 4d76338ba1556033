/* One object as text for people. Pure. */
#ifndef BARQUE_CLI_DESCRIBE_TEXT_H
#define BARQUE_CLI_DESCRIBE_TEXT_H

#include "api/object.h"

/* Kinds without a text of their own are shown as YAML. */
void describe_text(const struct object *o, int64_t now_ms, struct buf *out);

#endif
