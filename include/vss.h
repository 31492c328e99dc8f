/*
 * vss.h - libvss, an embeddable vector database: everything a program needs
 *
 *     vss_db *db;  vss_collection *col;  vss_result *hits;  vss_error err;
 *     vss_db_open("catalog", NULL, &db, &err);                     a directory, or "mem:"
 *     vss_collection_create(db, "packages", &schema, &col, &err);  a key, scalars, vectors with a metric
 *     vss_collection_insert(col, &batch, NULL, &err);              columns in, whole or not at all
 *     vss_collection_build_index(col, "embedding", "hnsw", "m=32", NULL, &err);
 *     vss_collection_search(col, &request, &hits, &err);           queries, k, filter, fields
 *
 * Rules that hold for every function:
 *   - The result is a vss_status: VSS_OK is 0, every failure is negative. Outputs are written on VSS_OK only;
 *     handle outputs are set to NULL on failure. A refused call has changed nothing.
 *   - The last parameter is a vss_error the caller owns, or NULL. It is written on failure only: one line.
 *   - Structs begin with struct_size = sizeof the struct. A field that is 0 or NULL means its default.
 *     VSS_INIT(type) gives such a struct: vss_search_request request = VSS_INIT(vss_search_request);
 *   - Text is UTF-8, ended by NUL. Pointers passed in are borrowed for the call and never kept.
 *   - Any number of threads may use one handle. Searches and reads run beside each other and beside one writer;
 *     writers of one collection take turns. A handle must not be closed while a call on it is running.
 *   - The library prints nothing, installs no signal handlers and never exits. A handle is refused after fork
 *     with VSS_ERR_FORKED.
 */
#ifndef VSS_H
#define VSS_H

#include "vss/allocator.h"
#include "vss/check.h"
#include "vss/collection.h"
#include "vss/db.h"
#include "vss/device.h"
#include "vss/error.h"
#include "vss/executor.h"
#include "vss/index.h"
#include "vss/inspect.h"
#include "vss/log.h"
#include "vss/plugin.h"
#include "vss/salvage.h"
#include "vss/scan.h"
#include "vss/schema.h"
#include "vss/search.h"
#include "vss/storage.h"
#include "vss/types.h"

#endif
