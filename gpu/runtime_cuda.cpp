/*
 * runtime_cuda.cpp - runtime.h by the CUDA runtime and cuBLAS
 *
 * Streams do not wait for the default stream. Each has a cuBLAS handle of its own with a workspace of its own, so that
 * calls of several threads share nothing. Products: cuBLAS counts columns first, so rows [r][dim] are to it a matrix
 * of dim times rows, whose transposition times the queries' (dim times queries) gives rows times queries, rows one
 * after another: out[q][r] as it is wanted, nothing is moved. Sums are float32, reductions of lower precision are
 * forbidden. cuBLAS may add in any order and in parts; tile.h's bound holds for each.
 */
#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstdlib>

#include "fail.h"
#include "runtime.h"

namespace vssg {

static constexpr size_t CUDA_WORKSPACE = size_t{32} << 20;

struct Stream {
    cudaStream_t stream;
    cublasHandle_t blas;
    void *workspace;
    cudaEvent_t events[RUNTIME_EVENTS];
};

const char *runtime_name() { return "cuda"; }
size_t runtime_stream_bytes() { return CUDA_WORKSPACE; }
bool runtime_experimental() { return true; }

static vss_status cuda_check(cudaError_t code, const char *call, vss_error *err)
{
    if (code == cudaSuccess)
        return VSS_OK;
    (void)cudaGetLastError(); /* so that the next call does not report this one again */
    return fail(err, code == cudaErrorMemoryAllocation ? VSS_ERR_NO_MEMORY : VSS_ERR_DEVICE, "%s: %s", call,
                cudaGetErrorString(code));
}

static vss_status cuda_blas(cublasStatus_t code, const char *call, vss_error *err)
{
    if (code == CUBLAS_STATUS_SUCCESS)
        return VSS_OK;
    return fail(err, code == CUBLAS_STATUS_ALLOC_FAILED ? VSS_ERR_NO_MEMORY : VSS_ERR_DEVICE, "%s: %s", call,
                cublasGetStatusString(code));
}

vss_status runtime_open(int number, Card *card, vss_error *err)
{
    int count = 0, before;
    cudaDeviceProp properties;
    VSSG_TRY(cuda_check(cudaGetDeviceCount(&count), "cudaGetDeviceCount", err));
    if (number < 0 || number >= count)
        return fail(err, VSS_ERR_DEVICE, "gpu=%d: there are %d, the first is 0", number, count);
    VSSG_TRY(cuda_check(cudaGetDeviceProperties(&properties, number), "cudaGetDeviceProperties", err));
    if (properties.major * 10 + properties.minor < 75)
        return fail(err, VSS_ERR_DEVICE, "gpu=%d: compute capability %d.%d, wanted 7.5 or more", number,
                    properties.major, properties.minor);
    VSSG_TRY(runtime_enter(number, &before, err));
    const vss_status status = cuda_check(cudaMemGetInfo(&card->free, &card->total), "cudaMemGetInfo", err);
    runtime_leave(before);
    (void)std::snprintf(card->name, sizeof card->name, "%s", properties.name);
    card->number = number;
    card->multiprocessors = static_cast<unsigned>(properties.multiProcessorCount);
    card->products = properties.major >= 8;
    return status;
}

vss_status runtime_enter(int number, int *before, vss_error *err)
{
    VSSG_TRY(cuda_check(cudaGetDevice(before), "cudaGetDevice", err));
    return cuda_check(cudaSetDevice(number), "cudaSetDevice", err);
}

void runtime_leave(int before)
{
    if (cudaSetDevice(before) != cudaSuccess)
        (void)cudaGetLastError(); /* not the next launch's */
}

vss_status runtime_allocate(size_t bytes, void **out, vss_error *err)
{
    *out = nullptr;
    return cuda_check(cudaMalloc(out, bytes), "cudaMalloc", err);
}

void runtime_free(void *memory) { (void)cudaFree(memory); }

vss_status runtime_pin(size_t bytes, void **out, vss_error *err)
{
    *out = nullptr;
    return cuda_check(cudaHostAlloc(out, bytes, cudaHostAllocPortable), "cudaHostAlloc", err);
}

void runtime_unpin(void *memory) { (void)cudaFreeHost(memory); }

static vss_status cuda_stream_fill(Stream *s, vss_error *err)
{
    VSSG_TRY(cuda_check(cudaStreamCreateWithFlags(&s->stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags",
                        err));
    for (cudaEvent_t &event : s->events)
        VSSG_TRY(cuda_check(cudaEventCreate(&event), "cudaEventCreate", err));
    VSSG_TRY(cuda_check(cudaMalloc(&s->workspace, CUDA_WORKSPACE), "cudaMalloc", err));
    VSSG_TRY(cuda_blas(cublasCreate(&s->blas), "cublasCreate", err));
    VSSG_TRY(cuda_blas(cublasSetStream(s->blas, s->stream), "cublasSetStream", err));
    VSSG_TRY(cuda_blas(cublasSetWorkspace(s->blas, s->workspace, CUDA_WORKSPACE), "cublasSetWorkspace", err));
    const int mode = CUBLAS_DEFAULT_MATH | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
    return cuda_blas(cublasSetMathMode(s->blas, static_cast<cublasMath_t>(mode)), "cublasSetMathMode", err);
}

vss_status runtime_stream_open(Stream **out, vss_error *err)
{
    *out = nullptr;
    Stream *s = static_cast<Stream *>(std::calloc(1, sizeof *s));
    if (s == nullptr)
        return fail(err, VSS_ERR_NO_MEMORY, "out of memory for a stream");
    const vss_status status = cuda_stream_fill(s, err);
    if (status != VSS_OK)
        runtime_stream_close(s);
    else
        *out = s;
    return status;
}

void runtime_stream_close(Stream *s)
{
    if (s == nullptr)
        return;
    if (s->blas != nullptr)
        (void)cublasDestroy(s->blas);
    (void)cudaFree(s->workspace);
    for (cudaEvent_t event : s->events)
        if (event != nullptr)
            (void)cudaEventDestroy(event);
    if (s->stream != nullptr)
        (void)cudaStreamDestroy(s->stream);
    std::free(s);
}

void *runtime_stream_native(Stream *s) { return s->stream; }

vss_status runtime_copy_up(Stream *s, void *to, const void *pinned, size_t bytes, vss_error *err)
{
    return cuda_check(cudaMemcpyAsync(to, pinned, bytes, cudaMemcpyHostToDevice, s->stream), "cudaMemcpyAsync", err);
}

vss_status runtime_copy_down(Stream *s, void *pinned, const void *from, size_t bytes, vss_error *err)
{
    return cuda_check(cudaMemcpyAsync(pinned, from, bytes, cudaMemcpyDeviceToHost, s->stream), "cudaMemcpyAsync", err);
}

vss_status runtime_copy_within(Stream *s, void *to, const void *from, size_t bytes, vss_error *err)
{
    return cuda_check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, s->stream), "cudaMemcpyAsync", err);
}

