/*
 * encodes.cpp - the coding of residuals as libvss asks for it (vss/device.h): what is taken, on which call it runs
 */
#include <cstdio>

#include "fail.h"
#include "state.h"
#include "turn.h"
#include "words.h"

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

static vss_status encodes_words_taken(const vss_device_words *asked, vss_error *err)
{
    if (asked->width == 0 || asked->width > 32769 || asked->n_runs == 0 || asked->n_runs > asked->width)
        return fail(err, VSS_ERR_UNSUPPORTED, "residuals of %u components in %u runs, wanted 1 to 32769 in up to as "
                                              "many", asked->width, asked->n_runs);
    if (asked->n_words == 0 || asked->n_words % WORDS_WHOLE != 0 || asked->n_words > 256)
        return fail(err, VSS_ERR_UNSUPPORTED, "%u words a run, wanted a multiple of %u to 256", asked->n_words,
                    WORDS_WHOLE);
    if (asked->n == 0 || asked->n > 0xffffffffu)
        return fail(err, VSS_ERR_UNSUPPORTED, "%zu residuals, wanted 1 to 2^32 - 1", asked->n);
    return VSS_OK;
}

static size_t encodes_words_bytes(const vss_device_words *asked)
{
    return size_t{asked->width} * asked->n_words * sizeof(float);
}

static size_t encodes_words_shape(Place *place, const void *from, char (&what)[64])
{
    const vss_device_words *asked = static_cast<const vss_device_words *>(from);
    (void)std::snprintf(what, sizeof what, "%u codewords of %u components", asked->n_words, asked->width);
    place->words = nullptr;
    return encodes_words_bytes(asked);
}

static vss_status encodes_words_load(Device *, Call *call, Place *place, const void *from, vss_error *err)
{
    const vss_device_words *asked = static_cast<const vss_device_words *>(from);
    place->words = static_cast<const float *>(place->memory);
    return call_send(call, place->memory, asked->words, encodes_words_bytes(asked), err);
}

vss_status encodes_words(void *state, void **slot, const vss_device_words *asked, vss_error *err)
{
    Device *device = static_cast<Device *>(state);
    VSSG_TRY(encodes_words_taken(asked, err));
    const auto run = [&](Call *call) {
        Place *place;
        const PlaceFill fill{asked, encodes_words_shape, encodes_words_load};
        VSSG_TRY(place_hold(device, call, slot, fill, &place, err));
        const vss_status status = encode_words_run(device, call, place->words, asked, err);
        place_give(device, place);
        return status;
    };
    return encodes_on_call(device, asked->stopped, asked->state, run, err);
}

} // namespace vssg
