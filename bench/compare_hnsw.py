"""Graph search of libvss beside hnswlib, FAISS and usearch, float32, squared L2, k = 10 (see compare_hnsw.sh).

Every engine is a process that answers a line a command (compare_hnsw_*.c, .cpp, .py), so that all stay loaded and
take turns. Two rounds over all values of ef give each family's hull of recall and speed; the rounds that count visit
only the hull's points next to a recall that is asked about. In each round the speed at a recall is interpolated (log
speed over logit recall) for the family's best; the ratio is of one round, and its median and the bootstrap's 95 %
interval are printed.
A hit counts when it is no farther than the true k-th neighbour, in float64.
"""
import argparse
import json
import math
import os
import pathlib
import random
import statistics
import subprocess
import sys

import numpy as np

K = 10
RECALLS = (.90, .95, .99)
SWEEP = (10, 13, 17, 22, 28, 36, 46, 60, 77, 100, 130, 170, 220, 290, 380, 500, 650, 850, 1200, 1700,
         2400, 3000)
ENOUGH = .993  # recall that ends a sweep
PASSES = 5
SECONDS = 4   # of passes, after which no other begins
HERE = pathlib.Path(__file__).parent


def read(path, kind=np.float32):
    with open(path, "rb") as file:
        rows, dim = np.fromfile(file, np.int32, 2)
    return np.memmap(path, kind, "r", 8, (int(rows), int(dim)))


def write(path, rows):
    with open(path, "wb") as file:
        np.array(rows.shape, np.int32).tofile(file)
        np.ascontiguousarray(rows).tofile(file)


class Set:
    """Base, queries and how far each query's true k-th neighbour is."""

    def __init__(self, work, name, base, queries, truth):
        self.work, self.name, self.base, self.queries = work, name, base, queries
        self.rows, self.asked = read(base), np.asarray(read(queries), np.float64)
        self.kth = self.distances(read(truth, np.int32)[:, K - 1:K])[:, 0]

    def distances(self, ids):
        found = np.empty(ids.shape)
        for query, row in enumerate(ids):
            found[query] = ((self.rows[row].astype(np.float64) - self.asked[query]) ** 2).sum(1)
        found[ids < 0] = np.inf
        return found

    def recall(self, path):
        ids = np.fromfile(path, np.int32).reshape(-1, K)
        return float((self.distances(ids) <= self.kth[:, None] * (1 + 1e-9)).mean())


