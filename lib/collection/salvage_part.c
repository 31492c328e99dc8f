/*
 * salvage_part.c - the parts of which a salvaged collection is made, and the lines about what is lost
 */
#include "salvage_run.h"

#include "../base/bitmap.h"

int vssi_salvage_line(void *state, const char *object, const char *line)
{
    salvage_run *run = state;
    run->report->errors++;
    if (run->fn != NULL && !run->ended)
        run->ended = run->fn(run->state, object, line) != 0;
    return run->ended;
}

bool vssi_salvage_stopped(salvage_run *run) { return run->ended || vssi_control_stopped(&run->control); }

vss_status vssi_salvage_add(salvage_run *run, vssi_segment *segment, uint64_t *gone, const char *object,
                            vss_error *err)
{
    vss_status status = VSS_OK;
    if (run->n_parts == run->room) {
        status = vssi_realloc(run->heap, run->room * 2 + 8, sizeof *run->parts, &run->parts, err);
        if (status == VSS_OK)
            run->room = run->room * 2 + 8;
    }
    if (status != VSS_OK) {
        vssi_segment_unref(segment);
        vssi_free(run->heap, gone);
        return status;
    }
    run->parts[run->n_parts++] = (salvage_part){segment, gone, object, false};
    return VSS_OK;
}

void vssi_salvage_forget(salvage_run *run, size_t n, const vssi_key *key)
{
    for (size_t p = 0; p < n; p++) {
        const size_t row = vssi_segment_find(run->parts[p].segment, key);
        if (row != SIZE_MAX)
            vssi_bitmap_set(run->parts[p].gone, row);
    }
}
