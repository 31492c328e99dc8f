"""Searches and builds of libvss through libvss_gpu's host form give the bits that they give without a device.

VSS_GPU_LIBRARY names another device library, VSS_GPU_DEVICE its device.
"""

import hashlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bindings" / "python"))
sys.path.insert(0, str(ROOT / "tests" / "python"))
os.environ.setdefault("VSS_LIBRARY", str(ROOT / "build" / "release" / "libvss.so.0"))

import vss  # noqa: E402
from vector_model import EVERY  # noqa: E402

LIBRARY = os.environ.get("VSS_GPU_LIBRARY", str(ROOT / "build" / "gpu" / "host" / "libvss_gpu_host.so"))
DEVICE = os.environ.get("VSS_GPU_DEVICE", "emulated")
ROWS = 3000
LIST_ROWS = 10000  # segments of half as many have indexes

if DEVICE == "cuda":
    vss.load_device(LIBRARY, experimental=1)
else:
    vss.load_device(LIBRARY, memory_mb=200, tile_kb=64)


def vectors(rng, dtype, n, dim):
    if dtype == "binary":
        return rng.random((n, dim)) < 0.5
    if dtype in ("i8", "u8"):
        limits = np.iinfo(np.int8 if dtype == "i8" else np.uint8)
        return rng.integers(max(limits.min, -3), 4, (n, dim)).astype(limits.dtype)  # few values: ties
    return rng.standard_normal((n, dim)).astype(np.float32)


@pytest.mark.parametrize("dtype,metric", EVERY)
def test_same(tmp_path, dtype, metric):
    rng = np.random.default_rng(len(dtype) * 10 + len(metric))
    dim = 24
    rows = vectors(rng, dtype, ROWS, dim)
    rows[0::7] = rows[0]
    if metric == "cosine":
        rows[~rows.any(axis=1), 0] = 1
    with vss.open(tmp_path / "db") as db:
        col = db.create_collection("c", [
            {"name": "key", "type": "int64", "primary": True}, {"name": "g", "type": "int32"},
            {"name": "v", "type": f"vector<{dtype}>", "dim": dim, "metric": metric}])
        for part in np.array_split(np.arange(ROWS), 2):  # two segments
            col.insert({"key": ROWS - part, "g": (part % 100).astype(np.int32), "v": rows[part]})
            col.flush()
        col.delete(keys=list(range(0, 60, 3)))
        for n, k, text in ((1, 10, None), (5, 3, "g < 2"), (12, 7, None), (40, 500, "g != 5"), (9, 2000, None)):
            queries = vectors(rng, dtype, n, dim)
            if metric == "cosine":
                queries[~queries.any(axis=1), 0] = 1
            plain = col.search(queries, k=k, filter=text)
            hits = col.search(queries, k=k, filter=text, device=DEVICE, device_required=True, explain=True)
            assert [segment.device for segment in hits.explain.segments].count(DEVICE) > 0
            assert np.array_equal(hits.counts, plain.counts)
            assert np.array_equal(hits.keys, plain.keys)
            assert hits.distances.tobytes() == plain.distances.tobytes()


def filled(db, rng, dtype, metric, dim):
    """A collection of two segments, and rows of it."""
    rows = vectors(rng, dtype, LIST_ROWS, dim)
    rows[0::11] = rows[0]
    if metric == "cosine":
        rows[~rows.any(axis=1), 0] = 1
    col = db.create_collection("c", [
        {"name": "key", "type": "int64", "primary": True}, {"name": "g", "type": "int32"},
        {"name": "v", "type": f"vector<{dtype}>", "dim": dim, "metric": metric}])
    for part in np.array_split(np.arange(LIST_ROWS), 2):
        col.insert({"key": LIST_ROWS - part, "g": (part % 100).astype(np.int32), "v": rows[part]})
        col.flush()
    return col


