/* Linked into every program of `make cov` with --wrap=_exit: a process that ends without its exit
 * handlers has counted too (the simulator's workers, a member that gives up). */
void __gcov_dump(void);
void __real__exit(int code) __attribute__((noreturn));
void __wrap__exit(int code) __attribute__((noreturn, weak)); /* tests/failure has one of its own */
void __wrap__exit(int code)
{
    __gcov_dump();
    __real__exit(code);
}
