/* As whom a command asks: --user, --password and --password-file, their variables, the terminal.
 *
 * A flag counts before a variable, BARQUE_USER before ETCDCTL_USER. A password in a flag is wiped
 * from the command line at once, so that `ps` shows it for a moment only; a file or a variable is
 * better. */
#ifndef BARQUE_CLI_USER_H
#define BARQUE_CLI_USER_H

#include "cli/flags.h"

struct cli_user {
    const char *given, *given_password, *password_file; /* flags write here */
    const char *name;     /* NULL: nobody logs in */
    const char *password; /* NULL: it is in the file */
    char *texts[2];       /* owned */
};

enum { CLI_USER_FLAGS = 3 };
void cli_user_flags(struct cli_user *u, struct cli_flag *ret_flags);
/* After the flags were read. Asks at the terminal where there is one and no password was given.
 * E_INVAL. */
int cli_user_read(struct cli_user *u, struct err *err);
void cli_user_fini(struct cli_user *u);

#endif
