"""Vectors of every type through the tool: files into fields, rows, searches, --like, gt, bench."""
import json

import numpy as np
import pytest

from cli_files import SUFFIX_TYPES, exact, json_lines, npy_bytes, read_ibin, vector_bytes

DIM = 16
METRICS = {"f32": ["l2", "ip", "cosine"], "f16": ["l2", "ip", "cosine"], "bf16": ["l2", "ip", "cosine"],
           "i8": ["l2", "ip", "cosine"], "u8": ["l2", "ip", "cosine"], "binary": ["hamming", "jaccard"]}
EVERY = [(dtype, metric) for dtype, metrics in METRICS.items() for metric in metrics]
NPY = ["f2", "f4", "f8", "u1", "i1", "i2", "i4", "i8"]
FILES = {**{f"v{suffix}": kind[-2:] for suffix, kind in SUFFIX_TYPES.items()}, **{f"{kind}.npy": kind for kind in NPY}}
BYTES = {"i8": "i1", "u8": "u1", "binary": "u1"}  # what fields of whole numbers take


def write_file(vss, name, array):
    suffix = name[name.index("."):]
    data = npy_bytes(array.astype(FILES[name])) if suffix == ".npy" else vector_bytes(suffix, array)
    vss.write(name, data)


def sample(dtype, n, seed=1):
    """(file name, its bytes, components as float64 as they are stored, as float64 before that)"""
    numbers = np.random.default_rng(seed)
    if dtype == "binary":
        bits = numbers.random((n, DIM)) < 0.4
        packed = np.packbits(bits, axis=1, bitorder="little")
        return f"{seed}.u8bin", vector_bytes(".u8bin", packed), bits.astype("f8"), bits.astype("f8")
    if dtype in ("i8", "u8"):
        low, high = (-128, 128) if dtype == "i8" else (0, 256)
        made = numbers.integers(low, high, (n, DIM))
        return f"{seed}.{dtype}bin", vector_bytes(f".{dtype}bin", made), made.astype("f8"), made.astype("f8")
    made = numbers.normal(size=(n, DIM)).astype("f4")
    stored = made.astype("f2") if dtype == "f16" else made
    if dtype == "bf16":
        bits = made.view("u4")
        stored = ((bits + 0x7fff + (bits >> 16 & 1)) >> 16 << 16).astype("u4").view("f4")
    return f"{seed}.fbin", vector_bytes(".fbin", made), stored.astype("f8"), made.astype("f8")


def filled(vss, dtype, metric, n=200):
    """Collection db/c; the rows as stored, and queries as given with the name of their file."""
    name, data, stored, _ = sample(dtype, n)
    vss.write(name, data)
    vss.ok("create", "db/c", "--dim", DIM, "--metric", metric, "--dtype", dtype)
    vss.ok("import", "db/c", "--vectors", name, "--batch", "64")
    asked, data, _, queries = sample(dtype, 10, 2)
    vss.write(asked, data)
    return stored, queries, asked


@pytest.mark.parametrize("dtype", METRICS)
@pytest.mark.parametrize("name", FILES)
def test_every_file_and_field(vss, dtype, name):
    """Three rows of small whole numbers, which every type holds."""
    rows = np.arange(3 * DIM).reshape(3, DIM) + 1
    dim = DIM * 8 if dtype == "binary" else DIM
    write_file(vss, name, rows)
    vss.ok("create", "db/c", "--dim", dim, "--metric", METRICS[dtype][0], "--dtype", dtype)
    if FILES[name] != BYTES.get(dtype, FILES[name]):
        line = vss.fails("import", "db/c", "--vectors", name)
        assert f"elements of type {FILES[name]} do not go into vector<{dtype}>, expected {BYTES[dtype]}" in line
        assert vss.lines("inspect", "db/c")[0]["rows"] == 0
        return
    vss.ok("import", "db/c", "--vectors", name)
    hits = vss.lines("search", "db/c", "--queries", name, "-k", "1", "--fields", "vector")
    assert [hit["key"] for hit in hits] == [0, 1, 2] and all(hit["distance"] == 0 for hit in hits)
    want = np.unpackbits(rows.astype("u1"), axis=1, bitorder="little") if dtype == "binary" else rows
    assert [hit["vector"] for hit in hits] == want.tolist()


