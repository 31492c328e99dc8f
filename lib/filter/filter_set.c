/*
 * filter_set.c - the literals of a list, to be looked up row by row
 *
 * Entries are sorted by a 64-bit code, and a table of buckets by the code's upper bits says where to begin. Equal codes
 * of texts are told apart by their bytes. Building is linear (radix sort) and a look-up at worst a binary search, for
 * any integers at all, and for texts as far as XXH3-64 tells them apart.
 */
#include "../base/checked.h"
#include "../base/hash.h"
#include "filter_stages.h"

/* splitmix64's finish: a bijection, so that equal codes are equal keys. */
uint64_t vssi_filter_code_key(int64_t key)
{
    uint64_t z = (uint64_t)key + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t vssi_filter_code_text(vssi_filter_text text) { return vssi_hash(text.data, text.size, 0); }

/* By code, least digit first; the result is in a again. */
static void filter_set_sort(vssi_filter_entry *a, vssi_filter_entry *b, size_t n)
{
    for (unsigned digit = 0; digit < 64; digit += 8) {
        size_t at[257] = {0};
        for (size_t i = 0; i < n; i++)
            at[((a[i].code >> digit) & 255) + 1]++;
        for (size_t i = 0; i < 256; i++)
            at[i + 1] += at[i];
        for (size_t i = 0; i < n; i++)
            b[at[(a[i].code >> digit) & 255]++] = a[i];
        vssi_filter_entry *swap = a;
        a = b;
        b = swap;
    }
}

static bool filter_set_same(vssi_filter_text a, vssi_filter_text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Equal entries lie in one run of a code; runs of different texts are as rare as collisions of the hash. */
static size_t filter_set_unique(vssi_filter_entry *entries, size_t n)
{
    size_t kept = 0, run = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && entries[kept - 1].code != entries[i].code)
            run = kept;
        size_t k = run;
        while (k < kept && !filter_set_same(entries[k].text, entries[i].text))
            k++;
        if (k == kept)
            entries[kept++] = entries[i];
    }
    return kept;
}

vss_status vssi_filter_set_build(vssi_filter_job *job, vssi_filter_entry *entries, size_t n, vssi_filter_set **out)
{
    vssi_filter_set *set;
    vssi_filter_entry *spare;
    VSSI_TRY(vssi_filter_arena_alloc(job->keep, 1, sizeof *set, &set, job->err));
    VSSI_TRY(vssi_filter_arena_alloc(&job->scratch, n, sizeof *spare, &spare, job->err));
    filter_set_sort(entries, spare, n);
    set->entries = entries;
    set->n = filter_set_unique(entries, n);
    unsigned bits = 1;
    while (((size_t)1 << bits) < set->n)
        bits++;
    set->shift = 64 - bits;
    size_t buckets = (size_t)1 << bits;
    VSSI_TRY(vssi_filter_arena_alloc(job->keep, buckets + 1, sizeof *set->starts, &set->starts, job->err));
    for (size_t i = 0; i < set->n; i++)
        set->starts[(entries[i].code >> set->shift) + 1]++;
    for (size_t i = 0; i < buckets; i++)
        set->starts[i + 1] += set->starts[i];
    *out = set;
    return VSS_OK;
}

/* The first entry of a bucket whose code is not below `code`. */
static size_t filter_set_lower(const vssi_filter_set *set, uint64_t code, size_t *end)
{
    size_t bucket = (size_t)(code >> set->shift);
    size_t lo = set->starts[bucket], hi = set->starts[bucket + 1];
    *end = hi;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (set->entries[mid].code < code)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

size_t vssi_filter_set_key(const vssi_filter_set *set, int64_t key)
{
    uint64_t code = vssi_filter_code_key(key);
    size_t end, i = filter_set_lower(set, code, &end);
    return i < end && set->entries[i].code == code ? i : SIZE_MAX;
}

size_t vssi_filter_set_text(const vssi_filter_set *set, vssi_filter_text text)
{
    uint64_t code = vssi_filter_code_text(text);
    size_t end;
    for (size_t i = filter_set_lower(set, code, &end); i < end && set->entries[i].code == code; i++)
        if (filter_set_same(set->entries[i].text, text))
            return i;
    return SIZE_MAX;
}
