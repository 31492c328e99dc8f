/*
 * carrier.h - vectors in a space where nearness is l2 whatever the metric
 *
 *     l2, hamming  the vector (bits as 0 and 1)
 *     cosine       the vector divided by its norm
 *     ip           the vector and sqrt(M^2 - |v|^2), M the greatest norm: all are of one length then, and the nearest
 *                  by l2 has the greatest product. A query gets 0 there; its own length changes no order.
 *     jaccard      the 0-1 vector divided by its length: sets of about one size keep their order
 * float32, for indexes that propose rows and leave exactness to others. Cost: O(dim) a row.
 */
#ifndef VSSI_CARRIER_H
#define VSSI_CARRIER_H

#include "index_ops.h"

static inline uint32_t vssi_carrier_width(const vssi_vectors *v) { return v->dim + (v->metric == VSS_METRIC_IP); }

/* out [vssi_carrier_width] of a row. */
void vssi_carrier_row(const vssi_vectors *v, size_t row, float *out);
/* The same of a query. */
void vssi_carrier_probe(const vssi_vectors *v, const vssi_probe *probe, float *out);

#endif
