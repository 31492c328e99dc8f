/*
 * hnsw_prune.c - which of a row's near rows become its links
 *
 * Robust pruning (Vamana): candidates in order of distance; one is passed over when a link chosen before is nearer
 * to it, by the factor alpha, than the row is. Distances are squared here, so the factor is alpha^2. Cost: a copy
 * of the candidates' vectors and at most links x candidates distances from cache.
 */
#include <string.h>

#include "../../lib/base/checked.h"
#include "hnsw.h"

#define PRUNE_ALPHA2 1.21f
#define PRUNE_UNIT 256u /* rows */

static void prune_sift(uint64_t *keys, size_t root, size_t n)
{
    uint64_t moving = keys[root];
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        child += child + 1 < n && keys[child] < keys[child + 1];
        if (moving >= keys[child])
            break;
        keys[root] = keys[child];
    }
    keys[root] = moving;
}

void vssi_hnsw_sort(uint64_t *keys, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        prune_sift(keys, i, n);
    for (size_t last = n; last-- > 1;) {
        uint64_t largest = keys[0];
        keys[0] = keys[last];
        keys[last] = largest;
        prune_sift(keys, 0, last);
    }
}

size_t vssi_hnsw_prune(const vssi_hnsw_build *b, vssi_hnsw_worker *worker, const uint64_t *keys, size_t n,
                       uint32_t *links)
{
    for (size_t i = 0; i < n; i++) {
        vssi_hnsw_pack(b, (uint32_t)keys[i], worker->packed + i * b->pdim);
        worker->worst[i] = vssi_hnsw_key_score(keys[i]); /* below 0: passed over */
    }
    size_t chosen = 0;
    for (size_t i = 0; i < n && chosen < b->degree; i++) {
        if (worker->worst[i] < 0)
            continue;
        links[chosen++] = (uint32_t)keys[i];
        size_t rest = n - i - 1;
        const float *link = worker->packed + i * b->pdim;
        float *distance = worker->worst + i + 1;
        b->l2(link, link + b->pdim, b->pdim, rest, worker->scores);
        for (size_t j = 0; j < rest; j++)
            distance[j] = PRUNE_ALPHA2 * worker->scores[j] < distance[j] ? -1.0f : distance[j];
    }
    return chosen;
}

static void prune_unit(vssi_hnsw_build *b, vssi_hnsw_worker *worker, void *arg, size_t unit)
{
    (void)arg;
    size_t end = vssi_min((unit + 1) * PRUNE_UNIT, b->n_nodes), width = b->kept + HNSW_FANOUT * b->keep;
    for (size_t i = unit * PRUNE_UNIT; i < end; i++) {
        uint32_t row = b->nodes[i], *links = vssi_hnsw_links(b, row);
        const uint64_t *keys = b->candidates + row * width;
        size_t n = 0;
        while (n < vssi_min(b->kept, b->packed_rows) && keys[n] != HNSW_NONE)
            n++;
        links[0] = (uint32_t)vssi_hnsw_prune(b, worker, keys, n, links + 1);
    }
}

vss_status vssi_hnsw_prune_all(vssi_hnsw_build *b, vss_error *err)
{
    size_t units = b->n_nodes / PRUNE_UNIT + (b->n_nodes % PRUNE_UNIT != 0);
    return vssi_hnsw_run(b, units, PRUNE_UNIT, prune_unit, NULL, err);
}
