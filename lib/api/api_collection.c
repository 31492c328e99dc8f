/*
 * api_collection.c - create, open, close, drop; write; read; figures
 */
#include "door.h"

static vss_status collection_door(const vss_collection *col, const char *function, vss_error *err)
{
    if (col == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "%s: col is NULL", function);
    return vssi_door_db(col->db, err);
}

vss_status vss_collection_create(vss_db *db, const char *name, const vss_schema *schema, vss_collection **col,
                                 vss_error *err)
{
    DOOR_NEED("vss_collection_create", col);
    *col = NULL;
    DOOR_NEED("vss_collection_create", db);
    DOOR_NEED("vss_collection_create", schema);
    VSSI_TRY(vssi_door_db(db, err));
    VSSI_TRY(vssi_door_name(name, err));
    vss_schema s;
    VSSI_TRY(vssi_door_struct("vss_schema", &s, sizeof s, schema, err));
    if (s.fields == NULL || s.n_fields == 0 || s.n_fields > VSS_MAX_FIELDS)
        return vssi_fail(err, VSS_ERR_INVALID, "a schema has 1 to %u fields, not %zu", VSS_MAX_FIELDS,
                         s.fields == NULL ? (size_t)0 : s.n_fields);
    vss_field fields[VSS_MAX_FIELDS];
    const vss_field *pointers[VSS_MAX_FIELDS];
    for (size_t i = 0; i < s.n_fields; i++) {
        if (s.fields[i] == NULL)
            return vssi_fail(err, VSS_ERR_INVALID, "field %zu of the schema is NULL", i);
        VSSI_TRY(vssi_door_struct("vss_field", &fields[i], sizeof fields[i], s.fields[i], err));
        pointers[i] = &fields[i];
    }
    s.struct_size = sizeof s;
    s.fields = pointers;
    return vssi_collection_create(db, name, &s, col, err);
}

vss_status vss_collection_open(vss_db *db, const char *name, vss_collection **col, vss_error *err)
{
    DOOR_NEED("vss_collection_open", col);
    *col = NULL;
    DOOR_NEED("vss_collection_open", db);
    VSSI_TRY(vssi_door_db(db, err));
    VSSI_TRY(vssi_door_name(name, err));
    return vssi_collection_open(db, name, col, err);
}

vss_status vss_collection_close(vss_collection *col, vss_error *err)
{
    if (col == NULL)
        return VSS_OK;
    VSSI_TRY(vssi_door_db(col->db, err));
    return vssi_collection_close(col, err);
}

vss_status vss_collection_drop(vss_db *db, const char *name, vss_error *err)
{
    DOOR_NEED("vss_collection_drop", db);
    VSSI_TRY(vssi_door_db(db, err));
    VSSI_TRY(vssi_door_name(name, err));
    return vssi_collection_drop(db, name, err);
}

const char *vss_collection_name(const vss_collection *col) { return col == NULL ? NULL : col->name; }

const vss_schema *vss_collection_schema(const vss_collection *col)
{
    return col == NULL ? NULL : &vssi_collection_fields(col)->open;
}

const char *vss_collection_schema_json(const vss_collection *col)
{
    return col == NULL ? NULL : vssi_collection_fields(col)->json;
}

vss_status vss_collection_stats_get(vss_collection *col, vss_collection_stats *stats, vss_error *err)
{
    vss_collection_stats s = VSS_INIT(vss_collection_stats);
    VSSI_TRY(collection_door(col, "vss_collection_stats_get", err));
    DOOR_NEED("vss_collection_stats_get", stats);
    VSSI_TRY(vssi_collection_stats(col, &s, err));
    vssi_door_return(&s, stats);
    return VSS_OK;
}

/* A batch as this library knows it: the structs of columns and of their elements copied, [VSS_MAX_FIELDS] each. */
typedef struct collection_columns {
    vss_column columns[VSS_MAX_FIELDS];
    vss_column elements[VSS_MAX_FIELDS];
    const vss_column *pointers[VSS_MAX_FIELDS];
} collection_columns;

static vss_status collection_batch(const vss_batch *batch, vss_batch *out, collection_columns *room, vss_error *err)
{
    VSSI_TRY(vssi_door_struct("vss_batch", out, sizeof *out, batch, err));
    if (out->n_columns > VSS_MAX_FIELDS)
        return vssi_fail(err, VSS_ERR_INVALID, "%zu columns in a batch, at most %u", out->n_columns, VSS_MAX_FIELDS);
    if (out->n_columns > 0 && (out->names == NULL || out->columns == NULL))
        return vssi_fail(err, VSS_ERR_INVALID, "vss_batch: names or columns are NULL");
    for (size_t i = 0; i < out->n_columns; i++) {
        if (out->names[i] == NULL)
            return vssi_fail(err, VSS_ERR_INVALID, "vss_batch: the name of column %zu is NULL", i);
        vss_column *column = &room->columns[i];
        VSSI_TRY(vssi_door_column(out->names[i], out->columns[i], column, err));
        if (column->type == VSS_TYPE_ARRAY) {
            VSSI_TRY(vssi_door_column(out->names[i], column->data, &room->elements[i], err));
            column->data = &room->elements[i];
        }
        room->pointers[i] = column;
    }
    out->columns = room->pointers;
    return VSS_OK;
}

