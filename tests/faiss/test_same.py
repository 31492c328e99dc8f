"""An index inside a collection finds what FAISS finds by itself: filtered, after deletes, reopened and compacted."""

import faiss
import numpy as np
import pytest

import vss
from conftest import DIM, K, QUERIES, ROWS, collection

# Factory, parameters of a search as libvss and as FAISS spell them.
KINDS = [
    ("Flat", {}, {}),
    ("HNSW32", {"ef": 48}, {"efSearch": 48}),
    ("HNSW32", {}, {}),
    ("IVF256,Flat", {"nprobe": 8}, {"nprobe": 8}),
    ("IVF256,Flat", {}, {}),
    ("IVF256,PQ16x4fs", {"nprobe": 16}, {"nprobe": 16}),
    ("PCA32,IVF256,SQ8", {"nprobe": 8}, {"nprobe": 8}),
    ("PCA32,IVF64,PQ8x4fs", {"nprobe": 8}, {"nprobe": 8}),
    ("IVF256_HNSW16,Flat", {"nprobe": 4}, {"nprobe": 4}),
    ("SQ8", {}, {}),
    ("PQ16np", {}, {}),
    ("IVF64,SQ8,RFlat", {}, {}),
]
IDS = [f"{kind[0]}-{'set' if kind[1] else 'plain'}" for kind in KINDS]
_made = {}


def directly(factory, rows, metric=faiss.METRIC_L2):
    """FAISS' own index of the rows, made with one thread; kept, as building takes longest."""
    name = factory, len(rows), float(rows[0, 0]), metric
    if name not in _made:
        faiss.omp_set_num_threads(1)
        _made[name] = index = faiss.index_factory(rows.shape[1], factory, metric)
        index.train(rows)
        index.add(rows)
    return _made[name]


def set_all(index, settings):
    """FAISS' settings stay on the index: those that are not given go back to what they are at first."""
    space = faiss.ParameterSpace()
    for name, value in settings.items():
        space.set_index_parameter(index, name, value)


def faiss_sets(index, queries, k, settings, allowed=None):
    """The rows that FAISS finds for each query; allowed: of these alone, as a selector picks them."""
    before = {"nprobe": 1, "efSearch": 16}
    set_all(index, settings)
    if allowed is None:
        labels = index.search(queries, k)[1]
    else:
        labels = faiss_selected(index, queries, k, allowed)
    set_all(index, {name: before[name] for name in settings})
    return [set(row[row >= 0].tolist()) for row in labels]


def faiss_selected(index, queries, k, allowed):
    """With a selector where FAISS takes one, else as the plug-in does without: more rows, of which the allowed stay."""
    inner, x = index, queries
    if isinstance(index, faiss.IndexPreTransform):
        x, inner = index.chain.at(0).apply(queries), faiss.downcast_index(index.index)
    selector = faiss.IDSelectorBatch(np.flatnonzero(allowed))
    if isinstance(inner, (faiss.IndexIVFFlat, faiss.IndexIVFScalarQuantizer)):
        params = faiss.SearchParametersIVF(sel=selector, nprobe=inner.nprobe)
    elif isinstance(inner, faiss.IndexHNSW):
        params = faiss.SearchParametersHNSW(sel=selector, efSearch=inner.hnsw.efSearch)
    elif isinstance(inner, (faiss.IndexFlat, faiss.IndexScalarQuantizer)):
        params = faiss.SearchParameters(sel=selector)
    else:
        more = k * len(allowed) // int(allowed.sum()) * 3 // 2 + 16
        more = k * len(allowed) * 3 // (2 * int(allowed.sum())) + 16 if more else 0
        found = inner.search(x, more)[1]
        return [np.array([row for row in rows if row >= 0 and allowed[row]][:k]) for rows in found]
    return inner.search(x, k, params=params)[1]


def assert_same(hits, expected, data, live=None):
    """The rows expected, in the order and with the distances of the vectors; where FAISS came short, a scan's."""
    for q, rows in enumerate(expected):
        keys = hits.keys[q][:hits.counts[q]]
        if len(rows) < K:
            exact = ((data.rows - data.queries[q]) ** 2).sum(1)
            exact[~live] = np.inf
            rows = set(np.argsort(exact)[:K].tolist())
        assert set(keys.tolist()) == rows, q
        distances = ((data.rows[keys].astype(np.float64) - data.queries[q]) ** 2).sum(1)
        np.testing.assert_allclose(hits.distances[q][:hits.counts[q]], distances, rtol=1e-6)
        assert (np.diff(hits.distances[q][:hits.counts[q]]) >= 0).all()


@pytest.mark.parametrize("factory, ours, theirs", KINDS, ids=IDS)
def test_same_as_directly(tmp_path, data, factory, ours, theirs):
    everything = np.ones(ROWS, dtype=bool)
    index = directly(factory, data.rows)
    given = {"trusted": 1, **ours}
    with vss.open(tmp_path / "db") as db:
        col = collection(db, data)
        col.build_index("v", "faiss", factory=factory, threads=1)
        expected = faiss_sets(index, data.queries, K, theirs)
        hits = col.search(data.queries, k=K, explain=True, **given)
        assert {segment.plan for segment in hits.explain.segments} <= {"index", "index_then_scan"}
        assert_same(hits, expected, data, everything)
        for q in range(3):
            assert col.search(data.queries[q], k=K, **given).keys.tolist() == [hits.keys[q].tolist()]

        allowed = data.n < 7
        expected = faiss_sets(index, data.queries, K, theirs, allowed)
        assert_same(col.search(data.queries, k=K, filter="n < 7", **given), expected, data, allowed)

        col.delete(filter="n == 3")
        live = data.n != 3
        deleted = faiss_sets(index, data.queries, K, theirs, live)
        assert_same(col.search(data.queries, k=K, **given), deleted, data, live)

    with vss.open(tmp_path / "db") as db:
        col = db.collection("things")
        assert_same(col.search(data.queries, k=K, **given), deleted, data, live)
        col.delete(filter="n == 4 or n == 5")
        col.compact()
        left = np.flatnonzero((data.n < 3) | (data.n > 5))
        rebuilt = faiss_sets(directly(factory, data.rows[left]), data.queries, K, theirs)
        expected = [{int(left[row]) for row in rows} for rows in rebuilt]
        live = np.isin(np.arange(ROWS), left)
        assert_same(col.search(data.queries, k=K, **given), expected, data, live)
        assert db.check("things").ok


