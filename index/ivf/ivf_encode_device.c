/*
 * ivf_encode_device.c - residuals to a device (vss/device.h), their codes back
 *
 * A device gives the bytes that the CPU would: nothing here depends on which of them has coded a row. What it answers
 * is looked at before it is stored. Cost: residuals copied to the device and codes back, a call for some MB.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/fail.h"
#include "../codec/rotate.h"
#include "../device/device.h"
#include "ivf.h"

#define ASK_WORK ((uint64_t)1 << 18) /* components of all rows from which the way to a device pays */

static bool ask_pays(const ivf_build *b)
{
    return vssi_device_useful(b->in->device) && (uint64_t)b->header.rows * b->header.width >= ASK_WORK;
}

/* Are codes below their bound. */
static vss_status ask_codes(const ivf_build *b, const ivf_residuals *r, size_t size, unsigned most, vss_error *err)
{
    for (size_t i = 0; i < r->n; i++)
        for (size_t j = 0; j < size; j++)
            if (r->codes[i * size + j] >= most)
                return vssi_fail(err, VSS_ERR_DEVICE, "device \"%s\": row %u has code %u, of %u",
                                 b->in->device->device->name, b->rows[r->positions[i]], r->codes[i * size + j], most);
    return VSS_OK;
}

static bool ask_finite(const vssi_rabitq_row *f)
{
    return isfinite(f->add) && isfinite(f->mul) && isfinite(f->more_add) && isfinite(f->more_mul);
}

/* Factors that are no numbers are right where the CPU finds none either: of rows too far for float32 to square. */
static vss_status ask_factors(const ivf_build *b, const ivf_coder *coder, const ivf_residuals *r, vss_error *err)
{
    for (size_t i = 0; i < r->n; i++) {
        const vssi_rabitq_row said = r->factors[i];
        if (ask_finite(&said))
            continue;
        memcpy(r->spare, r->residuals + i * coder->width, coder->width * sizeof *r->spare);
        coder->code(b, coder, r, i);
        memcpy(r->residuals + i * coder->width, r->spare, coder->width * sizeof *r->spare);
        if (ask_finite(&r->factors[i]))
            return vssi_fail(err, VSS_ERR_DEVICE, "device \"%s\": row %u has factors %g, %g, %g and %g",
                             b->in->device->device->name, b->rows[r->positions[i]], (double)said.add,
                             (double)said.mul, (double)said.more_add, (double)said.more_mul);
    }
    return VSS_OK;
}

static vss_status ask_signs(const ivf_build *b, const ivf_coder *coder, const ivf_residuals *r, vss_error *err)
{
    const vss_device *device = b->in->device->device;
    const unsigned bits = b->header.bits;
    const vss_device_signs asked = {
        .struct_size = sizeof asked, .width = (uint32_t)coder->width, .bits = bits,
        .n_tries = bits > 1 ? VSSI_RABITQ_TRIES : 0, .step = vssi_rabitq_step(bits), .tries = vssi_rabitq_tries,
        .signs = coder->signs, .n_centers = r->n_centers, .n = r->n, .centers = r->centers, .residuals = r->residuals,
        .where = r->where, .codes = r->codes, .factors = &r->factors->add, .state = b->in->control,
        .stopped = vssi_device_stopped};
    _Static_assert(sizeof *r->factors == 4 * sizeof(float) && VSSI_ROTATE_ROUNDS == 4, "as vss_device_signs has them");
    VSSI_TRY(device->signs(device->state, &asked, err));
    VSSI_TRY(ask_codes(b, r, coder->width, 1u << bits, err));
    return ask_factors(b, coder, r, err);
}

ivf_ask vssi_ivf_ask_signs(const ivf_build *b)
{
    return ask_pays(b) && b->in->device->device->signs != NULL ? ask_signs : NULL;
}

static vss_status ask_words(const ivf_build *b, const ivf_coder *coder, const ivf_residuals *r, vss_error *err)
{
    const vss_device *device = b->in->device->device;
    const uint32_t words = (uint32_t)vssi_pq_words(&coder->pq);
    const vss_device_words asked = {
        .struct_size = sizeof asked, .width = coder->pq.width, .n_runs = coder->pq.subs, .n_words = words,
        .words = coder->pq.words, .n = r->n, .residuals = r->residuals, .codes = r->codes, .state = b->in->control,
        .stopped = vssi_device_stopped};
    VSSI_TRY(device->words(device->state, coder->place, &asked, err));
    return ask_codes(b, r, coder->pq.subs, words, err);
}

ivf_ask vssi_ivf_ask_words(const ivf_build *b)
{
    return ask_pays(b) && b->in->device->device->words != NULL ? ask_words : NULL;
}

void vssi_ivf_forget_words(const ivf_build *b, void *place)
{
    if (place != NULL)
        b->in->device->device->forget(b->in->device->device->state, place);
}
