/*
 * open.c - create, open, close and drop collections
 *
 * Cost of opening: two listings, the manifest, the tail of each object it names, and the rows that are in the log; no
 * other row is touched. Locks: db->mutex while the list of open collections is looked at or changed, and while a
 * collection is being opened, so that one name is opened once.
 */
#include <stdio.h>
#include <string.h>

#include "../base/bitmap.h"
#include "../base/text.h"
#include "background.h"
#include "journal.h"

#define COLLECTION_ATTEMPTS 16

static void collection_free(vss_collection *col)
{
    vssi_heap *heap = &col->db->heap;
    vssi_wal_close(col->log);
    vssi_snapshot_unref(col->snapshot);
    vssi_snapshot_unref(col->committed);
    vssi_scratch_clear(col);
    vssi_model_forget(&col->grow_model);
    vssi_manifest_free(col->manifest);
    vssi_schema_free(col->schema);
    vssi_free(heap, col->types);
    if (col->lock != NULL)
        col->db->storage.unlock(col->db->storage.state, col->lock);
    vssi_mutex_destroy(&col->job_mutex);
    vssi_mutex_destroy(&col->seal_mutex);
    vssi_mutex_destroy(&col->write_mutex);
    vssi_mutex_destroy(&col->snapshot_mutex);
    vssi_mutex_destroy(&col->background_mutex);
    vssi_mutex_destroy(&col->scratch_mutex);
    vssi_free(heap, col->prefix);
    vssi_free(heap, col->name);
    vssi_free(heap, col);
}

/* A handle without contents, holding the writer's lock unless it is read-only. */
static vss_status collection_begin(vss_db *db, const char *name, bool read_only, vss_collection **out, vss_error *err)
{
    vss_collection *col;
    vss_status status;
    char text[160];
    VSSI_TRY(vssi_alloc_zero(&db->heap, 1, sizeof *col, &col, err));
    col->db = db;
    col->handles = 1;
    col->read_only = read_only;
    vssi_mutex_init(&col->job_mutex);
    vssi_mutex_init(&col->seal_mutex);
    vssi_mutex_init(&col->write_mutex);
    vssi_mutex_init(&col->snapshot_mutex);
    vssi_mutex_init(&col->background_mutex);
    vssi_mutex_init(&col->scratch_mutex);
    VSSI_TRY_GOTO(vssi_strdup(&db->heap, name, strlen(name), &col->name, err), fail);
    snprintf(text, sizeof text, "%s/", name);
    VSSI_TRY_GOTO(vssi_strdup(&db->heap, text, strlen(text), &col->prefix, err), fail);
    if (!col->read_only && db->storage.lock != NULL) {
        snprintf(text, sizeof text, "%s/LOCK", name);
        VSSI_TRY_GOTO(db->storage.lock(db->storage.state, text, &col->lock, err), fail);
    }
    *out = col;
    return VSS_OK;
fail:
    collection_free(col);
    return status;
}

/* One sealed segment of the manifest with its deletes and indexes. What was opened is the part's, also on failure. */
static vss_status collection_part(vss_collection *col, const vssi_manifest_segment *g, vssi_part *part, vss_error *err)
{
    vssi_heap *heap = &col->db->heap;
    const vss_storage *storage = &col->db->storage;
    const vssi_schema *schema = vssi_collection_fields(col);
    uint64_t *bitmap;
    part->sealed = true;
    VSSI_TRY(vssi_segment_open(heap, storage, col->prefix, schema, &g->object, &part->segment, err));
    size_t rows = vssi_segment_rows(part->segment);
    if (rows != g->rows)
        return vssi_fail(err, VSS_ERR_CORRUPT, "%s%s has %zu rows, the manifest says %llu", col->prefix, g->object.name,
                         rows, (unsigned long long)g->rows);
    if (g->deletes.name != NULL) {
        VSSI_TRY(vssi_deletes_read(heap, storage, col->prefix, &g->deletes, rows, g->deleted, &bitmap, err));
        vss_status status = vssi_tombstones_copy(heap, NULL, rows, &part->deleted, err);
        if (status == VSS_OK) {
            memcpy(part->deleted->words, bitmap, vssi_bitmap_words(rows) * sizeof *bitmap);
            part->deleted->count = g->deleted;
        }
        vssi_free(heap, bitmap);
        VSSI_TRY(status);
    }
    VSSI_TRY(vssi_alloc_zero(heap, g->n_indexes, sizeof(vssi_segment_index *), &part->indexes, err));
    for (size_t i = 0; i < g->n_indexes; i++) {
        const vssi_field *field = vssi_schema_field(schema, g->indexes[i].field);
        if (field == NULL)
            return vssi_fail(err, VSS_ERR_CORRUPT, "%s%s: an index of field %u, which is not in the schema",
                             col->prefix, g->object.name, g->indexes[i].field);
        VSSI_TRY(vssi_segment_index_open(heap, storage, col->prefix, &g->indexes[i].object, schema,
                                         (size_t)(field - schema->fields), rows, &part->indexes[i], err));
        part->n_indexes++;
    }
    return VSS_OK;
}

