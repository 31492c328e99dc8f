/*
 * vector_file_new.h - files of vectors of a field's type, written row by row: .npy, .fbin, .u8bin, .i8bin
 *
 * The types that files know are written as they are; bf16 is widened to float32, and in .fbin f16 too, which loses
 * nothing; binary goes as bytes of eight components.
 */
#ifndef CLI_VECTOR_FILE_NEW_H
#define CLI_VECTOR_FILE_NEW_H

#include <stdbool.h>
#include <stdio.h>

#include "vss.h"

typedef struct cli_vector_out {
    char *path;
    FILE *file;
    vss_type type;
    uint32_t dim;
    bool widened; /* rows are written as float32 */
    float *row;   /* [dim] where widened */
} cli_vector_out;

/* The ending of a file of that type, ".npy" or of the .fbin family. Static text. */
const char *cli_vector_out_ending(vss_type type, bool npy);
/* Create the file and write its header for that many rows. INVALID where the format can't hold them. Close it with
 * cli_vector_out_close, whether or not it opened. */
vss_status cli_vector_out_open(const char *path, vss_type type, uint32_t dim, uint64_t rows, bool npy,
                               cli_vector_out *out, vss_error *err);
/* n vectors as the library has them. */
vss_status cli_vector_out_write(cli_vector_out *out, const void *vectors, uint64_t n, vss_error *err);
/* status is how the work went; returns it, or what went wrong when the file was closed. */
vss_status cli_vector_out_close(cli_vector_out *out, vss_status status, vss_error *err);

#endif
