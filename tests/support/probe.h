/*
 * probe.h - ask a collection everything that its schema allows, and keep the answers small enough to compare
 *
 * Works on any schema, so that it can follow a damaged one.
 */
#ifndef PROBE_H
#define PROBE_H

#include "archive.h"
#include "vss.h"

#define PROBE_MAX 96

typedef struct probe_answer {
    char what[80];     /* "search v exact=1" */
    vss_status status;
    uint64_t digest;   /* of every value returned */
    char line[120];    /* of the error */
} probe_answer;

typedef struct probe {
    size_t n_answers;
    probe_answer answers[PROBE_MAX];
    uint64_t peak; /* bytes of the library's heap, at most */
} probe;

/* Open the collection read-only and ask. brief: one question of each kind. Returns what opening said. */
vss_status probe_ask(archive *a, const char *collection, bool map, bool brief, probe *out);

/* NULL when every answer is an error or the same as the sound one; else the first that is neither. */
const probe_answer *probe_compare(const probe *sound, const probe *found);

/* Open the collection for writing; delete rows by key and by filter, flush, build an index of its first vector field,
 * close. The answers are not kept: INTERNAL if any call said so, else what opening said. */
vss_status probe_write(archive *a, const char *collection, bool map);

/* vss_collection_check of the archive; the heap's peak too. */
vss_status probe_check(archive *a, const char *collection, bool map, vss_check_report *report, uint64_t *peak,
                       vss_error *err);

#endif
