/* Rules of the fault shim: text to data and back. Pure; the format is docs/faults.md.
 *
 *     seed 42
 *     link m1>* drop=0.1 delay_ms=5..50
 *     disk sync_ms=200..400
 *
 * Who writes rules (chaos) may fill the struct and print it; who obeys them (fault.h) parses. */
#ifndef BARQUE_IO_FAULT_RULES_H
#define BARQUE_IO_FAULT_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

enum {
    FAULT_TEXT_MAX_BYTES = 64 * 1024,
    FAULT_NAME_MAX = 127,
    FAULT_LINKS_MAX = 256,
    FAULT_CONNS_MAX = 64,
    FAULT_DELAY_MAX_MS = 60000,
};

struct fault_range {
    uint32_t min;
    uint32_t max;
};

struct fault_link {
    char from[FAULT_NAME_MAX + 1]; /* member name, peer address or "*" */
    char to[FAULT_NAME_MAX + 1];
    bool cut;
    double drop, duplicate, reorder; /* 0..1 */
    struct fault_range delay_ms;
};

enum fault_conn { FAULT_CONN_OK, FAULT_CONN_STALL, FAULT_CONN_REFUSE };

struct fault_conn_rule {
    char address[FAULT_NAME_MAX + 1];
    enum fault_conn what;
};

struct fault_disk {
    struct fault_range sync_ms;
    struct fault_range write_ms;
    int sync_fails;  /* errno; 0: they work */
    int write_fails; /* errno; 0: they work */
    bool full;
    bool track_unsynced;
};

struct fault_rules {
    uint64_t seed;
    struct fault_link *links;
    size_t n_links;
    struct fault_conn_rule *conns;
    size_t n_conns;
    enum fault_conn client;
    struct fault_disk disk;
    int64_t wall_ms;
};

#define FAULT_RULES_INIT { 0 }

/* E_INVAL "line 3: ...: what is valid", E_TOOBIG; then *ret_rules is unchanged. */
int fault_rules_parse(struct slice text, struct fault_rules *ret_rules, struct err *err);
void fault_rules_fini(struct fault_rules *rules);
/* The canonical text: parsing it gives equal rules. */
void fault_rules_print(const struct fault_rules *rules, struct buf *out);

/* How a link or process is called: two names for one thing; NULL for one that is not known. */
struct fault_name {
    const char *name;
    const char *address;
};
/* The rule for frames from `from` to `to`, or NULL. */
const struct fault_link *fault_rules_link(const struct fault_rules *rules, struct fault_name from,
                                          struct fault_name to);
enum fault_conn fault_rules_conn(const struct fault_rules *rules, struct fault_name to);

#endif
