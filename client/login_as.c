/* See login_as.h. */
#include "client/login_as.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

int login_as_read(const char *user, const char *password_file, struct login_as *ret_as,
                  struct err *err)
{
    const char *in_user = NULL, *known = variable("BARQUE_PASSWORD");
    user = user != NULL ? user : variable("BARQUE_USER");
    password_file = password_file != NULL ? password_file : variable("BARQUE_PASSWORD_FILE");
    if (user == NULL) {
        return password_file == NULL
                   ? 0 : err_set(err, E_INVAL, "--password-file without --user: whose is it?");
    }
    ret_as->text = mem_strdup(user);
    int rv = client_user_split(ret_as->text, &ret_as->user, &in_user, err);
    if (rv != 0) {
        return err_prefix(err, "--user");
    }
    ret_as->password_file = password_file;
    if (password_file == NULL) {
        ret_as->password = in_user != NULL ? in_user : known;
    }
    if (password_file == NULL && ret_as->password == NULL) {
        return err_set(err, E_INVAL, "--user %s: no password. Next: give --password-file FILE, or "
                                     "BARQUE_PASSWORD", ret_as->user);
    }
    return 0;
}

void login_as_options(const struct login_as *as, struct client_options *options)
{
    options->user = as->user;
    options->password = as->password;
    options->password_file = as->password_file;
}

void login_as_fini(struct login_as *as)
{
    if (as->password != NULL && as->text != NULL && as->password == strchr(as->text, '\0') + 1) {
        explicit_bzero((char *)(uintptr_t)as->password, strlen(as->password));
    }
    mem_free(as->text);
    *as = (struct login_as)LOGIN_AS_INIT;
}

void login_as_forget(void)
{
    unsetenv("BARQUE_USER");
    unsetenv("BARQUE_PASSWORD");
    unsetenv("ETCD_USER");
}
