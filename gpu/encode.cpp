/*
 * encode.cpp - residuals of rows up, their codes down
 *
 * Rows travel in pieces of up to 8 MiB through two pinned buffers each way: while the card has one piece, the next is
 * put into pinned memory and the codes of the one before are taken from there. A stream does one thing after another,
 * so that a call's copies do not overlap its kernels; those of other calls do, MOST_CALLS at once, each with a stream
 * of its own. The caller is asked before each piece. Scratch memory: what all rows share, and one piece.
 */
#include <cmath>
#include <cstring>

#include "carve.h"
#include "fail.h"
#include "launches.h"
#include "state.h"

namespace vssg {

/* What goes to and fro. */
struct Encode {
    Device *device;
    Call *call;
    size_t n;                         /* rows */
    const float *residuals;           /* [n][width] */
    const uint32_t *where;            /* [n]; NULL: not wanted */
    uint8_t *codes;                   /* [n][code] */
    float *factors;                   /* [n][4]; NULL: none */
    size_t row, code;                 /* bytes of a residual, of a code */
    int (*stopped)(void *state);
    void *state;
    size_t shared;                    /* bytes of what all rows share, which lies first */
    size_t piece;                     /* rows */
    size_t staged;                    /* times that staging memory was filled before the first piece */
};

template <class Type> static Type *encode_at(const Encode &e, size_t place)
{
    return reinterpret_cast<Type *>(static_cast<char *>(e.call->scratch) + place);
}

/* Bytes of n rows on their way: up, and down with the factors behind the codes. */
static size_t encode_sent(const Encode &e, size_t n) { return n * (e.row + (e.where != nullptr ? 4 : 0)); }
static size_t encode_coded(const Encode &e, size_t n) { return whole_up(n * e.code, 16); }
static size_t encode_got(const Encode &e, size_t n) { return encode_coded(e, n) + (e.factors != nullptr ? n * 16 : 0); }

static size_t encode_results(const Encode &e) { return e.shared + whole_up(encode_sent(e, e.piece)); }

/* Rows of a piece, and memory for them: an eighth of the budget at most, but room for a row. */
static vss_status encode_room(Encode *e, vss_error *err)
{
    const size_t row = encode_sent(*e, 1) + encode_got(*e, 1), share = e->device->budget / 8 / row;
    const size_t staged = STAGING_BYTES / encode_sent(*e, 1);
    e->piece = staged < share ? staged : share > 0 ? share : 1;
    e->piece = e->piece < e->n ? e->piece : e->n;
    VSSG_TRY(call_scratch(e->device, e->call, encode_results(*e) + encode_got(*e, e->piece), err));
    VSSG_TRY(call_pinned(e->call, 2 * whole_up(encode_got(*e, e->piece), 16), err));
    return call_staging(e->call, err);
}

static size_t encode_count(const Encode &e, size_t piece)
{
    const size_t left = e.n - piece * e.piece;
    return left < e.piece ? left : e.piece;
}

static char *encode_pinned(const Encode &e, size_t piece)
{
    return static_cast<char *>(e.call->pinned) + piece % 2 * whole_up(encode_got(e, e.piece), 16);
}

/* Bytes that all rows share, to the scratch memory. */
static vss_status encode_share(Encode *e, size_t place, const void *from, size_t bytes, vss_error *err)
{
    for (size_t at = 0; at < bytes; e->staged++) {
        const unsigned slot = e->staged % 2;
        const size_t n = bytes - at < STAGING_BYTES ? bytes - at : STAGING_BYTES;
        char *staging = static_cast<char *>(e->call->staging) + slot * STAGING_BYTES;
        if (e->staged >= 2)
            VSSG_TRY(runtime_wait(e->call->stream, slot, err));
        std::memcpy(staging, static_cast<const char *>(from) + at, n);
        VSSG_TRY(runtime_copy_up(e->call->stream, encode_at<char>(*e, place + at), staging, n, err));
        VSSG_TRY(runtime_mark(e->call->stream, slot, err));
        at += n;
    }
    return VSS_OK;
}

/* Which staging memory, and which event, a piece has. */
static unsigned encode_slot(const Encode &e, size_t piece) { return static_cast<unsigned>((e.staged + piece) % 2); }

/* run(residuals, where, codes, factors, n) launches the kernel for a piece. */
template <class Run> static vss_status encode_piece(const Encode &e, size_t piece, const Run &run, vss_error *err)
{
    const size_t n = encode_count(e, piece), first = piece * e.piece, rows = n * e.row;
    char *staging = static_cast<char *>(e.call->staging) + encode_slot(e, piece) * STAGING_BYTES;
    uint8_t *codes = encode_at<uint8_t>(e, encode_results(e));
    if (piece < 2 && e.staged + piece >= 2) /* later the piece before it there has been collected */
        VSSG_TRY(runtime_wait(e.call->stream, encode_slot(e, piece), err));
    std::memcpy(staging, reinterpret_cast<const char *>(e.residuals) + first * e.row, rows);
    if (e.where != nullptr)
        std::memcpy(staging + rows, e.where + first, n * sizeof *e.where);
    VSSG_TRY(runtime_copy_up(e.call->stream, encode_at<char>(e, e.shared), staging, encode_sent(e, n), err));
    VSSG_TRY(run(encode_at<float>(e, e.shared), encode_at<uint32_t>(e, e.shared + rows), codes,
                 reinterpret_cast<float *>(codes + encode_coded(e, n)), static_cast<uint32_t>(n)));
    VSSG_TRY(runtime_copy_down(e.call->stream, encode_pinned(e, piece), codes, encode_got(e, n), err));
    return runtime_mark(e.call->stream, encode_slot(e, piece), err);
}

static vss_status encode_collect(const Encode &e, size_t piece, vss_error *err)
{
    const size_t n = encode_count(e, piece), first = piece * e.piece;
    const char *pinned = encode_pinned(e, piece);
    VSSG_TRY(runtime_wait(e.call->stream, encode_slot(e, piece), err));
    std::memcpy(e.codes + first * e.code, pinned, n * e.code);
    if (e.factors != nullptr)
        std::memcpy(e.factors + first * 4, pinned + encode_coded(e, n), n * 16);
    return VSS_OK;
}

template <class Run> static vss_status encode_pieces(const Encode &e, const Run &run, vss_error *err)
{
    const size_t pieces = (e.n + e.piece - 1) / e.piece;
    for (size_t piece = 0; piece < pieces + 2; piece++) {
        if (piece >= 2)
            VSSG_TRY(encode_collect(e, piece - 2, err));
        if (piece >= pieces)
            continue;
        if (e.stopped != nullptr && e.stopped(e.state))
            return fail(err, VSS_ERR_CANCELLED, "cancelled");
        VSSG_TRY(encode_piece(e, piece, run, err));
    }
    return VSS_OK;
}

static vss_status encode_end(Call *call, vss_status status)
{
    vss_error other;
    if (status != VSS_OK)
        (void)runtime_finish(call->stream, &other); /* nothing may still write where the next call works */
    return status;
}

static vss_status encode_signs(Device *device, Call *call, const vss_device_signs *asked, vss_error *err)
{
    const size_t width = asked->width, row = width * sizeof(float), signs = whole_up(TURN_ROUNDS * row);
    Encode e{};
    e.device = device;
    e.call = call;
    e.n = asked->n;
    e.residuals = asked->residuals;
    e.where = asked->where;
    e.codes = asked->codes;
    e.factors = asked->factors;
    e.row = row;
    e.code = width;
    e.stopped = asked->stopped;
    e.state = asked->state;
    e.shared = signs + whole_up(asked->n_centers * row);
    VSSG_TRY(encode_room(&e, err));
    Turn job{};
    job.signs = encode_at<float>(e, 0);
    job.centers = encode_at<float>(e, signs);
    job.width = asked->width;
    job.bits = asked->bits;
    job.n_tries = asked->n_tries;
    for (job.power = 16; 2 * job.power <= asked->width;)
        job.power *= 2;
    job.shrink = 1 / std::sqrt(static_cast<float>(job.power));
    job.step = asked->step;
    for (uint32_t i = 0; i < asked->n_tries; i++)
        job.tries[i] = asked->tries[i];
    VSSG_TRY(encode_share(&e, 0, asked->signs, TURN_ROUNDS * row, err));
    VSSG_TRY(encode_share(&e, signs, asked->centers, asked->n_centers * row, err));
    const auto run = [&](float *residuals, uint32_t *where, uint8_t *codes, float *factors, uint32_t n) {
        job.residuals = residuals;
        job.where = where;
        job.codes = codes;
        job.factors = factors;
        job.n = n;
        return launch_turn(call->stream, job, err);
    };
    return encode_pieces(e, run, err);
}

static vss_status encode_words(Device *device, Call *call, const float *words, const vss_device_words *asked,
                               vss_error *err)
{
    Encode e{};
    e.device = device;
    e.call = call;
    e.n = asked->n;
    e.residuals = asked->residuals;
    e.codes = asked->codes;
    e.row = asked->width * sizeof(float);
    e.code = asked->n_runs;
    e.stopped = asked->stopped;
    e.state = asked->state;
    VSSG_TRY(encode_room(&e, err));
    Words job{};
    job.words = words;
    job.width = asked->width;
    job.runs = asked->n_runs;
    job.n_words = asked->n_words;
    const auto run = [&](float *residuals, uint32_t *, uint8_t *codes, float *, uint32_t n) {
        job.residuals = residuals;
        job.codes = codes;
        job.n = n;
        return launch_words(call->stream, job, err);
    };
    return encode_pieces(e, run, err);
}

vss_status encode_words_run(Device *device, Call *call, const float *words, const vss_device_words *asked,
                            vss_error *err)
{
    return encode_end(call, encode_words(device, call, words, asked, err));
}

vss_status encode_signs_run(Device *device, Call *call, const vss_device_signs *asked, vss_error *err)
{
    return encode_end(call, encode_signs(device, call, asked, err));
}

} // namespace vssg
