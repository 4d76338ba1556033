/* Unit tests of cmd: what people write to a member, as flags, variables, files. */
#ifndef BARQUE_TESTS_UNIT_CMD_TEST_H
#define BARQUE_TESTS_UNIT_CMD_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cmd/member.h"
#include "cmd/options.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

/* What a member with these words in its environment and on its command line would have. */
struct told {
    struct member_flags m;
    struct buf lines; /* what was said, a line each */
    struct err err;
    int rv;
    bool help;
};

/* `words` are cut at blanks. The environment holds nothing but what environment_set gave. */
struct told *told_by(const char *words);
struct told *told_by_file(const char *text);
void told_free(struct told *t);
void environment_clear(void);
void environment_set(const char *variable, const char *value);

int test_values_run(void);
int test_options_run(void);
int test_config_file_run(void);
int test_login_as_run(void);

#endif
