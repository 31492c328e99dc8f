"""Every type of field at once: required, nullable and with a default, beside vector fields of every type.

The same rows go through insert, get, filters, search with all fields, flush, deletes and reopening, and are compared
with a model in Python at each step.
"""

import datetime

import numpy as np
import pytest

import vss
from vector_model import distances, smaller_is_nearer, stored, widened

MIDDLE = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
SCALARS = ["bool", "int8", "int16", "int32", "int64", "float32", "float64", "string", "json", "timestamp"]
TYPES = SCALARS + [f"array<{name}>" for name in SCALARS if name != "json"]
DEFAULTS = {"bool": True, "int8": -7, "int16": 300, "int32": -70000, "int64": 2**60, "float32": 0.25, "float64": 0.1,
            "string": "öh", "json": {"a": [1, None]}, "timestamp": "2026-11-20T00:00:00Z"}
VECTORS = {"va": ("f32", "cosine", 5), "vb": ("f16", "l2", 3), "vc": ("bf16", "ip", 9), "vd": ("i8", "l2", 4),
           "ve": ("u8", "cosine", 7), "vf": ("binary", "hamming", 24), "vg": ("binary", "jaccard", 8)}


def slug(type_):
    return type_.replace("<", "_").rstrip(">")


def default(type_):
    return [DEFAULTS[type_[6:-1]]] if type_.startswith("array") else DEFAULTS[type_]


def meant(type_, value):
    """What comes back for a default."""
    if type_ == "timestamp":
        return datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    return [meant(type_[6:-1], one) for one in value] if type_.startswith("array") else value


def fields():
    made = [{"name": "key", "type": "string", "primary": True}]
    for type_ in TYPES:
        made += [{"name": f"r_{slug(type_)}", "type": type_},
                 {"name": f"n_{slug(type_)}", "type": type_, "nullable": True},
                 {"name": f"d_{slug(type_)}", "type": type_, "default": default(type_)},
                 {"name": f"nd_{slug(type_)}", "type": type_, "nullable": True, "default": default(type_)}]
    return made + [{"name": name, "type": f"vector<{dtype}>", "dim": dim, "metric": metric}
                   for name, (dtype, metric, dim) in VECTORS.items()]


def value(rng, type_):
    if type_.startswith("array"):
        return [value(rng, type_[6:-1]) for _ in range(int(rng.integers(0, 5)))]
    if type_ == "bool":
        return bool(rng.integers(2))
    if type_.startswith("int"):
        limits = np.iinfo(type_)
        return int(rng.choice([limits.min, limits.max, *range(-4, 5)]))
    if type_ == "float32":
        return float(np.float32(rng.choice([-1.5, 0.0, 0.1, 3e38, 1e-40])))
    if type_ == "float64":
        return float(rng.choice([-1.5, 0.0, 0.1, 1e300, 5e-324]))
    if type_ == "timestamp":
        return MIDDLE + datetime.timedelta(microseconds=int(rng.integers(-2**52, 2**52)))
    if type_ == "json":
        return [{"a": [1, "zwei", None, {"b": 2.5}]}, [], "text", 7, True, {"": {}}][int(rng.integers(6))]
    return ["", "a", "ab", "grün", "🙂", "x\0y", "line\nbreak"][int(rng.integers(7))]


def vectors(rng, dtype, n, dim):
    if dtype == "binary":
        return rng.random((n, dim)) < 0.3
    if dtype in ("i8", "u8"):
        low = -3 if dtype == "i8" else 1
        return rng.integers(low, 5, (n, dim)).astype(np.int8 if dtype == "i8" else np.uint8)
    return (rng.integers(-8, 9, (n, dim)) / 4 + 0.0625).astype(np.float32)


