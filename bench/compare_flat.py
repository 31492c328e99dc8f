"""Exact search of libvss beside faiss's IndexFlat (see compare_flat.sh).

Data (--sets): sift, 800,000 x 128; turned, the same turned by a fixed random rotation, where 8-bit codes lose
something; hog, 100,000 x 900; packages, 63,666 x 128 under cosine (faiss: inner product of unit vectors). Every engine
is handed float32.

Tables (--tables): batch, queries a call, against faiss; stream, the scan against plain read loops of as many bytes
(vss-bench-scan); passing, one query and 64 over the rows that a filter lets pass, against the same without one: as
Python sees it, and inside the library without the filter's evaluation; k, from 1 to 16,384; threads, two against one.

In each round every engine answers the same queries once. faiss is tried with its matrix product from the first query
on, from its own threshold on and never; the best of the three counts (one that a first call shows to be three times
slower is left out of the rounds). Times are medians over the rounds; in brackets
behind a ratio of medians stands its 95 % interval, by drawing rounds anew. Answers are compared: distances within
float32's reach, and of filtered searches the keys.
"""
import argparse
import pathlib
import subprocess
import sys
import time

import faiss
import numpy as np

import vss

K = 10
BATCHES = {1: 8, 2: 8, 4: 16, 8: 16, 16: 32, 64: 128, 256: 256, 1000: 1000}  # queries a call: a round
FIRST = 64  # queries of a first call
SHARES = [50, 10, 1]  # percent that pass
KS = [1, 10, 100, 1000, 16384]
ROOT = pathlib.Path(__file__).resolve().parents[1]
FILES = {"sift": "u8bin", "hog": "fbin"}


def read(path):
    kind = np.float32 if path.suffix == ".fbin" else np.uint8
    with open(path, "rb") as file:
        rows, dim = np.fromfile(file, np.int32, 2)
        return np.fromfile(file, kind, rows * dim).reshape(rows, dim).astype(np.float32)


def photos(folder, kind):
    """base and queries, made where they are missing."""
    base, queries = (folder / f"{kind}-{what}.{FILES[kind]}" for what in ("base", "query"))
    if not queries.exists():
        folder.mkdir(parents=True, exist_ok=True)
        rows = "800000" if kind == "sift" else "100000"
        maker = ["/usr/bin/python3", str(ROOT / "bench/data/photos.py"), kind, str(folder), rows, "1000"]
        subprocess.run(maker, check=True)
    return read(base), read(queries)[:1000]


def load(name, folder):
    """base, queries, metric."""
    if name == "packages":
        rows = np.load(ROOT / "examples/data/packages.npy").astype(np.float32)
        return rows, rows[np.random.default_rng(1).permutation(len(rows))[:1000]], "cosine"
    base, queries = photos(folder, "hog" if name == "hog" else "sift")
    if name != "turned":
        return base, queries, "l2"
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((base.shape[1],) * 2))[0].astype(np.float32)
    return base @ turn, queries @ turn, "l2"


class Data:
    """One set in both engines."""

    def __init__(self, db, name, folder):
        self.name = name
        self.base, self.queries, metric = load(name, folder)
        self.rows, self.dim = self.base.shape
        self.unit = metric == "cosine"
        if self.unit:
            faiss.normalize_L2(self.base)
            faiss.normalize_L2(self.queries)
        self.flat = (faiss.IndexFlatIP if self.unit else faiss.IndexFlatL2)(self.dim)
        self.flat.add(self.base)
        self.col = db.create_collection(name, fields=[
            {"name": "id", "type": "int64", "primary": True, "auto_id": True}, {"name": "p", "type": "int32"},
            {"name": "v", "type": "vector<f32>", "dim": self.dim, "metric": metric}])
        self.part = np.random.default_rng(2).integers(0, 100, self.rows).astype(np.int32)
        for begin in range(0, self.rows, 50000):
            self.col.insert({"p": self.part[begin:begin + 50000], "v": self.base[begin:begin + 50000]})
        self.col.flush()
        self.col.build_index("v", "flat", codes="sq8")
        own = faiss.cvar.distance_compute_blas_threshold
        self.thresholds = {"faiss always": 1, "faiss default": own, "faiss never": 2**30}

    def vss(self, queries, k=K, threads=1, codes=False, **more):
        return self.col.search(queries, k=k, threads=threads, **({} if codes else {"exact": 1}), **more)

    def faiss(self, queries, threshold, k=K, threads=1, selector=None):
        faiss.cvar.distance_compute_blas_threshold = threshold
        faiss.omp_set_num_threads(threads)
        parameters = faiss.SearchParameters(sel=selector) if selector else None
        return self.flat.search(queries, k, params=parameters)

    def engines(self, k=K, threads=1):
        """name: search(queries) -> distances"""
        every = {name: lambda queries, t=threshold: self.faiss(queries, t, k, threads)[0]
                 for name, threshold in self.thresholds.items()}
        every["vss"] = lambda queries: self.vss(queries, k, threads).distances
        every["codes"] = lambda queries: self.vss(queries, k, threads, codes=True).distances
        return every


