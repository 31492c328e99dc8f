/*
 * change.h - the next snapshot in the making: rows of the newest one deleted, until it is published
 */
#ifndef VSSI_CHANGE_H
#define VSSI_CHANGE_H

#include "../format/schema.h"
#include "snapshot.h"

/* A snapshot like old, of the next sequence. Its tombstones are old's until vssi_change_own. */
vss_status vssi_change_begin(const vssi_snapshot *old, vssi_snapshot **out, vss_error *err);
/* Make the tombstones of a part a private copy, once. */
vss_status vssi_change_own(const vssi_snapshot *old, vssi_snapshot *s, size_t part, vss_error *err);
/* Delete the live rows with these keys and count them. */
vss_status vssi_change_delete(const vssi_snapshot *old, vssi_snapshot *s, const vss_column *keys, uint64_t *removed,
                              vss_error *err);
/* The keys of the rows that are deleted in s and not in old; the caller's. */
vss_status vssi_change_keys(const vssi_snapshot *old, const vssi_snapshot *s, const vssi_schema *schema,
                            vssi_column **keys, vss_error *err);

#endif
