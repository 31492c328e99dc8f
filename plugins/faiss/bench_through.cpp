/*
 * bench_through.cpp - what going through libvss costs over FAISS used directly
 *
 *     vss-bench-faiss BASE.u8bin QUERIES.u8bin [ROWS [ROUNDS]]
 *
 * The plug-in is linked in, so that both run the same code of FAISS, on two indexes read from bytes. Calls of each
 * take turns, in one process on one thread, each pair gives a difference of processor times (what else runs on the
 * machine is not counted), and medians of those are told: of calls of 1,000 queries, and of calls of one. The two
 * indexes differ by where their memory lies; so a call through libvss is compared, too, with what the plug-in's search
 * took of it. A call of libvss includes making and freeing its result. Each is told twice: with FAISS' own distances
 * ("refine=0"), which FAISS used directly gives, and with those of the vectors, which are read for them.
 */
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/impl/io.h>
#include <faiss/index_factory.h>
#include <faiss/index_io.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "vss.h"

extern "C" void omp_set_num_threads(int threads);
extern "C" vss_status vss_plugin_main(vss_status (*register_type)(const vss_index_plugin *plugin, vss_error *err),
                                      vss_error *err);

namespace {

constexpr uint32_t k = 10;

struct Kind {
    const char *factory, *params;
    size_t nprobe, ef;
};
const Kind kinds[] = {
    {"Flat", "trusted=1", 0, 0},
    {"HNSW32", "trusted=1,ef=64", 0, 64},
    {"IVF256,Flat", "trusted=1,nprobe=8", 8, 0},
    {"IVF256,PQ16x4fs", "trusted=1,nprobe=8", 8, 0},
    {"PCA32,IVF256,SQ8", "trusted=1,nprobe=8", 8, 0},
};

struct Vectors {
    size_t rows = 0, dim = 0;
    std::vector<float> data;
};

[[noreturn]] void fail(const char *what, const char *why)
{
    std::fprintf(stderr, "vss-bench-faiss: %s: %s\n", what, why);
    std::exit(1);
}

Vectors load(const char *path, size_t most)
{
    Vectors v;
    uint32_t head[2];
    std::FILE *file = std::fopen(path, "rb");
    if (file == nullptr || std::fread(head, sizeof head, 1, file) != 1)
        fail(path, "can't be read");
    v.rows = std::min<size_t>(head[0], most);
    v.dim = head[1];
    std::vector<uint8_t> bytes(v.rows * v.dim);
    if (std::fread(bytes.data(), 1, bytes.size(), file) != bytes.size())
        fail(path, "ends early");
    std::fclose(file);
    v.data.assign(bytes.begin(), bytes.end());
    return v;
}

void must(vss_status status, const vss_error &err)
{
    if (status != VSS_OK)
        fail("libvss", err.message);
}

vss_collection *fill(vss_db *db, const Vectors &base)
{
    vss_error err;
    vss_schema *schema;
    vss_collection *col;
    const std::string text = "{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true, "
                             "\"auto_id\": true}, {\"name\": \"v\", \"type\": \"vector<f32>\", "
                             "\"metric\": \"l2\", \"dim\": " + std::to_string(base.dim) + "}]}";
    must(vss_schema_parse(text.data(), text.size(), &schema, &err), err);
    must(vss_collection_create(db, "rows", schema, &col, &err), err);
    vss_schema_free(schema);
    vss_column column = VSS_INIT(vss_column);
    column.type = VSS_TYPE_VECTOR_F32;
    column.dim = static_cast<uint32_t>(base.dim);
    column.length = base.rows;
    column.data = base.data.data();
    const char *name = "v";
    const vss_column *columns = &column;
    vss_batch batch = VSS_INIT(vss_batch);
    batch.n_columns = 1;
    batch.names = &name;
    batch.columns = &columns;
    must(vss_collection_insert(col, &batch, nullptr, &err), err);
    return col;
}

void set(faiss::Index *index, const Kind &kind)
{
    if (auto *transforms = dynamic_cast<faiss::IndexPreTransform *>(index))
        index = transforms->index;
    if (auto *lists = dynamic_cast<faiss::IndexIVF *>(index))
        lists->nprobe = kind.nprobe;
    if (auto *graph = dynamic_cast<faiss::IndexHNSW *>(index))
        graph->hnsw.efSearch = static_cast<int>(kind.ef);
}

/* An index as the plug-in holds it: read from its bytes, so that its memory lies alike. */
std::unique_ptr<faiss::Index> build(const Kind &kind, const Vectors &base)
{
    std::unique_ptr<faiss::Index> index(faiss::index_factory(static_cast<int>(base.dim), kind.factory));
    faiss::VectorIOWriter writer;
    faiss::VectorIOReader reader;
    if (!index->is_trained)
        index->train(static_cast<int64_t>(base.rows), base.data.data());
    index->add(static_cast<int64_t>(base.rows), base.data.data());
    faiss::write_index(index.get(), &writer);
    index.reset();
    reader.data = std::move(writer.data);
    index.reset(faiss::read_index(&reader));
    set(index.get(), kind);
    return index;
}

double now()
{
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/* The plug-in's type, whose searches are timed. */
vss_index_plugin timed;
const vss_index_plugin *inside;
double spent;

vss_status timed_search(const void *index, const vss_plugin_search *search, int64_t *rows, vss_error *err)
{
    double begin = now();
    vss_status status = inside->search(index, search, rows, err);
    spent += now() - begin;
    return status;
}

vss_status timed_register(const vss_index_plugin *plugin, vss_error *err)
{
    inside = plugin;
    timed = *plugin;
    timed.search = timed_search;
    return vss_index_register(&timed, err);
}

double median(std::vector<double> &times)
{
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
}

struct Pair {
    vss_collection *col;
    const faiss::Index *index;
    const char *factory;
    std::string params;
    const Vectors *queries;
    std::vector<float> distances;
    std::vector<int64_t> labels;
    size_t same = 0, all = 0; /* rows that both found, of those that FAISS found */

    double directly(size_t first, size_t n)
    {
        double begin = now();
        index->search(static_cast<int64_t>(n), queries->data.data() + first * queries->dim, k, distances.data(),
                      labels.data());
        return now() - begin;
    }

    double through(size_t first, size_t n)
    {
        vss_error err;
        vss_result *result;
        vss_search_request request = VSS_INIT(vss_search_request);
        request.queries = queries->data.data() + first * queries->dim;
        request.n_queries = n;
        request.dim = static_cast<uint32_t>(queries->dim);
        request.k = k;
        request.params = params.c_str();
        spent = 0;
        double begin = now();
        must(vss_collection_search(col, &request, &result, &err), err);
        double read = now();
        compare(result, n);
        double again = now();
        vss_result_free(result);
        return now() - again + read - begin;
    }

    void compare(const vss_result *result, size_t n)
    {
        const auto *keys = static_cast<const int64_t *>(vss_result_keys(result)->data);
        const int64_t *offsets = vss_result_offsets(result);
        for (size_t q = 0; q < n; q++)
            for (const int64_t *label = labels.data() + q * k; label < labels.data() + (q + 1) * k; label++) {
                all += *label >= 0;
                same += std::find(keys + offsets[q], keys + offsets[q + 1], *label) != keys + offsets[q + 1];
            }
    }
};

void measure(Pair pair, size_t rounds)
{
    const size_t batch = std::min<size_t>(1000, pair.queries->rows);
    std::vector<double> batches, ratios, shares, ones, differences, rests;
    pair.distances.resize(batch * k);
    pair.labels.resize(batch * k);
    for (size_t round = 0; round < rounds + 1; round++) {
        double direct = pair.directly(0, batch), through = pair.through(0, batch);
        if (round > 0) {
            batches.push_back(direct);
            ratios.push_back(through / direct);
            shares.push_back(through / spent);
        }
    }
    for (size_t call = 0; call < rounds * 50; call++) {
        ones.push_back(pair.directly(call % batch, 1));
        double through = pair.through(call % batch, 1);
        differences.push_back(through - ones.back());
        rests.push_back(through - spent);
    }
    std::printf("%-17s %s %zu queries: %7.2f ms, through libvss %+5.1f %%, beside the plug-in %+5.1f %%; "
                "one: %7.1f us, %+7.1f us, %+5.1f us; same rows %.4f\n", pair.factory,
                pair.params.find("refine=0") != std::string::npos ? "FAISS' distances," : "the vectors',    ", batch,
                median(batches) * 1e3,
                (median(ratios) - 1) * 100, (median(shares) - 1) * 100, median(ones) * 1e6, median(differences) * 1e6,
                median(rests) * 1e6, static_cast<double>(pair.same) / static_cast<double>(pair.all));
    std::fflush(stdout);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 3)
        fail("usage", "vss-bench-faiss BASE.u8bin QUERIES.u8bin [ROWS [ROUNDS]]");
    const Vectors base = load(argv[1], argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 100000);
    const Vectors queries = load(argv[2], 1000);
    const size_t rounds = argc > 4 ? std::strtoul(argv[4], nullptr, 10) : 9;
    vss_error err;
    vss_db *db;
    must(vss_plugin_main(timed_register, &err), err);
    must(vss_db_open("mem:", nullptr, &db, &err), err);
    vss_collection *col = fill(db, base);
    omp_set_num_threads(1);
    for (const Kind &kind : kinds) {
        const std::unique_ptr<faiss::Index> index = build(kind, base);
        const std::string params = std::string("factory=") + kind.factory;
        must(vss_collection_build_index(col, "v", "faiss", params.c_str(), nullptr, &err), err);
        for (const char *refine : {"refine=0", "refine=1"})
            measure({col, index.get(), kind.factory, std::string(kind.params) + "," + refine, &queries, {}, {}, 0, 0},
                    rounds);
    }
    must(vss_db_close(db, &err), err);
    return 0;
}
