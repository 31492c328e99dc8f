/*
 * like.c - the mean of stored vectors
 *
 * Sums are float64. A cosine does not see a vector's length, so a mean of directions is stretched before it is rounded.
 */
#include "like.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"
#include "vector_types.h"

static double like_norm(const double *vector, uint32_t dim)
{
    double sum = 0;
    for (uint32_t i = 0; i < dim; i++)
        sum += vector[i] * vector[i];
    return sqrt(sum);
}

static double like_largest(const double *vector, uint32_t dim)
{
    double largest = 0;
    for (uint32_t i = 0; i < dim; i++)
        largest = fmax(largest, fabs(vector[i]));
    return largest;
}

/* mean[dim] of n vectors one after another, or of their directions. */
static void like_sum(const vss_field *field, const unsigned char *vectors, size_t n, double *mean)
{
    uint32_t dim = field->dim;
    double *vector = cli_alloc(dim, sizeof *vector);
    for (size_t i = 0; i < n; i++) {
        cli_vector_widen(field->type, vectors + i * cli_vector_size(field->type, dim), dim, vector);
        double scale = field->metric == VSS_METRIC_COSINE ? like_norm(vector, dim) : 1;
        for (uint32_t d = 0; d < dim; d++)
            mean[d] += vector[d] / scale / (double)n;
    }
    free(vector);
}

static void like_store(const vss_field *field, const double *mean, void *query)
{
    double limit = field->type == VSS_TYPE_VECTOR_I8 ? INT8_MAX : UINT8_MAX, stretch = 1;
    double largest = like_largest(mean, field->dim);
    if (field->metric == VSS_METRIC_COSINE && largest > 0)
        stretch = limit / largest;
    for (uint32_t d = 0; d < field->dim; d++) {
        if (cli_vectors_given(field->type) == VSS_TYPE_VECTOR_F32)
            ((float *)query)[d] = (float)mean[d];
        else
            ((unsigned char *)query)[d] = (unsigned char)lrint(mean[d] * stretch);
    }
}

vss_status cli_like_mean(const vss_field *field, const vss_result *rows, const char *const *texts, void *query,
                         vss_error *err)
{
    size_t n = vss_result_queries(rows);
    const int64_t *offsets = vss_result_offsets(rows);
    for (size_t i = 0; i < n; i++)
        if (offsets[i] == offsets[i + 1])
            return cli_fail(err, VSS_ERR_NOT_FOUND, "there is no row with key \"%s\"", texts[i]);
    if (n > 1 && field->type == VSS_TYPE_VECTOR_BINARY)
        return cli_fail(err, VSS_ERR_INVALID, "field \"%s\": vectors of bits have no mean, give one --like",
                        field->name);
    const void *vectors = vss_result_field(rows, field->name)->data;
    if (n == 1 && cli_vectors_given(field->type) != VSS_TYPE_VECTOR_F32) {
        memcpy(query, vectors, cli_vector_size(field->type, field->dim));
        return VSS_OK;
    }
    double *mean = cli_alloc(field->dim, sizeof *mean);
    like_sum(field, vectors, n, mean);
    like_store(field, mean, query);
    free(mean);
    return VSS_OK;
}
