/*
 * rowset.c - see rowset.h
 */
#include "rowset.h"

#include <stdlib.h>
#include <string.h>

static uint64_t rowset_hash(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash ^ hash >> 29;
}

/* Bytes of a fixed value; 0 for bool, texts and arrays. */
static size_t rowset_width(const vss_column *c)
{
    switch (c->type) {
    case VSS_TYPE_INT8: return 1;
    case VSS_TYPE_INT16: return 2;
    case VSS_TYPE_INT32:
    case VSS_TYPE_FLOAT32: return 4;
    case VSS_TYPE_INT64:
    case VSS_TYPE_FLOAT64:
    case VSS_TYPE_TIMESTAMP: return 8;
    case VSS_TYPE_VECTOR_F32: return 4 * (size_t)c->dim;
    case VSS_TYPE_VECTOR_F16:
    case VSS_TYPE_VECTOR_BF16: return 2 * (size_t)c->dim;
    case VSS_TYPE_VECTOR_I8:
    case VSS_TYPE_VECTOR_U8: return c->dim;
    case VSS_TYPE_VECTOR_BINARY: return c->dim / 8;
    default: return 0;
    }
}

static bool rowset_bit(const void *bits, size_t i) { return ((const uint8_t *)bits)[i / 8] >> (i % 8) & 1; }

static uint64_t rowset_value(uint64_t hash, const vss_column *c, size_t row)
{
    const uint8_t null = c->validity != NULL && !rowset_bit(c->validity, row);
    const size_t width = rowset_width(c);
    hash = rowset_hash(hash, &null, 1);
    if (null)
        return hash;
    if (width > 0)
        return rowset_hash(hash, (const uint8_t *)c->data + row * width, width);
    if (c->type == VSS_TYPE_BOOL) {
        const uint8_t bit = rowset_bit(c->data, row);
        return rowset_hash(hash, &bit, 1);
    }
    const int64_t begin = c->offsets[row], end = c->offsets[row + 1], n = end - begin;
    hash = rowset_hash(hash, &n, sizeof n);
    if (c->type != VSS_TYPE_ARRAY)
        return rowset_hash(hash, (const uint8_t *)c->data + begin, (size_t)n);
    const vss_column *elements = c->data;
    for (int64_t i = begin; i < end; i++) /* elements are never null: not recursive any further */
        hash = elements->type == VSS_TYPE_STRING
                   ? rowset_hash(hash, (const uint8_t *)elements->data + elements->offsets[i],
                                 (size_t)(elements->offsets[i + 1] - elements->offsets[i]))
                   : elements->type == VSS_TYPE_BOOL
                         ? rowset_hash(hash, &(uint8_t){rowset_bit(elements->data, (size_t)i)}, 1)
                         : rowset_hash(hash, (const uint8_t *)elements->data + (size_t)i * rowset_width(elements),
                                       rowset_width(elements));
    return hash;
}

typedef struct rowset_run {
    rowset *set;
    const char *const *fields;
    size_t n_fields;
} rowset_run;

static int rowset_add(void *state, const vss_result *rows, uint64_t total)
{
    const rowset_run *run = state;
    rowset *set = run->set;
    if (set->rows == NULL) {
        set->room = (size_t)total;
        set->rows = calloc(set->room, sizeof *set->rows);
        if (set->rows == NULL)
            abort();
    }
    for (size_t i = 0; i < vss_result_rows(rows); i++) {
        rowset_row *row = &set->rows[set->n++];
        row->key = rowset_value(1, vss_result_keys(rows), i);
        row->values = 2;
        for (size_t f = 0; f < run->n_fields; f++)
            row->values = rowset_value(row->values, vss_result_field(rows, run->fields[f]), i);
    }
    return 0;
}

static int rowset_compare(const void *a, const void *b)
{
    const rowset_row *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

vss_status rowset_read(vss_collection *col, const char *filter, rowset *out, vss_error *err)
{
    const vss_schema *schema = vss_collection_schema(col);
    const char *fields[VSS_MAX_FIELDS];
    rowset_run run = {out, fields, 0};
    vss_scan_options options = VSS_INIT(vss_scan_options);
    *out = (rowset){0};
    for (size_t f = 0; f < schema->n_fields; f++)
        if (!(schema->fields[f]->flags & VSS_FIELD_PRIMARY))
            fields[run.n_fields++] = schema->fields[f]->name;
    options.fields = fields, options.n_fields = run.n_fields, options.filter = filter;
    const vss_status status = vss_collection_scan(col, &options, rowset_add, &run, err);
    if (out->n > 1)
        qsort(out->rows, out->n, sizeof *out->rows, rowset_compare);
    return status;
}

void rowset_free(rowset *set)
{
    free(set->rows);
    *set = (rowset){0};
}

bool rowset_within(const rowset *set, const rowset *of)
{
    size_t at = 0;
    for (size_t i = 0; i < set->n; i++) {
        while (at < of->n && of->rows[at].key < set->rows[i].key)
            at++;
        if (at == of->n || of->rows[at].key != set->rows[i].key || of->rows[at].values != set->rows[i].values)
            return false;
        at++; /* no key is there twice */
    }
    return true;
}
