/*
 * memory.cpp - the card's memory within its budget
 */
#include "fail.h"
#include "state.h"

namespace vssg {

/* Under the mutex: drop the rows that were unused longest, else the scratch memory of an idle call. */
static bool memory_drop_one(Device *device)
{
    Place *oldest = nullptr;
    for (Place *place = device->places; place != nullptr; place = place->next)
        if (place->state == Place::READY && place->users == 0 && (oldest == nullptr || place->used < oldest->used))
            oldest = place;
    if (oldest != nullptr) {
        place_drop(device, oldest);
        return true;
    }
    for (Call *call = device->idle; call != nullptr; call = call->next) {
        if (call->scratch == nullptr)
            continue;
        runtime_free(call->scratch);
        device->used -= call->scratch_bytes;
        call->scratch = nullptr;
        call->scratch_bytes = 0;
        return true;
    }
    return false;
}

static vss_status memory_reserve(Device *device, size_t bytes, const char *what, vss_error *err)
{
    const std::lock_guard<std::mutex> lock(device->mutex);
    while (bytes > device->budget || device->used > device->budget - bytes)
        if (bytes > device->budget || !memory_drop_one(device))
            return fail(err, VSS_ERR_BUDGET, "%s: %zu bytes of the card's memory wanted, %zu of %zu are in use", what,
                        bytes, device->used, device->budget);
    device->used += bytes;
    return VSS_OK;
}

static bool memory_drop(Device *device)
{
    const std::lock_guard<std::mutex> lock(device->mutex);
    return memory_drop_one(device);
}

vss_status memory_take(Device *device, size_t bytes, const char *what, void **out, vss_error *err)
{
    *out = nullptr;
    VSSG_TRY(memory_reserve(device, bytes, what, err));
    vss_status status = runtime_allocate(bytes, out, err);
    /* Others may have taken of the card what the budget counts as free. */
    while (status == VSS_ERR_NO_MEMORY && memory_drop(device))
        status = runtime_allocate(bytes, out, err);
    if (status == VSS_OK)
        return VSS_OK;
    const std::lock_guard<std::mutex> lock(device->mutex);
    device->used -= bytes;
    return status;
}

void memory_give(Device *device, void *memory, size_t bytes)
{
    if (memory == nullptr)
        return;
    runtime_free(memory);
    const std::lock_guard<std::mutex> lock(device->mutex);
    device->used -= bytes;
}

} // namespace vssg
