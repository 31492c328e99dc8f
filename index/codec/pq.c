/*
 * pq.c - codewords, codes, tables of queries
 *
 * Runs are trained side by side, by a device where there is one. Locks: a mutex of the training's around what is known
 * of the device.
 */
#include "pq.h"

#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "../quant/kmeans.h"

#define PQ_SAMPLE_4 16384u /* rows that 16 codewords are trained on */
#define PQ_SAMPLE_8 65536u
#define PQ_ROUNDS 16u
#define PQ_HELPINGS_4 8u /* 256 codewords drawn by distance serve outliers too well */
#define PQ_SEED 0x7071u
#define PQ_LEVELS 255.0

typedef struct pq_train {
    const vssi_pq_job *job;
    const vssi_pq *pq;
    float *words;
    size_t sample;
    uint8_t *codes;  /* [workers][sample][size]: the runs' components, on a grid of their own */
    uint32_t *where; /* [workers][sample] */
    size_t size;     /* bytes of the longest run, a multiple of 4 */
    _Atomic size_t next, done;
    _Atomic int status;
    vssi_mutex mutex; /* guards the job's device and err */
    vss_error err;    /* of the run that failed */
} pq_train;

/* A run's residuals: component i of the s-th row of the sample. */
typedef struct pq_run {
    const pq_train *train;
    size_t begin, length;
    int low;      /* the least of all */
    double scale; /* residual = low + scale * code, in steps */
} pq_run;

static int pq_residual(const pq_run *run, size_t s, size_t i)
{
    const vssi_pq_job *job = run->train->job;
    size_t row = (size_t)((uint64_t)s * job->rows / run->train->sample), at = run->begin + i;
    return job->codes[row * job->size + at] - job->centers[job->where[row] * job->size + at];
}

/* The grid that holds all components of the run, and codes[sample][size] on it. */
static void pq_fit(pq_run *run, size_t size, uint8_t *codes)
{
    int high = -256;
    run->low = 256;
    for (size_t s = 0; s < run->train->sample; s++) {
        for (size_t i = 0; i < run->length; i++) {
            int r = pq_residual(run, s, i);
            run->low = r < run->low ? r : run->low;
            high = r > high ? r : high;
        }
    }
    run->scale = fmax(1, (high - run->low) / PQ_LEVELS);
    for (size_t s = 0; s < run->train->sample; s++, codes += size) {
        memset(codes, 0, size);
        for (size_t i = 0; i < run->length; i++)
            codes[i] = (uint8_t)((pq_residual(run, s, i) - run->low) / run->scale + 0.5);
    }
}

/* Means of what fell to each codeword; where nothing did, what k-means has. */
static void pq_means(const pq_run *run, const uint32_t *where, const uint8_t *centers, size_t size)
{
    const pq_train *train = run->train;
    const size_t words = vssi_pq_words(train->pq);
    const double step = (double)train->job->step;
    for (size_t i = 0; i < run->length; i++) {
        double sums[VSSI_PQ_MOST_WORDS] = {0};
        size_t counts[VSSI_PQ_MOST_WORDS] = {0};
        for (size_t s = 0; s < train->sample; s++) {
            sums[where[s]] += pq_residual(run, s, i);
            counts[where[s]]++;
        }
        for (size_t k = 0; k < words; k++) {
            double mean = counts[k] ? sums[k] / (double)counts[k] : run->low + run->scale * centers[k * size + i];
            train->words[(run->begin + i) * words + k] = (float)(step * mean);
        }
    }
}

/* The job's device as a run may use it, alone. */
static vssi_device_use pq_device(pq_train *train)
{
    const vssi_device_use *of = train->job->device;
    vssi_mutex_lock(&train->mutex);
    vssi_device_use use = of != NULL ? *of : (vssi_device_use){.device = NULL};
    vssi_mutex_unlock(&train->mutex);
    return use;
}

