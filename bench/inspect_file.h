/*
 * inspect_file.h - vss inspect FILE: what one stored file says
 */
#ifndef CLI_INSPECT_FILE_H
#define CLI_INSPECT_FILE_H

#include <stdbool.h>

/* Is it a regular file? */
bool cli_inspect_is_file(const char *path);
/* Print what is in it; the result is an exit code. */
int cli_inspect_file(const char *path, bool as_json);

#endif
