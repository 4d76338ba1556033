/* As whom a master or an agent logs in. */
#include "client/login_as.h"

#include "lib/base/alloc.h"
#include "tests/unit/cmd/test.h"

static void a_file_counts_more_than_what_the_environment_says(void **state)
{
    static const struct {
        const char *user, *file, *in_user, *in_password, *in_file, *want;
    } cases[] = {
        { NULL, NULL, NULL, NULL, NULL, "nobody" },
        { "a", "f", NULL, NULL, NULL, "a file f" },
        { "a", NULL, NULL, "p", NULL, "a p" },
        { "a:q", NULL, "b:r", "p", NULL, "a q" },
        { NULL, NULL, "b:r", NULL, NULL, "b r" },
        { NULL, NULL, "b:r:s", "p", NULL, "b r:s" },
        { NULL, "f", "b:r", "p", NULL, "b file f" },
        { NULL, NULL, "b", "p", "g", "b file g" },
        { NULL, "f", NULL, NULL, NULL, "--password-file without --user: whose is it?" },
        { "a", NULL, NULL, NULL, NULL, "--user a: no password. Next: give --password-file FILE, "
                                       "or BARQUE_PASSWORD" },
        { ":p", NULL, NULL, NULL, NULL,
          "--user: the user has no name. Give NAME or NAME:PASSWORD" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct login_as as = LOGIN_AS_INIT;
        struct client_options o = { 0 };
        struct err err = ERR_INIT;
        autofree char *said = NULL;
        environment_clear();
        environment_set("BARQUE_USER", cases[i].in_user != NULL ? cases[i].in_user : "");
        environment_set("BARQUE_PASSWORD",
                        cases[i].in_password != NULL ? cases[i].in_password : "");
        environment_set("BARQUE_PASSWORD_FILE", cases[i].in_file != NULL ? cases[i].in_file : "");
        int rv = login_as_read(cases[i].user, cases[i].file, &as, &err);
        login_as_options(&as, &o);
        if (rv != 0) {
            said = mem_strdup(err.msg);
        } else if (o.user == NULL) {
            said = mem_strdup("nobody");
        } else {
            said = mem_printf("%s %s%s", o.user, o.password_file != NULL ? "file " : "",
                              o.password_file != NULL ? o.password_file : o.password);
        }
        assert_string_equal(said, cases[i].want);
        login_as_fini(&as);
    }
}

static void what_an_agent_starts_inherits_no_password(void **state)
{
    (void)state;
    environment_clear();
    environment_set("BARQUE_USER", "a:b");
    environment_set("ETCD_USER", "a:b");
    environment_set("BARQUE_PASSWORD", "b");
    login_as_forget();
    assert_null(getenv("BARQUE_USER"));
    assert_null(getenv("ETCD_USER"));
    assert_null(getenv("BARQUE_PASSWORD"));
}

int test_login_as_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_counts_more_than_what_the_environment_says),
        cmocka_unit_test(what_an_agent_starts_inherits_no_password),
    };
    return cmocka_run_group_tests_name("cmd/login_as", tests, NULL, NULL);
}
