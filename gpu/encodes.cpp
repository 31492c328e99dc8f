/*
 * encodes.cpp - the coding of residuals as libvss asks for it (vss/device.h): what is taken, on which call it runs
 */
#include "fail.h"
#include "state.h"
#include "turn.h"

namespace vssg {

/* run(call) works on a call of the card. */
template <class Run>
static vss_status encodes_on_call(Device *device, int (*stopped)(void *), void *state, const Run &run, vss_error *err)
{
    Call *call;
    int before;
    VSSG_TRY(runtime_enter(device->card.number, &before, err));
    vss_status status = call_take(device, stopped, state, &call, err);
    if (status == VSS_OK) {
        status = run(call);
        call_give(device, call);
    }
    runtime_leave(before);
    return status;
}

static vss_status encodes_signs_taken(const vss_device_signs *asked, vss_error *err)
{
    if (asked->width == 0 || asked->width % 16 != 0 || asked->width > 32784)
        return fail(err, VSS_ERR_UNSUPPORTED, "residuals of %u components, wanted a multiple of 16 to 32784",
                    asked->width);
    if (asked->bits == 0 || asked->bits > 8 || asked->n_tries > TURN_TRIES)
        return fail(err, VSS_ERR_UNSUPPORTED, "codes of %u bits and %u tries, wanted 1 to 8 and up to %u", asked->bits,
                    asked->n_tries, TURN_TRIES);
    if (asked->n == 0 || asked->n > 0xffffffffu || asked->n_centers == 0 || asked->n_centers > 0xffffffffu)
        return fail(err, VSS_ERR_UNSUPPORTED, "%zu residuals of %zu centers, wanted 1 to 2^32 - 1", asked->n,
                    asked->n_centers);
    for (size_t i = 0; i < asked->n; i++)
        if (asked->where[i] >= asked->n_centers)
            return fail(err, VSS_ERR_INVALID, "residual %zu is of center %u of %zu", i, asked->where[i],
                        asked->n_centers);
    return VSS_OK;
}

vss_status encodes_signs(void *state, const vss_device_signs *asked, vss_error *err)
{
    Device *device = static_cast<Device *>(state);
    VSSG_TRY(encodes_signs_taken(asked, err));
    const auto run = [&](Call *call) { return encode_signs_run(device, call, asked, err); };
    return encodes_on_call(device, asked->stopped, asked->state, run, err);
}

} // namespace vssg
