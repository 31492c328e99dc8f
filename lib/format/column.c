/*
 * column.c - an owned column: create, grow, append, cut off, slice
 *
 * Appends cost what they copy; buffers grow by half, so that n appends of one row cost O(n). Not thread-safe: a column
 * belongs to one writer until it is in a segment, and is constant from then on. Bits past the last row are always zero.
 */
#include "column.h"

#include <assert.h>
#include <string.h>

#include "../base/bitmap.h"
#include "../base/checked.h"
#include "../base/half.h"
#include "../base/fail.h"

size_t vssi_value_size(vss_type type, uint32_t dim)
{
    switch (type) {
    case VSS_TYPE_INT8:
        return 1;
    case VSS_TYPE_INT16:
        return 2;
    case VSS_TYPE_INT32:
    case VSS_TYPE_FLOAT32:
        return 4;
    case VSS_TYPE_INT64:
    case VSS_TYPE_FLOAT64:
    case VSS_TYPE_TIMESTAMP:
        return 8;
    default:
        return vssi_type_is_vector(type) ? vssi_simd_row_size(vssi_vector_kind(type), dim) : 0;
    }
}

static bool column_has_offsets(vss_type type)
{
    return type == VSS_TYPE_STRING || type == VSS_TYPE_JSON || type == VSS_TYPE_ARRAY;
}

static bool column_is_bytes(vss_type type)
{
    return type == VSS_TYPE_STRING || type == VSS_TYPE_JSON;
}

/* The buffers behind the view, which is constant to its readers only. */
static uint8_t *column_data(const vssi_column *column)
{
    return (uint8_t *)(uintptr_t)column->view.data;
}

static uint8_t *column_validity(const vssi_column *column)
{
    return (uint8_t *)(uintptr_t)column->view.validity;
}

static int64_t *column_offsets(const vssi_column *column)
{
    return (int64_t *)(uintptr_t)column->view.offsets;
}

/* Give a buffer count * size bytes, keeping what is in it. */
static vss_status column_buffer(vssi_heap *heap, const void **buffer, size_t count, size_t size, vss_error *err)
{
    void *block = (void *)(uintptr_t)*buffer;
    VSSI_TRY(vssi_realloc(heap, count, size, &block, err));
    *buffer = block;
    return VSS_OK;
}

/* Room for exactly rows rows in everything that is counted in rows. */
static vss_status column_set_rows(vssi_column *column, size_t rows, vss_error *err)
{
    vssi_heap *heap = column->heap;
    const size_t bit_bytes = vssi_bitmap_words(rows) * 8;
    const void *buffer;
    if (column->nullable) {
        buffer = column->view.validity;
        VSSI_TRY(column_buffer(heap, &buffer, bit_bytes, 1, err));
        column->view.validity = buffer;
    }
    if (column_has_offsets(column->view.type)) {
        size_t count;
        if (!vssi_add(rows, 1, &count))
            return vssi_fail_memory(err, SIZE_MAX);
        buffer = column->view.offsets;
        VSSI_TRY(column_buffer(heap, &buffer, count, sizeof(int64_t), err));
        column->view.offsets = buffer;
    } else if (column->view.type == VSS_TYPE_BOOL) {
        VSSI_TRY(column_buffer(heap, &column->view.data, bit_bytes, 1, err));
    } else {
        VSSI_TRY(column_buffer(heap, &column->view.data, rows, vssi_value_size(column->view.type, column->view.dim),
                               err));
    }
    column->rows_capacity = rows;
    return VSS_OK;
}

/* wanted, or half more than there is when that is more. */
static size_t column_growth(size_t have, size_t wanted)
{
    size_t half;
    return vssi_add(have, have / 2, &half) ? vssi_max(wanted, half) : wanted;
}

static size_t column_text_used(const vssi_column *column)
{
    return (size_t)column->view.offsets[column->view.length];
}