@pytest.mark.parametrize("dtype, metric", EVERY)
def test_search_is_exact(vss, dtype, metric):
    stored, queries, asked = filled(vss, dtype, metric)
    wanted = exact(stored, queries, 7, metric)
    hits = vss.lines("search", "db/c", "--queries", asked, "-k", "7", "--fields", "vector")
    assert [hit["key"] for hit in hits] == wanted.ravel().tolist()
    assert np.array_equal(np.array([hit["vector"] for hit in hits], "f4"), stored[wanted.ravel()].astype("f4"))
    vss.ok("index", "db/c", "hnsw", "--set", "m=8")
    assert vss.lines("search", "db/c", "--queries", asked, "-k", "7", "--set", "exact=1", "--fields", "vector") == hits
    assert f"vector<{dtype}>" in vss.ok("inspect", "db/c") and vss.lines("check", "db/c")[0]["ok"]


@pytest.mark.parametrize("dtype, metric", EVERY)
def test_like_one(vss, dtype, metric):
    stored, _, _ = filled(vss, dtype, metric)
    hits = vss.lines("search", "db/c", "--like", "5", "-k", "6")
    order = exact(stored, stored[5:6], len(stored), metric)[0].tolist()
    order.remove(5)
    assert [hit["key"] for hit in hits] == order[:6]


@pytest.mark.parametrize("dtype, metric", [one for one in EVERY if one[0] != "binary"])
def test_like_several(vss, dtype, metric):
    stored, _, _ = filled(vss, dtype, metric)
    vectors = stored[[3, 8, 21]]
    if metric == "cosine":
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    mean = vectors.mean(0, keepdims=True)
    if dtype in ("i8", "u8"):
        if metric == "cosine":
            mean *= (127 if dtype == "i8" else 255) / np.abs(mean).max()
        mean = mean.round()
    order = [key for key in exact(stored, mean, len(stored), metric)[0].tolist() if key not in (3, 8, 21)]
    hits = vss.lines("search", "db/c", "--like", "3", "8", "21", "-k", "6")
    assert [hit["key"] for hit in hits] == order[:6]


def test_like_several_of_binary(vss):
    filled(vss, "binary", "hamming")
    line = vss.fails("search", "db/c", "--like", "3", "--like", "8")
    assert line == 'vss: field "vector": vectors of bits have no mean, give one --like\n'


@pytest.mark.parametrize("dtype, metric", EVERY)
def test_gt_and_bench(vss, dtype, metric):
    base, data, stored, _ = sample(dtype, 300)
    vss.write(base, data)
    asked, data, _, queries = sample(dtype, 20, 2)
    vss.write(asked, data)
    words = ["--base", base, "--queries", asked, "--metric", metric, "--dtype", dtype]
    vss.ok("gt", *words, "-k", "12", "--out", "t.ibin")
    assert np.array_equal(read_ibin(vss.folder / "t.ibin"), exact(stored, queries, 12, metric))
    for truth in ([], ["--truth", "t.ibin"]):
        point = vss.lines("bench", *words, "--index", "flat", "--first", "10", *truth)[0]
        assert point["recall"] == 1
        assert (point["dtype"], point["dim"], point["metric"], point["n"]) == (dtype, DIM, metric, 300)
    assert f"300 rows of {DIM} {dtype} ({metric}" in vss.ok("bench", *words, "--index", "flat", "--first", "5")


def test_files_of_integers_are_float32_by_default(vss):
    for dtype in ("i8", "u8"):
        base, data, stored, _ = sample(dtype, 300)
        vss.write(base, data)
        words = ["--base", base, "--queries", base, "--metric", "cosine"]
        vss.ok("gt", *words, "-k", "5", "--out", "t.ibin")
        assert np.array_equal(read_ibin(vss.folder / "t.ibin"), exact(stored, stored, 5, "cosine"))
        point = vss.lines("bench", *words, "--index", "flat", "--first", "5")[0]
        assert "dtype" not in point and point["recall"] == 1


@pytest.mark.parametrize("words, said", [
    (["--dtype", "i8", "--metric", "l2"], "do not go into vector<i8>, expected i1"),
    (["--dtype", "binary", "--metric", "hamming"], "do not go into vector<binary>, expected u1"),
    (["--dtype", "f16", "--metric", "hamming"], "l2, ip or cosine"),
    (["--metric", "jaccard"], "l2, ip or cosine"),
])
def test_gt_and_bench_refuse(vss, words, said):
    vss.write("v.fbin", vector_bytes(".fbin", np.ones((2, 4))))
    files = ["--base", "v.fbin", "--queries", "v.fbin", *words]
    assert said in vss.fails("gt", *files, "--out", "t.ibin")
    assert said in vss.fails("bench", *files, "--index", "flat", "--json")
    assert [path.name for path in vss.folder.iterdir()] == ["v.fbin"]


@pytest.mark.parametrize("words, said", [
    (["--dim", "12", "--metric", "hamming", "--dtype", "binary"], "multiple of 8"),
    (["--dim", "16", "--metric", "l2", "--dtype", "binary"], "hamming or jaccard"),
    (["--dim", "16", "--metric", "hamming", "--dtype", "u8"], "l2, ip or cosine"),
])
def test_create_refuses(vss, words, said):
    assert said in vss.fails("create", "db/c", *words)
    assert not (vss.folder / "db").exists()


