/*
 * beside.cpp - the threads of a block as threads of this machine, and their barriers
 */
#include <pthread.h>

#include <cstdlib>

#include "block.h"

namespace vssg {

constexpr uint32_t BESIDE_LEAST = 8;    /* lanes that are summed over, at least */
constexpr uint32_t BESIDE_NUMBERS = 16; /* that are summed at once, at most */

struct BesideLaunch {
    pthread_barrier_t all, groups[THREADS / BESIDE_LEAST];
    uint32_t numbers[THREADS][BESIDE_NUMBERS];
    uint64_t blocks;
    void (*run)(const void *job, uint64_t i);
    const void *job;
};

struct BesideThread {
    BesideLaunch *launch;
    uint32_t number;
};

thread_local uint32_t beside_thread;
static thread_local BesideLaunch *beside_of;

static void beside_must(bool good)
{
    if (!good)
        std::abort();
}

void beside_wait() { (void)pthread_barrier_wait(&beside_of->all); }

void beside_sums(uint32_t lanes, uint32_t *numbers, uint32_t n)
{
    beside_must(lanes == BESIDE_LEAST && n <= BESIDE_NUMBERS);
    const uint32_t first = beside_thread / lanes * lanes;
    pthread_barrier_t *group = &beside_of->groups[beside_thread / lanes];
    for (uint32_t i = 0; i < n; i++)
        beside_of->numbers[beside_thread][i] = numbers[i];
    (void)pthread_barrier_wait(group);
    for (uint32_t i = 0; i < n; i++) {
        numbers[i] = 0;
        for (uint32_t lane = 0; lane < lanes; lane++)
            numbers[i] += beside_of->numbers[first + lane][i];
    }
    (void)pthread_barrier_wait(group);
}

static void *beside_run(void *arg)
{
    const BesideThread *thread = static_cast<const BesideThread *>(arg);
    beside_of = thread->launch;
    beside_thread = thread->number;
    for (uint64_t i = 0; i < beside_of->blocks; i++) {
        beside_of->run(beside_of->job, i);
        beside_wait();
    }
    return nullptr;
}

void beside_launch(uint64_t blocks, void (*run)(const void *job, uint64_t i), const void *job)
{
    static thread_local BesideLaunch launch;
    BesideThread threads[THREADS];
    pthread_t handles[THREADS];
    launch.blocks = blocks;
    launch.run = run;
    launch.job = job;
    beside_must(pthread_barrier_init(&launch.all, nullptr, THREADS) == 0);
    for (pthread_barrier_t &group : launch.groups)
        beside_must(pthread_barrier_init(&group, nullptr, BESIDE_LEAST) == 0);
    for (uint32_t t = 0; t < THREADS; t++) {
        threads[t] = BesideThread{&launch, t};
        beside_must(pthread_create(&handles[t], nullptr, beside_run, &threads[t]) == 0);
    }
    for (pthread_t handle : handles)
        (void)pthread_join(handle, nullptr);
    (void)pthread_barrier_destroy(&launch.all);
    for (pthread_barrier_t &group : launch.groups)
        (void)pthread_barrier_destroy(&group);
}

} // namespace vssg
