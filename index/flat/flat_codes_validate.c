/*
 * flat_codes_validate.c - does an index object of flat keep what its proofs take for granted
 *
 * Every row but the outliers must lie within the radius of its code, and of its prefix's; directions must be
 * orthonormal within the bound, numbers finite, what is behind codes and rows 0. Per row and stage the first fault is
 * told. Cost: as much as coding all rows, on one thread, and the directions once more in memory.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../../simd/dense.h"
#include "flat_codes.h"

#define VALIDATE_ROWS VSSI_PREFIX_TOGETHER

typedef struct validate_state {
    const flat_index *index;
    void (*fault)(void *state, const char *line);
    void *fault_state;
    uint64_t faults;
    double *carriers, *points, *lengths; /* of VALIDATE_ROWS rows: [width], [dims + 1], one of each */
} validate_state;

__attribute__((format(printf, 2, 3))) static void validate_fault(validate_state *v, const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    v->faults++;
    if (v->fault)
        v->fault(v->fault_state, line);
}

/* The first byte from `begin` on that isn't 0; end: there is none. */
static size_t validate_zeros(const uint8_t *bytes, size_t begin, size_t end)
{
    while (begin < end && bytes[begin] == 0)
        begin++;
    return begin;
}

static void validate_numbers(validate_state *v, const char *what, const double *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(numbers[i]))
            validate_fault(v, "flat: number %zu of the %s is %g", i, what, numbers[i]);
    }
}

/* The row's prefix, its point being the i-th at hand. */
static void validate_prefix(validate_state *v, size_t row, size_t i, bool bound)
{
    const vssi_prefix *p = &v->index->prefix;
    uint8_t code[VSSI_PREFIX_MOST];
    vssi_prefix_row(p, row, code);
    size_t behind = validate_zeros(code, p->model.dims + 1, p->model.size);
    double off = bound ? vssi_prefix_off(p, v->points + i * (p->model.dims + 1), v->lengths[i], code) : 0;
    if (behind < p->model.size)
        validate_fault(v, "flat: row %zu has byte %u at %zu, behind its prefix", row, code[behind], behind);
    else if (!(off <= p->model.radius))
        validate_fault(v, "flat: row %zu is %g from its prefix's code, the radius is %g", row, off, p->model.radius);
}

/* The row's code; its carrier comes to be at hand. */
static void validate_code(validate_state *v, size_t row, double *carrier, bool bound)
{
    const flat_index *index = v->index;
    const vssi_sq8_model *m = &index->sq8.model;
    const uint8_t *code = index->sq8.codes + row * m->size;
    double off = vssi_sq8_off(&index->sq8, &index->vectors, row, carrier);
    size_t behind = validate_zeros(code, m->width, m->size);
    int32_t norm = vssi_dense_norm(code, m->size);
    if (behind < m->size)
        validate_fault(v, "flat: row %zu has byte %u at %zu, behind its code", row, code[behind], behind);
    else if (index->norms[row] != norm)
        validate_fault(v, "flat: row %zu has norm %d, that of its code is %d", row, index->norms[row], norm);
    else if (bound && !(off <= m->radius))
        validate_fault(v, "flat: row %zu is %g from its code, the radius is %g", row, off, m->radius);
}

/* n rows from `first` on, of which the bounds leave out those whose bits are set in `out`. */
static void validate_rows(validate_state *v, size_t first, size_t n, uint32_t out)
{
    const vssi_prefix *p = &v->index->prefix;
    for (size_t i = 0; i < n; i++)
        validate_code(v, first + i, v->carriers + i * v->index->sq8.model.width, (out >> i & 1) == 0);
    if (p->panels == NULL)
        return;
    vssi_prefix_points(p->model.width, p->model.dims, p->turn, v->carriers, n, v->points, v->lengths);
    for (size_t i = 0; i < n; i++)
        validate_prefix(v, first + i, i, (out >> i & 1) == 0);
}

/* The prefix as a whole, and the rows of the last panel that are none. */
static void validate_turn(validate_state *v)
{
    const vssi_prefix *p = &v->index->prefix;
    const vssi_prefix_model *m = &p->model;
    vss_error err;
    bool orthonormal;
    validate_numbers(v, "prefix's grid", p->low, m->dims + 1);
    validate_numbers(v, "prefix's directions", p->turn, (size_t)m->width * (1 + m->dims));
    if (vssi_prefix_orthonormal(p, v->index->heap, &orthonormal, &err) != VSS_OK)
        validate_fault(v, "%s", err.message);
    else if (!orthonormal)
        validate_fault(v, "flat: the prefix's directions are not orthonormal");
    for (size_t row = m->rows; row % VSSI_PREFIX_ROWS != 0; row++) {
        uint8_t code[VSSI_PREFIX_MOST];
        vssi_prefix_row(p, row, code);
        if (validate_zeros(code, 0, m->size) < m->size)
            validate_fault(v, "flat: the prefix has a row %zu of %zu", row, (size_t)m->rows);
    }
}

uint64_t vssi_flat_validate(const void *opened, void (*fault)(void *state, const char *line), void *state)
{
    const flat_index *index = opened;
    validate_state v = {.index = index, .fault = fault, .fault_state = state};
    const vssi_sq8_model *m = &index->sq8.model;
    vss_error err;
    size_t outlier = 0, room = VALIDATE_ROWS * ((size_t)m->width + VSSI_PREFIX_MOST + 1), n;
    if (vssi_alloc(index->heap, room, sizeof *v.carriers, &v.carriers, &err) != VSS_OK) {
        validate_fault(&v, "%s", err.message);
        return v.faults;
    }
    v.points = v.carriers + VALIDATE_ROWS * (size_t)m->width;
    v.lengths = v.points + VALIDATE_ROWS * VSSI_PREFIX_MOST;
    validate_numbers(&v, "grid", index->sq8.low, m->width);
    if (index->prefix.panels != NULL)
        validate_turn(&v);
    for (size_t row = 0; row < m->rows; row += n) {
        uint32_t out = 0;
        n = vssi_min(VALIDATE_ROWS, m->rows - row);
        for (; outlier < index->n_outliers && index->outliers[outlier] < row + n; outlier++)
            out |= 1u << (index->outliers[outlier] - row);
        validate_rows(&v, row, n, out);
    }
    vssi_free(index->heap, v.carriers);
    return v.faults;
}
