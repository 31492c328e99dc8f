/*
 * pq.h - residuals by the numbers of codewords, one for every few components
 *
 * Product quantisation (Jegou, Douze, Schmid, "Product quantization for nearest neighbor search", TPAMI 2011). The
 * components are cut into `subs` runs; each run has 2^bits codewords, 16 or 256, and a row keeps the number of the
 * nearest one of every run. With p the row of codewords that stands for the residual r = x - c of a row x at a center c
 *     |q - x|^2  is about  |q - c - p|^2 + 0.3 |r - p|^2 = |q - c|^2 + add + sum_j T_j[code_j],
 *     add = |p|^2 + 0.3 |r - p|^2 + 2 <p, c>,  T_j[k] = -2 <q_j, codeword k of run j>,
 * so that one table serves all lists of a query. q and c may be measured from any common point.
 *
 * Departures: 0.3 |r - p|^2 holds rows that their codewords fit badly back a little; it costs no byte, and from 0 to 1
 * that share found most of the true neighbours (docs/performance.md). Codewords are found by k-means on bytes
 * (quant/kmeans.h) and are then the means of what fell to them, in float64: the same bytes on any number of threads and
 * at every level.
 */
#ifndef VSSI_PQ_H
#define VSSI_PQ_H

#include <stddef.h>
#include <stdint.h>

#include "../../lib/base/heap.h"
#include "../../lib/base/parallel.h"
#include "../device/device_use.h"

#define VSSI_PQ_MOST_WORDS 256u

typedef struct vssi_pq {
    uint32_t width, subs, bits; /* 1 <= subs <= width; bits 4 or 8 */
    const float *words;         /* [width][2^bits]: component i of the codewords of the run that has it */
} vssi_pq;

static inline size_t vssi_pq_words(const vssi_pq *pq) { return (size_t)1 << pq->bits; }
/* Run j has the components from here to where run j + 1 begins. */
static inline size_t vssi_pq_begin(const vssi_pq *pq, size_t j) { return j * pq->width / pq->subs; }

/* What component i adds to `add`: of the residual, its codeword, and the center. */
static inline double vssi_pq_add(double r, double p, double c) { return p * p + 0.3 * (r - p) * (r - p) + 2 * p * c; }

/* What codewords are trained on: residuals, in steps of a grid of bytes. */
typedef struct vssi_pq_job {
    vssi_heap *heap;
    const vss_executor *executor; /* or NULL */
    size_t threads;
    vssi_control *control;        /* or NULL */
    const uint8_t *codes;         /* [rows][size] */
    const uint8_t *centers;       /* [][size] */
    const uint32_t *where;        /* [rows]: center of each */
    size_t rows, size;
    float step;                   /* of the grid */
    vssi_device_use *device;      /* that compares the runs' components with codewords, or NULL */
} vssi_pq_job;

/* Rows that codewords of so many bits are trained on, where there are as many. */
size_t vssi_pq_sample(uint32_t bits);

/* Fill words [width][2^bits] from a sample of the rows: rows * subs * 2^bits comparisons a round, runs shared among
 * threads; 16 bytes and a run a row of the sample and thread. CANCELLED, DEADLINE, NO_MEMORY, BUDGET; a device's own
 * where it is required. */
vss_status vssi_pq_train(const vssi_pq_job *job, const vssi_pq *pq, float *words, vss_error *err);

/* The nearest codeword of every run of the residual r[width]: codes[subs]. Cost: width * 2^bits products. */
void vssi_pq_encode(const vssi_pq *pq, const float *r, uint8_t *codes);

/* What codes[subs], each below 2^bits, stand for. */
void vssi_pq_decode(const vssi_pq *pq, const uint8_t *codes, float *p);

/* table[subs][2^bits] of a query[width]. */
void vssi_pq_table(const vssi_pq *pq, const float *query, float *table);

/* The same in bytes, for scan4: bytes[places][16], places >= subs, of table[subs][16]; T = step * byte + its share of
 * the bias. */
typedef struct vssi_pq_scale {
    float step, bias;
} vssi_pq_scale;
vssi_pq_scale vssi_pq_bytes(const float *table, size_t subs, size_t places, uint8_t *bytes);

/* values[i] = base + add + the sum of the table's entries, of n rows of 256 codewords a run, each add (float32) and
 * then codes[subs], `stride` bytes apart. */
void vssi_pq_scan8(const float *table, size_t subs, const uint8_t *rows, size_t stride, size_t n, float base,
                   float *values);

#endif
