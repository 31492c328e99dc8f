/*
 * compare_hnsw_hnswlib.cpp - hnswlib answering compare_hnsw.py, a line a command
 *
 *     PROGRAM BASE.fbin QUERIES.fbin INDEX M EF_CONSTRUCTION THREADS IDS
 *
 * Builds the graph and saves it to the file INDEX, or loads it from there. Vectors of a loaded graph are replaced by
 * those of BASE: a graph of the same rows turned by a rotation has the same distances.
 *
 *     search EF BATCH THREADS   one pass over all queries; answers the seconds it took; row numbers go to IDS
 *     distances EF              answers distances computed a query
 *     memory                    answers resident bytes beyond those before the index was there
 */
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "hnswlib/hnswlib.h"

namespace {

constexpr std::size_t K = 10;

struct Rows {
    std::int32_t rows = 0, dim = 0;
    std::vector<float> data;
    const float *at(std::size_t i) const { return data.data() + i * static_cast<std::size_t>(dim); }
};

[[noreturn]] void fail(const std::string &line)
{
    std::fprintf(stderr, "compare_hnsw_hnswlib: %s\n", line.c_str());
    std::exit(1);
}

std::ifstream open_rows(const char *path, Rows &rows)
{
    std::ifstream file(path, std::ios::binary);
    file.read(reinterpret_cast<char *>(&rows.rows), 4).read(reinterpret_cast<char *>(&rows.dim), 4);
    if (!file || rows.rows < 1 || rows.dim < 1)
        fail(std::string(path) + ": no .fbin file");
    return file;
}

Rows read_rows(const char *path)
{
    Rows rows;
    std::ifstream file = open_rows(path, rows);
    rows.data.resize(static_cast<std::size_t>(rows.rows) * static_cast<std::size_t>(rows.dim));
    if (!file.read(reinterpret_cast<char *>(rows.data.data()), static_cast<std::streamsize>(rows.data.size() * 4)))
        fail(std::string(path) + ": shorter than its header says");
    return rows;
}

double seconds()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

long resident()
{
    std::ifstream file("/proc/self/statm");
    long total = 0, pages = 0;
    file >> total >> pages;
    return pages * 4096;
}

/* Row i of the base goes under label i; rows are read singly, so that no second copy of them is in memory. */
void build(hnswlib::HierarchicalNSW<float> &graph, const char *path, unsigned threads)
{
    Rows base = read_rows(path);
    std::atomic<std::size_t> next{1};
    graph.addPoint(base.at(0), 0);
    auto work = [&] {
        for (std::size_t i; (i = next++) < static_cast<std::size_t>(base.rows);)
            graph.addPoint(base.at(i), i);
    };
    std::vector<std::thread> others;
    for (unsigned t = 1; t < threads; t++)
        others.emplace_back(work);
    work();
    for (std::thread &other : others)
        other.join();
}

void replace_vectors(hnswlib::HierarchicalNSW<float> &graph, const char *path)
{
    Rows head;
    std::ifstream file = open_rows(path, head);
    std::vector<char> row(static_cast<std::size_t>(head.dim) * 4);
    for (std::int32_t i = 0; i < head.rows; i++) {
        file.read(row.data(), static_cast<std::streamsize>(row.size()));
        std::memcpy(graph.getDataByInternalId(graph.label_lookup_.at(static_cast<std::size_t>(i))), row.data(),
                    row.size());
    }
}

void search_queries(hnswlib::HierarchicalNSW<float> &graph, const Rows &queries, std::size_t first, std::size_t end,
                    std::int32_t *ids)
{
    for (std::size_t q = first; q < end; q++) {
        auto found = graph.searchKnn(queries.at(q), K);
        for (std::size_t i = 0; i < K; i++)
            ids[q * K + i] = -1;
        for (std::size_t i = found.size(); i-- > 0; found.pop())
            ids[q * K + i] = static_cast<std::int32_t>(found.top().second);
    }
}

double search(hnswlib::HierarchicalNSW<float> &graph, const Rows &queries, unsigned threads, const char *ids_path)
{
    std::size_t n = static_cast<std::size_t>(queries.rows);
    std::vector<std::int32_t> ids(n * K);
    std::vector<std::thread> others;
    double begin = seconds();
    for (unsigned t = 1; t < threads; t++)
        others.emplace_back([&, t] {
            search_queries(graph, queries, n * t / threads, n * (t + 1) / threads, ids.data());
        });
    search_queries(graph, queries, 0, n / threads, ids.data());
    for (std::thread &other : others)
        other.join();
    double taken = seconds() - begin;
    std::ofstream(ids_path, std::ios::binary)
        .write(reinterpret_cast<const char *>(ids.data()), static_cast<std::streamsize>(ids.size() * 4));
    return taken;
}

hnswlib::DISTFUNC<float> real_distance;
std::uint64_t distances_counted;

float counted(const void *a, const void *b, const void *dim)
{
    distances_counted++;
    return real_distance(a, b, dim);
}

double distances(hnswlib::HierarchicalNSW<float> &graph, const Rows &queries)
{
    distances_counted = 0;
    real_distance = graph.fstdistfunc_;
    graph.fstdistfunc_ = counted;
    for (std::int32_t q = 0; q < queries.rows; q++)
        graph.searchKnn(queries.at(static_cast<std::size_t>(q)), K);
    graph.fstdistfunc_ = real_distance;
    return static_cast<double>(distances_counted) / queries.rows;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 8)
        fail("expected BASE QUERIES INDEX M EF_CONSTRUCTION THREADS IDS");
    Rows queries = read_rows(argv[2]), head;
    open_rows(argv[1], head);
    hnswlib::L2Space space(static_cast<std::size_t>(head.dim));
    long before = resident();
    double begin = seconds(), build_s = 0;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph;
    if (std::ifstream(argv[3])) {
        graph = std::make_unique<hnswlib::HierarchicalNSW<float>>(&space, argv[3]);
        replace_vectors(*graph, argv[1]);
    } else {
        graph = std::make_unique<hnswlib::HierarchicalNSW<float>>(&space, static_cast<std::size_t>(head.rows),
                                                                  std::strtoul(argv[4], nullptr, 10),
                                                                  std::strtoul(argv[5], nullptr, 10));
        build(*graph, argv[1], static_cast<unsigned>(std::strtoul(argv[6], nullptr, 10)));
        build_s = seconds() - begin;
        graph->saveIndex(argv[3]);
    }
    std::printf("ready %.3f\n", build_s);
    std::fflush(stdout);
    char line[128];
    while (std::fgets(line, sizeof line, stdin)) {
        unsigned ef = 0, batch = 0, threads = 0;
        if (std::sscanf(line, "search %u %u %u", &ef, &batch, &threads) == 3) {
            graph->setEf(ef);
            std::printf("%.9f\n", search(*graph, queries, threads, argv[7]));
        } else if (std::sscanf(line, "distances %u", &ef) == 1) {
            graph->setEf(ef);
            std::printf("%.1f\n", distances(*graph, queries));
        } else {
            std::printf("%ld\n", resident() - before);
        }
        std::fflush(stdout);
    }
}
