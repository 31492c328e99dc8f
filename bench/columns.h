/*
 * columns.h - a column that grows value by value out of JSON
 */
#ifndef CLI_COLUMNS_H
#define CLI_COLUMNS_H

#include <jansson.h>
#include <stdbool.h>

#include "vss.h"

typedef struct cli_buffer {
    unsigned char *data;
    size_t size, room;
} cli_buffer;

typedef struct cli_builder {
    const char *name;
    vss_type type;
    vss_type element; /* of an array */
    uint32_t dim;
    uint32_t flags;
    json_t *fallback; /* the field's default; NULL: none */
    uint64_t rows;
    bool nulls;       /* some row has no value */
    cli_buffer data, offsets, validity;
    struct cli_builder *child; /* elements of an array */
    vss_column column;         /* the view that cli_builder_view gives */
} cli_builder;

enum { CLI_REASON = 160 };

/* The field's name is borrowed. */
void cli_builder_begin(cli_builder *builder, const vss_field *field);
void cli_builder_free(cli_builder *builder);
void cli_builder_clear(cli_builder *builder); /* no rows, memory kept */

/* Append a value; NULL: the row does not name the field. What is missing becomes the default, or null. False: the value
 * does not fit, why says it, and the builder must be cleared. */
bool cli_builder_append(cli_builder *builder, const json_t *value, char why[CLI_REASON]);
/* The rows so far, borrowed until the next append. */
const vss_column *cli_builder_view(cli_builder *builder);

#endif
