/* As whom a command asks, and from where it knows. */
#include "tests/unit/cli/test.h"

#include <stdlib.h>
#include <string.h>

#include "cli/user.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"
#include "lib/base/str.h"

static const char *const variables[] = { "BARQUE_USER", "ETCDCTL_USER", "BARQUE_PASSWORD",
                                         "ETCDCTL_PASSWORD", "BARQUE_PASSWORD_FILE" };

struct given {
    const char *user, *password, *file; /* flags */
    const char *variables[ARRAY_LEN(variables)];
};

/* "name password" or "name file FILE", "nobody"; mem_free. What was given as flags lies in
 * `text`. */
static char *read_of(const struct given *g, char text[2][32])
{
    struct cli_user u = { .password_file = g->file };
    struct err err = ERR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
        if (g->variables[i] != NULL) {
            setenv(variables[i], g->variables[i], 1);
        } else {
            unsetenv(variables[i]);
        }
    }
    if (g->user != NULL) {
        str_copy(text[0], sizeof text[0], g->user);
        u.given = text[0];
    }
    if (g->password != NULL) {
        str_copy(text[1], sizeof text[1], g->password);
        u.given_password = text[1];
    }
    char *said = NULL;
    if (cli_user_read(&u, &err) != 0) {
        said = mem_strdup(err.msg);
    } else if (u.name == NULL) {
        said = mem_strdup("nobody");
    } else if (u.password == NULL) {
        said = mem_printf("%s file %s", u.name, u.password_file);
    } else {
        assert_null(u.password_file);
        said = mem_printf("%s %s", u.name, u.password);
    }
    cli_user_fini(&u);
    return said;
}

static void the_nearest_source_counts(void **state)
{
    (void)state;
    static const struct {
        struct given given;
        const char *want;
    } cases[] = {
        { { .user = NULL }, "nobody" },
        { { .user = "a:b" }, "a b" },
        { { .user = "a:b:c" }, "a b:c" },
        { { .user = "a:" }, "a " },
        { { .user = "a", .password = "b" }, "a b" },
        { { .user = "a:x", .password = "b" }, "a:x b" }, /* as etcdctl */
        { { .user = "a", .file = "f" }, "a file f" },
        { { .user = "a:b", .variables = { "c:d", "e:f", "g", "h", "i" } }, "a b" },
        { { .user = "a", .file = "f", .variables = { [2] = "g", [4] = "i" } }, "a file f" },
        { { .user = "a", .variables = { "c:d", "e:f", "g", "h", "i" } }, "a g" },
        { { .user = "a", .variables = { [3] = "h", [4] = "i" } }, "a h" },
        { { .user = "a", .variables = { [4] = "i" } }, "a file i" },
        { { .variables = { "c:d", "e:f" } }, "c d" },
        { { .variables = { NULL, "e:f", "g" } }, "e f" },
        { { .file = "f", .variables = { "c:d" } }, "c file f" },
        { { .variables = { [2] = "g", [4] = "i" } }, "nobody" },
        { { .password = "b" }, "a password without --user: whose is it?" },
        { { .file = "f" }, "a password without --user: whose is it?" },
        { { .user = ":b" }, "--user: the user has no name. Give NAME or NAME:PASSWORD" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[2][32];
        autofree char *said = read_of(&cases[i].given, text);
        assert_string_equal(said, cases[i].want);
    }
}

static void a_password_in_a_flag_is_wiped_there(void **state)
{
    (void)state;
    char text[2][32];
    autofree char *one = read_of(&(struct given){ .user = "app:secret" }, text);
    assert_string_equal(one, "app secret");
    assert_string_equal(text[0], "xxxxxxxxxx");
    autofree char *two = read_of(&(struct given){ .user = "app", .password = "secret" }, text);
    assert_string_equal(two, "app secret");
    assert_string_equal(text[1], "xxxxxx");
}

int test_user_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_source_counts),
        cmocka_unit_test(a_password_in_a_flag_is_wiped_there),
    };
    return cmocka_run_group_tests_name("cli/user", tests, NULL, NULL);
}
