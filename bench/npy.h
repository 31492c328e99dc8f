/*
 * npy.h - the text header of an .npy file
 */
#ifndef CLI_NPY_H
#define CLI_NPY_H

#include "vector_file.h"

enum { CLI_NPY_HEADER = 65536 }; /* longest header read */

typedef struct cli_npy {
    cli_element element;
    uint64_t rows, columns;
} cli_npy;

/* header[size]: "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 128), }". path is for the error line. */
vss_status cli_npy_parse(const char *path, const char *header, size_t size, cli_npy *npy, vss_error *err);

#endif
