"""The package call by call, as a user sees it."""

import datetime
import json
import math
import time

import numpy as np
import pytest

import vss
from conftest import FIELDS

UTC = datetime.timezone.utc


def test_module():
    assert vss.version().startswith("0.1.")
    assert vss.simd_level().startswith(("scalar", "avx2", "avx512", "amx", "neon"))
    assert {"flat", "hnsw"} <= set(vss.index_types())
    params = {param["name"]: param for param in vss.index_params("hnsw")}
    assert params["m"]["min"] <= params["m"]["default"] <= params["m"]["max"]
    assert params["ef"]["search"] and not params["m"]["search"]
    with pytest.raises(vss.InvalidArgument):
        vss.index_params("no_such_type")


def test_readme_example(tmp_path):
    names, sizes = ["zlib", "curl", "vim"], [100, None, 5000]
    array = np.random.default_rng(1).standard_normal((3, 128))
    with vss.open(tmp_path / "catalog") as db:
        col = db.create_collection("packages", fields=[
            {"name": "name", "type": "string", "primary": True},
            {"name": "installed_kb", "type": "int64", "nullable": True},
            {"name": "embedding", "type": "vector<f32>", "dim": 128, "metric": "cosine"}])
        keys = col.insert({"name": names, "installed_kb": sizes, "embedding": array})
        assert keys is names
        col.build_index("embedding", "hnsw", m=32)
        hits = col.search(array[0], k=2, filter="installed_kb < 1000", fields=["name"], ef=64)
        assert hits.keys.tolist() == [["zlib", None]]
        assert hits.fields["name"].tolist() == [["zlib", None]]
        assert hits.counts.tolist() == [1]
        assert abs(hits.distances[0, 0] - 1) < 1e-6 and math.isnan(hits.distances[0, 1])


def test_search_shapes(col):
    hits = col.search([0, 0, 0, 0], k=5, fields=["size", "vec", "name"])
    assert hits.keys.shape == hits.distances.shape == (1, 5)
    assert hits.keys[0].tolist() == ["a", "b", "c", None, None]
    assert hits.distances[0, :3].tolist() == [0.0, 1.0, 4.0] and np.isnan(hits.distances[0, 3:]).all()
    assert hits.distances.dtype == np.float32 and hits.counts.tolist() == [3]
    assert hits.fields["size"][0].tolist() == [10, None, 30, None, None]
    assert hits.fields["vec"].shape == (1, 5, 4) and hits.fields["vec"].dtype == np.float32
    assert hits.fields["vec"][0, 2].tolist() == [2, 0, 0, 0] and np.isnan(hits.fields["vec"][0, 3]).all()
    assert list(hits.fields) == ["size", "vec", "name"]
    two = col.search(np.array([[0, 0, 0, 0], [2, 0, 0, 0]]), k=1)
    assert two.keys.tolist() == [["a"], ["c"]] and len(two) == 2
    none = col.search(np.zeros((0, 4)), k=3)
    assert none.keys.shape == (0, 3) and list(none) == []


def test_search_iteration(col):
    hits = col.search([[1, 0, 0, 0]] * 2, k=2, fields=["size"])
    lists = list(hits)
    assert len(lists) == 2 and lists[0] == lists[1] == hits[0] == hits[-1]
    assert lists[0][0] == ("b", 0.0, {"size": None})
    assert lists[0][1].key == "a" and lists[0][1].distance == 1.0 and lists[0][1].fields == {"size": 10}
    assert "2 queries" in repr(hits)
    with pytest.raises(IndexError):
        hits[2]


def test_search_options(col):
    origin = np.zeros(4)
    assert col.search(origin, k=3, exclude=["a", "nobody"]).keys.tolist() == [["b", "c", None]]
    assert col.search(origin, k=1, exclude="a").keys.tolist() == [["b"]]
    assert col.search(origin, k=1, field="vec", threads=2, timeout=60.0, exact=True).keys.tolist() == [["a"]]
    explained = col.search(origin, k=1, explain=True)
    assert explained.explain.segments[0].rows == 3 and explained.explain.segments[0].plan == "scan"
    plain = col.search(origin, k=1)
    assert explained.explain.segments[0].device is None
    assert plain.explain is None and not plain.truncated and not plain.approximate
    assert col.search(np.zeros((40, 4)), k=1, progress=lambda stage, done, total: False).counts.tolist() == [1] * 40


