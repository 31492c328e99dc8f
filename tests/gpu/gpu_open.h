/*
 * gpu_open.h - the device under test: the host's form of libvss_gpu, or, compiled with VSS_GPU_REAL, the real one
 */
#ifndef GPU_OPEN_H
#define GPU_OPEN_H

#include <stdbool.h>
#include <stdio.h>

#include "vss/device.h"

/* gpu/state.h */
vss_status vssg_open(const char *options, const vss_device **out, vss_error *err);
void vssg_close(const vss_device *device);

#if defined(VSS_GPU_REAL)
#define GPU_OPTIONS "experimental=1"

static inline void gpu_order(uint32_t order) { (void)order; }

/* Is there no GPU? Says so. */
static inline bool gpu_skip(void)
{
    const vss_device *device;
    vss_error err = {0};
    if (vssg_open(GPU_OPTIONS, &device, &err) == VSS_OK) {
        printf("%s\n", device->description);
        vssg_close(device);
        return false;
    }
    printf("SKIPPED, nothing was tested: %s\n", err.message);
    return true;
}
#else
#include "host_faults.h"

#define GPU_OPTIONS "experimental=0"

static inline void gpu_order(uint32_t order) { vssg_host_order(order); }
static inline bool gpu_skip(void) { return false; }
#endif

#endif
