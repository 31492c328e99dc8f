/*
 * lines.h - a text file line by line, plain or compressed with zstd (names that end in .zst)
 */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "vss.h"

#define CLI_LINE_MAX (16u << 20) /* bytes of the longest line read */

typedef struct cli_lines cli_lines;

/* NULL and a line in err on failure. */
vss_status cli_lines_open(const char *path, cli_lines **lines, vss_error *err);
void cli_lines_close(cli_lines *lines); /* NULL is fine */
/* The next line that is not blank, without its newline, borrowed until the next call. *text is NULL at the end. */
vss_status cli_lines_next(cli_lines *lines, const char **text, size_t *size, vss_error *err);
/* The number of the line given last, from 1. */
uint64_t cli_lines_number(const cli_lines *lines);
/* To the beginning again. */
vss_status cli_lines_rewind(cli_lines *lines, vss_error *err);

#endif