def test_int_keys(numbers):
    hits = numbers.search([[3.2, 0]], k=3, filter="n != 3", fields=["n", "id"])
    assert hits.keys.dtype == np.int64 and hits.keys.tolist() == [[4, 2, 5]]
    assert hits.fields["n"].tolist() == [[4, 2, 5]] and hits.fields["id"].tolist() == [[4, 2, 5]]
    assert numbers.search([0, 0], k=3, filter="n < 2").keys.tolist() == [[0, 1, -1]]
    assert hits[0][0].key == 4 and type(hits[0][0].key) is int


def test_auto_ids(numbers):
    keys = numbers.insert({"n": [7, 8], "v": [[0, 0], [1, 1]]})
    assert isinstance(keys, np.ndarray) and keys.dtype == np.int64 and keys.tolist() == [600, 601]
    assert numbers.delete([601]) == 1
    assert numbers.insert({"n": [9], "v": [[0, 0]]}).tolist() == [602]
    assert len(numbers) == 602


def test_get(col):
    rows = col.get(["c", "nobody", "b", "c"])
    assert [row and row["name"] for row in rows] == ["c", None, "b", "c"]
    assert list(rows[0]) == ["name", "size", "vec"]
    assert rows[0]["size"] == 30 and rows[2]["size"] is None
    assert rows[0]["vec"].tolist() == [2, 0, 0, 0] and rows[0]["vec"].dtype == np.float32
    rows[0]["vec"][0] = 9  # a copy of its own
    assert col.get("c", fields=["vec"])[0]["vec"][0] == 2
    assert col.get("a", fields=["size"]) == [{"name": "a", "size": 10}]
    assert col.get(["a"], fields=[]) == [{"name": "a"}]
    assert col.get([]) == []


def test_count_and_delete(col):
    assert col.count() == len(col) == 3 and col.count("size > 5") == 2 and col.count(filter="size is null") == 1
    assert col.delete(filter="size == 30") == 1 and len(col) == 2
    assert col.delete(["a", "nobody"]) == 1 and col.delete([]) == 0
    assert col.get(["a", "b"])[0] is None and len(col) == 1
    assert bool(col) and col.delete("b") == 1 and len(col) == 0 and bool(col)


def test_index(numbers):
    assert numbers.indexes == []
    seen = []
    numbers.build_index("v", "hnsw", progress=lambda *args: seen.append(args), threads=2, m=16)
    (index,) = numbers.indexes
    assert index["field"] == "v" and index["type"] == "hnsw" and "m=16" in index["params"]
    assert set(index) == {"field", "type", "params", "segments", "rows", "bytes"}
    assert all(isinstance(stage, str) and 0 <= done <= total for stage, done, total in seen)
    numbers.build_index(None, "flat")
    assert [index["type"] for index in numbers.indexes] == ["flat"]


def test_index_by_the_model_of_another_collection(db):
    fields = [{"name": "id", "type": "int64", "primary": True, "auto_id": True},
              {"name": "v", "type": "vector<f32>", "dim": 8, "metric": "l2"}]
    vectors = np.random.default_rng(1).random((5000, 8), np.float32)
    first, second = (db.create_collection(name, fields=fields) for name in ("first", "second"))
    first.insert({"v": vectors})
    second.insert({"v": vectors[::-1]})
    with pytest.raises(vss.NotFound):
        second.build_index("v", "ivf_sq8", model_of=first)
    with pytest.raises(TypeError):
        second.build_index("v", "ivf_sq8", model_of="first")
    first.build_index("v", "ivf_sq8", nlist=20)
    second.build_index("v", "ivf_sq8", nlist=20, model_of=first)
    hits = second.search(vectors[:50], k=1, nprobe=20)
    assert (hits.distances == 0).all()


def test_choose_index(numbers):
    choice = numbers.choose_index(memory=1 << 20, threads=1)
    assert choice["type"] == "flat" and choice["reason"].startswith("flat ")
    numbers.build_index("v", choice["type"], **choice["params"])
    with pytest.raises(vss.NotFound):
        numbers.choose_index("nothing")
    with pytest.raises(vss.InvalidArgument):
        numbers.choose_index(memory=-1)


def test_index_estimate():
    least = vss.index_estimate("ivf_pq", "f32", "l2", 128, 100000, m=32)
    most = vss.index_estimate("ivf_flat", "f32", "l2", 128, 100000)
    assert 0 < least[0] < most[0] and least[0] < least[1]
    for wrong in (("tree", "f32", "l2"), ("flat", "f8", "l2"), ("flat", "f32", "hamming"), ("flat", "binary", "l2")):
        with pytest.raises(vss.InvalidArgument):
            vss.index_estimate(*wrong, 128, 1000)


