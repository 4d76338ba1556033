/* The points at which something may fail, and the failures.
 *
 * Points are counted while a script plays: allocations of a member's code (malloc, calloc and
 * realloc as linked), its disk operations, or those that change something. At a point that is due
 * the process forks, once a variant:
 *
 *     alloc   once     this malloc fails; the reserve serves it
 *             spent    and so do all after it: the member ends itself (exit 7)
 *             scarce   this one fails, and for two seconds nothing large can be had
 *     io      EIO, ENOSPC, a part of a write and then either, a disk that is full for three seconds
 *     crash   power goes before the operation, or in the middle of a write, after any byte of it;
 *             what was not synced is lost, kept, or any part of it; or the process is killed
 *
 * After a sync that failed its pages count as clean, as Linux has it: another sync of that file
 * would succeed and mean nothing, so there must be none before they are written again, by no life
 * of the member. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "tests/failure/failure.h"

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __gcov_dump(void) __attribute__((weak));
void __real__exit(int code) __attribute__((noreturn));
void __wrap__exit(int code) __attribute__((noreturn));
void __real_member_fatal(void *arg, const struct err *err) __attribute__((noreturn));
void __wrap_member_fatal(void *arg, const struct err *err) __attribute__((noreturn));
void __real_member_cannot_start(struct node *n, int rv, const struct err *err)
    __attribute__((noreturn));
void __wrap_member_cannot_start(struct node *n, int rv, const struct err *err)
    __attribute__((noreturn));

enum { HANG_S = 60, WAIT_S = 900, SMALL_WRITE = 256, LARGE_BYTES = 8 << 20, FULL_US = 3000000 };
enum { SCARCE_US = 2000000, CUTS_FROM = 4 };
enum alloc_variant { ALLOC_ONCE, ALLOC_SPENT, ALLOC_SCARCE, ALLOC_VARIANTS };

static struct {
    const struct plan *plan;
    struct sim *sim;
    bool counting;
    bool happened;
    uint64_t n;
    int said;            /* memory file: stderr of the child */
    enum alloc_variant alloc;
    struct node *poor;   /* without memory */
    uint64_t scarce_until;
} in;

static const char *const KIND_NAMES[KINDS] = { "alloc", "io", "crash" };

const char *kind_name(enum kind kind)
{
    return KIND_NAMES[kind];
}

void inject_init(const struct plan *plan)
{
    in.plan = plan;
    in.said = memfd_create("said", MFD_CLOEXEC);
}

void inject_begin(struct sim *s)
{
    in.sim = s;
    in.counting = true;
}

void inject_end(void)
{
    in.counting = false;
    in.plan->total->points = in.n;
}

bool inject_happened(void)
{
    return in.happened;
}

bool inject_may_end(void)
{
    return in.happened && !(in.plan->kind == KIND_ALLOC && in.alloc != ALLOC_SPENT);
}

struct outcome *inject_outcome(void)
{
    return in.happened ? in.plan->child : in.plan->total;
}

/* --- children --------------------------------------------------------------------------------- */

static void tell_violation(int status, int variant)
{
    struct outcome *c = in.plan->child;
    char said[8192];
    ssize_t n = pread(in.said, said, sizeof said - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    fprintf(stderr, "VIOLATION %s: %s at %s %llu.%d: %s\n", in.plan->script, c->what,
            kind_name(in.plan->kind), (unsigned long long)in.n, variant,
            c->verdict.violated  ? c->verdict.text
            : WIFSIGNALED(status) ? strsignal(WTERMSIG(status))
                                  : "ended badly");
    fprintf(stderr, "  again: build/failure --script %s --kind %s --n %llu --variant %d\n%s",
            in.plan->script, kind_name(in.plan->kind), (unsigned long long)in.n, variant, said);
}

static void reap(pid_t pid, int variant)
{
    struct outcome *t = in.plan->total, *c = in.plan->child;
    int status = 0;
    waitpid(pid, &status, 0);
    t->tried++;
    t->clean_exits += c->clean_exits;
    t->crashes += c->crashes;
    t->refused += c->refused;
    t->unknown += c->unknown;
    t->survived += !c->exited;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        t->violations++;
        tell_violation(status, variant);
    }
}

/* A child that hangs ends: one that computes for long, and one that waits for ever. */
static void limit_time(void)
{
    struct itimerval cpu = { .it_value = { .tv_sec = HANG_S } };
    (void)setitimer(ITIMER_PROF, &cpu, NULL);
    alarm(WAIT_S);
}

/* True in the child. */
static bool try_variant(int variant)
{
    *in.plan->child = (struct outcome){ 0 };
    fflush(stdout);
    fflush(stderr);
    (void)!ftruncate(in.said, 0);
    pid_t pid = fork();
    if (pid == 0) {
        in.happened = true;
        limit_time();
        (void)lseek(in.said, 0, SEEK_SET);
        (void)dup2(in.said, STDOUT_FILENO);
        (void)dup2(in.said, STDERR_FILENO);
        return true;
    }
    reap(pid, variant);
    return false;
}