/* How a run has ended, and its device. */
static void pq_note(pq_train *train, const vssi_device_use *use, vss_status status, const vss_error *err)
{
    vssi_mutex_lock(&train->mutex);
    if (use->failed.status != VSS_OK)
        train->job->device->failed = use->failed;
    if (status != VSS_OK && atomic_load(&train->status) == VSS_OK) {
        train->err = *err;
        atomic_store(&train->status, (int)status);
    }
    vssi_mutex_unlock(&train->mutex);
}

static vss_status pq_train_run(pq_train *train, size_t worker, size_t j, vssi_device_use *use, vss_error *err)
{
    const vssi_pq *pq = train->pq;
    uint8_t *codes = train->codes + worker * train->sample * train->size, *centers;
    uint32_t *where = train->where + worker * train->sample;
    pq_run run = {.train = train, .begin = vssi_pq_begin(pq, j)};
    run.length = vssi_pq_begin(pq, j + 1) - run.begin;
    size_t size = (size_t)vssi_round_up(run.length, 4);
    pq_fit(&run, size, codes);
    const vssi_kmeans means = {.heap = train->job->heap, .threads = 1, .codes = codes, .rows = train->sample,
                               .size = size, .clusters = vssi_pq_words(pq), .rounds = PQ_ROUNDS,
                               .helpings = pq->bits == 4 ? PQ_HELPINGS_4 : 1, .seed = PQ_SEED + j, .device = use};
    VSSI_TRY(vssi_alloc(train->job->heap, means.clusters, size, &centers, err));
    vss_status status = vssi_kmeans_train(&means, centers, NULL, err);
    if (status == VSS_OK)
        status = vssi_kmeans_assign(&means, centers, where, NULL, err);
    if (status == VSS_OK)
        pq_means(&run, where, centers, size);
    vssi_free(train->job->heap, centers);
    return status;
}

static void pq_worker(void *arg, size_t worker)
{
    pq_train *train = arg;
    size_t j;
    while ((j = atomic_fetch_add(&train->next, 1)) < train->pq->subs && atomic_load(&train->status) == VSS_OK &&
           !vssi_control_stopped(train->job->control)) {
        vss_error err;
        vssi_device_use use = pq_device(train);
        vss_status status = pq_train_run(train, worker, j, &use, &err);
        pq_note(train, &use, status, &err);
        vssi_control_report(train->job->control, "codewords", atomic_fetch_add(&train->done, 1) + 1, train->pq->subs);
    }
}

static vss_status pq_run_all(pq_train *train, vss_error *err)
{
    const vssi_pq_job *job = train->job;
    size_t workers = vssi_min(vssi_max(1, job->threads), train->pq->subs), rows;
    if (!vssi_mul(workers, train->sample, &rows))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(vssi_alloc(job->heap, rows, train->size, &train->codes, err));
    VSSI_TRY(vssi_alloc(job->heap, rows, sizeof *train->where, &train->where, err));
    vssi_parallel_for(job->executor, workers, workers, pq_worker, train);
    int stop = job->control ? atomic_load(&job->control->stop) : 0, status = atomic_load(&train->status);
    if (stop != 0)
        return vssi_fail(err, (vss_status)stop, "codewords: stopped by the caller or its deadline");
    if (status != VSS_OK && err != NULL)
        *err = train->err;
    return (vss_status)status;
}

size_t vssi_pq_sample(uint32_t bits) { return bits == 4 ? PQ_SAMPLE_4 : PQ_SAMPLE_8; }

vss_status vssi_pq_train(const vssi_pq_job *job, const vssi_pq *pq, float *words, vss_error *err)
{
    pq_train train = {.job = job, .pq = pq, .words = words,
                      .sample = vssi_min(job->rows, vssi_pq_sample(pq->bits)),
                      .size = (size_t)vssi_round_up((pq->width + pq->subs - 1) / pq->subs, 4)};
    vssi_mutex_init(&train.mutex);
    vss_status status = pq_run_all(&train, err);
    vssi_mutex_destroy(&train.mutex);
    vssi_free(job->heap, train.codes);
    vssi_free(job->heap, train.where);
    return status;
}

