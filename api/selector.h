/* Label selectors: of objects (matchLabels, matchExpressions) and of the command line (`-l`).
 * Pure. */
#ifndef BARQUE_API_SELECTOR_H
#define BARQUE_API_SELECTOR_H

#include "api/core.h"

/* An empty selector matches everything. */
bool label_selector_matches(const struct label_selector *s, const struct string_map *labels);
/* "a=b,c!=d,e in (x,y),f notin (z),g,!h" -> a selector to be released with label_selector_fini.
 * E_INVAL with the place and what was expected. */
int label_selector_parse(const char *text, struct label_selector *ret_selector, struct err *err);
void label_selector_fini(struct label_selector *s);
/* "app=web,tier in (a,b)" */
void label_selector_print(const struct label_selector *s, struct buf *out);

#endif
