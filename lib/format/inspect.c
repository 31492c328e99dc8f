/*
 * inspect.c - which kind of file the bytes are, and the bytes as a storage for those who read that kind
 *
 * Cost: none but what the readers cost. No locks.
 */
#include "inspect.h"

#include <inttypes.h>
#include <string.h>

#include "../base/fail.h"
#include "manifest_private.h"
#include "object_private.h"
#include "wal_private.h"

/* ---- the bytes as a storage ---- */

static vss_status inspect_read(void *state, const char *name, uint64_t offset, void *buffer, size_t size,
                               vss_error *err)
{
    const inspect_run *run = state;
    (void)name;
    if (offset > run->size || size > run->size - offset)
        return vssi_fail(err, VSS_ERR_CORRUPT, "\"%s\" ends before byte %" PRIu64, run->name, offset + size);
    if (size > 0)
        memcpy(buffer, run->data + offset, size);
    return VSS_OK;
}

static vss_status inspect_size(void *state, const char *name, uint64_t *size, vss_error *err)
{
    const inspect_run *run = state;
    (void)name;
    (void)err;
    *size = run->size;
    return VSS_OK;
}

static vss_status inspect_map(void *state, const char *name, uint64_t size, const void **data, vss_error *err)
{
    const inspect_run *run = state;
    (void)name;
    (void)size; /* asked for by inspect_object.c: all of it */
    (void)err;
    *data = run->data;
    return VSS_OK;
}

static void inspect_unmap(void *state, const void *data, uint64_t size)
{
    (void)state;
    (void)data;
    (void)size;
}

static bool inspect_is(const inspect_run *run, const char *magic)
{
    return run->size >= 8 && memcmp(run->data, magic, 8) == 0;
}

vss_status vssi_file_inspect(const char *name, const void *data, size_t size, vss_inspect_fn fn, void *state,
                             vss_error *err)
{
    inspect_run run = {.heap = vssi_heap_default(), .name = name, .data = data, .size = size, .fn = fn, .state = state};
    run.storage = (vss_storage){.struct_size = sizeof run.storage, .state = &run, .read = inspect_read,
                                .size = inspect_size};
    if ((uintptr_t)data % VSSI_OBJECT_ALIGN == 0) {
        run.storage.map = inspect_map;
        run.storage.unmap = inspect_unmap;
    }
    if (inspect_is(&run, VSSI_MANIFEST_MAGIC))
        return vssi_inspect_manifest(&run, err);
    if (inspect_is(&run, VSSI_WAL_MAGIC))
        return vssi_inspect_log(&run, err);
    if (inspect_is(&run, VSSI_OBJECT_MAGIC) || size > VSSI_OBJECT_TRAILER) /* its header may be what is damaged */
        return vssi_inspect_object(&run, err);
    return vssi_fail(err, VSS_ERR_CORRUPT, "\"%s\": %zu bytes that are no manifest, segment, index, deletes or log",
                     name, size);
}
