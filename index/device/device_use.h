/*
 * device_use.h - a device that a build may have parts of its work done by
 */
#ifndef VSSI_DEVICE_USE_H
#define VSSI_DEVICE_USE_H

#include <stdbool.h>

#include "vss/device.h"

/* One build's; where several threads of it work with a device, they guard it. */
typedef struct vssi_device_use {
    const vss_device *device; /* or NULL */
    bool required;            /* its failure is the build's */
    vss_error failed;         /* the failure that the CPU made up for; it is not asked any more then */
} vssi_device_use;

/* Is there a device to ask. */
static inline bool vssi_device_useful(const vssi_device_use *use)
{
    return use != NULL && use->device != NULL && use->failed.status == VSS_OK;
}

/* Why a device has failed with the status: what it says, or that it says nothing. */
vss_error vssi_device_told(const vss_device *device, vss_status status, const vss_error *why);
/* What a device has said. True: it is done, or failed so that all fails, with *status; false: the CPU is to do it. */
bool vssi_device_settles(vssi_device_use *use, vss_status *status, const vss_error *why, vss_error *err);
/* What a device asks whether the caller wants no more: state is the search's or build's vssi_control, or NULL. */
int vssi_device_stopped(void *state);
/* May the CPU do what a device failed to. */
bool vssi_device_replaceable(vss_status status);

#endif
