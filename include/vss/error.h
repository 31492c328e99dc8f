/*
 * vss/error.h - how a call says that it failed
 */
#ifndef VSS_ERROR_H
#define VSS_ERROR_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Appended to, never renumbered. */
typedef enum vss_status {
    VSS_OK = 0,
    VSS_ERR_INVALID = -1,         /* an argument, a value or a filter is wrong; the line names it */
    VSS_ERR_NOT_FOUND = -2,       /* no such database, collection, field or key */
    VSS_ERR_EXISTS = -3,          /* the collection or the key is already there */
    VSS_ERR_BUSY = -4,            /* another writer holds the collection; the line names its process and host */
    VSS_ERR_READ_ONLY = -5,       /* the database was opened read-only */
    VSS_ERR_NO_MEMORY = -6,       /* the allocator returned nothing */
    VSS_ERR_BUDGET = -7,          /* the database's own memory budget is spent */
    VSS_ERR_CANCELLED = -8,       /* the caller's callback asked to stop */
    VSS_ERR_DEADLINE = -9,        /* a call that can't give part of its result ran out of time */
    VSS_ERR_IO = -10,             /* the storage failed */
    VSS_ERR_NO_SPACE = -11,       /* the storage is full */
    VSS_ERR_CORRUPT = -12,        /* stored bytes are damaged; the line names object and place */
    VSS_ERR_NEWER_FORMAT = -13,   /* the data needs a newer libvss */
    VSS_ERR_UNSUPPORTED = -14,    /* valid, but not offered by this build or this type */
    VSS_ERR_FENCED = -15,         /* another writer has taken over */
    VSS_ERR_UNKNOWN_COMMIT = -16, /* the storage did not say whether the write happened */
    VSS_ERR_POISONED = -17,       /* an earlier failure made this handle unusable for writes: reopen */
    VSS_ERR_FORKED = -18,         /* the handle belongs to the parent process */
    VSS_ERR_STALE = -19,          /* the version being read was collected: reopen */
    VSS_ERR_DEVICE = -20,         /* the GPU failed */
    VSS_ERR_INTERNAL = -21        /* a bug in libvss */
} vss_status;

/* The caller's; one per thread of control. message is one line without a newline. */
typedef struct vss_error {
    vss_status status;
    int os_errno; /* errno of the failed system call, else 0 */
    char message[500];
} vss_error;

/* Static text: "OK", "INVALID", "NOT_FOUND", ...; "UNKNOWN" for a number that is no status. */
VSS_API const char *vss_status_name(vss_status status);

#ifdef __cplusplus
}
#endif
#endif
