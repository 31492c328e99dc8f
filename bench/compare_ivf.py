"""Inverted lists of libvss beside faiss's, one thread, float32, l2 (see compare_ivf.sh).

curves  every index at several nprobe, all queries in one call, rounds interleaved: the fastest setting that reaches a
        recall@10 of .90 and .95, medians of queries/s, and how many times faster each is than faiss's.
turned  the same of the same rows turned by a fixed random rotation.
        VSS_ENGINES=REGEX takes only the engines whose names match.
        VSS_HNSWLIB="PROGRAM GRAPH M" takes a graph over BASE too: the program of compare_hnsw.sh, and its file.
codes   recall@10 of the codes' own order, without rerank, all lists read, at the same bytes a row.
kmeans  10 rounds of k-means over BASE, a .u8bin file, on 1 and 2 threads: seconds, and the inertia of the centers.
"""
import json
import os
import re
import statistics
import subprocess
import sys
import time

import faiss
import numpy as np

import vss

K = 10
PROBES = [4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128]
GRAPH = [10, 14, 20, 28, 40, 60, 90, 130, 200, 300, 450, 700]  # ef of hnswlib
SPREADS = [0, 80]
CHOOSE = 400  # queries that settings are chosen by
TARGETS = [0.90, 0.95, 0.99]


def read(path):
    kind = np.float32 if path.endswith(".fbin") else np.uint8
    with open(path, "rb") as file:
        rows, dim = np.fromfile(file, np.int32, 2)
        return np.fromfile(file, kind, rows * dim).reshape(rows, dim).astype(np.float32)


def truth_of(base, queries):
    index = faiss.IndexFlatL2(base.shape[1])
    index.add(base)
    return index.search(queries, K)


def recall(found, truth):
    """A hit counts when it is no farther than the true k-th."""
    return float(np.mean(found[:, :K] <= truth[:, K - 1:K] * (1 + 1e-5)))


def collection(db, name, base, kind, **params):
    col = db.create_collection(name, fields=[
        {"name": "id", "type": "int64", "primary": True, "auto_id": True},
        {"name": "v", "type": "vector<f32>", "dim": base.shape[1], "metric": "l2"}])
    for begin in range(0, len(base), 50000):
        col.insert({"v": base[begin:begin + 50000]})
    col.flush()
    begin = time.perf_counter()
    col.build_index("v", kind, threads=1, **params)
    return col, time.perf_counter() - begin


def ours(db, name, base, kind, reranks, **params):
    col, seconds = collection(db, name, base, kind, **params)

    def at(probe, rerank, spread):
        extra = {"rerank": rerank} if rerank else {}
        return lambda queries: col.search(queries, k=K, threads=1, nprobe=probe, spread=spread, **extra).distances
    return seconds, {f"nprobe={p},rerank={r},spread={s}": at(p, r, s)
                     for p in PROBES for r in reranks for s in SPREADS}


def theirs(base, factory, refines):
    begin = time.perf_counter()
    index = faiss.index_factory(base.shape[1], factory)
    index.train(base)
    index.add(base)
    seconds = time.perf_counter() - begin
    inner = faiss.extract_index_ivf(index.base_index if isinstance(index, faiss.IndexRefine) else index)

    def at(probe, refine):
        def search(queries):
            inner.nprobe = probe
            if refine:
                index.k_factor = refine
            return index.search(queries, K)[0]
        return search
    return seconds, {f"nprobe={p},k_factor={r}": at(p, r) for p in PROBES for r in refines}


def graph(base, paths):
    """hnswlib in a process of its own, which takes the time and leaves row numbers in a file."""
    program, index, links = os.environ["VSS_HNSWLIB"].split()
    ids = "build/compare_ivf.ids"
    begin = time.perf_counter()
    run = subprocess.Popen([program, *paths, index, links, "200", "1", ids], stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, text=True)
    run.stdout.readline()

    def at(ef):
        def search(queries):
            print(f"search {ef} 1 1", file=run.stdin, flush=True)
            seconds = float(run.stdout.readline())
            rows = np.fromfile(ids, np.int32).reshape(-1, K)
            rate = len(rows) / seconds
            return rate, ((base[rows[:len(queries)]] - queries[:, None]) ** 2).sum(2)
        return search
    return time.perf_counter() - begin, {f"ef={e}": at(e) for e in GRAPH}


def engines(db, label, base, nlist, paths):
    dim = base.shape[1]
    made = {} if "VSS_HNSWLIB" not in os.environ or label != "curves" else {"hnswlib": lambda: graph(base, paths)}
    made |= {
        "faiss IVF,Flat": lambda: theirs(base, f"IVF{nlist},Flat", [0]),
        "faiss IVF,SQ8": lambda: theirs(base, f"IVF{nlist},SQ8", [0]),
        "faiss PQx4fs+refine": lambda: theirs(base, f"IVF{nlist},PQ{dim // 2}x4fs,RFlat", [2, 4, 8, 16]),
        "faiss PQx4fs+refine, half": lambda: theirs(base, f"IVF{nlist},PQ{dim // 4}x4fs,RFlat", [4, 8, 16, 32]),
        "faiss RaBitQfs+refine": lambda: theirs(base, f"IVF{nlist},RaBitQfs,RFlat", [4, 8, 16]),
        "ivf_flat": lambda: ours(db, label + "_flat", base, "ivf_flat", [0], nlist=nlist),
        "ivf_sq8": lambda: ours(db, label + "_sq8", base, "ivf_sq8", [12, 20], nlist=nlist),
        "ivf_pq": lambda: ours(db, label + "_pq", base, "ivf_pq", [20, 40, 80], nlist=nlist),
        "ivf_rabitq 1 bit": lambda: ours(db, label + "_rabitq1", base, "ivf_rabitq", [40, 80, 160], nlist=nlist,
                                         bits=1),
        "ivf_rabitq": lambda: ours(db, label + "_rabitq", base, "ivf_rabitq", [12, 20, 40], nlist=nlist),
        "ivf_rabitq, twice the lists": lambda: ours(db, label + "_more", base, "ivf_rabitq", [12, 20, 40],
                                                    nlist=2 * nlist),
    }
    every = {}
    wanted = re.compile(os.environ.get("VSS_ENGINES", ""))
    for name, make in made.items():
        if not wanted.search(name):
            continue
        seconds, every[name] = make()
        print(f"  {name}: built in {seconds:.1f} s", flush=True)
    return every