@pytest.mark.parametrize("dtype,metric", EVERY)
@pytest.mark.parametrize("index", ["ivf_flat", "ivf_sq8", "ivf_rabitq", "ivf_pq"])
def test_lists(tmp_path, index, dtype, metric):
    """Lists compared on the device: what the CPU finds in them by vectors, and no less than it finds by codes."""
    rng = np.random.default_rng(len(index) * 100 + len(dtype) * 10 + len(metric))
    with vss.open(tmp_path / "db") as db:
        col = filled(db, rng, dtype, metric, 32)
        col.build_index("v", index, nlist=30)
        col.delete(keys=list(range(0, 60, 3)))
        for n, k, nprobe, text in ((1, 10, 4, None), (5, 3, 7, "g < 60"), (40, 12, 3, None), (3, 2000, 20, None),
                                   (9, 50, 1, "g != 5")):
            queries = vectors(rng, dtype, n, 32)
            if metric == "cosine":
                queries[~queries.any(axis=1), 0] = 1
            plain = col.search(queries, k=k, filter=text, nprobe=nprobe)
            hits = col.search(queries, k=k, filter=text, nprobe=nprobe, device=DEVICE, device_required=True,
                              explain=True)
            assert {(segment.index, segment.device) for segment in hits.explain.segments} == {(index, DEVICE)}
            assert np.array_equal(hits.counts, plain.counts)
            if index == "ivf_flat":
                assert np.array_equal(hits.keys, plain.keys)
                assert hits.distances.tobytes() == plain.distances.tobytes()
            nearer = 1 if metric in ("ip", "cosine") else -1  # these rise with nearness
            for q in range(n):
                mine, others = hits.distances[q][:hits.counts[q]], plain.distances[q][:plain.counts[q]]
                assert (nearer * mine >= nearer * others).all()


BUILD_ROWS, BUILD_DIM = 12000, 24


def collection(db, dtype, metric, rows):
    col = db.create_collection("c", [
        {"name": "key", "type": "int64", "primary": True},
        {"name": "v", "type": f"vector<{dtype}>", "dim": rows.shape[1], "metric": metric}])
    col.insert({"key": np.arange(len(rows)), "v": rows})
    col.flush()
    return col


def objects(folder):
    """Hashes of a database's indexes and models: their names are others each time, their bytes are not."""
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*")
                  if path.suffix in (".idx", ".mdl"))


@pytest.mark.parametrize("kind,dtype,metric,parameters", [
    ("ivf_flat", "f32", "l2", {}), ("ivf_flat", "u8", "l2", {}), ("ivf_flat", "i8", "ip", {}),
    ("ivf_flat", "f16", "cosine", {}), ("ivf_sq8", "f32", "l2", {}), ("ivf_rabitq", "f32", "l2", {}),
    ("ivf_rabitq", "u8", "cosine", {"bits": 1}), ("ivf_rabitq", "bf16", "ip", {"bits": 7}), ("ivf_pq", "f32", "l2", {}),
    ("ivf_pq", "f16", "ip", {"nbits": 8, "m": 3})])
def test_same_lists(tmp_path, kind, dtype, metric, parameters):
    """Up to 256 lists the CPU compares every row with every center, too: both build the same index, byte for byte."""
    rng = np.random.default_rng(4)
    rows, queries = (vectors(rng, dtype, n, BUILD_DIM) for n in (BUILD_ROWS, 50))
    for some in (rows, queries):
        some[~some.any(axis=1), 0] = 1
    results = []
    for device in (None, DEVICE):
        with vss.open(tmp_path / str(device)) as db:
            col = collection(db, dtype, metric, rows)
            col.build_index("v", kind, nlist=90, device=device, device_required=device is not None, **parameters)
            results.append([col.search(queries, k=10, nprobe=probes) for probes in (1, 5)])
    mine, others = (objects(tmp_path / str(device)) for device in (DEVICE, None))
    assert len(mine) == 2 and mine == others
    for plain, hits in zip(*results):
        assert np.array_equal(hits.counts, plain.counts)
        assert np.array_equal(hits.keys, plain.keys)
        assert hits.distances.tobytes() == plain.distances.tobytes()