def test_dimensions_must_match(vss):
    vss.write("v.u8bin", vector_bytes(".u8bin", np.ones((2, DIM))))
    vss.ok("create", "db/c", "--dim", DIM, "--metric", "jaccard", "--dtype", "binary")
    for words in (["import", "db/c", "--vectors", "v.u8bin"], ["search", "db/c", "--queries", "v.u8bin"]):
        assert '16 columns, which are 128 bits, field "vector" has dimension 16' in vss.fails(*words)


@pytest.mark.parametrize("value", [65520, -7e4])
def test_what_overflows_f16_is_refused(vss, value):
    vss.write("v.npy", npy_bytes(np.array([[1.0, value]])))
    vss.ok("create", "db/c", "--dim", "2", "--metric", "l2", "--dtype", "f16")
    assert '"vector"' in vss.fails("import", "db/c", "--vectors", "v.npy")
    assert vss.lines("inspect", "db/c")[0]["rows"] == 0
    vss.write("v.npy", npy_bytes(np.array([[1.0, 65519]])))
    vss.ok("import", "db/c", "--vectors", "v.npy")
    hits = vss.lines("search", "db/c", "--queries", "v.npy", "--fields", "vector")
    assert hits[0]["vector"] == [1, 65504]


def two_vectors(vss, dtype):
    """A collection whose field w comes from the rows, and the words of its import."""
    fields = [{"name": "name", "type": "string", "primary": True}, {"name": "v", "type": "vector<f32>", "dim": 1},
              {"name": "w", "type": f"vector<{dtype}>", "dim": 8}]
    vss.write("schema.json", json.dumps({"fields": fields}))
    vss.write("v.fbin", vector_bytes(".fbin", np.ones((2, 1))))
    vss.ok("create", "db/c", "--schema", "schema.json")
    return ["import", "db/c", "--vectors", "v.fbin", "--field", "v", "--rows", "rows.jsonl"]


@pytest.mark.parametrize("dtype, one, two", [
    ("f16", [1, 0.5, -2, 0.25, 1e-7, 65504, 0, 0.1], [8] * 8), ("bf16", [1, 0.5, -2, 1e20, 1 / 3, 0, 0, 0], [-1] * 8),
    ("i8", [-128, 127, 0, 1, 2, 3, 4, 5], [7] * 8), ("u8", [0, 255, 1, 2, 3, 4, 5, 6], [9] * 8),
    ("binary", [1, 0, 0, 1, 1, 1, 0, 1], [0] * 8),
])
def test_vectors_from_rows(vss, dtype, one, two):
    words = two_vectors(vss, dtype)
    vss.write("rows.jsonl", json_lines([{"name": "a", "w": one}, {"name": "b", "w": two}]))
    if dtype == "bf16":
        one[3] = 1e18
        vss.fails(*words)  # its squared norm is beyond what is taken
        vss.write("rows.jsonl", json_lines([{"name": "a", "w": one}, {"name": "b", "w": two}]))
    vss.ok(*words)
    hits = vss.lines("search", "db/c", "--field", "v", "--queries", "v.fbin", "--first", "1", "--fields", "w")
    found = {hit["key"]: hit["w"] for hit in hits}
    assert found["a"] == pytest.approx(one, rel=2 ** -8, abs=2 ** -24) and found["b"] == two
    assert [hit["key"] for hit in vss.lines("search", "db/c", "--field", "w", "--like", "a")] == ["b"]


@pytest.mark.parametrize("dtype, value, said", [
    ("i8", 128, "128 does not fit vector<i8>"), ("i8", -129, "does not fit"), ("u8", -1, "-1 does not fit vector<u8>"),
    ("u8", 256, "does not fit"), ("u8", 1.5, "expected whole numbers from 0 to 255, got a real number"),
    ("binary", 2, "2 does not fit vector<binary>"), ("binary", True, "expected whole numbers from 0 to 1, got true"),
    ("f16", "x", "got a string"), ("bf16", 1e39, "does not fit float32"), ("i8", None, "got null"),
])
def test_bad_vectors_in_rows(vss, dtype, value, said):
    words = two_vectors(vss, dtype)
    vss.write("rows.jsonl", json_lines([{"name": "a", "w": [1] * 8}, {"name": "b", "w": [1] * 7 + [value]}]))
    line = vss.fails(*words)
    assert 'rows.jsonl line 2: field "w": ' in line and said in line
    assert vss.lines("inspect", "db/c")[0]["rows"] == 0
