/*
 * ivf.c - the inverted lists: names, parameters and functions of the types
 */
#include "ivf.h"

#define IVF_NLIST                                                                                                     \
    {                                                                                                                 \
        "nlist", NULL, 0, IVF_MAX_LISTS, 0, false, "lists; 0: four times the root of the rows"                        \
    }
#define IVF_NPROBE                                                                                                    \
    {                                                                                                                 \
        "nprobe", NULL, 0, IVF_MAX_LISTS, 0, true, "lists a search reads; 0: the root of all"                         \
    }
#define IVF_SPREAD                                                                                                    \
    {                                                                                                                 \
        "spread", NULL, 0, 100000, 0, true,                                                                           \
            "of nprobe, lists whose centers lie so many percent farther than the nearest (in squared distance) are "  \
            "left out; 0: none is"                                                                                    \
    }
#define IVF_RERANK                                                                                                    \
    {                                                                                                                 \
        "rerank", NULL, 0, 65536, 0, true, "rows found by codes that are scored by the vectors; 0: 2 k + 20"          \
    }
#define IVF_REFINE                                                                                                    \
    {                                                                                                                 \
        VSSI_PARAM_REFINE, NULL, 0, 1, 1, true, "0: distances are what the codes say, and no vector is read"           \
    }

static const vssi_param ivf_flat_params[] = {
    [IVF_PARAM_NLIST] = IVF_NLIST,
    [IVF_PARAM_NPROBE] = IVF_NPROBE,
    [IVF_PARAM_SPREAD] = IVF_SPREAD,
};

static const vssi_param ivf_codes_params[] = {
    [IVF_PARAM_NLIST] = IVF_NLIST,
    [IVF_PARAM_NPROBE] = IVF_NPROBE,
    [IVF_PARAM_SPREAD] = IVF_SPREAD,
    [IVF_PARAM_RERANK] = IVF_RERANK,
    [IVF_PARAM_REFINE] = IVF_REFINE,
    [IVF_PARAM_BITS] = {"bits", "rbq_bits", 1, VSSI_RABITQ_BITS, 4, false,
                        "bits a component: the first ranks all rows of a list, the others the best of them"},
};

static const char *const ivf_code_bits[] = {"4", "8"};

static const vssi_param ivf_pq_params[] = {
    [IVF_PARAM_NLIST] = IVF_NLIST,
    [IVF_PARAM_NPROBE] = IVF_NPROBE,
    [IVF_PARAM_SPREAD] = IVF_SPREAD,
    [IVF_PARAM_RERANK] = IVF_RERANK,
    [IVF_PARAM_REFINE] = IVF_REFINE,
    [IVF_PARAM_M] = {"m", NULL, 0, 32769, 0, false, "codes a row; 0: one for 2 components, of 8 bits for 4"},
    [IVF_PARAM_NBITS] = {"nbits", NULL, 0, 1, 0, false, "bits a code: 4 or 8", ivf_code_bits},
};

/* The type's own build and open. */
#define IVF_TYPE(type, kind_)                                                                                         \
    static vss_status type##_build(const vssi_build *build, vssi_image *image, vss_error *err)                        \
    {                                                                                                                 \
        return vssi_ivf_build(build, kind_, image, err);                                                              \
    }                                                                                                                 \
    static vss_status type##_train(const vssi_build *build, vssi_image *model, vss_error *err)                        \
    {                                                                                                                 \
        return vssi_ivf_train(build, kind_, model, err);                                                              \
    }                                                                                                                 \
    static vss_status type##_suits(const vssi_build *build, bool *suits, vss_error *err)                              \
    {                                                                                                                 \
        return vssi_ivf_suits(build, kind_, suits, err);                                                              \
    }                                                                                                                 \
    static void type##_estimate(const vssi_build *build, vssi_cost *cost) { vssi_ivf_estimate(build, kind_, cost); } \
    static vss_status type##_open(vssi_heap *heap, const vssi_block *blocks, size_t n_blocks,                         \
                                  const vssi_vectors *vectors, void **index, vss_error *err)                          \
    {                                                                                                                 \
        return vssi_ivf_open(heap, kind_, blocks, n_blocks, vectors, index, err);                                     \
    }
IVF_TYPE(ivf_flat, IVF_FLAT)
IVF_TYPE(ivf_sq8, IVF_SQ8)
IVF_TYPE(ivf_rabitq, IVF_RABITQ)
IVF_TYPE(ivf_pq, IVF_PQ)

static bool ivf_device(const vss_device *device) { return device->nearest != NULL; }

#define IVF_OPS(type, name_, params_, n_params_)                                                                      \
    {                                                                                                                 \
        .name = name_, .format = IVF_FORMAT, .filters = true, .device = ivf_device, .params = params_,               \
        .n_params = n_params_,                                                                                        \
        .build = type##_build, .train = type##_train, .suits = type##_suits,                                          \
        .estimate = type##_estimate,                                                                                 \
        .open = type##_open, .search = vssi_ivf_search, .search_batch = vssi_ivf_search_batch,                        \
        .probe = vssi_ivf_probe,                                                                                      \
        .validate = vssi_ivf_validate, .free = vssi_ivf_free                                                          \
    }

const vssi_index_ops vssi_ivf_flat_ops = IVF_OPS(ivf_flat, "ivf_flat", ivf_flat_params, IVF_PARAM_RERANK);
const vssi_index_ops vssi_ivf_sq8_ops = IVF_OPS(ivf_sq8, "ivf_sq8", ivf_codes_params, IVF_PARAM_OWN);
const vssi_index_ops vssi_ivf_rabitq_ops = IVF_OPS(ivf_rabitq, "ivf_rabitq", ivf_codes_params, IVF_PARAM_OWN + 1);
const vssi_index_ops vssi_ivf_pq_ops = IVF_OPS(ivf_pq, "ivf_pq", ivf_pq_params, IVF_PARAM_NBITS + 1);
