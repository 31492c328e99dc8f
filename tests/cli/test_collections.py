"""create, inspect, check, delete."""
import json

import numpy as np
import pytest

from cli_files import json_lines, schema, vector_bytes


@pytest.fixture
def filled(vss):
    vss.write("v.fbin", vector_bytes(".fbin", np.arange(40).reshape(10, 4)))
    vss.write("schema.json", schema({"name": "x", "type": "int64"}))
    vss.write("rows.jsonl", json_lines({"name": f"k{i}", "x": i} for i in range(10)))
    vss.ok("create", "db/c", "--schema", "schema.json")
    vss.ok("import", "db/c", "--vectors", "v.fbin", "--rows", "rows.jsonl")
    return vss


def test_create_twice_fails(vss):
    words = ["create", "db/c", "--dim", "4", "--metric", "l2"]
    vss.ok(*words)
    assert "c" in vss.fails(*words)
    vss.ok("create", "db/other", "--dim", "4", "--metric", "ip", "--dtype", "f32")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fields": []}', '{"fields": [{"name": "v"}]}',
                                  schema({"name": "x", "type": "int63"}), schema({"name": "x y", "type": "int64"}),
                                  schema(dim=0), schema(metric="no"), schema({"name": "x", "type": "bool", "odd": 1})])
def test_bad_schema_leaves_nothing(vss, text):
    vss.write("schema.json", text)
    vss.fails("create", "db/c", "--schema", "schema.json")
    assert not (vss.folder / "db").exists()


@pytest.mark.parametrize("name", ["Upper", "-x", "a b", "x" * 64])
def test_bad_name_leaves_nothing(vss, name):
    vss.fails("create", f"db/{name}", "--dim", "4", "--metric", "l2")
    assert not (vss.folder / "db").exists()


def test_create_dim_has_these_fields(vss):
    vss.ok("create", "deep/er", "--dim", "3", "--metric", "cosine")
    state = vss.lines("inspect", "deep/er")[0]
    key, vector = state["fields"]
    assert (key["name"], key["type"], key["primary"]) == ("id", "int64", True)
    assert (vector["name"], vector["type"], vector["dim"], vector["metric"]) == ("vector", "vector<f32>", 3, "cosine")


def test_inspect_keys(filled):
    state = filled.lines("inspect", "db/c")[0]
    assert list(state) == ["rows", "deleted", "segments", "version", "bytes", "fields", "indexes"]
    assert (state["rows"], state["deleted"], state["indexes"]) == (10, 0, [])
    assert state["bytes"] > 0 and [field["name"] for field in state["fields"]] == ["name", "x", "v"]
    assert "10 rows" in filled.ok("inspect", "db/c")
    filled.ok("index", "db/c", "flat")
    index = filled.lines("inspect", "db/c")[0]["indexes"][0]
    assert list(index) == ["field", "type", "params", "segments", "rows", "bytes"]


def test_imports_add_up(filled):
    filled.write("rows.jsonl", json_lines({"name": f"n{i}", "x": i} for i in range(10)))
    filled.ok("import", "db/c", "--vectors", "v.fbin", "--rows", "rows.jsonl")
    assert filled.lines("inspect", "db/c")[0]["rows"] == 20


def test_auto_ids_count_up(vss):
    vss.write("v.fbin", vector_bytes(".fbin", np.arange(3)[:, None]))
    vss.ok("create", "db/c", "--dim", "1", "--metric", "l2")
    for _ in range(2):
        vss.ok("import", "db/c", "--vectors", "v.fbin")
    keys = [hit["key"] for hit in vss.lines("search", "db/c", "--queries", "v.fbin", "--first", "1", "-k", "6")]
    assert keys == [0, 3, 1, 4, 2, 5]


def test_empty_import(vss):
    vss.write("v.fbin", vector_bytes(".fbin", np.ones((0, 4))))
    vss.ok("create", "db/c", "--dim", "4", "--metric", "l2")
    assert vss.lines("import", "db/c", "--vectors", "v.fbin")[0]["rows"] == 0
    assert vss.lines("search", "db/c", "--queries", "v.fbin") == []


def test_delete(filled):
    assert filled.lines("delete", "db/c", "--key", "k1", "--key", "k2", "--key", "nobody") == [{"deleted": 2}]
    assert filled.lines("delete", "db/c", "--filter", "x >= 8") == [{"deleted": 2}]
    state = filled.lines("inspect", "db/c")[0]
    assert (state["rows"], state["deleted"]) == (6, 4)
    hits = filled.lines("search", "db/c", "--queries", "v.fbin", "-k", "10", "--fields", "x")
    assert {hit["x"] for hit in hits} == {0, 3, 4, 5, 6, 7}
    assert "filter" in filled.fails("delete", "db/c", "--filter", "x >")


def test_check(filled):
    report = filled.lines("check", "db/c")[0]
    assert list(report) == ["ok", "files", "bytes", "errors"]
    assert report["ok"] is True and report["errors"] == 0 and report["files"] > 0 and report["bytes"] > 0
    assert "0 errors" in filled.ok("check", "db/c")


def test_check_finds_every_flipped_byte(filled):
    files = [path for path in (filled.folder / "db").rglob("*") if path.is_file()]
    for path in sorted(files, key=lambda path: -path.stat().st_size)[:2]:
        good = path.read_bytes()
        path.chmod(0o644)
        for at in sorted({0, len(good) // 3, len(good) // 2, len(good) - 1}):
            path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
            done = filled.run("check", "db/c", "--json")
            assert done.returncode == 1, (path, at)
            assert all(line.startswith("vss: ") for line in done.stderr.splitlines()) and done.stderr
            if done.stdout:
                report = json.loads(done.stdout)
                assert report["ok"] is False and report["errors"] > 0
        path.write_bytes(good)
    filled.ok("check", "db/c")
