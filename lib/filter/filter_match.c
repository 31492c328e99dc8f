/*
 * filter_match.c - like: % is any run of characters, _ is one character, a backslash takes what follows as it is
 *
 * A character is a UTF-8 code point. The pattern is cut at its % into pieces: the first is matched at the text's begin,
 * the last at its end, those between one after another, each at the earliest place, which leaves most room for the
 * rest. Cost: one pass over the text for pieces without _; for those with _, at worst piece x text.
 */
#include "filter_stages.h"

typedef struct filter_piece {
    size_t n;
    size_t characters;
    const uint8_t *bytes; /* [n] */
    const bool *any;      /* [n]: stands for _; NULL: none does */
} filter_piece;

struct vssi_filter_pattern {
    size_t n_pieces; /* one more than there are runs of % */
    filter_piece *pieces;
};

static bool filter_match_continues(uint8_t byte) { return (byte & 0xc0) == 0x80; }

/* ---- compile ---- */

/* The unescaped pattern: kind[i] is '%' or '_' for a wildcard, 0 for a byte as it is. */
static vss_status filter_match_unescape(vssi_filter_job *job, const vssi_filter_literal *literal, uint8_t *bytes,
                                        char *kind, size_t *n)
{
    vssi_filter_text text = literal->text;
    *n = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        kind[*n] = c == '%' || c == '_' ? c : 0;
        if (c == '\\') {
            if (++i == text.size)
                return vssi_filter_fail(job, literal->at, "the pattern ends in its escape character \"\\\"");
            c = text.data[i];
        }
        bytes[(*n)++] = (uint8_t)c;
    }
    return VSS_OK;
}

static vss_status filter_match_piece(vssi_filter_job *job, const uint8_t *bytes, const char *kind, size_t n,
                                     filter_piece *out)
{
    bool *any = NULL;
    *out = (filter_piece){.n = n, .bytes = bytes};
    for (size_t i = 0; i < n; i++) {
        out->characters += !filter_match_continues(bytes[i]);
        if (kind[i] == 0)
            continue;
        if (any == NULL)
            VSSI_TRY(vssi_filter_arena_alloc(job->keep, n, sizeof *any, &any, job->err));
        any[i] = true;
    }
    out->any = any;
    return VSS_OK;
}

vss_status vssi_filter_pattern_compile(vssi_filter_job *job, const vssi_filter_literal *literal,
                                       vssi_filter_pattern **out)
{
    size_t n, cuts = 0;
    uint8_t *bytes;
    char *kind;
    vssi_filter_pattern *pattern;
    VSSI_TRY(vssi_filter_arena_alloc(job->keep, 1, sizeof *pattern, &pattern, job->err));
    VSSI_TRY(vssi_filter_arena_alloc(job->keep, literal->text.size, 1, &bytes, job->err));
    VSSI_TRY(vssi_filter_arena_alloc(&job->scratch, literal->text.size, 1, &kind, job->err));
    VSSI_TRY(filter_match_unescape(job, literal, bytes, kind, &n));
    for (size_t i = 0; i < n; i++)
        cuts += kind[i] == '%' && (i == 0 || kind[i - 1] != '%');
    VSSI_TRY(vssi_filter_arena_alloc(job->keep, cuts + 1, sizeof *pattern->pieces, &pattern->pieces, job->err));
    for (size_t begin = 0, end = 0; pattern->n_pieces <= cuts; begin = end) {
        while (end < n && kind[end] != '%')
            end++;
        VSSI_TRY(filter_match_piece(job, bytes + begin, kind + begin, end - begin,
                                    &pattern->pieces[pattern->n_pieces++]));
        while (end < n && kind[end] == '%')
            end++;
    }
    *out = pattern;
    return VSS_OK;
}

/* ---- match ---- */

/* The end of the piece when it stands at `at`, else NULL. */
static const uint8_t *filter_match_at(const filter_piece *piece, const uint8_t *at, const uint8_t *end)
{
    if (piece->any == NULL)
        return piece->n <= (size_t)(end - at) && (piece->n == 0 || memcmp(at, piece->bytes, piece->n) == 0)
                   ? at + piece->n
                   : NULL;
    for (size_t i = 0; i < piece->n; i++) {
        if (at == end || (!piece->any[i] && *at != piece->bytes[i]))
            return NULL;
        at++;
        while (piece->any[i] && at < end && filter_match_continues(*at))
            at++;
    }
    return at;
}

/* The end of the piece at its earliest place, else NULL. */
static const uint8_t *filter_match_find(const filter_piece *piece, const uint8_t *at, const uint8_t *end)
{
    if (piece->any == NULL) {
        const uint8_t *found = piece->n == 0 ? at : memmem(at, (size_t)(end - at), piece->bytes, piece->n);
        return found != NULL ? found + piece->n : NULL;
    }
    for (;;) {
        const uint8_t *found = filter_match_at(piece, at, end);
        if (found != NULL || at == end)
            return found;
        for (at++; at < end && filter_match_continues(*at); at++)
            ;
    }
}

/* Whether the piece stands at the end, not before `at`. */
static bool filter_match_last(const filter_piece *piece, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *begin = end;
    for (size_t left = piece->characters; left > 0; left--) {
        if (begin == at)
            return false;
        for (begin--; begin > at && filter_match_continues(*begin); begin--)
            ;
    }
    return filter_match_at(piece, begin, end) == end;
}

bool vssi_filter_pattern_match(const vssi_filter_pattern *pattern, vssi_filter_text text)
{
    static const uint8_t nothing[1];
    const uint8_t *at = text.size > 0 ? (const uint8_t *)text.data : nothing, *end = at + text.size;
    at = filter_match_at(&pattern->pieces[0], at, end);
    if (pattern->n_pieces == 1)
        return at == end;
    for (size_t i = 1; at != NULL && i + 1 < pattern->n_pieces; i++)
        at = filter_match_find(&pattern->pieces[i], at, end);
    return at != NULL && filter_match_last(&pattern->pieces[pattern->n_pieces - 1], at, end);
}
