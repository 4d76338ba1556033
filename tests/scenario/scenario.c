/* Plays one scenario and prints its trace: scenario store|orchestration [--restore] FILE
 *
 * A trace repeats each line after "> " and tells what happened below it. Comments and empty
 * lines of the scenario stay, so a trace is read without its scenario. */
#include "tests/scenario/scenario.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    const struct player *player;
} players[] = {
    { "store", &player_store },
    { "orchestration", &player_orchestration },
};

static const struct player *player_of(const char *name)
{
    for (size_t i = 0; i < sizeof players / sizeof players[0]; i++) {
        if (strcmp(players[i].name, name) == 0) {
            return players[i].player;
        }
    }
    return NULL;
}

static void play_file(FILE *f, const char *name, const struct player *player, bool restore)
{
    char line[1000];
    autobuf trace = BUF_INIT;
    struct arena arena;
    struct words w = { .file = name };
    arena_init(&arena);
    void *world = player->begin(&trace);
    while (fgets(line, sizeof line, f) != NULL) {
        w.line++;
        words_split(&w, &arena, line);
        buf_printf(&trace, "%s%s", w.n > 0 ? "> " : "", line);
        if (w.n > 0) {
            player->play(world, &w);
            if (words_peek(&w) != NULL) {
                w.at++;
                words_fail(&w, "what is this word for?");
            }
            if (restore && player->restore != NULL) {
                player->restore(world);
            }
        }
        fwrite(trace.data, 1, trace.len, stdout);
        buf_reset(&trace);
        arena_reset(&arena);
    }
    player->end(world);
    arena_fini(&arena);
}

int main(int argc, char **argv)
{
    bool restore = argc == 4 && strcmp(argv[2], "--restore") == 0;
    const struct player *player = argc == 3 || restore ? player_of(argv[1]) : NULL;
    if (player == NULL) {
        fprintf(stderr, "usage: %s store|orchestration [--restore] FILE\n", argv[0]);
        return 2;
    }
    const char *name = argv[argc - 1];
    FILE *f = fopen(name, "r");
    if (f == NULL) {
        perror(name);
        return 2;
    }
    play_file(f, name, player, restore);
    fclose(f);
    return 0;
}