def test_describe(db, col):
    assert col.name == "things"
    assert [(field["name"], field["type"]) for field in col.schema] == \
        [("name", "string"), ("size", "int64"), ("vec", "vector<f32>")]
    db.create_collection("again", col.schema)
    stats = col.stats
    assert stats["rows"] == 3 and stats["growing"] == 3 and stats["deleted"] == 0
    assert repr(col) == "<vss.Collection 'things': 3 rows, vec vector<f32> dim 4 l2 no index>"
    col.build_index("vec", "hnsw", m=8)
    assert "hnsw(m=8" in repr(col)
    assert "db" in repr(db)
    assert db.collections == ["again", "things"]
    used, peak = db.memory
    assert 0 < used <= peak


def test_persistence(tmp_path):
    path = tmp_path / "db"
    with vss.open(path) as db:
        with db.create_collection("things", FIELDS) as col:
            col.insert({"name": ["a"], "size": [1], "vec": [[1, 2, 3, 4]]})
            col.flush()
            col.insert({"name": ["b"], "vec": [[1, 2, 3, 5]]})
    with vss.open(str(path), read_only=True) as db:
        col = db.collection("things")
        assert [row["size"] for row in col.get(["a", "b"])] == [1, None]
        with pytest.raises(vss.ReadOnly):
            col.insert({"name": ["c"], "vec": [[1, 2, 3, 4]]})
        report = col.check()
        assert report.ok and report.errors == [] and report.files >= 2 and report.bytes > 0
    with vss.open(path) as db:
        db.drop_collection("things")
        assert db.collections == []
        with pytest.raises(vss.NotFound):
            db.collection("things")


