/* meta comes last: a directory without it is nobody's. */
#include "raft/found.h"

#include <raft.h>

#include "lib/base/alloc.h"
#include "raft/configuration.h"
#include "raft/meta.h"
#include "raft/snapshot_file.h"
#include "raft/wal_file.h"

static int make_configuration(const struct found_options *o, struct value **ret_conf,
                              struct err *err)
{
    struct raft_configuration conf;
    raft_configuration_init(&conf);
    int rv = 0;
    for (size_t i = 0; i < o->n_members && rv == 0; i++) {
        const struct rnode_member *m = &o->members[i];
        rv = raft_configuration_add(&conf, m->id, m->peer_address,
                                    m->role == RNODE_VOTER ? RAFT_VOTER : RAFT_STANDBY);
    }
    struct value *bytes = rv == 0 ? configuration_encode(&conf) : NULL;
    if (rv != 0) {
        rv = err_set(err, E_INVAL, "the members: %s", raft_strerror(rv));
    } else if (configuration_check(value_slice(bytes)) != 0) {
        rv = err_set(err, E_INVAL, "the members: too many, or a bad address");
        value_unref(bytes);
    } else {
        *ret_conf = bytes;
    }
    raft_configuration_close(&conf);
    return rv;
}

static int write_snapshot(const struct found_options *o, struct value *conf, struct err *err)
{
    autofree char *dir = mem_printf("%s/snap", o->dir);
    struct snapshot_info info = { .cluster_id = o->cluster_id, .index = o->index, .term = o->term,
                                  .conf_index = o->index, .conf = conf };
    struct snapshot_writer w;
    autobuf chunk = BUF_INIT;
    int rv = fs_mkdir_p(o->fs, dir, 0700, err);
    if (rv == 0) {
        rv = snapshot_writer_open(&w, o->fs, dir, &info, err);
    }
    if (rv != 0) {
        return rv;
    }
    for (int more = 1; more == 1 && rv == 0;) {
        buf_reset(&chunk);
        more = o->next(o->arg, &chunk);
        rv = snapshot_writer_append(&w, buf_slice(&chunk), err);
    }
    if (rv != 0) {
        snapshot_writer_abort(&w);
        return rv;
    }
    return snapshot_writer_finish(&w, err);
}

static int write_log(const struct found_options *o, struct err *err)
{
    autofree char *dir = mem_printf("%s/wal", o->dir);
    struct wal_options w = { .fs = o->fs, .dir = dir, .cluster_id = o->cluster_id,
                             .member_id = o->member_id };
    struct wal_files f;
    int rv = fs_mkdir_p(o->fs, dir, 0700, err);
    wal_files_init(&f, &w);
    if (rv == 0) {
        rv = wal_files_roll(&f, true, o->index, o->term, 0, err);
    }
    if (rv == 0) {
        rv = wal_files_sync(&f, err);
    }
    wal_files_fini(&f);
    return rv;
}

static int write_meta(const struct found_options *o, struct err *err)
{
    autofree char *path = mem_printf("%s/meta", o->dir);
    struct meta m = { .cluster_id = o->cluster_id, .member_id = o->member_id, .term = o->term,
                      .ready = true };
    int rv = meta_create(o->fs, o->dir, path, &m, err);
    meta_close(&m);
    return rv;
}

int found_member(const struct found_options *o, struct err *err)
{
    struct value *conf = NULL;
    if (fs_exists(o->fs, o->dir)) {
        return err_set(err, E_EXIST, "%s is there already", o->dir);
    }
    int rv = make_configuration(o, &conf, err);
    if (rv == 0) {
        rv = fs_mkdir_p(o->fs, o->dir, 0700, err);
    }
    if (rv == 0) {
        rv = write_snapshot(o, conf, err);
    }
    if (rv == 0) {
        rv = write_log(o, err);
    }
    if (rv == 0) {
        rv = write_meta(o, err);
    }
    if (rv == 0) {
        rv = fs_sync_dir(o->fs, o->dir, err);
    }
    value_unref(conf);
    return rv;
}
