/*
 * bench_graph.cpp - what the building of a graph asks of a card, timed through vss_device's own functions
 *
 * Points of GRAPH_SIZE bytes around some centers, by a seeded generator. Spread: every point meets 256 pivots, 1,024
 * points a group, and keeps 3. Leaves: every point is in 3 groups of 600, drawn from the whole by a stride, and keeps
 * 16. Links: every row has 112 candidates, drawn at random from those near it by number, and is pruned to 48. Calls are
 * as large as libvss makes them (some 4 MiB). Numbers up and answers down are within the times; the points' way up
 * stands apart, and is the first call's. Each is done twice, and the second time counts.
 */
#include "bench_graph.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "fail.h"
#include "generate.h"

namespace vssg {

constexpr uint32_t GRAPH_SIZE = 128, GRAPH_PIVOTS = 256, GRAPH_LEAF = 600, GRAPH_LEAVES = 3;
constexpr uint32_t GRAPH_SPREAD = 3, GRAPH_KEEP = 16, GRAPH_CANDIDATES = 112, GRAPH_DEGREE = 48, GRAPH_MOST = 64;
constexpr uint32_t GRAPH_CALL = 114688; /* members or rows of a call */
constexpr uint32_t GRAPH_NEAR = 2048;   /* numbers that candidates are drawn from */

struct BenchGraph {
    const vss_device *face;
    vss_device_points points;
    void *place;
    uint8_t *codes;
    uint32_t *numbers, *pivots, *rows, *links, *counts;
    uint64_t *begins, *pivot_begins;
    uint16_t *answer;
};

static double graph_now()
{
    using namespace std::chrono;
    return duration<double>(steady_clock::now().time_since_epoch()).count();
}

/* The i-th number of one kind. */
static uint32_t graph_random(uint64_t i, uint32_t kind)
{
    return static_cast<uint32_t>((generate_component(kind, i) + 1) * 0x1p30f);
}

template <class Type> static bool graph_block(Type **out, uint64_t n)
{
    *out = static_cast<Type *>(std::malloc(n * sizeof(Type)));
    return *out != nullptr;
}

static bool graph_make(BenchGraph *g, uint64_t points)
{
    const uint64_t groups = GRAPH_CALL / GRAPH_LEAF + 2;
    g->points = vss_device_points{sizeof g->points, GRAPH_SIZE, points, nullptr};
    if (!graph_block(&g->codes, points * GRAPH_SIZE) || !graph_block(&g->numbers, GRAPH_CALL * GRAPH_CANDIDATES) ||
        !graph_block(&g->pivots, groups * GRAPH_PIVOTS) || !graph_block(&g->rows, GRAPH_CALL) ||
        !graph_block(&g->links, GRAPH_CALL * GRAPH_DEGREE) || !graph_block(&g->counts, GRAPH_CALL) ||
        !graph_block(&g->begins, GRAPH_CALL + 1) || !graph_block(&g->pivot_begins, groups) ||
        !graph_block(&g->answer, GRAPH_CALL * GRAPH_KEEP))
        return false;
    for (uint64_t i = 0; i < points * GRAPH_SIZE; i++)
        g->codes[i] = static_cast<uint8_t>(graph_random(i / GRAPH_SIZE / 64 * GRAPH_SIZE + i % GRAPH_SIZE, 1) % 200 +
                                           graph_random(i, 2) % 56);
    g->points.codes = g->codes;
    return true;
}

static void graph_free(BenchGraph *g)
{
    if (g->place != nullptr)
        g->face->forget(g->face->state, g->place);
    for (void *block : {static_cast<void *>(g->codes), static_cast<void *>(g->numbers), static_cast<void *>(g->pivots),
                        static_cast<void *>(g->rows), static_cast<void *>(g->links), static_cast<void *>(g->counts),
                        static_cast<void *>(g->begins), static_cast<void *>(g->pivot_begins),
                        static_cast<void *>(g->answer)})
        std::free(block);
}

/* One call with n members from `first` on: groups of `each`, which meet pivots or one another. */
static vss_status graph_meet(BenchGraph *g, uint64_t first, uint32_t n, uint32_t each, bool pivots, double *seconds,
                             vss_error *err)
{
    const uint64_t rows = g->points.rows, stride = rows > 7919 ? 7919 : 1;
    vss_device_neighbors job{};
    job.begins = g->begins;
    job.members = g->numbers;
    job.answer = g->answer;
    job.keep = pivots ? GRAPH_SPREAD : GRAPH_KEEP;
    job.pivot_begins = pivots ? g->pivot_begins : nullptr;
    job.pivots = g->pivots;
    g->begins[0] = g->pivot_begins[0] = 0;
    for (uint32_t at = 0; at < n; at += each) {
        const uint64_t group = job.n_groups++;
        g->begins[group + 1] = at + each < n ? at + each : n;
        g->pivot_begins[group + 1] = (group + 1) * GRAPH_PIVOTS;
        for (uint32_t i = 0; pivots && i < GRAPH_PIVOTS; i++)
            g->pivots[group * GRAPH_PIVOTS + i] =
                static_cast<uint32_t>(graph_random(group * GRAPH_PIVOTS + i, 3) % rows);
    }
    for (uint32_t i = 0; i < n; i++)
        g->numbers[i] = static_cast<uint32_t>((first + i) * stride % rows);
    const double begin = graph_now();
    VSSG_TRY(g->face->neighbors(g->face->state, &g->place, &g->points, &job, err));
    *seconds += graph_now() - begin;
    return VSS_OK;
}

/* All points, `times` times each. */
static vss_status graph_round(BenchGraph *g, uint32_t times, bool pivots, double *seconds, vss_error *err)
{
    const uint32_t each = pivots ? VSS_DEVICE_MET : GRAPH_LEAF;
    *seconds = 0;
    for (uint64_t first = 0, all = g->points.rows * times; first < all; first += GRAPH_CALL) {
        const uint32_t n = static_cast<uint32_t>(all - first < GRAPH_CALL ? all - first : GRAPH_CALL);
        VSSG_TRY(graph_meet(g, first, n, each, pivots, seconds, err));
    }
    return VSS_OK;
}

static vss_status graph_links(BenchGraph *g, double *seconds, double *links, vss_error *err)
{
    const uint64_t all = g->points.rows;
    *seconds = *links = 0;
    for (uint64_t first = 0, n; first < all; first += n) {
        n = all - first < GRAPH_CALL ? all - first : GRAPH_CALL;
        vss_device_prune job{};
        job.most = GRAPH_MOST;
        job.degree = GRAPH_DEGREE;
        job.factor = 1.21f;
        job.n_rows = n;
        job.rows = g->rows;
        job.begins = g->begins;
        job.candidates = g->numbers;
        job.counts = g->counts;
        job.links = g->links;
        for (uint64_t i = 0; i <= n; i++)
            g->begins[i] = i * GRAPH_CANDIDATES;
        for (uint64_t i = 0; i < n * GRAPH_CANDIDATES; i++)
            g->numbers[i] = static_cast<uint32_t>((first + i / GRAPH_CANDIDATES + graph_random(i, 4) % GRAPH_NEAR) %
                                                  all);
        for (uint64_t i = 0; i < n; i++)
            g->rows[i] = static_cast<uint32_t>(first + i);
        const double begin = graph_now();
        VSSG_TRY(g->face->prune(g->face->state, &g->place, &g->points, &job, err));
        *seconds += graph_now() - begin;
        for (uint64_t i = 0; i < n; i++)
            *links += g->counts[i];
    }
    return VSS_OK;
}

static vss_status graph_all(BenchGraph *g, double copies, vss_error *err)
{
    const double rows = static_cast<double>(g->points.rows);
    double seconds[4] = {}, links = 0;
    VSSG_TRY(graph_meet(g, 0, 1, 1, false, &seconds[0], err)); /* the points travel */
    for (int twice = 0; twice < 2; twice++) {
        VSSG_TRY(graph_round(g, 1, true, &seconds[1], err));
        VSSG_TRY(graph_round(g, GRAPH_LEAVES, false, &seconds[2], err));
        VSSG_TRY(graph_links(g, &seconds[3], &links, err));
    }
    const double spread = rows * GRAPH_PIVOTS, leaves = rows * GRAPH_LEAVES * (GRAPH_LEAF - 1);
    const double read = rows * GRAPH_CANDIDATES * GRAPH_SIZE / seconds[3];
    std::printf("\n    points  size  points up, ms   spread, ms   leaves, ms   links, ms  links a row\n"
                "%10.0f %5u %14.1f %12.1f %12.1f %11.1f %12.1f\n"
                "products of bytes: spread %.1f, leaves %.1f TOP/s; candidates read at %.0f GB/s, %.0f %% of a copy\n",
                rows, GRAPH_SIZE, seconds[0] * 1e3, seconds[1] * 1e3, seconds[2] * 1e3, seconds[3] * 1e3, links / rows,
                2e-12 * spread * GRAPH_SIZE / seconds[1], 2e-12 * leaves * GRAPH_SIZE / seconds[2], read * 1e-9,
                100 * read / copies);
    return VSS_OK;
}

vss_status bench_graph(Device *device, uint64_t points, double copies, vss_error *err)
{
    BenchGraph g{};
    vss_status status = VSS_ERR_NO_MEMORY;
    g.face = &device->face;
    if (graph_make(&g, points))
        status = graph_all(&g, copies, err);
    else
        (void)fail(err, status, "out of memory for %llu points", static_cast<unsigned long long>(points));
    graph_free(&g);
    return status;
}

} // namespace vssg
