/* An open file of the real disk, as file.c and fs.c see it. */
#ifndef BARQUE_IO_FILE_INTERNAL_H
#define BARQUE_IO_FILE_INTERNAL_H

#include "lib/io/file.h"

struct file {
    int fd;
    struct faults *faults; /* NULL but under a fault shim */
    char *path; /* for messages */
};

#endif
