/*
 * hnsw_device.h - what the files share that have a device do parts of a build
 */
#ifndef VSSI_HNSW_DEVICE_H
#define VSSI_HNSW_DEVICE_H

#include "hnsw.h"

/* The first failure of several threads' calls. All 0 at first. */
typedef struct vssi_hnsw_outcome {
    vssi_mutex mutex;
    _Atomic bool failed;
    vss_status status;
    vss_error why; /* as the device has filled it, or not */
} vssi_hnsw_outcome;

void vssi_hnsw_outcome_fail(vssi_hnsw_outcome *outcome, vss_status status, const vss_error *why);

/* vssi_hnsw_run of units that ask the device, and note failures in outcome, in arg. OK where the CPU may go on. */
vss_status vssi_hnsw_device_run(vssi_hnsw_build *b, size_t n_parts, uint64_t weight, vssi_hnsw_unit unit, void *arg,
                                vssi_hnsw_outcome *outcome, vss_error *err);

/* Bytes of one part of work of so many bytes. */
size_t vssi_hnsw_part_bytes(const vssi_hnsw_build *b, size_t all);

vss_device_points vssi_hnsw_device_points(const vssi_hnsw_build *b);

#endif
