"""Every type of field at once through the tool: required, nullable and with a default, beside vectors of every type.

Rows come from JSON lines in two imports; what is imported is filtered, searched with all fields, deleted, indexed and
checked, each in a process of its own, so that every step reopens the collection.
"""
import json

import numpy as np
import pytest

from cli_files import exact, json_lines, vector_bytes

ROWS = 90
SCALARS = ["bool", "int8", "int16", "int32", "int64", "float32", "float64", "string", "json", "timestamp"]
TYPES = SCALARS + [f"array<{name}>" for name in SCALARS if name != "json"]
DEFAULTS = {"bool": True, "int8": -7, "int16": 300, "int32": -70000, "int64": 2**60, "float32": 0.25, "float64": 0.1,
            "string": "öh", "json": {"a": [1, None]}, "timestamp": "2026-11-20T00:00:00.000000Z"}
VECTORS = {"va": ("f32", "cosine", 5), "vb": ("f16", "l2", 3), "vc": ("bf16", "ip", 9), "vd": ("i8", "l2", 4),
           "ve": ("u8", "cosine", 7), "vf": ("binary", "hamming", 24), "vg": ("binary", "jaccard", 8)}
FILE_FIELD = "va"


def slug(type_):
    return type_.replace("<", "_").rstrip(">")


def default(type_):
    return [DEFAULTS[type_[6:-1]]] if type_.startswith("array") else DEFAULTS[type_]


def fields():
    made = [{"name": "id", "type": "int64", "primary": True}]
    for type_ in TYPES:
        made += [{"name": f"r_{slug(type_)}", "type": type_},
                 {"name": f"n_{slug(type_)}", "type": type_, "nullable": True},
                 {"name": f"d_{slug(type_)}", "type": type_, "default": default(type_)}]
    return made + [{"name": name, "type": f"vector<{dtype}>", "dim": dim, "metric": metric}
                   for name, (dtype, metric, dim) in VECTORS.items()]


def value(rng, type_):
    """A value as the tool prints it."""
    if type_.startswith("array"):
        return [value(rng, type_[6:-1]) for _ in range(int(rng.integers(0, 5)))]
    if type_ == "bool":
        return bool(rng.integers(2))
    if type_.startswith("int"):
        limits = np.iinfo(type_)
        return int(rng.choice([limits.min, limits.max, *range(-4, 5)]))
    if type_.startswith("float"):
        return float(rng.choice([-1.5, 0.0, 0.125, 1e10 if type_ == "float32" else 1e300]))
    if type_ == "timestamp":
        return f"20{rng.integers(10, 40)}-02-{rng.integers(10, 29)}T01:02:03.{rng.integers(10**6):06}Z"
    if type_ == "json":
        return [{"a": [1, "zwei", None, {"b": 2.5}]}, [], "text", 7, True, {"": {}}][int(rng.integers(6))]
    return ["", "a", "ab", "grün", "🙂", "tab\t", "line\nbreak", '"\\'][int(rng.integers(8))]


def vector(rng, dtype, dim):
    if dtype == "binary":
        return rng.integers(0, 2, dim).tolist()
    if dtype in ("i8", "u8"):
        return rng.integers(-3 if dtype == "i8" else 1, 5, dim).tolist()
    return (rng.integers(-8, 9, dim) / 4 + 0.0625).tolist()


@pytest.fixture
def filled(vss):
    """Collection db/c; vss.rows as the tool should print them, by key."""
    rng = np.random.default_rng(3)
    given, vss.rows = [], {}
    for number in range(ROWS):
        row = {"id": number * 7 - 100}
        for type_ in TYPES:
            row[f"r_{slug(type_)}"] = value(rng, type_)
            if rng.random() < 0.7:
                row[f"n_{slug(type_)}"] = value(rng, type_) if rng.random() < 0.7 else None
            if rng.random() < 0.5:
                row[f"d_{slug(type_)}"] = value(rng, type_)
        for name, (dtype, _, dim) in VECTORS.items():
            row[name] = vector(rng, dtype, dim)
        given.append({name: one for name, one in row.items() if name != FILE_FIELD})
        for type_ in TYPES:
            row.setdefault(f"n_{slug(type_)}", None)
            row.setdefault(f"d_{slug(type_)}", default(type_))
        vss.rows[row["id"]] = row
    vss.write("schema.json", json.dumps({"fields": fields()}))
    vss.ok("create", "db/c", "--schema", "schema.json")
    for part in range(2):
        first, end = part * ROWS // 3, (ROWS // 3, ROWS)[part]
        vss.write("rows.jsonl", json_lines(given[first:end]))
        file_rows = np.array([row[FILE_FIELD] for row in vss.rows.values()])[first:end]
        vss.write("v.fbin", vector_bytes(".fbin", file_rows))
        vss.ok("import", "db/c", "--vectors", "v.fbin", "--field", FILE_FIELD, "--rows", "rows.jsonl", "--batch", "16")
    return vss


def search(vss, name, *more):
    every = ",".join(field["name"] for field in fields())
    return vss.lines("search", "db/c", "--field", name, "--fields", every, *more)


