/* See user.h. */
#include "cli/user.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"
#include "lib/base/alloc.h"

void cli_user_flags(struct cli_user *u, struct cli_flag *ret_flags)
{
    ret_flags[0] = (struct cli_flag){ "user", 0, CLI_STRING, &u->given, "NAME[:PASSWORD]",
                                      "as whom to ask (BARQUE_USER, ETCDCTL_USER)" };
    ret_flags[1] = (struct cli_flag){ "password", 0, CLI_STRING, &u->given_password, "TEXT",
                                      "its password (BARQUE_PASSWORD, ETCDCTL_PASSWORD)" };
    ret_flags[2] = (struct cli_flag){ "password-file", 0, CLI_STRING, &u->password_file, "FILE",
                                      "its password is this file's first line "
                                      "(BARQUE_PASSWORD_FILE)" };
}

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static const char *variable_of(const char *name, const char *other)
{
    const char *value = variable(name);
    return value != NULL ? value : variable(other);
}

/* A copy of a flag's value, which is gone from argv after it. */
static char *take(const char *flag)
{
    char *text = mem_strdup(flag);
    memset((char *)(uintptr_t)flag, 'x', strlen(flag));
    return text;
}

/* NULL: there is nobody to ask. */
static char *ask(const char *name)
{
    autofree char *prompt = mem_printf("Password of %.200s: ", name);
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);

    if (tty < 0) {
        return NULL;
    }
    close(tty);
    char *typed = getpass(prompt);
    if (typed == NULL) {
        return NULL;
    }
    char *copy = mem_strdup(typed);
    explicit_bzero(typed, strlen(typed));
    return copy;
}

/* The user's name, and the password where it is told along with it: as with etcdctl, a name with
 * --password is not cut at its colon. */
static int read_name(struct cli_user *u, const char **ret_in_user, struct err *err)
{
    const char *text = u->given != NULL ? u->given : variable_of("BARQUE_USER", "ETCDCTL_USER");

    if (text == NULL) {
        return u->given_password == NULL && u->password_file == NULL
                   ? 0 : err_set(err, E_INVAL, "a password without --user: whose is it?");
    }
    u->texts[0] = u->given != NULL ? take(u->given) : mem_strdup(text);
    if (u->given_password != NULL) {
        u->name = u->texts[0];
        return 0;
    }
    int rv = client_user_split(u->texts[0], &u->name, ret_in_user, err);
    return rv == 0 ? 0 : err_prefix(err, "--user");
}

int cli_user_read(struct cli_user *u, struct err *err)
{
    const char *in_user = NULL;
    const char *known = variable_of("BARQUE_PASSWORD", "ETCDCTL_PASSWORD");
    int rv = read_name(u, &in_user, err);

    if (rv != 0 || u->name == NULL) {
        return rv;
    }
    if (u->given_password != NULL) {
        u->texts[1] = take(u->given_password);
        u->password_file = NULL;
    } else if (in_user != NULL && (u->given != NULL || u->password_file == NULL)) {
        u->texts[1] = mem_strdup(in_user);
        u->password_file = NULL;
    } else if (u->password_file == NULL && known != NULL) {
        u->texts[1] = mem_strdup(known);
    } else if (u->password_file == NULL) {
        u->password_file = variable("BARQUE_PASSWORD_FILE");
        u->texts[1] = u->password_file == NULL ? ask(u->name) : NULL;
    }
    u->password = u->texts[1];
    if (u->password == NULL && u->password_file == NULL) {
        return err_set(err, E_INVAL,
                       "--user %s: no password. Give --password-file FILE, BARQUE_PASSWORD, or "
                       "--user NAME:PASSWORD", u->name);
    }
    return 0;
}

void cli_user_fini(struct cli_user *u)
{
    for (size_t i = 0; i < sizeof u->texts / sizeof u->texts[0]; i++) {
        if (u->texts[i] != NULL) {
            explicit_bzero(u->texts[i], strlen(u->texts[i]));
            mem_free(u->texts[i]);
        }
    }
}
