/*
 * bench_encode.cpp - what the coding of residuals does on a card, the way there and back included
 *
 * Residuals of 128 and of 960 components, a tenth of the benchmark's rows and 100,000 at most, 16 of a center: by
 * vss_device.signs with 1 and with 4 bits, five tries, and by vss_device.words with 16 words for runs of two components
 * and 256 for runs of four. One thread asks, for all rows at once. Rows a second, and the bytes that crossed the bus in
 * that time; medians of five.
 */
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "bench_encode.h"
#include "generate.h"

namespace vssg {

constexpr unsigned BENCH_ENCODES = 5;
constexpr uint32_t BENCH_ENCODED = 100000, BENCH_MOST_WIDTH = 960, BENCH_MOST_WORDS = 256;

struct BenchRows {
    const vss_device *face;
    size_t n;
    float *residuals, *centers, *signs, *words, *factors;
    uint32_t *where;
    uint8_t *codes;
};

static float *bench_floats(size_t n, uint64_t seed)
{
    float *floats = static_cast<float *>(std::malloc(n * sizeof *floats));
    for (size_t i = 0; floats != nullptr && i < n; i++)
        floats[i] = generate_component(seed, i);
    return floats;
}

/* What the widest rows want; false: the memory does not suffice. */
static bool bench_rows_make(BenchRows *b)
{
    b->residuals = bench_floats(b->n * BENCH_MOST_WIDTH, 1);
    b->centers = bench_floats((b->n / 16 + 1) * BENCH_MOST_WIDTH, 2);
    b->signs = bench_floats(size_t{4} * BENCH_MOST_WIDTH, 3);
    b->words = bench_floats(size_t{BENCH_MOST_WIDTH} * BENCH_MOST_WORDS, 4);
    b->factors = static_cast<float *>(std::malloc(b->n * 4 * sizeof(float)));
    b->where = static_cast<uint32_t *>(std::malloc(b->n * sizeof(uint32_t)));
    b->codes = static_cast<uint8_t *>(std::malloc(b->n * BENCH_MOST_WIDTH));
    if (b->residuals == nullptr || b->centers == nullptr || b->signs == nullptr || b->words == nullptr ||
        b->factors == nullptr || b->where == nullptr || b->codes == nullptr)
        return false;
    for (size_t i = 0; i < b->n; i++)
        b->where[i] = static_cast<uint32_t>(i / 16);
    for (size_t i = 0; i < size_t{4} * BENCH_MOST_WIDTH; i++)
        b->signs[i] = b->signs[i] < 0 ? -1 : 1;
    return true;
}

static void bench_rows_free(BenchRows *b)
{
    std::free(b->residuals);
    std::free(b->centers);
    std::free(b->signs);
    std::free(b->words);
    std::free(b->factors);
    std::free(b->where);
    std::free(b->codes);
}

/* Median of the seconds that `work` takes, warmed up. */
template <class Work> static vss_status bench_median(const Work &work, double *seconds)
{
    using namespace std::chrono;
    double times[BENCH_ENCODES];
    VSSG_TRY(work());
    for (double &time : times) {
        const steady_clock::time_point begin = steady_clock::now();
        VSSG_TRY(work());
        time = duration<double>(steady_clock::now() - begin).count();
    }
    std::sort(times, times + BENCH_ENCODES);
    *seconds = times[BENCH_ENCODES / 2];
    return VSS_OK;
}

static void bench_line(const BenchRows &b, uint32_t width, const char *how, size_t row, double seconds)
{
    const double rows = static_cast<double>(b.n);
    std::printf("%10zu %5u  %-22s %10.3f %14.0f %9.2f GB/s\n", b.n, width, how, seconds * 1e3, rows / seconds,
                rows * static_cast<double>(row) / seconds * 1e-9);
}

static vss_status bench_signs(const BenchRows &b, uint32_t width, uint32_t bits, vss_error *err)
{
    static const double tries[] = {1, 0.9, 1.1, 0.82, 1.2};
    vss_device_signs asked{};
    double seconds;
    asked.struct_size = sizeof asked;
    asked.width = width;
    asked.bits = bits;
    asked.n_tries = bits > 1 ? 5 : 0;
    asked.step = bits > 1 ? 0.3352 : 1.596;
    asked.tries = tries;
    asked.signs = b.signs;
    asked.n_centers = b.n / 16 + 1;
    asked.n = b.n;
    asked.centers = b.centers;
    asked.residuals = b.residuals;
    asked.where = b.where;
    asked.codes = b.codes;
    asked.factors = b.factors;
    VSSG_TRY(bench_median([&] { return b.face->signs(b.face->state, &asked, err); }, &seconds));
    bench_line(b, width, bits > 1 ? "signs, 4 bits" : "signs, 1 bit", width * 5 + width / 4 + 20, seconds);
    return VSS_OK;
}

static vss_status bench_words(const BenchRows &b, uint32_t width, uint32_t words, vss_error *err)
{
    vss_device_words asked{};
    void *place = nullptr;
    double seconds;
    asked.struct_size = sizeof asked;
    asked.width = width;
    asked.n_runs = width / (words == 16 ? 2 : 4);
    asked.n_words = words;
    asked.words = b.words;
    asked.n = b.n;
    asked.residuals = b.residuals;
    asked.codes = b.codes;
    const vss_status status =
        bench_median([&] { return b.face->words(b.face->state, &place, &asked, err); }, &seconds);
    if (place != nullptr)
        b.face->forget(b.face->state, place);
    if (status == VSS_OK)
        bench_line(b, width, words == 16 ? "words, 16 a run of 2" : "words, 256 a run of 4", 4 * width + asked.n_runs,
                   seconds);
    return status;
}

static vss_status bench_widths(const BenchRows &b, vss_error *err)
{
    static const uint32_t widths[] = {128, BENCH_MOST_WIDTH};
    std::printf("\n residuals width  coded by                       ms         rows/s  both ways\n");
    for (const uint32_t width : widths) {
        VSSG_TRY(bench_signs(b, width, 1, err));
        VSSG_TRY(bench_signs(b, width, 4, err));
        VSSG_TRY(bench_words(b, width, 16, err));
        VSSG_TRY(bench_words(b, width, 256, err));
    }
    return VSS_OK;
}

vss_status bench_encode(Device *device, uint64_t rows, vss_error *err)
{
    BenchRows b{};
    b.face = &device->face;
    b.n = std::min<uint64_t>(rows / 10 + 1, BENCH_ENCODED);
    const vss_status status = bench_rows_make(&b)
                                  ? bench_widths(b, err)
                                  : fail(err, VSS_ERR_NO_MEMORY, "out of memory for %zu residuals", b.n);
    bench_rows_free(&b);
    return status;
}

} // namespace vssg
