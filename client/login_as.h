/* As whom what is not asked at a terminal logs in to the store: master, agent, demo, backups and
 * bench. From --user and --password-file, or BARQUE_USER (NAME:PASSWORD) and
 * BARQUE_PASSWORD. */
#ifndef BARQUE_CLIENT_LOGIN_AS_H
#define BARQUE_CLIENT_LOGIN_AS_H

#include "client/client.h"

struct login_as {
    char *text; /* owned */
    const char *user, *password, *password_file;
};
#define LOGIN_AS_INIT { NULL, NULL, NULL, NULL }

/* Either may be NULL. Nobody, nowhere: user stays NULL. E_INVAL: a user without a password, or the
 * other way round. */
int login_as_read(const char *user, const char *password_file, struct login_as *ret_as,
                  struct err *err);
/* Borrowed until login_as_fini. */
void login_as_options(const struct login_as *as, struct client_options *options);
void login_as_fini(struct login_as *as);
/* What this process starts from now on does not inherit the variables with the password. A master
 * keeps them: it may start itself anew. */
void login_as_forget(void);

#endif
