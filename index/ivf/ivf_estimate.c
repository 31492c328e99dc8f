/*
 * ivf_estimate.c - what inverted lists will take, from the shape of the rows alone
 *
 * Sizes are those of ivf_build.c, stage by stage, and the greatest of them is the build's. How full the last block of a
 * list is stands for itself: half, on average.
 */
#include "../../lib/base/checked.h"
#include "../quant/kmeans_private.h"
#include "ivf.h"

static uint64_t estimate_blocks(const ivf_header *h)
{
    uint64_t blocks = h->rows / VSSI_SCAN4_ROWS + h->lists / 2;
    return blocks > h->lists ? blocks : h->lists;
}

static uint64_t estimate_codes(const ivf_header *h, const vssi_vectors *v)
{
    uint64_t codes = (ivf_has_blocks(h) ? estimate_blocks(h) : h->rows) * ivf_code_size(h, v);
    if (h->kind == IVF_RABITQ)
        codes += (uint64_t)h->rows * ivf_more_size(h);
    if (h->kind == IVF_PQ)
        codes += ((uint64_t)h->width << h->bits) * sizeof(float);
    return codes;
}

/* Of an assignment of rows to lists. */
static uint64_t estimate_assign(const vssi_kmeans *job)
{
    size_t panels = 0;
    (void)vssi_nearest_room(job->clusters, job->size, &panels);
    return job->threads * vssi_kmeans_assign_scratch(job) + panels;
}

/* Of k-means over so many rows: while it runs. */
static uint64_t estimate_means(const vssi_kmeans *job)
{
    return estimate_assign(job) + 12 * (uint64_t)job->rows + 12 * job->clusters;
}

/* Of the centers' training: the corners of the grid, then the sample. */
static uint64_t estimate_train(const ivf_header *h, size_t threads)
{
    uint64_t sample = vssi_ivf_sample(h), grid = 3 * sizeof(float) * ((uint64_t)h->rows / 4096 + 1) * h->width;
    const vssi_kmeans job = {.threads = threads, .rows = (size_t)sample, .size = h->size, .clusters = h->lists};
    uint64_t means = estimate_means(&job) + sample * h->size;
    return means > grid ? means : grid;
}

/* Of the codewords' training. */
static uint64_t estimate_words(const ivf_header *h, size_t threads)
{
    uint64_t sample = vssi_min(h->rows, vssi_pq_sample(h->bits));
    uint64_t run = vssi_round_up((h->width + h->subs - 1) / h->subs, 4);
    const vssi_kmeans job = {.threads = 1, .rows = (size_t)sample, .size = (size_t)run,
                             .clusters = (size_t)1 << h->bits};
    return sample * (h->size + sizeof(uint32_t)) +
           vssi_min(threads, h->subs) * (sample * (run + sizeof(uint32_t)) + estimate_means(&job));
}

static uint64_t estimate_most(uint64_t a, uint64_t b) { return a > b ? a : b; }

void vssi_ivf_estimate(const vssi_build *in, ivf_kind kind, vssi_cost *cost)
{
    ivf_build b = {.in = in};
    const ivf_header *h = &b.header;
    size_t threads = vssi_max(1, in->threads);
    *cost = (vssi_cost){0, 0};
    if (in->vectors->rows == 0 || vssi_ivf_plan(&b, kind, NULL) != VSS_OK)
        return;
    uint64_t rows = h->rows, lists = h->lists, codes = estimate_codes(h, in->vectors);
    uint64_t panels = (lists + VSSI_NEAREST_LANES - 1) / VSSI_NEAREST_LANES * vssi_panel_size(h->size);
    uint64_t points = lists * sizeof(float) * h->width, low = 2 * sizeof(float) * (uint64_t)h->width;
    uint64_t words = h->kind == IVF_PQ ? ((uint64_t)h->width << h->bits) * sizeof(float) : 0;
    uint64_t numbers = sizeof(uint32_t) * (rows + lists), codebook = low + words + lists * h->size;
    const vssi_kmeans all = {.threads = threads, .rows = (size_t)rows, .size = h->size, .clusters = h->lists};
    uint64_t train = codebook - words + estimate_train(h, threads);
    uint64_t train_words = h->kind == IVF_PQ ? codebook + panels + estimate_words(h, threads) : 0;
    uint64_t assign = codebook + numbers + rows * (sizeof(uint32_t) + h->size) + estimate_assign(&all);
    uint64_t encode = codebook + numbers + rows * sizeof(uint32_t) + panels + points + codes - words;
    cost->bytes = low + panels + points + numbers + codes;
    cost->build_bytes = estimate_most(estimate_most(train, train_words), estimate_most(assign, encode));
}
