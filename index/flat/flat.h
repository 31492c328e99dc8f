/*
 * flat.h - the index type that keeps nothing beside the vectors; its search is declared in index_ops.h
 */
#ifndef VSSI_FLAT_H
#define VSSI_FLAT_H

#include "../index_ops.h"

extern const vssi_index_ops vssi_flat_ops;

#endif
