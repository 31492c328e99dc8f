"""Wrong use: each mistake gives its kind of error with one line, and never a crash."""

import pickle
import re

import numpy as np
import pytest

import vss
from vss import errors
from conftest import FIELDS, ROOT

ROW = {"name": ["x"], "vec": [[1, 2, 3, 4]]}


def row(**changed):
    return {**ROW, **changed}


WRONG_INSERTS = {
    "no columns": {}, "not a dict": [1, 2], "none": None, "a text": "name", "rows": [{"name": "x"}],
    "unknown field": row(nope=[1]), "field is a number": {**ROW, 5: [1]}, "no key": {"vec": [[1, 2, 3, 4]]},
    "no vector": {"name": ["x"]}, "lengths differ": row(size=[1, 2]),
    "key null": row(name=[None]), "key number": row(name=[1]), "key bytes": row(name=[b"x"]),
    "key empty": row(name=[""]), "key long": row(name=["x" * 65536]),
    "key surrogate": row(name=["\ud800"]), "key a text": row(name="x"),
    "key twice": {"name": ["x", "x"], "vec": [[1, 2, 3, 4]] * 2}, "key 2-d": row(name=np.array([["x"]])),
    "key 0-d": row(name=np.array("x")),
    "size text": row(size=["1"]), "size float": row(size=[1.5]), "size bool": row(size=[True]),
    "size too big": row(size=[2**63]), "size float array": row(size=np.array([1.0])),
    "size uint64": row(size=np.array([2**63], dtype=np.uint64)), "size complex": row(size=np.array([1j])),
    "size time": row(size=np.array(["2026-01-01"], dtype="datetime64[D]")), "size scalar": row(size=5),
    "size list": row(size=[[1]]), "size longdouble": row(size=np.array([1], dtype=np.longdouble)),
    "size dict": row(size={"a": 1}), "size object": row(size=[object()]), "size none": row(size=None),
    "vec 1-d": row(vec=[1, 2, 3, 4]), "vec dim 3": row(vec=[[1, 2, 3]]), "vec dim 0": row(vec=[[]]),
    "vec 3-d": row(vec=np.zeros((1, 4, 1))), "vec ragged": {"name": ["x", "y"], "vec": [[1, 2, 3, 4], [1]]},
    "vec text": row(vec=[["a", "b", "c", "d"]]), "vec null": row(vec=[None]), "vec none": row(vec=None),
    "vec nan": row(vec=[[1, 2, 3, float("nan")]]), "vec infinite": row(vec=[[1, 2, 3, float("inf")]]),
    "vec overflow": row(vec=[[1, 2, 3, 1e300]]), "vec complex": row(vec=np.zeros((1, 4), dtype=complex)),
    "vec bool": row(vec=np.zeros((1, 4), dtype=bool)), "vec masked": row(vec=np.ma.masked_all((1, 4))),
    "vec huge norm": row(vec=[[3e38] * 4]), "vec missing part": row(vec=[[1, 2, 3, None]]),
    "vec object": row(vec=object()), "vec rows": {"name": ["x", "y"], "vec": [[1, 2, 3, 4]]},
}


@pytest.mark.parametrize("case", WRONG_INSERTS)
def test_wrong_insert(col, case):
    with pytest.raises(vss.InvalidArgument) as caught:
        col.insert(WRONG_INSERTS[case])
    one_line(caught.value)
    assert len(col) == 3 and col.get(["x"]) == [None]


WRONG_SEARCHES = {
    "no queries": dict(queries=None), "text": dict(queries="abc"), "dim": dict(queries=[1, 2]),
    "0-d": dict(queries=5), "3-d": dict(queries=np.zeros((1, 1, 4))), "nan": dict(queries=[0, 0, 0, np.nan]),
    "too many": dict(queries=np.zeros((16385, 4))), "k 0": dict(k=0), "k negative": dict(k=-1), "k float": dict(k=1.5),
    "k text": dict(k="1"), "k huge": dict(k=2**32), "k over": dict(k=16385), "k none": dict(k=None),
    "k bool": dict(k=True), "k array": dict(k=np.array([1, 2])),
    "filter syntax": dict(filter="size <"), "filter field": dict(filter="nope == 1"),
    "filter type": dict(filter="size == 'a'"),
    "filter number": dict(filter=5), "filter nul": dict(filter="size\0 > 1"), "filter bytes": dict(filter=b"size > 1"),
    "filter surrogate": dict(filter="name == '\ud800'"), "fields text": dict(fields="size"),
    "fields number": dict(fields=5), "fields unknown": dict(fields=["nope"]), "fields none": dict(fields=[None]),
    "exclude type": dict(exclude=[1]), "exclude null": dict(exclude=[None]), "exclude object": dict(exclude=object()),
    "threads negative": dict(threads=-1), "threads text": dict(threads="2"), "timeout 0": dict(timeout=0),
    "timeout nan": dict(timeout=float("nan")), "timeout text": dict(timeout="1"), "timeout negative": dict(timeout=-1),
    "parameter unknown": dict(nope=1), "parameter value": dict(exact="a=b,c"), "parameter range": dict(exact=7),
    "progress": dict(progress=5),
}