void vssi_pq_encode(const vssi_pq *pq, const float *r, uint8_t *codes)
{
    const size_t words = vssi_pq_words(pq);
    for (size_t j = 0; j < pq->subs; j++) {
        float far[VSSI_PQ_MOST_WORDS] = {0};
        size_t best = 0, begin = vssi_pq_begin(pq, j), end = vssi_pq_begin(pq, j + 1);
        for (size_t i = begin; i < end; i++) {
            const float *word = pq->words + i * words;
            for (size_t k = 0; k < words; k++)
                far[k] += (r[i] - word[k]) * (r[i] - word[k]);
        }
        for (size_t k = 1; k < words; k++)
            best = far[k] < far[best] ? k : best;
        codes[j] = (uint8_t)best;
    }
}

void vssi_pq_decode(const vssi_pq *pq, const uint8_t *codes, float *p)
{
    const size_t words = vssi_pq_words(pq);
    for (size_t j = 0; j < pq->subs; j++)
        for (size_t i = vssi_pq_begin(pq, j); i < vssi_pq_begin(pq, j + 1); i++)
            p[i] = pq->words[i * words + codes[j]];
}

void vssi_pq_table(const vssi_pq *pq, const float *query, float *table)
{
    const size_t words = vssi_pq_words(pq);
    memset(table, 0, pq->subs * words * sizeof *table);
    for (size_t j = 0; j < pq->subs; j++, table += words) {
        for (size_t i = vssi_pq_begin(pq, j); i < vssi_pq_begin(pq, j + 1); i++) {
            const float *word = pq->words + i * words;
            for (size_t k = 0; k < words; k++)
                table[k] += -2 * query[i] * word[k];
        }
    }
}

static float pq_least(const float *entries, float *most)
{
    float low = entries[0], high = low;
    for (size_t k = 1; k < 16; k++) {
        low = entries[k] < low ? entries[k] : low;
        high = entries[k] > high ? entries[k] : high;
    }
    *most = high;
    return low;
}

vssi_pq_scale vssi_pq_bytes(const float *table, size_t subs, size_t places, uint8_t *bytes)
{
    float span = 0, bias = 0, high;
    for (size_t j = 0; j < subs; j++) {
        float low = pq_least(table + 16 * j, &high);
        bias += low;
        span = high - low > span ? high - low : span;
    }
    float step = span / 255, inverse = step > 0 ? 1 / step : 0;
    for (size_t j = 0; j < subs; j++) {
        float low = pq_least(table + 16 * j, &high);
        for (size_t k = 0; k < 16; k++) {
            float entry = (table[16 * j + k] - low) * inverse + 0.5f;
            bytes[16 * j + k] = entry < 255 ? (uint8_t)entry : 255; /* no number, of hostile codewords: 255 */
        }
    }
    memset(bytes + 16 * subs, 0, 16 * (places - subs));
    return (vssi_pq_scale){step, bias};
}

void vssi_pq_scan8(const float *table, size_t subs, const uint8_t *rows, size_t stride, size_t n, float base,
                   float *values)
{
    for (size_t r = 0; r < n; r++, rows += stride) {
        const uint8_t *codes = rows + sizeof(float);
        float sums[4] = {0}, add;
        size_t j = 0;
        __builtin_prefetch(rows + 16 * stride);
        memcpy(&add, rows, sizeof add);
        for (; j + 4 <= subs; j += 4) {
            for (size_t i = 0; i < 4; i++)
                sums[i] += table[(j + i) * VSSI_PQ_MOST_WORDS + codes[j + i]];
        }
        for (; j < subs; j++)
            sums[0] += table[j * VSSI_PQ_MOST_WORDS + codes[j]];
        values[r] = base + add + ((sums[0] + sums[1]) + (sums[2] + sums[3]));
    }
}
