/*
 * vector_file_write.c - writes .ibin files; a failed one leaves nothing behind
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"
#include "vector_file.h"

static vss_status ibin_fail(const cli_ibin *ibin, vss_error *err)
{
    return cli_fail(err, VSS_ERR_IO, "%s: %s", ibin->path, strerror(errno));
}

vss_status cli_ibin_create(const char *path, uint64_t rows, uint32_t columns, cli_ibin *ibin, vss_error *err)
{
    *ibin = (cli_ibin){.path = cli_copy(path), .partial = cli_format("%s.partial", path)};
    if (rows > INT32_MAX)
        return cli_fail(err, VSS_ERR_INVALID, "%s: %llu rows do not fit an .ibin file", path, (unsigned long long)rows);
    ibin->file = fopen(ibin->partial, "wb");
    if (!ibin->file)
        return ibin_fail(ibin, err);
    int32_t head[2] = {(int32_t)rows, (int32_t)columns};
    return cli_ibin_write(ibin, head, 2, err);
}

vss_status cli_ibin_write(cli_ibin *ibin, const int32_t *values, size_t count, vss_error *err)
{
    return fwrite(values, sizeof *values, count, ibin->file) == count ? VSS_OK : ibin_fail(ibin, err);
}

vss_status cli_ibin_finish(cli_ibin *ibin, vss_status status, vss_error *err)
{
    if (ibin->file) {
        bool closed = fclose(ibin->file) == 0;
        if (status == VSS_OK && (!closed || rename(ibin->partial, ibin->path) != 0))
            status = ibin_fail(ibin, err);
        if (status != VSS_OK)
            unlink(ibin->partial);
    }
    free(ibin->path);
    free(ibin->partial);
    *ibin = (cli_ibin){0};
    return status;
}
