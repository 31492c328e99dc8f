/*
 * tool.c - one-line errors, memory that is there, the clock
 */
#include "tool.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

vss_status cli_fail(vss_error *err, vss_status status, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    err->status = status;
    err->os_errno = 0;
    vsnprintf(err->message, sizeof err->message, format, list);
    va_end(list);
    return status;
}

vss_status cli_prefix(vss_error *err, const char *format, ...)
{
    char head[sizeof err->message], line[2 * sizeof err->message + 4];
    va_list list;
    va_start(list, format);
    vsnprintf(head, sizeof head, format, list);
    va_end(list);
    int size = snprintf(line, sizeof line, "%s: %s", head, err->message);
    size_t kept = size < (int)sizeof err->message ? (size_t)size : sizeof err->message - 1;
    memcpy(err->message, line, kept);
    err->message[kept] = 0;
    return err->status;
}

int cli_report(const vss_error *err)
{
    fflush(stdout);
    fprintf(stderr, "vss: %s\n", err->message);
    return CLI_FAILED;
}

static void cli_say(const char *format, va_list list)
{
    fflush(stdout);
    fputs("vss: ", stderr);
    vfprintf(stderr, format, list);
}

int cli_refuse(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    cli_say(format, list);
    va_end(list);
    fputc('\n', stderr);
    return CLI_FAILED;
}

int cli_usage(const char *command, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    cli_say(format, list);
    va_end(list);
    fprintf(stderr, "; see vss help%s%s\n", command ? " " : "", command ? command : "");
    return CLI_WRONG_USAGE;
}

static void *cli_there(void *block)
{
    if (!block) {
        fputs("vss: out of memory\n", stderr);
        exit(CLI_FAILED);
    }
    return block;
}

void *cli_alloc(size_t count, size_t size) { return cli_there(calloc(count ? count : 1, size)); }

void *cli_resize(void *block, size_t count, size_t size)
{
    return cli_there(reallocarray(block, count ? count : 1, size));
}

char *cli_copy(const char *text) { return cli_there(strdup(text)); }

char *cli_format(const char *format, ...)
{
    char *text = NULL;
    va_list list;
    va_start(list, format);
    if (vasprintf(&text, format, list) < 0)
        text = NULL;
    va_end(list);
    return cli_there(text);
}

double cli_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

uint32_t cli_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? (uint32_t)count : 1;
}