/* One more point: -1, or in the child the variant of the failure that happens here. */
static int point(int variants)
{
    const struct plan *p = in.plan;
    if (!in.counting || in.happened) {
        return -1;
    }
    in.n++;
    if (p->only != 0) {
        in.happened = in.n == p->only;
        return in.happened ? (p->variant >= 0 ? p->variant : 0) : -1;
    }
    if (p->stride == 0 || in.n % p->stride != 0) {
        return -1;
    }
    in.counting = false; /* forking allocates */
    int first = p->all ? 0 : (int)(in.n / p->stride * 7 % (uint64_t)variants);
    int last = p->all ? variants - 1 : first;
    for (int v = first; v <= last; v++) {
        if (try_variant(v)) {
            return v;
        }
    }
    in.counting = true;
    return -1;
}

static void happens(const char *what, const char *how)
{
    snprintf(in.plan->child->what, sizeof in.plan->child->what, "%s (%s)", what, how);
    if (in.plan->verbose) {
        sim_log(in.sim, "*** %s", in.plan->child->what);
    }
}

/* --- allocation ------------------------------------------------------------------------------- */

static struct node *member_running(void)
{
    struct node *n = in.sim != NULL ? in.sim->running : NULL;
    return n != NULL && n->kind == &STORE_KIND ? n : NULL;
}

static bool alloc_fails(size_t size)
{
    static const char *const NAMES[] = { "once", "spent", "scarce" };
    struct node *n = member_running();
    if (n == NULL || in.plan->kind != KIND_ALLOC) {
        return false;
    }
    if (in.poor == n || (size >= LARGE_BYTES && in.sim->now < in.scarce_until)) {
        return true;
    }
    int variant = point(ALLOC_VARIANTS);
    if (variant < 0) {
        return false;
    }
    in.alloc = (enum alloc_variant)variant;
    happens("no memory", NAMES[variant]);
    in.poor = variant == ALLOC_SPENT ? n : NULL;
    in.scarce_until = variant == ALLOC_SCARCE ? in.sim->now + SCARCE_US : 0;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return alloc_fails(size) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return alloc_fails(n * size) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return alloc_fails(size) ? NULL : __real_realloc(p, size);
}

/* A member that ends itself for want of memory ends alone: the world goes on. Without a reserve,
 * which a process that has just started has not taken yet, one failure is enough. */
void __wrap__exit(int code)
{
    struct node *n = member_running();
    if (code == MEM_EXIT_STATUS && n != NULL && in.happened &&
        (in.poor == n || n->process == NULL)) {
        alarm(WAIT_S); /* not the one that a process's last words are given */
        in.poor = NULL;
        in.plan->child->clean_exits++;
        in.plan->child->exited = true;
        node_die(n);
    }
    if (__gcov_dump != NULL) { /* make cov */
        __gcov_dump();
    }
    __real__exit(code);
}

/* A disk that fails ends the member that has it. */
void __wrap_member_fatal(void *arg, const struct err *err)
{
    if (in.happened) {
        in.plan->child->clean_exits++;
        in.plan->child->exited = true;
    }
    __real_member_fatal(arg, err);
}

void __wrap_member_cannot_start(struct node *n, int rv, const struct err *err)
{
    if (in.happened) {
        in.plan->child->clean_exits++;
        in.plan->child->exited = true;
    }
    __real_member_cannot_start(n, rv, err);
}

/* --- disk ------------------------------------------------------------------------------------- */

static const char *const OP_NAMES[] = {
    [DISK_OPEN] = "open",         [DISK_READ] = "read",         [DISK_CREATE] = "create",
    [DISK_WRITE] = "write",       [DISK_SYNC] = "sync",         [DISK_TRUNCATE] = "truncate",
    [DISK_ALLOCATE] = "allocate", [DISK_RENAME] = "rename",     [DISK_UNLINK] = "unlink",
    [DISK_SYNC_DIR] = "sync-dir",
};

static size_t write_bytes(const struct disk_op *op)
{
    size_t bytes = 0;
    for (size_t i = 0; i < op->n; i++) {
        bytes += op->parts[i].len;
    }
    return bytes;
}

/* The first bytes of a write reach the file. */
static void write_part(const struct disk_op *op, size_t bytes)
{
    uint64_t offset = op->offset;
    for (size_t i = 0; i < op->n && bytes > 0; i++) {
        size_t n = op->parts[i].len < bytes ? op->parts[i].len : bytes;
        inode_write(op->inode, slice_make(op->parts[i].data, n), offset);
        offset += n;
        bytes -= n;
    }
}

enum io_variant { IO_EIO, IO_ENOSPC, IO_FULL, IO_PART_EIO, IO_PART_ENOSPC };
enum sync_variant { SYNC_POWER, SYNC_PROCESS };

static int io_variants(enum disk_op_kind kind)
{
    switch (kind) {
    case DISK_WRITE:
        return 5;
    case DISK_CREATE:
    case DISK_ALLOCATE:
        return 3;
    case DISK_RENAME:
    case DISK_TRUNCATE:
    case DISK_SYNC:
        return 2;
    default:
        return 1;
    }
}

