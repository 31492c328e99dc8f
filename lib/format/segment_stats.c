/*
 * segment_stats.c - write and read the STATS block
 */
#include "segment_stats.h"

#include <math.h>

#include "../base/checked.h"
#include "../base/fail.h"
#include "segment.h"

#define STATS_HEAD 16u
#define STATS_NORM 16u

void vssi_stats_begin(vssi_writer *w, uint64_t rows, uint32_t n_norms)
{
    vssi_write64(w, rows);
    vssi_write32(w, n_norms);
    vssi_write32(w, 0);
}

void vssi_stats_norm(vssi_writer *w, uint32_t field, double norm)
{
    uint64_t bits;
    memcpy(&bits, &norm, sizeof bits);
    vssi_write32(w, field);
    vssi_write32(w, 0);
    vssi_write64(w, bits);
}

vss_status vssi_stats_read(vssi_object *object, vssi_stats *out, vss_error *err)
{
    const size_t entry = vssi_object_find(object, VSSI_BLOCK_STATS, 0);
    const void *data;
    if (entry == SIZE_MAX || object->entries[entry].size < STATS_HEAD)
        return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\" has no statistics", object->name);
    VSSI_TRY(vssi_object_block(object, entry, &data, err));
    *out = (vssi_stats){.rows = vssi_load64(data), .n_norms = vssi_load32((const uint8_t *)data + 8),
                        .norms = (const uint8_t *)data + STATS_HEAD};
    if (out->rows == 0 || out->rows > VSSI_ROWS_MAX)
        return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\" claims %llu rows", object->name,
                         (unsigned long long)out->rows);
    if (object->entries[entry].size != STATS_HEAD + (uint64_t)STATS_NORM * out->n_norms)
        return vssi_fail(err, VSS_ERR_CORRUPT, "object \"%s\": its statistics have another size than they say",
                         object->name);
    return VSS_OK;
}

bool vssi_stats_find(const vssi_stats *stats, uint32_t field, double *norm)
{
    for (uint32_t i = 0; i < stats->n_norms; i++) {
        const uint8_t *at = stats->norms + (size_t)i * STATS_NORM;
        if (vssi_load32(at) != field)
            continue;
        memcpy(norm, at + 8, sizeof *norm);
        return isfinite(*norm) && *norm >= 0;
    }
    return false;
}
