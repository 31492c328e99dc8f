/*
 * manifest.h - one committed version of a collection: names every object, holds schema, index definitions, counters
 *
 * Version N is the object "m/<N as 20 digits>"; who creates it has committed. Never changed. Its last 8 bytes are
 * the hash of all before. Feature masks: unknown refuse bits: NEWER_FORMAT; unknown read-only bits: readable, not
 * writable; unknown ignore bits: nothing.
 */
#ifndef VSSI_MANIFEST_H
#define VSSI_MANIFEST_H

#include "object.h"
#include "schema.h"

#define VSSI_MANIFEST_MAX 67108864u /* bytes */

/* A sealed segment and what belongs to it. */
typedef struct vssi_manifest_index {
    uint32_t field; /* id */
    vssi_object_ref object;
} vssi_manifest_index;

typedef struct vssi_manifest_segment {
    uint64_t rows;
    uint64_t deleted;
    vssi_object_ref object;
    vssi_object_ref deletes;      /* name NULL: none */
    size_t n_indexes;
    vssi_manifest_index *indexes;
} vssi_manifest_segment;

typedef struct vssi_manifest_definition { /* of an index */
    uint32_t field; /* id */
    char *type;
    char *params;
    vssi_object_ref model; /* what segments' indexes are built by from now on; name NULL: nothing yet, or ever */
} vssi_manifest_definition;

typedef struct vssi_manifest_pair { /* the user's key-value map */
    char *key;
    char *value;
} vssi_manifest_pair;

typedef struct vssi_manifest {
    vssi_heap *heap;
    uint64_t version;        /* from 1 */
    uint64_t refuse_mask, read_only_mask, ignore_mask; /* but for the bits that follow from what is below */
    bool read_only;          /* decoded with an unknown read-only bit */
    bool dropped;            /* the collection is gone; nothing else counts */
    uint64_t sequence;
    int64_t next_auto_key;
    uint32_t next_field_id;
    uint64_t log_first;      /* number of the first log that may hold batches after the sequence; from 1 */
    vssi_schema *schema;     /* NULL when dropped */
    bool owns_schema;
    size_t n_segments;
    vssi_manifest_segment *segments;
    size_t n_definitions;
    vssi_manifest_definition *definitions;
    size_t n_pairs;
    vssi_manifest_pair *pairs;
} vssi_manifest;

/* Write version manifest->version. EXISTS: another writer was first. */
vss_status vssi_manifest_commit(const vssi_manifest *manifest, const vss_storage *storage, const char *prefix,
                                vss_error *err);
/* The newest version number, 0 when there is none. */
vss_status vssi_manifest_newest(const vss_storage *storage, const char *prefix, uint64_t *version, vss_error *err);
vss_status vssi_manifest_read(vssi_heap *heap, const vss_storage *storage, const char *prefix, uint64_t version,
                              vssi_manifest **out, uint64_t *size, vss_error *err);
/* Decode bytes that nobody vouches for. name is for messages. */
vss_status vssi_manifest_decode(vssi_heap *heap, const char *name, const void *data, size_t size, vssi_manifest **out,
                                vss_error *err);
vss_status vssi_manifest_encode(const vssi_manifest *manifest, vssi_heap *heap, uint8_t **data, size_t *size,
                                vss_error *err);
/* A deep copy, but for the schema: the copy borrows it (owns_schema false) and must not outlive the original's
 * owner. */
vss_status vssi_manifest_clone(const vssi_manifest *manifest, vssi_manifest **out, vss_error *err);
void vssi_manifest_free(vssi_manifest *manifest);
/* Give the definition of a field another model; without a definition nothing happens. */
vss_status vssi_manifest_set_model(vssi_manifest *manifest, uint32_t field, const vssi_object_ref *model,
                                   vss_error *err);
/* Forget segment i and what belongs to it; those behind it move up. */
void vssi_manifest_drop_segment(vssi_manifest *manifest, size_t i);
/* "m/00000000000000000042"; out[32]. */
void vssi_manifest_name(uint64_t version, char *out);
/* The other way, of what follows "m/": 20 digits and nothing else; 0: no manifest's name. */
uint64_t vssi_manifest_number(const char *name);

vss_status vssi_object_ref_copy(vssi_heap *heap, const vssi_object_ref *from, vssi_object_ref *to, vss_error *err);
void vssi_object_ref_free(vssi_heap *heap, vssi_object_ref *ref);

#endif
