/*
 * prefix_train.c - choose the directions of a prefix, and how many
 *
 * A sample of the rows gives mean and principal directions, which are turned among themselves at random, always alike:
 * rows then spread alike along all of them, and the grid's step falls. How many to take is tried out: some rows of the
 * sample serve as queries. Their NEAR-th neighbour among all rows is sought by the codes, and the rest of the sample
 * shows what share of the rows each length leaves over, quantisation allowed for. The cheapest length wins, in bytes
 * read a row, a row that is left over counting for LEFT times what its code and a line of memory have; no prefix where
 * that saves less than a quarter. Estimates only: what a prefix rules out is proven whatever they say.
 *
 * Cost: principal.c on a sample, and the codes read once for each of the TRIALS queries, shared among threads.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "prefix.h"
#include "principal.h"
#include "rotate.h"

#define TRAIN_NUMBERS ((size_t)1 << 22) /* of the sample, about */
#define TRAIN_SAMPLE_LEAST 1024u        /* rows */
#define TRAIN_SAMPLE_MOST 8192u
#define TRAIN_DIMS 127u
#define TRAIN_ROWS 8192u                /* fewer are scanned fast enough without a prefix */
#define TRAIN_TRIALS 32u
#define TRAIN_NEAR 11u                  /* the tenth, and the row itself */
#define TRAIN_BLOCK 256u
#define TRAIN_LEFT 4.0
#define TRAIN_LINE 64.0
#define TRAIN_SAVES 0.75
#define TRAIN_SEED 0x7475726eu
#define TRAIN_STEP 1024u                /* rows that tell a step, about */
#define TRAIN_ROUNDING 0.75             /* of a step's root mean square in each component, of row and query together */

typedef struct train {
    const vssi_build *build;
    const vssi_sq8 *sq8;
    size_t width, n;                    /* rows of the sample */
    size_t count;                       /* directions */
    uint32_t *ids;                      /* [n] */
    double *mean, *rows;                /* [width], [n][width] */
    double *directions;                 /* [count][width] */
    double *turn;                       /* [width][1 + count] */
    double *points;                     /* [n][count + 1] */
    double near[TRAIN_TRIALS];          /* squared distance of the NEAR-th neighbour */
} train;

static vss_status train_sample(train *t, const uint64_t *leave, vss_error *err)
{
    const vssi_vectors *v = t->build->vectors;
    size_t most = vssi_min(vssi_max(TRAIN_NUMBERS / t->width, TRAIN_SAMPLE_LEAST), TRAIN_SAMPLE_MOST);
    size_t step = vssi_max(1, (v->rows + most - 1) / most), room = v->rows / step + 1;
    VSSI_TRY(vssi_alloc(t->build->heap, room, sizeof *t->ids, &t->ids, err));
    VSSI_TRY(vssi_alloc_zero(t->build->heap, (1 + room) * t->width, sizeof *t->mean, &t->mean, err));
    t->rows = t->mean + t->width;
    for (size_t row = 0; row < v->rows; row += step) {
        if (vssi_bitmap_get(leave, row))
            continue;
        t->ids[t->n] = (uint32_t)row;
        vssi_sq8_carrier(v, row, t->sq8->model.most, t->rows + t->n++ * t->width);
    }
    for (size_t r = 0; r < t->n; r++) {
        for (size_t i = 0; i < t->width; i++)
            t->mean[i] += t->rows[r * t->width + i] / (double)t->n;
    }
    for (size_t r = 0; r < t->n; r++) {
        for (size_t i = 0; i < t->width; i++)
            t->rows[r * t->width + i] -= t->mean[i];
    }
    return VSS_OK;
}

/* The first `dims` directions as they are stored, a component of the carrier after another; with signs turned among
 * themselves. */
static void train_turn(const train *t, size_t dims, const float *signs, double *turn)
{
    for (size_t i = 0; i < t->width; i++, turn += 1 + dims) {
        turn[0] = t->mean[i];
        for (size_t j = 0; j < dims; j++)
            turn[1 + j] = t->directions[j * t->width + i];
        if (signs != NULL)
            vssi_rotate_double(signs, dims, turn + 1);
    }
}

