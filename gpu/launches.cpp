/*
 * launches.cpp - the kernels, each a call (walks: launch_walk.cpp)
 *
 * Compiled twice: as CUDA for libvss_gpu.so, as C++ for the host. Grids: x counts blocks of rows or vectors, at most
 * 2^26; y groups of queries, at most 4,096 (passes are no larger), or runs, at most 32,769.
 */
#include "launches.h"

#include "fail.h"
#include "generate.h"
#include "probe.h"
#include "scan.h"

namespace vssg {

double product_gamma(uint32_t dim)
{
    const double share = (static_cast<double>(dim) + 16) * 0x1p-22;
    return 1.01 * share / (1 - share);
}

double sum_gamma(uint32_t dim) { return (static_cast<double>(dim) + 16) * 0x1p-23; }

uint32_t scan_width(uint32_t n_queries) { return n_queries == 1 ? 1 : n_queries <= 4 ? 4 : 8; }

static uint32_t launches_blocks(uint64_t n, uint32_t each) { return static_cast<uint32_t>((n + each - 1) / each); }

vss_status launch_prepare(Stream *stream, const Prepare &job, vss_error *err)
{
    return launch(stream, launches_blocks(job.n, GROUPS), 1, job, err);
}

vss_status launch_code(Stream *stream, const Code &job, vss_error *err)
{
    return launch(stream, launches_blocks(job.n, GROUPS), 1, job, err);
}

vss_status launch_aim(Stream *stream, const Aim &job, vss_error *err)
{
    return launch(stream, launches_blocks(job.n, THREADS), 1, job, err);
}

vss_status launch_factor(Stream *stream, const Factor &job, vss_error *err)
{
    return launch(stream, launches_blocks(job.whole, THREADS), 1, job, err);
}

template <Kind KIND, bool IP, uint32_t Q, class Job> static Compare<KIND, IP, Q> launches_compare(const Job &job)
{
    return Compare<KIND, IP, Q>{job.rows, job.queries, job.lists, static_cast<float>(sum_gamma(job.rows.dim)),
                                static_cast<float>(job.rows.dim) * 0x1p-140f};
}

template <Kind KIND, bool IP, uint32_t Q>
static vss_status launches_scan(Stream *stream, const ScanJob &job, vss_error *err)
{
    const Scan<KIND, IP, Q> scan{{}, launches_compare<KIND, IP, Q>(job), job.slice_rows};
    return launch(stream, job.lists.slices, launches_blocks(job.queries.n, Q), scan, err);
}

template <Kind KIND, bool IP> static vss_status launches_form(Stream *stream, const ScanJob &job, vss_error *err)
{
    switch (scan_width(job.queries.n)) {
    case 1:
        return launches_scan<KIND, IP, 1>(stream, job, err);
    case 4:
        return launches_scan<KIND, IP, 4>(stream, job, err);
    default:
        return launches_scan<KIND, IP, 8>(stream, job, err);
    }
}

template <Kind KIND, bool IP> static vss_status launches_form(Stream *stream, const ProbeJob &job, vss_error *err)
{
    const Probe<KIND, IP> probe{launches_compare<KIND, IP, 1>(job), job.probes};
    return launch(stream, job.lists.slices, job.queries.n, probe, err);
}

template <Kind KIND, class Job> static vss_status launches_kind(Stream *stream, const Job &job, vss_error *err)
{
    if (job.rows.metric == VSS_METRIC_L2)
        return launches_form<KIND, false>(stream, job, err);
    return launches_form<KIND, true>(stream, job, err);
}

template <class Job> static vss_status launches_any(Stream *stream, const Job &job, vss_error *err)
{
    switch (job.rows.kind) {
    case Kind::f32:
        return launches_kind<Kind::f32>(stream, job, err);
    case Kind::f16:
        return launches_kind<Kind::f16>(stream, job, err);
    case Kind::bf16:
        return launches_kind<Kind::bf16>(stream, job, err);
    case Kind::i8:
        return launches_kind<Kind::i8>(stream, job, err);
    case Kind::u8:
        return launches_kind<Kind::u8>(stream, job, err);
    case Kind::codes:
        return launches_form<Kind::codes, true>(stream, job, err);
    default:
        return launches_form<Kind::bits, false>(stream, job, err);
    }
}

vss_status launch_scan(Stream *stream, const ScanJob &job, vss_error *err) { return launches_any(stream, job, err); }
vss_status launch_probe(Stream *stream, const ProbeJob &job, vss_error *err) { return launches_any(stream, job, err); }

vss_status launch_sift(Stream *stream, const Sift &job, vss_error *err)
{
    return launch(stream, job.lists.slices, launches_blocks(job.n_queries, SIFT_QUERIES), job, err);
}

vss_status launch_gather(Stream *stream, const Lists &lists, const Finals &finals, uint32_t n, vss_error *err)
{
    return launch(stream, n, 1, Gather{lists, finals}, err);
}

vss_status launch_values(Stream *stream, const Rows &rows, const Queries &queries, const Finals &finals, vss_error *err)
{
    return launch(stream, 4, queries.n, Values{rows, queries, finals}, err);
}

vss_status launch_pick(Stream *stream, const Finals &finals, uint32_t n, vss_error *err)
{
    return launch(stream, n, 1, Pick{finals}, err);
}

vss_status launch_widen(Stream *stream, const Widen &job, vss_error *err)
{
    return launch(stream, launches_blocks(job.points.n, POINT_GROUPS), 1, job, err);
}

vss_status launch_closest(Stream *stream, const Closest &job, vss_error *err)
{
    return launch(stream, launches_blocks(job.n_points, THREADS / job.lanes), 1, job, err);
}

vss_status launch_tally(Stream *stream, const Tally &job, vss_error *err)
{
    return launch(stream, launches_blocks(job.n, POINT_GROUPS), 1, job, err);
}

vss_status launch_turn(Stream *stream, const Turn &job, vss_error *err)
{
    return launch(stream, launches_blocks(job.n, Turn::together(job.width)), 1, job, err);
}

vss_status launch_words(Stream *stream, const Words &job, vss_error *err)
{
    return launch(stream, launches_blocks(job.n, WORDS_ROWS), job.runs, job, err);
}

vss_status launch_square(Stream *stream, const Square &job, vss_error *err)
{
    return launch(stream, launches_blocks(job.grid.n, GRID_GROUPS), 1, job, err);
}

uint32_t meet_points(uint32_t form) { return THREADS << form; }
uint32_t meet_queries(uint32_t form) { return MEET_PAIRS >> form; }

vss_status launch_meet(Stream *stream, const MeetJob &job, uint32_t form, uint32_t n_tasks, vss_error *err)
{
    switch (form) {
    case 0:
        return launch(stream, n_tasks, 1, Meet<1>{job}, err);
    case 1:
        return launch(stream, n_tasks, 1, Meet<2>{job}, err);
    default:
        return launch(stream, n_tasks, 1, Meet<4>{job}, err);
    }
}

vss_status launch_thin(Stream *stream, const ThinJob &job, uint32_t rows, vss_error *err)
{
    if (rows == 1)
        return launch(stream, job.n_tasks, 1, Thin<1>{job}, err);
    return launch(stream, launches_blocks(job.n_tasks, 4), 1, Thin<4>{job}, err);
}

vss_status launch_generate(Stream *stream, float *to, uint64_t n, uint64_t seed, vss_error *err)
{
    return launch(stream, launches_blocks(n, THREADS * GENERATE_EACH), 1, Generate{to, n, seed}, err);
}

} // namespace vssg
