/*
 * block.h - kernels that run on a card and, the same source, on the host
 *
 * A kernel is a struct with its arguments, a name, a nested Shared and operator()(const Block &, Shared &). It works in
 * phases: block.each(f) calls f(t) for every thread t of the block and returns when all are done: on the card one call
 * of f and a barrier, on the host a loop. So nothing that a thread keeps in variables of its own outlives a phase; what
 * has to is in Shared or in an Own, or is the same in all threads. Between phases every thread runs the same code: a
 * condition there that is read from memory which the next phase may write goes through block.uniform, which waits for
 * all readers.
 *
 * Within a phase threads meet in atomics only. The host runs the threads of a phase, and the blocks of a grid, one
 * after another in an order that tests can choose, and fills Shared with rubbish first: what depends on the order, or
 * on memory nobody wrote, gives other results. Two threads of a phase that race for a place with the same outcome in
 * every order tried are shown by the third form (VSS_GPU_BESIDE, beside.h): 256 threads of this machine side by side,
 * with barriers where the card has them, under ThreadSanitizer.
 */
#ifndef VSS_GPU_BLOCK_H
#define VSS_GPU_BLOCK_H

#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(VSS_GPU_BESIDE)
#include "beside.h"
#endif
#include "runtime.h"

#if defined(__CUDACC__)
#include <cuda_runtime.h>
#define VSSG_BOTH __host__ __device__ __forceinline__
#else
#define VSSG_BOTH inline
#endif

/* Before a loop of so many rounds as the compiler knows. */
#if defined(__CUDA_ARCH__)
#define VSSG_UNROLL _Pragma("unroll")
#else
#define VSSG_UNROLL
#endif

namespace vssg {

constexpr uint32_t THREADS = 256; /* of a block, of every kernel */

/* What the order of threads and blocks is made of on the host. */
uint32_t host_order();

/* What each thread of a block keeps from phase to phase, in registers of the card. */
template <class Value> struct Own {
#if defined(__CUDA_ARCH__)
    Value value;
    __device__ __forceinline__ Value &of(uint32_t) { return value; }
#else
    Value values[THREADS];
    Value &of(uint32_t t) { return values[t]; }
#endif
};

struct Block {
    uint32_t x, y;   /* in the grid */
    uint32_t grid_x;
    uint32_t order;  /* of the threads on the host */

    template <class Phase> VSSG_BOTH void each(Phase phase) const
    {
#if defined(__CUDA_ARCH__)
        phase(static_cast<uint32_t>(threadIdx.x));
        __syncthreads();
#elif defined(VSS_GPU_BESIDE)
        phase(beside_thread);
        beside_wait();
#else
        /* An odd factor modulo a power of two: every thread once. */
        for (uint32_t i = 0; i < THREADS; i++)
            phase((i * (2 * order + 1) + 31 * order) % THREADS);
#endif
    }

    /* A phase: part(t, numbers) adds to N numbers of each thread, 0 at first; write(t, sums) gets their sums over the
     * LANES threads, side by side, that t is one of, when these have done their parts; others may not have. */
    template <uint32_t LANES, uint32_t N, class Part, class Write> VSSG_BOTH void sums(Part part, Write write) const
    {
        static_assert(LANES <= 32 && (LANES & (LANES - 1)) == 0, "lanes of a warp");
#if defined(__CUDA_ARCH__)
        uint32_t sum[N] = {};
        part(static_cast<uint32_t>(threadIdx.x), sum);
        for (uint32_t n = 0; n < N; n++)
            for (uint32_t step = LANES / 2; step > 0; step /= 2)
                sum[n] += __shfl_xor_sync(0xffffffffu, sum[n], step);
        write(static_cast<uint32_t>(threadIdx.x), sum);
        __syncthreads();
#elif defined(VSS_GPU_BESIDE)
        uint32_t sum[N] = {};
        part(beside_thread, sum);
        beside_sums(LANES, sum, N);
        write(beside_thread, sum);
        beside_wait();
#else
        constexpr uint32_t GROUPS = THREADS / LANES;
        for (uint32_t i = 0; i < GROUPS; i++) {
            const uint32_t first = (i * (2 * order + 1) + 31 * order) % GROUPS * LANES;
            uint32_t sum[N] = {};
            for (uint32_t lane = 0; lane < LANES; lane++)
                part(first + (lane ^ order % LANES), sum);
            for (uint32_t lane = 0; lane < LANES; lane++)
                write(first + (lane ^ order % LANES), sum);
        }
#endif
    }

