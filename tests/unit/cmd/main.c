/* Unit tests of cmd, and what they share. That a process behaves so: tests/integration. */
#include "tests/unit/cmd/test.h"

#include "cmd/config_file.h"
#include "lib/base/alloc.h"

static void hear(void *arg, const char *line)
{
    struct told *t = arg;
    buf_printf(&t->lines, "%s\n", line);
}

static struct told *told_new(void)
{
    struct told *t = mem_zalloc(sizeof *t);
    options_init(&t->m);
    return t;
}

struct told *told_by(const char *words)
{
    struct told *t = told_new();
    const struct option_ears ears = { hear, t };
    char verb[] = "store";
    char *argv[32] = { verb };
    int argc = 1;
    char *save = NULL, *copy = arena_strdup(&t->m.arena, words);
    for (char *w = strtok_r(copy, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
        assert_true(argc < 31);
        argv[argc++] = w;
    }
    t->rv = options_parse(&t->m, &argc, argv, &t->help, &ears, &t->err);
    return t;
}

struct told *told_by_file(const char *text)
{
    struct told *t = told_new();
    const struct option_ears ears = { hear, t };
    t->rv = config_file_apply(&t->m, "m.yml", slice_str(text), &ears, &t->err);
    return t;
}

void told_free(struct told *t)
{
    buf_fini(&t->lines);
    options_fini(&t->m);
    mem_free(t);
}

void environment_clear(void)
{
    assert_int_equal(clearenv(), 0);
}

void environment_set(const char *variable, const char *value)
{
    assert_int_equal(setenv(variable, value, 1), 0);
}

int main(void)
{
    int failed = 0;

    failed += test_values_run();
    failed += test_options_run();
    failed += test_config_file_run();
    failed += test_login_as_run();
    return failed != 0;
}
