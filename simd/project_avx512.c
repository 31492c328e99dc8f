/*
 * project_avx512.c - sixteen sums of eight lanes in registers
 */
#define PROJECT_ROWS 8
#define PROJECT_LANES 8
#include "project_tile.h"

void vssi_project_avx512(const vssi_projection *p) { project_all(p); }
