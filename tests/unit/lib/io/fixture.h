/* What the tests of lib/io share: runs with a deadline, a temporary directory, a connected pair. */
#ifndef BARQUE_TESTS_IO_FIXTURE_H
#define BARQUE_TESTS_IO_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above. */
#include <cmocka.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/io/internal.h"

/* Runs until loop_stop; fails the test when that takes longer than a few seconds. */
void run_to_stop(struct loop *loop);

/* A fresh directory below TMPDIR; free with temp_dir_free, which removes it. */
char *temp_dir_new(void);
void temp_dir_free(char *path);

/* One end of a connection and what happened to it. */
struct end {
    struct loop *loop;
    struct conn *conn;
    struct buf in;
    size_t received;
    size_t stop_at; /* loop_stop when `received` gets there */
    bool count_only;
    int drains;
    int closes;
    int status;
    bool stop_on_close;
};

void end_attach(struct end *e, struct loop *loop, struct conn *c);

struct pair {
    struct loop *loop;
    struct listener *listener;
    struct end server;
    struct end client;
    int arrived;
};

/* A listener at `address` and a conn to it; both ends are attached when it returns. */
void pair_open(struct pair *p, struct loop *loop, const char *address);
/* Closes what is open and frees the loop. */
void pair_free(struct pair *p);

#define io_test(f) cmocka_unit_test(f)

int test_fault_rules_run(void);
int test_fault_run(void);
int test_loop_run(void);
int test_timer_run(void);
int test_work_run(void);
int test_file_run(void);
int test_address_run(void);
int test_conn_run(void);
int test_close_run(void);
int test_connect_run(void);
int test_listener_run(void);
int test_process_run(void);

#endif
