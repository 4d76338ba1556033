/* The file of a unix socket: whose it is, and when it may be taken away.
 *
 *     lock the directory -> bind -> (a file is there: nobody listens on it? then it goes, bind
 *     again) -> listen -> unlock
 *
 * A dead owner leaves its file behind, and connecting to it is refused. So it is between bind and
 * listen of a live one, hence the lock: two that start at once never take each other's file. The
 * lock is flock's on the directory itself: nothing is left behind, and who does not ask for it is
 * not held up. Only sockets are ever removed, and at the end only if the file is still ours. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/io/internal.h"

enum { LOCK_TRIES = 5000 }; /* a millisecond each: nobody holds it longer than a bind takes */

/* A descriptor, or -1: then there is no lock, and bind will tell what is wrong. */
static int lock_directory(const char *path)
{
    static const struct timespec pause = { .tv_nsec = 1000000 };
    const char *slash = strrchr(path, '/');
    autofree char *dir = slash == NULL   ? mem_strdup(".")
                         : slash == path ? mem_strdup("/")
                                         : mem_printf("%.*s", (int)(slash - path), path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        if (i == LOCK_TRIES || (errno != EWOULDBLOCK && errno != EINTR)) {
            break; /* somebody else's lock, on something we only share */
        }
        nanosleep(&pause, NULL);
    }
    return fd;
}

static bool is_stale(const struct sockaddr_un *un)
{
    struct stat st;
    if (lstat(un->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode)) {
        return false; /* connecting to any file is refused, too */
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    bool stale = connect(fd, (const struct sockaddr *)un, sizeof *un) != 0 &&
                 errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int bind_anew(int fd, const struct sockaddr_un *un)
{
    const struct sockaddr *sa = (const struct sockaddr *)un;
    if (bind(fd, sa, sizeof *un) == 0) {
        return 0;
    }
    if (errno != EADDRINUSE) {
        return -1;
    }
    if (!is_stale(un) || unlink(un->sun_path) != 0) {
        errno = EADDRINUSE;
        return -1;
    }
    return bind(fd, sa, sizeof *un);
}

int socket_file_listen(struct socket_file *f, int fd, const struct sockaddr_un *un, int backlog)
{
    struct stat st;
    int lock = lock_directory(un->sun_path);
    int rv = bind_anew(fd, un);
    if (rv == 0 && lstat(un->sun_path, &st) == 0) {
        f->path = mem_strdup(un->sun_path);
        f->dev = st.st_dev;
        f->ino = st.st_ino;
    }
    rv = rv == 0 ? listen(fd, backlog) : rv;
    int saved = errno;
    if (lock >= 0) {
        close(lock);
    }
    errno = saved;
    return rv;
}

void socket_file_remove(struct socket_file *f)
{
    struct stat st;
    if (f->path == NULL) {
        return;
    }
    if (lstat(f->path, &st) == 0 && st.st_dev == f->dev && st.st_ino == f->ino) {
        unlink(f->path);
    }
    mem_free(TAKE(f->path));
}
