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

/* Of k-means over so many rows: while it runs. */
static uint64_t estimate_means(const vssi_kmeans *job)
{
    size_t panels = 0;
    (void)vssi_nearest_room(job->clusters, job->size, &panels);
    return job->threads * vssi_kmeans_assign_scratch(job) + panels + 12 * (uint64_t)job->rows + 12 * job->clusters;
}

/* Of the stages that come before the codes. */
static uint64_t estimate_train(const ivf_header *h, size_t threads)
{
    uint64_t sample = vssi_ivf_sample(h), grid = 3 * sizeof(float) * ((uint64_t)h->rows / 4096 + 1) * h->width;
    const vssi_kmeans job = {.threads = threads, .rows = (size_t)sample, .size = h->size, .clusters = h->lists};
    uint64_t means = estimate_means(&job) + (sample < h->rows ? sample * h->size : 0);
    return means > grid ? means : grid;
}

static uint64_t estimate_words(const ivf_header *h, size_t threads)
{
    uint64_t sample = vssi_min(h->rows, vssi_pq_sample(h->bits));
    uint64_t run = vssi_round_up((h->width + h->subs - 1) / h->subs, 4);
    const vssi_kmeans job = {.threads = 1, .rows = (size_t)sample, .size = (size_t)run,
                             .clusters = (size_t)1 << h->bits};
    return vssi_min(threads, h->subs) * (sample * (run + sizeof(uint32_t)) + estimate_means(&job));
}

void vssi_ivf_estimate(const vssi_build *in, ivf_kind kind, vssi_cost *cost)
{
    ivf_build b = {.in = in, .v = in->vectors};
    const ivf_header *h = &b.header;
    size_t threads = vssi_max(1, in->threads);
    *cost = (vssi_cost){0, 0};
    if (in->vectors->rows == 0 || vssi_ivf_plan(&b, kind, NULL) != VSS_OK)
        return;
    uint64_t rows = h->rows, lists = h->lists, codes = estimate_codes(h, in->vectors);
    uint64_t panels = (lists + VSSI_NEAREST_LANES - 1) / VSSI_NEAREST_LANES * vssi_panel_size(h->size);
    uint64_t centers = lists * (sizeof(float) * (uint64_t)h->width + sizeof(uint32_t));
    uint64_t kept = panels + centers + 2 * sizeof(float) * (uint64_t)h->width + sizeof(uint32_t) * rows;
    uint64_t train = estimate_train(h, threads), words = h->kind == IVF_PQ ? estimate_words(h, threads) : 0;
    cost->bytes = kept + codes;
    uint64_t stage = train > codes ? train : codes;
    cost->build_bytes = kept + rows * (h->size + sizeof(uint32_t)) + lists * h->size + (stage > words ? stage : words);
}