/* Room for rows more rows, and bytes more bytes of text; exact: without spare room. */
static vss_status column_room(vssi_column *column, size_t rows, size_t bytes, bool exact, vss_error *err)
{
    size_t wanted;
    if (!vssi_add((size_t)column->view.length, rows, &wanted) || wanted > SIZE_MAX / 16)
        return vssi_fail_memory(err, SIZE_MAX);
    if (wanted > column->rows_capacity)
        VSSI_TRY(column_set_rows(column, exact ? wanted : column_growth(column->rows_capacity, wanted), err));
    if (!column_is_bytes(column->view.type))
        return VSS_OK;
    if (!vssi_add(column_text_used(column), bytes, &wanted))
        return vssi_fail_memory(err, SIZE_MAX);
    if (wanted > column->data_capacity) {
        const size_t capacity = exact ? wanted : column_growth(column->data_capacity, wanted);
        VSSI_TRY(column_buffer(column->heap, &column->view.data, capacity, 1, err));
        column->data_capacity = capacity;
    }
    return VSS_OK;
}

vss_status vssi_column_create(vssi_heap *heap, vss_type type, vss_type element, uint32_t dim, bool nullable,
                              vssi_column **out, vss_error *err)
{
    *out = NULL;
    assert(type != VSS_TYPE_NONE && (type == VSS_TYPE_ARRAY) == (element != VSS_TYPE_NONE));
    vssi_column *column;
    vss_status status;
    VSSI_TRY(vssi_alloc_zero(heap, 1, sizeof *column, &column, err));
    column->heap = heap;
    column->nullable = nullable;
    column->element = element;
    column->view = (vss_column){.struct_size = sizeof(vss_column), .type = type, .dim = dim};
    if (type == VSS_TYPE_ARRAY) {
        VSSI_TRY_GOTO(vssi_column_create(heap, element, VSS_TYPE_NONE, 0, false, &column->child, err), failed);
        column->view.data = &column->child->view;
    }
    if (column_has_offsets(type)) {
        VSSI_TRY_GOTO(column_set_rows(column, 0, err), failed);
        column_offsets(column)[0] = 0;
    }
    *out = column;
    return VSS_OK;
failed:
    vssi_column_free(column);
    return status;
}

void vssi_column_free(vssi_column *column)
{
    if (column == NULL)
        return;
    vssi_heap *heap = column->heap;
    if (column->view.type != VSS_TYPE_ARRAY)
        vssi_free(heap, column->view.data);
    vssi_free(heap, column->view.offsets);
    vssi_free(heap, column->view.validity);
    if (column->child != NULL)
        vssi_column_free(column->child);
    vssi_free(heap, column);
}

vss_status vssi_column_reserve(vssi_column *column, size_t rows, size_t bytes, vss_error *err)
{
    return column_room(column, rows, bytes, true, err);
}

/* Write bit `row` of a bit string that is zero from there on, or has no byte for it yet. */
static void column_put_bit(uint8_t *bits, size_t row, bool value)
{
    if (row % 8 == 0)
        bits[row / 8] = 0;
    bits[row / 8] = (uint8_t)(bits[row / 8] | ((unsigned)value << (row % 8)));
}

static void column_put_validity(vssi_column *column, const vss_column *from, size_t first, size_t n)
{
    if (!column->nullable)
        return;
    const size_t at = (size_t)column->view.length;
    for (size_t i = 0; i < n; i++)
        column_put_bit(column_validity(column), at + i, from == NULL || !vssi_column_null(from, first + i));
}

int64_t vssi_column_int(const vss_column *from, size_t row)
{
    switch (from->type) {
    case VSS_TYPE_BOOL:
        return vssi_bit(from->data, row);
    case VSS_TYPE_INT8:
        return ((const int8_t *)from->data)[row];
    case VSS_TYPE_INT16:
        return ((const int16_t *)from->data)[row];
    case VSS_TYPE_INT32:
        return ((const int32_t *)from->data)[row];
    default:
        return ((const int64_t *)from->data)[row];
    }
}

double vssi_column_float(const vss_column *from, size_t row)
{
    return from->type == VSS_TYPE_FLOAT32 ? (double)((const float *)from->data)[row]
                                          : ((const double *)from->data)[row];
}

/* A vector of float32 as one of 16-bit numbers. */
static void column_put_narrowed(vssi_column *column, size_t at, const vss_column *from, size_t row)
{
    uint16_t *to = (uint16_t *)(void *)column_data(column) + at * from->dim;
    const uint8_t *source = (const uint8_t *)from->data + row * from->dim * sizeof(float);
    for (uint32_t i = 0; i < from->dim; i++) {
        float value;
        memcpy(&value, source + i * sizeof value, sizeof value);
        to[i] = column->view.type == VSS_TYPE_VECTOR_F16 ? vssi_half_round(value) : vssi_bfloat_round(value);
    }
}

