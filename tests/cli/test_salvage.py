"""vss salvage: what is whole comes back, the rest is named, the source stays as it is."""
import numpy as np
import pytest

ROWS = 9000


@pytest.fixture
def damaged(vss):
    """db/c with the fourth chunk of its vectors damaged: rows 3072 to 4095."""
    vss.ok("create", "db/c", "--dim", "64", "--metric", "l2")
    np.save(vss.folder / "v.npy", np.random.default_rng(1).random((ROWS, 64), dtype=np.float32))
    vss.ok("import", "db/c", "--vectors", "v.npy")
    vss.ok("index", "db/c", "hnsw", "--set", "m=8")
    (segment,) = (vss.folder / "db/c/s").iterdir()
    data = bytearray(segment.read_bytes())
    at = data.index(np.load(vss.folder / "v.npy")[3500].tobytes())
    data[at + 9] ^= 1
    segment.chmod(0o644)
    segment.write_bytes(data)
    return vss


def files(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_salvage(damaged):
    vss = damaged
    before = files(vss.folder / "db")
    assert vss.run("check", "db/c").returncode == 1
    *lost, done = vss.lines("salvage", "db/c", "new/c")
    assert len(lost) == 1 and "/s/" in lost[0]["object"] and "rows 3072 to 4095 are lost" in lost[0]["lost"]
    assert (done["rows"], done["lost"], done["errors"]) == (ROWS - 1024, 1024, 1)
    assert files(vss.folder / "db") == before
    assert vss.lines("check", "new/c")[0]["ok"]
    assert vss.lines("inspect", "new/c")[0]["indexes"][0]["params"] == "m=8"
    vss.ok("export", "new/c", "out")
    kept = np.delete(np.load(vss.folder / "v.npy"), np.s_[3072:4096], axis=0)
    assert (np.load(vss.folder / "out/vector.npy") == kept).all()
    vss.ok("import", "new/c", "--vectors", "v.npy")
    assert vss.lines("inspect", "new/c")[0]["rows"] == 2 * ROWS - 1024
    assert vss.ok("salvage", "db/c", "db/again").endswith("db/again: 7,976 rows, 1,024 known to be lost\n")


def test_refusals(damaged):
    vss = damaged
    assert "exists already" in vss.fails("salvage", "db/c", "db/c")
    assert "no collection" in vss.fails("salvage", "db/d", "db/e")
    vss.fails("salvage", "db/c", code=2)
    vss.fails("salvage", "db/c", "e", code=2)
    vss.fails("salvage", "c", "db/e", code=2)
    for manifest in (vss.folder / "db/c/m").iterdir():
        manifest.chmod(0o644)
        manifest.write_bytes(b"nothing")
    done = vss.run("salvage", "db/c", "db/e")
    assert done.returncode == 1 and done.stderr.startswith('vss: no manifest of collection "c" can be read: ')
    assert done.stdout.count("\n") == 3
    assert not (vss.folder / "db/e").exists()