/* Row of the sample that is trial number i. */
static size_t train_trial(const train *t, size_t i) { return i * t->n / TRAIN_TRIALS; }

/* near[trial], by the codes of all rows. */
static void train_near(void *arg, size_t trial)
{
    train *t = arg;
    float sums[TRAIN_BLOCK], best[TRAIN_NEAR];
    const vssi_sq8_model *m = &t->sq8->model;
    const uint8_t *query = t->sq8->codes + (size_t)t->ids[train_trial(t, trial)] * m->size;
    for (size_t i = 0; i < TRAIN_NEAR; i++)
        best[i] = INFINITY;
    for (size_t at = 0; at < m->rows; at += TRAIN_BLOCK) {
        size_t n = vssi_min(TRAIN_BLOCK, m->rows - at);
        t->sq8->score_rows(query, t->sq8->codes + at * m->size, m->size, n, sums);
        for (size_t i = 0; i < n; i++) {
            size_t place = TRAIN_NEAR - 1;
            if (!(sums[i] < best[place]))
                continue;
            for (; place > 0 && best[place - 1] > sums[i]; place--)
                best[place] = best[place - 1];
            best[place] = sums[i];
        }
    }
    double rounding = (double)m->width / 6; /* what the two codes' roundings add to a sum */
    t->near[trial] = fmax((double)best[TRAIN_NEAR - 1] - rounding, 0) * m->step * m->step;
}

/* Some rows' points, by directions that are not turned yet, and where the last component belongs |x - mean|. */
static void train_points(void *arg, size_t task)
{
    train *t = arg;
    double lengths[VSSI_PREFIX_TOGETHER];
    size_t first = task * VSSI_PREFIX_TOGETHER, n = vssi_min(VSSI_PREFIX_TOGETHER, t->n - first);
    double *rows = t->rows + first * t->width, *points = t->points + first * (t->count + 1);
    for (size_t r = 0; r < n; r++) {
        for (size_t i = 0; i < t->width; i++) /* the turn takes the mean off once more */
            rows[r * t->width + i] += t->mean[i];
    }
    vssi_prefix_points((uint32_t)t->width, (uint32_t)t->count, t->turn, rows, n, points, lengths);
    for (size_t r = 0; r < n; r++)
        points[r * (t->count + 1) + t->count] = lengths[r];
}

/* The greatest span of a component of some of the sample's points with dims directions, turned. */
static double train_span(const train *t, size_t dims)
{
    float signs[VSSI_ROTATE_ROUNDS * VSSI_PREFIX_MOST];
    double low[VSSI_PREFIX_MOST], high[VSSI_PREFIX_MOST], point[VSSI_PREFIX_MOST], most = 0;
    vssi_grid_span span = {low, high};
    vssi_rotate_signs(TRAIN_SEED, dims, signs);
    vssi_grid_span_begin(&span, dims);
    for (size_t r = 0; r < t->n; r += vssi_max(1, t->n / TRAIN_STEP)) {
        memcpy(point, t->points + r * (t->count + 1), dims * sizeof *point);
        vssi_rotate_double(signs, dims, point);
        vssi_grid_span_add(&span, point, dims);
    }
    for (size_t j = 0; j < dims; j++)
        most = fmax(most, high[j] - low[j]);
    return most;
}

/* The step of the sample's grid with the first dims directions; rests[n] becomes the lengths of what they leave. */
static double train_step(const train *t, size_t dims, double *rests)
{
    double most = train_span(t, dims), low = INFINITY, high = -INFINITY;
    for (size_t r = 0; r < t->n; r++) {
        const double *point = t->points + r * (t->count + 1);
        double square = point[t->count] * point[t->count];
        for (size_t j = 0; j < dims; j++)
            square -= point[j] * point[j];
        rests[r] = sqrt(fmax(square, 0));
        low = fmin(low, rests[r]);
        high = fmax(high, rests[r]);
    }
    return fmax(most, high - low) / 255;
}

