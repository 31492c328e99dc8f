"""FAISS's and usearch's graphs answering compare_hnsw.py, a line a command (see compare_hnsw_vss.c).

usage: compare_hnsw_peers.py faiss|usearch BASE.fbin QUERIES.fbin INDEX THREADS IDS
All queries go in one call whatever BATCH is, which spares these two the cost of a Python call a query. FAISS: M 32,
ef_construction 200; usearch: connectivity 32, expansion_add 200, float32.
"""
import os
import sys
import time

import numpy as np

K = 10


def read(path):
    with open(path, "rb") as file:
        rows, dim = np.fromfile(file, np.int32, 2)
    return np.memmap(path, np.float32, "r", 8, (int(rows), int(dim)))


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class Faiss:
    def __init__(self, path, base, threads):
        import faiss
        self.faiss, self.build_s = faiss, 0
        self.before = resident()
        if os.path.exists(path):
            self.index = faiss.read_index(path)
            return
        faiss.omp_set_num_threads(threads)
        begin = time.perf_counter()
        self.index = faiss.IndexHNSWFlat(base.shape[1], 32)
        self.index.hnsw.efConstruction = 200
        self.index.add(np.asarray(base))
        self.build_s = time.perf_counter() - begin
        faiss.write_index(self.index, path)

    def search(self, queries, ef, threads):
        self.faiss.omp_set_num_threads(threads)
        self.index.hnsw.efSearch = ef
        return self.index.search(queries, K)[1]

    def distances(self, queries, ef):
        self.faiss.cvar.hnsw_stats.reset()
        self.search(queries, ef, 1)
        return self.faiss.cvar.hnsw_stats.ndis / len(queries)


class Usearch:
    def __init__(self, path, base, threads):
        from usearch.index import Index
        self.build_s, self.before = 0, resident()
        self.index = Index(ndim=base.shape[1], metric="l2sq", dtype="f32", connectivity=32, expansion_add=200)
        if os.path.exists(path):
            self.index.load(path)
            return
        begin = time.perf_counter()
        self.index.add(np.arange(len(base)), np.asarray(base), threads=threads)
        self.build_s = time.perf_counter() - begin
        self.index.save(path)

    def search(self, queries, ef, threads):
        self.index.expansion_search = ef
        return self.index.search(queries, K, threads=threads).keys

    def distances(self, queries, ef):
        self.index.expansion_search = ef
        return self.index.search(queries, K, threads=1).computed_distances / len(queries)


def main():
    name, base, queries, path, threads, ids = sys.argv[1:]
    queries = np.array(read(queries))
    engine = {"faiss": Faiss, "usearch": Usearch}[name](path, read(base), int(threads))
    print(f"ready {engine.build_s:.3f}", flush=True)
    for line in sys.stdin:
        words = line.split()
        if words[0] == "search":
            begin = time.perf_counter()
            found = engine.search(queries, int(words[1]), int(words[3]))
            taken = time.perf_counter() - begin
            found.astype(np.int32).tofile(ids)  # before the answer: whoever asked reads it then
            print(taken, flush=True)
        elif words[0] == "distances":
            print(engine.distances(queries, int(words[1])), flush=True)
        else:
            print(resident() - engine.before, flush=True)


if __name__ == "__main__":
    main()
