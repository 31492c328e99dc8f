/*
 * probes.cpp - which inverted lists each query of a search names, as the card wants to know it
 *
 * Lists without rows are left out. Cost: a few instructions a list of each query. A query that names more rows than all
 * lists have names one of them twice.
 */
#include "probes.h"

#include "fail.h"

namespace vssg {

static uint32_t probes_length(const vss_device_lists *lists, uint32_t list)
{
    return lists->begins[list + 1] - lists->begins[list];
}

static vss_status probes_query(const vss_device_search *search, size_t q, ProbeSizes *sizes, vss_error *err)
{
    const vss_device_lists *lists = search->lists;
    const uint64_t begin = search->probe_begins[q], end = search->probe_begins[q + 1];
    uint64_t rows = 0, parts = 0;
    if (end < begin)
        return fail(err, VSS_ERR_INVALID, "the lists of query %zu begin at %llu and end at %llu", q,
                    static_cast<unsigned long long>(begin), static_cast<unsigned long long>(end));
    for (uint64_t p = begin; p < end && rows <= lists->begins[lists->n_lists]; p++) {
        if (search->probes[p] >= lists->n_lists)
            return fail(err, VSS_ERR_INVALID, "query %zu names list %u of %u", q, search->probes[p], lists->n_lists);
        const uint32_t length = probes_length(lists, search->probes[p]);
        rows += length;
        parts += length > 0;
    }
    if (rows > lists->begins[lists->n_lists])
        return fail(err, VSS_ERR_INVALID, "query %zu names a list twice", q);
    sizes->parts = static_cast<uint32_t>(parts);
    sizes->rows = static_cast<uint32_t>(rows);
    return VSS_OK;
}

vss_status probes_measure(const vss_device_search *search, ProbeSizes *most, vss_error *err)
{
    *most = ProbeSizes{};
    most->held = search->lists->begins[search->lists->n_lists] * sizeof(uint32_t);
    for (size_t q = 0; q < search->n_queries; q++) {
        ProbeSizes sizes{};
        VSSG_TRY(probes_query(search, q, &sizes, err));
        most->parts = sizes.parts > most->parts ? sizes.parts : most->parts;
        most->rows = sizes.rows > most->rows ? sizes.rows : most->rows;
    }
    return VSS_OK;
}

size_t probes_write(const vss_device_search *search, const uint32_t *indices, uint32_t n, Share *shares, Part *parts)
{
    size_t written = 0;
    for (uint32_t i = 0; i < n; i++) {
        const size_t q = indices[i], first = written;
        uint32_t rows = 0;
        for (uint64_t p = search->probe_begins[q]; p < search->probe_begins[q + 1]; p++) {
            const uint32_t list = search->probes[p], length = probes_length(search->lists, list);
            if (length > 0)
                parts[written++] = Part{rows, search->lists->begins[list]};
            rows += length;
        }
        shares[i] = Share{first, static_cast<uint32_t>(written - first), rows};
    }
    return written;
}

} // namespace vssg
