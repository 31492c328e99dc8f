/*
 * json_out.h - JSON lines on stdout: one object a line, members in the order written
 */
#ifndef CLI_JSON_OUT_H
#define CLI_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "vss.h"

typedef struct cli_json {
    FILE *out;
    bool empty; /* the object has no member yet */
} cli_json;

void cli_json_begin(cli_json *json, FILE *out); /* { */
void cli_json_end(cli_json *json);              /* } and a newline */
void cli_json_text(cli_json *json, const char *name, const char *text);
void cli_json_count(cli_json *json, const char *name, uint64_t value);
void cli_json_real(cli_json *json, const char *name, double value);
void cli_json_bool(cli_json *json, const char *name, bool value);
void cli_json_raw(cli_json *json, const char *name, const char *value); /* value is JSON already */
/* Row of a column: see cli_cell_json. */
void cli_json_cell(cli_json *json, const char *name, const vss_column *column, uint64_t row);
void cli_json_real32(cli_json *json, const char *name, float value);

/* One value of a column as JSON: null where it has none, timestamps as ISO 8601, arrays and vectors as lists
 * of numbers, binary ones of 0 and 1. */
void cli_cell_json(FILE *out, const vss_column *column, uint64_t row);
/* The same for people: strings bare, null as "-". The caller frees it. */
char *cli_cell_text(const vss_column *column, uint64_t row);

/* The shortest texts that read back as the same number; out[32]. Return out. */
const char *cli_real_text(double value, char *out);
const char *cli_real32_text(float value, char *out);

#endif
