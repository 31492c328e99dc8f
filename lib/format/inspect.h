/*
 * inspect.h - what a stored file says, told value by value
 */
#ifndef VSSI_INSPECT_H
#define VSSI_INSPECT_H

#include "../storage/storage.h"
#include "vss/inspect.h"

typedef struct inspect_run {
    vssi_heap *heap;
    const char *name;
    const uint8_t *data;
    size_t size;
    vss_storage storage; /* shows the bytes under every name */
    vss_inspect_fn fn;
    void *state;
    bool ended;
} inspect_run;

/* inspect_tell.c: tell one value. */
void vssi_inspect_text(inspect_run *run, const char *group, uint64_t number, const char *name, const char *text);
void vssi_inspect_count(inspect_run *run, const char *group, uint64_t number, const char *name, uint64_t value);
void vssi_inspect_hash(inspect_run *run, const char *group, uint64_t number, const char *name, uint64_t value);

/* inspect_object.c, inspect_manifest.c, inspect_log.c */
vss_status vssi_inspect_object(inspect_run *run, vss_error *err);
vss_status vssi_inspect_manifest(inspect_run *run, vss_error *err);
vss_status vssi_inspect_log(inspect_run *run, vss_error *err);

vss_status vssi_file_inspect(const char *name, const void *data, size_t size, vss_inspect_fn fn, void *state,
                             vss_error *err);

#endif
