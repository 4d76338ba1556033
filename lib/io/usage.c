/* /proc/self, read whole: a few lines of text and one directory. proc(5) has the fields. */
#include "lib/io/usage.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/base/err.h"

/* Fields of /proc/self/stat behind the name, which may hold blanks and brackets. */
enum { STAT_UTIME = 11, STAT_STIME = 12, STAT_START = 19, STAT_VIRTUAL = 20, STAT_RESIDENT = 21 };

static int read_text(const char *path, char *ret_text, size_t size)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return E_UNSUPPORTED;
    }
    size_t n = fread(ret_text, 1, size - 1, f);
    ret_text[n] = '\0';
    (void)fclose(f);
    return n > 0 ? 0 : E_UNSUPPORTED;
}

static int read_stat(struct usage *u, double *ret_start_ticks)
{
    char text[1024];
    unsigned long long fields[STAT_RESIDENT + 1] = { 0 };
    const char *at;
    int rv = read_text("/proc/self/stat", text, sizeof text);
    if (rv != 0 || (at = strrchr(text, ')')) == NULL) {
        return E_UNSUPPORTED;
    }
    at++; /* the state is one letter */
    for (int i = 0; i <= STAT_RESIDENT; i++) {
        at += strspn(at, " ");
        if (i > 0 && sscanf(at, "%llu", &fields[i]) != 1 && *at != '-') {
            return E_UNSUPPORTED;
        }
        at += strcspn(at, " ");
    }
    double ticks = (double)sysconf(_SC_CLK_TCK);
    u->cpu_s = (double)(fields[STAT_UTIME] + fields[STAT_STIME]) / ticks;
    u->virtual_bytes = fields[STAT_VIRTUAL];
    u->resident_bytes = fields[STAT_RESIDENT] * (uint64_t)sysconf(_SC_PAGESIZE);
    *ret_start_ticks = (double)fields[STAT_START] / ticks;
    return 0;
}

static int read_boot_time(double *ret_boot_s)
{
    char line[256];
    int rv = E_UNSUPPORTED;
    FILE *f = fopen("/proc/stat", "re");
    while (f != NULL && rv != 0 && fgets(line, sizeof line, f) != NULL) {
        rv = sscanf(line, "btime %lf", ret_boot_s) == 1 ? 0 : rv;
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return rv;
}

static int count_descriptors(struct usage *u)
{
    struct rlimit limit;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL || getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return E_UNSUPPORTED;
    }
    u->fds = 0;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        u->fds += e->d_name[0] != '.';
    }
    u->fds--; /* the directory's own */
    u->fds_max = limit.rlim_cur;
    (void)closedir(dir);
    return 0;
}

int usage_read(struct usage *ret_usage)
{
    struct usage u = { 0 };
    double start_s = 0, boot_s = 0;
    int rv = read_stat(&u, &start_s);
    rv = rv == 0 ? read_boot_time(&boot_s) : rv;
    rv = rv == 0 ? count_descriptors(&u) : rv;
    if (rv == 0) {
        u.start_s = boot_s + start_s;
        *ret_usage = u;
    }
    return rv;
}
