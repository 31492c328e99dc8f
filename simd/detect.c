/*
 * detect.c - which levels the processor and the operating system offer
 *
 * A level counts only with its whole feature set, and only when the system saves its registers (OSXSAVE and XCR0).
 */
#include <stdbool.h>

#include "simd.h"

#if defined(__x86_64__)

#include <cpuid.h>

#define DETECT_FMA (1u << 12) /* leaf 1 ecx */
#define DETECT_POPCNT (1u << 23)
#define DETECT_OSXSAVE (1u << 27)
#define DETECT_AVX (1u << 28)
#define DETECT_F16C (1u << 29)
#define DETECT_AVX2 (1u << 5) /* leaf 7 ebx */
#define DETECT_AVX512F (1u << 16)
#define DETECT_AVX512DQ (1u << 17)
#define DETECT_AVX512BW (1u << 30)
#define DETECT_AVX512VL (1u << 31)
#define DETECT_VNNI (1u << 11) /* leaf 7 ecx */
#define DETECT_VPOPCNTDQ (1u << 14)
#define DETECT_VBMI (1u << 1)
#define DETECT_GFNI (1u << 8)
#define DETECT_YMM 0x06u /* XCR0: xmm, ymm */
#define DETECT_AMX_BF16 (1u << 22) /* leaf 7 edx */
#define DETECT_AMX_TILE (1u << 24)
#define DETECT_AMX_INT8 (1u << 25)
#define DETECT_AVX512BF16 (1u << 5) /* leaf 7, 1 eax */
#define DETECT_ZMM 0xe6u /* and mask registers, upper halves, upper sixteen */
#define DETECT_TILES 0x60000u /* configuration and data of tiles */

static unsigned detect_xcr0(void)
{
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool detect_all(unsigned value, unsigned wanted) { return (value & wanted) == wanted; }

size_t vssi_simd_detect(void)
{
    unsigned a, b, c, d, features;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return 1;
    if (!detect_all(c, DETECT_FMA | DETECT_POPCNT | DETECT_OSXSAVE | DETECT_AVX | DETECT_F16C) ||
        !detect_all(detect_xcr0(), DETECT_YMM))
        return 1;
    if (!__get_cpuid_count(7, 0, &a, &features, &c, &d) || !detect_all(features, DETECT_AVX2))
        return 1;
    if (!detect_all(features, DETECT_AVX512F | DETECT_AVX512DQ | DETECT_AVX512BW | DETECT_AVX512VL) ||
        !detect_all(detect_xcr0(), DETECT_ZMM))
        return 2;
    if (!detect_all(c, DETECT_VNNI | DETECT_VPOPCNTDQ))
        return 3;
#if defined(VSS_SIMD_AMX)
    if (detect_all(d, DETECT_AMX_BF16 | DETECT_AMX_TILE | DETECT_AMX_INT8) &&
        detect_all(c, DETECT_VBMI | DETECT_GFNI) &&
        detect_all(detect_xcr0(), DETECT_ZMM | DETECT_TILES) && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
        detect_all(a, DETECT_AVX512BF16))
        return 5;
#endif
    return 4;
}

#elif defined(__aarch64__)

#include <sys/auxv.h>

#define DETECT_ASIMDDP (1ul << 20) /* in AT_HWCAP: dot products of bytes */

size_t vssi_simd_detect(void) { return getauxval(AT_HWCAP) & DETECT_ASIMDDP ? 3 : 2; }

#else

size_t vssi_simd_detect(void) { return 1; }

#endif
