/*
 * ivf_plan.c - the header of what a build will make, by rows and parameters; and what a build has made, given back
 */
#include <math.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "ivf.h"

/* nlist 0: about 4 sqrt(rows), so that centers and lists cost a search alike. */
static uint32_t plan_lists(const vssi_build *in)
{
    size_t lists = (size_t)in->params[IVF_PARAM_NLIST], rows = in->vectors->rows;
    if (lists == 0)
        lists = (size_t)(4 * sqrt((double)rows));
    return (uint32_t)vssi_max(1, vssi_min(vssi_min(lists, rows), IVF_MAX_LISTS));
}

vss_status vssi_ivf_plan(ivf_build *b, ivf_kind kind, vss_error *err)
{
    static const uint32_t code_bits[] = {4, 8}; /* by the number of the name */
    const uint64_t *params = b->in->params;
    const vssi_vectors *v = b->in->vectors;
    ivf_header *h = &b->header;
    uint32_t width = vssi_carrier_width(v);
    if (v->rows > IVF_MAX_ROWS)
        return vssi_fail(err, VSS_ERR_INVALID, "ivf: %zu rows, at most %u can be indexed", v->rows, IVF_MAX_ROWS);
    b->v = *v;
    *h = (ivf_header){.format = IVF_FORMAT, .kind = kind, .rows = (uint32_t)v->rows, .dim = v->dim,
                      .metric = (uint32_t)v->metric, .lists = plan_lists(b->in), .width = width,
                      .size = (uint32_t)vssi_round_up(width, 4),
                      .most = v->metric == VSS_METRIC_IP ? v->max_norm : 0};
    if (h->kind == IVF_RABITQ)
        h->bits = (uint32_t)params[IVF_PARAM_BITS];
    if (h->kind != IVF_PQ)
        return VSS_OK;
    h->bits = code_bits[params[IVF_PARAM_NBITS]];
    return vssi_ivf_pq_subs(params[IVF_PARAM_M], h->width, h->bits, &h->subs, err);
}

void vssi_ivf_build_free(ivf_build *b)
{
    const void *const made[] = {b->low, b->points, b->centers, b->panels, b->where, b->origin,
                                b->lists, b->rows, b->codes, b->more, b->words};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        vssi_free(b->in->heap, made[i]);
}