def test_damage_is_found(tmp_path):
    path = tmp_path / "db"
    with vss.open(path) as db, db.create_collection("things", FIELDS) as col:
        col.insert({"name": ["a", "b"], "size": [1, 2], "vec": [[1, 2, 3, 4]] * 2})
    segment = max((file for file in path.rglob("*") if file.is_file() and "/s/" in str(file)),
                  key=lambda file: file.stat().st_size)
    data = bytearray(segment.read_bytes())
    data[len(data) // 3] ^= 1
    segment.chmod(0o644)
    segment.write_bytes(data)
    with vss.open(path, read_only=True) as db:
        report = db.check("things")
        assert not report.ok and report.errors and all("\n" not in line for line in report.errors)


def test_mem():
    with vss.open("mem:") as db, db.create_collection("t", FIELDS) as col:
        col.insert({"name": ["a"], "vec": [[0, 0, 0, 0]]})
        assert len(col) == 1
    assert vss.open("mem:").collections == []


def test_every_type(db):
    scalars = {
        "bool": [True, False, None], "int8": [-128, 127, None], "int16": [-32768, 32767, None],
        "int32": [-2**31, 2**31 - 1, None], "int64": [-2**63, 2**63 - 1, None], "float32": [0.5, -1.5, None],
        "float64": [0.1, -1e300, None], "string": ["", "grün 🙂 \0", None],
        "json": [{"a": [1, None, "ü"]}, "text", None],
        "timestamp": [datetime.datetime(1969, 1, 2, 3, 4, 5, 6, UTC), datetime.datetime(2026, 1, 1, tzinfo=UTC), None],
        "array<int16>": [[1, 2], [], None], "array<string>": [["a", "", "ü"], [], None],
        "array<bool>": [[True] * 9 + [False], [False], None], "array<float64>": [[0.1], [], None],
    }
    fields = [{"name": "id", "type": "int64", "primary": True},
              {"name": "v", "type": "vector<f32>", "dim": 1, "metric": "ip"}]
    fields += [{"name": f"f{i}", "type": type_, "nullable": True} for i, type_ in enumerate(scalars)]
    col = db.create_collection("types", fields)
    batch = {f"f{i}": values for i, values in enumerate(scalars.values())}
    col.insert({"id": [1, 2, 3], "v": [[1], [2], [3]], **batch})
    for _ in range(2):
        rows = col.get([1, 2, 3])
        for name, values in batch.items():
            assert [row[name] for row in rows] == values, name
        hits = col.search([1], k=4, fields=list(batch))
        assert hits.keys.tolist() == [[3, 2, 1, -1]]
        for name, values in batch.items():
            assert list(hits.fields[name][0]) == values[::-1] + [None], name
        col.flush()


def test_numpy_inputs(db):
    types = ["bool", "int8", "int16", "int32", "int64", "float32", "float64", "timestamp", "string", "array<int32>"]
    col = db.create_collection("typed", [
        {"name": "id", "type": "int64", "primary": True}, {"name": "v", "type": "vector<f32>", "dim": 2},
        *({"name": type_.split("<")[0], "type": type_, "nullable": True} for type_ in types)])
    days = np.array(["2026-01-01", "NaT"], dtype="datetime64[D]")
    col.insert({
        "id": np.array([1, 2], dtype=np.uint16), "v": np.asfortranarray(np.arange(1, 5).reshape(2, 2)),
        "bool": np.array([True, False]), "int8": np.array([1, 2], dtype=np.int8),
        "int16": np.array([1, 2], dtype=np.uint8), "int32": np.array([1, 2], dtype=">i4"),
        "int64": np.arange(20)[::10], "float32": np.array([1, 2], dtype=np.float16),
        "float64": np.ma.masked_array([1.5, 2.5], mask=[True, False]), "timestamp": days,
        "string": np.array(["x", "y"]), "array": np.array([[1, 2], [3, 4]])})
    one, two = col.get(np.array([1, 2], dtype=np.int8))
    assert one["v"].tolist() == [1, 2] and two["v"].tolist() == [3, 4]
    assert [one[name] for name in ("bool", "int8", "int16", "int32", "int64", "float32", "float64")] == \
        [True, 1, 1, 1, 0, 1.0, None]
    assert one["timestamp"] == datetime.datetime(2026, 1, 1, tzinfo=UTC) and two["timestamp"] is None
    assert two["string"] == "y" and two["array"] == [3, 4] and two["int64"] == 10 and two["float64"] == 2.5


def test_timestamps(db):
    col = db.create_collection("times", [
        {"name": "id", "type": "int64", "primary": True, "auto_id": True}, {"name": "t", "type": "timestamp"},
        {"name": "v", "type": "vector<f32>", "dim": 1, "metric": "l2"}])
    moment = datetime.datetime(2026, 11, 20, 12, 0, 0, 5, UTC)
    micros = int(moment.timestamp()) * 10**6 + 5
    given = [moment, moment.replace(tzinfo=None), micros, np.datetime64(micros, "us"), "2026-11-20T12:00:00.000005Z",
             moment.astimezone(datetime.timezone(datetime.timedelta(hours=2))), 2**62]
    keys = col.insert({"t": given, "v": np.zeros((len(given), 1))})
    values = [row["t"] for row in col.get(keys)]
    assert values[:-1] == [moment] * 6 and values[-1] == np.datetime64(2**62, "us")


def test_borrowed_arrays(numbers):
    vectors = np.arange(24, dtype=np.float32).reshape(4, 6)
    vectors.setflags(write=False)
    raw = bytearray(b"\0" + vectors.tobytes())
    unaligned = np.frombuffer(raw, dtype=np.float32, offset=1, count=24).reshape(4, 6)
    for array in (vectors[:, ::3], vectors[::-1, :2], unaligned[:, 4:], vectors.T[:2].T, vectors[:, :2].astype(">f4")):
        keys = numbers.insert({"n": [0] * 4, "v": array})
        stored = np.stack([row["v"] for row in numbers.get(keys)])
        assert np.array_equal(stored, array)
        assert numbers.search(array, k=1, exact=True).distances.max() == 0


def test_defaults(db):
    col = db.create_collection("defaults", [
        {"name": "id", "type": "int64", "primary": True, "auto_id": True},
        {"name": "lang", "type": "string", "default": "en"}, {"name": "tags", "type": "json", "default": {"a": 1}},
        {"name": "v", "type": "vector<f32>", "dim": 1, "metric": "l2"}])
    col.insert({"v": [[1], [2]]})
    assert col.get([0, 1], fields=["lang", "tags"]) == [{"id": i, "lang": "en", "tags": {"a": 1}} for i in (0, 1)]
    assert json.loads(json.dumps(col.schema))[1]["default"] == "en"


class ArrowLike:
    """As much of an Arrow array as the package looks at."""

    def __init__(self, values, type=None, flat=None):
        self.values, self.type, self.flat = values, type, flat
        self.null_count = sum(value is None for value in values)

    def to_pylist(self):
        return list(self.values)

    def to_numpy(self, zero_copy_only=True):
        return np.asarray(self.values)

    def flatten(self):
        return self.flat


class FixedSize:
    list_size = 2


class TableLike:
    column_names = ["n", "v"]

    def column(self, name):
        flat = ArrowLike(np.array([1.0, 2.0, 3.0, 4.0]))
        return {"n": ArrowLike(np.array([5, 6], dtype=np.int16)),
                "v": ArrowLike([[1, 2], [3, 4]], FixedSize(), flat)}[name]


def test_arrow_protocol(numbers):
    keys = numbers.insert(TableLike())
    rows = numbers.get(keys)
    assert [row["n"] for row in rows] == [5, 6] and rows[1]["v"].tolist() == [3, 4]


def test_pyarrow(col):
    pa = pytest.importorskip("pyarrow")
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(8, dtype=np.float32)), 4)
    table = pa.table({"name": ["x", "y"], "size": pa.array([5, None], pa.int64()), "vec": vectors})
    col.insert(table)
    col.insert({"name": pa.array(["z"]), "size": pa.array([7], pa.int8()), "vec": vectors.slice(1, 1)})
    rows = col.get(["x", "y", "z"])
    assert [row["size"] for row in rows] == [5, None, 7] and rows[2]["vec"].tolist() == [4, 5, 6, 7]


