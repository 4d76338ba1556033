/* --config-file: etcd's own format, YAML (or JSON) with a key for each flag.
 *
 *     name: m1
 *     listen-client-urls: http://127.0.0.1:2379,unix:///run/m1.sock
 *     log-outputs: [stderr]
 *     watch-progress-notify-interval: 600000000000     # a plain number is nanoseconds, as there
 *     client-transport-security:                       # a section stands for some flags
 *       cert-file:
 *
 * An empty value is the default. The text is untrusted: at most LIMIT_CONFIG_BYTES, and yaml.h's
 * bounds. Unknown keys are refused, with their place and the nearest name. */
#ifndef BARQUE_CMD_CONFIG_FILE_H
#define BARQUE_CMD_CONFIG_FILE_H

#include "cmd/options.h"
#include "lib/base/slice.h"

/* m takes copies of what it keeps (m->arena). E_INVAL, E_TOOBIG, E_UNSUPPORTED with "path:line:
 * column: ". */
int config_file_apply(struct member_flags *m, const char *path, struct slice text,
                      const struct option_ears *ears, struct err *err);

#endif
