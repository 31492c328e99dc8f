/*
 * project_avx2.c - eight sums of four lanes in registers
 */
#define PROJECT_ROWS 4
#define PROJECT_LANES 4
#include "project_tile.h"

void vssi_project_avx2(const vssi_projection *p) { project_all(p); }
