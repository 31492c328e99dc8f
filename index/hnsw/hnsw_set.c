/*
 * hnsw_set.c - a worker's set of vectors, packed to be compared with twelve others at a time
 *
 * Codes go through the kernel of simd/pairs.h where the level has one: members lie in panels of 32, and a product of
 * a pair costs a third of a nanosecond at 128 components. Else each query goes through the kernel of rows.
 */
#include <string.h>

#include "hnsw.h"

static bool set_in_panels(const vssi_hnsw_build *b) { return b->coded && b->pairs->keys; }

void vssi_hnsw_set_add(const vssi_hnsw_build *b, vssi_hnsw_worker *worker, uint32_t number, uint32_t place)
{
    if (!set_in_panels(b)) {
        vssi_hnsw_pack(b, place, worker->packed + number * b->vector_size);
        return;
    }
    size_t units = b->vector_size / 4, panel = number / VSSI_PAIRS_ROWS;
    uint32_t *to = (uint32_t *)(void *)worker->packed + panel * units * VSSI_PAIRS_ROWS + number % VSSI_PAIRS_ROWS;
    const uint8_t *code = b->codes + place * b->vector_size;
    for (size_t i = 0; i < units; i++)
        memcpy(to + i * VSSI_PAIRS_ROWS, code + 4 * i, 4);
    worker->bases[number] = b->sums[place][0];
}

/* Twelve codes side by side, as signed bytes; copies of the first where there are fewer. */
static void set_queries(const vssi_hnsw_build *b, int32_t *out, const uint32_t *queries, size_t n, int32_t *norms)
{
    const uint8_t *codes[VSSI_PAIRS_QUERIES];
    for (size_t q = 0; q < VSSI_PAIRS_QUERIES; q++) {
        uint32_t place = queries[q < n ? q : 0];
        codes[q] = b->codes + place * b->vector_size;
        norms[q] = b->sums[place][1];
    }
    for (size_t at = 0; at < b->vector_size; at += 4, out += VSSI_PAIRS_QUERIES) {
        for (size_t q = 0; q < VSSI_PAIRS_QUERIES; q++) {
            uint32_t four;
            memcpy(&four, codes[q] + at, 4);
            four ^= 0x80808080u;
            memcpy(out + q, &four, 4);
        }
    }
}

static void set_panels(const vssi_hnsw_build *b, vssi_hnsw_worker *worker, size_t n, const uint32_t *queries,
                       size_t n_queries)
{
    int32_t norms[VSSI_PAIRS_QUERIES];
    size_t units = b->vector_size / 4;
    set_queries(b, worker->queries, queries, n_queries, norms);
    for (size_t first = 0; first < n; first += VSSI_PAIRS_ROWS) {
        vssi_pairs_job job = {worker->queries, norms, worker->packed + first * b->vector_size, worker->bases + first,
                              units, (uint32_t)first};
        b->pairs->keys(&job, worker->keys + first, b->keys_stride);
    }
}

static void set_rows(const vssi_hnsw_build *b, vssi_hnsw_worker *worker, size_t n, const uint32_t *queries,
                     size_t n_queries)
{
    for (size_t q = 0; q < n_queries; q++) {
        uint32_t *keys = worker->keys + q * b->keys_stride;
        vssi_hnsw_pack(b, queries[q], worker->query);
        b->l2_rows(worker->query, worker->packed, b->vector_dim, n, worker->scores);
        for (size_t i = 0; i < n; i++)
            keys[i] = vssi_pairs_key(worker->scores[i], (uint32_t)i);
    }
}

void vssi_hnsw_set_keys(const vssi_hnsw_build *b, vssi_hnsw_worker *worker, size_t n, const uint32_t *queries,
                        size_t n_queries)
{
    if (set_in_panels(b))
        set_panels(b, worker, n, queries, n_queries);
    else
        set_rows(b, worker, n, queries, n_queries);
    for (size_t q = 0; q < n_queries; q++) {
        for (size_t i = n; i % VSSI_PAIRS_ROWS != 0; i++)
            worker->keys[q * b->keys_stride + i] = VSSI_PAIRS_NONE;
    }
}
