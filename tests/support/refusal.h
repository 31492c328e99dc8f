/*
 * refusal.h - a call that must be refused: its status, its line, and a collection that is as it was
 */
#ifndef REFUSAL_H
#define REFUSAL_H

#include "specimen.h"

/* What a collection says of itself; two are equal when nothing was written in between. */
typedef struct refusal_state {
    uint64_t rows, deleted, sequence, version, growing, digest;
} refusal_state;

/* A database in memory with a collection of 20 sealed and 5 growing rows. */
typedef struct refusal_stage {
    vss_db *db;
    vss_collection *col;
    refusal_state state;
    size_t cases;
} refusal_stage;

void refusal_begin(refusal_stage *stage, specimen_kind kind);
void refusal_end(refusal_stage *stage);
/* For other collections: what is kept, and whether it is so still. */
void refusal_keep(vss_collection *col, refusal_state *state);

/* Fail the test unless both statuses are `wanted`, err says it in one line that contains `says`, and the stage's
 * collection (stage may be NULL) is unchanged. */
void refusal_judge(refusal_stage *stage, const char *call, vss_status first, vss_status second, vss_status wanted,
                   const char *says, const vss_error *err);

/* Make a call twice, in which `e` is the vss_error * to pass: once with room for a line, once NULL. */
#define REFUSE(stage, wanted, says, call)                                             \
    do {                                                                              \
        vss_error refused = {.status = VSS_OK};                                       \
        vss_error *e = &refused;                                                      \
        const vss_status first_ = (call);                                             \
        e = NULL;                                                                     \
        const vss_status second_ = (call);                                            \
        refusal_judge(stage, #call, first_, second_, wanted, says, &refused);         \
    } while (0)

/* Fail the test with the library's line unless the call, in which `e` is its vss_error *, succeeds. */
#define ACCEPT(call)                                                                  \
    do {                                                                              \
        vss_error accepted = {.status = VSS_OK};                                      \
        vss_error *e = &accepted;                                                     \
        refusal_accept(#call, (call), &accepted);                                     \
    } while (0)
void refusal_accept(const char *call, vss_status status, const vss_error *err);

#endif
