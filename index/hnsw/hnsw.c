/*
 * hnsw.c - the graph index: its name, parameters and functions
 */
#include "hnsw.h"

static const char *const hnsw_codes[] = {[HNSW_CODES_NONE] = "none", [HNSW_CODES_SQ8] = "sq8",
                                         [HNSW_CODES_F16] = "f16", [HNSW_CODES_SQ4] = "sq4",
                                         [HNSW_CODES_AUTO] = "auto"};

static const vssi_param hnsw_params[HNSW_PARAMS] = {
    [HNSW_PARAM_M] = {"m", "M", 2, 512, 24, false, "links a row: pruned to 2 m; memory is about 8 m bytes a row"},
    [HNSW_PARAM_EF_CONSTRUCTION] = {"ef_construction", "efConstruction", 8, 4096, 400, false,
                                    "care in building: 3 rounds for every 100, a candidate a leaf for every 25"},
    [HNSW_PARAM_EF] = {"ef", NULL, 1, 16384, 64, true, "rows a search keeps in view: more is slower and finds more"},
    [HNSW_PARAM_CODES] = {.name = "codes", .max = HNSW_CODES_AUTO, .default_value = HNSW_CODES_AUTO,
                          .names = hnsw_codes,
                          .help = "to walk on: sq8, a byte a component; f16, two; sq4, half a one; auto: for floats, "
                                  "sq8, or sq4 from 512 components on, where they are fine enough"},
    [HNSW_PARAM_RERANK] = {"rerank", NULL, 0, 16384, 0, true,
                           "rows found by codes that are scored by the vectors; 0: all that can matter"},
};

const vssi_index_ops vssi_hnsw_ops = {
    .name = "hnsw",
    .format = HNSW_FORMAT,
    .exact = false,
    .scattered = true,
    .device = vssi_hnsw_device_can,
    .params = hnsw_params,
    .n_params = HNSW_PARAMS,
    .build = vssi_hnsw_build_image,
    .estimate = vssi_hnsw_estimate,
    .open = vssi_hnsw_open,
    .search = vssi_hnsw_search,
    .walks = vssi_hnsw_walks,
    .validate = vssi_hnsw_validate,
    .free = vssi_hnsw_free,
};