def compare_rows(vss, hits):
    for hit in hits:
        want = vss.rows[hit["key"]]
        wrong = [name for name in want if hit[name] != want[name]]
        assert not wrong, (hit["key"], wrong[0], hit[wrong[0]], want[wrong[0]])


def compare_searches(vss, where=None, passes=lambda row: True):
    """Search every vector field for the vectors of one row, which is left out."""
    options = ["--filter", where] if where else []
    for at, (name, (_, metric, _)) in enumerate(VECTORS.items()):
        like = sorted(vss.rows)[at * 5]
        keys = [key for key in sorted(vss.rows) if passes(vss.rows[key]) and key != like]
        base = np.array([vss.rows[key][name] for key in keys], "f8").reshape(len(keys), VECTORS[name][2])
        order = exact(base, np.array([vss.rows[like][name]], "f8"), 12, metric)[0]
        hits = search(vss, name, f"--like={like}", "-k", "12", *options)
        compare_rows(vss, hits)
        wanted = [keys[row] for row in order]
        if metric == "cosine":  # the oracle's last bits may order equal directions otherwise
            found = {hit["key"]: hit["distance"] for hit in hits}
            assert len(found) == len(wanted) and list(found.values()) == sorted(found.values(), reverse=True)
            assert len(set(found) & set(wanted)) >= len(wanted) - 2
        else:
            assert [hit["key"] for hit in hits] == wanted, (name, where)


def test_every_field_comes_back(filled):
    filled.write("q.fbin", vector_bytes(".fbin", np.ones((1, 5))))
    hits = search(filled, "va", "--queries", "q.fbin", "-k", str(ROWS))
    assert {hit["key"] for hit in hits} == set(filled.rows)
    assert list(hits[0])[4:] == [field["name"] for field in fields()]
    compare_rows(filled, hits)
    table = filled.ok("search", "db/c", "--field", "va", "--queries", "q.fbin", "--fields", "n_json,d_array_string,vf")
    assert table.splitlines()[0].split() == ["rank", "key", "distance", "n_json", "d_array_string", "vf"]


def test_searches_of_every_vector_field(filled):
    compare_searches(filled)


def known(name, test):
    return lambda row: row[name] is not None and test(row[name])


@pytest.mark.parametrize("where, passes", [
    ("n_bool", known("n_bool", bool)), ("n_int8 < 0 and r_int64 > -5", lambda row: known("n_int8", lambda x: x < 0)(row)
                                        and row["r_int64"] > -5),
    ('n_string like "%a%"', known("n_string", lambda x: "a" in x)),
    ('n_timestamp >= "2020-01-01"', known("n_timestamp", lambda x: x >= "2020")),
    ("array_contains(n_array_int32, 3)", known("n_array_int32", lambda x: 3 in x)),
    ('array_contains_any(r_array_string, ["ab", ""])', lambda row: "ab" in row["r_array_string"]
     or "" in row["r_array_string"]),
    ("d_float64 == 0.1", lambda row: row["d_float64"] == 0.1), ("n_json is null", lambda row: row["n_json"] is None),
    ("n_array_timestamp is not null", lambda row: row["n_array_timestamp"] is not None),
])
def test_filters(filled, where, passes):
    compare_searches(filled, where, passes)
    gone = [key for key, row in filled.rows.items() if passes(row)]
    assert gone and filled.lines("delete", "db/c", "--filter", where) == [{"deleted": len(gone)}]
    filled.rows = {key: row for key, row in filled.rows.items() if key not in gone}
    assert filled.lines("inspect", "db/c")[0]["rows"] == len(filled.rows)


def test_every_vector_field_can_be_indexed(filled):
    for name in VECTORS:
        assert filled.lines("index", "db/c", "hnsw", "--field", name, "--set", "m=8")[0]["field"] == name
    state = filled.lines("inspect", "db/c")[0]
    assert {index["field"] for index in state["indexes"]} == set(VECTORS) and state["rows"] == ROWS
    assert [field["name"] for field in state["fields"]] == [field["name"] for field in fields()]
    assert filled.lines("check", "db/c")[0]["ok"]
    compare_searches(filled)


def test_a_field_must_be_named_where_there_are_several(filled):
    filled.write("q.fbin", vector_bytes(".fbin", np.ones((1, 5))))
    for words in (["search", "db/c", "--queries", "q.fbin"], ["index", "db/c", "hnsw"],
                  ["import", "db/c", "--vectors", "q.fbin"]):
        assert "--field" in filled.fails(*words)


@pytest.mark.parametrize("name", [name for name in VECTORS if name != FILE_FIELD])
def test_every_vector_is_needed(filled, name):
    row = {**filled.rows[-100], "id": 12345}
    del row[FILE_FIELD], row[name]
    filled.write("v.fbin", vector_bytes(".fbin", np.ones((1, 5))))
    filled.write("rows.jsonl", json_lines([row]))
    line = filled.fails("import", "db/c", "--vectors", "v.fbin", "--field", FILE_FIELD, "--rows", "rows.jsonl")
    assert f'line 1: field "{name}": missing' in line
