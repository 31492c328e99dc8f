"""vss inspect FILE: every kind of stored file, sound and damaged."""
import numpy as np
import pytest


@pytest.fixture
def stored(vss):
    vss.ok("create", "db/c", "--dim", "4", "--metric", "cosine")
    np.save(vss.folder / "v.npy", np.random.default_rng(2).random((5000, 4), dtype=np.float32))
    vss.ok("import", "db/c", "--vectors", "v.npy")
    vss.ok("index", "db/c", "hnsw", "--set", "m=4")
    vss.ok("delete", "db/c", "--filter", "id < 7")
    return vss


def one(vss, folder):
    return sorted((vss.folder / "db/c" / folder).iterdir())[-1]


def damage(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 8
    path.chmod(0o644)
    path.write_bytes(data)


@pytest.mark.parametrize("folder, kind, said", [
    ("m", "manifest", {"version": 4, "segments": 1}), ("s", "segment", {"rows": 5000}),
    ("i", "index", {"rows": 5000, "type": "hnsw", "metric": "cosine", "dim": 4}),
    ("d", "deletes", {"rows": 5000, "deleted": 7})])
def test_sound(stored, folder, kind, said):
    path = one(stored, folder)
    lines = stored.lines("inspect", path)
    assert lines[0]["group"] == "file" and lines[0]["kind"] == kind and lines[0]["bytes"] == path.stat().st_size
    assert {name: lines[0][name] for name in said} == said
    if kind != "manifest":
        assert lines[-1] == {"group": "manifest", "tail": "ok"}
        assert all(line["hash"] == "ok" for line in lines[1:-1]) and len(lines) == lines[0]["blocks"] + 2
    table = stored.ok("inspect", path)
    assert kind in table and ("blocks" in table or "references" in table)


@pytest.mark.parametrize("folder", "sid")
def test_damaged(stored, folder):
    path = one(stored, folder)
    damage(path, 70)
    done = stored.run("inspect", path, "--json")
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "1 of " in done.stderr
    assert done.stdout.count('"damaged"') == 1
    damage(path, 70)
    damage(path, path.stat().st_size - 68)  # the hash of the last block, in the directory
    done = stored.run("inspect", path)
    assert done.returncode == 1 and "on its directory: damaged" in done.stdout


def test_not_named_and_nowhere(stored):
    first = one(stored, "s")
    (stored.folder / "db/c/s/copy").write_bytes(first.read_bytes())
    assert "on its directory: not named" in stored.ok("inspect", "db/c/s/copy")
    (stored.folder / "copy").write_bytes(first.read_bytes())
    assert "on its directory" not in stored.ok("inspect", "copy")


@pytest.mark.parametrize("data", [b"", b"x", b"\x89VSS\r\n\x1a\n", b"\x89VSM\r\n\x1a\n" + bytes(100),
                                  b"\x89VSW\r\n\x1a\n" + bytes(100), bytes(5000),
                                  b"\x89VSS\r\n\x1a\n" + b"\xff" * 5000])
def test_hostile(vss, data):
    vss.write("file", data)
    assert '"file"' in vss.fails("inspect", "file")
