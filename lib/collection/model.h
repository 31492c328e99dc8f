/*
 * model.h - what an index type trained (vssi_index_ops.train), as an object that many segments' indexes are built by
 *
 * A model is named by the definition of its index in the manifest. Indexes keep what they need of it, so that only
 * builds read it.
 */
#ifndef VSSI_MODEL_H
#define VSSI_MODEL_H

#include "index_object.h"

typedef struct vssi_model {
    vssi_heap *heap;
    vssi_object *object; /* where the blocks lie; NULL: they are memory of the heap, or there are none */
    vssi_image image;
} vssi_model;

/* A stored model that stays open from build to build. Its user guards it. */
typedef struct vssi_kept_model {
    vssi_model model;
    char *name;                /* its object's, which no other ever has; NULL: none is kept */
    const vssi_index_ops *ops; /* what it was opened for */
    uint32_t field;            /* the same, by id */
} vssi_kept_model;

/* Open one that is stored: every block is verified. CORRUPT: it is no model of that type and field. On failure *out is
 * empty. */
vss_status vssi_model_open(vssi_heap *heap, const vss_storage *storage, const char *prefix, const vssi_object_ref *ref,
                           const vssi_index_ops *ops, const vssi_field *field, vssi_model *out, vss_error *err);
/* The same through what is kept: opened and verified when it is another one than before. The image is good until the
 * next call. */
vss_status vssi_model_keep(vssi_kept_model *kept, vssi_heap *heap, const vss_storage *storage, const char *prefix,
                           const vssi_object_ref *ref, const vssi_index_ops *ops, const vssi_field *field,
                           const vssi_image **image, vss_error *err);
void vssi_model_forget(vssi_kept_model *kept);
/* Train one on the build's vectors. */
vss_status vssi_model_train(const vssi_index_ops *ops, const vssi_build *build, vssi_model *out, vss_error *err);
void vssi_model_close(vssi_model *model);

/* Has it the shape that a field and the parameters of a type ask for, and are its numbers such that builds may use
 * them? *fits; CORRUPT. */
vss_status vssi_model_fits(const vssi_model *model, const vssi_index_ops *ops, const char *params,
                           const vssi_field *field, bool *fits, vss_error *err);

#endif
