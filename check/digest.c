/* One digest an index, whoever tells it. */
#include "check/digest.h"

#include <inttypes.h>

#include "lib/base/alloc.h"
#include "lib/base/map.h"

/* Where a member is: its newest fact. */
static void check_forward(struct u64map *newest, const struct check_digest *f,
                          struct check_verdict *v)
{
    const struct check_digest *before = u64map_put(newest, f->member, (void *)f);
    if (before != NULL && before->life == f->life && before->index > f->index) {
        check_violatedf(v,
                        "member %u goes back from index %" PRIu64 " (%" PRId64
                        " us) to %" PRIu64 " (%" PRId64 " us) in one life",
                        f->member, before->index, before->at_us, f->index, f->at_us);
    }
}

int check_digests(const struct check_digest *facts, size_t n, struct check_report *report)
{
    struct check_verdict *v = check_report_verdict(
        report, "digests agree", "members with equal applied index have equal state", "digests");
    struct u64map by_index, newest;
    u64map_init(&by_index);
    u64map_init(&newest);
    for (size_t i = 0; i < n; i++) {
        const struct check_digest *f = &facts[i];
        v->checked++;
        check_forward(&newest, f, v);
        const struct check_digest *first = u64map_get(&by_index, f->index);
        if (first == NULL) {
            u64map_put(&by_index, f->index, (void *)f);
        } else if (first->digest != f->digest) {
            check_violatedf(v,
                            "index %" PRIu64 ": member %u has digest %016" PRIx64 " (%" PRId64
                            " us), member %u has %016" PRIx64 " (%" PRId64 " us)",
                            f->index, first->member, first->digest, first->at_us, f->member,
                            f->digest, f->at_us);
        }
    }
    u64map_fini(&by_index);
    u64map_fini(&newest);
    return check_result_code(v->result);
}