class Model:
    """The rows as they should be: {key: {field: value}}, vectors as stored."""

    def __init__(self):
        self.rng = np.random.default_rng(7)
        self.rows = {}
        self.next = 0

    def batch(self, n):
        """Columns for an insert; fields with a default are named in every other batch."""
        named = self.next % 80 == 0
        columns = {"key": [f"k{number:03}" for number in range(self.next, self.next + n)]}
        for type_ in TYPES:
            make = [value(self.rng, type_) for _ in range(n)]
            columns[f"r_{slug(type_)}"] = make
            columns[f"n_{slug(type_)}"] = [None if self.rng.random() < 0.3 else one for one in make]
            if named:
                columns[f"d_{slug(type_)}"] = [value(self.rng, type_) for _ in range(n)]
                columns[f"nd_{slug(type_)}"] = [None if row % 3 == 0 else make[row] for row in range(n)]
        for name, (dtype, _, dim) in VECTORS.items():
            columns[name] = vectors(self.rng, dtype, n, dim)
        self.next += n
        self.take(n, columns)
        return columns

    def take(self, n, columns):
        full = dict(columns)
        for name, (dtype, _, _) in VECTORS.items():
            full[name] = stored(dtype, columns[name])
        for type_ in TYPES:
            for name in (f"d_{slug(type_)}", f"nd_{slug(type_)}"):
                full.setdefault(name, [meant(type_, default(type_))] * n)
        for row, key in enumerate(columns["key"]):
            self.rows[key] = {name: values[row] for name, values in full.items()}

    def nearest(self, name, query, k, passes):
        dtype, metric, _ = VECTORS[name]
        keys = [key for key, row in self.rows.items() if passes(row)]
        if not keys:
            return []
        rows = widened(dtype, np.stack([self.rows[key][name] for key in keys]))
        found = distances(metric, rows, query.astype(np.float64))
        sign = 1 if smaller_is_nearer(metric) else -1
        return sorted(zip(keys, found.tolist()), key=lambda hit: (sign * hit[1], hit[0]))[:k]


def same(got, want):
    if isinstance(want, np.ndarray):
        return np.array_equal(got, want) and got.dtype == want.dtype
    return got == want and type(got) is type(want)


def known(name, test):
    return lambda row: row[name] is not None and test(row[name])


FILTERS = {
    "n_bool": known("n_bool", bool), "not n_bool": known("n_bool", lambda x: not x),
    "n_int8 < 0": known("n_int8", lambda x: x < 0),
    "n_int16 in [1, 2, 32767]": known("n_int16", lambda x: x in (1, 2, 32767)),
    "-2 <= n_int32 < 3": known("n_int32", lambda x: -2 <= x < 3),
    "n_int64 != -9223372036854775808": known("n_int64", lambda x: x != -2**63),
    "n_float32 > 0": known("n_float32", lambda x: x > 0), "n_float64 >= 0.1": known("n_float64", lambda x: x >= 0.1),
    'n_string like "a%"': known("n_string", lambda x: x.startswith("a")),
    'n_string == "grün" or n_string == "🙂"': known("n_string", lambda x: x in ("grün", "🙂")),
    'n_timestamp < "2026-01-01T00:00:00Z"': known("n_timestamp", lambda x: x < MIDDLE),
    "array_contains(n_array_int16, 3)": known("n_array_int16", lambda x: 3 in x),
    'array_contains_any(n_array_string, ["ab", ""])': known("n_array_string", lambda x: "ab" in x or "" in x),
    "array_contains_all(n_array_bool, [true, false])": known("n_array_bool", lambda x: True in x and False in x),
    "array_contains(n_array_float64, 0.1)": known("n_array_float64", lambda x: 0.1 in x),
    "d_int16 == 300": lambda row: row["d_int16"] == 300, 'd_string == "öh"': lambda row: row["d_string"] == "öh",
    'key >= "k100"': lambda row: row["key"] >= "k100",
    **{f"n_{slug(type_)} is null": (lambda row, name=f"n_{slug(type_)}": row[name] is None) for type_ in TYPES},
    **{f"nd_{slug(type_)} is not null": (lambda row, name=f"nd_{slug(type_)}": row[name] is not None)
       for type_ in TYPES},
}


def compare_get(col, model):
    keys = [*model.rows, "nobody"]
    got = col.get(keys)
    assert got[-1] is None and list(got[0]) == [field["name"] for field in col.schema]
    for row, key in zip(got, keys[:-1]):
        wrong = [name for name, want in model.rows[key].items() if not same(row[name], want)]
        assert not wrong, (key, wrong[0], row[wrong[0]], model.rows[key][wrong[0]])


def compare_filters(col, model):
    for text, passes in FILTERS.items():
        assert col.count(text) == sum(map(passes, model.rows.values())), text


