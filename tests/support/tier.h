/*
 * tier.h - how much a test does
 *
 * VSS_TIER=full: everything, for hours; brief: a share of the usual, for sanitizers, which take several times as long;
 * anything else, and nothing: what every commit passes.
 */
#ifndef TIER_H
#define TIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline bool tier_is(const char *name)
{
    const char *tier = getenv("VSS_TIER");
    return tier != NULL && strcmp(tier, name) == 0;
}

static inline bool tier_full(void) { return tier_is("full"); }
static inline bool tier_brief(void) { return tier_is("brief"); }

/* How many cases. */
static inline size_t tier_count(size_t brief, size_t quick, size_t full)
{
    return tier_full() ? full : tier_brief() ? brief : quick;
}

/* The number that the environment variable holds. */
static inline uint64_t tier_setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

#endif
