/*
 * device.h - processors beside the CPU (vss/device.h): those that are registered, and searches by one of them
 */
#ifndef VSSI_DEVICE_H
#define VSSI_DEVICE_H

#include "../index_ops.h"
#include "device_use.h"

/* What devices keep of vectors that never change: a place each, the i-th that of the i-th device. All NULL at first. */
typedef struct vssi_device_places {
    void *of[VSS_DEVICE_MAX];
} vssi_device_places;

/* What is wrong with a device is said in err. Thread-safe. */
vss_status vssi_device_register(const vss_device *device, vss_error *err);
/* By name; NULL: there is none. Thread-safe. */
const vss_device *vssi_device_find(const char *name);
/* The device that a request names: NULL for NULL or "cpu". DEVICE: there is none of that name. */
vss_status vssi_device_named(const char *name, const vss_device **device, vss_error *err);
/* The place of a device that is registered. */
void **vssi_device_place(const vss_device *device, vssi_device_places *places);
/* Let every device forget the vectors that the places are for. */
void vssi_device_forget(vssi_device_places *places);

/* Does the device take searches of the vectors for k rows. UNSUPPORTED, with its reason. */
vss_status vssi_device_takes(const vss_device *device, const vssi_vectors *v, size_t k, vss_error *err);

/* What a device compares queries with. */
typedef struct vssi_device_rows {
    const vss_device *device;
    const vssi_vectors *vectors;
    vssi_device_places *places;
    const vssi_probes *probes; /* NULL: no lists */
    const vssi_walks *walks;   /* NULL: no graph; without either: every row */
    vssi_device_places *through; /* places of the probes' lists, or of the walks' graph */
} vssi_device_rows;

/* Offer the rows that the device finds for n queries to their top-ks, which take scores for values. unsettled[n]: the
 * device has left the query to the CPU. OK without rows where the search was stopped; else the device's own status. */
vss_status vssi_device_search(const vssi_device_rows *with, const vssi_query *queries, size_t n, vssi_scratch *scratch,
                              vssi_topk *topks, bool *unsettled, vss_error *err);

#endif
