/*
 * check_run.h - what the files of a check share
 */
#ifndef VSSI_CHECK_RUN_H
#define VSSI_CHECK_RUN_H

#include "../format/wal.h"
#include "collection.h"

typedef struct check_run {
    vss_db *db;
    const char *name;
    vssi_heap heap;    /* the database's, by way of check.c */
    vss_error refused; /* the first allocation that failed; VSS_OK: none */
    vss_error failed;  /* the first answer of the storage that was neither bytes nor their absence; VSS_OK: none */
    char prefix[80];
    vss_check_fn fn;
    void *state;
    vss_check_report *report;
    uint64_t total;    /* bytes there are, for progress */
    vssi_control control;
    bool ended;        /* fn asked for it */
} check_run;

/* check_tell.c. A vss_check_fn that passes lines on; non-zero ends. */
int vssi_check_line(void *state, const char *object, const char *line);
/* Was memory refused? */
bool vssi_check_refused(const check_run *run);
void vssi_check_fault(check_run *run, const char *object, const char *line);
/* A call failed: a fault found, and where it is not the bytes' the check's own status. */
void vssi_check_error(check_run *run, const char *object, const vss_error *err);
void vssi_check_counted(check_run *run, uint64_t bytes);
bool vssi_check_stopped(check_run *run);

/* check_cross.c: every frame of the logs that follow the manifest; then what objects say of each other: the logs are
 * replayed as an open does, and no key is live twice. */
void vssi_check_logs(check_run *run, const vssi_manifest *m);
void vssi_check_cross(check_run *run);

#endif
