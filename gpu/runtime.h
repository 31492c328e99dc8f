/*
 * runtime.h - what libvss_gpu asks of a card: memory, copies, streams, events, products of matrices
 *
 * Two implementations of one interface, chosen when linking. runtime_cuda.cpp: the CUDA runtime and cuBLAS.
 * runtime_host.cpp: this machine's memory and loops, for the tests and the device "emulated", with faults that tests
 * can set (host_faults.h). Functions that fail write one line into err, which names the call, and return NO_MEMORY or
 * DEVICE. All may be called on any thread; a Stream belongs to one call at a time. Work given to a stream is done in
 * the order given, later than the call returns; what it reads and writes must last until runtime_finish.
 */
#ifndef VSS_GPU_RUNTIME_H
#define VSS_GPU_RUNTIME_H

#include "vss/device.h"

namespace vssg {

struct Card {
    int number;
    char name[256];
    size_t total, free;       /* bytes of memory */
    unsigned multiprocessors;
    bool products;            /* multiplies matrices of bfloat16 */
};

/* C = rows times queries: out[q * out_stride + r] = sum over i of rows[r][i] * queries[q][i], bfloat16 times bfloat16
 * summed in float32. Vectors of `dim` components, a multiple of 8, one after another, 16-byte aligned. */
struct Product {
    const uint16_t *rows, *queries;
    float *out;
    uint32_t n_rows, n_queries, dim;
    uint64_t out_stride;
};

struct Stream;

constexpr unsigned RUNTIME_EVENTS = 2; /* of a stream */

const char *runtime_name();        /* of the device: "cuda", "emulated" */
size_t runtime_stream_bytes();     /* of the card's memory that a stream takes */
bool runtime_experimental();       /* its kernels have not run on what they are made for */
vss_status runtime_open(int number, Card *card, vss_error *err);
/* Calls of this thread go to the card from here to runtime_leave, which brings back what *before says. */
vss_status runtime_enter(int number, int *before, vss_error *err);
void runtime_leave(int before);

vss_status runtime_allocate(size_t bytes, void **out, vss_error *err);  /* 256-byte aligned */
void runtime_free(void *memory);
vss_status runtime_pin(size_t bytes, void **out, vss_error *err);       /* memory of the host that copies are fast of */
void runtime_unpin(void *memory);

vss_status runtime_stream_open(Stream **out, vss_error *err);
void runtime_stream_close(Stream *stream);
void *runtime_stream_native(Stream *stream);
vss_status runtime_copy_up(Stream *stream, void *to, const void *pinned, size_t bytes, vss_error *err);
vss_status runtime_copy_down(Stream *stream, void *pinned, const void *from, size_t bytes, vss_error *err);
vss_status runtime_copy_within(Stream *stream, void *to, const void *from, size_t bytes, vss_error *err);
vss_status runtime_clear(Stream *stream, void *memory, size_t bytes, vss_error *err);
vss_status runtime_multiply(Stream *stream, const Product &product, vss_error *err);
/* After a launch: did it start? */
vss_status runtime_launched(Stream *stream, const char *kernel, vss_error *err);
/* Note the place in the stream as event i; wait until the stream has come there. */
vss_status runtime_mark(Stream *stream, unsigned event, vss_error *err);
vss_status runtime_wait(Stream *stream, unsigned event, vss_error *err);
/* Seconds from one event's place to another's, both passed. */
vss_status runtime_elapsed(Stream *stream, unsigned from, unsigned to, double *seconds, vss_error *err);
vss_status runtime_finish(Stream *stream, vss_error *err);

} // namespace vssg

#endif
