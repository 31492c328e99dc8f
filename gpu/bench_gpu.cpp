/*
 * bench_gpu.cpp - what searches on a card do, of all rows and of inverted lists, and k-means, and what a graph asks for
 * (bench_graph.cpp); what share that is of what the card can do
 *
 * vss-bench-gpu [ROWS [BATCH]]: rows of 128 and of 960 components (1,000,000 unless said otherwise), float32, under
 * l2, k = 10, in batches of 1, 8, 10, 100 and 10,000 queries (BATCH at most), by the rows' codes too where the way of
 * a batch is by rows. Rows are made on the card by a seeded
 * generator and do not travel; queries and answers do, within the time of a search, and how long copies of their
 * sizes take alone stands beside it. Peaks are measured in the same run: products of 8,192 x 8,192 x 8,192 bfloat16
 * by the matrix unit, a copy of a GiB within the card's memory, counted as read and written. Medians. Exit code 3:
 * there is no card. Lists: row r is in list r % 1,024, so that the rows of a list lie far apart; a query names 16.
 *
 * Then k-means of as many points of 128 bytes, 4,096 centers (of few points, one of 100), BENCH_ROUNDS rounds: of each
 * the centers up, the nearest of them to every point, counts and sums down; the new centers are made outside the time.
 * The points travel once, which is counted apart. In the end residuals are coded (bench_encode.cpp).
 *
 * The share of the peak is of the search's time without the copies: by products 2 queries rows components a second,
 * of the products; else the bytes of the rows as stored or of their codes, of the copy; of lists those of the rows in
 * them, once a query.
 */
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "bench_encode.h"
#include "bench_graph.h"
#include "fail.h"
#include "generate.h"
#include "pass.h"

