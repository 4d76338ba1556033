/* The scripted tour: break things in order, measure, and hold each figure against its bound.
 *
 * A scene is a row: what it does (act), when it is over (over), what it measured (measure). The
 * loop calls over every few milliseconds; a scene that is not over by its deadline has failed.
 * Writes and the watcher go on through all scenes from `writes` on. */
#ifndef BARQUE_CMD_DEMO_TOUR_H
#define BARQUE_CMD_DEMO_TOUR_H

#include "cmd/demo/observe.h"

enum { FIGURES_MAX = 64 };

/* One line of the closing table. */
struct figure {
    const char *scene, *what;
    double value, bound;     /* bound < 0: none, only told */
    const char *unit;
    bool at_least;           /* the bound is a minimum */
    int decimals;
};

struct tour;
struct scene {
    const char *title;
    uint64_t within_ms;
    void (*act)(struct tour *t);     /* may be NULL */
    bool (*over)(struct tour *t);
    void (*measure)(struct tour *t);
};
/* The scripted tour; its first script_scenes_setup_n scenes make a cluster with its workload. */
extern const struct scene script_scenes[];
extern const size_t script_scenes_n, script_scenes_setup_n;

struct tour {
    struct loop *loop;
    const struct scene *scenes;
    size_t n_scenes;
    struct demo_cluster *cluster;
    struct observer observer;
    struct timer timer;
    size_t scene;
    uint64_t begun_ms, deadline_ms;
    bool verifying, verified;
    int64_t missing, wrong, unseen;
    int victim;               /* index of the master or agent that was killed */
    size_t victim_pods;
    size_t least_ready;       /* seen during a rollout */
    bool applied;             /* an edit was taken by the store */
    struct figure figures[FIGURES_MAX];
    size_t n_figures;
    const char *failed;       /* the scene that did not end in time, or why nothing started */
    struct err err;
};

/* Plays scenes one after the other; loop_stop when over or failed. */
void tour_start(struct tour *t, struct loop *loop, struct demo_cluster *c,
                const struct scene *scenes, size_t n);
void tour_end(struct tour *t);
/* Prints the table; true when every bound held. markdown_path may be NULL. */
bool tour_report(const struct tour *t, const char *markdown_path);

/* For scenes: figures (bound < 0: only told), and seconds since the scene began. */
void tour_figure(struct tour *t, const char *scene, const char *what, double value, double bound,
                 const char *unit, int decimals);
void tour_figure_min(struct tour *t, const char *scene, const char *what, double value,
                     double bound, const char *unit);
double tour_since(const struct tour *t, uint64_t at_ms);
double tour_elapsed(const struct tour *t);
/* The last scene's act and over: writing stops, everything is read back and compared. */
void tour_verify_act(struct tour *t);
bool tour_verify_over(struct tour *t);

/* `barque demo kill|restart NAME`: does it to a running demo and measures. Exit code. */
int demo_single(struct demo_cluster *c, const char *verb, const char *name);
/* examples/web.yaml, as built in. */
struct slice demo_manifest(void);

#endif