/* The snapshot that the manifest describes; takes over its schema. */
static vss_status collection_load(vss_collection *col, vss_error *err)
{
    vssi_manifest *m = col->manifest;
    vssi_snapshot *s;
    col->schema = m->schema; /* the collection's from now on */
    m->owns_schema = false;
    VSSI_TRY(vssi_alloc_zero(&col->db->heap, col->schema->n_fields, sizeof *col->types, &col->types, err));
    vssi_collection_define_types(col);
    VSSI_TRY(vssi_snapshot_create(&col->db->heap, m->n_segments, &s, err));
    col->snapshot = s;
    col->committed = vssi_snapshot_ref(s);
    s->version = m->version;
    s->sequence = col->sequence = m->sequence;
    s->n_sealed = m->n_segments;
    col->next_auto_key = m->next_auto_key;
    col->read_only = col->read_only || m->read_only;
    for (size_t i = 0; i < m->n_segments; i++)
        VSSI_TRY(collection_part(col, &m->segments[i], &s->parts[i], err));
    return VSS_OK;
}

/* The newest manifest, NULL where the collection does not exist or is dropped; *version: its number all the same. */
static vss_status collection_manifest(vss_db *db, const char *name, vssi_manifest **out, uint64_t *version,
                                      uint64_t *bytes, vss_error *err)
{
    char prefix[80];
    *out = NULL;
    snprintf(prefix, sizeof prefix, "%s/", name);
    VSSI_TRY(vssi_manifest_newest(&db->storage, prefix, version, err));
    if (*version == 0)
        return VSS_OK;
    VSSI_TRY(vssi_manifest_read(&db->heap, &db->storage, prefix, *version, out, bytes, err));
    if ((*out)->dropped) {
        vssi_manifest_free(*out);
        *out = NULL;
    }
    return VSS_OK;
}

vss_status vssi_collection_exists(vss_db *db, const char *name, bool *exists, vss_error *err)
{
    vssi_manifest *m;
    uint64_t version, bytes;
    vss_status status = collection_manifest(db, name, &m, &version, &bytes, err);
    /* What is damaged is listed, so that it can be checked. */
    *exists = m != NULL || status == VSS_ERR_CORRUPT || status == VSS_ERR_NEWER_FORMAT;
    vssi_manifest_free(m);
    return *exists ? VSS_OK : status;
}

static void collection_link(vss_db *db, vss_collection *col)
{
    col->next = db->collections;
    db->collections = col;
}

static vss_collection *collection_find(vss_db *db, const char *name)
{
    vss_collection *col = db->collections;
    while (col != NULL && strcmp(col->name, name) != 0)
        col = col->next;
    return col;
}

/* Version `version` + 1 of nothing but a schema. What can fail comes before the commit: no failed call has created. */
static vss_status collection_first_manifest(vss_collection *col, const vss_schema *schema, uint64_t version,
                                            vss_error *err)
{
    vssi_manifest *m;
    vssi_heap *heap = &col->db->heap;
    VSSI_TRY(vssi_alloc_zero(heap, 1, sizeof *m, &m, err));
    m->heap = heap;
    m->version = version + 1;
    col->manifest = m;
    VSSI_TRY(vssi_schema_create(heap, schema, &m->schema, err));
    m->owns_schema = true;
    m->next_field_id = (uint32_t)m->schema->n_fields + 1;
    VSSI_TRY(collection_load(col, err));
    VSSI_TRY(vssi_journal_clear(col, err));
    return vssi_manifest_commit(m, &col->db->storage, col->prefix, err);
}

