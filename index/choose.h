/*
 * choose.h - what an index of rows of a shape would take, and which one to build
 */
#ifndef VSSI_CHOOSE_H
#define VSSI_CHOOSE_H

#include "index_ops.h"
#include "vss/index.h"

/* Of a type with parameters as text, for rows in segments of at most `segment` rows: bytes of all of them, memory of
 * the largest build. INVALID: the parameters; UNSUPPORTED: the type can't tell. */
vss_status vssi_index_estimate(const vssi_index_ops *ops, const char *params, const vssi_vectors *shape, uint64_t rows,
                               uint64_t segment, size_t threads, vssi_cost *cost, vss_error *err);

/* The first of the choices for the shape whose bytes are within the budget (0: any). */
vss_status vssi_index_choose(const vssi_vectors *shape, uint64_t rows, uint64_t segment, size_t threads,
                             uint64_t budget, vss_index_choice *choice, vss_error *err);

#endif
