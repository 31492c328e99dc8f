/*
 * format_fixture.h - rows, a schema of every type and a storage for the tests of lib/format
 */
#ifndef FORMAT_FIXTURE_H
#define FORMAT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/bytes.h"
#include "../../lib/format/object_private.h"
#include "../../lib/format/segment.h"

#define FIXTURE_DIM 3u

/* An allocator that fails at the allocation number `fail_at` (from 1; 0: never) and counts what is held. */
typedef struct fixture_memory {
    size_t calls, fail_at;
    long held;
} fixture_memory;

static void *fixture_alloc(void *state, size_t size, size_t align)
{
    fixture_memory *m = state;
    if (++m->calls == m->fail_at)
        return NULL;
    m->held++;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void fixture_release(void *state, void *block, size_t size, size_t align)
{
    (void)size;
    (void)align;
    ((fixture_memory *)state)->held--;
    free(block);
}

static inline void fixture_heap(vssi_heap *heap, fixture_memory *memory)
{
    const vss_allocator hook = {.struct_size = sizeof hook, .state = memory, .alloc = fixture_alloc,
                                .release = fixture_release};
    *memory = (fixture_memory){0};
    vssi_heap_init(heap, &hook, 0);
}

static const char fixture_fields[] =
    "{\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 3, \"metric\": \"cosine\"},"
    "{\"name\": \"w\", \"type\": \"vector<f32>\", \"dim\": 2, \"metric\": \"l2\"},"
    "{\"name\": \"flag\", \"type\": \"bool\", \"nullable\": true},"
    "{\"name\": \"i8\", \"type\": \"int8\"}, {\"name\": \"i16\", \"type\": \"int16\"},"
    "{\"name\": \"i32\", \"type\": \"int32\", \"nullable\": true}, {\"name\": \"i64\", \"type\": \"int64\"},"
    "{\"name\": \"f32\", \"type\": \"float32\"}, {\"name\": \"f64\", \"type\": \"float64\", \"nullable\": true},"
    "{\"name\": \"s\", \"type\": \"string\", \"nullable\": true}, {\"name\": \"j\", \"type\": \"json\"},"
    "{\"name\": \"t\", \"type\": \"timestamp\"}, {\"name\": \"a\", \"type\": \"array<int32>\", \"nullable\": true},"
    "{\"name\": \"as\", \"type\": \"array<string>\"}, {\"name\": \"ab\", \"type\": \"array<bool>\"}";

/* The key is the first field: "id" int64 or "name" string. */
static inline vssi_schema *fixture_schema(vssi_heap *heap, int text_key)
{
    char json[2048];
    vss_schema *open;
    vssi_schema *schema;
    vss_error err = {0};
    snprintf(json, sizeof json, "{\"fields\": [{\"name\": \"%s\", \"type\": \"%s\", \"primary\": true}, %s]}",
             text_key ? "name" : "id", text_key ? "string" : "int64", fixture_fields);
    if (vss_schema_parse(json, strlen(json), &open, &err) != VSS_OK)
        fail_msg("%s", err.message);
    if (vssi_schema_create(heap, open, &schema, &err) != VSS_OK)
        fail_msg("%s", err.message);
    vss_schema_free(open);
    return schema;
}

/* One value of row r of a type without structure, as a view over *cell. */
typedef struct fixture_cell {
    uint64_t bits;
    float vector[FIXTURE_DIM];
    char text[64];
    int64_t offsets[2];
} fixture_cell;

static inline vss_column fixture_value(vss_type type, uint32_t dim, size_t r, fixture_cell *cell)
{
    vss_column view = {.struct_size = sizeof view, .type = type, .dim = dim, .length = 1, .data = &cell->bits};
    const float single = (float)r / 4;
    const double twice = (double)r * 1.5 - 7;
    memset(cell, 0, sizeof *cell);
    cell->bits = (uint64_t)((int64_t)r - 3);
    if (type == VSS_TYPE_BOOL)
        cell->bits = r % 3 == 0;
    else if (type == VSS_TYPE_FLOAT32)
        memcpy(&cell->bits, &single, sizeof single);
    else if (type == VSS_TYPE_FLOAT64)
        memcpy(&cell->bits, &twice, sizeof twice);
    if (type == VSS_TYPE_STRING || type == VSS_TYPE_JSON) {
        cell->offsets[1] = snprintf(cell->text, sizeof cell->text,
                                    type == VSS_TYPE_JSON ? "{\"n\": %zu}" : "t\xc3\xa9xt %zu", r);
        view.offsets = cell->offsets;
        view.data = cell->text;
    }
    if (type == VSS_TYPE_VECTOR_F32) {
        for (uint32_t d = 0; d < dim; d++)
            cell->vector[d] = (float)((r * 7 + d * 3) % 11) + 1;
        view.data = cell->vector;
    }
    return view;
}

static inline vss_status fixture_append_array(vssi_column *column, vss_type element, size_t r, vss_error *err)
{
    vssi_column *elements;
    fixture_cell cell;
    vss_status status = vssi_column_create(column->heap, element, VSS_TYPE_NONE, 0, false, &elements, err);
    if (status != VSS_OK)
        return status;
    for (size_t i = 0; i < r % 4 && status == VSS_OK; i++) {
        const vss_column value = fixture_value(element, 0, r + i, &cell);
        status = vssi_column_append(elements, &value, 0, 1, err);
    }
    const int64_t offsets[2] = {0, (int64_t)elements->view.length};
    const vss_column view = {.struct_size = sizeof view, .type = VSS_TYPE_ARRAY, .length = 1, .offsets = offsets,
                             .data = &elements->view};
    if (status == VSS_OK)
        status = vssi_column_append(column, &view, 0, 1, err);
    vssi_column_free(elements);
    return status;
}

/* A nullable field is null in every fifth row. */
static inline vss_status fixture_append(vssi_column *column, const vssi_field *f, size_t r, vss_error *err)
{
    fixture_cell cell;
    if ((f->flags & VSS_FIELD_NULLABLE) && r % 5 == 0)
        return vssi_column_append_null(column, 1, err);
    if (f->type == VSS_TYPE_ARRAY)
        return fixture_append_array(column, f->element, r, err);
    const vss_column view = fixture_value(f->type, f->dim, r, &cell);
    return vssi_column_append(column, &view, 0, 1, err);
}

/* Columns of rows [first, first + rows). On failure nothing is left. */
static inline vss_status fixture_columns(vssi_heap *heap, const vssi_schema *schema, size_t first, size_t rows,
                                         vssi_column **columns, vss_error *err)
{
    vss_status status = VSS_OK;
    memset(columns, 0, schema->n_fields * sizeof *columns);
    for (size_t f = 0; f < schema->n_fields && status == VSS_OK; f++) {
        const vssi_field *field = &schema->fields[f];
        status = vssi_column_create(heap, field->type, field->element, field->dim,
                                    (field->flags & VSS_FIELD_NULLABLE) != 0, &columns[f], err);
        for (size_t r = first; r < first + rows && status == VSS_OK; r++)
            status = fixture_append(columns[f], field, r, err);
    }
    if (status != VSS_OK)
        for (size_t f = 0; f < schema->n_fields; f++)
            vssi_column_free(columns[f]);
    return status;
}

static inline vssi_segment *fixture_segment(vssi_heap *heap, const vssi_schema *schema, size_t first, size_t rows)
{
    vssi_column *columns[VSS_MAX_FIELDS];
    vssi_segment *segment = NULL;
    vss_error err = {0};
    if (fixture_columns(heap, schema, first, rows, columns, &err) != VSS_OK ||
        vssi_segment_from_columns(heap, schema, columns, &segment, &err) != VSS_OK)
        fail_msg("%s", err.message);
    return segment;
}

/* The bytes of a stored object; the caller frees them. */
static inline uint8_t *fixture_load(const vss_storage *storage, const char *name, size_t *size)
{
    uint64_t bytes = 0;
    vss_error err = {0};
    if (storage->size(storage->state, name, &bytes, &err) != VSS_OK)
        fail_msg("%s", err.message);
    uint8_t *data = malloc((size_t)bytes);
    assert_non_null(data);
    if (storage->read(storage->state, name, 0, data, (size_t)bytes, &err) != VSS_OK)
        fail_msg("%s", err.message);
    *size = (size_t)bytes;
    return data;
}

/* Replace an object by other bytes. */
static inline void fixture_store(const vss_storage *storage, const char *name, const uint8_t *data, size_t size)
{
    const vss_span span = {data, size};
    vss_error err = {0};
    (void)storage->remove(storage->state, name, &err);
    if (storage->put(storage->state, name, &span, 1, &err) != VSS_OK)
        fail_msg("%s", err.message);
}

/* Make every hash of an object fit its bytes again, as far as its directory makes sense, and the reference too. */
static inline void fixture_mend(uint8_t *data, vssi_object_ref *ref)
{
    const uint64_t tail = ref->size - ref->tail_size;
    const size_t n = (ref->tail_size - VSSI_OBJECT_TRAILER) / VSSI_OBJECT_ENTRY;
    for (size_t i = n; i-- > 0;) {
        uint8_t *e = data + tail + i * VSSI_OBJECT_ENTRY;
        const uint32_t kind = vssi_load32(e), by = vssi_load32(e + 12);
        const uint64_t offset = vssi_load64(e + 16), size = vssi_load64(e + 24);
        if (offset > tail || size > tail - offset || vssi_object_padded(size) > tail - offset)
            continue;
        if (by == i + 1 && i + 1 < n && kind != VSSI_BLOCK_COLUMN && vssi_object_chunks(size) == 1) {
            const uint64_t at = vssi_load64(e + VSSI_OBJECT_ENTRY + 16);
            if (at <= tail - 8)
                vssi_store64(data + at, vssi_hash(data + offset, vssi_object_padded(size),
                                                  vssi_hash_seed(kind, offset)));
        } else if (by == i + 1 && i + 1 < n && kind == VSSI_BLOCK_COLUMN) {
            const uint64_t at = vssi_load64(e + VSSI_OBJECT_ENTRY + 16); /* one part */
            if (at <= tail - 56)
                vssi_store64(data + at + 8, vssi_hash(data + offset, vssi_object_padded(size),
                                                      vssi_hash_seed(kind, offset)));
        }
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t *e = data + tail + i * VSSI_OBJECT_ENTRY;
        const uint64_t offset = vssi_load64(e + 16), size = vssi_load64(e + 24);
        if (vssi_load32(e + 12) != 0 || offset > tail || size > tail - offset ||
            vssi_object_padded(size) > tail - offset)
            continue;
        vssi_store64(e + 40, vssi_hash(data + offset, vssi_object_padded(size),
                                       vssi_hash_seed(vssi_load32(e), offset)));
    }
    ref->tail_hash = vssi_hash(data + tail, ref->tail_size, vssi_hash_seed((uint32_t)ref->kind, tail));
}

#endif
