/*
 * fail.c - the one line that an error carries
 *
 * Takes no lock and no memory. A line never holds a control character and is never cut inside a UTF-8 sequence.
 */
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Drop the sequence that the end of a full buffer cut in two. */
static void fail_trim(char *message)
{
    size_t begin = strlen(message);
    size_t length = 0;
    while (begin > 0 && length < 4 && ((unsigned char)message[begin - 1] & 0xc0) == 0x80) {
        begin--;
        length++;
    }
    unsigned char lead = begin > 0 ? (unsigned char)message[begin - 1] : 0;
    size_t whole = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (length + 1 < whole)
        message[begin - 1] = '\0';
}

static vss_status fail_finish(vss_error *err, vss_status status, int os_errno)
{
    err->status = status;
    err->os_errno = os_errno;
    if (strlen(err->message) + 1 == sizeof err->message)
        fail_trim(err->message);
    /* Names and values in a line come from outside: a newline in one must not make it two. */
    for (char *p = err->message; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    return status;
}

vss_status vssi_fail(vss_error *err, vss_status status, const char *format, ...)
{
    if (err == NULL)
        return status;
    va_list args;
    va_start(args, format);
    if (vsnprintf(err->message, sizeof err->message, format, args) < 0)
        err->message[0] = '\0';
    va_end(args);
    return fail_finish(err, status, 0);
}

vss_status vssi_fail_os(vss_error *err, vss_status status, int os_errno, const char *format, ...)
{
    if (err == NULL)
        return status;
    va_list args;
    va_start(args, format);
    if (vsnprintf(err->message, sizeof err->message, format, args) < 0)
        err->message[0] = '\0';
    va_end(args);
    char text[128];
    size_t length = strlen(err->message);
    (void)snprintf(err->message + length, sizeof err->message - length, ": %s",
                   strerror_r(os_errno, text, sizeof text));
    return fail_finish(err, status, os_errno);
}

vss_status vssi_fail_memory(vss_error *err, size_t size)
{
    return vssi_fail(err, VSS_ERR_NO_MEMORY, "out of memory (%zu bytes wanted)", size);
}
