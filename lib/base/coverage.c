/* Coverage builds only (make cov). */
#include "lib/base/assert.h"

#ifdef BARQUE_COV
void assert_that(int holds, const char *kind, const char *cond, const char *file, int line)
{
    if (!holds) {
        assert_fail(kind, cond, file, line);
    }
}

/* A process that ends without its exit handlers has counted too: the simulator's workers, a member
 * that gives up (linked with --wrap=_exit). */
void __gcov_dump(void);
void __real__exit(int code) __attribute__((noreturn));
void __wrap__exit(int code) __attribute__((noreturn));
void __wrap__exit(int code)
{
    __gcov_dump();
    __real__exit(code);
}
#else
typedef int coverage_is_off; /* ISO C wants a declaration in each file */
#endif
