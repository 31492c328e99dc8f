/*
 * vector_file.h - files of vectors: .npy .fvecs .bvecs .ivecs .fbin .u8bin .i8bin .ibin, read in blocks of rows
 *
 * A header is compared with the file's size before anything is believed; a file that is too short, too long or
 * contradicts itself gives one line. .npy: versions 1 to 3, C order, little-endian f2 f4 f8 u1 i1 i2 i4 i8, one or two
 * dimensions (one: a single row).
 */
#ifndef CLI_VECTOR_FILE_H
#define CLI_VECTOR_FILE_H

#include <stdint.h>
#include <stdio.h>

#include "vss.h"

typedef enum cli_element {
    CLI_F16,
    CLI_F32,
    CLI_F64,
    CLI_U8,
    CLI_I8,
    CLI_I16,
    CLI_I32,
    CLI_I64
} cli_element;

typedef struct cli_vectors {
    char *path;
    int fd;
    uint64_t size;       /* of the file */
    uint64_t rows;
    uint32_t dim;
    cli_element element;
    uint64_t data;       /* where the first row begins */
    uint32_t prefix;     /* bytes before each row's values: 4 in .fvecs and its kin */
    uint64_t stride;     /* bytes from row to row */
    unsigned char *block;
} cli_vectors;

/* Close it with cli_vectors_close, whether or not it opened. */
vss_status cli_vectors_open(const char *path, cli_vectors *vectors, vss_error *err);
void cli_vectors_close(cli_vectors *vectors);

/* "f4", "u1" and so on, as numpy writes them. Static text. */
const char *cli_element_name(cli_element element);

/* The value of a half's bit pattern: every one is a float32 exactly. */
float cli_half(uint32_t half);

/* Rows [first, first + n) as out[n][dim]. Integers and float64 round to float32. */
vss_status cli_vectors_read(cli_vectors *vectors, uint64_t first, uint64_t n, float *out, vss_error *err);
/* The same as whole numbers; INVALID for files of floats. */
vss_status cli_vectors_read_ids(cli_vectors *vectors, uint64_t first, uint64_t n, int64_t *out, vss_error *err);

/* The same as the file has them, [n][dim] elements: for files of bytes. */
vss_status cli_vectors_read_bytes(cli_vectors *vectors, uint64_t first, uint64_t n, unsigned char *out,
                                  vss_error *err);

/* Writes an .ibin file: int32 rows, int32 columns, then the rows. It appears under its name when it is complete. */
typedef struct cli_ibin {
    char *path, *partial;
    FILE *file;
} cli_ibin;

vss_status cli_ibin_create(const char *path, uint64_t rows, uint32_t columns, cli_ibin *ibin, vss_error *err);
vss_status cli_ibin_write(cli_ibin *ibin, const int32_t *values, size_t count, vss_error *err);
/* status is how the work went: unless it is OK the file is thrown away. Returns status, or what went wrong here. */
vss_status cli_ibin_finish(cli_ibin *ibin, vss_status status, vss_error *err);

#endif
