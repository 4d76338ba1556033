/* The engine of a tour: one scene after the other, polled on the loop. See tour.h. */
#include "cmd/demo/tour.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/assert.h"

enum { POLL_MS = 10 };

void tour_figure(struct tour *t, const char *scene, const char *what, double value, double bound,
                   const char *unit, int decimals)
{
    if (t->n_figures < FIGURES_MAX) {
        t->figures[t->n_figures++] =
            (struct figure){ scene, what, value, bound, unit, false, decimals };
    }
}

void tour_figure_min(struct tour *t, const char *scene, const char *what, double value,
                       double bound, const char *unit)
{
    tour_figure(t, scene, what, value, bound, unit, 0);
    t->figures[t->n_figures - 1].at_least = true;
}

double tour_since(const struct tour *t, uint64_t at_ms)
{
    return at_ms >= t->begun_ms ? (double)(at_ms - t->begun_ms) / 1000.0 : 0.0;
}

double tour_elapsed(const struct tour *t)
{
    return tour_since(t, loop_now_ms(t->loop));
}

static void on_verified(void *arg, int64_t missing, int64_t wrong, int64_t unseen)
{
    struct tour *t = arg;
    t->missing = missing;
    t->wrong = wrong;
    t->unseen = unseen;
    /* The watcher may still be a moment behind the last write: look again until it is not. */
    t->verified = missing != 0 || wrong != 0 || unseen == 0;
    t->verifying = false;
}

void tour_verify_act(struct tour *t)
{
    observer_stop_writes(&t->observer);
}

bool tour_verify_over(struct tour *t)
{
    if (!t->verifying && !t->verified) {
        t->verifying = true;
        observer_verify(&t->observer, on_verified, t);
    }
    return t->verified;
}

static void print_new_figures(const struct tour *t, size_t from)
{
    for (size_t i = from; i < t->n_figures; i++) {
        const struct figure *f = &t->figures[i];
        printf("     %-42s %.*f %s\n", f->what, f->decimals, f->value, f->unit);
    }
    fflush(stdout);
}

static void begin(struct tour *t)
{
    const struct scene *s = &t->scenes[t->scene];
    printf("  %2zu. %s\n", t->scene + 1, s->title);
    fflush(stdout);
    t->begun_ms = loop_now_us(t->loop) / 1000;
    t->deadline_ms = t->begun_ms + s->within_ms;
    if (s->act != NULL) {
        s->act(t);
    }
}

static void on_poll(struct timer *timer)
{
    struct tour *t = CONTAINER_OF(timer, struct tour, timer);
    const struct scene *s = &t->scenes[t->scene];
    if (t->failed == NULL && s->over(t)) {
        size_t from = t->n_figures;
        s->measure(t);
        print_new_figures(t, from);
        if (++t->scene == t->n_scenes) {
            loop_stop(t->loop);
            return;
        }
        begin(t);
    } else if (t->failed == NULL && loop_now_ms(t->loop) > t->deadline_ms) {
        t->failed = s->title;
        err_set(&t->err, E_TIMEOUT, "not over within %.0f s", (double)s->within_ms / 1000.0);
    }
    if (t->failed != NULL) {
        loop_stop(t->loop);
        return;
    }
    timer_start(timer, POLL_MS);
}

void tour_start(struct tour *t, struct loop *loop, struct demo_cluster *c,
                const struct scene *scenes, size_t n)
{
    memset(t, 0, sizeof *t);
    t->loop = loop;
    t->cluster = c;
    t->scenes = scenes;
    t->n_scenes = n;
    timer_init(loop, &t->timer, on_poll);
    if (observer_open(&t->observer, loop, c, &t->err) != 0) {
        t->failed = "connect";
    } else {
        begin(t);
    }
    timer_start(&t->timer, POLL_MS);
}

void tour_end(struct tour *t)
{
    timer_stop(&t->timer);
    observer_close(&t->observer);
}
