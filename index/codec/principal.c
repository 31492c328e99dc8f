/*
 * principal.c - principal directions by orthogonal iteration on the covariance matrix
 *
 * Start from fixed pseudo-random directions; some times multiply with the matrix and make orthonormal again, from the
 * first direction on (Gram and Schmidt, twice, which brings float64 directions to orthogonality within a few 2^-53
 * times the width). Directions come out ordered by variance, as nearly as the rounds bring them: how good they are
 * changes how many rows a prefix rules out, never whether it may. Many directions take fewer rounds: those that matter
 * most lie far from the last ones, which are what rounds are for.
 *
 * The deviation from orthonormal is measured in the end: the sum of the squares of all entries of V V' - 1, each within
 * width * 2^-52 of its true value (Cauchy and Schwarz, directions shorter than 2), so that with 512 directions of 4,096
 * the true norm is above the measured one by at most 512 * 4,096 * 2^-52 = 2^-31. 2^-31 measured is the most allowed.
 *
 * Cost: n * width^2 / 2 products for the matrix, shared among threads by rows of it; rounds * width^2 * count more,
 * shared alike. Every number is a sum in one order, whoever makes it.
 */
#include "principal.h"

#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../../lib/base/hash.h"
#include "../../simd/project.h"

#define PRINCIPAL_ROUNDS 10u
#define PRINCIPAL_MANY 128u     /* directions from which half of the rounds do */
#define PRINCIPAL_SEED 0x7072696e63697061u
#define PRINCIPAL_LEAST 0x1p-40 /* of the first direction's length before it is made 1: less is rounding */
#define PRINCIPAL_STRIP 16u     /* rows of the matrix a task */
#define PRINCIPAL_SOME 32u      /* directions a task */
#define PRINCIPAL_LANES 8u

typedef struct principal {
    const double *rows;
    size_t n, width, count;
    double *matrix;    /* [width][width] */
    double *from, *to; /* [count][width] */
} principal;

/* Rows of the covariance matrix, from the diagonal on; the other half is the same. */
static void principal_matrix(void *arg, size_t task)
{
    const principal *p = arg;
    size_t first = task * PRINCIPAL_STRIP, end = vssi_min(first + PRINCIPAL_STRIP, p->width), width = p->width;
    for (size_t r = 0; r < p->n; r++) {
        const double *row = p->rows + r * width;
        for (size_t i = first; i < end; i++) {
            double *out = p->matrix + i * width, value = row[i];
            for (size_t j = i; j < width; j++)
                out[j] += value * row[j];
        }
    }
}

static void principal_mirror(const principal *p)
{
    for (size_t i = 0; i < p->width; i++) {
        for (size_t j = i + 1; j < p->width; j++)
            p->matrix[j * p->width + i] = p->matrix[i * p->width + j];
    }
}

/* Some directions of to = from * matrix. */
static void principal_multiply(void *arg, size_t task)
{
    const principal *p = arg;
    size_t first = task * PRINCIPAL_SOME, width = p->width;
    vssi_projection projection = {.matrix = p->matrix, .stride = width, .width = width, .dims = width,
                                  .rows = p->from + first * width, .n = vssi_min(PRINCIPAL_SOME, p->count - first),
                                  .out = p->to + first * width, .out_stride = width};
    vssi_project_best()(&projection);
}

static double principal_product(const double *a, const double *b, size_t width)
{
    double lane[PRINCIPAL_LANES] = {0};
    size_t whole = width - width % PRINCIPAL_LANES;
    for (size_t i = 0; i < whole; i += PRINCIPAL_LANES) {
        for (size_t j = 0; j < PRINCIPAL_LANES; j++)
            lane[j] += a[i + j] * b[i + j];
    }
    for (size_t i = whole; i < width; i++)
        lane[i - whole] += a[i] * b[i];
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

/* Make direction c of v orthogonal to the ones before it, and of length 1. False: nothing is left of it. */
static bool principal_direction(const principal *p, double *v, size_t c, double least)
{
    double *direction = v + c * p->width;
    for (int twice = 0; twice < 2; twice++) {
        for (size_t before = 0; before < c; before++) {
            const double *other = v + before * p->width;
            double along = principal_product(direction, other, p->width);
            for (size_t i = 0; i < p->width; i++)
                direction[i] -= along * other[i];
        }
        double length = sqrt(principal_product(direction, direction, p->width));
        if (!(length > least) || !isfinite(length))
            return false;
        for (size_t i = 0; i < p->width; i++)
            direction[i] /= length;
        least = 0.5; /* the second time nearly nothing may go */
    }
    return true;
}

/* Make v orthonormal; returns how many directions there are before one vanishes. */
static size_t principal_directions(const principal *p, double *v)
{
    double least = sqrt(principal_product(v, v, p->width)) * PRINCIPAL_LEAST;
    for (size_t c = 0; c < p->count; c++) {
        if (!principal_direction(p, v, c, least))
            return c;
    }
    return p->count;
}

bool vssi_principal_orthonormal(const double *directions, size_t n, size_t width)
{
    double square = 0;
    for (size_t a = 0; a < n; a++) {
        for (size_t b = 0; b <= a; b++) {
            double off = principal_product(directions + a * width, directions + b * width, width) - (a == b);
            square += off * off * (a == b ? 1 : 2);
        }
    }
    return sqrt(square) <= 0x1p-31;
}

/* Fixed pseudo-random directions from number `from` on. */
static void principal_start(const principal *p, double *v, size_t from, uint64_t *seed)
{
    for (size_t i = from * p->width; i < p->count * p->width; i++)
        v[i] = (double)(vssi_random_next(seed) >> 12) * 0x1p-52 - 0.5;
}

vss_status vssi_principal(vssi_heap *heap, const vss_executor *executor, size_t threads, const double *rows, size_t n,
                          size_t width, size_t count, double *out, size_t *found, vss_error *err)
{
    principal p = {.rows = rows, .n = n, .width = width, .count = count, .to = out};
    size_t strips = (width + PRINCIPAL_STRIP - 1) / PRINCIPAL_STRIP;
    size_t somes = (count + PRINCIPAL_SOME - 1) / PRINCIPAL_SOME;
    uint64_t seed = PRINCIPAL_SEED;
    *found = 0;
    VSSI_TRY(vssi_alloc_zero(heap, width * (width + count), sizeof *p.matrix, &p.matrix, err));
    p.from = p.matrix + width * width;
    vssi_parallel_for(executor, threads, strips, principal_matrix, &p);
    principal_mirror(&p);
    principal_start(&p, p.from, 0, &seed);
    unsigned rounds = count < PRINCIPAL_MANY ? PRINCIPAL_ROUNDS : PRINCIPAL_ROUNDS / 2;
    for (unsigned round = 0; round < rounds; round++) {
        vssi_parallel_for(executor, threads, somes, principal_multiply, &p);
        *found = principal_directions(&p, out);
        memcpy(p.from, out, width * *found * sizeof *out);
        principal_start(&p, p.from, *found, &seed); /* those that vanished start anew */
    }
    vssi_free(heap, p.matrix);
    if (!vssi_principal_orthonormal(out, *found, width))
        *found = 0;
    return VSS_OK;
}
