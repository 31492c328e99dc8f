/*
 * seal_job.h - one commit in the making: the next manifest, the next snapshot, and the objects written so far
 *
 * Nothing of it is visible until seal_commit; a job that is dropped removes the objects it wrote.
 */
#ifndef VSSI_SEAL_JOB_H
#define VSSI_SEAL_JOB_H

#include "collection.h"

typedef struct seal_job {
    vss_collection *col;
    const vssi_seal_options *options;
    vssi_manifest *manifest;
    vssi_snapshot *snapshot;
    size_t n_created;
    char **created; /* names below the collection */
    bool committed;
} seal_job;

/* The next version as a copy of the newest without the sealed segments marked in drop[n_sealed] (NULL: with all), and
 * room in the snapshot for n_new more parts, which vssi_seal_segment fills one after another. */
vss_status vssi_seal_begin(seal_job *job, vss_collection *col, const vssi_seal_options *options, const bool *drop,
                           size_t n_new, vss_error *err);
/* Write a memory segment, with the indexes that are defined, as the job's next part. */
vss_status vssi_seal_segment(seal_job *job, vssi_segment *rows, vss_error *err);
/* Build and store the index that a definition asks of a part, when it has rows enough; replaces the one it had. */
vss_status vssi_seal_index(seal_job *job, size_t part, const vssi_manifest_definition *definition, vss_error *err);
/* Store tombstones that the manifest does not have yet. */
vss_status vssi_seal_deletes(seal_job *job, vss_error *err);
/* A new name for an object of this version: "s/<version>-<random>.seg"; out[64]. Remembered, so that the object is
 * removed if the job is dropped. */
vss_status vssi_seal_name(seal_job *job, const char *folder, const char *suffix, char *out, vss_error *err);
/* Commit the manifest, then publish the snapshot. */
vss_status vssi_seal_commit(seal_job *job, vss_error *err);
void vssi_seal_end(seal_job *job);

#endif
