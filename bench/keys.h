/*
 * keys.h - keys written on the command line, as a column of the collection's key type
 */
#ifndef CLI_KEYS_H
#define CLI_KEYS_H

#include "columns.h"

/* texts [n]. INVALID names the text that is no int64. The column is cli_builder_view's; cli_builder_free either way. */
vss_status cli_keys_build(const vss_field *key, const char *const *texts, size_t n, cli_builder *keys, vss_error *err);

#endif
