/*
 * vector_file.c - reads files of vectors
 *
 * Costs one pread a MiB. Every size from a header goes through checked arithmetic and must give the file's size
 * exactly.
 */
#include "vector_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "npy.h"
#include "tool.h"

enum { VECTORS_BLOCK = 1 << 20 };

static const uint32_t vectors_sizes[] = {2, 4, 8, 1, 1, 2, 4, 8};

const char *cli_element_name(cli_element element)
{
    static const char *const names[] = {"f2", "f4", "f8", "u1", "i1", "i2", "i4", "i8"};
    return names[element];
}

/* File name endings. prefixed: every row has its own int32 dimension; else the file begins with rows and columns. */
static const struct {
    const char *ending;
    cli_element element;
    bool prefixed;
} vectors_kinds[] = {
    {".fvecs", CLI_F32, true}, {".bvecs", CLI_U8, true},  {".ivecs", CLI_I32, true}, {".fbin", CLI_F32, false},
    {".u8bin", CLI_U8, false}, {".i8bin", CLI_I8, false}, {".ibin", CLI_I32, false},
};

static vss_status vectors_pread(const cli_vectors *v, void *out, uint64_t size, uint64_t at, vss_error *err)
{
    unsigned char *to = out;
    while (size > 0) {
        ssize_t got = pread(v->fd, to, size, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cli_fail(err, VSS_ERR_IO, "%s: %s", v->path, strerror(errno));
        if (got == 0)
            return cli_fail(err, VSS_ERR_CORRUPT, "%s: ends at byte %llu, where more was expected", v->path,
                            (unsigned long long)at);
        to += got;
        at += (uint64_t)got;
        size -= (uint64_t)got;
    }
    return VSS_OK;
}

static uint32_t vectors_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t vectors_le(const unsigned char *p, uint32_t size)
{
    uint64_t value = 0;
    for (uint32_t i = size; i-- > 0;)
        value = value << 8 | p[i];
    return value;
}

/* Believe rows, dim and where the data begins only if they make up the file's size. */
static vss_status vectors_settle(cli_vectors *v, uint64_t rows, uint64_t dim, vss_error *err)
{
    uint64_t bytes;
    if (dim < 1 || dim > VSS_MAX_DIM)
        return cli_fail(err, VSS_ERR_INVALID, "%s: %llu columns: expected 1 to %u", v->path, (unsigned long long)dim,
                        VSS_MAX_DIM);
    v->stride = v->prefix + dim * vectors_sizes[v->element];
    if (__builtin_mul_overflow(rows, v->stride, &bytes) || __builtin_add_overflow(bytes, v->data, &bytes) ||
        bytes != v->size)
        return cli_fail(err, VSS_ERR_CORRUPT,
                        "%s: the header tells of %llu rows of %llu columns, the file has %llu bytes", v->path,
                        (unsigned long long)rows, (unsigned long long)dim, (unsigned long long)v->size);
    v->rows = rows;
    v->dim = (uint32_t)dim;
    return VSS_OK;
}

static vss_status vectors_open_npy(cli_vectors *v, vss_error *err)
{
    unsigned char start[12];
    cli_npy npy;
    if (v->size < sizeof start)
        return cli_fail(err, VSS_ERR_CORRUPT, "%s: %llu bytes are too few for an .npy header", v->path,
                        (unsigned long long)v->size);
    CLI_TRY(vectors_pread(v, start, sizeof start, 0, err));
    if (memcmp(start, "\x93NUMPY", 6) != 0 || start[6] < 1 || start[6] > 3)
        return cli_fail(err, VSS_ERR_CORRUPT, "%s: not an .npy file of version 1 to 3", v->path);
    uint64_t begin = start[6] == 1 ? 10 : 12;
    uint64_t size = start[6] == 1 ? vectors_le(start + 8, 2) : vectors_le(start + 8, 4);
    if (size > CLI_NPY_HEADER || size > v->size - begin)
        return cli_fail(err, VSS_ERR_CORRUPT, "%s: a header of %llu bytes in a file of %llu", v->path,
                        (unsigned long long)size, (unsigned long long)v->size);
    char *header = cli_alloc(size + 1, 1);
    vss_status status = vectors_pread(v, header, size, begin, err);
    if (status == VSS_OK)
        status = cli_npy_parse(v->path, header, size, &npy, err);
    free(header);
    if (status != VSS_OK)
        return status;
    v->element = npy.element;
    v->data = begin + size;
    return vectors_settle(v, npy.rows, npy.columns, err);
}

static vss_status vectors_open_bin(cli_vectors *v, vss_error *err)
{
    unsigned char head[8];
    if (v->size < sizeof head)
        return cli_fail(err, VSS_ERR_CORRUPT, "%s: %llu bytes are too few for a header of 8", v->path,
                        (unsigned long long)v->size);
    CLI_TRY(vectors_pread(v, head, sizeof head, 0, err));
    v->data = sizeof head;
    return vectors_settle(v, vectors_u32(head), vectors_u32(head + 4), err);
}

static vss_status vectors_open_vecs(cli_vectors *v, vss_error *err)
{
    unsigned char head[4];
    if (v->size < sizeof head)
        return cli_fail(err, VSS_ERR_CORRUPT, "%s: %llu bytes are too few for a row", v->path,
                        (unsigned long long)v->size);
    CLI_TRY(vectors_pread(v, head, sizeof head, 0, err));
    v->prefix = sizeof head;
    uint32_t dim = vectors_u32(head);
    uint64_t stride = v->prefix + (uint64_t)dim * vectors_sizes[v->element];
    return vectors_settle(v, v->size / stride, dim, err);
}

static vss_status vectors_open_file(cli_vectors *v, vss_error *err)
{
    struct stat info;
    v->fd = open(v->path, O_RDONLY | O_CLOEXEC);
    if (v->fd < 0 || fstat(v->fd, &info) != 0)
        return cli_fail(err, VSS_ERR_IO, "%s: %s", v->path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return cli_fail(err, VSS_ERR_INVALID, "%s: not a regular file", v->path);
    v->size = (uint64_t)info.st_size;
    return VSS_OK;
}

vss_status cli_vectors_open(const char *path, cli_vectors *v, vss_error *err)
{
    *v = (cli_vectors){.path = cli_copy(path), .fd = -1};
    const char *ending = strrchr(path, '.');
    ending = ending ? ending : "";
    if (strcmp(ending, ".npy") == 0) {
        CLI_TRY(vectors_open_file(v, err));
        return vectors_open_npy(v, err);
    }
    for (size_t i = 0; i < sizeof vectors_kinds / sizeof vectors_kinds[0]; i++) {
        if (strcmp(ending, vectors_kinds[i].ending) != 0)
            continue;
        CLI_TRY(vectors_open_file(v, err));
        v->element = vectors_kinds[i].element;
        return vectors_kinds[i].prefixed ? vectors_open_vecs(v, err) : vectors_open_bin(v, err);
    }
    return cli_fail(err, VSS_ERR_INVALID, "%s: expected a name that ends in .npy .fvecs .bvecs .ivecs .fbin .u8bin"
                    " .i8bin or .ibin", path);
}

void cli_vectors_close(cli_vectors *v)
{
    if (v->path && v->fd >= 0)
        close(v->fd);
    free(v->block);
    free(v->path);
    *v = (cli_vectors){.fd = -1};
}

float cli_half(uint32_t half)
{
    uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3FF, bits;
    float value;
    if (exponent == 0) {
        value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    bits = sign | (exponent == 31 ? 0x7F800000 : (exponent + 112) << 23) | fraction << 13;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int64_t vectors_integer(cli_element element, const unsigned char *p)
{
    switch (element) {
    case CLI_U8: return p[0];
    case CLI_I8: return (int8_t)p[0];
    case CLI_I16: return (int16_t)vectors_le(p, 2);
    case CLI_I32: return (int32_t)vectors_u32(p);
    default: return (int64_t)vectors_le(p, 8);
    }
}

static float vectors_float(cli_element element, const unsigned char *p)
{
    float single;
    double real;
    switch (element) {
    case CLI_F16: return cli_half((uint32_t)vectors_le(p, 2));
    case CLI_F32: memcpy(&single, p, sizeof single); return single;
    case CLI_F64: memcpy(&real, p, sizeof real); return (float)real;
    default: return (float)vectors_integer(element, p);
    }
}

/* Where rows go: exactly one is given. */
typedef struct vectors_out {
    float *floats;
    int64_t *ids;
    unsigned char *bytes;
} vectors_out;

/* The row that is number at of those asked for. */
static void vectors_convert(const cli_vectors *v, const unsigned char *row, const vectors_out *out, uint64_t at)
{
    uint32_t size = vectors_sizes[v->element], dim = v->dim;
    if (out->bytes)
        memcpy(out->bytes + at * dim * size, row, (size_t)dim * size);
    else if (out->floats && v->element == CLI_F32)
        memcpy(out->floats + at * dim, row, (size_t)dim * size);
    else if (out->floats)
        for (uint32_t i = 0; i < dim; i++)
            out->floats[at * dim + i] = vectors_float(v->element, row + (size_t)i * size);
    else
        for (uint32_t i = 0; i < dim; i++)
            out->ids[at * dim + i] = vectors_integer(v->element, row + (size_t)i * size);
}

static vss_status vectors_read_rows(cli_vectors *v, uint64_t first, uint64_t n, vectors_out out, vss_error *err)
{
    uint64_t room = v->stride < VECTORS_BLOCK ? VECTORS_BLOCK / v->stride : 1;
    if (first > v->rows || n > v->rows - first)
        return cli_fail(err, VSS_ERR_INVALID, "%s: there is no row %llu", v->path, (unsigned long long)(first + n - 1));
    if (!v->block)
        v->block = cli_alloc(room, v->stride);
    for (uint64_t done = 0; done < n;) {
        uint64_t rows = n - done < room ? n - done : room;
        CLI_TRY(vectors_pread(v, v->block, rows * v->stride, v->data + (first + done) * v->stride, err));
        for (uint64_t r = 0; r < rows; r++, done++) {
            const unsigned char *row = v->block + r * v->stride;
            if (v->prefix && vectors_u32(row) != v->dim)
                return cli_fail(err, VSS_ERR_CORRUPT, "%s: row %llu has %u columns, row 0 has %u", v->path,
                                (unsigned long long)(first + done), vectors_u32(row), v->dim);
            vectors_convert(v, row + v->prefix, &out, done);
        }
    }
    return VSS_OK;
}

vss_status cli_vectors_read(cli_vectors *v, uint64_t first, uint64_t n, float *out, vss_error *err)
{
    return vectors_read_rows(v, first, n, (vectors_out){.floats = out}, err);
}

vss_status cli_vectors_read_ids(cli_vectors *v, uint64_t first, uint64_t n, int64_t *out, vss_error *err)
{
    if (v->element <= CLI_F64)
        return cli_fail(err, VSS_ERR_INVALID, "%s: expected row numbers, got floats", v->path);
    return vectors_read_rows(v, first, n, (vectors_out){.ids = out}, err);
}

vss_status cli_vectors_read_bytes(cli_vectors *v, uint64_t first, uint64_t n, unsigned char *out, vss_error *err)
{
    return vectors_read_rows(v, first, n, (vectors_out){.bytes = out}, err);
}
