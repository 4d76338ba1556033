/* Plays kept fuzz inputs through a fuzz target without libFuzzer, for builds it cannot be linked
 * into (coverage by gcc): fuzz_x FILE-or-FOLDER... Exit 1 when nothing was played. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/base/alloc.h"

enum { INPUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static size_t play_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return 0;
    }
    uint8_t *whole = mem_alloc(INPUT_MAX);
    size_t n = fread(whole, 1, INPUT_MAX, f);
    fclose(f);
    LLVMFuzzerTestOneInput(whole, n);
    mem_free(whole);
    return 1;
}

static size_t play(const char *path)
{
    DIR *d = opendir(path);
    if (d == NULL) {
        return play_file(path);
    }
    size_t played = 0;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char inner[4096];
        if (e->d_name[0] != '.' &&
            snprintf(inner, sizeof(inner), "%s/%s", path, e->d_name) < (int)sizeof(inner)) {
            played += play_file(inner);
        }
    }
    closedir(d);
    return played;
}

int main(int argc, char **argv)
{
    if (LLVMFuzzerInitialize != NULL) {
        LLVMFuzzerInitialize(&argc, &argv);
    }
    size_t played = 0;
    for (int i = 1; i < argc; i++) {
        played += play(argv[i]);
    }
    printf("%zu inputs\n", played);
    return played == 0;
}
