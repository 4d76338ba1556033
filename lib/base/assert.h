/* Asserts that stay on in release builds: PRE at a function's entry, INVARIANT at each state
 * change. One condition each. A failure prints file:line, the condition and a backtrace, and
 * aborts. */
#ifndef BARQUE_BASE_ASSERT_H
#define BARQUE_BASE_ASSERT_H

void assert_fail(const char *kind, const char *cond, const char *file, int line)
    __attribute__((noreturn, cold));

#define PRE(cond) \
    ((cond) ? (void)0 : assert_fail("precondition", #cond, __FILE__, __LINE__))
#define INVARIANT(cond) \
    ((cond) ? (void)0 : assert_fail("invariant", #cond, __FILE__, __LINE__))
#define UNREACHABLE() assert_fail("unreachable", "code", __FILE__, __LINE__)

/* The object that holds an embedded member. */
#define CONTAINER_OF(ptr, type, member) \
    ((type *)(void *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#include <stddef.h>

#endif
