"""JSON lines: what goes into which field, and the errors, which name the line."""
import json

import numpy as np
import pytest

from cli_files import json_lines, schema, vector_bytes


def field(kind, **more):
    return {"name": "x", "type": kind, **more}


def start(vss, rows, *fields, text=None):
    """A collection with these fields, as many vectors as rows, and the rows in a file."""
    n = len(rows) if rows is not None else text.count("\n")
    vss.write("schema.json", schema(*fields))
    vss.write("v.fbin", vector_bytes(".fbin", np.arange(4 * n).reshape(n, 4)))
    vss.write("rows.jsonl", text if text is not None else json_lines(rows))
    vss.ok("create", "db/c", "--schema", "schema.json")
    return ["import", "db/c", "--vectors", "v.fbin", "--rows", "rows.jsonl"]


def values(vss, n, names="x"):
    hits = vss.lines("search", "db/c", "--queries", "v.fbin", "-k", "1", "--fields", names)
    assert [hit["query"] for hit in hits] == list(range(n))
    return [hit["x"] for hit in hits]


@pytest.mark.parametrize("kind, given, stored", [
    ("bool", [True, False, True], None),
    ("int8", [-128, 0, 127], None), ("int16", [-32768, 1, 32767], None), ("int32", [-2**31, 2**31 - 1], None),
    ("int64", [-2**63, 0, 2**63 - 1], None),
    ("float32", [0.5, 3, -1e30], [0.5, 3.0, -1e30]), ("float64", [0.1, 7, 1e300], None),
    ("string", ["", "plain", "zwölf \"q\" \\ \n\t €"], None),
    ("json", [{"a": [1, None, "b"]}, 4, "text", [True]], None),
    ("timestamp", ["2026-11-20", "2026-11-20T12:34:56.789Z", "2026-11-20 12:34+01:00", 0, -1, 951782400000000],
     ["2026-11-20T00:00:00.000000Z", "2026-11-20T12:34:56.789000Z", "2026-11-20T11:34:00.000000Z",
      "1970-01-01T00:00:00.000000Z", "1969-12-31T23:59:59.999999Z", "2000-02-29T00:00:00.000000Z"]),
    ("array<string>", [[], ["a"], ["b", "", "c"]], None), ("array<int32>", [[1, 2], [], [-3]], None),
    ("array<bool>", [[True, False], [], [True] * 9], None), ("array<float64>", [[0.25], [1, 2]], None),
])
def test_every_type_comes_back(vss, kind, given, stored):
    rows = [{"name": f"row {i}", "x": value} for i, value in enumerate(given)]
    vss.ok(*start(vss, rows, field(kind)), "--batch", "2")
    wanted = stored or given
    assert values(vss, len(rows)) == (pytest.approx(wanted) if kind == "float32" else wanted)


@pytest.mark.parametrize("kind, value, said", [
    ("bool", 1, "expected bool, got an integer"), ("int8", 128, "128 does not fit int8"),
    ("int16", -32769, "does not fit int16"), ("int32", 2**31, "does not fit int32"), ("int64", 1.0, "a real number"),
    ("int64", "1", "expected int64, got a string"), ("float32", 1e39, "does not fit float32"),
    ("float64", True, "expected float64, got true"), ("string", 5, "expected string"), ("string", None, "null"),
    ("timestamp", "yesterday", "yesterday"), ("timestamp", "2026-02-29", "not a time"),
    ("timestamp", "2026-01-01T24:00", "not a time"), ("timestamp", "2026-01-01T10:00:00Z and more", "not a time"),
    ("timestamp", 1.5, "expected timestamp"), ("array<int8>", 3, "expected array"), ("array<int8>", [1, 300], "300"),
    ("array<string>", ["a", None], "null"), ("array<string>", [["a"]], "expected string, got an array"),
])
def test_values_that_do_not_fit_name_the_line(vss, kind, value, said):
    good = {"bool": True, "string": "s", "timestamp": 0}.get(kind, [] if kind.startswith("array") else 0)
    rows = [{"name": "a", "x": good}, {"name": "b", "x": good}, {"name": "c", "x": value}]
    line = vss.fails(*start(vss, rows, field(kind)), "--batch", "1")
    assert 'rows.jsonl line 3: field "x": ' in line and said in line
    assert vss.lines("inspect", "db/c")[0]["rows"] == 0


@pytest.mark.parametrize("bad, said", [
    ("{", "line 2"), ("[]", "expected a JSON object"), ("7", "expected a JSON object"), ("nonsense", "line 2"),
    ('{"name": "b", "x": 1} trailing', "line 2"), ('{"name": "b", "x": 1, "x": 2}', "line 2"),
    ('{"name": "b", "x": 99999999999999999999}', "line 2"), ('{"name": "\\ud800", "x": 1}', "line 2"),
    ('{"x": 1}', 'field "name": missing'), ('{"name": null, "x": 1}', 'field "name": null'),
    ('{"name": 5, "x": 1}', 'field "name": expected string'), ('{"name": "b"}', 'field "x": missing'),
    ('{"name": "b", "x": 1, "y": 2}', 'field "y": the collection has no such field'),
    ('{"name": "b", "x": 1, "v": [1, 2, 3, 4]}', 'field "v"'),
    ("[" * 100000, "line 2"),
])
def test_bad_lines(vss, bad, said):
    text = '{"name": "a", "x": 1}\n' + bad + '\n{"name": "c", "x": 1}\n'
    line = vss.fails(*start(vss, None, field("int64"), text=text))
    assert "rows.jsonl line 2" in line and said in line
    assert vss.lines("inspect", "db/c")[0]["rows"] == 0


