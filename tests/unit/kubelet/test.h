/* What every test of this folder includes. */
#ifndef BARQUE_TESTS_UNIT_KUBELET_TEST_H
#define BARQUE_TESTS_UNIT_KUBELET_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/barque.h"
#include "kubelet/pod_actions.h"

/* A pod item; spec is JSON with single quotes, without braces. object_free. */
struct node_item *make_item(const char *spec, bool stop);

int test_pod_actions_run(void);
int test_fake_run(void);
int test_process_run(void);
int test_log_file_run(void);

#endif
