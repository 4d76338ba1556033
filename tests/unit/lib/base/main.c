/* Unit tests of lib/base. */
#include "test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child's end was (as waitpid tells) and said. */
static int child_end(void (*fn)(void), const char *says, bool *ret_said)
{
    int fds[2];
    char text[4096];
    size_t len = 0;
    int status = 0;

    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        fn();
        _exit(0);
    }
    close(fds[1]);
    for (ssize_t n = 1; n > 0 && len < sizeof text - 1; len += (size_t)(n > 0 ? n : 0)) {
        n = read(fds[0], text + len, sizeof text - 1 - len);
    }
    text[len] = 0;
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    *ret_said = strstr(text, says) != NULL;
    return status;
}

bool child_aborts(void (*fn)(void), const char *says)
{
    bool said;
    int status = child_end(fn, says, &said);
    return said && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

bool child_exits(void (*fn)(void), int code, const char *says)
{
    bool said;
    int status = child_end(fn, says, &said);
    return said && WIFEXITED(status) && WEXITSTATUS(status) == code;
}

/* AddressSanitizer asks: a size that no machine has is refused as malloc does, not reported. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "allocator_may_return_null=1";
}

int main(void)
{
    int failed = 0;
    failed += test_memory_run();
    failed += test_containers_run();
    failed += test_text_run();
    failed += test_log_run();
    failed += test_metric_run();
    return failed != 0;
}
