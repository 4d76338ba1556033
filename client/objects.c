/* Typed objects; see objects.h. Each is one call of kv.c whose answer is translated: codes into
 * what the caller asked for (a broken guard of a create is E_EXIST), texts into sentences that
 * name the object. */
#include "client/objects.h"

#include "client/internal.h"
#include "lib/base/alloc.h"
#include "lib/base/bug.h"
#include "lib/base/clock.h"

/* What an answer is translated with; freed with its call. */
struct ask {
    const struct kind *kind;
    char *name_key;
    struct object *object; /* create, update: what was sent */
    objects_done done;
    void *arg;
};

static void ask_cleanup(struct client_call *call)
{
    struct ask *ask = call->user;

    mem_free(ask->name_key);
    object_free(ask->object);
    mem_free(ask);
}

static struct ask *ask_new(const struct kind *kind, const char *namespace_, const char *name,
                           objects_done done, void *arg)
{
    struct ask *ask = mem_zalloc(sizeof *ask);

    ask->kind = kind;
    ask->name_key = kind->namespaced && namespace_ != NULL ? mem_printf("%s/%s", namespace_, name)
                                                           : mem_strdup(name);
    ask->done = done;
    ask->arg = arg;
    return ask;
}

static struct client_call *own(struct client_call *call, struct ask *ask)
{
    call->user = ask;
    call->cleanup = ask_cleanup;
    return call;
}

static void answer(struct ask *ask, struct objects_result *r)
{
    ask->done(ask->arg, r);
    object_free(r->object); /* unless taken */
}

static void answer_failed(struct ask *ask, int status, const struct err *err, const char *verb)
{
    struct objects_result r = { .status = status };
    struct err named;

    err_set(&named, status, "%s %s \"%s\": %s", verb, ask->kind->plural, ask->name_key,
            err != NULL ? err->msg : err_text(status));
    r.err = &named;
    answer(ask, &r);
}

/* PRE: nothing is there. */
static void answer_absent(struct ask *ask)
{
    struct objects_result r = { .status = E_NOTFOUND };
    struct err err;

    err_set(&err, E_NOTFOUND, "%s \"%s\" not found", ask->kind->plural, ask->name_key);
    r.err = &err;
    answer(ask, &r);
}

/* Who wrote past every check may have left the name out: it is the key's then. */
static void name_from_key(struct object *o, struct slice key)
{
    struct object_meta *m = &o->metadata;
    size_t skip = strlen(o->kind->key_prefix);
    autofree char *rest = mem_printf("%.*s", key.len > skip ? (int)(key.len - skip) : 0,
                                     (const char *)key.data + (key.len > skip ? skip : 0));
    char *slash = o->kind->namespaced ? strchr(rest, '/') : NULL;

    if (o->kind->namespaced && m->namespace_ == NULL) {
        m->namespace_ = mem_printf("%.*s", slash != NULL ? (int)(slash - rest) : 0, rest);
    }
    if (m->name == NULL) {
        m->name = mem_strdup(slash != NULL ? slash + 1 : rest);
    }
}

int object_decode(const struct kind *kind, const struct client_kv *kv, struct object **ret_object,
                  struct err *err)
{
    int rv = object_from_json(kind, kv->value, ret_object, err);

    if (rv != 0) {
        err_prefix(err, "key %.*s does not hold a %s", (int)kv->key.len,
                   (const char *)kv->key.data, kind->kind);
        err->code = E_CORRUPT;
        return E_CORRUPT;
    }
    name_from_key(*ret_object, kv->key);
    (*ret_object)->metadata.resource_version = kv->mod_revision;
    return 0;
}

/* --- stamps ----------------------------------------------------------------------------------- */

void object_stamp_new(struct object *o, struct rng *rng, int64_t wall_ms)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789"; /* no vowels: no words */
    struct object_meta *m = &o->metadata;
    char text[40];

    if (m->uid == NULL || m->uid[0] == 0) {
        uint64_t a = rng_u64(rng);

        uid_format(a, rng_u64(rng), text);
        mem_free(m->uid);
        m->uid = mem_strdup(text);
    }
    if (m->creation_timestamp == NULL) {
        clock_format(wall_ms, text, sizeof text);
        m->creation_timestamp = mem_strdup(text);
    }
    if (m->generation == 0) {
        m->generation = 1;
    }
    if ((m->name == NULL || m->name[0] == 0) && m->generate_name != NULL) {
        for (size_t i = 0; i < 5; i++) {
            text[i] = letters[rng_range(rng, 0, sizeof letters - 2)];
        }
        text[5] = 0;
        mem_free(m->name);
        m->name = mem_printf("%s%s", m->generate_name, text);
    }
}

