"""hnsw indexes walked on libvss_gpu's host form: no less is found than by the CPU at the same ef, over a scan's hits.

Counted are hits that are as near as the k-th nearest, so that rows that tie with it count whichever come.
"""

import numpy as np
import pytest

from test_through import DEVICE, EVERY, vectors, vss

ROWS, DIM, QUERIES = 9000, 32, 300
FILTERS = ((None, True), ("g < 70", True), ("g < 50", True), ("g < 10", False), ("g == 3", False), ("g < 0", False))


def scattered(rng, dtype, clustered, n):
    """Uniform rows, or rows around 40 centers that are the same for every n."""
    if not clustered:
        return vectors(rng, dtype, n, DIM)
    centers = vectors(np.random.default_rng(9), dtype, 40, DIM)
    chosen = centers[rng.integers(len(centers), size=n)]
    if dtype == "binary":
        return chosen ^ (rng.random(chosen.shape) < 0.1)
    if dtype in ("i8", "u8"):
        return np.where(rng.random(chosen.shape) < 0.2, vectors(rng, dtype, n, DIM), chosen)
    return (chosen + 0.2 * rng.standard_normal(chosen.shape)).astype(np.float32)


def collection(db, dtype, metric, rows, parts=1):
    if metric == "cosine":
        rows[~rows.any(axis=1), 0] = 1
    col = db.create_collection("c", [
        {"name": "key", "type": "int64", "primary": True}, {"name": "g", "type": "int32"},
        {"name": "v", "type": f"vector<{dtype}>", "dim": rows.shape[1], "metric": metric}])
    for part in np.array_split(np.arange(len(rows)), parts):
        col.insert({"key": len(rows) - part, "g": (part * 7919 % 100).astype(np.int32), "v": rows[part]})
        col.flush()
    return col


def near(hits, exact, metric):
    """How many hits are as near as the farthest that there should be."""
    nearer = 1 if metric in ("ip", "cosine") else -1
    assert np.array_equal(hits.counts, exact.counts)
    return sum((nearer * hits.distances[q][:n] >= nearer * exact.distances[q][n - 1]).sum()
               for q, n in enumerate(exact.counts) if n > 0)


def compare(col, queries, metric, k, ef, text, plans):
    """What the CPU and the device find at the same ef, and how many hits there are."""
    exact = col.search(queries, k=k, filter=text, exact=1)
    plain = col.search(queries, k=k, filter=text, ef=ef)
    hits = col.search(queries, k=k, filter=text, ef=ef, device=DEVICE, device_required=True, explain=True)
    for segment in hits.explain.segments:
        assert segment.plan in plans
        assert segment.plan == "nothing" or (segment.device == DEVICE and segment.distances > 0)
    return near(plain, exact, metric), near(hits, exact, metric), int(exact.counts.sum())


def check(col, queries, metric):
    for text, walked in FILTERS:
        for k, ef, n in ((10, 10, 300), (10, 40, 300), (10, 400, 40), (100, 100, 60), (400, 400, 10)):
            plans = ("index", "index_then_scan") + (() if walked and (k < 100 or text is None)
                                                    else ("scan_rows", "nothing"))
            plain, hits, there = compare(col, queries[:n], metric, k, ef, text, plans)
            assert hits >= plain - 0.005 * there, (text, k, ef, plain, hits, there)


@pytest.mark.parametrize("dtype,metric", EVERY)
def test_found(tmp_path, dtype, metric):
    rng = np.random.default_rng(len(dtype) * 10 + len(metric))
    clustered = len(dtype + metric) % 2 == 0
    rows, queries = (scattered(rng, dtype, clustered, n) for n in (ROWS, QUERIES))
    rows[0::11] = rows[0]
    if metric == "cosine":
        queries[~queries.any(axis=1), 0] = 1
    with vss.open(tmp_path / "db") as db:
        col = collection(db, dtype, metric, rows)
        col.build_index("v", "hnsw", m=12, ef_construction=200)
        col.delete(keys=list(range(0, 600, 3)))
        check(col, queries, metric)


@pytest.mark.parametrize("codes", ["none", "sq8", "sq4", "f16"])
@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("metric", ["l2", "ip"])
def test_codes(tmp_path, codes, clustered, metric):
    rng = np.random.default_rng(len(codes))
    rows, queries = (scattered(rng, "f32", clustered, n) for n in (ROWS, QUERIES))
    with vss.open(tmp_path / "db") as db:
        col = collection(db, "f32", metric, rows)
        col.build_index("v", "hnsw", m=16, ef_construction=200, codes=codes)
        check(col, queries, metric)


def test_same_again(tmp_path):
    """A walk finds the same beside whatever queries."""
    rng = np.random.default_rng(1)
    rows, queries = (scattered(rng, "f32", True, n) for n in (ROWS, QUERIES))
    with vss.open(tmp_path / "db") as db:
        col = collection(db, "f32", "l2", rows, parts=2)
        col.build_index("v", "hnsw")
        whole = col.search(queries, k=10, device=DEVICE, device_required=True)
        for q in range(0, QUERIES, 9):
            alone = col.search(queries[q:q + 1], k=10, device=DEVICE, device_required=True)
            assert np.array_equal(alone.keys[0], whole.keys[q])
            assert alone.distances[0].tobytes() == whole.distances[q].tobytes()


@pytest.mark.parametrize("n", [1, 2, 50])
def test_few_rows(tmp_path, n):
    rng = np.random.default_rng(n)
    with vss.open(tmp_path / "db") as db:
        col = collection(db, "f32", "cosine", vectors(rng, "f32", n, 8))
        col.build_index("v", "hnsw")
        queries = vectors(rng, "f32", 4, 8)
        plain = col.search(queries, k=5, exact=1)
        hits = col.search(queries, k=5, device=DEVICE, device_required=True)
        assert np.array_equal(hits.keys, plain.keys) and hits.distances.tobytes() == plain.distances.tobytes()


def test_large_pools(tmp_path):
    """A walk that the device has no room for is a comparison of every row there."""
    rng = np.random.default_rng(2)
    rows, queries = (vectors(rng, "f32", n, DIM) for n in (ROWS, 20))
    with vss.open(tmp_path / "db") as db:
        col = collection(db, "f32", "l2", rows)
        col.build_index("v", "hnsw", m=12)
        for k, ef, plan in ((10, 2048, "index"), (2000, 2000, "index"), (10, 2049, "index_then_scan")):
            exact = col.search(queries, k=k, exact=1)
            hits = col.search(queries, k=k, ef=ef, device=DEVICE, device_required=True, explain=True)
            assert [(segment.plan, segment.device) for segment in hits.explain.segments] == [(plan, DEVICE)]
            assert near(hits, exact, "l2") >= 0.99 * k * len(queries)
            if plan != "index":
                assert np.array_equal(hits.keys, exact.keys)


def test_threads(tmp_path):
    """Many queries go to the device in several calls at once, and find what they find in one."""
    rng = np.random.default_rng(3)
    rows, queries = (scattered(rng, "f32", True, n) for n in (ROWS, 4300))
    with vss.open(tmp_path / "db") as db:
        col = collection(db, "f32", "l2", rows)
        col.build_index("v", "hnsw", m=12)
        queries[4090:4230] *= 50  # outside the grid of the codes: few of one group, many of the next
        alone, together = (col.search(queries, k=5, ef=10, threads=threads, device=DEVICE, device_required=True)
                           for threads in (1, 5))
        assert np.array_equal(alone.keys, together.keys)
        assert alone.distances.tobytes() == together.distances.tobytes()
