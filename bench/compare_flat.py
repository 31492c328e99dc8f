"""Exact search of libvss beside faiss's IndexFlatL2, one thread, float32 (see compare_flat.sh).

Rounds are interleaved: in each, every engine answers the same queries once. faiss is tried with its matrix product from
the first query on, from its own threshold on and never; the best of the three counts. Printed are the medians in
milliseconds a query and how many times faster libvss is. Its answers are compared: distances within float32's reach.
The second table is of the same rows turned by a fixed random rotation, where 8-bit codes lose something.
"""
import statistics
import sys
import time

import faiss
import numpy as np

import vss

K = 10
BATCHES = [(1, 12), (4, 12), (16, 32), (64, 128), (256, 512), (1000, 1000)]  # queries a call, queries a round


def read(path):
    kind = np.float32 if path.endswith(".fbin") else np.uint8
    with open(path, "rb") as file:
        rows, dim = np.fromfile(file, np.int32, 2)
        return np.fromfile(file, kind, rows * dim).reshape(rows, dim).astype(np.float32)


def collection(db, name, base, **params):
    col = db.create_collection(name, fields=[
        {"name": "id", "type": "int64", "primary": True, "auto_id": True},
        {"name": "v", "type": "vector<f32>", "dim": base.shape[1], "metric": "l2"}])
    for begin in range(0, len(base), 50000):
        col.insert({"v": base[begin:begin + 50000]})
    col.flush()
    col.build_index("v", "flat", **params)
    return lambda queries: col.search(queries, k=K, threads=1).distances


def engines(db, label, base):
    index = faiss.IndexFlatL2(base.shape[1])
    index.add(base)

    def searched(threshold):
        def search(queries):
            faiss.cvar.distance_compute_blas_threshold = threshold
            return index.search(queries, K)[0]
        return search
    return {"faiss always": searched(1), "faiss default": searched(faiss.cvar.distance_compute_blas_threshold),
            "faiss never": searched(2**30), "vss": collection(db, label, base),
            "vss codes": collection(db, label + "_codes", base, codes="sq8")}


def measure(every, queries, batch, rounds):
    times = {name: [] for name in every}
    for turn in range(rounds + 1):  # the first one warms up
        for name, search in every.items():
            begin = time.perf_counter()
            for at in range(0, len(queries), batch):
                found = search(queries[at:at + batch])
            times[name].append((time.perf_counter() - begin) / len(queries) * 1e3)
            if name == "faiss always":
                wanted = found
            assert np.allclose(found, wanted, rtol=1e-4, atol=1), name
    return {name: statistics.median(taken[1:]) for name, taken in times.items()}


def compare(db, label, base, queries, rounds):
    every = engines(db, label, base)
    print(f"\n{label}: {base.shape[0]:,} x {base.shape[1]}, k = {K}, ms a query, medians of {rounds} rounds")
    print(f"{'batch':>6} {'faiss':>9} {'vss':>9} {'times':>7} {'codes':>9} {'times':>7}   faiss's best")
    for batch, count in BATCHES:
        ms = measure(every, queries[:min(count, len(queries))], batch, rounds)
        best = min((name for name in ms if name.startswith("faiss")), key=ms.get)
        print(f"{batch:6} {ms[best]:9.3f} {ms['vss']:9.3f} {ms[best] / ms['vss']:7.1f} {ms['vss codes']:9.3f} "
              f"{ms[best] / ms['vss codes']:7.1f}   {best[6:]}", flush=True)


def main():
    base, queries = read(sys.argv[1]), read(sys.argv[2])
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 7
    faiss.omp_set_num_threads(1)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((base.shape[1],) * 2))[0].astype(np.float32)
    with vss.open("mem:") as db:
        compare(db, "as_is", base, queries, rounds)
        compare(db, "turned", base @ turn, queries @ turn, rounds)


if __name__ == "__main__":
    main()
