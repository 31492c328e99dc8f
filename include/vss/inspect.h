/*
 * vss/inspect.h - what is in one stored file
 */
#ifndef VSS_INSPECT_H
#define VSS_INSPECT_H

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One thing that a file says. Texts are borrowed for the call. */
typedef struct vss_inspect_value {
    uint32_t struct_size;
    const char *group; /* "file"; "block" of a segment, an index or deletes; "field", "segment", "reference",
                          "definition" of a manifest; "batch" of a log */
    uint64_t number;   /* which one of its group, from 0 */
    const char *name;  /* "kind", "rows", "hash", ...: the same ones, in the same order, for all of a group */
    const char *text;
    int is_number;     /* text is a whole number */
} vss_inspect_value;

/* A non-zero result ends the call, which still returns VSS_OK. */
typedef int (*vss_inspect_fn)(void *state, const vss_inspect_value *value);

/* Tell what a manifest, segment, index, record of deletes or log holds, from its bytes alone: header, directory,
 * counts, and of each block whether its hash is right ("ok" or "damaged"). The hash of an object's directory is in the
 * manifest ("tail_hash" of a "reference") and told under the same name. A log's torn end is told, too. name: for the
 * error's line. The bytes may be anything. CORRUPT: no file of libvss, or damaged; what could be read was told all the
 * same. NEWER_FORMAT, INVALID, NO_MEMORY. Cost: one pass over the bytes; memory for an aligned copy where data is not
 * 64-byte aligned. */
VSS_API vss_status vss_file_inspect(const char *name, const void *data, size_t size, vss_inspect_fn fn, void *state,
                                    vss_error *err);

#ifdef __cplusplus
}
#endif
#endif
