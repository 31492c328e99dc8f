/*
 * segment_stats.h - the STATS block: rows, and of every vector field the greatest norm
 */
#ifndef VSSI_SEGMENT_STATS_H
#define VSSI_SEGMENT_STATS_H

#include "../base/bytes.h"
#include "object.h"

typedef struct vssi_stats {
    uint64_t rows;
    uint32_t n_norms;
    const uint8_t *norms; /* in place */
} vssi_stats;

/* Write the head; n_norms calls of vssi_stats_norm follow. */
void vssi_stats_begin(vssi_writer *w, uint64_t rows, uint32_t n_norms);
void vssi_stats_norm(vssi_writer *w, uint32_t field, double norm);

/* Verify and validate the object's STATS. CORRUPT. */
vss_status vssi_stats_read(vssi_object *object, vssi_stats *out, vss_error *err);
/* The norm of a field; false when there is none. */
bool vssi_stats_find(const vssi_stats *stats, uint32_t field, double *norm);

#endif
