/* See trio.h. */
#include "tests/unit/raft/trio.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "raft/node.h"

char *trio_dir(const struct trio *f, size_t i)
{
    return mem_printf("%s/%zu", f->dir, i);
}

int trio_start(struct trio *f, size_t i, const struct join_answer *joined)
{
    struct rnode_options o;
    struct rnode_tuning tuning = { .digest_ms = 50 };
    struct rnode_member others[LIMIT_PEERS];
    struct err err = ERR_INIT;
    autofree char *path = trio_dir(f, i);
    member_options(&f->m[i], f->loop, path, &o);
    o.initial = f->founders;
    o.n_initial = MEMBERS;
    if (joined != NULL) {
        o.join = true;
        o.cluster_id = joined->cluster_id;
        o.member_id = f->m[i].id = joined->your_id;
        o.n_initial = join_others(joined, others);
        o.initial = others;
    }
    return rnode_open_tuned(&o, &tuning, &f->m[i].node, &err);
}

void trio_open(struct trio *f)
{
    *f = (struct trio){ .loop = loop_new(), .dir = temp_dir_new() };
    for (size_t i = 0; i < MEMBERS; i++) {
        f->m[i].id = 300 + i;
        address_pick(f->loop, f->m[i].address, sizeof f->m[i].address);
        f->founders[i] = (struct rnode_member){ .id = f->m[i].id, .role = RNODE_VOTER };
        memcpy(f->founders[i].peer_address, f->m[i].address, sizeof f->m[i].address);
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        assert_int_equal(trio_start(f, i, NULL), 0);
    }
}

void trio_end(struct trio *f, size_t i)
{
    rnode_abandon(f->m[i].node);
    f->m[i].node = NULL;
}

void trio_close(struct trio *f)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        if (f->m[i].node != NULL) {
            trio_end(f, i);
        }
    }
    run_for(f->loop, 20);
    loop_free(f->loop);
    temp_dir_free(f->dir);
}

struct member *trio_leader(struct trio *f)
{
    struct member *all[MEMBERS] = { &f->m[0], &f->m[1], &f->m[2] };
    struct member *leader = NULL;
    assert_true(wait_for_leader(f->loop, all, MEMBERS, &leader));
    return leader;
}
