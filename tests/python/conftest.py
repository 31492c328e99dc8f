"""What the Python tests share: the package on the path, the library of the release build, small collections."""

import os
import pathlib
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bindings" / "python"))
os.environ.setdefault("VSS_LIBRARY", str(ROOT / "build" / "release" / "libvss.so.0"))

import vss  # noqa: E402

FIELDS = [
    {"name": "name", "type": "string", "primary": True},
    {"name": "size", "type": "int64", "nullable": True},
    {"name": "vec", "type": "vector<f32>", "dim": 4, "metric": "l2"},
]


@pytest.fixture
def db(tmp_path):
    with vss.open(tmp_path / "db") as database:
        yield database


@pytest.fixture
def col(db):
    """Rows a, b, c at 0, 1, 2 on the first axis; sizes 10, null, 30."""
    made = db.create_collection("things", FIELDS)
    vectors = np.zeros((3, 4), dtype=np.float32)
    vectors[:, 0] = [0, 1, 2]
    made.insert({"name": ["a", "b", "c"], "size": [10, None, 30], "vec": vectors})
    return made


@pytest.fixture
def numbers(db):
    """600 rows with counted keys, two dimensions, in two segments and a growing one."""
    made = db.create_collection("numbers", [
        {"name": "id", "type": "int64", "primary": True, "auto_id": True},
        {"name": "n", "type": "int32"},
        {"name": "v", "type": "vector<f32>", "dim": 2, "metric": "l2"}])
    for start in (0, 200, 400):
        n = np.arange(start, start + 200, dtype=np.int32)
        made.insert({"n": n, "v": np.stack([n, n * 0], axis=1).astype(np.float32)})
        if start < 400:
            made.flush()
    return made