    template <class Value> VSSG_BOTH Value uniform(Value value) const
    {
#if defined(__CUDA_ARCH__)
        __syncthreads();
#elif defined(VSS_GPU_BESIDE)
        beside_wait();
#endif
        return value;
    }
};

VSSG_BOTH uint32_t atomic_add(uint32_t *place, uint32_t value)
{
#if defined(__CUDA_ARCH__)
    return atomicAdd(place, value);
#else
    return __atomic_fetch_add(place, value, __ATOMIC_RELAXED);
#endif
}

VSSG_BOTH void atomic_min(uint32_t *place, uint32_t value)
{
#if defined(__CUDA_ARCH__)
    (void)atomicMin(place, value);
#else
    uint32_t there = __atomic_load_n(place, __ATOMIC_RELAXED);
    while (value < there &&
           !__atomic_compare_exchange_n(place, &there, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
#endif
}

VSSG_BOTH void atomic_max(uint32_t *place, uint32_t value)
{
#if defined(__CUDA_ARCH__)
    (void)atomicMax(place, value);
#else
    uint32_t there = __atomic_load_n(place, __ATOMIC_RELAXED);
    while (value > there &&
           !__atomic_compare_exchange_n(place, &there, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
#endif
}

/* What was there before; the second puts the value there only where that was `if_there`. */
VSSG_BOTH uint32_t atomic_swap(uint32_t *place, uint32_t value)
{
#if defined(__CUDA_ARCH__)
    return atomicExch(place, value);
#else
    return __atomic_exchange_n(place, value, __ATOMIC_RELAXED);
#endif
}

VSSG_BOTH uint32_t atomic_swap_if(uint32_t *place, uint32_t if_there, uint32_t value)
{
#if defined(__CUDA_ARCH__)
    return atomicCAS(place, if_there, value);
#else
    (void)__atomic_compare_exchange_n(place, &if_there, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return if_there;
#endif
}

VSSG_BOTH void atomic_add_wide(uint64_t *place, uint64_t value)
{
#if defined(__CUDA_ARCH__)
    (void)atomicAdd(reinterpret_cast<unsigned long long *>(place), static_cast<unsigned long long>(value));
#else
    (void)__atomic_fetch_add(place, value, __ATOMIC_RELAXED);
#endif
}

VSSG_BOTH void atomic_max_wide(uint64_t *place, uint64_t value)
{
#if defined(__CUDA_ARCH__)
    (void)atomicMax(reinterpret_cast<unsigned long long *>(place), static_cast<unsigned long long>(value));
#else
    uint64_t there = __atomic_load_n(place, __ATOMIC_RELAXED);
    while (value > there &&
           !__atomic_compare_exchange_n(place, &there, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
#endif
}

/* What other blocks may have written meanwhile. */
VSSG_BOTH uint32_t load_fresh(const uint32_t *place)
{
#if defined(__CUDA_ARCH__)
    return *static_cast<const volatile uint32_t *>(place);
#else
    return __atomic_load_n(place, __ATOMIC_RELAXED);
#endif
}

#if defined(__CUDACC__)
/* Blocks that a multiprocessor should have room for at once: a kernel's BLOCKS, where it says, by fewer registers. */
template <class Kernel, class = void> struct Together {
    static constexpr int blocks = 1;
};
template <class Kernel> struct Together<Kernel, decltype(void(Kernel::BLOCKS))> {
    static constexpr int blocks = Kernel::BLOCKS;
};

template <class Kernel> __global__ void __launch_bounds__(THREADS, Together<Kernel>::blocks) run(const Kernel kernel)
{
    __shared__ typename Kernel::Shared shared;
    static_assert(sizeof shared <= 48 * 1024, "static shared memory");
    kernel(Block{blockIdx.x, blockIdx.y, gridDim.x, 0}, shared);
}

#elif defined(VSS_GPU_BESIDE)
template <class Kernel> struct BesideJob {
    const Kernel *kernel;
    typename Kernel::Shared *shared;
    uint32_t x;

    static void run(const void *job, uint64_t at)
    {
        const BesideJob &j = *static_cast<const BesideJob *>(job);
        if (beside_thread == 0)
            std::memset(static_cast<void *>(j.shared), 0xa5, sizeof *j.shared);
        beside_wait();
        (*j.kernel)(Block{static_cast<uint32_t>(at % j.x), static_cast<uint32_t>(at / j.x), j.x, 0}, *j.shared);
    }
};
#endif

/* Run the kernel over a grid of x (below 2^31) times y (below 65,536) blocks. */
template <class Kernel>
vss_status launch(Stream *stream, uint32_t x, uint32_t y, const Kernel &kernel, vss_error *err)
{
    static_assert(sizeof(Kernel) <= 4096, "arguments of a kernel");
#if defined(__CUDACC__)
    const cudaStream_t native = static_cast<cudaStream_t>(runtime_stream_native(stream));
    run<<<dim3(x, y), THREADS, 0, native>>>(kernel);
#elif defined(VSS_GPU_BESIDE)
    typename Kernel::Shared shared;
    const BesideJob<Kernel> job{&kernel, &shared, x};
    beside_launch(static_cast<uint64_t>(x) * y, BesideJob<Kernel>::run, &job);
#else
    typename Kernel::Shared shared;
    const uint32_t order = host_order();
    for (uint64_t i = 0, n = static_cast<uint64_t>(x) * y; i < n; i++) {
        const uint64_t at = order % 2 != 0 ? n - 1 - i : i;
        std::memset(static_cast<void *>(&shared), 0xa5, sizeof shared);
        kernel(Block{static_cast<uint32_t>(at % x), static_cast<uint32_t>(at / x), x, order}, shared);
    }
#endif
    return runtime_launched(stream, Kernel::name(), err);
}

} // namespace vssg

#endif
