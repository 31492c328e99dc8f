/*
 * ivf_source.c - rows that were coded before, by the same model: their lists and codes are taken over
 *
 * Merging segments, or sealing growing ones, thus neither trains nor codes: it copies list by list, and the bytes are
 * those that coding would give. Sources of another model are passed over. What a source says is hostile: a row that it
 * names twice counts once, a row that it does not name is coded anew, lists and blocks are bounded by its opening.
 * Cost: a pass over the row numbers of the sources; 4 bytes a row, and for a while 4 more of the largest source.
 */
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/fail.h"
#include "ivf.h"

static bool source_serves(const ivf_build *b, const vssi_source *s)
{
    ivf_header h = ((const ivf_index *)s->index)->header;
    if (h.rows != s->rows)
        return false;
    h.rows = b->header.rows;
    return memcmp(&h, &b->header, sizeof h) == 0; /* it has no padding */
}

/* place[r]: which of the live rows a source's row is, or IVF_FRESH. Returns how many there are. */
static size_t source_places(const vssi_source *s, uint32_t *place)
{
    size_t live = 0;
    for (size_t r = 0; r < s->rows; r++)
        place[r] = s->deleted && vssi_bitmap_get(s->deleted, r) ? IVF_FRESH : (uint32_t)live++;
    return live;
}

static void source_take(ivf_build *b, const vssi_source *s, const uint32_t *place)
{
    const ivf_index *index = s->index;
    for (size_t c = 0; c < b->header.lists; c++) {
        for (size_t at = index->lists[c]; at < index->lists[c + 1]; at++) {
            uint32_t row = index->rows[at];
            if (row >= s->rows || place[row] == IVF_FRESH)
                continue;
            b->where[s->first + place[row]] = (uint32_t)c;
            b->origin[s->first + place[row]] = (uint32_t)at;
        }
    }
}

vss_status vssi_ivf_sources(ivf_build *b, vss_error *err)
{
    vssi_heap *heap = b->in->heap;
    const size_t rows = b->header.rows;
    size_t most = 0;
    uint32_t *place;
    for (size_t i = 0; i < b->in->n_sources; i++)
        if (source_serves(b, &b->in->sources[i]) && b->in->sources[i].rows > most)
            most = b->in->sources[i].rows;
    if (most == 0)
        return VSS_OK;
    VSSI_TRY(vssi_alloc(heap, rows, sizeof *b->origin, &b->origin, err));
    memset(b->origin, 0xff, rows * sizeof *b->origin);
    VSSI_TRY(vssi_alloc(heap, most, sizeof *place, &place, err));
    for (size_t i = 0; i < b->in->n_sources; i++) {
        const vssi_source *s = &b->in->sources[i];
        if (source_serves(b, s) && s->first <= rows && source_places(s, place) <= rows - s->first)
            source_take(b, s, place);
    }
    vssi_free(heap, place);
    return VSS_OK;
}

const ivf_index *vssi_ivf_source(const ivf_build *b, uint32_t row, size_t *position)
{
    if (b->origin == NULL || b->origin[row] == IVF_FRESH)
        return NULL;
    size_t low = 0, high = b->in->n_sources;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (b->in->sources[middle].first <= row)
            low = middle;
        else
            high = middle;
    }
    *position = b->origin[row];
    return b->in->sources[low].index;
}

void vssi_ivf_source_copy(const ivf_index *from, size_t position, size_t list, uint8_t *block, size_t slot,
                          uint8_t *codes)
{
    const size_t subs = ivf_block_subs(&from->header), at = position - from->lists[list];
    const size_t old = at % VSSI_SCAN4_ROWS, factors = from->header.kind == IVF_RABITQ ? 2 : 1;
    const uint8_t *source = from->codes + (from->blocks[list] + at / VSSI_SCAN4_ROWS) * from->code_size;
    for (size_t j = 0; j < subs; j++)
        codes[j] = vssi_scan4_get(source, old, j);
    vssi_scan4_set(block, subs, slot, codes);
    for (size_t f = 0; f < factors; f++)
        memcpy(block + 16 * subs + (f * VSSI_SCAN4_ROWS + slot) * sizeof(float),
               source + 16 * subs + (f * VSSI_SCAN4_ROWS + old) * sizeof(float), sizeof(float));
}
