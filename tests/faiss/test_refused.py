"""What the plug-in and FAISS refuse: one clear line each, and nothing has changed."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest

import vss
from conftest import DIM, FIELDS, K, PLUGIN, ROOT, collection


def line(call, *words, error=vss.Error):
    with pytest.raises(error) as raised:
        call()
    text = str(raised.value)
    assert "\n" not in text and len(text) < 500
    for word in words:
        assert word in text, text
    return text


@pytest.fixture(scope="module")
def db():
    with vss.open("mem:") as database:
        yield database


@pytest.fixture(scope="module")
def col(db, data):
    return collection(db, data)


@pytest.mark.parametrize("factory, word", [
    ("Nonsense", "could not parse"), ("Flatt", "could not parse"), ("IVF256", "could not parse"),
    ("IVF256,Flat,", "could not parse"), ("flat", "could not parse"), ("Flat,Flat", "could not parse"),
    ("PQ7", "multiple"), ("PQ16x4fs_33", "bbs"), ("IVF256,PQ128", "multiple"),
    ("PQ0", "0 is out of range"), ("IVF0,Flat", "0 is out of range"), ("PQ16x40", "40 is out of range"),
    ("IVF99999999999999999999999,Flat", "out of range"), ("HNSW1", "out of range"), ("HNSW100000", "out of range"),
    ("IMI2x16,Flat", "out of range"), ("Residual2x14,PQ8", "out of range"),
    ("IVF64_NSG32,Flat", "NSG"), ("IVF512(NSG32),Flat", "NSG"),
    ("IVF256(Index5),Flat", "Index"), ("IVF256(Flat,Flat", "brackets"), ("IVF4)Flat(", "brackets"),
    ("IVF4((((Flat)))),Flat", "brackets"), ("Flat\x01", "0x01"), ("Flat%s", "0x25"), ("Fl\u00e4t", "0xc3"),
    ("F" * 300, "300 bytes"), ("IDMap,Flat", "add_with_ids"), ("(", "brackets"),
])
def test_hostile_factories(col, factory, word):
    before = col.search(np.zeros(DIM, dtype=np.float32), k=K).keys
    line(lambda: col.build_index("v", "faiss", factory=factory), "faiss: ", word)
    assert (col.search(np.zeros(DIM, dtype=np.float32), k=K).keys == before).all()


def test_no_factory(col):
    line(lambda: col.build_index("v", "faiss"), "no factory")
    line(lambda: col.build_index("v", "faiss", factory=""), "factory", "0 bytes")
    line(lambda: col.build_index("v", "faiss", factory="x" * 2000), "factory", "2000 bytes")
    line(lambda: col.build_index("v", "faiss", factory="Flat", trusted=1), "trusted")
    line(lambda: col.build_index("v", "faiss", factory="Flat", m=3), "no parameter \"m\"")


def test_untrainable(col):
    """More lists than rows: said when the index is defined; a later, small segment is scanned instead."""
    line(lambda: col.build_index("v", "faiss", factory="IVF16384,Flat"), "training", "16384")
    line(lambda: col.build_index("v", "faiss", factory="PQ8x14np"), "training", "16384")


def test_small_segments_are_scanned(data):
    with vss.open("mem:") as db:
        col = collection(db, data)
        col.build_index("v", "faiss", factory="IVF8192,Flat", threads=2)
        col.insert({"n": data.n[:5000], "v": data.rows[:5000]})
        col.flush()
        hits = col.search(data.rows[:3], k=2, nprobe=64, trusted=1, explain=True)
        assert [segment.plan for segment in hits.explain.segments] == ["index", "scan"]
        assert hits.keys.tolist() == [[q, q + len(data.rows)] for q in range(3)]


def test_binary_vectors(db):
    col = db.create_collection("bits", [FIELDS[0], {"name": "v", "type": "vector<binary>", "dim": 64,
                                                    "metric": "hamming"}])
    line(lambda: col.build_index("v", "faiss", factory="Flat"), "faiss", "binary", error=vss.Unsupported)


def test_search_parameters(db, data):
    col = collection(db, data, name="searched")
    q = data.queries
    col.build_index("v", "faiss", factory="Flat")
    line(lambda: col.search(q, k=K), "trusted=1", "exact=1", error=vss.Unsupported)
    line(lambda: col.search(q, k=K, trusted=0), "trusted=1", error=vss.Unsupported)
    line(lambda: col.search(q, k=K, trusted=1, nprobe=3), "nprobe")
    line(lambda: col.search(q, k=K, trusted=1, ef=3), "ef")
    line(lambda: col.search(q, k=K, trusted=1, factory="Flat"), "no parameter \"factory\"")
    line(lambda: col.search(q[:, :5], k=K, trusted=1), "dimension 5", str(DIM))
    assert (col.search(q, k=K, exact=1).keys == col.search(q, k=K, trusted=1).keys).all()
    col.build_index("v", "faiss", factory="IVF64,Flat")
    line(lambda: col.search(q, k=K, trusted=1, ef=3), "ef")
    col.build_index("v", "hnsw")
    line(lambda: col.search(q, k=K, trusted=1), "trusted")


def test_damaged_objects(tmp_path, data):
    """A byte changed anywhere in the stored index is found before FAISS reads it."""
    folder = tmp_path / "db"
    with vss.open(folder) as db:
        collection(db, data).build_index("v", "faiss", factory="IVF64,SQ8")
    (path,) = folder.glob("things/i/*.idx")
    whole = path.read_bytes()
    for place in (200, len(whole) // 2, len(whole) * 3 // 4):
        path.chmod(0o600)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1:])
        with vss.open(folder, read_only=True) as db:
            col = db.collection("things")
            line(lambda: col.search(data.queries, k=K, trusted=1), error=vss.Corrupt)
            exact = col.search(data.queries, k=K, exact=1)
            assert exact.counts.tolist() == [K] * len(data.queries)
            report = db.check("things")
            assert not report.ok and len(report.errors) == 1
    path.write_bytes(whole)
    with vss.open(folder, read_only=True) as db:
        assert db.check("things").ok


def test_without_the_plugin(tmp_path, data):
    """A collection with such an index says what it needs where the plug-in is not loaded."""
    with vss.open(tmp_path / "db") as db:
        collection(db, data).build_index("v", "faiss", factory="Flat")
    program = f"import sys; sys.path.insert(0, {str(ROOT / 'bindings' / 'python')!r})\n" \
              f"import vss\nwith vss.open({str(tmp_path / 'db')!r}) as db: db.collection('things')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 1
    assert 'unknown index type "faiss"' in done.stderr and "plug-in" in done.stderr


def test_loading(tmp_path):
    vss.load_plugin(PLUGIN)  # once more does nothing
    assert vss.index_types().count("faiss") == 1
    assert [param["name"] for param in vss.index_params("faiss")] == ["factory", "nprobe", "ef", "refine"]
    line(lambda: vss.load_plugin(tmp_path / "none.so"), "none.so", error=vss.NotFound)
    line(lambda: vss.load_plugin("libvss_faiss.so"), "\"/\"")
    line(lambda: vss.load_plugin(os.environ["VSS_LIBRARY"]), "vss_plugin_main")
    line(lambda: vss.index_estimate("faiss", "f32", "l2", 64, 1000), "faiss", error=vss.Unsupported)


def test_openmp_threads_stay(db, data):
    """Each call works with one thread and leaves the host's setting alone."""
    openmp = ctypes.CDLL("libgomp.so.1")
    col = collection(db, data, name="openmp")
    openmp.omp_set_num_threads(3)
    col.build_index("v", "faiss", factory="IVF64,Flat", threads=2)
    col.search(data.queries, k=K, trusted=1, threads=1)
    assert openmp.omp_get_max_threads() == 3
