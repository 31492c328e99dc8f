/*
 * places.cpp - what stays on the card: loaded once, used by many calls, dropped when room is wanted
 *
 * Loading of rows (points.cpp has that of points). They travel in pieces through two pinned buffers: while one is on
 * its way the other is filled, each row filled up with zeros to a multiple of 16 bytes. Then the card rounds them to
 * bfloat16 and measures them (prepare.h), and makes their codes, where they have some (codes.h). Memory a row: its
 * bytes, and but for bits 2 a component and 8; with a code 1 a component and 16.
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "carve.h"
#include "fail.h"
#include "launches.h"
#include "state.h"

namespace vssg {


Kind place_kind(vss_type type)
{
    switch (type) {
    case VSS_TYPE_VECTOR_F32:
        return Kind::f32;
    case VSS_TYPE_VECTOR_F16:
        return Kind::f16;
    case VSS_TYPE_VECTOR_BF16:
        return Kind::bf16;
    case VSS_TYPE_VECTOR_I8:
        return Kind::i8;
    case VSS_TYPE_VECTOR_U8:
        return Kind::u8;
    default:
        return Kind::bits;
    }
}

static size_t places_row(const vss_device_vectors *v)
{
    switch (place_kind(v->type)) {
    case Kind::f32:
        return size_t{4} * v->dim;
    case Kind::f16:
    case Kind::bf16:
        return size_t{2} * v->dim;
    case Kind::bits:
        return v->dim / 8;
    default:
        return v->dim;
    }
}

static void places_shape(const vss_device_vectors *vectors, Rows *shape)
{
    *shape = Rows{};
    shape->stride = whole_up(places_row(vectors), 16);
    shape->n = static_cast<uint32_t>(vectors->rows);
    shape->dim = vectors->dim;
    shape->padded = static_cast<uint32_t>(whole_up(vectors->dim, 8));
    shape->kind = place_kind(vectors->type);
    shape->metric = vectors->metric;
}

size_t place_bytes(const Rows &shape)
{
    const size_t n = shape.n, data = whole_up(n * shape.stride, 256);
    if (shape.kind == Kind::bits)
        return data;
    const size_t measured = whole_up(2 * n * shape.padded, 256) + 2 * whole_up(4 * n, 256);
    const size_t codes = shape.code_size > 0 ? whole_up(n * sizeof(Coded), 256) + n * shape.code_size : 0;
    return data + measured + codes;
}

/* One after the other, as place_bytes counts them. */
static void places_divide(Rows *rows, void *memory)
{
    uint8_t *at = static_cast<uint8_t *>(memory);
    rows->data = at;
    if (rows->kind == Kind::bits)
        return;
    at += whole_up(rows->n * rows->stride, 256);
    rows->halves = reinterpret_cast<const uint16_t *>(at);
    at += whole_up(size_t{2} * rows->n * rows->padded, 256);
    rows->lengths = reinterpret_cast<const float *>(at);
    at += whole_up(size_t{4} * rows->n, 256);
    rows->rests = reinterpret_cast<const float *>(at);
    at += whole_up(size_t{4} * rows->n, 256);
    if (rows->code_size == 0)
        return;
    rows->coded = reinterpret_cast<const Coded *>(at);
    rows->codes = at + whole_up(rows->n * sizeof(Coded), 256);
}

vss_status place_upload(Call *call, const Rows &rows, uint8_t *to, const vss_device_vectors *v, vss_error *err)
{
    const size_t row = places_row(v), whole = STAGING_BYTES / rows.stride;
    const char *from = static_cast<const char *>(v->data);
    unsigned piece = 0;
    VSSG_TRY(call_staging(call, err));
    for (size_t done = 0; done < rows.n; piece++) {
        const size_t n = rows.n - done < whole ? rows.n - done : whole;
        char *staging = static_cast<char *>(call->staging) + piece % 2 * STAGING_BYTES;
        if (piece >= 2)
            VSSG_TRY(runtime_wait(call->stream, piece % 2, err));
        for (size_t r = 0; r < n; r++) {
            std::memcpy(staging + r * rows.stride, from + (done + r) * row, row);
            std::memset(staging + r * rows.stride + row, 0, rows.stride - row);
        }
        VSSG_TRY(runtime_copy_up(call->stream, to + done * rows.stride, staging, n * rows.stride, err));
        VSSG_TRY(runtime_mark(call->stream, piece % 2, err));
        done += n;
    }
    return VSS_OK;
}

