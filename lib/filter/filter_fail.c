/*
 * filter_fail.c - the line for a filter that is refused: the column, counted in characters, and what stands there
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "filter_stages.h"

vss_status vssi_filter_fail(const vssi_filter_job *job, size_t at, const char *format, ...)
{
    char line[400];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    size_t column = 1;
    for (size_t i = 0; i < at && i < job->size; i++)
        column += ((unsigned char)job->text[i] & 0xc0) != 0x80;
    return vssi_fail(job->err, VSS_ERR_INVALID, "filter, column %zu: %s", column, line);
}

const char *vssi_filter_show(char out[VSSI_FILTER_SHOWN], const char *text, size_t size)
{
    size_t n = size;
    bool cut = size > VSSI_FILTER_SHOWN - 4;
    if (cut)
        for (n = VSSI_FILTER_SHOWN - 4; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
            n--;
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
    memcpy(out + n, "...", 4);
    if (!cut)
        out[n] = 0;
    return out;
}
