"""vss export: what create and import read back is the same collection."""
import json

import numpy as np
import pytest

from cli_files import json_lines, schema
from test_breadth import VECTORS, filled  # noqa: F401 (a fixture)

FILES = ["rows.jsonl", "schema.json"]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_back(vss, out, vectors, new="new/c"):
    vss.ok("create", new, "--schema", f"{out}/schema.json")
    vss.ok("import", new, "--vectors", f"{out}/{vectors}", "--rows", f"{out}/rows.jsonl")


@pytest.mark.parametrize("form", ["npy", "bin"])
@pytest.mark.parametrize("field", VECTORS)
def test_every_type_comes_back(vss, filled, field, form):  # noqa: F811
    vss.ok("delete", "db/c", "--filter", "id < 0")
    (done,) = vss.lines("export", "db/c", "out", "--field", field, "--format", form)
    assert done["rows"] == vss.lines("inspect", "db/c")[0]["rows"] > 50
    first = content(vss.folder / "out")
    assert sorted(first) == sorted([*FILES, done["vectors"]])
    vss.ok("create", "new/c", "--schema", "out/schema.json")
    vss.ok("import", "new/c", "--field", field, "--vectors", f"out/{done['vectors']}", "--rows", "out/rows.jsonl")
    vss.ok("export", "new/c", "again", "--field", field, "--format", form)
    assert content(vss.folder / "again") == first
    assert vss.lines("check", "new/c")[0]["ok"]


def test_values_that_are_hard_to_write(vss):
    fields = [{"name": "f", "type": "float64"}, {"name": "g", "type": "float32"}, {"name": "s", "type": "string"},
              {"name": "i", "type": "int64"}, {"name": "j", "type": "json"}, {"name": "t", "type": "timestamp"}]
    rows = [{"name": "a\0b", "f": -0.0, "g": -0.0, "s": "\0", "i": 2**63 - 1, "j": {"x": "\0"}, "t": 0},
            {"name": "\x7f\"\\", "f": 5e-324, "g": 1e-45, "s": "\u2028", "i": -2**63, "j": -0.0,
             "t": -62135596800000000},
            {"name": "c", "f": 0.1, "g": 0.1, "s": "", "i": 0, "j": [1.5, "ä"], "t": 253402300799999999},
            {"name": "d", "f": 1.7976931348623157e308, "g": 3.4028234663852886e38, "s": "x", "i": 1, "j": 7, "t": 1}]
    vss.write("s.json", schema(*fields))
    vss.write("r.jsonl", json_lines(rows))
    np.save(vss.folder / "v.npy", np.array([[1, 2, 3, 4]] * 4, np.float32) / 3)
    vss.ok("create", "db/c", "--schema", "s.json")
    vss.ok("import", "db/c", "--vectors", "v.npy", "--rows", "r.jsonl")
    vss.ok("export", "db/c", "out")
    written = [json.loads(line) for line in (vss.folder / "out/rows.jsonl").read_text("utf-8").split("\n")[:-1]]
    for given, got in zip(rows, written):
        assert {**got, "t": None, "g": None} == {**given, "t": None, "g": None}
        assert str(got["f"]) == str(given["f"]) and np.float32(got["g"]) == np.float32(given["g"])
    read_back(vss, "out", "v.npy")
    vss.ok("export", "new/c", "again")
    assert content(vss.folder / "again") == content(vss.folder / "out")


def test_keys_that_were_counted_are_kept(vss):
    vss.ok("create", "db/c", "--dim", "4", "--metric", "l2")
    vectors = np.arange(400, dtype=np.float32).reshape(100, 4)
    np.save(vss.folder / "v.npy", vectors)
    vss.ok("import", "db/c", "--vectors", "v.npy")
    vss.ok("delete", "db/c", "--filter", "id < 10 or 20 <= id < 27")
    assert vss.ok("export", "db/c", "out", "--filter", "id < 50") == (
        "exported 33 rows of db/c to out: schema.json, rows.jsonl, vector.npy\n")
    read_back(vss, "out", "vector.npy")
    kept = [i for i in range(50) if i >= 10 and not 20 <= i < 27]
    assert (np.load(vss.folder / "out/vector.npy") == vectors[kept]).all()
    assert [json.loads(line)["id"] for line in (vss.folder / "out/rows.jsonl").open()] == kept
    assert vss.lines("search", "new/c", "--like", "49", "-k", "1")[0]["key"] == 48


def test_nothing_to_export(vss):
    vss.ok("create", "db/c", "--dim", "4", "--metric", "l2")
    assert vss.lines("export", "db/c", "out") == [{"rows": 0, "vectors": "vector.npy"}]
    read_back(vss, "out", "vector.npy")
    assert np.load(vss.folder / "out/vector.npy").shape == (0, 4)


def test_what_is_refused(vss):
    vss.ok("create", "db/c", "--dim", "4", "--metric", "l2")
    vss.fails("export", "db/c", code=2)
    vss.fails("export", "db/c", "out", "--format", "csv", code=2)
    assert "no collection" in vss.fails("export", "db/d", "out")
    assert 'no field "x"' in vss.fails("export", "db/c", "out", "--field", "x")
    assert "filter" in vss.fails("export", "db/c", "out", "--filter", "id <")
    assert "No such file" in vss.fails("export", "db/c", "not/there/out")
    vss.write("out", "mine")
    assert vss.fails("export", "db/c", "out") == "vss: out exists already\n"
    assert sorted(path.name for path in vss.folder.iterdir()) == ["db", "out"]
