/*
 * launch_walk.cpp - the kernel of walks, by what they compare
 *
 * Compiled twice, as launches.cpp is, and by itself, as it has many forms. The grid: a block a query, at most 4,096.
 */
#include "launches.h"

namespace vssg {

template <class Form>
static vss_status launches_walk(Stream *stream, const WalkJob &job, const Form &form, vss_error *err)
{
    return launch(stream, job.queries.n, 1, Walk<Form>{job.walks, form}, err);
}

template <Kind KIND, bool IP>
static vss_status launches_vectors(Stream *stream, const WalkJob &job, vss_error *err)
{
    WalkVectors<KIND, IP> form{};
    form.data = job.rows.data;
    form.queries = job.queries.data;
    form.stride = job.rows.stride;
    form.query_stride = job.queries.stride;
    form.map = job.walks.graph.map;
    form.lengths = job.rows.metric == VSS_METRIC_COSINE ? job.rows.lengths : nullptr;
    form.n = job.rows.n;
    form.jaccard = job.rows.metric == VSS_METRIC_JACCARD;
    return launches_walk(stream, job, form, err);
}

template <Kind KIND> static vss_status launches_metric(Stream *stream, const WalkJob &job, vss_error *err)
{
    if (job.rows.metric == VSS_METRIC_L2)
        return launches_vectors<KIND, false>(stream, job, err);
    return launches_vectors<KIND, true>(stream, job, err);
}

/* Codes of bytes are vectors of bytes under l2, at their own places. */
static vss_status launches_bytes(Stream *stream, const WalkJob &job, vss_error *err)
{
    const Graph &graph = job.walks.graph;
    WalkVectors<Kind::u8, false> form{};
    form.data = graph.codes;
    form.queries = job.codes;
    form.stride = graph.code_stride;
    form.query_stride = job.code_stride;
    form.n = graph.n;
    return launches_walk(stream, job, form, err);
}

static vss_status launches_nibbles(Stream *stream, const WalkJob &job, vss_error *err)
{
    const Graph &graph = job.walks.graph;
    return launches_walk(stream, job, WalkNibbles{graph.codes, job.codes, graph.code_stride, job.code_stride}, err);
}

vss_status launch_walk(Stream *stream, const WalkJob &job, vss_error *err)
{
    if (job.codes != nullptr && job.walks.graph.coding == VSS_DEVICE_CODING_BYTES)
        return launches_bytes(stream, job, err);
    if (job.codes != nullptr && job.walks.graph.coding == VSS_DEVICE_CODING_NIBBLES)
        return launches_nibbles(stream, job, err);
    switch (job.rows.kind) {
    case Kind::f32:
        return launches_metric<Kind::f32>(stream, job, err);
    case Kind::f16:
        return launches_metric<Kind::f16>(stream, job, err);
    case Kind::bf16:
        return launches_metric<Kind::bf16>(stream, job, err);
    case Kind::i8:
        return launches_metric<Kind::i8>(stream, job, err);
    case Kind::u8:
        return launches_metric<Kind::u8>(stream, job, err);
    default:
        return launches_vectors<Kind::bits, false>(stream, job, err);
    }
}

} // namespace vssg