def test_unknown_fields_can_be_ignored(vss):
    words = start(vss, [{"name": "a", "x": 1, "y": {"deep": []}}], field("int64"))
    vss.fails(*words)
    vss.ok(*words, "--ignore-unknown")
    assert values(vss, 1) == [1]


def test_null_and_missing(vss):
    rows = [{"name": "a", "x": 5}, {"name": "b", "x": None}, {"name": "c"}]
    vss.ok(*start(vss, rows, field("int64", nullable=True)))
    assert values(vss, 3) == [5, None, None]


@pytest.mark.parametrize("kind, default", [("int64", 7), ("string", "none"), ("bool", True), ("float64", 0.5),
                                           ("array<int64>", [1, 2])])
def test_default(vss, kind, default):
    vss.ok(*start(vss, [{"name": "a"}, {"name": "b"}], field(kind, default=default)))
    assert values(vss, 2) == [default, default]


def test_nulls_in_every_type(vss):
    kinds = ["bool", "int8", "float32", "string", "json", "timestamp", "array<string>"]
    fields = [{"name": f"f{i}", "type": kind, "nullable": True} for i, kind in enumerate(kinds)]
    vss.ok(*start(vss, [{"name": "a"}, {"name": "b"}], *fields))
    names = ",".join(f["name"] for f in fields)
    for hit in vss.lines("search", "db/c", "--queries", "v.fbin", "-k", "2", "--fields", names):
        assert all(hit[f["name"]] is None for f in fields)


def test_blank_lines_and_carriage_returns(vss):
    text = '{"name": "a", "x": 1}\r\n\n   \n{"name": "b", "x": 2}'
    vss.write("two.fbin", vector_bytes(".fbin", np.arange(8).reshape(2, 4)))
    words = start(vss, None, field("int64"), text=text)
    words[words.index("v.fbin")] = "two.fbin"
    vss.ok(*words)
    assert vss.lines("inspect", "db/c")[0]["rows"] == 2


@pytest.mark.parametrize("n_rows", [0, 2, 4])
def test_counts_must_match(vss, n_rows):
    words = start(vss, [{"name": str(i), "x": i} for i in range(n_rows)], field("int64"))
    vss.write("v.fbin", vector_bytes(".fbin", np.ones((3, 4))))
    line = vss.fails(*words, "--batch", "1")
    assert "3 vectors" in line and f"{n_rows} rows" in line
    assert vss.lines("inspect", "db/c")[0]["rows"] == 0


def test_a_duplicate_key_says_how_many_came_before(vss):
    words = start(vss, [{"name": name, "x": 0} for name in "abcb"], field("int64"))
    line = vss.fails(*words, "--batch", "2")
    assert "2 rows before it were imported" in line and '"b"' in line
    assert vss.lines("inspect", "db/c")[0]["rows"] == 2


def test_rows_are_needed_for_keys(vss):
    words = start(vss, [{"name": "a", "x": 0}], field("int64"))
    assert "--rows" in vss.fails(*words[:4])


def test_given_keys_are_refused_where_the_collection_counts(vss):
    vss.ok("create", "db/c", "--dim", "4", "--metric", "l2")
    vss.write("v.fbin", vector_bytes(".fbin", np.ones((1, 4))))
    vss.write("rows.jsonl", json_lines([{"id": 5}]))
    assert 'field "id"' in vss.fails("import", "db/c", "--vectors", "v.fbin", "--rows", "rows.jsonl")


def test_dimension_must_match(vss):
    vss.ok("create", "db/c", "--dim", "5", "--metric", "l2")
    vss.write("v.fbin", vector_bytes(".fbin", np.ones((1, 4))))
    line = vss.fails("import", "db/c", "--vectors", "v.fbin")
    assert "4 columns" in line and "dimension 5" in line


def test_second_vector_field_comes_from_the_rows(vss):
    two = json.loads(schema())
    two["fields"].append({"name": "w", "type": "vector<f32>", "dim": 2, "metric": "l2"})
    vss.write("schema.json", json.dumps(two))
    vss.write("v.fbin", vector_bytes(".fbin", np.arange(8).reshape(2, 4)))
    vss.ok("create", "db/c", "--schema", "schema.json")
    words = ["import", "db/c", "--vectors", "v.fbin", "--rows", "rows.jsonl"]
    vss.write("rows.jsonl", json_lines([{"name": "a", "w": [1, 2]}, {"name": "b", "w": [3, 4]}]))
    assert "--field" in vss.fails(*words)
    vss.ok(*words, "--field", "v")
    hits = vss.lines("search", "db/c", "--field", "w", "--like", "a", "-k", "1", "--fields", "w")
    assert hits[0]["key"] == "b" and hits[0]["w"] == [3, 4] and hits[0]["distance"] == 8
    vss.write("rows.jsonl", json_lines([{"name": "c", "w": [1, 2]}, {"name": "d", "w": [3]}]))
    assert "expected 2 numbers, got 1" in vss.fails(*words, "--field", "v")


def test_cut_compressed_rows(vss):
    from conftest import ROOT
    data = (ROOT / "examples" / "data" / "packages.jsonl.zst").read_bytes()
    words = start(vss, [{"name": "a", "x": 0}], field("int64"))
    for name, text in [("cut.jsonl.zst", data[:100000]), ("bad.jsonl.zst", b"not zstd at all"),
                       ("flip.jsonl.zst", data[:5000] + bytes([data[5000] ^ 255]) + data[5001:])]:
        vss.write(name, text)
        assert name in vss.fails(*words[:-1], name, "--ignore-unknown")


def test_long_line(vss):
    words = start(vss, None, field("json"), text='{"name": "a", "x": "' + "y" * (17 << 20) + '"}\n')
    assert "line 1: longer than" in vss.fails(*words)
