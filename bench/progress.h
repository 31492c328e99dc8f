/*
 * progress.h - a bar on stderr while something long runs; nothing where stderr is no terminal
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cli_progress {
    bool shown;     /* stderr is a terminal */
    bool drawn;     /* a bar stands there now */
    double last;    /* when it was drawn */
} cli_progress;

void cli_progress_begin(cli_progress *progress);
/* A vss_progress_fn: state is a cli_progress. Draws at most ten times a second. Always returns 0. */
int cli_progress_step(void *state, const char *stage, uint64_t done, uint64_t total);
/* Wipe the bar. */
void cli_progress_end(cli_progress *progress);

#endif
