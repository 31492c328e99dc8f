/*
 * table.h - columns of text for people
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Cells are kept until the table is printed, so that columns are as wide as what is in them. */
typedef struct cli_table {
    size_t n_columns;
    size_t n_cells, room;
    char **cells;
} cli_table;

/* heads [n_columns]; a head that begins with '>' is a column set to the right. */
void cli_table_begin(cli_table *table, const char *const *heads, size_t n_columns);
/* One more cell, row by row. Long ones are cut at 72 characters, control characters become spaces. */
void cli_table_add(cli_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Print it and release it. */
void cli_table_print(cli_table *table, FILE *out);
void cli_table_free(cli_table *table);

/* 63666 as "63,666"; out[32]. Returns out. */
const char *cli_table_count(uint64_t number, char *out);
/* 16777216 as "16.8 MB"; out[32]. Returns out. */
const char *cli_table_bytes(uint64_t bytes, char *out);

#endif
