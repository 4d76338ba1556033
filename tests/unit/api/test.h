/* What every test of this folder includes: cmocka in the order it needs, and short ways to
 * objects. */
#ifndef BARQUE_TESTS_UNIT_API_TEST_H
#define BARQUE_TESTS_UNIT_API_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/apps.h"

/* The object in a JSON text; the test fails when it can't be read. object_free. */
struct object *object_of(const char *json);
/* Its stored form. mem_free. */
char *json_of(const struct object *o);

int test_json_run(void);
int test_kinds_run(void);
int test_walk_run(void);
int test_meta_run(void);
int test_selector_run(void);
int test_quantity_run(void);
int test_manifest_run(void);
int test_validate_run(void);

#endif
