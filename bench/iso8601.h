/*
 * iso8601.h - times as text: microseconds since 1970 UTC in, "2026-11-20T12:34:56.789000Z" out, and back
 */
#ifndef CLI_ISO8601_H
#define CLI_ISO8601_H

#include <stdbool.h>
#include <stdint.h>

/* "2026-11-20", "2026-11-20T12:34", "2026-11-20 12:34:56.789+01:00": no zone is UTC. False: not such a time. */
bool cli_time_parse(const char *text, int64_t *micros);
enum { CLI_TIME_SIZE = 96 };
/* out[CLI_TIME_SIZE]. Returns out. */
const char *cli_time_format(int64_t micros, char *out);

#endif
