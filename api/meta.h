/* Small operations on objects that every room needs. Pure: time is an argument, as RFC 3339
 * text. */
#ifndef BARQUE_API_META_H
#define BARQUE_API_META_H

#include "api/apps.h"

/* Replaces an owned string: frees the old one, copies the new one (NULL clears). */
void string_set(char **field, const char *value);
void string_map_copy(struct string_map *to, const struct string_map *from); /* replaces */
bool string_map_equal(const struct string_map *a, const struct string_map *b); /* order-free */

/* NULL when absent. */
const struct condition *condition_find(const struct condition_list *l, const char *type);
bool condition_is_true(const struct condition_list *l, const char *type);
/* Adds or updates; last_transition_time moves only when the status changes. True when anything
 * changed. */
bool condition_set(struct condition_list *l, const char *type, const char *status,
                   const char *reason, const char *message, const char *now);

bool pod_is_ready(const struct pod *p);
/* Ready for at least min_ready_seconds at now_ms (wall). */
bool pod_is_available(const struct pod *p, int32_t min_ready_seconds, int64_t now_ms);
bool pod_is_active(const struct pod *p);      /* not Succeeded or Failed, not being deleted */
bool pod_is_terminal(const struct pod *p);    /* Succeeded or Failed */

/* Kubernetes' rule: keys equal (none with Exists: every key), value equal unless Exists, effect
 * equal unless the toleration names none. tolerationSeconds is the caller's affair. */
bool toleration_matches(const struct toleration *tol, const struct taint *t);

/* Deep copies; `to` is initialised memory that is replaced. */
void pod_template_copy(struct pod_template *to, const struct pod_template *from);
void pod_spec_copy(struct pod_spec *to, const struct pod_spec *from);
void label_selector_copy(struct label_selector *to, const struct label_selector *from);
/* Equal apart from the pod-template-hash label. */
bool pod_template_equal(const struct pod_template *a, const struct pod_template *b);
/* Stable short text (Kubernetes' safe alphabet) of the template and a collision count. At least 16
 * bytes. */
void pod_template_hash(const struct pod_template *t, uint32_t collision, char *ret_hash);

#endif
