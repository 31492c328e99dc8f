/*
 * runtime_host.cpp - runtime.h on this machine: memory of malloc, copies at once, products by loops
 *
 * For tests and the device "emulated": nothing here is fast. Memory of the card is counted against a size that tests
 * set, and filled with rubbish. Products are summed in float32 in an order that depends on the tests' order, as a
 * matrix unit's order is not known either. Thread-safe: counters are atomic.
 */
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "block.h"
#include "fail.h"
#include "host_faults.h"
#include "numbers.h"

namespace vssg {

static std::atomic<uint64_t> host_fail_at{0}, host_calls{0};
static std::atomic<size_t> host_size{size_t{8} << 30}, host_used{0};
static std::atomic<uint32_t> host_order_now{0};

struct Stream {
    double marks[RUNTIME_EVENTS];
};

struct alignas(256) HostHeader {
    size_t bytes;
};

uint32_t host_order() { return host_order_now.load(std::memory_order_relaxed); }

const char *runtime_name() { return "emulated"; }
size_t runtime_stream_bytes() { return 0; }
bool runtime_experimental() { return false; }

static vss_status host_call(const char *call, vss_status status, vss_error *err)
{
    host_calls.fetch_add(1);
    uint64_t at = host_fail_at.load();
    while (at != 0 && !host_fail_at.compare_exchange_weak(at, at - 1)) {
    }
    return at == 1 ? fail(err, status, "%s: a fault that was asked for", call) : VSS_OK;
}

vss_status runtime_open(int number, Card *card, vss_error *err)
{
    if (number != 0)
        return fail(err, VSS_ERR_DEVICE, "gpu=%d: there is one card, number 0", number);
    *card = Card{};
    std::strcpy(card->name, "this machine");
    card->total = host_size.load();
    card->free = card->total;
#if defined(VSS_GPU_BESIDE)
    card->multiprocessors = 1; /* fewer blocks, each of which takes long */
#else
    card->multiprocessors = 4;
#endif
    card->products = true;
    return host_call("open", VSS_ERR_DEVICE, err);
}

vss_status runtime_enter(int, int *before, vss_error *err)
{
    *before = 0;
    return host_call("enter", VSS_ERR_DEVICE, err);
}

void runtime_leave(int) {}

static vss_status host_take(const char *call, size_t bytes, bool counted, void **out, vss_error *err)
{
    *out = nullptr;
    const size_t whole = (bytes + sizeof(HostHeader) + 255) / 256 * 256;
    VSSG_TRY(host_call(call, VSS_ERR_NO_MEMORY, err));
    const size_t before = host_used.fetch_add(bytes);
    void *memory = counted && before + bytes > host_size.load() ? nullptr : std::aligned_alloc(256, whole);
    if (memory == nullptr) {
        host_used.fetch_sub(bytes);
        return fail(err, VSS_ERR_NO_MEMORY, "%s: out of memory for %zu bytes", call, bytes);
    }
    std::memset(memory, 0xa5, whole);
    static_cast<HostHeader *>(memory)->bytes = bytes;
    *out = static_cast<char *>(memory) + sizeof(HostHeader);
    return VSS_OK;
}

static void host_give(void *memory)
{
    if (memory == nullptr)
        return;
    void *whole = static_cast<char *>(memory) - sizeof(HostHeader);
    host_used.fetch_sub(static_cast<HostHeader *>(whole)->bytes);
    std::free(whole);
}

vss_status runtime_allocate(size_t bytes, void **out, vss_error *err)
{
    return host_take("allocate", bytes, true, out, err);
}

void runtime_free(void *memory) { host_give(memory); }

vss_status runtime_pin(size_t bytes, void **out, vss_error *err) { return host_take("pin", bytes, false, out, err); }

void runtime_unpin(void *memory) { host_give(memory); }

vss_status runtime_stream_open(Stream **out, vss_error *err)
{
    void *memory;
    *out = nullptr;
    VSSG_TRY(host_take("stream", sizeof(Stream), false, &memory, err));
    *out = static_cast<Stream *>(memory);
    return VSS_OK;
}

void runtime_stream_close(Stream *stream) { host_give(stream); }
void *runtime_stream_native(Stream *stream) { return stream; }

vss_status runtime_copy_up(Stream *, void *to, const void *pinned, size_t bytes, vss_error *err)
{
    VSSG_TRY(host_call("copy up", VSS_ERR_DEVICE, err));
    std::memcpy(to, pinned, bytes);
    return VSS_OK;
}

vss_status runtime_copy_down(Stream *, void *pinned, const void *from, size_t bytes, vss_error *err)
{
    VSSG_TRY(host_call("copy down", VSS_ERR_DEVICE, err));
    std::memcpy(pinned, from, bytes);
    return VSS_OK;
}

vss_status runtime_copy_within(Stream *, void *to, const void *from, size_t bytes, vss_error *err)
{
    VSSG_TRY(host_call("copy within", VSS_ERR_DEVICE, err));
    std::memcpy(to, from, bytes);
    return VSS_OK;
}

vss_status runtime_clear(Stream *, void *memory, size_t bytes, vss_error *err)
{
    VSSG_TRY(host_call("clear", VSS_ERR_DEVICE, err));
    std::memset(memory, 0, bytes);
    return VSS_OK;
}

static float host_product(const uint16_t *row, const uint16_t *query, uint32_t dim, uint32_t first)
{
    float sum = 0;
    for (uint32_t i = 0; i < dim; i++) {
        const uint32_t at = (first + i) % dim;
        sum += float_of_bf16(row[at]) * float_of_bf16(query[at]);
    }
    return sum;
}

vss_status runtime_multiply(Stream *, const Product &p, vss_error *err)
{
    VSSG_TRY(host_call("multiply", VSS_ERR_DEVICE, err));
    const uint32_t first = host_order() * 5 % p.dim;
    for (uint64_t q = 0; q < p.n_queries; q++)
        for (uint64_t r = 0; r < p.n_rows; r++)
            p.out[q * p.out_stride + r] =
                host_product(p.rows + r * p.row_stride, p.queries + q * p.query_stride, p.dim, first);
    return VSS_OK;
}

vss_status runtime_launched(Stream *, const char *kernel, vss_error *err)
{
    return host_call(kernel, VSS_ERR_DEVICE, err);
}

vss_status runtime_mark(Stream *stream, unsigned event, vss_error *err)
{
    using namespace std::chrono;
    stream->marks[event] = duration<double>(steady_clock::now().time_since_epoch()).count();
    return host_call("mark", VSS_ERR_DEVICE, err);
}

vss_status runtime_wait(Stream *, unsigned, vss_error *err) { return host_call("wait", VSS_ERR_DEVICE, err); }

vss_status runtime_elapsed(Stream *stream, unsigned from, unsigned to, double *seconds, vss_error *err)
{
    *seconds = stream->marks[to] - stream->marks[from];
    return host_call("elapsed", VSS_ERR_DEVICE, err);
}

vss_status runtime_finish(Stream *, vss_error *err) { return host_call("finish", VSS_ERR_DEVICE, err); }

} // namespace vssg

extern "C" uint64_t vssg_host_fail(uint64_t nth)
{
    vssg::host_fail_at = nth;
    return vssg::host_calls.exchange(0);
}

extern "C" void vssg_host_memory(size_t bytes) { vssg::host_size = bytes; }
extern "C" size_t vssg_host_used(void) { return vssg::host_used; }
extern "C" void vssg_host_order(uint32_t order) { vssg::host_order_now = order; }
