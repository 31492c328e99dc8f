/*
 * launches.h - the kernels, each a call: the one place where the host's code meets them
 */
#ifndef VSS_GPU_LAUNCHES_H
#define VSS_GPU_LAUNCHES_H

#include "codes.h"
#include "finish.h"
#include "meet.h"
#include "nearest.h"
#include "prepare.h"
#include "thin.h"
#include "tile.h"
#include "turn.h"
#include "walk.h"
#include "words.h"

namespace vssg {

/* Exact for the sizes of a search: what a product of bfloat16 and a float32 sum may be off, of all |products|. */
double product_gamma(uint32_t dim);
double sum_gamma(uint32_t dim);

/* Queries that a block of a scan takes at once, for so many. */
uint32_t scan_width(uint32_t n_queries);

struct ScanJob {
    Rows rows;
    Queries queries;
    Lists lists;
    uint32_t slice_rows;
};

struct ProbeJob {
    Rows rows;
    Queries queries;
    Lists lists;
    Probes probes;
};

struct WalkJob {
    Walks walks;
    Rows rows;
    Queries queries;
    const uint8_t *codes; /* [queries.n][code_stride]: of the queries, as the graph's are filled up; NULL: by vectors */
    uint64_t code_stride;
};

vss_status launch_prepare(Stream *stream, const Prepare &job, vss_error *err);
vss_status launch_code(Stream *stream, const Code &job, vss_error *err);
vss_status launch_aim(Stream *stream, const Aim &job, vss_error *err);
vss_status launch_factor(Stream *stream, const Factor &job, vss_error *err);
vss_status launch_scan(Stream *stream, const ScanJob &job, vss_error *err);
vss_status launch_probe(Stream *stream, const ProbeJob &job, vss_error *err);
vss_status launch_walk(Stream *stream, const WalkJob &job, vss_error *err);
vss_status launch_sift(Stream *stream, const Sift &job, vss_error *err);
vss_status launch_gather(Stream *stream, const Lists &lists, const Finals &finals, uint32_t n, vss_error *err);
vss_status launch_values(Stream *stream, const Rows &rows, const Queries &queries, const Finals &finals,
                         vss_error *err);
vss_status launch_pick(Stream *stream, const Finals &finals, uint32_t n, vss_error *err);
vss_status launch_widen(Stream *stream, const Widen &job, vss_error *err);
vss_status launch_closest(Stream *stream, const Closest &job, vss_error *err);
vss_status launch_tally(Stream *stream, const Tally &job, vss_error *err);
vss_status launch_turn(Stream *stream, const Turn &job, vss_error *err);
vss_status launch_words(Stream *stream, const Words &job, vss_error *err);
vss_status launch_square(Stream *stream, const Square &job, vss_error *err);
/* Some tasks of one form, which meet meet_points(form) points at most, meet_queries(form) queries in each. */
constexpr uint32_t MEET_FORMS = 3;
uint32_t meet_points(uint32_t form);
uint32_t meet_queries(uint32_t form);
vss_status launch_meet(Stream *stream, const MeetJob &job, uint32_t form, uint32_t n_tasks, vss_error *err);
/* Rows of up to 1,024 / rows candidates, `rows` a block: 1 or 4. */
vss_status launch_thin(Stream *stream, const ThinJob &job, uint32_t rows, vss_error *err);
/* Rows for the benchmark: components from -1 to 1, by the seed and their place. */
vss_status launch_generate(Stream *stream, float *to, uint64_t n, uint64_t seed, vss_error *err);

} // namespace vssg

#endif