vss_status runtime_clear(Stream *s, void *memory, size_t bytes, vss_error *err)
{
    return cuda_check(cudaMemsetAsync(memory, 0, bytes, s->stream), "cudaMemsetAsync", err);
}

vss_status runtime_multiply(Stream *s, const Product &p, vss_error *err)
{
    const float one = 1, none = 0;
    const int rows = static_cast<int>(p.n_rows), queries = static_cast<int>(p.n_queries);
    const int dim = static_cast<int>(p.dim), row = static_cast<int>(p.row_stride);
    const int query = static_cast<int>(p.query_stride);
    return cuda_blas(cublasGemmEx(s->blas, CUBLAS_OP_T, CUBLAS_OP_N, rows, queries, dim, &one, p.rows, CUDA_R_16BF, row,
                                  p.queries, CUDA_R_16BF, query, &none, p.out, CUDA_R_32F,
                                  static_cast<int>(p.out_stride), CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
                     "cublasGemmEx", err);
}

vss_status runtime_launched(Stream *, const char *kernel, vss_error *err)
{
    return cuda_check(cudaGetLastError(), kernel, err);
}

vss_status runtime_mark(Stream *s, unsigned event, vss_error *err)
{
    return cuda_check(cudaEventRecord(s->events[event], s->stream), "cudaEventRecord", err);
}

vss_status runtime_wait(Stream *s, unsigned event, vss_error *err)
{
    return cuda_check(cudaEventSynchronize(s->events[event]), "cudaEventSynchronize", err);
}

vss_status runtime_elapsed(Stream *s, unsigned from, unsigned to, double *seconds, vss_error *err)
{
    float milliseconds = 0;
    VSSG_TRY(cuda_check(cudaEventElapsedTime(&milliseconds, s->events[from], s->events[to]), "cudaEventElapsedTime",
                        err));
    *seconds = static_cast<double>(milliseconds) * 1e-3;
    return VSS_OK;
}

vss_status runtime_finish(Stream *s, vss_error *err)
{
    return cuda_check(cudaStreamSynchronize(s->stream), "cudaStreamSynchronize", err);
}

} // namespace vssg
