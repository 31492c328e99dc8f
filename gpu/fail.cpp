/*
 * fail.cpp - one line that says what failed
 */
#include "fail.h"

#include <cstdarg>
#include <cstdio>

#include "runtime.h"

namespace vssg {

vss_status fail(vss_error *err, vss_status status, const char *format, ...)
{
    va_list args;
    err->status = status;
    err->os_errno = 0;
    const int used = std::snprintf(err->message, sizeof err->message, "%s: ", runtime_name());
    const size_t at = used > 0 ? static_cast<size_t>(used) : 0;
    va_start(args, format);
    (void)std::vsnprintf(err->message + at, sizeof err->message - at, format, args);
    va_end(args);
    return status;
}

} // namespace vssg
