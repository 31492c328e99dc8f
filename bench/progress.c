/*
 * progress.c - a bar on stderr
 */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#include "tool.h"

enum { PROGRESS_WIDTH = 32 };

void cli_progress_begin(cli_progress *progress) { *progress = (cli_progress){.shown = isatty(STDERR_FILENO) == 1}; }

int cli_progress_step(void *state, const char *stage, uint64_t done, uint64_t total)
{
    cli_progress *progress = state;
    double now = progress->shown ? cli_seconds() : 0;
    if (!progress->shown || total == 0 || (progress->drawn && now - progress->last < 0.1 && done < total))
        return 0;
    double part = done < total ? (double)done / (double)total : 1;
    int full = (int)(part * PROGRESS_WIDTH);
    fprintf(stderr, "\r%-10s [", stage);
    for (int i = 0; i < PROGRESS_WIDTH; i++)
        fputc(i < full ? '#' : '.', stderr);
    fprintf(stderr, "] %3d %%\033[K", (int)(part * 100));
    progress->drawn = true;
    progress->last = now;
    return 0;
}

void cli_progress_end(cli_progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = false;
}
