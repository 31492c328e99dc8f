/*
 * vss/types.h - what every other header speaks of: export mark, version, value types, metrics, columns
 */
#ifndef VSS_TYPES_H
#define VSS_TYPES_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define VSS_API __attribute__((visibility("default")))
#else
#define VSS_API
#endif

#define VSS_VERSION_MAJOR 0
#define VSS_VERSION_MINOR 1
#define VSS_VERSION_PATCH 0

/* A struct with its size set and every other field at its default. */
#ifdef __cplusplus
#define VSS_INIT(type) ([] { type vss_init_{}; vss_init_.struct_size = sizeof(type); return vss_init_; }())
#else
#define VSS_INIT(type) ((type){.struct_size = sizeof(type)})
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is loaded, "0.1.0". Static text. */
VSS_API const char *vss_version(void);

/* The level of the distance kernels in use: "scalar", "avx2", "avx512", "avx512vnni", "amx", "neon", "neondot". Static
 * text. Chosen once for the process from the processor; the environment variable VSS_SIMD can lower it, never raise
 * it. Where the processor has AMX and nothing lower is named, Linux is asked to let the process use its registers: then
 * signal stacks (sigaltstack) need 8 KiB more. Where a thread has a smaller one already it refuses, and the level is
 * "avx512vnni". */
VSS_API const char *vss_simd_level(void);

/* Value types. The numbers are stored in files and never change. */
typedef enum vss_type {
    VSS_TYPE_NONE = 0,
    VSS_TYPE_BOOL = 1,
    VSS_TYPE_INT8 = 2,
    VSS_TYPE_INT16 = 3,
    VSS_TYPE_INT32 = 4,
    VSS_TYPE_INT64 = 5,
    VSS_TYPE_FLOAT32 = 6,
    VSS_TYPE_FLOAT64 = 7,
    VSS_TYPE_STRING = 8,    /* UTF-8, at most 65,535 bytes */
    VSS_TYPE_JSON = 9,      /* one JSON text, at most 65,535 bytes */
    VSS_TYPE_TIMESTAMP = 10, /* int64, microseconds since 1970 UTC */
    VSS_TYPE_ARRAY = 11,    /* of a scalar type but json; at most 4,096 elements and 65,535 bytes of text a row; no
                               nulls inside */
    VSS_TYPE_VECTOR_F32 = 32,
    VSS_TYPE_VECTOR_F16 = 33,  /* IEEE half precision, as uint16 */
    VSS_TYPE_VECTOR_BF16 = 34, /* the upper half of a float32, as uint16 */
    VSS_TYPE_VECTOR_I8 = 35,
    VSS_TYPE_VECTOR_U8 = 36,
    VSS_TYPE_VECTOR_BINARY = 37 /* dim bits, a multiple of 8: component i is bit i % 8 of byte i / 8 */
} vss_type;

/* Static text: "int64", "string", "vector<f32>", ...; "none" for a number that is no type. */
VSS_API const char *vss_type_name(vss_type type);

/* How near two vectors are. The numbers are stored in files and never change. */
typedef enum vss_metric {
    VSS_METRIC_NONE = 0,
    VSS_METRIC_L2 = 1,      /* squared Euclidean distance; smaller is nearer */
    VSS_METRIC_IP = 2,      /* inner product; larger is nearer */
    VSS_METRIC_COSINE = 3,  /* cosine of the angle; larger is nearer */
    VSS_METRIC_HAMMING = 4, /* differing bits; smaller is nearer */
    VSS_METRIC_JACCARD = 5  /* 1 - |a and b| / |a or b|; smaller is nearer */
} vss_metric;

/* Static text: "l2", "ip", "cosine", "hamming", "jaccard"; "none" for a number that is no metric. */
VSS_API const char *vss_metric_name(vss_metric metric);

/* One column of values in Arrow's memory layout, borrowed.
 *
 * type      what the values are
 * dim       components a vector (bits of a binary one); 0 for other types
 * length    rows
 * validity  bit r%8 of byte r/8 is 1 where row r has a value; NULL: every row has one
 * offsets   [length + 1] for string, json and array: row r is bytes (elements) offsets[r] to offsets[r + 1];
 *           they start at 0 or above and never fall; NULL for other types
 * data      bool: bits as in validity; numbers and timestamps: [length]; string, json: bytes;
 *           vectors: [length][dim] row-major, binary ones [length][dim / 8] bytes;
 *           array: a const vss_column * that holds the elements of all rows
 */
typedef struct vss_column {
    uint32_t struct_size;
    vss_type type;
    uint32_t dim;
    uint64_t length;
    const uint8_t *validity;
    const int64_t *offsets;
    const void *data;
} vss_column;

#ifdef __cplusplus
}
#endif
#endif
