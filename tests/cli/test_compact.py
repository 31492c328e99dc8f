"""vss compact: fewer segments, fewer bytes, the same rows."""
import numpy as np


def test_compact(vss):
    vss.ok("create", "db/c", "--dim", "4", "--metric", "l2")
    for start in range(3):
        vectors = np.arange(start * 2000, start * 2000 + 2000, dtype=np.float32).reshape(500, 4)
        np.save(vss.folder / f"{start}.npy", vectors)
        vss.ok("import", "db/c", "--vectors", f"{start}.npy")
    vss.ok("delete", "db/c", "--filter", "id < 700")
    before = vss.lines("inspect", "db/c")[0]
    assert (before["rows"], before["deleted"], before["segments"]) == (800, 700, 3)
    (done,) = vss.lines("compact", "db/c")
    assert (done["rows"], done["segments_before"], done["segments"]) == (800, 3, 1)
    assert done["bytes"] < done["bytes_before"]
    after = vss.lines("inspect", "db/c")[0]
    assert (after["rows"], after["deleted"], after["segments"]) == (800, 0, 1)
    assert vss.lines("check", "db/c")[0]["ok"]
    assert sum(path.stat().st_size for path in (vss.folder / "db").rglob("*") if path.is_file()) == after["bytes"]
    assert vss.ok("compact", "db/c").startswith("db/c: 1 segments and ")


def test_compact_of_nothing(vss):
    assert "no collection" in vss.fails("compact", "db/c") or "can't open" in vss.fails("compact", "db/c")
    vss.fails("compact", "c", code=2)
    vss.fails("compact", code=2)


def test_purge(vss):
    """No file holds a byte of what was deleted, where a compaction leaves some."""
    vectors = np.arange(4000, dtype=np.float32).reshape(1000, 4) + 1e7
    np.save(vss.folder / "v.npy", vectors)
    vss.ok("create", "db/c", "--dim", "4", "--metric", "l2")
    vss.ok("import", "db/c", "--vectors", "v.npy")
    vss.ok("delete", "db/c", "--filter", "id == 500")

    def found():
        files = [path for path in (vss.folder / "db").rglob("*") if path.is_file()]
        return sum(vectors[500].tobytes() in path.read_bytes() for path in files)

    vss.ok("compact", "db/c")
    assert found() == 1
    (done,) = vss.lines("compact", "db/c", "--purge")
    assert done["rows"] == 999 and found() == 0
    assert vss.lines("inspect", "db/c")[0]["deleted"] == 0
    assert vss.lines("check", "db/c")[0]["ok"]