@pytest.mark.parametrize("case", WRONG_SEARCHES)
def test_wrong_search(col, case):
    with pytest.raises(vss.InvalidArgument) as caught:
        col.search(**{"queries": [0, 0, 0, 0], **WRONG_SEARCHES[case]})
    one_line(caught.value)


def test_unknown_vector_field(col):
    for name in ("nope", "size"):
        with pytest.raises((vss.NotFound, vss.InvalidArgument)) as caught:
            col.search([0, 0, 0, 0], field=name)
        one_line(caught.value)


WRONG_CALLS = {
    "get type": lambda col: col.get([5]), "get none": lambda col: col.get(None),
    "get null": lambda col: col.get([None]),
    "get fields": lambda col: col.get(["a"], fields=["nope"]), "get array": lambda col: col.get(np.array([5])),
    "get float": lambda col: col.get(1.5), "get 2-d": lambda col: col.get(np.array([["a"]])),
    "delete nothing": lambda col: col.delete(), "delete both": lambda col: col.delete(["a"], filter="size > 1"),
    "delete type": lambda col: col.delete([1.5]), "delete filter": lambda col: col.delete(filter="size >"),
    "delete bool": lambda col: col.delete(True), "count filter": lambda col: col.count("nope > 1"),
    "count type": lambda col: col.count(5), "index type": lambda col: col.build_index("vec", "no_such_type"),
    "index type none": lambda col: col.build_index("vec", None),
    "index scalar": lambda col: col.build_index("size", "hnsw"),
    "index parameter": lambda col: col.build_index("vec", "hnsw", nope=1),
    "index range": lambda col: col.build_index("vec", "hnsw", m=1000000),
    "index value": lambda col: col.build_index("vec", "hnsw", m="many"),
    "index progress": lambda col: col.build_index("vec", "hnsw", progress="yes"),
    "index threads": lambda col: col.build_index("vec", "hnsw", threads=-4),
}


@pytest.mark.parametrize("case", WRONG_CALLS)
def test_wrong_call(col, case):
    with pytest.raises(vss.InvalidArgument) as caught:
        WRONG_CALLS[case](col)
    one_line(caught.value)
    assert len(col) == 3


WRONG_SCHEMAS = {
    "no fields": [], "not a list": "x", "none": None, "numbers": [1], "no key": [FIELDS[2]], "no vector": [FIELDS[0]],
    "two keys": [FIELDS[0], {**FIELDS[0], "name": "b"}, FIELDS[2]], "name twice": [FIELDS[0], FIELDS[0], FIELDS[2]],
    "unknown type": [FIELDS[0], FIELDS[2], {"name": "a", "type": "int65"}],
    "unknown member": [FIELDS[0], FIELDS[2], {"name": "a", "type": "int64", "nope": 1}],
    "bad name": [FIELDS[0], FIELDS[2], {"name": "a b", "type": "int64"}],
    "dim 0": [FIELDS[0], {**FIELDS[2], "dim": 0}], "dim over": [FIELDS[0], {**FIELDS[2], "dim": 32769}],
    "metric": [FIELDS[0], {**FIELDS[2], "metric": "near"}], "key float": [{**FIELDS[0], "type": "float64"}, FIELDS[2]],
    "nan": [FIELDS[0], {**FIELDS[2], "dim": float("nan")}], "object": [object()],
}


@pytest.mark.parametrize("case", WRONG_SCHEMAS)
def test_wrong_schema(db, case):
    with pytest.raises(vss.InvalidArgument) as caught:
        db.create_collection("fresh", WRONG_SCHEMAS[case])
    one_line(caught.value)
    assert db.collections == []


@pytest.mark.parametrize("name", ["", "A", "a b", "../a", "-a", "a" * 64, "a\0", 5, None, b"a", "\ud800"])
def test_wrong_collection_name(db, name):
    for attempt in (lambda: db.create_collection(name, FIELDS), lambda: db.collection(name),
                    lambda: db.drop_collection(name), lambda: db.check(name)):
        with pytest.raises((vss.InvalidArgument, vss.NotFound)) as caught:
            attempt()
        one_line(caught.value)