/* One value of a narrower type. The low bytes of the int64 are the value in the wider type. */
static void column_put_widened(vssi_column *column, size_t at, size_t size, const vss_column *from, size_t row)
{
    if (column->view.type == VSS_TYPE_FLOAT64) {
        const double value = vssi_column_float(from, row);
        memcpy(column_data(column) + at * size, &value, size);
    } else {
        const int64_t value = vssi_column_int(from, row);
        memcpy(column_data(column) + at * size, &value, size);
    }
}

static void column_put_fixed(vssi_column *column, const vss_column *from, size_t first, size_t n)
{
    const size_t at = (size_t)column->view.length;
    const size_t size = vssi_value_size(column->view.type, column->view.dim);
    if (from->type == column->view.type && n > 0)
        memcpy(column_data(column) + at * size, (const uint8_t *)from->data + first * size, n * size);
    else if (vssi_type_is_vector(from->type))
        for (size_t i = 0; i < n; i++)
            column_put_narrowed(column, at + i, from, first + i);
    else
        for (size_t i = 0; i < n; i++)
            column_put_widened(column, at + i, size, from, first + i);
    if (from->validity != NULL)
        for (size_t i = 0; i < n; i++)
            if (vssi_column_null(from, first + i))
                memset(column_data(column) + (at + i) * size, 0, size);
}

static void column_put_bools(vssi_column *column, const vss_column *from, size_t first, size_t n)
{
    for (size_t i = 0; i < n; i++)
        column_put_bit(column_data(column), (size_t)column->view.length + i,
                       !vssi_column_null(from, first + i) && vssi_bit(from->data, first + i));
}

/* Bytes or elements of a row; a null has none. */
static size_t column_extent(const vss_column *from, size_t row)
{
    return vssi_column_null(from, row) ? 0 : (size_t)(from->offsets[row + 1] - from->offsets[row]);
}

static size_t column_extents(const vss_column *from, size_t first, size_t n)
{
    if (from->validity == NULL)
        return (size_t)(from->offsets[first + n] - from->offsets[first]);
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += column_extent(from, first + i);
    return total;
}

static void column_put_offsets(vssi_column *column, const vss_column *from, size_t first, size_t n)
{
    int64_t *offsets = column_offsets(column) + column->view.length;
    for (size_t i = 0; i < n; i++)
        offsets[i + 1] = offsets[i] + (int64_t)column_extent(from, first + i);
}

static void column_put_bytes(vssi_column *column, const vss_column *from, size_t first, size_t n)
{
    uint8_t *to = column_data(column);
    size_t at = column_text_used(column);
    for (size_t i = first; i < first + n;) { /* runs without a null are one piece */
        size_t end = i + 1;
        if (from->validity == NULL)
            end = first + n;
        const size_t size = vssi_column_null(from, i) ? 0 : (size_t)(from->offsets[end] - from->offsets[i]);
        if (size > 0)
            memcpy(to + at, (const uint8_t *)from->data + from->offsets[i], size);
        at += size;
        i = end;
    }
}

/* The elements of the rows, into the child. On failure the child is as before. */
static vss_status column_put_elements(vssi_column *column, const vss_column *from, size_t first, size_t n,
                                      vss_error *err)
{
    const vss_column *elements = from->data;
    const size_t before = (size_t)column->child->view.length;
    if (from->validity == NULL)
        return vssi_column_append(column->child, elements, (size_t)from->offsets[first],
                                  column_extents(from, first, n), err);
    for (size_t i = first; i < first + n; i++) {
        const vss_status status = vssi_column_append(column->child, elements, (size_t)from->offsets[i],
                                                     column_extent(from, i), err);
        if (status != VSS_OK) {
            vssi_column_truncate(column->child, before);
            return status;
        }
    }
    return VSS_OK;
}

bool vssi_type_widens(vss_type from, vss_type to)
{
    if (from == to)
        return true;
    if (from == VSS_TYPE_FLOAT32)
        return to == VSS_TYPE_FLOAT64;
    if (from == VSS_TYPE_VECTOR_F32)
        return to == VSS_TYPE_VECTOR_F16 || to == VSS_TYPE_VECTOR_BF16;
    return from >= VSS_TYPE_INT8 && from < to && to <= VSS_TYPE_INT64;
}