def chosen(every, queries):
    """All engines but faiss's ways that a first call shows to be three times slower than its best."""
    took = {}
    for name, search in every.items():
        begin = time.perf_counter()
        search(queries[:FIRST])
        took[name] = time.perf_counter() - begin
    least = min((seconds for name, seconds in took.items() if name.startswith("faiss")), default=0)
    return {name: every[name] for name in every if not name.startswith("faiss") or took[name] <= 3 * least}


def measure(every, queries, batch, rounds, tolerance):
    """name: [rounds] milliseconds a query."""
    every = chosen(every, queries[:batch])
    times = {name: [] for name in every}
    for turn in range(rounds + 1):  # the first one warms up
        wanted = None
        for name, search in every.items():
            begin = time.perf_counter()
            for at in range(0, len(queries), batch):
                found = search(queries[at:at + batch])
            times[name].append((time.perf_counter() - begin) / len(queries) * 1e3)
            wanted = found if wanted is None else wanted
            if not np.allclose(found, wanted, rtol=1e-4, atol=tolerance):
                sys.exit(f"compare_flat: {name} and {next(iter(every))} differ in round {turn}")
    return {name: np.array(taken[1:]) for name, taken in times.items()}


def ratio(slow, fast):
    """How many times longer `slow` takes, with its interval."""
    rng = np.random.default_rng(3)
    draws = rng.integers(0, len(slow), (2000, len(slow)))
    drawn = np.median(slow[draws], axis=1) / np.median(fast[draws], axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{np.median(slow) / np.median(fast):6.2f} ({low:.2f}-{high:.2f})"


def best(times):
    return min((name for name in times if name.startswith("faiss")), key=lambda name: np.median(times[name]))


def tolerance(data):
    return 1e-5 if data.unit else 1e-6 * float((data.queries[:100] ** 2).sum(axis=1).max())


def title(data, text, rounds):
    print(f"\n{data.name}: {data.rows:,} x {data.dim}; {text}; medians of {rounds} rounds", flush=True)


def table_batch(data, arguments):
    for threads in arguments.threads:
        title(data, f"ms a query, k = {K}, {threads} thread(s)", arguments.rounds)
        print(f"{'batch':>6} {'faiss':>9} {'vss':>9}  {'times':<20} {'codes':>9}  {'times':<20} faiss's best")
        for batch in arguments.batches:
            queries, every = data.queries[:BATCHES[batch]], data.engines(threads=threads)
            took = measure(every, queries, batch, arguments.rounds, tolerance(data))
            peer = best(took)
            print(f"{batch:6} {np.median(took[peer]):9.3f} {np.median(took['vss']):9.3f}  "
                  f"{ratio(took[peer], took['vss']):<20} {np.median(took['codes']):9.3f}  "
                  f"{ratio(took[peer], took['codes']):<20} {peer[6:]}", flush=True)


def table_stream(data, arguments):
    title(data, "the scan beside read loops of as many bytes", 15)
    subprocess.run([str(ROOT / "build/release/vss-bench-scan"), str(data.rows), str(data.dim)], check=True)


def inside(hits):
    """Seconds of a search within the library, its filter left out: Python's own lines, which a scan of hundreds of
    megabytes has driven out of the caches, take as long after it as the rows of a hundredth."""
    return (hits.explain.total_ns - sum(part.filter_ns for part in hits.explain.segments)) * 1e-9


def passing_times(data, batch, percent, codes, rounds):
    """Seconds of the whole search, unfiltered and filtered, and of both within the library without the filter."""
    times = {"full": [], "filtered": [], "scan": [], "search": []}
    queries, text = data.queries[:batch], f"p < {percent}"
    for turn in range(rounds + 1):
        begin = time.perf_counter()
        every = data.vss(queries, codes=codes, explain=True)
        middle = time.perf_counter()
        hits = data.vss(queries, codes=codes, filter=text, explain=True)
        end = time.perf_counter()
        times["full"].append(middle - begin)
        times["filtered"].append(end - middle)
        times["scan"].append(inside(every))
        times["search"].append(inside(hits))
    selector = faiss.IDSelectorBatch(np.flatnonzero(data.part < percent))
    wanted = data.faiss(queries, 2**30, selector=selector)[0]
    if not np.allclose(hits.distances, wanted, rtol=1e-4, atol=tolerance(data)):
        sys.exit(f"compare_flat: the filtered search of {percent} % and faiss differ")
    return {name: np.array(taken[1:]) * 1e3 for name, taken in times.items()}


def table_passing(data, arguments):
    title(data, "ms a call over the passing rows, one thread", arguments.rounds)
    print(f"{'':>12} {'batch':>5} {'pass':>5} {'all rows':>9} {'filtered':>9}  {'times':<20} {'inside':>9}  times")
    for codes in (False, True):
        for batch in (1, 64):
            for percent in SHARES:
                took = passing_times(data, batch, percent, codes, arguments.rounds)
                print(f"{'codes' if codes else 'vss':>12} {batch:5} {percent:4}% {np.median(took['full']):9.3f} "
                      f"{np.median(took['filtered']):9.3f}  {ratio(took['full'], took['filtered']):<20} "
                      f"{np.median(took['search']):9.3f}  {ratio(took['scan'], took['search'])}", flush=True)


def table_k(data, arguments):
    title(data, "ms of one query, one thread", arguments.rounds)
    print(f"{'k':>6} {'faiss':>9} {'vss':>9}  {'times':<20} {'against k = 10':<20} {'codes':>9}  times")
    every = {}
    for k in KS:
        every.update({f"{name} {k}": search for name, search in data.engines(k).items() if k < data.rows})
    took = {}
    names = {k: [name for name in every if name.endswith(f" {k}")] for k in KS}
    for turn in range(arguments.rounds + 1):
        for name, search in every.items():
            begin = time.perf_counter()
            search(data.queries[:1])
            if turn > 0:
                took.setdefault(name, []).append((time.perf_counter() - begin) * 1e3)
    took = {name: np.array(taken) for name, taken in took.items()}
    for k in KS:
        peer = best({name: took[name] for name in names[k]})
        mine, codes = took[f"vss {k}"], took[f"codes {k}"]
        print(f"{k:6} {np.median(took[peer]):9.3f} {np.median(mine):9.3f}  {ratio(took[peer], mine):<20} "
              f"{ratio(mine, took['vss 10']):<20} {np.median(codes):9.3f}  {ratio(took[peer], codes)}", flush=True)


def table_threads(data, arguments):
    title(data, "ms a query, two threads against one", arguments.rounds)
    print(f"{'batch':>6} {'vss: 1':>9} {'2':>9}  {'times':<20} {'codes: 1':>9} {'2':>9}  times")
    for batch in arguments.batches:
        every = {}
        for threads in (1, 2):
            for name, search in data.engines(threads=threads).items():
                every.update({} if name.startswith("faiss") else {f"{name} {threads}": search})
        took = measure(every, data.queries[:BATCHES[batch]], batch, arguments.rounds, tolerance(data))
        print(f"{batch:6} {np.median(took['vss 1']):9.3f} {np.median(took['vss 2']):9.3f}  "
              f"{ratio(took['vss 1'], took['vss 2']):<20} {np.median(took['codes 1']):9.3f} "
              f"{np.median(took['codes 2']):9.3f}  {ratio(took['codes 1'], took['codes 2'])}", flush=True)


TABLES = {"batch": table_batch, "stream": table_stream, "passing": table_passing, "k": table_k,
          "threads": table_threads}
SETS = ["sift", "turned", "hog", "packages"]


def some_of(known):
    def parse(text):
        wanted = text.split(",")
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]}: expected some of {','.join(known)}")
        return wanted
    return parse


def numbers(text):
    return [int(number) for number in text.split(",")]


def main():
    parser = argparse.ArgumentParser(prog="compare_flat")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "build/data")
    parser.add_argument("--sets", type=some_of(SETS), default=SETS)
    parser.add_argument("--tables", type=some_of(list(TABLES)), default=list(TABLES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=numbers, default=[1, 2])
    parser.add_argument("--batches", type=numbers, default=list(BATCHES))
    arguments = parser.parse_args()
    if any(batch not in BATCHES for batch in arguments.batches):
        parser.error(f"--batches: some of {','.join(map(str, BATCHES))}")
    for name in arguments.sets:
        with vss.open("mem:") as db:
            data = Data(db, name, arguments.data)
            for table in arguments.tables:
                TABLES[table](data, arguments)


if __name__ == "__main__":
    main()