def test_pandas(col):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"name": ["x", "y"], "size": np.array([5, 6], dtype=np.int16)})
    frame["vec"] = list(np.arange(8, dtype=np.float32).reshape(2, 4))
    col.insert(frame)
    assert [row["size"] for row in col.get(frame["name"])] == [5, 6]
    assert col.get(["y"])[0]["vec"].tolist() == [4, 5, 6, 7]
    assert col.delete(frame["name"]) == 2


def test_upsert(col):
    assert list(col.upsert({"name": ["b", "z"], "size": [7, 8], "vec": [[9, 0, 0, 0], [5, 0, 0, 0]]})) == ["b", "z"]
    assert len(col) == 4 and col.count("size == 7") == 1
    assert col.search([9, 0, 0, 0], k=1).keys[0] == "b"
    with pytest.raises(vss.InvalidArgument, match="twice"):
        col.upsert({"name": ["q", "q"], "vec": np.zeros((2, 4))})
    assert len(col) == 4


def test_upsert_of_counted_keys(numbers):
    with pytest.raises(vss.InvalidArgument, match="auto_id"):
        numbers.upsert({"n": [1], "v": [[1, 1]]})


@pytest.mark.parametrize("sync", ["commit", "off", 0.5])
def test_sync(tmp_path, sync):
    db = vss.open(tmp_path / "db", sync=sync)
    made = db.create_collection("things", [{"name": "k", "type": "int64", "primary": True},
                                           {"name": "v", "type": "vector<f32>", "dim": 2}])
    made.insert({"k": [1, 2], "v": np.ones((2, 2))})
    with vss.open(tmp_path / "db", read_only=True) as reader:
        assert len(reader.collection("things")) == 2  # by way of the log
    db.close()
    for wrong in ("never", 0, -1, True, None):
        with pytest.raises(vss.InvalidArgument, match="sync"):
            vss.open(tmp_path / "db", sync=wrong)


def test_purge(tmp_path):
    with vss.open(tmp_path / "db") as db:
        col = db.create_collection("c", [{"name": "k", "type": "string", "primary": True},
                                         {"name": "v", "type": "vector<f32>", "dim": 2}])
        col.insert({"k": [f"key-{i}-secret" for i in range(50)], "v": np.ones((50, 2))})
        col.flush()
        col.delete(["key-7-secret"])

        def found():
            return sum(b"key-7-secret" in path.read_bytes() for path in (tmp_path / "db").rglob("*") if path.is_file())

        col.compact()
        assert found() > 0
        col.compact(purge=True)
        assert found() == 0 and len(col) == 49


def test_background(tmp_path):
    rows = 20000
    vectors = np.random.default_rng(1).standard_normal((rows, 8), dtype=np.float32)
    with vss.open(tmp_path / "db", background=True, memory_budget=64 << 20) as db:
        col = db.create_collection("c", [{"name": "k", "type": "int64", "primary": True},
                                         {"name": "v", "type": "vector<f32>", "dim": 8}])
        for start in range(0, rows, 1000):
            col.insert({"k": range(start, start + 1000), "v": vectors[start:start + 1000]})
            if start % 2000 == 0:
                col.flush()
        col.delete(range(0, rows, 2))
        for _ in range(1000):
            if col.stats["deleted"] == 0:
                break
            time.sleep(0.01)
        assert col.stats["deleted"] == 0 and col.stats["background"] == 0 and len(col) == rows // 2
        col.insert({"k": range(0, 2000, 2), "v": vectors[:1000]})
    with vss.open(tmp_path / "db", read_only=True) as db:
        assert len(db.collection("c")) == rows // 2 + 1000
    with pytest.raises(vss.NotFound):
        vss.open(tmp_path / "none", create=False, background=True)