@pytest.mark.parametrize("factory, ours, theirs", KINDS, ids=IDS)
def test_own_distances(data, factory, ours, theirs):
    """refine=0: the rows in FAISS' order with FAISS' distances, and with a filter those that pass."""
    index = directly(factory, data.rows)
    set_all(index, theirs)
    distances, labels = index.search(data.queries, K)
    set_all(index, {name: {"nprobe": 1, "efSearch": 16}[name] for name in theirs})
    given = {"trusted": 1, "refine": 0, **ours}
    with vss.open("mem:") as db:
        col = collection(db, data)
        col.build_index("v", "faiss", factory=factory, threads=1)
        hits = col.search(data.queries, k=K, **given)
        assert hits.estimated
        full = [q for q in range(QUERIES) if (labels[q] >= 0).all()]
        assert len(full) >= QUERIES // 2
        for q in full:
            assert set(hits.keys[q].tolist()) == set(labels[q].tolist())
            np.testing.assert_allclose(hits.distances[q], distances[q], rtol=1e-4)
        passing = col.search(data.queries, k=K, filter="n < 7", **given)
        assert (data.n[passing.keys] < 7).all() and (np.diff(passing.distances) >= 0).all()
        for q in full:
            left = distances[q][data.n[labels[q]] < 7]  # what passes of these is found, or nearer ones
            assert (passing.distances[q][:len(left)] <= left * 1.0001).all()


@pytest.mark.parametrize("type", ["f32", "f16", "i8", "u8"])
@pytest.mark.parametrize("metric", ["ip", "cosine"])
def test_other_metrics_and_types(data, type, metric):
    """Vectors are widened, and divided by their length under cosine, before FAISS gets them."""
    class Narrow:
        rows, queries, n = data.rows, data.queries, data.n
    if type == "f16":
        Narrow.rows = data.rows.astype(np.float16)
    elif type != "f32":
        low = 0 if type == "u8" else -64
        Narrow.rows = np.clip(data.rows * 4 + 64 + low, low, low + 127).astype("u1" if type == "u8" else "i1")
        Narrow.queries = Narrow.rows[:QUERIES]
    wide, asked = Narrow.rows.astype(np.float32), Narrow.queries.astype(np.float32)
    if metric == "cosine":
        wide /= np.linalg.norm(wide.astype(np.float64), axis=1, keepdims=True).astype(np.float32)
        asked = asked / np.linalg.norm(asked, axis=1, keepdims=True)
    with vss.open("mem:") as db:
        col = collection(db, Narrow, metric, type)
        col.build_index("v", "faiss", factory="IVF64,Flat", threads=1)
        hits = col.search(Narrow.queries, k=K, nprobe=64, trusted=1)
        exact = col.search(Narrow.queries, k=K, exact=1)
        np.testing.assert_allclose(hits.distances, exact.distances, rtol=1e-6)  # rows may tie
        few = col.search(Narrow.queries, k=K, nprobe=4, trusted=1)
        index = directly("IVF64,Flat", wide, faiss.METRIC_INNER_PRODUCT)
        expected = faiss_sets(index, asked, K, {"nprobe": 4})
        same = [len(set(keys.tolist()) & rows) for keys, rows in zip(few.keys, expected)]
        assert sum(same) >= 0.98 * K * QUERIES  # a rounding may move a row between lists


def test_threads_and_batches_find_the_same(data):
    with vss.open("mem:") as db:
        col = collection(db, data)
        col.build_index("v", "faiss", factory="IVF256,PQ16x4fs", threads=1)
        many = np.tile(data.queries, (30, 1))
        one = col.search(many, k=K, nprobe=8, trusted=1, threads=1)
        four = col.search(many, k=K, nprobe=8, trusted=1, threads=4)
        assert (one.keys == four.keys).all() and (one.distances == four.distances).all()
        assert (one.keys[:QUERIES] == one.keys[-QUERIES:]).all()


def test_growing_rows_and_new_segments(data):
    """Rows written after the index was defined: in memory, then sealed with an index of their own."""
    with vss.open("mem:") as db:
        col = collection(db, data)
        col.build_index("v", "faiss", factory="IVF64,Flat", threads=1)
        col.insert({"n": data.n, "v": data.rows + np.float32(0.25)})
        both = np.concatenate([data.rows, data.rows + np.float32(0.25)])
        exact = [set(np.argsort(((both - q) ** 2).sum(1))[:K].tolist()) for q in data.queries]
        for _ in range(2):
            hits = col.search(data.queries, k=K, nprobe=64, trusted=1)
            assert [set(keys.tolist()) for keys in hits.keys] == exact
            col.flush()
        col.compact()
        hits = col.search(data.queries, k=K, nprobe=64, trusted=1, explain=True)
        assert [set(keys.tolist()) for keys in hits.keys] == exact
        assert [segment.index for segment in hits.explain.segments] == ["faiss"]
        assert DIM == both.shape[1]
