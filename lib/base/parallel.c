/*
 * parallel.c - mutexes, and threads that live for one call
 *
 * Workers take task numbers from one atomic counter, so that uneven tasks balance and start in rising order. Starting a
 * thread costs some 20 microseconds: callers give it tasks of a millisecond and more. At most 256 threads a call.
 */
#include "parallel.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "checked.h"

#define PARALLEL_MAX_THREADS 256

/* A failure here is a broken mutex: nothing that could still be done right. */
static void parallel_require(int failed)
{
    if (failed != 0)
        abort();
}

void vssi_mutex_init(vssi_mutex *mutex) { parallel_require(pthread_mutex_init(mutex, NULL)); }
void vssi_mutex_destroy(vssi_mutex *mutex) { parallel_require(pthread_mutex_destroy(mutex)); }
void vssi_mutex_lock(vssi_mutex *mutex) { parallel_require(pthread_mutex_lock(mutex)); }
void vssi_mutex_unlock(vssi_mutex *mutex) { parallel_require(pthread_mutex_unlock(mutex)); }

typedef struct parallel_job {
    _Atomic size_t next;
    size_t n_tasks;
    void (*task)(void *arg, size_t i);
    void *arg;
} parallel_job;

static void parallel_drain(parallel_job *job)
{
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed);
        if (i >= job->n_tasks)
            return;
        job->task(job->arg, i);
    }
}

static void *parallel_thread(void *arg)
{
    parallel_drain(arg);
    return NULL;
}

static void parallel_executor_task(void *arg, size_t i)
{
    (void)i;
    parallel_drain(arg);
}

void vssi_parallel_for(const vss_executor *executor, size_t threads, size_t n_tasks, void (*task)(void *arg, size_t i),
                       void *arg)
{
    parallel_job job = {.n_tasks = n_tasks, .task = task, .arg = arg};
    size_t workers = vssi_min(threads, n_tasks);
    if (workers <= 1) {
        parallel_drain(&job);
        return;
    }
    if (executor != NULL) {
        executor->run(executor->state, workers, parallel_executor_task, &job);
        return;
    }
    pthread_t started[PARALLEL_MAX_THREADS - 1];
    size_t n_started = 0;
    size_t wanted = vssi_min(workers, PARALLEL_MAX_THREADS) - 1;
    while (n_started < wanted && pthread_create(&started[n_started], NULL, parallel_thread, &job) == 0)
        n_started++;
    parallel_drain(&job);
    for (size_t i = 0; i < n_started; i++)
        (void)pthread_join(started[i], NULL);
}
