/*
 * checked.h - sizes are multiplied and added here and nowhere else
 */
#ifndef VSSI_CHECKED_H
#define VSSI_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when the result fits; *out is untouched otherwise. */
static inline bool vssi_mul(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

static inline bool vssi_add(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

static inline bool vssi_mul_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

static inline bool vssi_add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

static inline size_t vssi_min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t vssi_max(size_t a, size_t b) { return a > b ? a : b; }

/* value rounded up to a multiple of a power of two; the caller knows that it fits. */
static inline uint64_t vssi_round_up(uint64_t value, uint64_t power) { return (value + power - 1) & ~(power - 1); }

#endif
