/*
 * ivf_validate.c - every row is in one list, and every number that values are made of is one
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "ivf.h"

typedef struct ivf_check {
    const ivf_index *index;
    void (*fault)(void *state, const char *line);
    void *state;
    uint64_t faults;
} ivf_check;

static void check_fault(ivf_check *check, const char *what, size_t at, double value)
{
    char line[160];
    (void)snprintf(line, sizeof line, "ivf: %s %zu is %g", what, at, value);
    check->fault(check->state, line);
    check->faults++;
}

static void check_floats(ivf_check *check, const char *what, const float *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            check_fault(check, what, i, (double)values[i]);
    }
}

static void check_rows(ivf_check *check)
{
    const ivf_index *index = check->index;
    size_t rows = index->header.rows;
    uint64_t *seen;
    if (vssi_alloc_zero(index->heap, (rows + 63) / 64, sizeof *seen, &seen, NULL) != VSS_OK) {
        check->fault(check->state, "ivf: no memory to look at the row numbers");
        check->faults++;
        return;
    }
    for (size_t i = 0; i < rows; i++) {
        uint32_t row = index->rows[i];
        if (row >= rows || vssi_bitmap_get(seen, row))
            check_fault(check, "a row beyond the segment or in two lists: position", i, row);
        else
            vssi_bitmap_set(seen, row);
    }
    vssi_free(index->heap, seen);
}

/* add and mul of every row in blocks; places without one hold no number. */
static void check_factors(ivf_check *check)
{
    const ivf_index *index = check->index;
    const bool mul = index->header.kind == IVF_RABITQ;
    size_t codes = 16 * ivf_block_subs(&index->header);
    for (size_t c = 0; c < index->header.lists; c++) {
        size_t rows = index->lists[c + 1] - index->lists[c];
        for (size_t i = 0; i < (size_t)(index->blocks[c + 1] - index->blocks[c]) * VSSI_SCAN4_ROWS; i++) {
            const uint8_t *block = index->codes + (index->blocks[c] + i / VSSI_SCAN4_ROWS) * index->code_size;
            const float *add = (const float *)(const void *)(block + codes) + i % VSSI_SCAN4_ROWS;
            bool good = i < rows ? isfinite(add[0]) && (!mul || isfinite(add[VSSI_SCAN4_ROWS])) : isnan(add[0]);
            if (!good)
                check_fault(check, "a factor in list", c, (double)add[0]);
        }
        for (size_t at = index->lists[c]; index->more && at < index->lists[c + 1]; at++) {
            float factors[2];
            memcpy(factors, index->more + (at + 1) * index->more_size - sizeof factors, sizeof factors);
            check_floats(check, "a factor of all bits", factors, 2);
        }
    }
}

/* What is stored beside the codes of a panel follows from them. */
static void check_panels(ivf_check *check, const char *what, const uint8_t *panels, size_t n)
{
    size_t size = check->index->header.size;
    for (size_t p = 0; p < n; p++) {
        const uint8_t *panel = panels + p * vssi_panel_size(size);
        const int32_t *bases = (const int32_t *)(const void *)(panel + VSSI_NEAREST_LANES * size);
        for (size_t lane = 0; lane < VSSI_NEAREST_LANES; lane++) {
            int32_t base = 0;
            for (size_t i = 0; i < size; i++) {
                int32_t code = panel[(i / 4 * VSSI_NEAREST_LANES + lane) * 4 + i % 4];
                base += code * (code - 256);
            }
            if (base != bases[lane])
                check_fault(check, what, p, bases[lane]);
        }
    }
}

/* add of every row beside codes of 8 bits. */
static void check_bytes(ivf_check *check)
{
    const ivf_index *index = check->index;
    for (size_t at = 0; at < index->header.rows; at++) {
        float add;
        memcpy(&add, index->codes + at * index->code_size, sizeof add);
        check_floats(check, "a factor of a row's codes", &add, 1);
    }
}

uint64_t vssi_ivf_validate(const void *opened, void (*fault)(void *state, const char *line), void *state)
{
    ivf_check check = {.index = opened, .fault = fault, .state = state};
    const ivf_header *h = &check.index->header;
    check_floats(&check, "corner", check.index->low, 2 * (size_t)h->width);
    check_floats(&check, "center component", check.index->points, (size_t)h->lists * h->width);
    check_rows(&check);
    if (h->kind == IVF_PQ)
        check_floats(&check, "codeword component", check.index->pq.words, (size_t)h->width << h->bits);
    check_panels(&check, "the bases of the centers' panel", check.index->centers,
                 (h->lists + VSSI_NEAREST_LANES - 1) / VSSI_NEAREST_LANES);
    if (h->kind == IVF_SQ8)
        check_panels(&check, "the bases of panel", check.index->codes, check.index->blocks[h->lists]);
    else if (ivf_has_blocks(h))
        check_factors(&check);
    else if (h->kind == IVF_PQ)
        check_bytes(&check);
    return check.faults;
}
