/*
 * parallel.h - share work among threads within a call; locks; the clock; who we are
 */
#ifndef VSSI_PARALLEL_H
#define VSSI_PARALLEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vss/executor.h"

typedef pthread_mutex_t vssi_mutex;
void vssi_mutex_init(vssi_mutex *mutex);
void vssi_mutex_destroy(vssi_mutex *mutex);
void vssi_mutex_lock(vssi_mutex *mutex);
void vssi_mutex_unlock(vssi_mutex *mutex);

/* Call task(arg, i) once for every i below n_tasks on at most `threads` threads (the calling one among them), or on
 * the executor where one is given. Returns when all are done. Never fails: where no thread can be started, fewer do the
 * work. Tasks are handed out in rising order. */
void vssi_parallel_for(const vss_executor *executor, size_t threads, size_t n_tasks, void (*task)(void *arg, size_t i),
                       void *arg);

/* Nanoseconds of a clock that never goes back. */
uint64_t vssi_now_ns(void);

/* This process, to notice a fork. */
int64_t vssi_process_id(void);

/* 64 random bits from the system, for object names only. */
uint64_t vssi_random_name(void);

/* Ask the system for the processor's matrix registers (AMX), for all threads of the process and those to come, for
 * good; false: it refuses, as it does where a thread has a signal stack too small for them, or knows none. */
bool vssi_permit_tiles(void);

/* A call's permission to go on: deadline and the host's callback, asked between blocks of work. Thread-safe. */
typedef struct vssi_control {
    uint64_t deadline_ns;     /* of vssi_now_ns; 0: none */
    vss_progress_fn progress; /* NULL: none */
    void *progress_state;
    vssi_mutex mutex;         /* guards the calls of progress */
    _Atomic uint64_t next_report_ns; /* no call of progress before, but for the end of a stage */
    _Atomic int stop;         /* 0, or the vss_status that ended the call: CANCELLED or DEADLINE */
} vssi_control;

void vssi_control_init(vssi_control *c, uint64_t deadline_ms, vss_progress_fn progress, void *progress_state);
void vssi_control_destroy(vssi_control *c);
/* Report progress, to the host at most every 10 ms and when done is total; true when the work must stop. c may be
 * NULL. */
bool vssi_control_report(vssi_control *c, const char *stage, uint64_t done, uint64_t total);
/* True when the work must stop: looks at the clock and at an earlier answer, calls nobody. c may be NULL. */
bool vssi_control_stopped(vssi_control *c);

#endif