/* The share of the sample that dims directions leave over, on average over the trials. */
static double train_left(const train *t, size_t dims, double *rests)
{
    size_t left = 0, stride = t->count + 1;
    double slack = TRAIN_ROUNDING * train_step(t, dims, rests) * sqrt((double)dims + 1);
    for (size_t i = 0; i < TRAIN_TRIALS; i++) {
        size_t trial = train_trial(t, i);
        const double *query = t->points + trial * stride;
        double limit = (sqrt(t->near[i]) + slack) * (sqrt(t->near[i]) + slack);
        for (size_t r = 0; r < t->n; r++) {
            const double *point = t->points + r * stride;
            double square = (rests[r] - rests[trial]) * (rests[r] - rests[trial]);
            for (size_t j = 0; j < dims && square <= limit; j++)
                square += (point[j] - query[j]) * (point[j] - query[j]);
            left += square <= limit && r != trial;
        }
    }
    return (double)left / (double)(TRAIN_TRIALS * t->n);
}

/* How many directions pay; 0: none do. */
static vss_status train_choose(train *t, size_t *dims, vss_error *err)
{
    vssi_heap *heap = t->build->heap;
    double *rests, code = t->sq8->model.size, least = TRAIN_SAVES * code;
    VSSI_TRY(vssi_alloc(heap, t->n * (t->count + 2), sizeof *t->points, &t->points, err));
    VSSI_TRY(vssi_alloc(heap, t->width * (t->count + 1), sizeof *t->turn, &t->turn, err));
    rests = t->points + t->n * (t->count + 1);
    train_turn(t, t->count, NULL, t->turn);
    vssi_parallel_for(t->build->executor, t->build->threads, (t->n - 1) / VSSI_PREFIX_TOGETHER + 1, train_points, t);
    vssi_parallel_for(t->build->executor, t->build->threads, TRAIN_TRIALS, train_near, t);
    *dims = 0;
    for (size_t size = 8; size - 1 <= t->count; size += size < 32 ? 4 : size < 64 ? 8 : 16) {
        double cost = (double)size + train_left(t, size - 1, rests) * TRAIN_LEFT * (code + TRAIN_LINE);
        if (cost < least) {
            least = cost;
            *dims = size - 1;
        }
    }
    return VSS_OK;
}

static vss_status train_directions(train *t, uint32_t size, const uint64_t *leave, size_t *dims, vss_error *err)
{
    const vssi_build *b = t->build;
    *dims = 0;
    VSSI_TRY(train_sample(t, leave, err));
    if (t->n < 2)
        return VSS_OK;
    t->count = vssi_min(size == 0 ? TRAIN_DIMS : size - 1, t->width);
    VSSI_TRY(vssi_alloc(b->heap, t->count * t->width, sizeof *t->directions, &t->directions, err));
    VSSI_TRY(vssi_principal(b->heap, b->executor, b->threads, t->rows, t->n, t->width, t->count, t->directions,
                            &t->count, err));
    *dims = t->count;
    return size != 0 || t->count == 0 ? VSS_OK : train_choose(t, dims, err);
}

vss_status vssi_prefix_train(const vssi_build *build, const vssi_sq8 *sq8, const uint64_t *leave, uint32_t size,
                             vssi_prefix_model *model, double **turn, vss_error *err)
{
    train t = {.build = build, .sq8 = sq8, .width = sq8->model.width};
    size_t dims = 0;
    vss_status status = VSS_OK;
    *turn = NULL;
    if (t.width <= VSSI_PREFIX_WIDTH && (size != 0 || sq8->model.rows >= TRAIN_ROWS))
        status = train_directions(&t, size, leave, &dims, err);
    if (status == VSS_OK && dims > 0)
        status = vssi_alloc(build->heap, t.width * (1 + dims), sizeof **turn, turn, err);
    if (*turn != NULL) {
        float signs[VSSI_ROTATE_ROUNDS * VSSI_PREFIX_MOST];
        vssi_rotate_signs(TRAIN_SEED, dims, signs);
        train_turn(&t, dims, signs, *turn);
    }
    *model = (vssi_prefix_model){.rows = sq8->model.rows, .width = (uint32_t)t.width, .dims = (uint32_t)dims,
                                 .size = vssi_prefix_size((uint32_t)dims)};
    vssi_free(build->heap, t.ids);
    vssi_free(build->heap, t.mean);
    vssi_free(build->heap, t.directions);
    vssi_free(build->heap, t.turn);
    vssi_free(build->heap, t.points);
    return status;
}
