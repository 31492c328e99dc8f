"""Searches of libvss through libvss_gpu's host form give the bits that searches without a device give.

VSS_GPU_LIBRARY names another device library, VSS_GPU_DEVICE its device.
"""

import os
import pathlib
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
