/*
 * vector_file_new.c - writes files of vectors
 */
#include "vector_file_new.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"
#include "vector_types.h"

enum { NPY_HEAD = 128 }; /* bytes before the rows: a multiple of 64 */

static vss_status out_fail(const cli_vector_out *out, vss_error *err)
{
    return cli_fail(err, VSS_ERR_IO, "%s: %s", out->path, strerror(errno));
}

const char *cli_vector_out_ending(vss_type type, bool npy)
{
    if (npy)
        return ".npy";
    if (cli_vectors_given(type) == VSS_TYPE_VECTOR_F32)
        return ".fbin";
    return type == VSS_TYPE_VECTOR_I8 ? ".i8bin" : ".u8bin";
}

/* Columns of the file: components, or bytes of binary. */
static uint32_t out_columns(const cli_vector_out *out)
{
    return out->type == VSS_TYPE_VECTOR_BINARY ? out->dim / 8 : out->dim;
}

static const char *out_descr(const cli_vector_out *out)
{
    if (out->widened || out->type == VSS_TYPE_VECTOR_F32)
        return "<f4";
    if (out->type == VSS_TYPE_VECTOR_F16)
        return "<f2";
    return out->type == VSS_TYPE_VECTOR_I8 ? "|i1" : "|u1";
}

static vss_status out_head_npy(cli_vector_out *out, uint64_t rows, vss_error *err)
{
    char head[NPY_HEAD + 1];
    memcpy(head, "\x93NUMPY\x01\x00", 8);
    head[8] = NPY_HEAD - 10;
    head[9] = 0;
    int size = snprintf(head + 10, sizeof head - 10, "{'descr': '%s', 'fortran_order': False, 'shape': (%llu, %u), }",
                        out_descr(out), (unsigned long long)rows, out_columns(out));
    memset(head + 10 + size, ' ', (size_t)(NPY_HEAD - 10 - size));
    head[NPY_HEAD - 1] = '\n';
    return fwrite(head, 1, NPY_HEAD, out->file) == NPY_HEAD ? VSS_OK : out_fail(out, err);
}

static vss_status out_head_bin(cli_vector_out *out, uint64_t rows, vss_error *err)
{
    if (rows > INT32_MAX)
        return cli_fail(err, VSS_ERR_INVALID, "%s: %llu rows do not fit such a file, take --format npy", out->path,
                        (unsigned long long)rows);
    const uint32_t head[2] = {(uint32_t)rows, out_columns(out)};
    return fwrite(head, sizeof head, 1, out->file) == 1 ? VSS_OK : out_fail(out, err);
}

vss_status cli_vector_out_open(const char *path, vss_type type, uint32_t dim, uint64_t rows, bool npy,
                               cli_vector_out *out, vss_error *err)
{
    *out = (cli_vector_out){.path = cli_copy(path), .type = type, .dim = dim};
    out->widened = type == VSS_TYPE_VECTOR_BF16 || (type == VSS_TYPE_VECTOR_F16 && !npy);
    out->row = cli_alloc(dim, sizeof *out->row);
    out->file = fopen(path, "wbx");
    if (!out->file)
        return out_fail(out, err);
    return npy ? out_head_npy(out, rows, err) : out_head_bin(out, rows, err);
}

static vss_status out_write_widened(cli_vector_out *out, const unsigned char *vector, vss_error *err)
{
    double *wide = cli_alloc(out->dim, sizeof *wide);
    cli_vector_widen(out->type, vector, out->dim, wide);
    for (uint32_t i = 0; i < out->dim; i++)
        out->row[i] = (float)wide[i];
    free(wide);
    return fwrite(out->row, sizeof *out->row, out->dim, out->file) == out->dim ? VSS_OK : out_fail(out, err);
}

vss_status cli_vector_out_write(cli_vector_out *out, const void *vectors, uint64_t n, vss_error *err)
{
    const size_t size = cli_vector_size(out->type, out->dim);
    if (!out->widened)
        return fwrite(vectors, size, n, out->file) == n ? VSS_OK : out_fail(out, err);
    for (uint64_t i = 0; i < n; i++)
        CLI_TRY(out_write_widened(out, (const unsigned char *)vectors + i * size, err));
    return VSS_OK;
}

vss_status cli_vector_out_close(cli_vector_out *out, vss_status status, vss_error *err)
{
    if (out->file && fclose(out->file) != 0 && status == VSS_OK)
        status = out_fail(out, err);
    free(out->row);
    free(out->path);
    *out = (cli_vector_out){0};
    return status;
}
