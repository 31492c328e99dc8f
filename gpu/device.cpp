/*
 * device.cpp - the device as libvss sees it (vss/device.h), and how it is opened
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "fail.h"
#include "state.h"
#include "walk.h"

#define DEVICE_EXPORT __attribute__((visibility("default")))

namespace vssg {

static vss_status device_takes(void *, const vss_device_vectors *v, uint32_t k, vss_error *err)
{
    const bool binary = v->metric == VSS_METRIC_HAMMING || v->metric == VSS_METRIC_JACCARD;
    if (v->type < VSS_TYPE_VECTOR_F32 || v->type > VSS_TYPE_VECTOR_BINARY ||
        binary != (v->type == VSS_TYPE_VECTOR_BINARY) || v->metric < VSS_METRIC_L2 || v->metric > VSS_METRIC_JACCARD)
        return fail(err, VSS_ERR_UNSUPPORTED, "vectors of type %d under metric %d are not searched", v->type,
                    v->metric);
    if (k == 0 || k > MOST_K)
        return fail(err, VSS_ERR_UNSUPPORTED, "k = %u, wanted 1 to %u", k, MOST_K);
    if (v->dim == 0 || v->dim > 32768)
        return fail(err, VSS_ERR_UNSUPPORTED, "vectors of %u components, wanted 1 to 32768", v->dim);
    return VSS_OK;
}

static vss_status device_in_rows(Device *device, Call *call, const vss_device_vectors *vectors, const Rows &rows,
                                 const vss_device_search *search, const vss_device_hits *hits, vss_error *err)
{
    Place *through = nullptr;
    if (search->graph != nullptr)
        VSSG_TRY(graph_take(device, call, search, vectors->rows, &through, err));
    else if (search->lists != nullptr)
        VSSG_TRY(inverted_take(device, call, search->lists_place, search->lists, vectors->rows, &through, err));
    const Graph *graph = search->graph != nullptr ? &through->graph : nullptr;
    const Inverted *lists = graph == nullptr && search->lists != nullptr ? &through->inverted : nullptr;
    const vss_status status = search_run(device, call, rows, lists, graph, search, hits, err);
    if (through != nullptr)
        place_give(device, through);
    return status;
}

static vss_status device_work(Device *device, void **slot, const vss_device_vectors *vectors,
                              const vss_device_search *search, const vss_device_hits *hits, vss_error *err)
{
    Call *call;
    Place *place;
    VSSG_TRY(call_take(device, search->stopped, search->state, &call, err));
    vss_status status = place_take(device, call, slot, vectors, place_upload, &place, err);
    if (status == VSS_OK) {
        status = device_in_rows(device, call, vectors, place->rows, search, hits, err);
        place_give(device, place);
    }
    call_give(device, call);
    return status;
}

static vss_status device_search(void *state, void **slot, const vss_device_vectors *vectors,
                                const vss_device_search *search, const vss_device_hits *hits, vss_error *err)
{
    Device *device = static_cast<Device *>(state);
    int before;
    VSSG_TRY(device_takes(state, vectors, search->k, err));
    if (vectors->rows > MOST_ROWS || search->n_queries > MOST_ROWS)
        return fail(err, VSS_ERR_UNSUPPORTED, "%llu rows, %zu queries: wanted 2^31 at most",
                    static_cast<unsigned long long>(vectors->rows), search->n_queries);
    if (vectors->rows == 0 || (search->allow != nullptr && search->n_allow == 0)) {
        std::memset(hits->counts, 0, search->n_queries * sizeof *hits->counts);
        if (hits->scored != nullptr)
            std::memset(hits->scored, 0, search->n_queries * sizeof *hits->scored);
        return VSS_OK;
    }
    VSSG_TRY(runtime_enter(device->card.number, &before, err));
    const vss_status status = device_work(device, slot, vectors, search, hits, err);
    runtime_leave(before);
    return status;
}

static vss_status device_compare(Device *device, void **slot, const vss_device_points *points,
                                 const vss_device_nearest *nearest, vss_error *err)
{
    Call *call;
    Place *place;
    VSSG_TRY(call_take(device, nearest->stopped, nearest->state, &call, err));
    vss_status status = points_take(device, call, slot, points, &place, err);
    if (status == VSS_OK) {
        status = nearest_run(device, call, place->points, nearest, err);
        place_give(device, place);
    }
    call_give(device, call);
    return status;
}

static constexpr unsigned long long MOST_POINTS = 0xfffffff0ull;

static vss_status device_points(const vss_device_points *points, unsigned long long most, vss_error *err)
{
    if (points->size == 0 || points->size % 4 != 0 || points->size > POINT_SIZE)
        return fail(err, VSS_ERR_UNSUPPORTED, "points of %u bytes, wanted a multiple of 4 to %u", points->size,
                    POINT_SIZE);
    if (points->rows == 0 || points->rows > most)
        return fail(err, VSS_ERR_UNSUPPORTED, "%llu points, wanted 1 to %llu",
                    static_cast<unsigned long long>(points->rows), most);
    return VSS_OK;
}

static vss_status device_nearest(void *state, void **slot, const vss_device_points *points,
                                 const vss_device_nearest *nearest, vss_error *err)
{
    Device *device = static_cast<Device *>(state);
    int before;
    VSSG_TRY(device_points(points, nearest->counts != nullptr ? 1ull << 24 : MOST_POINTS, err));
    if (nearest->n_centers == 0)
        return fail(err, VSS_ERR_UNSUPPORTED, "no centers, wanted some");
    VSSG_TRY(runtime_enter(device->card.number, &before, err));
    const vss_status status = device_compare(device, slot, points, nearest, err);
    runtime_leave(before);
    return status;
}

/* A call that compares points as they are with each other. */
template <class Asked, class Run>
static vss_status device_graph(void *state, void **slot, const vss_device_points *points, const Asked *asked, Run run,
                               vss_error *err)
{
    Device *device = static_cast<Device *>(state);
    Call *call;
    Place *place;
    int before;
    VSSG_TRY(device_points(points, MOST_POINTS, err));
    VSSG_TRY(runtime_enter(device->card.number, &before, err));
    vss_status status = call_take(device, asked->stopped, asked->state, &call, err);
    if (status == VSS_OK) {
        status = grid_take(device, call, slot, points, &place, err);
        if (status == VSS_OK) {
            status = run(device, call, place->grid, asked, err);
            place_give(device, place);
        }
        call_give(device, call);
    }
    runtime_leave(before);
    return status;
}

