"""What the tests of the FAISS plug-in share: the release build's library, the plug-in, FAISS' own Python module of the
version that the plug-in is linked with, and rows to index.

FAISS' module lies in build/faiss/root, where cmake/faiss.sh unpacks it, or is the system's.
"""

import ctypes
import os
import pathlib
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FAISS = ROOT / "build" / "faiss" / "root" / "usr" / "lib"
PLUGIN = pathlib.Path(os.environ.get("VSS_FAISS_PLUGIN", ROOT / "build" / "faiss" / "plugin" / "libvss_faiss.so"))
sys.path.insert(0, str(ROOT / "bindings" / "python"))
sys.path.append(str(FAISS / "python3" / "dist-packages"))
os.environ.setdefault("VSS_LIBRARY", str(ROOT / "build" / "release" / "libvss.so.0"))
for blas in ("libblas.so.3", "liblapack.so.3"):  # what FAISS' module asks for by name
    for path in FAISS.glob(f"*/openblas-openmp/{blas}"):
        ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)

import vss  # noqa: E402

vss.load_plugin(PLUGIN)

ROWS, DIM, QUERIES, K = 12000, 64, 40, 10
FIELDS = [{"name": "id", "type": "int64", "primary": True, "auto_id": True},
          {"name": "n", "type": "int32"},
          {"name": "v", "type": "vector<f32>", "dim": DIM, "metric": "l2"}]


class Data:
    """Rows in clusters, as quantizers like them, and queries near them."""

    def __init__(self):
        random = np.random.default_rng(8)
        centers = random.standard_normal((300, DIM)).astype(np.float32) * 4
        self.rows = (centers[random.integers(0, 300, ROWS)] +
                     random.standard_normal((ROWS, DIM)).astype(np.float32)).astype(np.float32)
        self.queries = (self.rows[random.integers(0, ROWS, QUERIES)] +
                        random.standard_normal((QUERIES, DIM)).astype(np.float32) / 2).astype(np.float32)
        self.n = np.arange(ROWS, dtype=np.int32) % 10


@pytest.fixture(scope="session")
def data():
    return Data()


def collection(db, data, metric="l2", type="f32", name="things"):
    """All rows of data in one sealed segment; keys are row numbers."""
    fields = FIELDS[:2] + [{**FIELDS[2], "metric": metric, "type": f"vector<{type}>"}]
    col = db.create_collection(name, fields)
    col.insert({"n": data.n, "v": data.rows})
    col.flush()
    return col