class Engine:
    """A process that holds one index."""

    def __init__(self, data, family, label, command, huge=False):
        self.data, self.family, self.label, self.command, self.huge = data, family, label, command, huge
        self.ids = data.work / f"{data.name}-{label.replace(' ', '-')}.ids"
        self.recalls, self.build_s, self.process = {}, None, None

    def start(self):
        environment = dict(os.environ, OMP_NUM_THREADS="1")
        if self.huge:
            environment["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
        self.process = subprocess.Popen([str(part) for part in (*self.command, self.ids)], env=environment, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        ready = self.process.stdout.readline().split()
        if not ready:
            sys.exit(f"compare_hnsw: {self.label} did not start")
        self.build_s = float(ready[1])

    def stop(self):
        self.process.stdin.close()
        self.process.wait()

    def ask(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def pin(self, cpus):
        os.sched_setaffinity(self.process.pid, cpus)

    def passes(self, ef, batch=1, threads=1):
        """Queries a second in the fastest of a few passes: the others were disturbed."""
        taken = []
        while len(taken) < PASSES and sum(taken) < SECONDS:
            taken.append(self.ask("search", ef, batch, threads))
        if ef not in self.recalls:
            self.recalls[ef] = self.data.recall(self.ids)
        return len(self.data.asked) / min(taken)


def logit(recall):
    return math.log(recall / (1 - recall))


def hull(points):
    """The points (recall, speed, what) that no other beats in both, by rising recall, with logit and logarithm."""
    kept = []
    for point in sorted(points, key=lambda p: (p[0], p[1])):
        x, y = logit(min(point[0], 1 - 1e-6)), math.log(point[1])
        while kept and kept[-1][1] <= y:
            kept.pop()
        kept.append((x, y, point))
    return kept


def around(points, recall):
    """The hull's points next to a recall, or None where it isn't reached."""
    line = hull(points)
    for low, high in zip(line, line[1:]):
        if low[0] <= logit(recall) <= high[0]:
            return low, high
    return (line[0], line[0]) if line and line[0][0] >= logit(recall) else None


def at(points, recall):
    pair = around(points, recall)
    if pair is None:
        return None
    (x0, y0, _), (x1, y1, _) = pair
    share = 0 if x1 == x0 else (logit(recall) - x0) / (x1 - x0)
    return math.exp(y0 + share * (y1 - y0))


def one_round(engines, points):
    """{(engine, ef): speed} of one visit to every point, engines taking turns in a random order."""
    turns = sorted(points, key=lambda p: p[1])
    random.shuffle(turns)
    return {(engine, ef): engine.passes(ef) for engine, ef in turns}


def of_family(family, speeds):
    return [(engine.recalls[ef], speed, (engine, ef)) for (engine, ef), speed in speeds.items()
            if engine.family == family and 0 < engine.recalls[ef]]


def sweep(engines, rounds):
    speeds = {}
    for _ in range(rounds):
        for engine in engines:
            for ef in SWEEP:
                speeds.setdefault((engine, ef), []).append(engine.passes(ef))
                if engine.recalls[ef] > ENOUGH:
                    break
    return {point: max(taken) for point, taken in speeds.items()}


def interval(values):
    draws = sorted(statistics.median(random.choices(values, k=len(values))) for _ in range(1000))
    return statistics.median(values), draws[25], draws[974]


def compare(data, engines, rounds):
    """A row a family and recall: speed, and libvss's speed over it with an interval."""
    families = list(dict.fromkeys(engine.family for engine in engines))
    first = sweep(engines, 2)
    wanted = {}
    for family in families:
        for recall in RECALLS:
            pair = around(of_family(family, first), recall)
            for _, _, point in pair or ():
                wanted[point[2]] = True
    taken = [one_round(engines, list(wanted)) for _ in range(rounds)]
    table = []
    for recall in RECALLS:
        ours = [at(of_family("vss", speeds), recall) for speeds in taken]
        for family in families:
            theirs = [at(of_family(family, speeds), recall) for speeds in taken]
            if None in theirs or None in ours:
                table.append({"set": data.name, "recall": recall, "family": family, "qps": None})
                continue
            ratio, low, high = interval([a / b for a, b in zip(ours, theirs)])
            best = around(of_family(family, taken[-1]), recall)[1][2][2]
            table.append({"set": data.name, "recall": recall, "family": family, "qps": statistics.median(theirs),
                          "times": ratio, "low": low, "high": high, "by": best[0].label, "ef": best[1],
                          "distances": best[0].ask("distances", best[1])})
    return table, {f"{engine.label} {ef}": (engine.recalls[ef], speed) for (engine, ef), speed in first.items()}


def extras(engines, table, rounds, cpus):
    """Of the best at .95: many queries a call, two threads, and what a fresh process holds."""
    rows = []
    for engine in engines:
        ef = next((row["ef"] for row in table if row.get("by") == engine.label and row["recall"] == .95), None)
        if ef is None:
            continue
        batch, threads = [], []
        for _ in range(rounds):
            one = engine.passes(ef)
            batch.append(engine.passes(ef, 1000) / one)
            engine.pin(cpus)
            threads.append(engine.passes(ef, 1, 2) / one)
            engine.pin(cpus[-1:])
        fresh = Engine(engine.data, engine.family, engine.label, engine.command, engine.huge)
        fresh.start()
        fresh.ask("search", ef, 1, 1)
        rows.append({"set": engine.data.name, "by": engine.label, "ef": ef, "batch": statistics.median(batch),
                     "two_threads": statistics.median(threads), "memory": fresh.ask("memory")})
        fresh.stop()
    return rows


def show(table, more):
    print(f"{'set':12} {'recall':>6} {'engine':24} {'ef':>4} {'queries/s':>10} {'vss times':>9}  {'interval':14} "
          f"{'distances':>9}")
    for row in table:
        if row["qps"] is None:
            print(f"{row['set']:12} {row['recall']:6.2f} {row['family']:24} never")
            continue
        print(f"{row['set']:12} {row['recall']:6.2f} {row['by']:24} {row['ef']:4} {row['qps']:10,.0f} "
              f"{row['times']:9.2f}  {row['low']:5.2f} to {row['high']:5.2f} {row['distances']:9,.0f}")
    print(f"\n{'set':12} {'engine at .95':24} {'1,000 a call':>12} {'2 threads':>10} {'resident MB':>12}")
    for row in more:
        print(f"{row['set']:12} {row['by']:24} {row['batch']:12.2f} {row['two_threads']:10.2f} "
              f"{row['memory'] / 1e6:12.1f}")
    sys.stdout.flush()


def plot(path, curves):
    try:
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        return
    figure, axes = plt.subplots(1, len(curves), figsize=(6 * len(curves), 5), squeeze=False)
    for axis, (name, points) in zip(axes[0], curves.items()):
        labels = dict.fromkeys(key.rsplit(" ", 1)[0] for key in points)
        for label in labels:
            line = sorted(value for key, value in points.items() if key.rsplit(" ", 1)[0] == label)
            axis.plot([recall for recall, _ in line], [speed for _, speed in line], marker=".", label=label)
        axis.set(title=name, xlabel="recall@10", ylabel="queries/s, one thread", xlim=(.8, 1), yscale="log")
        axis.grid(True, which="both", alpha=.3)
        axis.legend(fontsize="small")
    figure.savefig(path, bbox_inches="tight")


def engines_of(args, data):
    work, threads = args.work, args.build_threads
    made = []
    for m in args.hnswlib_m:
        for care in args.ef_construction:
            graph = work / f"{data.name.removesuffix('-turned')}-hnswlib-{m}-{care}.bin"
            command = [work / "hnswlib", data.base, data.queries, graph, m, care, threads]
            made += [Engine(data, "hnswlib", f"hnswlib M={m} efc={care} 2M", command, True),
                     Engine(data, "hnswlib", f"hnswlib M={m} efc={care} 4K", command)]
    for name in args.peers:
        command = [sys.executable, HERE / "compare_hnsw_peers.py", name, data.base, data.queries,
                   work / f"{data.name}-{name}.bin", threads]
        made.append(Engine(data, name, name, command, True))
    for params in args.vss:
        command = [work / "vss", data.base, data.queries, work / f"{data.name}-vss-{params}", params, threads]
        made.append(Engine(data, "vss", f"vss {params}", command))
    return made


def turned(work, name, base, queries, truth):
    """The same rows and queries by a fixed random rotation: distances stay, whole numbers don't."""
    paths = work / f"{name}-turned-base.fbin", work / f"{name}-turned-query.fbin"
    if not all(path.exists() for path in paths):
        dim = read(base).shape[1]
        turn = np.linalg.qr(np.random.default_rng(1).standard_normal((dim, dim)))[0].astype(np.float32)
        for source, path in zip((base, queries), paths):
            write(path, np.asarray(read(source)) @ turn)
    return Set(work, f"{name}-turned", *paths, truth)


def sets(args):
    for text in args.set:
        name, base, queries, truth = text.split(",")
        if base.endswith(".u8bin"):
            floats = args.work / f"{name}-base.fbin", args.work / f"{name}-query.fbin"
            for source, path in zip((base, queries), floats):
                if not path.exists():
                    write(path, read(source, np.uint8).astype(np.float32))
            base, queries = floats
            yield Set(args.work, name, base, queries, truth)
            yield turned(args.work, name, base, queries, truth)
        else:
            yield Set(args.work, name, base, queries, truth)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=pathlib.Path, required=True, help="directory of programs, graphs and results")
    parser.add_argument("--set", action="append", required=True, metavar="NAME,BASE,QUERIES,TRUTH")
    parser.add_argument("--only", nargs="*", help="names of sets")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--hnswlib-m", type=int, nargs="*", default=[16, 32])
    parser.add_argument("--ef-construction", type=int, nargs="*", default=[200, 500])
    parser.add_argument("--peers", nargs="*", default=["faiss", "usearch"])
    parser.add_argument("--vss", nargs="*", default=["m=24"], help="parameters of libvss's builds")
    parser.add_argument("--build-threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    random.seed(1)
    cpus = sorted(os.sched_getaffinity(0))
    every, more, curves = [], [], {}
    for data in sets(args):
        if args.only and data.name not in args.only:
            continue
        engines = engines_of(args, data)
        for engine in engines:
            engine.start()
            engine.pin(cpus[-1:])
        table, curves[data.name] = compare(data, engines, args.rounds)
        extra = extras(engines, table, 5, cpus)
        show(table, extra)
        every += table
        more += extra
        for engine in engines:
            engine.stop()
    result = {"recall": every, "at_95": more, "curves": curves}
    (args.work / "compare_hnsw.json").write_text(json.dumps(result, indent=1))
    plot(args.work / "compare_hnsw.png", curves)


if __name__ == "__main__":
    main()
