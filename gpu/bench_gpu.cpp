/*
 * bench_gpu.cpp - what exact search on a card does, and what share that is of what the card can do
 *
 * vss-bench-gpu [ROWS [BATCH]]: rows of 128 and of 960 components (1,000,000 unless said otherwise), float32, under
 * l2, k = 10, in batches of 1, 10, 100 and 10,000 queries (BATCH at most). Rows are made on the card by a seeded
 * generator and do not travel; queries and answers do, within the time of a search, and how long copies of their
 * sizes take alone stands beside it. Peaks are measured in the same run: products of 8,192 x 8,192 x 8,192 bfloat16
 * by the matrix unit, a copy of a GiB within the card's memory, counted as read and written. Medians. Exit code 3:
 * there is no card.
 *
 * The share of the peak is of the search's time without the copies: by products 2 queries rows components a second,
 * of the products; else the bytes of the rows as stored, of the copy.
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
constexpr uint32_t BENCH_K = 10, BENCH_WIDTH = 32;

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

static vss_status bench_batch(const Bench *bench, const Rows &rows, const float *queries, size_t n,
                              const vss_device_hits *hits, vss_error *err)
{
    double all, travel;
    size_t unsettled = 0;
    vss_device_search search{};
    search.k = BENCH_K;
    search.width = BENCH_WIDTH;
    search.n_queries = n;
    search.queries = queries;
    search.query_stride = rows.dim * sizeof *queries;
    VSSG_TRY(bench_travel(bench, n * search.query_stride, n * (8 * BENCH_WIDTH + 4), &travel, err));
    const auto run = [&] { return search_run(bench->device, bench->call, rows, &search, hits, err); };
    VSSG_TRY(bench_time(run, &all));
    for (size_t q = 0; q < n; q++)
        unsettled += hits->counts[q] == VSS_DEVICE_UNSETTLED;
    const double queries_made = static_cast<double>(n), cells = static_cast<double>(rows.n) * rows.dim;
    const bool products = n > PASS_FEW;
    const double rate = (products ? 2 * queries_made * cells : 4 * cells) / (all - travel);
    std::printf("%10u %5u %7zu %12.3f %10.3f %14.0f %10zu %9.1f %s %5.1f %%\n", rows.n, rows.dim, n, all * 1e3,
                travel * 1e3, queries_made / all, unsettled, rate * (products ? 1e-12 : 1e-9),
                products ? "TFLOP/s" : "GB/s   ", 100 * rate / (products ? bench->products : bench->copies));
    return VSS_OK;
}

static vss_status bench_rows(const Bench *bench, uint32_t dim, float *queries, const vss_device_hits *hits,
                             vss_error *err)
{
    static const size_t batches[] = {1, 10, 100, 10000};
    void *slot = nullptr;
    Place *place;
    vss_device_vectors vectors{sizeof vectors, VSS_TYPE_VECTOR_F32, VSS_METRIC_L2, dim, bench->rows, nullptr};
    for (size_t i = 0; i < bench->most * dim; i++)
        queries[i] = generate_component(2, i);
    VSSG_TRY(place_take(bench->device, bench->call, &slot, &vectors, bench_generate, &place, err));
    vss_status status = VSS_OK;
    for (const size_t n : batches)
        if (status == VSS_OK && n <= bench->most)
            status = bench_batch(bench, place->rows, queries, n, hits, err);
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
        std::printf("      rows   dim   batch    search, ms  copies, ms      queries/s  unsettled  without copies\n");
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
