/*
 * check_tell.c - what a check found, told to the caller and counted, until there is a reason to end
 */
#include "check_run.h"

bool vssi_check_refused(const check_run *run) { return run->refused.status != VSS_OK; }

int vssi_check_line(void *state, const char *object, const char *line)
{
    check_run *run = state;
    if (run->fn != NULL && !run->ended && !vssi_check_refused(run))
        run->ended = run->fn(run->state, object, line) != 0;
    return run->ended || vssi_check_refused(run);
}

void vssi_check_fault(check_run *run, const char *object, const char *line)
{
    run->report->errors++;
    vssi_check_line(run, object, line);
}

void vssi_check_error(check_run *run, const char *object, const vss_error *err)
{
    const bool bytes = err->status == VSS_ERR_CORRUPT || err->status == VSS_ERR_NOT_FOUND ||
                       err->status == VSS_ERR_NEWER_FORMAT;
    if (err->status == VSS_ERR_NO_MEMORY || err->status == VSS_ERR_BUDGET) {
        if (run->refused.status == VSS_OK)
            run->refused = *err;
        return;
    }
    if (!bytes && run->failed.status == VSS_OK)
        run->failed = *err;
    vssi_check_fault(run, object, err->message);
}

void vssi_check_counted(check_run *run, uint64_t bytes)
{
    run->report->files++;
    run->report->bytes += bytes;
    vssi_control_report(&run->control, "check", run->report->bytes, run->total);
}

bool vssi_check_stopped(check_run *run)
{
    return run->ended || vssi_check_refused(run) || vssi_control_stopped(&run->control);
}
