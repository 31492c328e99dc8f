/*
 * faiss_own.cpp - over FAISS' headers what the C API of 1.7.3 lacks: a selector over a bitmap of rows, parameters for
 * one search, and serialising from and to memory
 *
 * Nothing is set on an index that searches share. Where FAISS takes parameters a call, they are given; the lists with
 * 4-bit codes (IndexIVFPQFastScan) take none, and a search with an nprobe of its own goes through a light copy that
 * shares lists and quantizer, kept for later searches: O(codebook) memory each. Where FAISS takes no selector (those
 * lists, and all types not named in own_selects), it is asked for more rows, by the share that is allowed, and the
 * rows allowed are kept. A graph of 1.7.3 keeps as many rows in view as it is asked for, whatever its parameter says:
 * it is asked for ef rows, of which the nearest are kept. Locks: a mutex while a light copy is made. No exception
 * leaves this file.
 */
#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/IndexIVFPQFastScan.h>
#include <faiss/IndexPQ.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <typeinfo>
#include <vector>

#include "faiss_inside.h"

namespace {

constexpr uint64_t own_most = 32768; /* rows a query asked for where FAISS takes no selector, unless k is more */

/* A copy of lists that reads another number of them. */
struct LightCopy {
    size_t nprobe;
    std::unique_ptr<faiss::IndexIVFPQFastScan> index;
    LightCopy *next;
};

struct Rows : faiss::IDSelector {
    const uint64_t *words; /* NULL: all */
    uint64_t n;
    Rows(const uint64_t *given, uint64_t rows) : words(given), n(rows) {}
    bool is_member(int64_t id) const override
    {
        uint64_t row = static_cast<uint64_t>(id);
        return row < n && (words == nullptr || (words[row / 64] >> (row % 64) & 1) != 0);
    }
};

struct MemoryReader : faiss::IOReader {
    const char *at;
    size_t left;
    MemoryReader(const void *bytes, size_t size) : at(static_cast<const char *>(bytes)), left(size) {}
    size_t operator()(void *to, size_t size, size_t items) override
    {
        size_t n = size == 0 ? 0 : std::min(items, left / size);
        if (n > 0)
            std::memcpy(to, at, n * size);
        at += n * size;
        left -= n * size;
        return n;
    }
};

/* Counts, and writes what there is room for. */
struct MemoryWriter : faiss::IOWriter {
    char *to;
    size_t room, written = 0;
    MemoryWriter(void *bytes, size_t size) : to(static_cast<char *>(bytes)), room(size) {}
    size_t operator()(const void *from, size_t size, size_t items) override
    {
        size_t n = size * items;
        if (n > 0 && written + n <= room)
            std::memcpy(to + written, from, n);
        written += n;
        return items;
    }
};

/* Write the line of the exception that is being handled. */
vss_status own_caught(vss_error *err, vss_status status, const char *what)
{
    try {
        throw;
    } catch (const std::exception &e) {
        return vssf_fail_faiss(err, status, what, e.what());
    } catch (...) {
        return vssf_fail_faiss(err, status, what, nullptr);
    }
}

/* Does a search of it take a selector? Listed by what FAISS 1.7.3 does; others fail, some of them by ending the
 * process. */
bool own_selects(const faiss::Index *index)
{
    const std::type_info &type = typeid(*index);
    return type == typeid(faiss::IndexFlat) || type == typeid(faiss::IndexFlatL2) ||
           type == typeid(faiss::IndexFlatIP) || type == typeid(faiss::IndexScalarQuantizer) ||
           type == typeid(faiss::IndexIVFFlat) || type == typeid(faiss::IndexIVFPQ) ||
           type == typeid(faiss::IndexIVFScalarQuantizer) || type == typeid(faiss::IndexHNSWFlat) ||
           type == typeid(faiss::IndexHNSWSQ) || type == typeid(faiss::IndexHNSWPQ);
}

} // namespace