def once(search, queries):
    begin = time.perf_counter()
    found = search(queries)
    if isinstance(found, tuple):
        return found
    return len(queries) / (time.perf_counter() - begin), found


def choose(settings, queries, truth):
    """For each target the fastest setting that reaches it, by the best of three rounds after a warm one."""
    points = []
    queries, truth = queries[:CHOOSE], truth[:CHOOSE]
    for name, search in settings.items():
        once(search, queries[:20])
        rate, found = max((once(search, queries) for _ in range(3)), key=lambda one: one[0])
        points.append((rate, recall(found, truth), name))
    return {target: max((p for p in points if p[1] >= target), default=None) for target in TARGETS}


def compare(db, label, base, queries, nlist, rounds, paths):
    truth, _ = truth_of(base, queries)
    print(f"\n{label}: {base.shape[0]:,} x {base.shape[1]}, {nlist} lists, k = {K}", flush=True)
    every = engines(db, label, base, nlist, paths)
    chosen = {name: choose(settings, queries, truth) for name, settings in every.items()}
    for target in TARGETS:
        rates = {name: [] for name in every if chosen[name][target]}
        for _ in range(rounds):
            for name in rates:
                rates[name].append(once(every[name][chosen[name][target][2]], queries)[0])
        medians = {name: statistics.median(taken) for name, taken in rates.items()}
        best = max((name for name in medians if "PQx4fs" in name), key=medians.get, default="")
        print(f"recall {target}, queries/s, medians of {rounds} rounds; times faiss's PQx4fs, RaBitQfs, SQ8, hnswlib")
        for name, rate in sorted(medians.items(), key=lambda item: -item[1]):
            times = "".join(f"{rate / medians[rival]:7.2f}" if rival in medians else "      -" for rival in
                            (best, "faiss RaBitQfs+refine", "faiss IVF,SQ8", "hnswlib"))
            print(f"  {name:28} {rate:9,.0f} {times}   {chosen[name][target][2]}, {chosen[name][target][1]:.3f}",
                  flush=True)


def codes(base, queries, nlist):
    truth, _ = truth_of(base, queries)
    ids = truth_of(base, queries)[1]
    dim = base.shape[1]
    print(f"{base.shape[0]:,} x {dim}, {nlist} lists, all of them read: recall@{K} of the codes' order")
    for m, bits in ((dim // 2, 4), (dim // 4, 4), (dim // 4, 8), (dim // 8, 8)):
        index = faiss.index_factory(dim, f"IVF{nlist},PQ{m}x{bits}")
        index.train(base)
        index.add(base)
        index.nprobe = nlist
        found = index.search(queries, K)[1]
        rival = np.mean([len(set(a) & set(b)) / K for a, b in zip(found, ids)])
        with vss.open("mem:") as db:
            col, _ = collection(db, "codes", base, "ivf_pq", nlist=nlist, m=m, nbits=bits)
            own = recall(col.search(queries, k=K, threads=1, nprobe=nlist, rerank=K).distances, truth)
        print(f"  {m} codes of {bits} bits: faiss {rival:.4f}, ivf_pq {own:.4f}", flush=True)


def kmeans(path, nlist):
    base = read(path)
    for threads in (1, 2):
        faiss.omp_set_num_threads(threads)
        rival = faiss.Kmeans(base.shape[1], nlist, niter=10, max_points_per_centroid=1 << 30, seed=1)
        begin = time.perf_counter()
        rival.train(base)
        seconds = time.perf_counter() - begin
        inertia = float(rival.index.search(base, 1)[0].sum(dtype=np.float64))
        own = json.loads(subprocess.run(["build/release/vss-bench-kmeans", path, str(nlist), "10", str(threads)],
                                        check=True, capture_output=True, text=True).stdout)
        print(f"{threads} threads, {len(base):,} rows, {nlist} centers, 10 rounds: faiss {seconds:.2f} s, inertia "
              f"{inertia:.5g}; libvss {own['seconds']:.2f} s, {own['inertia']:.5g}: "
              f"{seconds / own['seconds']:.1f} times",
              flush=True)


def main():
    what, base, queries = sys.argv[1], read(sys.argv[2]), read(sys.argv[3])[:1000]
    nlist = int(sys.argv[4]) if len(sys.argv) > 4 else 1 << int(np.log2(4 * len(base) ** 0.5))
    rounds = int(sys.argv[5]) if len(sys.argv) > 5 else 7
    faiss.omp_set_num_threads(1)
    if what == "codes":
        codes(base, queries, nlist)
    elif what == "kmeans":
        kmeans(sys.argv[2], nlist)
    else:
        turn = np.linalg.qr(np.random.default_rng(1).standard_normal((base.shape[1],) * 2))[0].astype(np.float32)
        with vss.open("mem:") as db:
            if what == "turned":
                base, queries = base @ turn, queries @ turn
            compare(db, what, base, queries, nlist, rounds, sys.argv[2:4])


if __name__ == "__main__":
    main()