static char *dup_or_null(const char *s)
{
    return s != NULL ? mem_strdup(s) : NULL;
}

/* A difference that is neither in metadata nor in status. */
static bool spec_differs(const struct object *a, const struct object *b)
{
    autobuf diff = BUF_INIT;
    const char *line;

    object_diff(a, b, &diff);
    for (line = buf_str(&diff); *line != 0;) {
        const char *end = strchr(line, '\n');

        if (strncmp(line, "metadata", 8) != 0 && strncmp(line, "status", 6) != 0) {
            return true;
        }
        if (end == NULL) {
            return false;
        }
        line = end + 1;
    }
    return false;
}

bool object_stamp_update(struct object *o, const struct object *old)
{
    struct object_meta *m = &o->metadata;

    PRE(o->kind == old->kind);
    m->resource_version = old->metadata.resource_version;
    m->generation = old->metadata.generation;
    mem_free(m->uid);
    m->uid = dup_or_null(old->metadata.uid);
    mem_free(m->creation_timestamp);
    m->creation_timestamp = dup_or_null(old->metadata.creation_timestamp);
    if (object_equal(o, old)) {
        return false;
    }
    if (spec_differs(old, o)) {
        m->generation++;
    }
    return true;
}

/* --- create, update, delete ------------------------------------------------------------------- */

static void answer_written(struct ask *ask, int64_t revision)
{
    struct objects_result r = { .revision = revision, .object = TAKE(ask->object) };

    r.object->metadata.resource_version = revision;
    answer(ask, &r);
}

static void on_created(void *arg, const struct client_result *result)
{
    struct ask *ask = arg;
    struct objects_result r = { .status = E_EXIST };
    struct err err;

    if (result->status == 0) {
        answer_written(ask, result->revision);
    } else if (result->status != E_CONFLICT || result->n_kvs == 0) {
        answer_failed(ask, result->status, result->err, "create"); /* or the fence is broken */
    } else {
        err_set(&err, E_EXIST, "%s \"%s\" already exists", ask->kind->plural, ask->name_key);
        r.err = &err;
        answer(ask, &r);
    }
}

/* The object's own guard comes first: on conflict its key is read. */
static size_t fill_guards(struct client_guard *guards, struct slice key, int64_t mod_revision,
                          const struct client_guard *fence)
{
    guards[0] = (struct client_guard){ key, mod_revision };
    if (fence == NULL) {
        return 1;
    }
    guards[1] = *fence;
    return 2;
}

static struct client_call *put_guarded(struct client *c, const struct object *o, int64_t lease,
                                       const struct client_guard *fence, client_done on_done,
                                       objects_done done, void *arg)
{
    struct ask *ask = ask_new(o->kind, o->metadata.namespace_, o->metadata.name, done, arg);
    autobuf key = BUF_INIT;
    autobuf json = BUF_INIT;
    struct client_guard guards[2];
    struct client_write write;
    size_t n;

    object_key(o, &key);
    object_to_json(o, &json);
    ask->object = object_copy(o);
    n = fill_guards(guards, buf_slice(&key), o->metadata.resource_version, fence);
    write = (struct client_write){
        .key = guards[0].key,
        .value = buf_slice(&json),
        .lease = lease,
    };
    if (BUG(BUG_UPDATE_UNGUARDED) && o->metadata.resource_version != 0) {
        return own(client_cas(c, guards + 1, n - 1, &write, 1, on_done, ask), ask);
    }
    return own(client_cas(c, guards, n, &write, 1, on_done, ask), ask);
}

struct client_call *objects_create_leased(struct client *c, const struct object *o, int64_t lease,
                                          objects_done done, void *arg)
{
    PRE(o->metadata.uid != NULL);
    PRE(o->metadata.resource_version == 0);
    return put_guarded(c, o, lease, NULL, on_created, done, arg);
}

struct client_call *objects_create_fenced(struct client *c, const struct object *o,
                                          const struct client_guard *fence, objects_done done,
                                          void *arg)
{
    PRE(o->metadata.uid != NULL);
    PRE(o->metadata.resource_version == 0);
    return put_guarded(c, o, 0, fence, on_created, done, arg);
}

struct client_call *objects_create(struct client *c, const struct object *o, objects_done done,
                                   void *arg)
{
    return objects_create_leased(c, o, 0, done, arg);
}