static vss_status device_neighbors(void *state, void **slot, const vss_device_points *points,
                                   const vss_device_neighbors *neighbors, vss_error *err)
{
    if (neighbors->keep == 0 || neighbors->keep > VSS_DEVICE_KEEP)
        return fail(err, VSS_ERR_UNSUPPORTED, "the %u nearest of a group, wanted 1 to %u", neighbors->keep,
                    VSS_DEVICE_KEEP);
    return device_graph(state, slot, points, neighbors, neighbors_run, err);
}

static vss_status device_prune(void *state, void **slot, const vss_device_points *points,
                               const vss_device_prune *prune, vss_error *err)
{
    if (prune->most == 0 || prune->most > VSS_DEVICE_MET || prune->degree == 0 || prune->degree > VSS_DEVICE_MET)
        return fail(err, VSS_ERR_UNSUPPORTED, "%u links of the %u nearest candidates, wanted 1 to %u", prune->degree,
                    prune->most, VSS_DEVICE_MET);
    if (!(prune->factor >= 1))
        return fail(err, VSS_ERR_UNSUPPORTED, "a factor of %g, wanted 1 or more", static_cast<double>(prune->factor));
    return device_graph(state, slot, points, prune, prune_run, err);
}

static void device_forget(void *state, void *place)
{
    Device *device = static_cast<Device *>(state);
    vss_error err;
    int before;
    const bool entered = runtime_enter(device->card.number, &before, &err) == VSS_OK;
    if (place != nullptr)
        place_forget(device, static_cast<Place *>(place));
    if (entered)
        runtime_leave(before);
}

static vss_status options_number(const char *name, const char *text, size_t length, uint64_t most, uint64_t *out,
                                 vss_error *err)
{
    uint64_t value = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || i > 15)
            return fail(err, VSS_ERR_INVALID, "option %s=%.*s: expected a number", name, static_cast<int>(length),
                        text);
        value = value * 10 + static_cast<uint64_t>(text[i] - '0');
    }
    if (length == 0 || value > most)
        return fail(err, VSS_ERR_INVALID, "option %s=%.*s: wanted 0 to %llu", name, static_cast<int>(length), text,
                    static_cast<unsigned long long>(most));
    *out = value;
    return VSS_OK;
}