def compare_searches(col, model):
    names = [field["name"] for field in col.schema]
    texts = list(FILTERS)
    for name, (dtype, _, dim) in VECTORS.items():
        queries = vectors(model.rng, dtype, 3, dim)
        text = texts[int(model.rng.integers(len(texts)))]
        for where, passes in ((None, lambda row: True), (text, FILTERS[text])):
            hits = col.search(queries, k=25, field=name, filter=where, fields=names)
            for query, vector in enumerate(queries):
                want = model.nearest(name, vector, 25, passes)
                rows = hits[query]
                assert [(hit.key, hit.distance) for hit in rows] == want, (name, where)
                for hit in rows:
                    wrong = [one for one, value in model.rows[hit.key].items() if not same(hit.fields[one], value)]
                    assert not wrong, (hit.key, wrong)


def compare(col, model):
    assert len(col) == len(model.rows)
    compare_get(col, model)
    compare_filters(col, model)
    compare_searches(col, model)


def test_every_type_at_once(tmp_path):
    model = Model()
    with vss.open(tmp_path / "db") as db:
        col = db.create_collection("all", fields())
        col.insert(model.batch(40))
        compare(col, model)
        col.flush()
        col.insert(model.batch(40))
        compare(col, model)
        gone = [key for key, row in model.rows.items() if FILTERS["n_int8 < 0"](row)]
        assert col.delete(filter="n_int8 < 0") == len(gone) > 0
        col.flush()
        col.insert(model.batch(40))
        for key in [*gone, "k090", "k033"]:
            model.rows.pop(key, None)
        col.delete(["k090", "k033"])
        compare(col, model)
        for name in VECTORS:
            col.build_index(name, "hnsw", m=8)
        compare(col, model)
    for options in ({"read_only": True}, {}):
        with vss.open(tmp_path / "db", **options) as db:
            col = db.collection("all")
            assert {index["field"] for index in col.indexes} == set(VECTORS) and col.check().ok
            compare(col, model)
    with vss.open(tmp_path / "db") as db:
        copy = db.create_collection("copy", db.collection("all").schema)
        assert copy.schema == db.collection("all").schema


@pytest.mark.parametrize("type_", TYPES)
def test_required_fields_are_required(db, type_):
    col = db.create_collection("c", [{"name": "id", "type": "int64", "primary": True},
                                     {"name": "x", "type": type_}, {"name": "v", "type": "vector<u8>", "dim": 1}])
    given = value(np.random.default_rng(1), type_)
    for rows in ({}, {"x": [given, None]}):
        with pytest.raises(vss.InvalidArgument, match='"x"'):
            col.insert({"id": [1, 2], "v": [[1], [2]], **rows})
    assert len(col) == 0
    col.insert({"id": [1], "v": [[1]], "x": [given]})
    assert same(col.get(1)[0]["x"], given)


def test_several_vector_fields_need_a_name(db):
    col = db.create_collection("c", [{"name": "id", "type": "int64", "primary": True},
                                     {"name": "a", "type": "vector<i8>", "dim": 2},
                                     {"name": "b", "type": "vector<binary>", "dim": 16}])
    col.insert({"id": [1, 2], "a": [[1, 2], [3, 4]], "b": np.array([[1, 2], [3, 4]], np.uint8)})
    with pytest.raises(vss.InvalidArgument, match="field"):
        col.search([1, 2], k=1)
    assert col.search([3, 4], k=1, field="a").keys.tolist() == [[2]]
    assert col.search(np.array([1, 2], np.uint8), k=1, field="b").keys.tolist() == [[1]]
    with pytest.raises(vss.InvalidArgument, match='"b"'):
        col.insert({"id": [3], "a": [[1, 2]]})
    assert len(col) == 2


@pytest.mark.parametrize("given", [
    [0, -1, 2**62, -2**62], [datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)],
    ["2000-02-29", "1969-12-31T23:59:59.999999+00:00"], [None, np.datetime64("NaT"), np.datetime64("2026-11-20", "ns")],
])
def test_timestamps_and_nulls_keep_their_place(db, given):
    col = db.create_collection("c", [{"name": "id", "type": "int64", "primary": True, "auto_id": True},
                                     {"name": "t", "type": "timestamp", "nullable": True},
                                     {"name": "v", "type": "vector<binary>", "dim": 8}])
    keys = col.insert({"t": given, "v": np.zeros((len(given), 8), bool)})
    before = [row["t"] for row in col.get(keys)]
    col.flush()
    assert [row["t"] for row in col.get(keys)] == before
    nulls = [one is None or one != one for one in given]
    assert [one is None for one in before] == nulls and col.count("t is null") == sum(nulls)
    hits = col.search(np.zeros(8, bool), k=9, fields=["t"])
    assert list(hits.fields["t"][0, :len(given)]) == before and not hits.distances[0, :len(given)].any()