@pytest.mark.parametrize("dtype,metric,dim,n,equal,params", [
    ("f32", "l2", 16, 5000, False, {"m": 16, "ef_construction": 200}),
    ("f16", "cosine", 33, 4200, False, {"m": 6, "ef_construction": 100}),
    ("u8", "l2", 4, 5000, True, {"m": 24, "ef_construction": 60}),
    ("i8", "l2", 128, 4100, False, {"m": 8, "ef_construction": 120}),
    ("f32", "ip", 900, 4096, False, {"m": 4, "ef_construction": 30}),
    ("bf16", "ip", 50, 4500, True, {"m": 3, "ef_construction": 700, "codes": "sq8"}),
    ("binary", "hamming", 64, 5000, True, {"m": 8})])
def test_same_graphs(tmp_path, dtype, metric, dim, n, equal, params):
    """The objects of a graph's build are the same, byte for byte; and one segment's are not another's."""
    rng = np.random.default_rng(dim)
    rows = vectors(rng, dtype, n, dim)
    if equal:
        rows[::3] = rows[0]
    rows[~rows.any(axis=1), 0] = 1
    found = []
    for device in (None, DEVICE):
        with vss.open(tmp_path / str(device)) as db:
            col = collection(db, dtype, metric, rows)
            col.build_index("v", "hnsw", device=device, device_required=device is not None, **params)
        found.append(objects(tmp_path / str(device)))
    assert len(found[0]) > 0
    assert found[0] == found[1]


def test_builds_ask(tmp_path):
    """Builds do go to the device: where its memory does not suffice they say so, if it is required."""
    script = f"""
import sys
sys.path.insert(0, {str(ROOT / "bindings" / "python")!r})
import numpy, vss
vss.load_device({LIBRARY!r}, memory_mb=1, experimental={int(DEVICE == "cuda")})
rows = numpy.random.default_rng(1).standard_normal(({BUILD_ROWS}, 96)).astype(numpy.float32)
with vss.open({str(tmp_path / "db")!r}) as db:
    col = db.create_collection("c", [{{"name": "key", "type": "int64", "primary": True}},
                                     {{"name": "v", "type": "vector<f32>", "dim": 96, "metric": "l2"}}])
    col.insert({{"key": numpy.arange(len(rows)), "v": rows}})
    try:
        col.build_index("v", "ivf_flat", nlist=90, device={DEVICE!r}, device_required=True)
    except vss.Error as error:
        print(error)
    try:
        col.build_index("v", "hnsw", m=4, device={DEVICE!r}, device_required=True)
    except vss.Error as error:
        print(error)
    col.build_index("v", "ivf_flat", nlist=90, device={DEVICE!r})
    assert col.search(rows[5:6], k=1).keys.tolist() == [[5]]
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:  # for centers, and of a graph
        assert f"{BUILD_ROWS} points of " in line and "of the card's memory wanted" in line


def test_device_of_the_new_index(tmp_path):
    """Rows that are sealed first get the index of before by the CPU: its vectors are not for a device."""
    rows = np.random.default_rng(8).standard_normal((6000, 8)).astype(np.float32)
    with vss.open(tmp_path / "db") as db:
        col = db.create_collection("c", [{"name": "key", "type": "int64", "primary": True},
                                         {"name": "v", "type": "vector<f32>", "dim": 8, "metric": "l2"}])
        col.build_index("v", "hnsw", m=4)
        col.insert({"key": np.arange(len(rows)), "v": rows})
        col.build_index("v", "ivf_flat", nlist=20, device=DEVICE, device_required=True)
        assert col.search(rows[5:6], k=1, nprobe=20).keys.tolist() == [[5]]
