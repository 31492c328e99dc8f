/*
 * bench_gpu.cpp - what searches on a card do, of all rows and of inverted lists, and what share that is of what the
 * card can do
 *
 * vss-bench-gpu [ROWS [BATCH]]: rows of 128 and of 960 components (1,000,000 unless said otherwise), float32, under
 * l2, k = 10, in batches of 1, 10, 100 and 10,000 queries (BATCH at most). Rows are made on the card by a seeded
 * generator and do not travel; queries and answers do, within the time of a search, and how long copies of their
 * sizes take alone stands beside it. Peaks are measured in the same run: products of 8,192 x 8,192 x 8,192 bfloat16
 * by the matrix unit, a copy of a GiB within the card's memory, counted as read and written. Medians. Exit code 3:
 * there is no card. Lists: row r is in list r % 1,024, so that the rows of a list lie far apart; a query names 16.
 *
 * The share of the peak is of the search's time without the copies: by products 2 queries rows components a second,
 * of the products; else the bytes of the rows as stored, of the copy; of lists those of the rows in them, once a
 * query.
 */
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "fail.h"
#include "generate.h"
#include "pass.h"

namespace vssg {

constexpr unsigned BENCH_RUNS = 9;
constexpr uint32_t BENCH_K = 10, BENCH_WIDTH = 32, BENCH_LISTS = 1024, BENCH_PROBES = 16;

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
    const Product product{rows, rows + one, out, size, size, size, side};
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

static void bench_print(const Bench *bench, const Rows &rows, const BenchLists *lists, size_t n, double all,
                        double travel, size_t unsettled)
{
    const double dim = rows.dim, queries = static_cast<double>(n);
    const double named = lists != nullptr ? bench_named(lists, n) : rows.n;
    const bool products = lists == nullptr && n > PASS_FEW;
    const double rate = named * dim * (products ? 2 * queries : 4) / (all - travel);
    std::printf("%10u %5u %7s %7zu %12.3f %10.3f %14.0f %10zu %9.1f %s %5.1f %%\n", rows.n, rows.dim,
                lists != nullptr ? "16" : "all", n, all * 1e3, travel * 1e3, queries / all, unsettled,
                rate * (products ? 1e-12 : 1e-9), products ? "TFLOP/s" : "GB/s   ",
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
        inverted = &lists->place->lists;
        up += n * (sizeof(Share) + BENCH_PROBES * sizeof(Part));
    }
    VSSG_TRY(bench_travel(bench, up, n * (8 * BENCH_WIDTH + 4), &travel, err));
    const auto run = [&] { return search_run(bench->device, bench->call, rows, inverted, &search, hits, err); };
    VSSG_TRY(bench_time(run, &all));
    for (size_t q = 0; q < n; q++)
        unsettled += hits->counts[q] == VSS_DEVICE_UNSETTLED;
    bench_print(bench, rows, lists, n, all, travel, unsettled);
    return VSS_OK;
}

static vss_status bench_batches(const Bench *bench, const Rows &rows, const BenchLists *lists, const float *queries,
                                const vss_device_hits *hits, vss_error *err)
{
    static const size_t batches[] = {1, 10, 100, 10000};
    for (const size_t n : batches)
        if (n <= bench->most)
            VSSG_TRY(bench_batch(bench, rows, lists, queries, n, hits, err));
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
        status = place_take_lists(bench->device, bench->call, &slot, &lists.lists, rows.n, &lists.place, err);
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

static vss_status bench_all(Bench *bench, vss_error *err)
{
    static const uint32_t dims[] = {128, 960};
    const vss_device_search none{};
    const size_t most = bench->most;
    float *queries = static_cast<float *>(std::malloc(most * dims[1] * sizeof(float)));
    uint32_t *counts = static_cast<uint32_t *>(std::malloc(most * sizeof(uint32_t)));
    uint32_t *rows = static_cast<uint32_t *>(std::malloc(most * BENCH_WIDTH * sizeof(uint32_t)));
    float *values = static_cast<float *>(std::malloc(most * BENCH_WIDTH * sizeof(float)));
    const vss_device_hits hits{sizeof hits, counts, rows, values};
    vss_status status = VSS_ERR_NO_MEMORY;
    if (queries != nullptr && counts != nullptr && rows != nullptr && values != nullptr)
        status = call_take(bench->device, &none, &bench->call, err);
    else
        (void)fail(err, status, "out of memory for %zu queries", most);
    if (status == VSS_OK) {
        status = bench_peaks(bench, err);
        std::printf("      rows   dim   lists   batch    search, ms  copies, ms      queries/s  unsettled  "
                    "without copies\n");
        for (const uint32_t dim : dims)
            if (status == VSS_OK)
                status = bench_rows(bench, dim, queries, &hits, err);
        call_give(bench->device, bench->call);
    }
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
