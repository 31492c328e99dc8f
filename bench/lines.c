/*
 * lines.c - reads lines through one buffer that grows to the longest line
 *
 * A compressed file is decompressed as it is read; one that ends within a frame is refused.
 */
#include "lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "tool.h"

struct cli_lines {
    char *path;
    FILE *file;
    ZSTD_DStream *zstd;   /* NULL: plain text */
    char *packed;         /* bytes read and not yet decompressed */
    ZSTD_inBuffer in;
    bool in_frame;        /* a frame has begun and not ended */
    bool ended;
    char *text;           /* [room]: begin..end is not yet given out */
    size_t begin, end, room;
    uint64_t number;
};

static vss_status lines_fail(const cli_lines *lines, const char *why, vss_error *err)
{
    return cli_fail(err, VSS_ERR_IO, "%s: %s", lines->path, why);
}

vss_status cli_lines_open(const char *path, cli_lines **out, vss_error *err)
{
    size_t size = strlen(path);
    cli_lines *lines = cli_alloc(1, sizeof *lines);
    *out = NULL;
    lines->path = cli_copy(path);
    lines->file = fopen(path, "rb");
    if (!lines->file) {
        vss_status status = lines_fail(lines, strerror(errno), err);
        cli_lines_close(lines);
        return status;
    }
    lines->room = 1 << 16;
    lines->text = cli_alloc(lines->room, 1);
    if (size > 4 && strcmp(path + size - 4, ".zst") == 0) {
        lines->zstd = ZSTD_createDStream();
        lines->packed = cli_alloc(ZSTD_DStreamInSize(), 1);
        if (!lines->zstd) {
            cli_lines_close(lines);
            return cli_fail(err, VSS_ERR_NO_MEMORY, "%s: out of memory", path);
        }
    }
    *out = lines;
    return VSS_OK;
}

void cli_lines_close(cli_lines *lines)
{
    if (!lines)
        return;
    if (lines->file)
        fclose(lines->file);
    ZSTD_freeDStream(lines->zstd);
    free(lines->packed);
    free(lines->text);
    free(lines->path);
    free(lines);
}

static vss_status lines_read(cli_lines *lines, void *to, size_t room, size_t *got, vss_error *err)
{
    *got = fread(to, 1, room, lines->file);
    return ferror(lines->file) ? lines_fail(lines, strerror(errno), err) : VSS_OK;
}

/* Decompress into text[end..room), reading more where needed; *got 0 is the end. */
static vss_status lines_unpack(cli_lines *lines, size_t *got, vss_error *err)
{
    ZSTD_outBuffer to = {lines->text + lines->end, lines->room - lines->end, 0};
    while (to.pos == 0) {
        if (lines->in.pos == lines->in.size) {
            CLI_TRY(lines_read(lines, lines->packed, ZSTD_DStreamInSize(), &lines->in.size, err));
            lines->in.src = lines->packed;
            lines->in.pos = 0;
            if (lines->in.size == 0 && lines->in_frame)
                return lines_fail(lines, "the compressed data ends too early", err);
            if (lines->in.size == 0)
                break;
        }
        size_t left = ZSTD_decompressStream(lines->zstd, &to, &lines->in);
        if (ZSTD_isError(left))
            return lines_fail(lines, ZSTD_getErrorName(left), err);
        lines->in_frame = left != 0;
    }
    *got = to.pos;
    return VSS_OK;
}

/* Bring in more text after end. */
static vss_status lines_fill(cli_lines *lines, vss_error *err)
{
    size_t got = 0;
    if (lines->begin > 0) {
        memmove(lines->text, lines->text + lines->begin, lines->end - lines->begin);
        lines->end -= lines->begin;
        lines->begin = 0;
    }
    if (lines->end == lines->room) {
        if (lines->room >= CLI_LINE_MAX)
            return cli_fail(err, VSS_ERR_INVALID, "%s line %llu: longer than %u bytes", lines->path,
                            (unsigned long long)lines->number + 1, CLI_LINE_MAX);
        lines->room *= 2;
        lines->text = cli_resize(lines->text, lines->room, 1);
    }
    if (lines->zstd)
        CLI_TRY(lines_unpack(lines, &got, err));
    else
        CLI_TRY(lines_read(lines, lines->text + lines->end, lines->room - lines->end, &got, err));
    lines->end += got;
    lines->ended = got == 0;
    return VSS_OK;
}

static bool lines_blank(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

vss_status cli_lines_next(cli_lines *lines, const char **text, size_t *size, vss_error *err)
{
    size_t seen = 0;
    for (;;) {
        const char *from = lines->text + lines->begin;
        size_t have = lines->end - lines->begin;
        const char *newline = memchr(from + seen, '\n', have - seen);
        if (!newline && !lines->ended) {
            seen = have;
            CLI_TRY(lines_fill(lines, err));
            continue;
        }
        if (!newline && have == 0) {
            *text = NULL;
            *size = 0;
            return VSS_OK;
        }
        *text = from;
        *size = newline ? (size_t)(newline - from) : have;
        lines->begin += *size + (newline ? 1 : 0);
        lines->number++;
        if (!lines_blank(*text, *size))
            return VSS_OK;
        seen = 0;
    }
}

uint64_t cli_lines_number(const cli_lines *lines) { return lines->number; }

vss_status cli_lines_rewind(cli_lines *lines, vss_error *err)
{
    if (fseeko(lines->file, 0, SEEK_SET) != 0)
        return lines_fail(lines, strerror(errno), err);
    if (lines->zstd)
        ZSTD_initDStream(lines->zstd);
    lines->in = (ZSTD_inBuffer){0};
    lines->in_frame = lines->ended = false;
    lines->begin = lines->end = 0;
    lines->number = 0;
    return VSS_OK;
}