static vss_status options_one(const char *text, size_t length, Options *options, vss_error *err)
{
    uint64_t experimental = options->experimental;
    const struct {
        const char *name;
        uint64_t *value, most;
    } known[] = {{"experimental", &experimental, 1},
                 {"memory_mb", &options->memory_mb, uint64_t{1} << 32},
                 {"tile_kb", &options->tile_kb, uint64_t{1} << 20},
                 {"codes", &options->codes, 1},
                 {"gpu", &options->gpu, 1023}};
    for (const auto &option : known) {
        const size_t name = std::strlen(option.name);
        if (length <= name || text[name] != '=' || std::strncmp(text, option.name, name) != 0)
            continue;
        const vss_status status =
            options_number(option.name, text + name + 1, length - name - 1, option.most, option.value, err);
        options->experimental = experimental != 0;
        return status;
    }
    return fail(err, VSS_ERR_INVALID, "option \"%.*s\": wanted experimental=1, memory_mb=, tile_kb=, codes= or gpu=",
                static_cast<int>(length < 80 ? length : 80), text);
}

vss_status options_read(const char *text, Options *options, vss_error *err)
{
    *options = Options{};
    options->tile_kb = 32768;
    options->codes = 1;
    while (text != nullptr && *text != 0) {
        const size_t length = std::strcspn(text, ",");
        VSSG_TRY(options_one(text, length, options, err));
        text += length + (text[length] == ',');
    }
    return VSS_OK;
}

static void device_fill(Device *device)
{
    const uint64_t mb = device->options.memory_mb;
    device->budget = mb != 0 ? static_cast<size_t>(mb) << 20 : device->card.free / 5 * 4;
    (void)std::snprintf(device->description, sizeof device->description, "%s, %zu MB, of which %zu for libvss",
                        device->card.name, device->card.total >> 20, device->budget >> 20);
    vss_device *face = &device->face;
    face->struct_size = sizeof *face;
    face->abi = VSS_DEVICE_ABI;
    face->name = runtime_name();
    face->description = device->description;
    face->state = device;
    face->lists = 1;
    face->graphs = WALK_POOL;
    face->takes = device_takes;
    face->search = device_search;
    face->nearest = device->card.products ? device_nearest : nullptr;
    face->signs = encodes_signs;
    face->words = encodes_words;
    face->neighbors = device_neighbors;
    face->prune = device_prune;
    face->forget = device_forget;
}

} // namespace vssg

extern "C" vss_status vssg_open(const char *options, const vss_device **out, vss_error *err)
{
    using namespace vssg;
    Options read;
    Card card{};
    *out = nullptr;
    VSSG_TRY(options_read(options, &read, err));
    if (runtime_experimental() && !read.experimental)
        return fail(err, VSS_ERR_UNSUPPORTED, "no kernel of this device has run on a GPU yet; with the option "
                                              "experimental=1 it is used all the same");
    VSSG_TRY(runtime_open(static_cast<int>(read.gpu), &card, err));
    Device *device = new (std::nothrow) Device{};
    if (device == nullptr)
        return fail(err, VSS_ERR_NO_MEMORY, "out of memory for a device");
    device->card = card;
    device->options = read;
    device_fill(device);
    *out = &device->face;
    return VSS_OK;
}

extern "C" void vssg_close(const vss_device *face)
{
    using namespace vssg;
    Device *device = static_cast<Device *>(face->state);
    while (device->places != nullptr)
        device_forget(device, device->places);
    for (Call *call = device->idle; call != nullptr;) {
        Call *next = call->next;
        call_close(device, call);
        call = next;
    }
    delete device;
}

/* Registers the device for the life of the process; a second load registers the same one. */
extern "C" DEVICE_EXPORT vss_status vss_device_main(vss_status (*register_device)(const vss_device *, vss_error *),
                                                    const char *options, vss_error *err)
{
    static std::mutex mutex;
    static const vss_device *opened;
    static char *with;
    const char *wanted = options != nullptr ? options : "";
    const std::lock_guard<std::mutex> lock(mutex);
    if (opened != nullptr && std::strcmp(with, wanted) != 0)
        return vssg::fail(err, VSS_ERR_EXISTS, "loaded already, with the options \"%.200s\"", with);
    if (opened == nullptr) {
        const vss_device *made;
        VSSG_TRY(vssg_open(options, &made, err));
        with = strdup(wanted);
        if (with == nullptr) {
            vssg_close(made);
            return vssg::fail(err, VSS_ERR_NO_MEMORY, "out of memory for options");
        }
        opened = made;
    }
    return register_device(opened, err);
}
