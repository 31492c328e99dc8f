/*
 * scratch.c - growing slots of memory that belong to one thread of one call
 *
 * A slot grows to the next power of two, so a call that asks for more each time pays for a copy only now and then.
 */
#include "scratch.h"

#include <assert.h>
#include <string.h>

#include "../lib/base/checked.h"
#include "../lib/base/fail.h"

#define SCRATCH_SMALLEST 1024u

void vssi_scratch_init(vssi_scratch *scratch, vssi_heap *heap) { *scratch = (vssi_scratch){.heap = heap}; }

void vssi_scratch_free(vssi_scratch *scratch)
{
    for (size_t i = 0; i < VSSI_SCRATCH_SLOTS; i++)
        vssi_free(scratch->heap, scratch->slot[i]);
    *scratch = (vssi_scratch){.heap = scratch->heap};
}

static vss_status scratch_grow(vssi_scratch *scratch, size_t slot, size_t wanted, vss_error *err)
{
    size_t size = SCRATCH_SMALLEST;
    while (size < wanted && vssi_mul(size, 2, &size))
        continue;
    size = vssi_max(size, wanted);
    VSSI_TRY(vssi_realloc(scratch->heap, size, 1, &scratch->slot[slot], err));
    memset((char *)scratch->slot[slot] + scratch->size[slot], 0, size - scratch->size[slot]);
    scratch->size[slot] = size;
    return VSS_OK;
}

vss_status vssi_scratch_get(vssi_scratch *scratch, size_t slot, size_t count, size_t size, void *out_pointer,
                            vss_error *err)
{
    assert(slot < VSSI_SCRATCH_SLOTS);
    void *none = NULL;
    memcpy(out_pointer, &none, sizeof none);
    size_t wanted;
    if (!vssi_mul(count, size, &wanted))
        return vssi_fail(err, VSS_ERR_NO_MEMORY, "out of memory (%zu elements of %zu bytes wanted)", count, size);
    if (wanted > scratch->size[slot] || !scratch->slot[slot])
        VSSI_TRY(scratch_grow(scratch, slot, wanted, err));
    memcpy(out_pointer, &scratch->slot[slot], sizeof(void *));
    return VSS_OK;
}
