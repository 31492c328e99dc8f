/*
 * seal_name.c - a name for an object of a job, kept until the job ends
 */
#include <stdio.h>
#include <string.h>

#include "seal_job.h"

vss_status vssi_seal_name(seal_job *job, const char *folder, const char *suffix, char *out, vss_error *err)
{
    vssi_heap *heap = &job->col->db->heap;
    snprintf(out, 64, "%s/%020llu-%016llx.%s", folder, (unsigned long long)job->manifest->version + 1,
             (unsigned long long)vssi_random_name(), suffix);
    VSSI_TRY(vssi_realloc(heap, job->n_created + 1, sizeof *job->created, &job->created, err));
    VSSI_TRY(vssi_strdup(heap, out, strlen(out), &job->created[job->n_created], err));
    job->n_created++;
    return VSS_OK;
}
