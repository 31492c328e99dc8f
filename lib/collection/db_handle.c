/*
 * db_handle.c - a database's handle for those who hold on to it, and its log hook
 */
#include "db.h"

#include <stdarg.h>
#include <stdio.h>

void vssi_db_log(const vss_db *db, vss_log_level level, const char *format, ...)
{
    if (db->log == NULL)
        return;
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    db->log(db->log_state, level, line);
}

void vssi_db_ref(vss_db *db) { atomic_fetch_add(&db->refs, 1); }

void vssi_db_unref(vss_db *db)
{
    if (atomic_fetch_sub(&db->refs, 1) != 1)
        return;
    vssi_heap own = {.hook = db->heap.hook};
    vssi_mutex_destroy(&db->mutex);
    vssi_free(&db->heap, db->path);
    vssi_free(&own, db);
}
