/*
 * object_pick.c - read a few rows of a large mapped block without the rest of it coming along
 *
 * Two things make a process hold nearly all of a file of which it reads a row here and there. With each page that is
 * missing the system maps the 16 around it that it has at hand (or 512 as one huge page, which it is told not to);
 * those nobody picked are let go. Once half of such a window was picked, it stays whole. And a chunk of 256 KiB is
 * hashed before its first row counts; its windows are let go afterwards, whole: chunks end within windows, and what
 * came along of the next chunk would stay. A chunk that a scan has verified before is left as it is. Where the system
 * maps more at once (Linux from 6.18 on, with a file cached in large pieces), more stays.
 *
 * Cost: a look at a bit a page; the first time, a read and two system calls. A bit for every page of the view is
 * kept. Two threads that meet in a window may leave pages mapped, or bring a page in twice: nothing else. No locks.
 */
#include <assert.h>

#include "object_private.h"

#define PICK_WINDOW 16u /* pages: the system's default */

typedef struct pick_map {
    const vssi_object *object;
    _Atomic uint64_t *pages; /* bits of the pages, then, of every 64 pages, whether a chunk begins there that was hashed
                              * for a row of it */
    uint64_t n_pages;        /* of the view; the last one may be cut short */
} pick_map;

/* Words of bits. */
static uint64_t pick_words(uint64_t bits) { return bits / 64 + 1; }

static bool pick_get(const _Atomic uint64_t *bits, uint64_t i)
{
    return (atomic_load_explicit(&bits[i / 64], memory_order_relaxed) >> (i % 64) & 1) != 0;
}

static void pick_set(_Atomic uint64_t *bits, uint64_t i)
{
    atomic_fetch_or_explicit(&bits[i / 64], (uint64_t)1 << (i % 64), memory_order_relaxed);
}

static bool pick_known(const pick_map *map, uint64_t page) { return pick_get(map->pages, page); }
static void pick_mark(const pick_map *map, uint64_t page) { pick_set(map->pages, page); }

/* The bits of chunks, and a chunk's by its first page: two of different blocks may share one, and then the pages of one
 * that was scanned are let go too. */
static _Atomic uint64_t *pick_chunks(const pick_map *map) { return map->pages + pick_words(map->n_pages); }
static uint64_t pick_chunk(uint64_t first) { return first / (VSSI_CHUNK_SIZE / VSSI_PAGE); }

/* The marks of an object. False: there is no memory for them. The loser of a race frees its own. */
static bool pick_begin(vssi_object *o, pick_map *map)
{
    *map = (pick_map){o, atomic_load_explicit(&o->pages, memory_order_acquire),
                      o->view.size / VSSI_PAGE + (o->view.size % VSSI_PAGE != 0)};
    if (map->pages != NULL)
        return true;
    vss_error ignored;
    _Atomic uint64_t *fresh;
    uint64_t words = pick_words(map->n_pages) + pick_words(pick_chunk(map->n_pages));
    if (vssi_alloc_zero(o->heap, (size_t)words, sizeof *fresh, &fresh, &ignored) != VSS_OK)
        return false;
    if (atomic_compare_exchange_strong_explicit(&o->pages, &map->pages, fresh, memory_order_acq_rel,
                                                memory_order_acquire)) {
        map->pages = fresh;
        vssi_view_small(o->storage, &o->view);
    } else {
        vssi_free(o->heap, (const void *)fresh);
    }
    return true;
}

/* Let go of pages [first, end) but for those that are marked. */
static void pick_rest(const pick_map *map, uint64_t first, uint64_t end)
{
    while (first < end) {
        uint64_t last = first;
        while (last < end && !pick_known(map, last))
            last++;
        if (last > first)
            vssi_view_rest(map->object->storage, &map->object->view, first * VSSI_PAGE, (last - first) * VSSI_PAGE);
        first = last + 1;
    }
}

/* The windows that hold pages [*first, *end), as far as they are in the view. */
static void pick_windows(const pick_map *map, uint64_t *first, uint64_t *end)
{
    const uint64_t before = (uintptr_t)map->object->view.data / VSSI_PAGE % PICK_WINDOW; /* pages of the first one */
    const uint64_t low = (before + *first) / PICK_WINDOW * PICK_WINDOW;
    const uint64_t high = ((before + *end - 1) / PICK_WINDOW + 1) * PICK_WINDOW - before;
    *first = low < before ? 0 : low - before;
    *end = high < map->n_pages ? high : map->n_pages;
}

/* Bring a page in, alone. */
static void pick_page(const pick_map *map, uint64_t page)
{
    const uint8_t *data = map->object->view.data;
    uint64_t first = page, end = page + 1, known = 0;
    pick_windows(map, &first, &end);
    pick_mark(map, page);
    (void)*(const volatile uint8_t *)(data + page * VSSI_PAGE);
    for (uint64_t i = first; i < end; i++)
        known += pick_known(map, i);
    if (2 * known <= end - first) {
        pick_rest(map, first, end);
        return;
    }
    for (uint64_t i = first; i < end; i++)
        pick_mark(map, i);
}

/* Verify chunk c. False: others did, who read it whole, so that its pages may stay; or it is damaged. */
static bool pick_verify(const pick_map *map, vssi_object *o, size_t entry, uint64_t c)
{
    vss_error ignored;
    const vssi_object_entry *e = &o->entries[entry];
    const uint64_t at = c * VSSI_CHUNK_SIZE, left = e->size - at;
    const uint64_t size = left < VSSI_CHUNK_SIZE ? left : VSSI_CHUNK_SIZE;
    uint64_t first = (e->offset + at) / VSSI_PAGE, end = (e->offset + at + size - 1) / VSSI_PAGE + 1;
    if (!vssi_object_chunk_known(o, entry, c)) {
        if (vssi_object_verify(o, entry, at, size, &ignored) != VSS_OK)
            return false;
        pick_set(pick_chunks(map), pick_chunk(first));
        pick_windows(map, &first, &end);
        pick_rest(map, first, end);
        return true;
    }
    if (pick_get(pick_chunks(map), pick_chunk(first)))
        return true;
    for (uint64_t i = first; i < end; i++)
        pick_mark(map, i);
    return false;
}

void vssi_object_pick(vssi_object *object, size_t entry, uint64_t offset, uint64_t size)
{
    const vssi_object_entry *e = &object->entries[entry];
    pick_map map;
    assert(e->hashed_by != 0 && offset <= e->size && size <= e->size - offset);
    if (size == 0 || !object->view.mapped || !vssi_storage_is_posix(object->storage) || !pick_begin(object, &map))
        return;
    const uint64_t last = (e->offset + offset + size - 1) / VSSI_PAGE;
    uint64_t page = (e->offset + offset) / VSSI_PAGE;
    while (page <= last && pick_known(&map, page))
        page++;
    if (page > last)
        return;
    for (uint64_t c = offset / VSSI_CHUNK_SIZE; c <= (offset + size - 1) / VSSI_CHUNK_SIZE; c++)
        if (!pick_verify(&map, object, entry, c))
            return;
    for (; page <= last; page++)
        if (!pick_known(&map, page))
            pick_page(&map, page);
}
