/*
 * vss/log.h - what the library has to say beside its results; silent unless a hook is given
 */
#ifndef VSS_LOG_H
#define VSS_LOG_H

#include "types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum vss_log_level {
    VSS_LOG_ERROR = 1,
    VSS_LOG_WARNING = 2,
    VSS_LOG_INFO = 3
} vss_log_level;

/* line is one line without a newline, borrowed for the call. Called from any thread. */
typedef void (*vss_log_fn)(void *state, vss_log_level level, const char *line);

#ifdef __cplusplus
}
#endif
#endif
