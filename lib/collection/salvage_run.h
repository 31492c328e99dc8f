/*
 * salvage_run.h - a salvage in the making: what was found so far of a damaged collection
 */
#ifndef VSSI_SALVAGE_RUN_H
#define VSSI_SALVAGE_RUN_H

#include "../format/segment_salvage.h"
#include "../format/wal.h"
#include "collection.h"
#include "vss/salvage.h"

/* Rows in a sealed segment, or of the log in memory. Later parts are newer. */
typedef struct salvage_part {
    vssi_segment *segment;
    uint64_t *gone; /* [rows] deleted, lost, or replaced in a later part */
    const char *object; /* it is in; NULL: a log's rows, in memory */
    bool unsure;    /* rows that were deleted may be among them */
} salvage_part;

typedef struct salvage_run {
    vss_db *from, *to;
    vssi_heap *heap;         /* to's */
    char prefix[80];         /* of the source */
    const char *name;        /* of the new collection */
    vssi_manifest *manifest; /* the newest that can be read */
    size_t n_parts, room;
    salvage_part *parts;
    uint64_t sequence;       /* of the newest batch found */
    vss_check_fn fn;
    void *state;
    bool ended;              /* fn asked for it */
    vssi_control control;
    vss_salvage_report *report;
} salvage_run;

static inline bool vssi_salvage_fatal(vss_status status)
{
    return status == VSS_ERR_NO_MEMORY || status == VSS_ERR_BUDGET;
}

/* One thing is lost; err's line says why. Of vssi_fault_fn's form. */
int vssi_salvage_line(void *run, const char *object, const char *line);
/* A part more; takes over segment and gone, also on failure. object: NULL for rows of a log. */
vss_status vssi_salvage_add(salvage_run *run, vssi_segment *segment, uint64_t *gone, const char *object,
                            vss_error *err);
/* The live rows with this key in parts [0, n) are gone. */
void vssi_salvage_forget(salvage_run *run, size_t n, const vssi_key *key);
bool vssi_salvage_stopped(salvage_run *run);

/* salvage_log.c: the batches of the logs, as parts and as rows that are gone. */
vss_status vssi_salvage_logs(salvage_run *run, vss_error *err);
/* salvage_write.c: the parts as a new collection. */
vss_status vssi_salvage_write(salvage_run *run, vss_error *err);

#endif
