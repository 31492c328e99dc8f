/*
 * choose.c - one ordered list of types for each kind of data: the first that fits the budget is taken
 *
 * What the lists follow from (docs/performance.md): up to some 8 million components a scan answers in about a
 * millisecond, exactly. Above, a graph is fastest for short vectors; from some 300 components on lists with codes of a
 * bit are. With less memory come fewer links, then fewer bits.
 */
#include "choose.h"

#include <stdio.h>
#include <string.h>

#include "../lib/base/checked.h"

#define CHOOSE_SCAN (UINT64_C(8) << 20) /* components */
#define CHOOSE_LONG 300u                /* components */

typedef struct choose_option {
    const char *type, *params, *why;
} choose_option;

static const choose_option choose_small[] = {
    {"flat", "codes=sq8", "few rows, that a scan of their codes answers exactly in about a millisecond"},
    {"flat", "codes=none", "few rows, that a scan answers exactly in about a millisecond"},
};
static const choose_option choose_short[] = {
    {"hnsw", "m=24", "a graph is fastest at this length of vectors"},
    {"hnsw", "m=12", "a graph is fastest at this length of vectors, fewer links fit the memory"},
    {"ivf_rabitq", "bits=4", "lists of codes of 4 bits a component are the fastest that fit the memory"},
    {"ivf_rabitq", "bits=2", "lists of codes of 2 bits a component are the fastest that fit the memory"},
    {"ivf_rabitq", "bits=1", "lists of codes of a bit a component are the fastest that fit the memory"},
};
static const choose_option choose_long[] = {
    {"ivf_rabitq", "bits=4", "lists whose codes begin with a bit a component are fastest at this length of vectors"},
    {"ivf_rabitq", "bits=2", "lists of codes of 2 bits a component fit the memory"},
    {"ivf_rabitq", "bits=1", "lists of codes of a bit a component fit the memory"},
};
static const choose_option choose_last[] = {
    {"flat", "codes=none", "nothing else fits the memory; every row is compared"},
};

vss_status vssi_index_estimate(const vssi_index_ops *ops, const char *params, const vssi_vectors *shape, uint64_t rows,
                               uint64_t segment, size_t threads, vssi_cost *cost, vss_error *err)
{
    uint64_t *values;
    vssi_vectors part = *shape;
    *cost = (vssi_cost){0, 0};
    if (ops->estimate == NULL)
        return vssi_fail(err, VSS_ERR_UNSUPPORTED, "%s can't tell beforehand what it takes", ops->name);
    VSSI_TRY(vssi_alloc(vssi_heap_default(), ops->n_params + 1, sizeof *values, &values, err));
    vss_status status = vssi_param_parse(ops->name, ops->params, ops->n_params, false, params, values, err);
    const vssi_build build = {.vectors = &part, .params = values, .threads = threads};
    for (uint64_t first = 0; status == VSS_OK && first < rows; first += part.rows) {
        vssi_cost one;
        part.rows = (size_t)(rows - first < segment ? rows - first : segment);
        ops->estimate(&build, &one);
        uint64_t alike = part.rows == segment ? (rows - first) / segment : 1;
        cost->bytes += alike * one.bytes;
        cost->build_bytes = one.build_bytes > cost->build_bytes ? one.build_bytes : cost->build_bytes;
        first += (alike - 1) * segment;
    }
    vssi_free(vssi_heap_default(), values);
    return status;
}

static void choose_write(const choose_option *option, const vssi_vectors *shape, uint64_t rows, const vssi_cost *cost,
                         vss_index_choice *choice)
{
    choice->index_bytes = cost->bytes;
    choice->build_bytes = cost->build_bytes;
    (void)snprintf(choice->type, sizeof choice->type, "%s", option->type);
    (void)snprintf(choice->params, sizeof choice->params, "%s", option->params);
    (void)snprintf(choice->reason, sizeof choice->reason, "%s %s for %llu rows of %s, %u components: %s", option->type,
                   option->params, (unsigned long long)rows, vss_type_name(shape->type), shape->dim, option->why);
}

/* Flat's codes are for floats only. */
static bool choose_can(const choose_option *option, const vssi_vectors *shape)
{
    return strcmp(option->params, "codes=sq8") != 0 || shape->type <= VSS_TYPE_VECTOR_BF16;
}

static vss_status choose_first(const choose_option *options, size_t n, const vssi_vectors *shape, uint64_t rows,
                               uint64_t segment, size_t threads, uint64_t budget, vss_index_choice *choice,
                               vss_error *err)
{
    for (size_t i = 0; i < n && choice->type[0] == '\0'; i++) {
        vssi_cost cost;
        if (!choose_can(&options[i], shape))
            continue;
        VSSI_TRY(vssi_index_estimate(vssi_index_type_find(options[i].type), options[i].params, shape, rows, segment,
                                     threads, &cost, err));
        if (budget == 0 || cost.bytes <= budget)
            choose_write(&options[i], shape, rows, &cost, choice);
    }
    return VSS_OK;
}

vss_status vssi_index_choose(const vssi_vectors *shape, uint64_t rows, uint64_t segment, size_t threads,
                             uint64_t budget, vss_index_choice *choice, vss_error *err)
{
    const choose_option *options = shape->dim >= CHOOSE_LONG ? choose_long : choose_short;
    size_t n = shape->dim >= CHOOSE_LONG ? sizeof choose_long / sizeof *options : sizeof choose_short / sizeof *options;
    *choice = (vss_index_choice){.struct_size = sizeof *choice};
    if (rows <= CHOOSE_SCAN / shape->dim) {
        options = choose_small;
        n = sizeof choose_small / sizeof *options;
    }
    VSSI_TRY(choose_first(options, n, shape, rows, segment, threads, budget, choice, err));
    return choose_first(choose_last, 1, shape, rows, segment, threads, 0, choice, err);
}