/* Conflict: what is there now, so that the caller need not read again. */
static void answer_conflict(struct ask *ask, const struct client_result *result, const char *verb)
{
    struct objects_result r = { .status = E_CONFLICT, .revision = result->revision };
    struct err err;

    if (result->n_kvs == 0) {
        answer_absent(ask);
        return;
    }
    err_set(&err, E_CONFLICT, "%s %s \"%s\": it was changed in between (now at revision %lld)",
            verb, ask->kind->plural, ask->name_key, (long long)result->kvs[0].mod_revision);
    r.err = &err;
    if (object_decode(ask->kind, &result->kvs[0], &r.object, &err) != 0) {
        r.status = E_CORRUPT;
    }
    answer(ask, &r);
}

static void on_updated(void *arg, const struct client_result *result)
{
    struct ask *ask = arg;

    if (result->status == 0) {
        answer_written(ask, result->revision);
    } else if (result->status == E_CONFLICT) {
        answer_conflict(ask, result, "update");
    } else {
        answer_failed(ask, result->status, result->err, "update");
    }
}

struct client_call *objects_update_leased(struct client *c, const struct object *o, int64_t lease,
                                          objects_done done, void *arg)
{
    PRE(o->metadata.resource_version > 0);
    return put_guarded(c, o, lease, NULL, on_updated, done, arg);
}

struct client_call *objects_update_fenced(struct client *c, const struct object *o,
                                          const struct client_guard *fence, objects_done done,
                                          void *arg)
{
    PRE(o->metadata.resource_version > 0);
    return put_guarded(c, o, 0, fence, on_updated, done, arg);
}

struct client_call *objects_update(struct client *c, const struct object *o, objects_done done,
                                   void *arg)
{
    return objects_update_leased(c, o, 0, done, arg);
}

static void on_deleted(void *arg, const struct client_result *result)
{
    struct ask *ask = arg;
    struct objects_result r = { .revision = result->revision };

    if (result->status == E_CONFLICT) {
        answer_conflict(ask, result, "delete");
    } else if (result->status != 0) {
        answer_failed(ask, result->status, result->err, "delete");
    } else {
        answer(ask, &r);
    }
}

static void on_deleted_any(void *arg, const struct client_result *result)
{
    if (result->status == 0 && result->deleted == 0) {
        answer_absent(arg);
        return;
    }
    on_deleted(arg, result);
}

struct client_call *objects_delete(struct client *c, const struct kind *kind,
                                   const char *namespace_, const char *name,
                                   int64_t resource_version, objects_done done, void *arg)
{
    struct ask *ask;
    autobuf key = BUF_INIT;

    if (resource_version != 0) {
        return objects_delete_fenced(c, kind, namespace_, name, resource_version, NULL, done, arg);
    }
    ask = ask_new(kind, namespace_, name, done, arg);
    kind_key(kind, namespace_, name, &key);
    return own(client_delete(c, buf_slice(&key), slice_make(NULL, 0), on_deleted_any, ask), ask);
}

struct client_call *objects_delete_fenced(struct client *c, const struct kind *kind,
                                          const char *namespace_, const char *name,
                                          int64_t resource_version,
                                          const struct client_guard *fence, objects_done done,
                                          void *arg)
{
    struct ask *ask = ask_new(kind, namespace_, name, done, arg);
    autobuf key = BUF_INIT;
    struct client_guard guards[2];
    struct client_write write;
    size_t n;

    PRE(resource_version > 0);
    kind_key(kind, namespace_, name, &key);
    n = fill_guards(guards, buf_slice(&key), resource_version, fence);
    write = (struct client_write){ .key = guards[0].key, .is_delete = true };
    return own(client_cas(c, guards, n, &write, 1, on_deleted, ask), ask);
}

/* --- get -------------------------------------------------------------------------------------- */

static void on_got(void *arg, const struct client_result *result)
{
    struct ask *ask = arg;
    struct objects_result r = { .revision = result->revision };
    struct err err;

    if (result->status != 0) {
        answer_failed(ask, result->status, result->err, "get");
        return;
    }
    if (result->n_kvs == 0) {
        answer_absent(ask);
        return;
    }
    r.status = object_decode(ask->kind, &result->kvs[0], &r.object, &err);
    r.err = r.status != 0 ? &err : NULL;
    answer(ask, &r);
}

struct client_call *objects_get(struct client *c, const struct kind *kind, const char *namespace_,
                                const char *name, objects_done done, void *arg)
{
    struct ask *ask = ask_new(kind, namespace_, name, done, arg);
    struct client_range range = { 0 };
    autobuf key = BUF_INIT;

    kind_key(kind, namespace_, name, &key);
    range.key = buf_slice(&key);
    return own(client_get(c, &range, on_got, ask), ask);
}