static vss_status places_measure(Call *call, const Rows &rows, vss_error *err)
{
    Prepare job{};
    if (rows.kind == Kind::bits)
        return VSS_OK;
    job.vectors = rows.data;
    job.stride = rows.stride;
    job.n = rows.n;
    job.dim = rows.dim;
    job.padded = rows.padded;
    job.kind = rows.kind;
    job.unit = rows.metric == VSS_METRIC_COSINE;
    job.factor = 1;
    job.halves = const_cast<uint16_t *>(rows.halves);
    job.lengths = const_cast<float *>(rows.lengths);
    job.rests = const_cast<float *>(rows.rests);
    VSSG_TRY(launch_prepare(call->stream, job, err));
    return rows.codes != nullptr ? coded_make(call, rows, err) : VSS_OK;
}

struct PlaceRows {
    Device *device;
    const vss_device_vectors *vectors;
    PlaceSource source;
};

static size_t places_rows_shape(Place *place, const void *from, char (&what)[64])
{
    const PlaceRows *rows = static_cast<const PlaceRows *>(from);
    const vss_device_vectors *v = rows->vectors;
    (void)std::snprintf(what, sizeof what, "%llu rows of %u components", static_cast<unsigned long long>(v->rows),
                        v->dim);
    places_shape(v, &place->rows);
    coded_shape(rows->device, &place->rows);
    return place_bytes(place->rows);
}

static vss_status places_rows_load(Device *, Call *call, Place *place, const void *from, vss_error *err)
{
    const PlaceRows *rows = static_cast<const PlaceRows *>(from);
    places_divide(&place->rows, place->memory);
    VSSG_TRY(rows->source(call, place->rows, static_cast<uint8_t *>(place->memory), rows->vectors, err));
    return places_measure(call, place->rows, err);
}

/* Fill the place, which is this thread's as long as it is LOADING. */
static vss_status places_load(Device *device, Call *call, Place *place, const PlaceFill &fill, vss_error *err)
{
    char what[64];
    place->bytes = fill.shape(place, fill.from, what);
    VSSG_TRY(memory_take(device, place->bytes, what, &place->memory, err));
    vss_status status = fill.load(device, call, place, fill.from, err);
    vss_error other;
    const vss_status end = runtime_finish(call->stream, status == VSS_OK ? err : &other);
    if (status == VSS_OK)
        status = end;
    if (status != VSS_OK) {
        memory_give(device, place->memory, place->bytes);
        place->memory = nullptr;
    }
    return status;
}

/* The place of the slot, with one more user. *load: it is to be filled by this thread. */
static vss_status places_find(Device *device, void **slot, Place **out, bool *load, vss_error *err)
{
    std::unique_lock<std::mutex> lock(device->mutex);
    if (*slot == nullptr) {
        Place *made = static_cast<Place *>(std::calloc(1, sizeof *made));
        if (made == nullptr)
            return fail(err, VSS_ERR_NO_MEMORY, "out of memory for a place");
        made->next = device->places;
        device->places = made;
        *slot = made;
    }
    Place *place = static_cast<Place *>(*slot);
    place->users++;
    while (place->state == Place::LOADING)
        device->changed.wait(lock);
    *load = place->state == Place::EMPTY;
    if (*load)
        place->state = Place::LOADING;
    *out = place;
    return VSS_OK;
}

vss_status place_hold(Device *device, Call *call, void **slot, const PlaceFill &fill, Place **out, vss_error *err)
{
    bool load = false;
    VSSG_TRY(places_find(device, slot, out, &load, err));
    Place *place = *out;
    const vss_status status = load ? places_load(device, call, place, fill, err) : VSS_OK;
    const std::lock_guard<std::mutex> lock(device->mutex);
    if (load)
        place->state = status == VSS_OK ? Place::READY : Place::EMPTY;
    place->used = ++device->clock;
    if (status != VSS_OK)
        place->users--;
    device->changed.notify_all();
    return status;
}

vss_status place_take(Device *device, Call *call, void **slot, const vss_device_vectors *vectors, PlaceSource source,
                      Place **out, vss_error *err)
{
    const PlaceRows from{device, vectors, source};
    return place_hold(device, call, slot, PlaceFill{&from, places_rows_shape, places_rows_load}, out, err);
}

void place_give(Device *device, Place *place)
{
    const std::lock_guard<std::mutex> lock(device->mutex);
    place->users--;
}

void place_drop(Device *device, Place *place)
{
    runtime_free(place->memory);
    device->used -= place->memory != nullptr ? place->bytes : 0;
    place->memory = nullptr;
    place->state = Place::EMPTY;
}

void place_forget(Device *device, Place *place)
{
    const std::lock_guard<std::mutex> lock(device->mutex);
    Place **link = &device->places;
    while (*link != place)
        link = &(*link)->next;
    *link = place->next;
    place_drop(device, place);
    std::free(place);
}

} // namespace vssg
