/*
 * gpu_patience.h - a caller who wants no more when it has been asked so many times
 */
#ifndef GPU_PATIENCE_H
#define GPU_PATIENCE_H

#include <stddef.h>

typedef struct patience {
    size_t asked, most;
} patience;

/* For `stopped` of what a device is asked; state: the patience. */
static inline int patience_stopped(void *state)
{
    patience *p = state;
    return ++p->asked > p->most;
}

#endif