def test_wrong_path(tmp_path):
    for path in (None, 5, "a\0b", ""):
        with pytest.raises(vss.InvalidArgument) as caught:
            vss.open(path)
        one_line(caught.value)
    for how in (dict(read_only=True), dict(create=False)):
        with pytest.raises(vss.NotFound):
            vss.open(tmp_path / "missing", **how)
    with pytest.raises(vss.InvalidArgument):
        vss.open("mem:", memory_budget=-1)
    (tmp_path / "file").write_text("x")
    with pytest.raises(vss.Error) as caught:
        vss.open(tmp_path / "file")
    one_line(caught.value)


def test_kinds(db, col):
    with pytest.raises(vss.Exists):
        db.create_collection("things", FIELDS)
    with pytest.raises(vss.Exists) as exists:
        col.insert({"name": ["new", "a"], "vec": [[1, 2, 3, 4]] * 2})
    assert '"a"' in str(exists.value) and len(col) == 3
    with pytest.raises(KeyError) as missing:
        db.collection("nobody")
    assert missing.type is vss.NotFound and missing.value.status == -2 and not str(missing.value).startswith("'")
    with pytest.raises(ValueError) as invalid:
        col.search([1, 2])
    assert invalid.type is vss.InvalidArgument and invalid.value.status == -1
    with pytest.raises(vss.Busy):
        db.drop_collection("things")
    for attempt in (lambda: col.upsert(ROW), col.compact):
        try:
            attempt()
        except vss.Unsupported as unsupported:
            one_line(unsupported)


def test_devices(col, tmp_path):
    for required in (False, True):
        with pytest.raises(vss.Device, match='no device "cuda"'):
            col.search([1, 2, 3, 4], device="cuda", device_required=required)
    assert len(col.search([1, 2, 3, 4], k=1, device="cpu", device_required=True)) == 1
    with pytest.raises(vss.Device, match='no device "cuda"'):
        col.build_index("vec", "ivf_flat", device="cuda")
    col.build_index("vec", "ivf_flat", device="cpu", device_required=True)
    with pytest.raises(vss.InvalidArgument, match="device: expected a string"):
        col.search([1, 2, 3, 4], device=1)
    with pytest.raises(vss.NotFound, match="none.so"):
        vss.load_device(tmp_path / "none.so", memory_mb=1)
    with pytest.raises(vss.InvalidArgument, match='"/"'):
        vss.load_device("libvss_gpu.so")


def test_budget():
    with vss.open("mem:", memory_budget=1 << 20) as db:
        col = db.create_collection("t", FIELDS)
        with pytest.raises((vss.Budget, vss.NoMemory)) as caught:
            col.insert({"name": [str(i) for i in range(200000)], "vec": np.ones((200000, 4))})
        one_line(caught.value)
        assert len(col) == 0


def test_error_classes():
    header = (ROOT / "include" / "vss" / "error.h").read_text()
    numbers = {int(number): name for name, number in re.findall(r"VSS_ERR_(\w+) = (-\d+)", header)}
    kinds = {kind.status: kind for kind in vars(errors).values()
             if isinstance(kind, type) and issubclass(kind, vss.Error) and kind is not vss.Error}
    assert set(kinds) == set(numbers)
    for status, kind in kinds.items():
        error = errors.from_status(status, 'field "a": wrong', 5)
        copy = pickle.loads(pickle.dumps(error))
        for one in (error, copy):
            assert type(one) is kind and str(one) == 'field "a": wrong' and one.status == status
            assert one.os_errno == 5
        assert getattr(vss, kind.__name__) is kind
    assert isinstance(errors.from_status(-10, "x", 5), OSError) and errors.from_status(-10, "x", 5).errno == 5
    assert isinstance(errors.from_status(-6, "x"), MemoryError)
    assert errors.from_status(-99, "x").status == -99


def test_json_values(db):
    col = db.create_collection("docs", [
        {"name": "id", "type": "int64", "primary": True, "auto_id": True}, {"name": "doc", "type": "json"},
        {"name": "tags", "type": "array<int8>"}, {"name": "v", "type": "vector<f32>", "dim": 1, "metric": "l2"}])
    deep = []
    for _ in range(100000):
        deep = [deep]
    good = {"doc": [{}], "tags": [[1]], "v": [[1]]}
    for name, value in [("doc", object()), ("doc", float("nan")), ("doc", "\ud800"), ("doc", deep), ("doc", None),
                        ("tags", 5), ("tags", "ab"), ("tags", [None]), ("tags", [300]), ("tags", ["a"]), ("tags", None),
                        ("tags", [[1]]), ("tags", [0] * 4097)]:
        with pytest.raises(vss.InvalidArgument) as caught:
            col.insert({**good, name: [value]})
        one_line(caught.value)
    assert len(col) == 0
    with pytest.raises(vss.InvalidArgument):
        col.insert({**good, "id": [5]})


def one_line(error):
    assert isinstance(error, vss.Error)
    line = str(error)
    assert line and "\n" not in line and len(line) < 500, line
