/*
 * outliers.h - the few rows that would make a grid coarse for all the others
 */
#ifndef VSSI_OUTLIERS_H
#define VSSI_OUTLIERS_H

#include "../index_ops.h"

#define VSSI_OUTLIERS_SHARE 1024u /* one row in so many, at most */

/* Set their bits in leave, [rows / 64 rounded up] words that are 0; returns in *n how many there are. Same input, same
 * rows, on any number of threads. NO_MEMORY, BUDGET. */
vss_status vssi_outliers_find(const vssi_build *build, uint64_t *leave, size_t *n, vss_error *err);

#endif