struct vssf_index {
    std::unique_ptr<faiss::Index> whole;
    const faiss::Index *inner; /* behind the transforms */
    bool selects;
    std::mutex mutex;
    std::atomic<LightCopy *> copies{nullptr};

    ~vssf_index()
    {
        for (LightCopy *c = copies.load(), *next; c != nullptr; c = next) {
            next = c->next;
            delete c;
        }
    }
};

namespace {

/* Everything a search looks at; lists and quantizer stay the original's. What can fail is copied first, while the copy
 * owns nothing. */
std::unique_ptr<faiss::IndexIVFPQFastScan> own_copy(const faiss::IndexIVFPQFastScan &from, size_t nprobe)
{
    std::unique_ptr<faiss::IndexIVFPQFastScan> to(new faiss::IndexIVFPQFastScan());
    to->pq = from.pq;
    to->precomputed_table = from.precomputed_table;
    to->use_precomputed_table = from.use_precomputed_table;
    to->d = from.d;
    to->ntotal = from.ntotal;
    to->is_trained = from.is_trained;
    to->metric_type = from.metric_type;
    to->metric_arg = from.metric_arg;
    to->nlist = from.nlist;
    to->code_size = from.code_size;
    to->nprobe = nprobe;
    to->max_codes = from.max_codes;
    to->parallel_mode = from.parallel_mode;
    to->bbs = from.bbs;
    to->M = from.M;
    to->nbits = from.nbits;
    to->ksub = from.ksub;
    to->M2 = from.M2;
    to->implem = from.implem;
    to->skip = from.skip;
    to->by_residual = from.by_residual;
    to->qbs = from.qbs;
    to->qbs2 = from.qbs2;
    to->own_fields = false;
    to->own_invlists = false;
    to->quantizer = from.quantizer;
    to->invlists = from.invlists;
    return to;
}

const faiss::Index *own_nprobe(vssf_index *index, const faiss::IndexIVFPQFastScan &lists, size_t nprobe)
{
    auto find = [&]() -> const faiss::Index * {
        for (LightCopy *c = index->copies.load(std::memory_order_acquire); c != nullptr; c = c->next)
            if (c->nprobe == nprobe)
                return c->index.get();
        return nullptr;
    };
    if (nprobe == lists.nprobe)
        return &lists;
    const faiss::Index *found = find();
    if (found != nullptr)
        return found;
    std::lock_guard<std::mutex> lock(index->mutex);
    found = find();
    if (found != nullptr)
        return found;
    std::unique_ptr<LightCopy> made(new LightCopy{nprobe, own_copy(lists, nprobe), index->copies.load()});
    found = made->index.get();
    index->copies.store(made.release(), std::memory_order_release);
    return found;
}

struct Asked {
    const vss_plugin_search *search;
    size_t nprobe, ef; /* 0: as the index has it */
    int64_t k;         /* rows to ask FAISS for */
    faiss::IDSelector *selector;
};

void own_search_hnsw(const faiss::IndexHNSW &graph, const Asked &a, const float *x, float *distances, int64_t *labels)
{
    faiss::SearchParametersHNSW params;
    params.efSearch = a.ef > 0 ? static_cast<int>(a.ef) : graph.hnsw.efSearch;
    params.check_relative_distance = graph.hnsw.check_relative_distance;
    params.sel = a.selector;
    graph.search(static_cast<int64_t>(a.search->n_queries), x, a.k, distances, labels, &params);
}

void own_search_ivf(const faiss::IndexIVF &lists, const Asked &a, const float *x, float *distances, int64_t *labels)
{
    faiss::SearchParametersIVF params;
    params.nprobe = a.nprobe > 0 ? a.nprobe : lists.nprobe;
    params.max_codes = lists.max_codes;
    params.sel = a.selector;
    lists.search(static_cast<int64_t>(a.search->n_queries), x, a.k, distances, labels, &params);
}

/* What the type takes; INVALID for a parameter that it doesn't. */
vss_status own_search_type(vssf_index *index, const Asked &a, const float *x, float *distances, int64_t *labels,
                           vss_error *err)
{
    const faiss::Index *inner = index->inner;
    const auto *codes = dynamic_cast<const faiss::IndexIVFPQFastScan *>(inner);
    const auto *lists = dynamic_cast<const faiss::IndexIVF *>(inner);
    const auto *graph = dynamic_cast<const faiss::IndexHNSW *>(inner);
    const bool plain_lists = lists != nullptr && dynamic_cast<const faiss::IndexIVFFastScan *>(inner) == nullptr;
    if (a.nprobe > 0 && !plain_lists && codes == nullptr)
        return vssf_fail(err, VSS_ERR_INVALID,
                         "faiss: nprobe is given, but FAISS takes none per search for this index");
    if (a.ef > 0 && graph == nullptr)
        return vssf_fail(err, VSS_ERR_INVALID, "faiss: ef is given, but FAISS takes none per search for this index");
    if (graph != nullptr && (a.ef > 0 || a.selector != nullptr)) {
        own_search_hnsw(*graph, a, x, distances, labels);
    } else if (plain_lists && (a.nprobe > 0 || a.selector != nullptr)) {
        own_search_ivf(*lists, a, x, distances, labels);
    } else {
        faiss::SearchParameters params;
        params.sel = a.selector;
        const faiss::Index *plain = codes != nullptr && a.nprobe > 0 ? own_nprobe(index, *codes, a.nprobe) : inner;
        plain->search(static_cast<int64_t>(a.search->n_queries), x, a.k, distances, labels,
                      a.selector != nullptr ? &params : nullptr);
    }
    return VSS_OK;
}

/* The queries behind the transforms; `made` owns what had to be made. */
const float *own_transform(const vssf_index *index, const vss_plugin_search *search,
                           std::unique_ptr<const float[]> *made)
{
    const faiss::Index *at = index->whole.get();
    const float *x = search->queries;
    while (const auto *transforms = dynamic_cast<const faiss::IndexPreTransform *>(at)) {
        const float *y = transforms->apply_chain(static_cast<int64_t>(search->n_queries), x);
        if (y != x)
            made->reset(y);
        x = y;
        at = transforms->index;
    }
    return x;
}

/* k where FAISS takes no selector: half as many again as the share of rows allowed would ask for. */
int64_t own_more(const vss_plugin_search *search)
{
    uint64_t most = std::max<uint64_t>(search->k, own_most);
    uint64_t k = search->k * search->rows / std::max<uint64_t>(search->n_allow, 1) * 3 / 2 + 16;
    return static_cast<int64_t>(std::min({k, most, std::max<uint64_t>(search->rows, search->k)}));
}

/* The first of the k of each query that are allowed, with their distances where those are wanted. */
void own_keep(const Rows &allowed, const vss_plugin_search *search, size_t k, const float *distances,
              const int64_t *labels, int64_t *rows)
{
    for (size_t q = 0; q < search->n_queries; q++) {
        size_t to = q * search->k, end = to + search->k;
        for (size_t from = q * k; from < (q + 1) * k && to < end; from++) {
            if (!allowed.is_member(labels[from]))
                continue;
            if (search->distances != nullptr)
                search->distances[to] = distances[from];
            rows[to++] = labels[from];
        }
        std::fill(rows + to, rows + end, -1);
    }
}

vss_status own_search(vssf_index *index, const vss_plugin_search *search, int64_t *rows, vss_error *err)
{
    Rows allowed(search->allow, search->rows);
    Asked a = {search, search->params[FAISS_PARAM_NPROBE].number, search->params[FAISS_PARAM_EF].number, search->k,
               nullptr};
    std::unique_ptr<const float[]> made;
    std::vector<int64_t> labels;
    if (search->allow != nullptr && !index->selects)
        a.k = own_more(search);
    else if (search->allow != nullptr)
        a.selector = &allowed;
    if (a.ef > search->k)
        a.k = std::max(a.k, static_cast<int64_t>(std::min<uint64_t>(a.ef, search->rows)));
    const bool more = a.k > static_cast<int64_t>(search->k);
    const size_t wanted = search->n_queries * static_cast<size_t>(a.k);
    const bool in_place = search->distances != nullptr && !more;
    std::unique_ptr<float[]> own(in_place ? nullptr : new float[wanted]);
    float *distances = in_place ? search->distances : own.get();
    labels.resize(more ? wanted : 0);
    const float *x = own_transform(index, search, &made);
    vss_status status = own_search_type(index, a, x, distances, more ? labels.data() : rows, err);
    if (status == VSS_OK && more)
        own_keep(allowed, search, static_cast<size_t>(a.k), distances, labels.data(), rows);
    return status;
}

} // namespace