vss_status vssi_column_append(vssi_column *column, const vss_column *from, size_t first, size_t n, vss_error *err)
{
    const vss_type type = column->view.type;
    assert(vssi_type_widens(from->type, type) && from->dim == column->view.dim);
    assert(first <= from->length && n <= from->length - first);
    if (n == 0)
        return VSS_OK;
    VSSI_TRY(column_room(column, n, column_is_bytes(type) ? column_extents(from, first, n) : 0, false, err));
    if (type == VSS_TYPE_ARRAY)
        VSSI_TRY(column_put_elements(column, from, first, n, err));
    if (column_is_bytes(type))
        column_put_bytes(column, from, first, n);
    if (column_has_offsets(type))
        column_put_offsets(column, from, first, n);
    else if (type == VSS_TYPE_BOOL)
        column_put_bools(column, from, first, n);
    else
        column_put_fixed(column, from, first, n);
    column_put_validity(column, from, first, n);
    column->view.length += n;
    return VSS_OK;
}

vss_status vssi_column_append_null(vssi_column *column, size_t n, vss_error *err)
{
    assert(column->nullable);
    const vss_type type = column->view.type;
    VSSI_TRY(column_room(column, n, 0, false, err));
    const size_t at = (size_t)column->view.length;
    const size_t size = vssi_value_size(type, column->view.dim);
    for (size_t i = at; i < at + n; i++) {
        if (column_has_offsets(type))
            column_offsets(column)[i + 1] = column_offsets(column)[i];
        else if (type == VSS_TYPE_BOOL)
            column_put_bit(column_data(column), i, false);
        else
            memset(column_data(column) + i * size, 0, size);
        column_put_bit(column_validity(column), i, false);
    }
    column->view.length += n;
    return VSS_OK;
}

vss_status vssi_column_append_repeated(vssi_column *column, const vss_column *from, size_t row, size_t n,
                                       vss_error *err)
{
    const size_t before = (size_t)column->view.length;
    for (size_t i = 0; i < n; i++) {
        const vss_status status = vssi_column_append(column, from, row, 1, err);
        if (status != VSS_OK) {
            vssi_column_truncate(column, before);
            return status;
        }
    }
    return VSS_OK;
}

static void column_cut_bits(uint8_t *bits, size_t n)
{
    if (n % 8 != 0)
        bits[n / 8] = (uint8_t)(bits[n / 8] & ((1u << (n % 8)) - 1));
}

void vssi_column_truncate(vssi_column *column, size_t n)
{
    assert(n <= column->view.length);
    if (n == column->view.length)
        return;
    column->view.length = n;
    if (column->nullable)
        column_cut_bits(column_validity(column), n);
    if (column->view.type == VSS_TYPE_BOOL)
        column_cut_bits(column_data(column), n);
    if (column->view.type == VSS_TYPE_ARRAY)
        vssi_column_truncate(column->child, (size_t)column->view.offsets[n]);
}

vss_column vssi_column_slice(const vss_column *view, size_t first, size_t n)
{
    assert(first % 8 == 0 && first <= view->length && n <= view->length - first);
    vss_column slice = *view;
    slice.length = n;
    if (slice.validity != NULL)
        slice.validity += first / 8;
    if (slice.offsets != NULL)
        slice.offsets += first;
    else if (slice.type == VSS_TYPE_BOOL && slice.data != NULL)
        slice.data = (const uint8_t *)slice.data + first / 8;
    else if (slice.data != NULL)
        slice.data = (const uint8_t *)slice.data + first * vssi_value_size(slice.type, slice.dim);
    return slice;
}

uint64_t vssi_column_bytes(const vssi_column *column)
{
    const vss_column *view = &column->view;
    uint64_t bytes = column->nullable ? view->length / 8 : 0;
    if (view->offsets != NULL)
        bytes += view->length * sizeof(int64_t);
    if (column_is_bytes(view->type))
        bytes += column_text_used(column);
    else if (column->child != NULL)
        bytes += vssi_column_bytes(column->child);
    else if (view->type == VSS_TYPE_BOOL)
        bytes += view->length / 8;
    else
        bytes += view->length * vssi_value_size(view->type, view->dim);
    return bytes;
}
