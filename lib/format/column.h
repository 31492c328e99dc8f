/*
 * column.h - values of one field for many rows: an owned, growing column whose view is the public vss_column
 */
#ifndef VSSI_COLUMN_H
#define VSSI_COLUMN_H

#include <stdbool.h>

#include "../../simd/simd.h"
#include "../base/heap.h"
#include "vss/types.h"

/* view.data, view.offsets, view.validity point into memory of the heap and move when the column grows.
 * A nullable column always has validity; offsets of text and arrays begin at 0. */
typedef struct vssi_column {
    vss_column view;
    vssi_heap *heap;
    bool nullable;
    vss_type element;
    struct vssi_column *child; /* elements of an array */
    size_t rows_capacity;
    size_t data_capacity;      /* bytes */
} vssi_column;

vss_status vssi_column_create(vssi_heap *heap, vss_type type, vss_type element, uint32_t dim, bool nullable,
                              vssi_column **out, vss_error *err);
void vssi_column_free(vssi_column *column);

/* Make room for rows more rows (and bytes of text). Optional; append grows by half. */
vss_status vssi_column_reserve(vssi_column *column, size_t rows, size_t bytes, vss_error *err);

/* Append rows [first, first + n) of a view. Widens integers and float32 as vss_batch allows; other types must be equal.
 * A null goes in as a null (its value bits as zero); the caller has checked that the column takes nulls. On failure
 * the column is unchanged. */
vss_status vssi_column_append(vssi_column *column, const vss_column *from, size_t first, size_t n, vss_error *err);
vss_status vssi_column_append_null(vssi_column *column, size_t n, vss_error *err);
/* n times the row of a view. */
vss_status vssi_column_append_repeated(vssi_column *column, const vss_column *from, size_t row, size_t n,
                                       vss_error *err);
/* Forget the rows past n. */
void vssi_column_truncate(vssi_column *column, size_t n);

/* A view of rows [first, first + n) of a view; first is a multiple of 8. */
vss_column vssi_column_slice(const vss_column *view, size_t first, size_t n);

/* May values of type `from` go into a column of type `to`: equal, a wider integer, float32 into float64, and vectors of
 * float32, rounded, into those of 16-bit floats. */
bool vssi_type_widens(vss_type from, vss_type to);

/* The value in a row: of bool, integers and timestamps; of float32 and float64. Of a null: anything. */
int64_t vssi_column_int(const vss_column *view, size_t row);
double vssi_column_float(const vss_column *view, size_t row);

/* Bytes that the values take, spare room not counted. */
uint64_t vssi_column_bytes(const vssi_column *column);

static inline bool vssi_type_is_vector(vss_type type)
{
    return type >= VSS_TYPE_VECTOR_F32 && type <= VSS_TYPE_VECTOR_BINARY;
}

/* The kernels' name of a vector type. */
static inline vssi_simd_type vssi_vector_kind(vss_type type) { return (vssi_simd_type)(type - VSS_TYPE_VECTOR_F32); }

/* Bytes of one value: 1, 2, 4, 8; a row's bytes for vectors; 0 for bool, text and arrays. */
size_t vssi_value_size(vss_type type, uint32_t dim);

static inline bool vssi_column_null(const vss_column *view, size_t row)
{
    return view->validity != NULL && !((view->validity[row / 8] >> (row % 8)) & 1);
}

#endif
