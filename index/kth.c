/*
 * kth.c - the k-th smallest of many keys: a radix select, eight bits a round from the highest in which keys differ,
 * until a few are left, which are compared with each other
 */
#include "kth.h"

#define KTH_FEW 32u  /* keys that are compared with each other */
#define KTH_DIGIT 8u /* bits a round */
#define KTH_DIGITS (1u << KTH_DIGIT)

/* By how many come before each. */
static uint32_t kth_few(const uint32_t *keys, size_t n, size_t k)
{
    for (size_t i = 0;; i++) {
        size_t before = 0, upto = 0;
        for (size_t j = 0; j < n; j++) {
            before += keys[j] < keys[i];
            upto += keys[j] <= keys[i];
        }
        if (before < k && k <= upto)
            return keys[i];
    }
}

/* Bits that are not the same in all keys. */
static uint32_t kth_differ(const uint32_t *keys, size_t n)
{
    uint32_t differ = 0;
    for (size_t i = 1; i < n; i++)
        differ |= keys[i] ^ keys[0];
    return differ;
}

uint32_t vssi_kth(uint32_t *keys, size_t n, size_t k)
{
    uint32_t differ;
    while (n > KTH_FEW && (differ = kth_differ(keys, n)) != 0) {
        uint32_t counts[KTH_DIGITS] = {0}, digit = 0;
        unsigned bits = 32 - (unsigned)__builtin_clz(differ), shift = bits > KTH_DIGIT ? bits - KTH_DIGIT : 0;
        size_t kept = 0;
        for (size_t i = 0; i < n; i++)
            counts[keys[i] >> shift & (KTH_DIGITS - 1)]++;
        for (; k > counts[digit]; digit++)
            k -= counts[digit];
        for (size_t i = 0; i < n; i++) {
            keys[kept] = keys[i];
            kept += (keys[i] >> shift & (KTH_DIGITS - 1)) == digit;
        }
        n = kept;
    }
    return n > KTH_FEW ? keys[0] : kth_few(keys, n, k);
}
