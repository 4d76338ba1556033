/* Is a text well-formed markup? Stricter than a browser: every tag closed in order, attributes in
 * double quotes and once, references known, valid UTF-8 without controls. The pages and the XML of
 * chaos/ are held to it, so that no text from a report can become markup. */
#ifndef BARQUE_TESTS_UNIT_CHAOS_MARKUP_H
#define BARQUE_TESTS_UNIT_CHAOS_MARKUP_H

#include "lib/base/buf.h"

/* NULL when well-formed, else what is wrong at the end of `ret_at` bytes. */
const char *markup_check(struct slice text, size_t *ret_at);

#endif
