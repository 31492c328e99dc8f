/*
 * seal_job.h - one commit in the making: what takes the place of which parts, and the objects written for it so far
 *
 * A job works on a base, a snapshot that does not change, while rows are written, deleted and searched. Nothing of it
 * is visible until vssi_seal_commit, which carries over what happened since; a job that is dropped removes the objects
 * it wrote.
 */
#ifndef VSSI_SEAL_JOB_H
#define VSSI_SEAL_JOB_H

#include "collection.h"
#include "model.h"

#define SEAL_KEPT SIZE_MAX       /* a part of the base stays */
#define SEAL_GONE (SIZE_MAX - 1) /* none of its rows is live */

/* Where the rows of a part that were live in the base are: row `first` and following of a new part. */
typedef struct seal_move {
    size_t to; /* SEAL_KEPT, SEAL_GONE or a piece */
    size_t first;
} seal_move;

/* A segment that was written, with its indexes. */
typedef struct seal_piece {
    vssi_manifest_segment entry;
    vssi_part part;
} seal_piece;

/* What a kept part has on a field from now on. opened NULL: no index. */
typedef struct seal_built {
    size_t part;
    size_t field;
    vssi_object_ref ref;
    vssi_segment_index *opened;
} seal_built;

/* The model of an index in a job: that of the manifest, opened at first use, or one made since. */
typedef struct seal_model {
    uint32_t field; /* id */
    bool fixed;     /* it is given, and serves whatever rows there are */
    vssi_model model;
    vssi_object_ref ref; /* of one made, which the commit names; name NULL: none is */
} seal_model;

typedef struct seal_job {
    vss_collection *col;
    const vssi_seal_options *options;
    bool flush;               /* the base is a whole snapshot, which the commit makes durable; else a committed one */
    vssi_snapshot *base;
    vssi_manifest *manifest;  /* a copy of the one of the base */
    int64_t next_auto_key;    /* of a flush: at the base's time */
    uint64_t log_first;       /* of a flush: the log of batches after the base */
    seal_move *moves;         /* [base->n_parts]; NULL: all are kept */
    size_t n_pieces;
    seal_piece *pieces;
    size_t n_built;
    seal_built *built;
    vssi_manifest_definition *definition; /* of an index, made or replaced by the commit; borrowed; NULL: none */
    size_t n_models;
    seal_model *models;
    size_t n_created;
    char **created; /* names below the collection */
    bool committed;
} seal_job;

/* A job on the newest snapshot, all of whose batches the commit covers: from now on new rows are kept apart from those
 * that it seals. *wanted false: the newest version has them all. Under seal_mutex. */
vss_status vssi_seal_begin_flush(seal_job *job, vss_collection *col, const vssi_seal_options *options, bool *wanted,
                                 vss_error *err);
/* A job on what is committed. Under job_mutex. */
vss_status vssi_seal_begin(seal_job *job, vss_collection *col, const vssi_seal_options *options, vss_error *err);
/* Look at what was committed since, too; what was kept before stays kept. Under job_mutex and seal_mutex. */
void vssi_seal_renew(seal_job *job);

/* The rows of one part go to `first` of the piece `to`, when it is one. */
vss_status vssi_seal_move(seal_job *job, size_t part, size_t to, size_t first, vss_error *err);
/* Write a memory segment, with the indexes that are defined, as the next piece. */
vss_status vssi_seal_segment(seal_job *job, vssi_segment *rows, vss_error *err);
/* Build and store the index that a definition asks of a kept part, when it has rows enough; it replaces the one it
 * had. */
vss_status vssi_seal_index(seal_job *job, size_t part, const vssi_manifest_definition *definition, vss_error *err);
/* A name for an object of the job: "i/<version>-<random>.idx"; out[64]. Its object is removed if the job is dropped. */
vss_status vssi_seal_name(seal_job *job, const char *folder, const char *suffix, char *out, vss_error *err);
/* Commit the manifest, then publish a snapshot. Under seal_mutex; takes write_mutex to carry over and for one put. */
vss_status vssi_seal_commit(seal_job *job, vss_error *err);
/* Whatever became of it. Under no lock but those it began with. */
void vssi_seal_end(seal_job *job);

/* ---- seal_model.c: models, and codes made by them, in the builds of a job ---- */

/* Give a build of a definition's index the model that suits its vectors: the job's, or one that is trained on them and
 * takes its place. Types that train nothing get none. */
vss_status vssi_seal_model(seal_job *job, const vssi_manifest_definition *definition, const vssi_index_ops *ops,
                           vssi_build *build, vss_error *err);
/* Begin with a copy of another collection's model, opened by the caller, whatever the rows are. */
vss_status vssi_seal_model_give(seal_job *job, const vssi_manifest_definition *definition, const vssi_index_ops *ops,
                                const vssi_model *model, vss_error *err);
/* Give a build of the next piece the indexes that its rows have in the base: sources [base->n_parts]. */
void vssi_seal_sources(const seal_job *job, size_t field, const vssi_index_ops *ops, vssi_source *sources,
                       vssi_build *build);
/* Name the models made in the next manifest. */
vss_status vssi_seal_models_name(const seal_job *job, vssi_manifest *m, vss_error *err);
void vssi_seal_models_free(seal_job *job);

/* ---- carry.c ---- */

/* The snapshot that the commit makes of `from`: of the base, or of one that came later. */
vss_status vssi_carry_snapshot(const seal_job *job, const vssi_snapshot *from, uint64_t version, vssi_snapshot **out,
                               vss_error *err);

#endif
