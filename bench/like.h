/*
 * like.h - a query made out of stored rows
 */
#ifndef CLI_LIKE_H
#define CLI_LIKE_H

#include "vss.h"

/* The mean of the vectors of rows found by key, in the field's given type, into query; under cosine the mean of their
 * directions. One vector of i8, u8 or binary is taken as it is; several of i8 or u8 are rounded to whole numbers, under
 * cosine scaled to their full range; several of binary have no mean. rows is vss_collection_get's result with the
 * field, texts [vss_result_queries] the keys as written. NOT_FOUND names a key that is not there; INVALID. */
vss_status cli_like_mean(const vss_field *field, const vss_result *rows, const char *const *texts, void *query,
                         vss_error *err);

#endif