static vss_status collection_create(vss_db *db, const char *name, const vss_schema *schema, vss_collection **out,
                                    vss_error *err)
{
    vss_status status;
    vss_collection *col;
    vssi_manifest *old;
    vssi_schema *checked;
    uint64_t version, bytes;
    VSSI_TRY(vssi_schema_create(&db->heap, schema, &checked, err)); /* refuse before anything is written */
    vssi_schema_free(checked);
    VSSI_TRY(collection_manifest(db, name, &old, &version, &bytes, err));
    if (old != NULL) {
        vssi_manifest_free(old);
        return vssi_fail(err, VSS_ERR_EXISTS, "collection \"%s\" exists already", name);
    }
    VSSI_TRY(collection_begin(db, name, false, &col, err));
    VSSI_TRY_GOTO(collection_first_manifest(col, schema, version, err), fail);
    if (version > 0)
        (void)vssi_collection_collect(col, NULL); /* what is left of a dropped one of that name does no harm */
    collection_link(db, col);
    *out = col;
    return VSS_OK;
fail:
    if (status == VSS_ERR_EXISTS)
        status = vssi_fail(err, VSS_ERR_EXISTS, "collection \"%s\" exists already", name);
    collection_free(col);
    return status;
}

vss_status vssi_collection_create(vss_db *db, const char *name, const vss_schema *schema, vss_collection **out,
                                  vss_error *err)
{
    if (db->mode == VSS_OPEN_READ_ONLY)
        return vssi_fail(err, VSS_ERR_READ_ONLY, "database \"%s\" is open read-only", db->path);
    vssi_mutex_lock(&db->mutex);
    vss_status status = collection_create(db, name, schema, out, err);
    vssi_mutex_unlock(&db->mutex);
    return status;
}

/* A handle on the newest version and what the logs hold beyond it. *version: the one that was read, 0 for none. */
static vss_status collection_read(vss_db *db, const char *name, bool read_only, vss_collection **out,
                                  uint64_t *version, vss_error *err)
{
    vss_status status;
    vss_collection *col;
    *version = 0;
    VSSI_TRY(collection_begin(db, name, read_only, &col, err));
    VSSI_TRY_GOTO(collection_manifest(db, name, &col->manifest, version, &col->manifest_bytes, err), fail);
    if (col->manifest == NULL) {
        status = vssi_fail(err, VSS_ERR_NOT_FOUND, "no collection \"%s\" in \"%s\"", name, db->path);
        goto fail;
    }
    VSSI_TRY_GOTO(collection_load(col, err), fail);
    VSSI_TRY_GOTO(vssi_journal_replay(col, err), fail);
    *out = col;
    return VSS_OK;
fail:
    collection_free(col);
    return status;
}

/* Without the lock a commit can come in between: then what was read is perhaps no state that there ever was. */
static vss_status collection_read_beside(vss_db *db, const char *name, vss_collection **out, vss_error *err)
{
    char prefix[80];
    snprintf(prefix, sizeof prefix, "%s/", name);
    for (int attempt = 0; attempt < COLLECTION_ATTEMPTS; attempt++) {
        uint64_t before, after;
        vss_collection *col = NULL;
        vss_status status = collection_read(db, name, true, &col, &before, err);
        if (status == VSS_ERR_NO_MEMORY || status == VSS_ERR_BUDGET)
            return status;
        vss_status asked = vssi_manifest_newest(&db->storage, prefix, &after, status == VSS_OK ? err : NULL);
        /* An object that is gone may have been replaced, or is missing. */
        bool last = attempt == COLLECTION_ATTEMPTS - 1;
        if (asked == VSS_OK && before == after && (status != VSS_ERR_NOT_FOUND || last)) {
            *out = col;
            return status;
        }
        if (col != NULL)
            collection_free(col);
        if (asked != VSS_OK || after == 0)
            return status == VSS_OK ? asked : status;
    }
    return vssi_fail(err, VSS_ERR_BUSY, "collection \"%s\" changed each of the %d times it was read", name,
                     COLLECTION_ATTEMPTS);
}

static vss_status collection_open(vss_db *db, const char *name, vss_collection **out, vss_error *err)
{
    vss_collection *col = collection_find(db, name);
    bool exists;
    uint64_t version;
    if (col != NULL) {
        col->handles++;
        *out = col;
        return VSS_OK;
    }
    VSSI_TRY(vssi_collection_exists(db, name, &exists, err)); /* before the lock, which would leave a folder behind */
    if (!exists)
        return vssi_fail(err, VSS_ERR_NOT_FOUND, "no collection \"%s\" in \"%s\"", name, db->path);
    if (db->mode == VSS_OPEN_READ_ONLY)
        VSSI_TRY(collection_read_beside(db, name, &col, err));
    else
        VSSI_TRY(collection_read(db, name, false, &col, &version, err));
    collection_link(db, col);
    *out = col;
    return VSS_OK;
}

