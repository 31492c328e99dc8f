/*
 * faiss_plugin.c - the index type "faiss": any index of FAISS by its factory string
 *
 * Trains and adds through FAISS' C API, on all rows of a segment in one call each, so that the index is the one FAISS
 * makes of these rows by itself; what is stored is FAISS' own serialisation (faiss_own.cpp). Cost: FAISS' own, and a
 * float32 copy of the rows where they are of another type or under cosine. Each call works with one OpenMP thread, a
 * build with as many as it was given; FAISS looks at nothing that could cancel it, so that is asked between training,
 * adding and writing only. FAISS' memory is not counted in the database's. Locks: none.
 */
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/index_factory_c.h>
#include <stdio.h>

#include "faiss_inside.h"

static const vss_plugin_param faiss_params[FAISS_PARAMS] = {
    [FAISS_PARAM_FACTORY] = {.name = "factory", .text = 1,
                             .help = "the index, as FAISS' index_factory takes it: IVF256,PQ16x4fs"},
    [FAISS_PARAM_NPROBE] = {.name = "nprobe", .max = 1048576, .search = 1,
                            .help = "lists a search reads; 0: as the index has it, which is 1"},
    [FAISS_PARAM_EF] = {.name = "ef", .alias = "efSearch", .max = 16384, .search = 1,
                        .help = "rows a search of a graph keeps in view; 0: as the index has it, which is 16"},
};

static vss_status faiss_failed(const char *what, vss_error *err)
{
    return vssf_fail_faiss(err, VSS_ERR_INVALID, what, faiss_get_last_error());
}

static vss_status faiss_make(const vss_plugin_vectors *vectors, const char *factory, FaissIndex **out, vss_error *err)
{
    char what[300];
    *out = NULL;
    vss_status status = vssf_factory_check(factory, err);
    if (status != VSS_OK)
        return status;
    (void)snprintf(what, sizeof what, "factory \"%s\"", factory);
    if (faiss_index_factory(out, (int)vectors->dim, factory,
                            vectors->metric == VSS_METRIC_L2 ? METRIC_L2 : METRIC_INNER_PRODUCT) != 0)
        return faiss_failed(what, err);
    vssf_quiet(*out);
    return VSS_OK;
}

static vss_status faiss_check(const vss_plugin_vectors *vectors, const vss_plugin_value *params, vss_error *err)
{
    FaissIndex *index;
    vss_status status = faiss_make(vectors, params[FAISS_PARAM_FACTORY].text, &index, err);
    if (index != NULL)
        faiss_Index_free(index);
    return status;
}

/* Train on the rows and add them. */
static vss_status faiss_fill(const vss_plugin_build *build, FaissIndex *index, const float *rows, vss_error *err)
{
    const idx_t n = (idx_t)build->vectors->rows;
    if (!faiss_Index_is_trained(index) && faiss_Index_train(index, n, rows) != 0)
        return faiss_failed("training", err);
    if (build->stopped(build->state))
        return VSS_ERR_CANCELLED;
    if (faiss_Index_add(index, n, rows) != 0)
        return faiss_failed("adding rows", err);
    return build->stopped(build->state) ? VSS_ERR_CANCELLED : VSS_OK;
}

static vss_status faiss_store(const vss_plugin_build *build, const FaissIndex *index, void **bytes, size_t *size,
                              vss_error *err)
{
    size_t again;
    vss_status status = vssf_write(index, NULL, 0, size, err);
    if (status == VSS_OK)
        status = build->allocate(build->state, *size, bytes, err);
    return status == VSS_OK ? vssf_write(index, *bytes, *size, &again, err) : status;
}

static vss_status faiss_work(const vss_plugin_build *build, const float *rows, void **bytes, size_t *size,
                             vss_error *err)
{
    FaissIndex *index;
    vss_status status = faiss_make(build->vectors, build->params[FAISS_PARAM_FACTORY].text, &index, err);
    if (status == VSS_OK)
        status = faiss_fill(build, index, rows, err);
    if (status == VSS_OK)
        status = faiss_store(build, index, bytes, size, err);
    if (index != NULL)
        faiss_Index_free(index);
    return status;
}

static vss_status faiss_build(const vss_plugin_build *build, void **bytes, size_t *size, vss_error *err)
{
    const vss_plugin_vectors *v = build->vectors;
    const int threads = omp_get_max_threads();
    void *copy = NULL;
    vss_status status = VSS_OK;
    if (v->floats == NULL) {
        status = build->allocate(build->state, v->rows * v->dim * sizeof(float), &copy, err);
        if (status == VSS_OK)
            v->read(v->state, 0, v->rows, copy);
    }
    omp_set_num_threads((int)build->threads);
    if (status == VSS_OK)
        status = faiss_work(build, v->floats != NULL ? v->floats : copy, bytes, size, err);
    omp_set_num_threads(threads);
    build->release(build->state, copy);
    return status;
}

static vss_status faiss_open(const vss_plugin_vectors *vectors, const void *bytes, size_t size, void **out,
                             vss_error *err)
{
    vssf_index *index = NULL;
    vss_status status = vssf_read(vectors, bytes, size, &index, err);
    *out = index;
    return status;
}

static vss_status faiss_search(const void *index, const vss_plugin_search *search, int64_t *rows, vss_error *err)
{
    const int threads = omp_get_max_threads();
    if (threads != 1)
        omp_set_num_threads(1);
    vss_status status = vssf_search(index, search, rows, err);
    if (threads != 1)
        omp_set_num_threads(threads);
    return status;
}

static void faiss_free(void *index) { vssf_free(index); }

static const vss_index_plugin faiss_type = {
    .struct_size = sizeof faiss_type,
    .abi = VSS_PLUGIN_ABI,
    .name = "faiss",
    .format = 1,
    .trusting = 1,
    .estimates = 1,
    .params = faiss_params,
    .n_params = FAISS_PARAMS,
    .check = faiss_check,
    .build = faiss_build,
    .open = faiss_open,
    .search = faiss_search,
    .free = faiss_free,
};

VSS_API vss_status vss_plugin_main(vss_status (*register_type)(const vss_index_plugin *plugin, vss_error *err),
                                   vss_error *err);

vss_status vss_plugin_main(vss_status (*register_type)(const vss_index_plugin *plugin, vss_error *err), vss_error *err)
{
    return register_type(&faiss_type, err);
}
