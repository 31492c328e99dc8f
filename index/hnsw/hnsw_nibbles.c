/*
 * hnsw_nibbles.c - codes of four bits from codes of a byte
 *
 * Of each component, 16 of the 256 points: from a start of its own on, every so many steps, the same number for all
 * components, so that a score is a sum of whole numbers (simd/nibbles.h). What lies outside goes to the nearest end.
 * Few steps round finely and cut off much, many the other way round: that number and those starts are taken that move
 * a sample of rows least, in the mean square. Components with long thin tails, which set the grid of a byte, gain most.
 *
 * Cost: 1 KiB and 50,000 comparisons a component, and a pass over the codes; one thread.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "hnsw.h"

#define NIBBLES_VALUES 256u
#define NIBBLES_LAST 15u
#define NIBBLES_LEAST 4u      /* steps of a byte in one of four bits */
#define NIBBLES_WIDEST 17u    /* 15 * 17 = 255: nothing is cut off */
#define NIBBLES_SAMPLE 32768u /* rows */

typedef uint32_t nibbles_counts[NIBBLES_VALUES];

/* sum of counts[c] (c - nearest)^2 for the points start, start + apart, ... */
static uint64_t nibbles_moved(const uint32_t *counts, unsigned start, unsigned apart)
{
    uint64_t sum = 0;
    const unsigned last = start + NIBBLES_LAST * apart;
    for (unsigned c = 0; c < NIBBLES_VALUES; c++) {
        unsigned point = c <= start ? start : start + (c - start + apart / 2) / apart * apart;
        int64_t off = (int64_t)c - (int64_t)(point < last ? point : last);
        sum += counts[c] * (uint64_t)(off * off);
    }
    return sum;
}

/* The best start of a component, by trying those a step of the new grid apart from 0 on. */
static uint64_t nibbles_start(const uint32_t *counts, unsigned apart, uint8_t *start)
{
    uint64_t best = UINT64_MAX;
    for (unsigned at = 0; at + NIBBLES_LAST * apart < NIBBLES_VALUES + apart; at += apart) {
        uint64_t moved = nibbles_moved(counts, at, apart);
        if (moved < best) {
            best = moved;
            *start = (uint8_t)at;
        }
    }
    return best;
}

static void nibbles_count(const vssi_hnsw_build *b, nibbles_counts *counts)
{
    const size_t step = vssi_max(1, b->rows / NIBBLES_SAMPLE);
    for (size_t row = 0; row < b->rows; row += step) {
        const uint8_t *code = b->codes + row * b->model->size;
        for (size_t i = 0; i < b->model->width; i++)
            counts[i][code[i]]++;
    }
}

/* Choose how many steps are between points, and the starts [width]; tried is scratch memory of that size. */
static unsigned nibbles_choose(size_t width, const nibbles_counts *counts, uint8_t *starts, uint8_t *tried)
{
    unsigned chosen = NIBBLES_WIDEST;
    uint64_t least = UINT64_MAX;
    for (unsigned apart = NIBBLES_LEAST; apart <= NIBBLES_WIDEST; apart++) {
        uint64_t moved = 0;
        for (size_t i = 0; i < width; i++)
            moved += nibbles_start(counts[i], apart, &tried[i]);
        if (moved < least) {
            least = moved;
            chosen = apart;
            memcpy(starts, tried, width);
        }
    }
    return chosen;
}

/* Code a row. Returns the square of how far its point has moved, in steps. */
static uint64_t nibbles_row(const uint8_t *from, size_t width, unsigned apart, const uint8_t *starts, uint8_t *to)
{
    uint64_t square = 0;
    for (size_t i = 0; i < width; i++) {
        size_t above = from[i] > starts[i] ? (size_t)(from[i] - starts[i]) : 0;
        unsigned code = (unsigned)vssi_min((above + apart / 2) / apart, NIBBLES_LAST);
        int off = (int)from[i] - (int)(starts[i] + apart * code);
        to[i / 2] |= (uint8_t)(code << (i % 2 * 4));
        square += (uint64_t)(off * off);
    }
    return square;
}

vss_status vssi_hnsw_nibbles_make(const vssi_hnsw_build *b, uint32_t size, uint8_t *codes, vssi_sq8_model *model,
                                  vss_error *err)
{
    const size_t width = model->width;
    nibbles_counts *counts;
    uint8_t *starts;
    uint64_t most = 0, sum = 0;
    VSSI_TRY(vssi_alloc_zero(b->heap, width, sizeof *counts + 2, &counts, err));
    starts = (uint8_t *)(counts + width);
    nibbles_count(b, counts);
    unsigned apart = nibbles_choose(width, counts, starts, starts + width);
    memset(codes, 0, b->rows * size);
    for (size_t place = 0; place < b->rows; place++) {
        uint64_t square = nibbles_row(b->codes + b->map[place] * b->model->size, width, apart, starts,
                                      codes + place * size);
        most = square > most ? square : most;
        sum += square;
    }
    for (size_t i = 0; i < width; i++)
        b->low[i] += model->step * starts[i];
    model->radius += model->step * sqrt((double)most) * (1 + 0x1p-40);
    model->usual = model->step * sqrt((double)sum / (double)b->rows);
    model->step *= (double)apart / VSSI_NIBBLES_SCALE;
    vssi_free(b->heap, counts);
    return VSS_OK;
}
