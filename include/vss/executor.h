/*
 * vss/executor.h - whose threads do the work
 */
#ifndef VSS_EXECUTOR_H
#define VSS_EXECUTOR_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A host's thread pool; one of run and submit may be NULL. run must call task(arg, i) once for every i below n_tasks,
 * in any order, at once or one after another, and return when all have returned. Without an executor a call with
 * threads = n starts n - 1 threads and joins them before it returns. */
typedef struct vss_executor {
    uint32_t struct_size;
    void *state;
    void (*run)(void *state, size_t n_tasks, void (*task)(void *arg, size_t i), void *arg);
    /* Optional: take work to be done behind the host's back. Call task(arg) once, on any thread, now or later, and
     * return 0; or return another number and never call it. With it, what writes leave to do is done there: growing
     * rows sealed and indexed, segments compacted, what nothing names removed, within background_memory (vss/db.h),
     * beside writes and searches. A thread of the lowest priority suits it best (Linux: nice 19), as it then takes
     * what searches and writes leave of the processor. At most one task a collection is waiting or running. Closing
     * a collection waits for one that runs; one that is called after the close does nothing. One that is never called
     * keeps a few bytes. */
    int (*submit)(void *state, void (*task)(void *arg), void *arg);
} vss_executor;

/* Reports the progress of a long call and may end it: a non-zero result makes the call return VSS_ERR_CANCELLED.
 * stage is static text; done and total count the stage's own units. Called by the calling thread or a worker, one
 * call at a time: at most about every 10 ms, and when a stage is done. */
typedef int (*vss_progress_fn)(void *state, const char *stage, uint64_t done, uint64_t total);

#ifdef __cplusplus
}
#endif
#endif
