/*
 * gpu_open.h - the device under test: the host's form of libvss_gpu, or, compiled with VSS_GPU_REAL, the real one
 */
#ifndef GPU_OPEN_H
#define GPU_OPEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "vss/device.h"

/* gpu/state.h */
vss_status vssg_open(const char *options, const vss_device **out, vss_error *err);
void vssg_close(const vss_device *device);

/* Or the test fails. */
static inline const vss_device *open_device(const char *options)
{
    const vss_device *device;
    vss_error err = {0};
    if (vssg_open(options, &device, &err) != VSS_OK)
        fail_msg("%s", err.message);
    return device;
}

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

/* Nothing may be left on the card. */
static inline void close_device(const vss_device *device)
{
    vssg_close(device);
    assert_int_equal(vssg_host_used(), 0);
}

/* One line of that status, of the device and with that part. */
static inline void expect_line(const vss_error *err, vss_status status, const char *part)
{
    assert_int_equal(err->status, status);
    assert_null(strchr(err->message, '\n'));
    assert_memory_equal(err->message, "emulated: ", 10);
    if (strstr(err->message, part) == NULL)
        fail_msg("%s: does not say %s", err->message, part);
}
#endif

#endif
