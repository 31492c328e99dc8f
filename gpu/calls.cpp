/*
 * calls.cpp - what a running call works with: a stream, scratch memory on the card, pinned memory of the host
 *
 * Taken from the idle ones, or made; MOST_CALLS at most, so that many threads do not take the card's memory for
 * scratch. Scratch and pinned memory only grow.
 */
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "fail.h"
#include "state.h"

namespace vssg {

/* An idle call, or leave to make one: then *out is NULL. */
static vss_status calls_wait(Device *device, int (*stopped)(void *), void *state, Call **out, vss_error *err)
{
    std::unique_lock<std::mutex> lock(device->mutex);
    while (device->idle == nullptr && device->calls >= MOST_CALLS) {
        if (stopped != nullptr && stopped(state))
            return fail(err, VSS_ERR_CANCELLED, "cancelled while waiting for the card");
        (void)device->changed.wait_for(lock, std::chrono::milliseconds(10));
    }
    *out = device->idle;
    if (*out != nullptr)
        device->idle = (*out)->next;
    else
        device->calls++;
    return VSS_OK;
}

static void calls_fewer(Device *device)
{
    const std::lock_guard<std::mutex> lock(device->mutex);
    device->calls--;
    device->changed.notify_all();
}

static vss_status calls_make(Device *device, Call **out, vss_error *err)
{
    Call *call = static_cast<Call *>(std::calloc(1, sizeof *call));
    if (call == nullptr)
        return fail(err, VSS_ERR_NO_MEMORY, "out of memory for a call");
    const vss_status status = runtime_stream_open(&call->stream, err);
    if (status != VSS_OK) {
        std::free(call);
        return status;
    }
    const std::lock_guard<std::mutex> lock(device->mutex);
    device->used += runtime_stream_bytes();
    *out = call;
    return VSS_OK;
}

vss_status call_take(Device *device, int (*stopped)(void *), void *state, Call **out, vss_error *err)
{
    *out = nullptr;
    VSSG_TRY(calls_wait(device, stopped, state, out, err));
    if (*out != nullptr)
        return VSS_OK;
    const vss_status status = calls_make(device, out, err);
    if (status != VSS_OK)
        calls_fewer(device);
    return status;
}

void call_give(Device *device, Call *call)
{
    const std::lock_guard<std::mutex> lock(device->mutex);
    call->next = device->idle;
    device->idle = call;
    device->changed.notify_all();
}

vss_status call_scratch(Device *device, Call *call, size_t bytes, vss_error *err)
{
    if (bytes <= call->scratch_bytes)
        return VSS_OK;
    memory_give(device, call->scratch, call->scratch_bytes);
    call->scratch = nullptr;
    call->scratch_bytes = 0;
    VSSG_TRY(memory_take(device, bytes, "scratch memory", &call->scratch, err));
    call->scratch_bytes = bytes;
    return VSS_OK;
}

vss_status call_pinned(Call *call, size_t bytes, vss_error *err)
{
    if (bytes <= call->pinned_bytes)
        return VSS_OK;
    runtime_unpin(call->pinned);
    call->pinned = nullptr;
    call->pinned_bytes = 0;
    VSSG_TRY(runtime_pin(bytes, &call->pinned, err));
    call->pinned_bytes = bytes;
    return VSS_OK;
}

vss_status call_staging(Call *call, vss_error *err)
{
    return call->staging != nullptr ? VSS_OK : runtime_pin(2 * STAGING_BYTES, &call->staging, err);
}

vss_status call_send(Call *call, void *to, const void *from, size_t bytes, vss_error *err)
{
    unsigned piece = 0;
    VSSG_TRY(call_staging(call, err));
    for (size_t at = 0; at < bytes; piece++) {
        const size_t n = bytes - at < STAGING_BYTES ? bytes - at : STAGING_BYTES;
        char *staging = static_cast<char *>(call->staging) + piece % 2 * STAGING_BYTES;
        if (piece >= 2)
            VSSG_TRY(runtime_wait(call->stream, piece % 2, err));
        std::memcpy(staging, static_cast<const char *>(from) + at, n);
        VSSG_TRY(runtime_copy_up(call->stream, static_cast<char *>(to) + at, staging, n, err));
        VSSG_TRY(runtime_mark(call->stream, piece % 2, err));
        at += n;
    }
    return VSS_OK;
}

vss_status call_fetch(Call *call, void *to, const void *from, size_t bytes, vss_error *err)
{
    VSSG_TRY(call_staging(call, err));
    for (size_t at = 0; at < bytes;) {
        const size_t n = bytes - at < STAGING_BYTES ? bytes - at : STAGING_BYTES;
        VSSG_TRY(runtime_copy_down(call->stream, call->staging, static_cast<const char *>(from) + at, n, err));
        VSSG_TRY(runtime_finish(call->stream, err));
        std::memcpy(static_cast<char *>(to) + at, call->staging, n);
        at += n;
    }
    return VSS_OK;
}

void call_close(Device *device, Call *call)
{
    memory_give(device, call->scratch, call->scratch_bytes);
    runtime_unpin(call->pinned);
    runtime_unpin(call->staging);
    runtime_stream_close(call->stream);
    std::free(call);
}

} // namespace vssg
