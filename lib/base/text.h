/*
 * text.h - what names and texts may look like
 */
#ifndef VSSI_TEXT_H
#define VSSI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool vssi_utf8_valid(const char *text, size_t size);
bool vssi_field_name_valid(const char *name);      /* [A-Za-z_][A-Za-z0-9_]{0,254} */
bool vssi_collection_name_valid(const char *name); /* [a-z0-9][a-z0-9_-]{0,62} */
/* vss/storage.h; no part begins with '.': such names storages keep for themselves. */
bool vssi_object_name_valid(const char *name);

/* "2026-11-20", "2026-11-20T12:34", "2026-11-20 12:34:56.789Z", "...+01:00" to microseconds since 1970. No zone: UTC.
 * What is finer than a microsecond is cut off. False, and *micros is untouched: no time of the years 1 to 9999. */
bool vssi_time_parse(const char *text, size_t size, int64_t *micros);
/* The other way, "2026-11-20T12:34:56.789000Z"; out[32]. Other years are written as "+012345", "-000001". */
void vssi_time_format(int64_t micros, char *out);

#endif
