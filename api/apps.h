/* The apps kinds: ReplicaSet and Deployment. */
#ifndef BARQUE_API_APPS_H
#define BARQUE_API_APPS_H

#include "api/core.h"

/* "3" or "25%", as written. */
struct int_or_percent {
    bool set;
    bool percent;
    int32_t value;
};
/* Of `total`; percentages round up (surge) or down (unavailable), as Kubernetes does. */
int32_t int_or_percent_of(const struct int_or_percent *v, int32_t total, bool round_up);

struct replicaset {
    struct object object;
    struct {
        int32_t replicas;
        bool has_replicas;
        int32_t min_ready_seconds;
        struct label_selector selector;
        struct pod_template template_;
    } spec;
    struct {
        int32_t replicas, fully_labeled_replicas, ready_replicas, available_replicas;
        int64_t observed_generation;
        struct condition_list conditions;
        char *other_json;
    } status;
};

struct deployment {
    struct object object;
    struct {
        int32_t replicas;
        bool has_replicas;
        struct label_selector selector;
        struct pod_template template_;
        char *strategy_type;                 /* RollingUpdate, Recreate */
        struct int_or_percent max_surge, max_unavailable;
        int32_t min_ready_seconds;
        int32_t revision_history_limit;
        bool has_revision_history_limit;
        int32_t progress_deadline_seconds;
        bool has_progress_deadline_seconds;
        bool paused;
    } spec;
    struct {
        int64_t observed_generation;
        int32_t replicas, updated_replicas, ready_replicas, available_replicas,
            unavailable_replicas;
        struct condition_list conditions;    /* Available, Progressing */
        char *other_json;
    } status;
};

/* The annotation and label that tie a ReplicaSet to its Deployment's history. */
#define ANNOTATION_REVISION "deployment.kubernetes.io/revision"
#define LABEL_POD_TEMPLATE_HASH "pod-template-hash"
#define ANNOTATION_CHANGE_CAUSE "kubernetes.io/change-cause"

struct replicaset *object_replicaset(const struct object *o);
struct deployment *object_deployment(const struct object *o);

#endif
