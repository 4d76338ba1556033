/* A command line: the input's lines are its words. Both flag parsers (the one of the verbs, the one
 * of the servers) read or refuse it with a reason; what they leave are words of the line, in
 * order, and nothing else was touched. The environment is not the input's. */
#include <string.h>

#include "cli/flags.h"
#include "cmd/flags.h"
#include "cmd/values.h"
#include "lib/base/alloc.h"
#include "lib/base/assert.h"

enum { WORDS_MAX = 96 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left are some of the words, in order. */
static void check_rest(char *const *words, int n, char *const *argv, int argc)
{
    int k = 1;
    INVARIANT(argc >= 1);
    INVARIANT(argc <= n);
    for (int i = 1; i < argc; i++, k++) {
        while (k < n && words[k] != argv[i]) {
            k++;
        }
        INVARIANT(k < n);
    }
}

static void verbs(char *const *words, int n)
{
    char *argv[WORDS_MAX + 1];
    const char *text = "unset";
    bool yes = false, help = false;
    int64_t number = 7;
    uint64_t ms = 7;
    struct cli_list list = { .n = 0 };
    const struct cli_flag flags[] = {
        { "namespace", 'n', CLI_STRING, &text, "NAME", "" },
        { "watch", 'w', CLI_BOOL, &yes, NULL, "" },
        { "replicas", 'r', CLI_INT, &number, "N", "" },
        { "timeout", 0, CLI_DURATION, &ms, "TIME", "" },
        { "filename", 'f', CLI_LIST, &list, "FILE", "" },
    };
    struct err err = ERR_INIT;
    int argc = n;
    memcpy(argv, words, (size_t)n * sizeof *argv);
    argv[n] = NULL;
    int rv = cli_flags_parse(flags, ARRAY_LEN(flags), &argc, argv, &help, &err);
    INVARIANT(rv == 0 || rv == E_INVAL || (rv == E_TOOBIG && list.n == CLI_LIST_MAX));
    INVARIANT((rv == 0) == (err.msg[0] == '\0'));
    INVARIANT(list.n <= CLI_LIST_MAX);
    if (rv == 0) {
        check_rest(words, n, argv, argc);
    }
}

static void servers(char *const *words, int n)
{
    char *argv[WORDS_MAX + 1];
    const char *text = "unset";
    bool yes = false, help = false;
    uint64_t number = 7, ms = 7, interval = 7;
    int64_t quota = 7;
    const char *state = "new", *urls = NULL;
    const struct flag flags[] = {
        { "name", FLAG_STRING, &text, "NAME", "" },
        { "force-new-cluster", FLAG_BOOL, &yes, NULL, "" },
        { "quota-backend-bytes", FLAG_U64, &number, "BYTES", "" },
        { "heartbeat-interval", FLAG_DURATION, &ms, "TIME", "" },
        { "initial-cluster-state", FLAG_CHOICE, &state, "new|existing", "" },
        { "listen-client-urls", FLAG_URLS, &urls, "URLS", "" },
        { "notify-interval", FLAG_INTERVAL, &interval, "DURATION", "" },
        { "quota", FLAG_I64, &quota, "BYTES", "" },
        { "snapshot", FLAG_WORD, &text, NULL, "" },
    };
    struct err err = ERR_INIT;
    int argc = n;
    memcpy(argv, words, (size_t)n * sizeof *argv);
    argv[n] = NULL;
    int rv = flags_parse(flags, ARRAY_LEN(flags), &argc, argv, &help, &err);
    INVARIANT(rv == 0 || rv == E_INVAL || rv == E_UNSUPPORTED);
    INVARIANT(value_is_choice(state, "new|existing"));
    INVARIANT((rv == 0) == (err.msg[0] == '\0'));
    if (rv == 0) {
        check_rest(words, n, argv, argc);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *words[WORDS_MAX];
    char verb[] = "barque";
    autofree char *text = mem_zalloc(size + 1);
    int n = 0;
    memcpy(text, data, size);
    words[n++] = verb;
    for (char *at = text; at < text + size && n < WORDS_MAX;) {
        char *end = memchr(at, '\n', (size_t)(text + size - at));
        words[n++] = at;
        if (end == NULL) {
            break;
        }
        *end = '\0';
        at = end + 1;
    }
    verbs(words, n);
    servers(words, n);
    return 0;
}