/* What Linux makes of it: the pages count as clean, programs go on seeing them, and they are not on
 * the disk. Either the power goes with the member, or only its process ends and the next one finds
 * the pages in the cache; the power goes later, then. */
static int sync_fails(struct fs *fs, const struct disk_op *op, int variant, struct err *err)
{
    happens("sync", variant == SYNC_POWER ? "EIO, and power is lost" : "EIO, and pages are lost");
    fs->policy = variant == SYNC_POWER ? CRASH_LOSE : CRASH_NOT;
    inode_sync_fails(op->inode);
    return err_set(err, E_IO, "sync: EIO");
}

static int io_fails(struct fs *fs, const struct disk_op *op, int variant, struct err *err)
{
    static const char *const NAMES[] = { "EIO", "ENOSPC", "full for 3 s", "part, then EIO",
                                         "part, then ENOSPC" };
    struct node *n = in.sim->running;
    n->broken = true; /* it may end */
    if (op->kind == DISK_SYNC) {
        return sync_fails(fs, op, variant, err);
    }
    happens(OP_NAMES[op->kind], NAMES[variant]);
    fs->policy = variant % 2 == 0 ? CRASH_LOSE : CRASH_KEEP;
    if (variant == IO_FULL) {
        sim_fs_set_full(fs, true);
        sim_post(in.sim, in.sim->now + FULL_US, EV_SPACE, NULL, n->id, NULL);
        return 0;
    }
    if (variant >= IO_PART_EIO) {
        write_part(op, write_bytes(op) / 2);
    }
    bool full = variant == IO_ENOSPC || variant == IO_PART_ENOSPC;
    return err_set(err, full ? E_DISKFULL : E_IO, "%s: %s", OP_NAMES[op->kind], NAMES[variant]);
}

/* After how many bytes of a write the power goes: every byte of a small one, else these. */
static size_t crash_prefix(size_t bytes, int k)
{
    static const size_t CUTS[] = { 1, 8, 39, 40, 41, 511, 512, 513, 4095, 4096, 4097 };
    if (bytes <= SMALL_WRITE) {
        return (size_t)k + 1;
    }
    size_t n = sizeof CUTS / sizeof CUTS[0];
    if ((size_t)k < n) {
        return CUTS[k];
    }
    return (size_t)k == n ? bytes / 2 : (size_t)k == n + 1 ? bytes - 1 : bytes;
}

static int crash_variants(const struct disk_op *op)
{
    size_t bytes = op->kind == DISK_WRITE ? write_bytes(op) : 0;
    return CUTS_FROM + (int)(bytes <= SMALL_WRITE ? bytes : 14);
}

static void crash(struct fs *fs, const struct disk_op *op, int variant)
{
    static const enum crash_policy POLICIES[] = { CRASH_LOSE, CRASH_KEEP, CRASH_ANY, CRASH_NOT };
    static const char *const NAMES[] = { "power; unsynced is lost", "power; unsynced is kept",
                                         "power; any part is kept", "killed" };
    char how[40];
    fs->policy = variant < CUTS_FROM ? POLICIES[variant] : CRASH_KEEP;
    if (variant >= CUTS_FROM) {
        size_t bytes = write_bytes(op), part = crash_prefix(bytes, variant - CUTS_FROM);
        part = part < bytes ? part : bytes;
        write_part(op, part);
        snprintf(how, sizeof how, "power after byte %zu of %zu", part, bytes);
    }
    happens(OP_NAMES[op->kind], variant < CUTS_FROM ? NAMES[variant] : how);
    in.plan->child->crashes++;
    in.plan->child->exited = true;
    node_die(in.sim->running);
}

/* Of term and vote two copies are kept, a page each: what a start writes is the one that counts. */
static bool is_log(const struct fs *fs, const struct inode *inode)
{
    for (size_t i = 0; i < fs->seen.n; i++) {
        if (fs->seen.items[i].inode == inode) {
            return strstr(fs->seen.items[i].path, "/wal/") != NULL;
        }
    }
    return false;
}

int inject_disk(struct fs *fs, const struct disk_op *op, struct err *err)
{
    if (op->kind == DISK_SYNC && is_log(fs, op->inode) && inode_has_lost(op->inode)) {
        sim_violation(in.sim, "a sync after one that failed promises what is not on the disk");
    }
    if ((in.plan->lies >> op->kind & 1) != 0) {
        return DISK_PRETEND;
    }
    bool looks = op->kind == DISK_OPEN || op->kind == DISK_READ;
    if (in.plan->kind == KIND_IO) {
        int variant = point(io_variants(op->kind));
        return variant >= 0 ? io_fails(fs, op, variant, err) : 0;
    }
    if (in.plan->kind == KIND_CRASH && !looks) {
        int variant = point(crash_variants(op));
        if (variant >= 0) {
            crash(fs, op, variant);
        }
    }
    return 0;
}
