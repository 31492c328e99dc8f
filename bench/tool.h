/*
 * tool.h - what every file of the vss tool shares: commands, one-line errors, memory, the clock
 *
 * Functions that can fail return a vss_status and write their line into the vss_error given last, as the library's do.
 * Only a command's run function speaks to the user. Running out of memory ends the program with one line.
 */
#ifndef CLI_TOOL_H
#define CLI_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "args.h"
#include "vss.h"

enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_WRONG_USAGE = 2 };

#define CLI_TRY(call)                    \
    do {                                 \
        vss_status cli_try_ = (call);    \
        if (cli_try_ != VSS_OK)          \
            return cli_try_;             \
    } while (0)

extern const cli_command cli_create, cli_import, cli_index, cli_search, cli_inspect, cli_check, cli_delete, cli_gt,
    cli_bench, cli_compact, cli_export, cli_salvage;

/* Write the line into err and return status. */
vss_status cli_fail(vss_error *err, vss_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Put what is given before the line that is there, ": " between. Returns err's status. */
vss_status cli_prefix(vss_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print err's line, or a line of its own, on stderr. The results are exit codes. */
int cli_report(const vss_error *err);
int cli_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
int cli_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Memory that is there: count * size bytes, zeroed; a block made larger; a copy of a text. Released with free. */
void *cli_alloc(size_t count, size_t size);
void *cli_resize(void *block, size_t count, size_t size);
char *cli_copy(const char *text);
char *cli_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

double cli_seconds(void);      /* a clock that only goes forward */
uint32_t cli_processors(void); /* that this process may use */

#endif
