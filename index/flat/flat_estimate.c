/*
 * flat_estimate.c - what the codes of flat will take, from the shape of the rows alone
 *
 * How many components the prefix has follows from the values; prefix=1 is counted as a quarter of them, 96 at most,
 * which is what pictures' vectors had.
 */
#include "../../lib/base/checked.h"
#include "flat_codes.h"

#define ESTIMATE_PREFIX 96u

void vssi_flat_estimate(const vssi_build *in, vssi_cost *cost)
{
    const vssi_vectors *v = in->vectors;
    const uint64_t rows = v->rows, wanted = in->params[FLAT_PARAM_PREFIX];
    *cost = (vssi_cost){0, 0};
    if (in->params[FLAT_PARAM_CODES] == FLAT_CODES_NONE || rows == 0 || !vssi_sq8_can(v->type, v->metric))
        return;
    uint32_t width = vssi_sq8_width(v->dim, v->metric), prefix = (uint32_t)vssi_min(width / 4, ESTIMATE_PREFIX);
    if (wanted != FLAT_PREFIX_AUTO)
        prefix = (uint32_t)wanted;
    uint32_t panel = wanted == FLAT_PREFIX_NONE ? 0 : vssi_prefix_panel((prefix + 3) / 4 * 4);
    cost->bytes = rows * (vssi_sq8_size(width) + sizeof(int32_t)) + vssi_prefix_panels(rows) * panel;
    cost->bytes += sizeof(double) * (1 + prefix) * width;
    cost->build_bytes = cost->bytes + rows / 8 + sizeof(double) * width * (rows / 8192 + 3);
}
