/*
 * rows.h - JSON lines into columns: one object a line, its members the fields of a collection
 */
#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include "columns.h"
#include "lines.h"

typedef struct cli_rows {
    char *path;
    cli_lines *lines;
    bool ignore_unknown;
    const vss_schema *schema;  /* borrowed */
    size_t n_builders;
    cli_builder *builders;     /* [n_builders] fields that rows bring */
    const char *file_field;    /* the vectors that come from elsewhere */
    const char *auto_field;    /* the key that the library gives; NULL: none */
} cli_rows;

/* file_field is the vector field that the rows don't bring. cli_rows_close, whether or not it opened. */
vss_status cli_rows_open(const char *path, const vss_schema *schema, const char *file_field, bool ignore_unknown,
                         cli_rows *rows, vss_error *err);
void cli_rows_close(cli_rows *rows);
/* Read at most max rows into the builders, in place of those there; *n is 0 at the end. Errors name the line. */
vss_status cli_rows_read(cli_rows *rows, uint64_t max, uint64_t *n, vss_error *err);
/* To the first row again. */
vss_status cli_rows_rewind(cli_rows *rows, vss_error *err);

#endif