typedef vss_status (*collection_write_fn)(vss_collection *col, const vss_batch *batch, vss_write_info *info,
                                          vss_error *err);

static vss_status collection_write(collection_write_fn write, const char *function, vss_collection *col,
                                   const vss_batch *batch, vss_write_info *info, vss_error *err)
{
    vss_batch b;
    collection_columns room;
    vss_write_info done = VSS_INIT(vss_write_info);
    VSSI_TRY(collection_door(col, function, err));
    DOOR_NEED(function, batch);
    VSSI_TRY(collection_batch(batch, &b, &room, err));
    VSSI_TRY(write(col, &b, &done, err));
    vssi_door_return(&done, info);
    return VSS_OK;
}

vss_status vss_collection_insert(vss_collection *col, const vss_batch *batch, vss_write_info *info, vss_error *err)
{
    return collection_write(vssi_collection_insert, "vss_collection_insert", col, batch, info, err);
}

vss_status vss_collection_upsert(vss_collection *col, const vss_batch *batch, vss_write_info *info, vss_error *err)
{
    return collection_write(vssi_collection_upsert, "vss_collection_upsert", col, batch, info, err);
}

vss_status vss_collection_delete(vss_collection *col, const vss_column *keys, vss_write_info *info, vss_error *err)
{
    vss_column k;
    vss_write_info done = VSS_INIT(vss_write_info);
    VSSI_TRY(collection_door(col, "vss_collection_delete", err));
    DOOR_NEED("vss_collection_delete", keys);
    VSSI_TRY(vssi_door_column("keys", keys, &k, err));
    VSSI_TRY(vssi_collection_delete(col, &k, &done, err));
    vssi_door_return(&done, info);
    return VSS_OK;
}

vss_status vss_collection_delete_where(vss_collection *col, const char *filter, vss_write_info *info, vss_error *err)
{
    vss_write_info done = VSS_INIT(vss_write_info);
    VSSI_TRY(collection_door(col, "vss_collection_delete_where", err));
    DOOR_NEED("vss_collection_delete_where", filter);
    VSSI_TRY(vssi_collection_delete_where(col, filter, &done, err));
    vssi_door_return(&done, info);
    return VSS_OK;
}

vss_status vss_collection_get(vss_collection *col, const vss_column *keys, const char *const *fields, size_t n_fields,
                              vss_result **result, vss_error *err)
{
    vss_column k;
    DOOR_NEED("vss_collection_get", result);
    *result = NULL;
    VSSI_TRY(collection_door(col, "vss_collection_get", err));
    DOOR_NEED("vss_collection_get", keys);
    VSSI_TRY(vssi_door_column("keys", keys, &k, err));
    if (fields == NULL)
        n_fields = 0;
    for (size_t i = 0; i < n_fields; i++)
        if (fields[i] == NULL)
            return vssi_fail(err, VSS_ERR_INVALID, "vss_collection_get: the name of field %zu is NULL", i);
    return vssi_collection_get(col, &k, fields, n_fields, result, err);
}

vss_status vss_collection_count(vss_collection *col, const char *filter, uint64_t *count, vss_error *err)
{
    VSSI_TRY(collection_door(col, "vss_collection_count", err));
    DOOR_NEED("vss_collection_count", count);
    return vssi_collection_count(col, filter, count, err);
}

vss_status vss_collection_flush(vss_collection *col, vss_error *err)
{
    VSSI_TRY(collection_door(col, "vss_collection_flush", err));
    return vssi_collection_flush(col, &(vssi_seal_options){.threads = 1}, err);
}

vss_status vss_collection_compact(vss_collection *col, vss_error *err)
{
    VSSI_TRY(collection_door(col, "vss_collection_compact", err));
    return vssi_collection_compact(col, err);
}

vss_status vss_collection_purge(vss_collection *col, vss_error *err)
{
    VSSI_TRY(collection_door(col, "vss_collection_purge", err));
    return vssi_collection_purge(col, err);
}

vss_status vss_collection_check(vss_db *db, const char *name, vss_check_fn fn, void *state, vss_progress_fn progress,
                                void *progress_state, vss_check_report *report, vss_error *err)
{
    vss_check_report found = VSS_INIT(vss_check_report);
    DOOR_NEED("vss_collection_check", db);
    VSSI_TRY(vssi_door_db(db, err));
    VSSI_TRY(vssi_door_name(name, err));
    vss_status status = vssi_collection_check(db, name, fn, state, progress, progress_state, &found, err);
    vssi_door_return(&found, report);
    return status;
}
