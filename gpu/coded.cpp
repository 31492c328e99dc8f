/*
 * coded.cpp - which rows have codes (codes.h), how they are made, what a scan by them compares
 *
 * Codes are there where reading them in place of the rows spares a third of the bytes at least: float32 of 9
 * components and more, 16-bit floats of some 48 and more. They never displace what is on the card: where the budget is
 * short, rows go without.
 */
#include "fail.h"
#include "launches.h"
#include "pass.h"
#include "state.h"

namespace vssg {

static bool coded_floats(Kind kind) { return kind == Kind::f32 || kind == Kind::f16 || kind == Kind::bf16; }

/* Is there room for the rows with their codes, and a search's scratch memory. */
static bool coded_fit(Device *device, size_t bytes)
{
    const size_t scratch = device->budget / 4 < PASS_SCRATCH ? device->budget / 4 : PASS_SCRATCH;
    const std::lock_guard<std::mutex> lock(device->mutex);
    const size_t left = device->used < device->budget ? device->budget - device->used : 0;
    return scratch <= left && bytes <= left - scratch;
}

void coded_shape(Device *device, Rows *shape)
{
    const uint32_t size = (shape->dim + 15) / 16 * 16;
    if (device->options.codes == 0 || !coded_floats(shape->kind) || 3 * (size + sizeof(Coded)) > 2 * shape->stride)
        return;
    shape->code_size = size;
    if (!coded_fit(device, place_bytes(*shape)))
        shape->code_size = 0;
}

vss_status coded_make(Call *call, const Rows &rows, vss_error *err)
{
    Code job{};
    job.vectors = rows.data;
    job.stride = rows.stride;
    job.n = rows.n;
    job.dim = rows.dim;
    job.size = rows.code_size;
    job.kind = rows.kind;
    job.unit = rows.metric == VSS_METRIC_COSINE;
    job.codes = const_cast<uint8_t *>(rows.codes);
    job.coded = const_cast<Coded *>(rows.coded);
    return launch_code(call->stream, job, err);
}

Rows coded_rows(const Rows &rows)
{
    Rows coded = rows;
    coded.data = rows.codes;
    coded.stride = rows.code_size;
    coded.kind = Kind::codes;
    return coded;
}

Queries coded_queries(const Rows &rows, const Queries &queries)
{
    Queries coded = queries;
    coded.data = queries.planes;
    coded.stride = uint64_t{2} * rows.code_size;
    coded.kind = Kind::codes;
    return coded;
}

} // namespace vssg
