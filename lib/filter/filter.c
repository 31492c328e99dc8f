/*
 * filter.c - compile and free
 *
 * Compiling is linear in the text. A compiled filter is never written again, so that threads may share it without a
 * lock.
 */
#include "filter_stages.h"

static vss_status filter_compile(vssi_filter_job *job, vssi_filter *filter)
{
    vssi_filter_tree *tree;
    vssi_filter_plan *root;
    if (job->size > VSSI_FILTER_TEXT_MAX)
        return vssi_fail(job->err, VSS_ERR_INVALID, "filter: the text has %zu bytes, at most %u are allowed", job->size,
                         VSSI_FILTER_TEXT_MAX);
    VSSI_TRY(vssi_filter_parse(job, &tree));
    VSSI_TRY(vssi_filter_check(job, tree, &root));
    filter->root = root;
    return VSS_OK;
}

vss_status vssi_filter_compile(vssi_heap *heap, const vssi_schema *schema, const char *text, vssi_filter **out,
                               vss_error *err)
{
    vssi_filter *filter;
    *out = NULL;
    VSSI_TRY(vssi_alloc_zero(heap, 1, sizeof *filter, &filter, err));
    filter->heap = heap;
    vssi_filter_arena_init(&filter->arena, heap);
    vssi_filter_job job = {
        .schema = schema, .text = text, .size = strlen(text), .keep = &filter->arena, .err = err};
    vssi_filter_arena_init(&job.scratch, heap);
    vss_status status = filter_compile(&job, filter);
    vssi_filter_arena_free(&job.scratch);
    if (status != VSS_OK) {
        vssi_filter_free(filter);
        return status;
    }
    *out = filter;
    return VSS_OK;
}

void vssi_filter_free(vssi_filter *filter)
{
    if (filter == NULL)
        return;
    vssi_filter_arena_free(&filter->arena);
    vssi_free(filter->heap, filter);
}