void vssf_quiet(void *given)
{
    auto *index = static_cast<faiss::Index *>(given);
    while (auto *transforms = dynamic_cast<faiss::IndexPreTransform *>(index))
        index = transforms->index;
    if (auto *lists = dynamic_cast<faiss::IndexIVF *>(index))
        lists->cp.min_points_per_centroid = 1;
    if (auto *lists = dynamic_cast<faiss::IndexIVFPQ *>(index))
        lists->pq.cp.min_points_per_centroid = 1;
    if (auto *lists = dynamic_cast<faiss::IndexIVFPQFastScan *>(index))
        lists->pq.cp.min_points_per_centroid = 1;
    if (auto *codes = dynamic_cast<faiss::IndexPQ *>(index))
        codes->pq.cp.min_points_per_centroid = 1;
}

vss_status vssf_write(const void *given, void *to, size_t size, size_t *wanted, vss_error *err)
{
    try {
        MemoryWriter writer(to, size);
        faiss::write_index(static_cast<const faiss::Index *>(given), &writer);
        *wanted = writer.written;
        return VSS_OK;
    } catch (...) {
        return own_caught(err, VSS_ERR_INVALID, "writing the index");
    }
}

vss_status vssf_read(const vss_plugin_vectors *vectors, const void *bytes, size_t size, vssf_index **out,
                     vss_error *err)
{
    *out = nullptr;
    try {
        MemoryReader reader(bytes, size);
        std::unique_ptr<vssf_index> index(new vssf_index());
        index->whole.reset(faiss::read_index(&reader));
        const faiss::Index *whole = index->whole.get();
        const auto metric = vectors->metric == VSS_METRIC_L2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
        if (reader.left != 0 || whole->d != static_cast<int64_t>(vectors->dim) ||
            whole->ntotal != static_cast<int64_t>(vectors->rows) || whole->metric_type != metric)
            return vssf_fail(err, VSS_ERR_CORRUPT, "faiss: the stored index has %lld rows of %lld components and %zu "
                             "bytes too many, the segment %llu of %u", static_cast<long long>(whole->ntotal),
                             static_cast<long long>(whole->d), reader.left,
                             static_cast<unsigned long long>(vectors->rows), vectors->dim);
        index->inner = whole;
        while (const auto *transforms = dynamic_cast<const faiss::IndexPreTransform *>(index->inner))
            index->inner = transforms->index;
        index->selects = own_selects(index->inner);
        *out = index.release();
        return VSS_OK;
    } catch (...) {
        return own_caught(err, VSS_ERR_CORRUPT, "reading the stored index");
    }
}

vss_status vssf_search(const vssf_index *index, const vss_plugin_search *search, int64_t *rows, vss_error *err)
{
    try {
        return own_search(const_cast<vssf_index *>(index), search, rows, err);
    } catch (...) {
        return own_caught(err, VSS_ERR_INVALID, "searching");
    }
}

void vssf_free(vssf_index *index) { delete index; }