vss_status vssi_collection_open(vss_db *db, const char *name, vss_collection **out, vss_error *err)
{
    vssi_mutex_lock(&db->mutex);
    vss_status status = collection_open(db, name, out, err);
    vssi_mutex_unlock(&db->mutex);
    return status;
}

vss_status vssi_collection_peek(vss_db *db, const char *name, vss_collection **out, vss_error *err)
{
    return collection_read_beside(db, name, out, err);
}

void vssi_collection_peek_end(vss_collection *col) { collection_free(col); }

vss_status vssi_collection_close(vss_collection *col, vss_error *err)
{
    vss_db *db = col->db;
    vss_status status = VSS_OK;
    vssi_mutex_lock(&db->mutex);
    bool last = --col->handles == 0;
    for (vss_collection **at = &db->collections; last && *at != NULL; at = &(*at)->next)
        if (*at == col) {
            *at = col->next;
            break;
        }
    vssi_mutex_unlock(&db->mutex);
    if (!last)
        return VSS_OK;
    vssi_background_stop(col);
    if (!col->read_only && col->poisoned == VSS_OK)
        status = vssi_collection_flush(col, &(vssi_seal_options){.threads = 1}, err);
    collection_free(col);
    return status;
}

typedef struct collection_names {
    vssi_writer texts;
    const char *keep; /* the manifest that says "dropped" goes last */
} collection_names;

static int collection_name_add(void *arg, const char *name)
{
    collection_names *names = arg;
    if (strcmp(name, names->keep) != 0)
        vssi_write_bytes(&names->texts, name, strlen(name) + 1);
    return names->texts.status != VSS_OK;
}

/* Remove every object. A crash on the way leaves a dropped collection with objects that nothing names, which the next
 * drop or creation of that name removes. */
static vss_status collection_remove_objects(vss_db *db, const char *prefix, const char *dropped, vss_error *err)
{
    collection_names names = {.texts = {.heap = &db->heap, .err = err}, .keep = dropped};
    vss_status status = db->storage.list(db->storage.state, prefix, 0, collection_name_add, &names, err);
    if (status == VSS_OK)
        status = names.texts.status;
    for (size_t at = 0; status == VSS_OK && at < names.texts.size; at += strlen((char *)names.texts.data + at) + 1)
        status = db->storage.remove(db->storage.state, (char *)names.texts.data + at, err);
    if (status == VSS_OK)
        status = db->storage.remove(db->storage.state, dropped, err);
    vssi_free(&db->heap, names.texts.data);
    return status;
}

/* A collection that was dropped by a call that failed on the way is dropped to its end. */
static vss_status collection_drop_locked(vss_collection *col, vss_error *err)
{
    vss_db *db = col->db;
    uint64_t version, bytes;
    char name[160], number[32];
    VSSI_TRY(collection_manifest(db, col->name, &col->manifest, &version, &bytes, err));
    if (col->manifest != NULL) {
        vssi_manifest gone = {.heap = &db->heap, .version = ++version, .dropped = true,
                              .sequence = col->manifest->sequence, .next_auto_key = col->manifest->next_auto_key,
                              .next_field_id = col->manifest->next_field_id,
                              .log_first = col->manifest->log_first};
        VSSI_TRY(vssi_manifest_commit(&gone, &db->storage, col->prefix, err));
    }
    vssi_manifest_name(version, number);
    snprintf(name, sizeof name, "%s%s", col->prefix, number);
    return collection_remove_objects(db, col->prefix, name, err);
}

vss_status vssi_collection_drop(vss_db *db, const char *name, vss_error *err)
{
    vss_status status;
    vss_collection *col;
    uint64_t version;
    char prefix[80];
    if (db->mode == VSS_OPEN_READ_ONLY)
        return vssi_fail(err, VSS_ERR_READ_ONLY, "database \"%s\" is open read-only", db->path);
    snprintf(prefix, sizeof prefix, "%s/", name);
    vssi_mutex_lock(&db->mutex);
    if (collection_find(db, name) != NULL) {
        status = vssi_fail(err, VSS_ERR_BUSY, "collection \"%s\" is open in this process", name);
        goto out;
    }
    VSSI_TRY_GOTO(vssi_manifest_newest(&db->storage, prefix, &version, err), out);
    if (version == 0) {
        status = vssi_fail(err, VSS_ERR_NOT_FOUND, "no collection \"%s\" in \"%s\"", name, db->path);
        goto out;
    }
    VSSI_TRY_GOTO(collection_begin(db, name, false, &col, err), out);
    status = collection_drop_locked(col, err);
    collection_free(col);
out:
    vssi_mutex_unlock(&db->mutex);
    return status;
}
