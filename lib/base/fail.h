/*
 * fail.h - how internal functions report failure
 *
 * The function that finds the fault writes the line; those above pass the status on and never replace it.
 */
#ifndef VSSI_FAIL_H
#define VSSI_FAIL_H

#include "vss/error.h"

/* Write status and line into err (which may be NULL) and return status. */
__attribute__((format(printf, 3, 4))) vss_status vssi_fail(vss_error *err, vss_status status, const char *format, ...);

/* The same for a failed system call: appends ": " and the text of os_errno, and keeps its number. */
__attribute__((format(printf, 4, 5))) vss_status vssi_fail_os(vss_error *err, vss_status status, int os_errno,
                                                              const char *format, ...);

/* "out of memory (N bytes wanted)", NO_MEMORY. For allocations outside a vssi_heap call that reported by itself. */
vss_status vssi_fail_memory(vss_error *err, size_t size);

/* Return on failure; nothing to clean up. */
#define VSSI_TRY(expr)                     \
    do {                                   \
        vss_status vssi_try_ = (expr);     \
        if (vssi_try_ != VSS_OK)           \
            return vssi_try_;              \
    } while (0)

/* Keep the status in `status` and clean up at label. */
#define VSSI_TRY_GOTO(expr, label)         \
    do {                                   \
        status = (expr);                   \
        if (status != VSS_OK)              \
            goto label;                    \
    } while (0)

#endif
