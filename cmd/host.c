/* See host.h. */
#include "cmd/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cmd/member.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

/* --- the log ---------------------------------------------------------------------------------- */

/* Below 0: a file is meant. The journal takes what comes from stderr. */
static int known_output(const char *word)
{
    if (str_eq(word, "default") || str_eq(word, "stderr") || str_eq(word, "systemd/journal")) {
        return STDERR_FILENO;
    }
    return str_eq(word, "stdout") ? STDOUT_FILENO : -1;
}

int host_start_log(const struct member_flags *m, struct err *err)
{
    const char *word = m->log_outputs + strspn(m->log_outputs, " ");
    word += str_starts(word, "file://") ? strlen("file://") : 0;
    if (word[0] == '\0' || strchr(word, ',') != NULL) {
        return err_set(err, E_UNSUPPORTED, "--log-outputs %s: there is one output; tee makes more",
                       m->log_outputs);
    }
    int fd = known_output(word);
    if (fd < 0) {
        fd = open(word, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    }
    if (fd < 0) {
        return err_errno(err, errno, "--log-outputs %s", word);
    }
    log_start(fd);
    return 0;
}

/* --- memory ----------------------------------------------------------------------------------- */

static bool limits_do_not_apply(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3] = { { 0 } };
    return syscall(SYS_capget, &head, caps) == 0 && (caps[0].effective & 1U << CAP_IPC_LOCK) != 0;
}

/* Under a limit, memory that is asked for later would be refused, and the process would end in the
 * midst of its work: better not to begin. */
static int lift_limit(struct err *err)
{
    struct rlimit lim;
    const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
    if (limits_do_not_apply()) {
        return 0;
    }
    if (getrlimit(RLIMIT_MEMLOCK, &lim) != 0) {
        return err_errno(err, errno, "--memory-mlock");
    }
    if (lim.rlim_cur == RLIM_INFINITY || setrlimit(RLIMIT_MEMLOCK, &none) == 0) {
        return 0;
    }
    lim.rlim_cur = lim.rlim_max;
    if (lim.rlim_max == RLIM_INFINITY && setrlimit(RLIMIT_MEMLOCK, &lim) == 0) {
        return 0;
    }
    return err_set(err, E_PERM,
                   "--memory-mlock: this process may lock %llu KiB only. Next: lift the limit "
                   "(ulimit -l unlimited, or LimitMEMLOCK=infinity)",
                   (unsigned long long)lim.rlim_max / 1024);
}

int host_lock_memory(struct err *err)
{
    int rv = lift_limit(err);
    /* On fault: threads' stacks are large and mostly never touched. */
    if (rv == 0 && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) {
        rv = err_errno(err, errno, "--memory-mlock");
    }
    return rv;
}