namespace vssg {

constexpr unsigned BENCH_RUNS = 9;
constexpr uint32_t BENCH_K = 10, BENCH_WIDTH = 32, BENCH_LISTS = 1024, BENCH_PROBES = 16;
constexpr unsigned BENCH_ROUNDS = 10;
constexpr uint32_t BENCH_SIZE = 128, BENCH_CENTERS = 4096;

struct Bench {
    Device *device;
    Call *call;
    double products, copies; /* peaks: multiply-adds times 2, bytes, a second */
    uint64_t rows;
    size_t most;             /* queries */
};

static double bench_now()
{
    using namespace std::chrono;
    return duration<double>(steady_clock::now().time_since_epoch()).count();
}

/* Median of the seconds that `work` takes, warmed up. */
template <class Work> static vss_status bench_time(Work work, double *seconds)
{
    double times[BENCH_RUNS];
    for (unsigned i = 0; i < 3; i++)
        VSSG_TRY(work());
    for (double &time : times) {
        const double begin = bench_now();
        VSSG_TRY(work());
        time = bench_now() - begin;
    }
    std::sort(times, times + BENCH_RUNS);
    *seconds = times[BENCH_RUNS / 2];
    return VSS_OK;
}

static vss_status bench_products(Bench *bench, void *memory, uint32_t size, vss_error *err)
{
    const uint64_t side = size, one = side * side;
    uint16_t *rows = static_cast<uint16_t *>(memory);
    float *out = reinterpret_cast<float *>(rows + 2 * one);
    const Product product{rows, rows + one, out, size, size, size, side, size, size};
    Stream *stream = bench->call->stream;
    double seconds;
    VSSG_TRY(launch_generate(stream, out, one, 3, err));
    Prepare job{};
    job.vectors = reinterpret_cast<const uint8_t *>(out);
    job.stride = side * sizeof(float);
    job.n = size;
    job.dim = job.padded = size;
    job.factor = 1;
    job.halves = rows;
    VSSG_TRY(launch_prepare(stream, job, err));
    job.halves = rows + one;
    VSSG_TRY(launch_prepare(stream, job, err));
    const auto multiply = [&] {
        for (unsigned i = 0; i < 4; i++)
            VSSG_TRY(runtime_multiply(stream, product, err));
        return runtime_finish(stream, err);
    };
    VSSG_TRY(bench_time(multiply, &seconds));
    bench->products = 4 * 2.0 * static_cast<double>(one) * static_cast<double>(side) / seconds;
    return VSS_OK;
}

static vss_status bench_copies(Bench *bench, void *memory, size_t bytes, vss_error *err)
{
    Stream *stream = bench->call->stream;
    double seconds;
    const auto copy = [&] {
        for (unsigned i = 0; i < 4; i++)
            VSSG_TRY(runtime_copy_within(stream, memory, static_cast<char *>(memory) + bytes, bytes, err));
        return runtime_finish(stream, err);
    };
    VSSG_TRY(bench_time(copy, &seconds));
    bench->copies = 4 * 2.0 * static_cast<double>(bytes) / seconds;
    return VSS_OK;
}

/* On few rows, as on the host, the peaks are of small sizes. */
static vss_status bench_peaks(Bench *bench, vss_error *err)
{
    const uint32_t size = bench->rows >= 1000000 ? 8192 : 128;
    const size_t bytes = size_t{size} * size * 8, half = bench->rows >= 1000000 ? size_t{1} << 30 : bytes / 2;
    const size_t whole = bytes > 2 * half ? bytes : 2 * half;
    void *memory;
    VSSG_TRY(memory_take(bench->device, whole, "the measuring of peaks", &memory, err));
    vss_status status = bench_products(bench, memory, size, err);
    if (status == VSS_OK)
        status = bench_copies(bench, memory, half, err);
    memory_give(bench->device, memory, whole);
    if (status == VSS_OK)
        std::printf("measured peaks: %.0f TFLOP/s of bfloat16, %.0f GB/s\n\n", bench->products * 1e-12,
                    bench->copies * 1e-9);
    return status;
}

static vss_status bench_generate(Call *call, const Rows &rows, uint8_t *to, const vss_device_vectors *, vss_error *err)
{
    return launch_generate(call->stream, reinterpret_cast<float *>(to), uint64_t{rows.n} * rows.dim, 1, err);
}

/* Queries up and answers down, alone. */
static vss_status bench_travel(const Bench *bench, size_t up, size_t down, double *seconds, vss_error *err)
{
    Call *call = bench->call;
    const size_t most = up > down ? up : down;
    VSSG_TRY(call_pinned(call, most, err));
    VSSG_TRY(call_scratch(bench->device, call, most, err));
    const auto travel = [&] {
        VSSG_TRY(runtime_copy_up(call->stream, call->scratch, call->pinned, up, err));
        VSSG_TRY(runtime_copy_down(call->stream, call->pinned, call->scratch, down, err));
        return runtime_finish(call->stream, err);
    };
    return bench_time(travel, seconds);
}

/* The lists, what the queries of the largest batch name, and what the card holds of them. */
struct BenchLists {
    vss_device_lists lists;
    uint32_t *begins, *rows, *probes;
    uint64_t *probe_begins;
    Place *place;
};

static double bench_named(const BenchLists *lists, size_t n)
{
    uint64_t rows = 0;
    for (size_t p = 0; p < n * BENCH_PROBES; p++)
        rows += lists->begins[lists->probes[p] + 1] - lists->begins[lists->probes[p]];
    return static_cast<double>(rows);
}

static bool bench_products_wanted(const Bench *bench, const BenchLists *lists, size_t n)
{
    return lists == nullptr && n > PASS_FEW && bench->device->card.products;
}

static void bench_print(const Bench *bench, const Rows &rows, const BenchLists *lists, size_t n, double all,
                        double travel, size_t unsettled)
{
    const double dim = rows.dim, queries = static_cast<double>(n);
    const double named = lists != nullptr ? bench_named(lists, n) : rows.n;
    const bool products = bench_products_wanted(bench, lists, n), codes = !products && rows.codes != nullptr;
    const double row = products ? 2 * queries * dim : codes ? rows.code_size + sizeof(Coded) : 4 * dim;
    const double rate = named * row / (all - travel);
    std::printf("%10u %5u %7s %7zu %8s %12.3f %10.3f %14.0f %10zu %9.1f %s %5.1f %%\n", rows.n, rows.dim,
                lists != nullptr ? "16" : "all", n, products ? "products" : codes ? "codes" : "rows", all * 1e3,
                travel * 1e3, queries / all, unsettled, rate * (products ? 1e-12 : 1e-9),
                products ? "TFLOP/s" : "GB/s   ",
                100 * rate / (products ? bench->products : bench->copies));
}

/* lists: NULL for all rows. */
static vss_status bench_batch(const Bench *bench, const Rows &rows, const BenchLists *lists, const float *queries,
                              size_t n, const vss_device_hits *hits, vss_error *err)
{
    double all, travel;
    size_t unsettled = 0, up = n * rows.dim * sizeof *queries;
    const Inverted *inverted = nullptr;
    vss_device_search search{};
    search.k = BENCH_K;
    search.width = BENCH_WIDTH;
    search.n_queries = n;
    search.queries = queries;
    search.query_stride = rows.dim * sizeof *queries;
    if (lists != nullptr) {
        search.lists = &lists->lists;
        search.probe_begins = lists->probe_begins;
        search.probes = lists->probes;
        inverted = &lists->place->inverted;
        up += n * (sizeof(Share) + BENCH_PROBES * sizeof(Part));
    }
    VSSG_TRY(bench_travel(bench, up, n * (8 * BENCH_WIDTH + 4), &travel, err));
    const auto run = [&] {
        return search_run(bench->device, bench->call, rows, inverted, nullptr, &search, hits, err);
    };
    VSSG_TRY(bench_time(run, &all));
    for (size_t q = 0; q < n; q++)
        unsettled += hits->counts[q] == VSS_DEVICE_UNSETTLED;
    bench_print(bench, rows, lists, n, all, travel, unsettled);
    return VSS_OK;
}

static vss_status bench_batches(const Bench *bench, const Rows &rows, const BenchLists *lists, const float *queries,
                                const vss_device_hits *hits, vss_error *err)
{
    static const size_t batches[] = {1, 8, 10, 100, 10000};
    Rows plain = rows;
    plain.codes = nullptr;
    for (const size_t n : batches) {
        if (n > bench->most)
            continue;
        VSSG_TRY(bench_batch(bench, plain, lists, queries, n, hits, err));
        if (rows.codes != nullptr && !bench_products_wanted(bench, lists, n))
            VSSG_TRY(bench_batch(bench, rows, lists, queries, n, hits, err));
    }
    return VSS_OK;
}

static void bench_lists_fill(const Bench *bench, BenchLists *lists)
{
    uint32_t n = 0;
    for (uint32_t list = 0; list < BENCH_LISTS; list++) {
        lists->begins[list] = n;
        for (uint64_t row = list; row < bench->rows; row += BENCH_LISTS)
            lists->rows[n++] = static_cast<uint32_t>(row);
    }
    lists->begins[BENCH_LISTS] = n;
    /* Steps that share no factor with the number of lists: no list twice. */
    for (size_t p = 0; p < bench->most * BENCH_PROBES; p++)
        lists->probes[p] = static_cast<uint32_t>(p / BENCH_PROBES * 391 + p % BENCH_PROBES * 37) % BENCH_LISTS;
    for (size_t q = 0; q <= bench->most; q++)
        lists->probe_begins[q] = q * BENCH_PROBES;
    lists->lists = vss_device_lists{sizeof lists->lists, BENCH_LISTS, lists->begins, lists->rows};
}

static vss_status bench_lists(const Bench *bench, const Rows &rows, const float *queries, const vss_device_hits *hits,
                              vss_error *err)
{
    BenchLists lists{};
    void *slot = nullptr;
    const size_t most = bench->most;
    lists.begins = static_cast<uint32_t *>(std::malloc((BENCH_LISTS + 1) * sizeof *lists.begins));
    lists.rows = static_cast<uint32_t *>(std::malloc(bench->rows * sizeof *lists.rows));
    lists.probes = static_cast<uint32_t *>(std::malloc(most * BENCH_PROBES * sizeof *lists.probes));
    lists.probe_begins = static_cast<uint64_t *>(std::malloc((most + 1) * sizeof *lists.probe_begins));
    vss_status status = VSS_ERR_NO_MEMORY;
    if (lists.begins != nullptr && lists.rows != nullptr && lists.probes != nullptr && lists.probe_begins != nullptr) {
        bench_lists_fill(bench, &lists);
        status = inverted_take(bench->device, bench->call, &slot, &lists.lists, rows.n, &lists.place, err);
    } else {
        (void)fail(err, status, "out of memory for lists of %llu rows", static_cast<unsigned long long>(bench->rows));
    }
    if (status == VSS_OK) {
        status = bench_batches(bench, rows, &lists, queries, hits, err);
        place_give(bench->device, lists.place);
    }
    if (slot != nullptr)
        place_forget(bench->device, static_cast<Place *>(slot));
    std::free(lists.begins);
    std::free(lists.rows);
    std::free(lists.probes);
    std::free(lists.probe_begins);
    return status;
}

static vss_status bench_rows(const Bench *bench, uint32_t dim, float *queries, const vss_device_hits *hits,
                             vss_error *err)
{
    void *slot = nullptr;
    Place *place;
    vss_device_vectors vectors{sizeof vectors, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, dim, bench->rows, nullptr};
    for (size_t i = 0; i < bench->most * dim; i++)
        queries[i] = generate_component(2, i);
    VSSG_TRY(place_take(bench->device, bench->call, &slot, &vectors, bench_generate, &place, err));
    vss_status status = bench_batches(bench, place->rows, nullptr, queries, hits, err);
    if (status == VSS_OK)
        status = bench_lists(bench, place->rows, queries, hits, err);
    place_give(bench->device, place);
    place_forget(bench->device, place);
    return status;
}

struct BenchPoints {
    vss_device_points points;
    vss_device_nearest nearest;
    uint8_t *codes, *centers;
    double rounds[BENCH_ROUNDS], upload, travel, inertia;
};

/* Points, the first of them as centers, and room for answers; the caller frees what is there. */
static bool bench_points_make(const Bench *bench, BenchPoints *p)
{
    const uint32_t n = static_cast<uint32_t>(std::min<uint64_t>(BENCH_CENTERS, bench->rows / 100 + 1));
    const size_t bytes = bench->rows * BENCH_SIZE;
    p->codes = static_cast<uint8_t *>(std::malloc(bytes));
    p->centers = static_cast<uint8_t *>(std::malloc(size_t{n} * BENCH_SIZE));
    p->nearest.counts = static_cast<uint32_t *>(std::malloc(n * sizeof(uint32_t)));
    p->nearest.inertias = static_cast<uint64_t *>(std::malloc(n * sizeof(uint64_t)));
    p->nearest.sums = static_cast<uint32_t *>(std::malloc(size_t{n} * BENCH_SIZE * sizeof(uint32_t)));
    p->nearest.farthest = static_cast<uint32_t *>(std::malloc(n * sizeof(uint32_t)));
    if (p->codes == nullptr || p->centers == nullptr || p->nearest.counts == nullptr ||
        p->nearest.inertias == nullptr || p->nearest.sums == nullptr || p->nearest.farthest == nullptr)
        return false;
    for (size_t i = 0; i < bytes; i++)
        p->codes[i] = static_cast<uint8_t>(128 + 127 * generate_component(5, i));
    std::copy(p->codes, p->codes + size_t{n} * BENCH_SIZE, p->centers);
    p->points = vss_device_points{sizeof p->points, BENCH_SIZE, bench->rows, p->codes};
    p->nearest.struct_size = sizeof p->nearest;
    p->nearest.n_centers = n;
    p->nearest.centers = p->centers;
    return true;
}

/* The mean of each center's points becomes the center. */
static void bench_points_move(BenchPoints *p)
{
    p->inertia = 0;
    for (size_t c = 0; c < p->nearest.n_centers; c++) {
        const uint32_t count = p->nearest.counts[c];
        p->inertia += static_cast<double>(p->nearest.inertias[c]);
        for (size_t i = c * BENCH_SIZE; count > 0 && i < (c + 1) * BENCH_SIZE; i++)
            p->centers[i] = static_cast<uint8_t>((p->nearest.sums[i] + count / 2) / count);
    }
}

static vss_status bench_points_rounds(const Bench *bench, const Points &points, BenchPoints *p, vss_error *err)
{
    const size_t n = p->nearest.n_centers;
    VSSG_TRY(bench_travel(bench, n * BENCH_SIZE, n * (20 + 4 * BENCH_SIZE), &p->travel, err));
    VSSG_TRY(nearest_run(bench->device, bench->call, points, &p->nearest, err)); /* warm */
    for (double &round : p->rounds) {
        const double begin = bench_now();
        VSSG_TRY(nearest_run(bench->device, bench->call, points, &p->nearest, err));
        round = bench_now() - begin;
        bench_points_move(p);
    }
    std::sort(p->rounds, p->rounds + BENCH_ROUNDS);
    return VSS_OK;
}

static vss_status bench_points_run(const Bench *bench, BenchPoints *p, vss_error *err)
{
    void *slot = nullptr;
    Place *place;
    const double begin = bench_now();
    VSSG_TRY(points_take(bench->device, bench->call, &slot, &p->points, &place, err));
    p->upload = bench_now() - begin;
    const vss_status status = bench_points_rounds(bench, place->points, p, err);
    place_give(bench->device, place);
    place_forget(bench->device, place);
    return status;
}

static vss_status bench_kmeans(const Bench *bench, vss_error *err)
{
    BenchPoints p{};
    vss_status status = VSS_ERR_NO_MEMORY;
    if (bench_points_make(bench, &p))
        status = bench_points_run(bench, &p, err);
    else
        (void)fail(err, status, "out of memory for %llu points", static_cast<unsigned long long>(bench->rows));
    if (status == VSS_OK) {
        const double round = p.rounds[BENCH_ROUNDS / 2], pairs = static_cast<double>(bench->rows) * p.nearest.n_centers;
        const double rate = 2 * pairs * BENCH_SIZE / (round - p.travel);
        std::printf("\n    points  size centers    round, ms  copies, ms  points up, ms       inertia  without copies\n"
                    "%10llu %5u %7u %12.3f %11.3f %14.1f %13.6g %7.1f TFLOP/s %5.1f %%\n",
                    static_cast<unsigned long long>(bench->rows), BENCH_SIZE, p.nearest.n_centers, round * 1e3,
                    p.travel * 1e3, p.upload * 1e3, p.inertia, rate * 1e-12, 100 * rate / bench->products);
    }
    std::free(p.codes);
    std::free(p.centers);
    std::free(p.nearest.counts);
    std::free(p.nearest.inertias);
    std::free(p.nearest.sums);
    std::free(p.nearest.farthest);
    return status;
}

static vss_status bench_all(Bench *bench, vss_error *err)
{
    static const uint32_t dims[] = {128, 960};
    const size_t most = bench->most;
    float *queries = static_cast<float *>(std::malloc(most * dims[1] * sizeof(float)));
    uint32_t *counts = static_cast<uint32_t *>(std::malloc(most * sizeof(uint32_t)));
    uint32_t *rows = static_cast<uint32_t *>(std::malloc(most * BENCH_WIDTH * sizeof(uint32_t)));
    float *values = static_cast<float *>(std::malloc(most * BENCH_WIDTH * sizeof(float)));
    const vss_device_hits hits{sizeof hits, counts, rows, values, nullptr};
    vss_status status = VSS_ERR_NO_MEMORY;
    if (queries != nullptr && counts != nullptr && rows != nullptr && values != nullptr)
        status = call_take(bench->device, nullptr, nullptr, &bench->call, err);
    else
        (void)fail(err, status, "out of memory for %zu queries", most);
    if (status == VSS_OK) {
        status = bench_peaks(bench, err);
        std::printf("      rows   dim   lists   batch       by    search, ms  copies, ms      queries/s  unsettled  "
                    "without copies\n");
        for (const uint32_t dim : dims)
            if (status == VSS_OK)
                status = bench_rows(bench, dim, queries, &hits, err);
        if (status == VSS_OK && bench->device->card.products)
            status = bench_kmeans(bench, err);
        call_give(bench->device, bench->call);
        if (status == VSS_OK)
            status = bench_graph(bench->device, bench->rows, bench->copies, err);
    }
    if (status == VSS_OK)
        status = bench_encode(bench->device, bench->rows, err);
    std::free(queries);
    std::free(counts);
    std::free(rows);
    std::free(values);
    return status;
}

} // namespace vssg

int main(int argc, char **argv)
{
    using namespace vssg;
    vss_error err{};
    const vss_device *face;
    Bench bench{};
    bench.rows = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000000;
    bench.most = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 10000;
    if (bench.rows == 0 || bench.rows > MOST_ROWS || bench.most == 0 || bench.most > 1000000) {
        std::printf("usage: vss-bench-gpu [ROWS [BATCH]]\n");
        return 1;
    }
    if (vssg_open("experimental=1", &face, &err) != VSS_OK) {
        std::printf("bench-gpu: nothing was measured: %s\n", err.message);
        return 3;
    }
    bench.device = static_cast<Device *>(face->state);
    std::printf("%s, %u multiprocessors\n", face->description, bench.device->card.multiprocessors);
    int before = 0;
    vss_status status = runtime_enter(bench.device->card.number, &before, &err);
    if (status == VSS_OK) {
        status = bench_all(&bench, &err);
        vssg_close(face);
        runtime_leave(before);
    }
    if (status != VSS_OK)
        std::printf("bench-gpu: %s\n", err.message);
    return status == VSS_OK ? 0 : 1;
}
