/*
 * bench_encode.h - the benchmark of coding residuals, a part of vss-bench-gpu
 */
#ifndef VSS_GPU_BENCH_ENCODE_H
#define VSS_GPU_BENCH_ENCODE_H

#include "fail.h"
#include "state.h"

namespace vssg {

/* Prints a table of rows a second; rows: of the benchmark, of which it takes some. */
vss_status bench_encode(Device *device, uint64_t rows, vss_error *err);

} // namespace vssg

#endif
