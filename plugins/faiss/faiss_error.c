/*
 * faiss_error.c - one line of what FAISS says in several
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "faiss_inside.h"

vss_status vssf_fail(vss_error *err, vss_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err->status = status;
    err->os_errno = 0;
    (void)vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return status;
}

/* Behind "Error in void faiss::f(...) at file.cpp:12: ". */
static const char *error_tail(const char *message)
{
    const char *at = strncmp(message, "Error in ", 9) == 0 ? strstr(message, " at ") : NULL;
    const char *line = at;
    while (line != NULL && (line = strchr(line, ':')) != NULL) {
        size_t digits = strspn(line + 1, "0123456789");
        if (digits > 0 && line[1 + digits] == ':')
            return line + 2 + digits + strspn(line + 2 + digits, " ");
        line++;
    }
    return message;
}

vss_status vssf_fail_faiss(vss_error *err, vss_status status, const char *what, const char *message)
{
    if (message != NULL && strstr(message, "bad_alloc") != NULL)
        return vssf_fail(err, VSS_ERR_NO_MEMORY, "faiss: %s: out of memory", what);
    (void)vssf_fail(err, status, "faiss: %s: %s", what, message != NULL ? error_tail(message) : "unknown error");
    for (char *c = err->message; *c != '\0'; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    return status;
}
