/*
 * plugin_build.c - vectors to a plug-in's bytes, and those to its index
 *
 * Cost: the plug-in's, and where vectors are not stored as float32 under l2 or ip, a pass that widens them.
 */
#include <string.h>

#include "../../lib/base/fail.h"
#include "../carrier.h"
#include "plugin.h"

/* Values as a plug-in takes them, and the texts among them. */
typedef struct plugin_values {
    vss_plugin_value values[VSS_PLUGIN_MAX_PARAMS];
    char *texts;
} plugin_values;

static vss_status plugin_values_make(const vss_index_plugin *plugin, vssi_heap *heap, const uint64_t *params,
                                     const char *text, plugin_values *out, vss_error *err)
{
    size_t room = 0;
    for (size_t i = 0; i < plugin->n_params; i++)
        room += plugin->params[i].text ? vssi_param_text_size(params[i]) + 1 : 0;
    VSSI_TRY(vssi_alloc(heap, room + 1, 1, &out->texts, err));
    char *to = out->texts;
    for (size_t i = 0; i < plugin->n_params; i++) {
        out->values[i] = (vss_plugin_value){params[i], ""};
        if (!plugin->params[i].text)
            continue;
        size_t size = vssi_param_text_size(params[i]);
        if (size > 0)
            memcpy(to, text + vssi_param_text_offset(params[i]), size);
        to[size] = '\0';
        out->values[i] = (vss_plugin_value){0, to};
        to += size + 1;
    }
    return VSS_OK;
}

static void plugin_read(void *state, uint64_t first, uint64_t n, float *out)
{
    const vssi_vectors *v = state;
    for (uint64_t i = 0; i < n; i++) {
        float *row = out + i * v->dim;
        vssi_simd_widen(v->kind, vssi_vectors_row(v, first + i), v->dim, row);
        for (uint32_t c = 0; v->metric == VSS_METRIC_COSINE && c < v->dim; c++)
            row[c] *= v->inverse_norms[first + i];
    }
}

static vss_status plugin_vectors(const vss_index_plugin *plugin, const vssi_vectors *v, vss_plugin_vectors *out,
                                 vss_error *err)
{
    if (v->type == VSS_TYPE_VECTOR_BINARY)
        return vssi_fail(err, VSS_ERR_UNSUPPORTED, "%s: no index of binary vectors", plugin->name);
    *out = (vss_plugin_vectors){.struct_size = sizeof *out, .dim = v->dim, .rows = v->rows,
                                .metric = v->metric == VSS_METRIC_L2 ? VSS_METRIC_L2 : VSS_METRIC_IP};
    return VSS_OK;
}

vss_status vssi_plugin_check(const vss_index_plugin *plugin, const vssi_vectors *shape, const uint64_t *params,
                             const char *text, vss_error *err)
{
    vss_plugin_vectors vectors;
    plugin_values values;
    VSSI_TRY(plugin_vectors(plugin, shape, &vectors, err));
    if (plugin->check == NULL)
        return VSS_OK;
    VSSI_TRY(plugin_values_make(plugin, vssi_heap_default(), params, text, &values, err));
    vss_error own;
    vss_status status = plugin->check(&vectors, values.values, err != NULL ? err : &own);
    vssi_free(vssi_heap_default(), values.texts);
    return status;
}

static vss_status plugin_allocate(void *state, size_t size, void **out, vss_error *err)
{
    const vssi_build *build = state;
    return vssi_alloc(build->heap, size, 1, out, err);
}

static void plugin_release(void *state, void *memory)
{
    const vssi_build *build = state;
    vssi_free(build->heap, memory);
}

static int plugin_stopped(void *state)
{
    const vssi_build *build = state;
    return vssi_control_stopped(build->control);
}

/* The call was ended: by whom. */
static vss_status plugin_ended(const vssi_build *build, vss_error *err)
{
    bool late = build->control != NULL && atomic_load(&build->control->stop) == VSS_ERR_DEADLINE;
    return late ? vssi_fail(err, VSS_ERR_DEADLINE, "the deadline passed while the index was built")
                : vssi_fail(err, VSS_ERR_CANCELLED, "the index build was cancelled");
}

vss_status vssi_plugin_build(const vss_index_plugin *plugin, const vssi_build *build, vssi_image *image,
                             vss_error *err)
{
    vss_plugin_vectors vectors;
    plugin_values values;
    void *bytes = NULL;
    size_t size = 0;
    vssi_build mine = *build;
    vssi_vectors rows = *build->vectors;
    *image = (vssi_image){0};
    VSSI_TRY(plugin_vectors(plugin, &rows, &vectors, err));
    vectors.floats = rows.type == VSS_TYPE_VECTOR_F32 && rows.metric != VSS_METRIC_COSINE ? rows.data : NULL;
    vectors.state = &rows;
    vectors.read = plugin_read;
    if (vssi_control_report(build->control, "index", 0, 1))
        return plugin_ended(build, err);
    VSSI_TRY(plugin_values_make(plugin, build->heap, build->params, build->text, &values, err));
    const vss_plugin_build asked = {.struct_size = sizeof asked, .threads = (uint32_t)build->threads,
                                    .vectors = &vectors, .params = values.values, .state = &mine,
                                    .allocate = plugin_allocate, .release = plugin_release, .stopped = plugin_stopped};
    vss_error own;
    vss_status status = plugin->build(&asked, &bytes, &size, err != NULL ? err : &own);
    vssi_free(build->heap, values.texts);
    if (status == VSS_ERR_CANCELLED || (status == VSS_OK && vssi_control_report(build->control, "index", 1, 1)))
        status = plugin_ended(build, err);
    if (status != VSS_OK) {
        vssi_free(build->heap, bytes);
        return status;
    }
    image->n_blocks = 1;
    image->blocks[0] = (vssi_block){.kind = VSSI_PLUGIN_BLOCK, .element = 1, .count = size, .data = bytes};
    return VSS_OK;
}

vss_status vssi_plugin_open(const vss_index_plugin *plugin, vssi_heap *heap, const vssi_block *blocks, size_t n_blocks,
                            const vssi_vectors *vectors, void **out, vss_error *err)
{
    vss_plugin_vectors shape;
    vssi_plugin_index *index;
    vss_error own;
    *out = NULL;
    VSSI_TRY(plugin_vectors(plugin, vectors, &shape, err));
    if (n_blocks != 1 || blocks[0].kind != VSSI_PLUGIN_BLOCK || blocks[0].element != 1)
        return vssi_fail(err, VSS_ERR_CORRUPT, "%s: %zu blocks, expected one", plugin->name, n_blocks);
    VSSI_TRY(vssi_alloc_zero(heap, 1, sizeof *index, &index, err));
    *index = (vssi_plugin_index){.heap = heap, .plugin = plugin};
    vss_status status = plugin->open(&shape, blocks[0].data, (size_t)blocks[0].count, &index->index,
                                     err != NULL ? err : &own);
    if (status != VSS_OK) {
        vssi_free(heap, index);
        return status;
    }
    *out = index;
    return VSS_OK;
}
