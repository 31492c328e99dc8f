/*
 * fail.h - one line that says what failed
 */
#ifndef VSS_GPU_FAIL_H
#define VSS_GPU_FAIL_H

#include "vss/device.h"

namespace vssg {

/* Write the line, after the device's name, and return the status. */
__attribute__((format(printf, 3, 4))) vss_status fail(vss_error *err, vss_status status, const char *format, ...);

#define VSSG_TRY(call)                                                                                                \
    do {                                                                                                              \
        const vss_status vssg_status_ = (call);                                                                       \
        if (vssg_status_ != VSS_OK)                                                                                   \
            return vssg_status_;                                                                                      \
    } while (0)

} // namespace vssg

#endif
