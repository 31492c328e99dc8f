/*
 * simd.h - distance kernels: a table a level, by type of the rows and operation; one level chosen for the process
 *
 * A kernel compares one query with n rows and writes n scores, smaller = nearer for every operation:
 *     L2       sum (q - v)^2                    IP       -sum q * v
 *     HAMMING  bits that differ                 JACCARD  1 - |q and v| / |q or v|, 0 where both are empty
 * The rows of F16 and BF16 are compared with a query of float32; all others with a query of their own type. dim counts
 * components, for BITS bits: a multiple of 8, rows of dim / 8 bytes, component i is bit i % 8 of byte i / 8.
 *
 * Scores of F32, F16 and BF16 are float32 sums in any order. For every order, |score - exact| <= gamma * scale with
 * gamma = vssi_simd_gamma(dim) and scale = the exact distance for L2, |q| * |v| for IP; gamma also covers four further
 * roundings by the caller. Products that underflow add at most dim * 2^-149. I8 and U8 are summed exactly in 32 bits
 * (dim is at most 32,768) and rounded once; HAMMING is exact; JACCARD is off by at most 2^-23.
 * Pointers need no alignment. q and rows may be of any finite values whose squared norms are at most 1e37.
 * Within a level the score of a pair depends on the pair alone: not on n, on the row's place, on which of rows and
 * gather was called, nor, for L2 on rows of the query's type, on which of the two is the query.
 */
#ifndef VSSI_SIMD_H
#define VSSI_SIMD_H

#include <stddef.h>
#include <stdint.h>

/* In the order of vss_type's vectors. */
typedef enum vssi_simd_type {
    VSSI_SIMD_F32,
    VSSI_SIMD_F16,
    VSSI_SIMD_BF16,
    VSSI_SIMD_I8,
    VSSI_SIMD_U8,
    VSSI_SIMD_BITS,
    VSSI_SIMD_TYPES
} vssi_simd_type;

typedef enum vssi_simd_op {
    VSSI_SIMD_L2 = 0,
    VSSI_SIMD_IP = 1,
    VSSI_SIMD_HAMMING = 0, /* of BITS */
    VSSI_SIMD_JACCARD = 1,
    VSSI_SIMD_OPS = 2
} vssi_simd_op;

/* rows [n] one after another; reads them once, prefetching ahead. */
typedef void (*vssi_kernel_rows)(const void *query, const void *rows, size_t dim, size_t n, float *scores);
/* n of the rows of base, given by number; prefetches those to come. */
typedef void (*vssi_kernel_gather)(const void *query, const void *base, size_t dim, const uint32_t *rows, size_t n,
                                   float *scores);

/* NULL: as the level below has it. The scalar level has all. */
typedef struct vssi_kernels {
    const char *level;
    const struct vssi_kernels *below;
    vssi_kernel_rows rows[VSSI_SIMD_TYPES][VSSI_SIMD_OPS];
    vssi_kernel_gather gather[VSSI_SIMD_TYPES][VSSI_SIMD_OPS];
} vssi_kernels;

/* The kernel of a level or of the nearest one below it; never NULL. */
vssi_kernel_rows vssi_simd_rows(const vssi_kernels *level, vssi_simd_type type, vssi_simd_op op);
vssi_kernel_gather vssi_simd_gather(const vssi_kernels *level, vssi_simd_type type, vssi_simd_op op);

/* Is this level the other one, or above it. */
static inline int vssi_simd_has(const vssi_kernels *level, const vssi_kernels *other)
{
    while (level != NULL && level != other)
        level = level->below;
    return level != NULL;
}

/* Bytes of a row. */
static inline size_t vssi_simd_row_size(vssi_simd_type type, size_t dim)
{
    static const unsigned char bits[VSSI_SIMD_TYPES] = {32, 16, 16, 8, 8, 1};
    return dim * bits[type] / 8;
}

/* The best table this processor runs, or the lower one that VSS_SIMD names. Chosen at the first call; thread-safe. */
const vssi_kernels *vssi_simd(void);

/* The i-th level from scalar upwards that this processor runs, NULL past the last: for tests and benchmarks. */
const vssi_kernels *vssi_simd_level(size_t i);

/* The tables by level, and how many of them, from scalar upwards, this processor runs (detect.c). The last one may need
 * the system's permission too (vssi_permit_tiles). */
extern const vssi_kernels vssi_simd_scalar;
#if defined(__x86_64__)
extern const vssi_kernels vssi_simd_avx2;
extern const vssi_kernels vssi_simd_avx512;
extern const vssi_kernels vssi_simd_avx512vnni;
#if defined(VSS_SIMD_AMX) /* the compiler knows the instructions */
extern const vssi_kernels vssi_simd_amx;
#endif
#elif defined(__aarch64__)
extern const vssi_kernels vssi_simd_neon;
extern const vssi_kernels vssi_simd_neondot;
#endif
size_t vssi_simd_detect(void);

/* A bound on the relative error of a float32 sum of dim products, in any order, four further roundings included:
 * (dim + 4) u / (1 - (dim + 4) u), u = 2^-24. */
static inline double vssi_simd_gamma(size_t dim)
{
    double nu = ((double)dim + 4) * 0x1p-24;
    return nu / (1 - nu);
}

/* The distances that are returned, both vectors of the type: L2 as is, IP not negated. float64 in one fixed order on
 * every machine, 8 lanes (component i goes to lane i % 8), then ((l0+l1)+(l2+l3))+((l4+l5)+(l6+l7)); no fused
 * multiply-add. BITS: counts of bits, and 1 - and / or. */
double vssi_exact(vssi_simd_type type, vssi_simd_op op, const void *a, const void *b, size_t dim);
/* The same for F32. */
double vssi_exact_l2_f32(const float *a, const float *b, size_t dim);
double vssi_exact_ip_f32(const float *a, const float *b, size_t dim);
#if defined(__x86_64__)
double vssi_exact_l2_f32_avx512(const float *a, const float *b, size_t dim);
double vssi_exact_ip_f32_avx512(const float *a, const float *b, size_t dim);
#endif

/* The components of one row as float32: exact for every type; BITS become 0 and 1. */
void vssi_simd_widen(vssi_simd_type type, const void *row, size_t dim, float *out);

#endif
