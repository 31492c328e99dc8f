"""Collection.scan: every row by column, as insert takes it."""
import numpy as np
import pytest

import vss


def test_all_rows_and_fields(col):
    col.flush()
    col.delete(["b"])
    col.insert({"name": ["d"], "size": [40], "vec": [[9, 9, 9, 9]]})
    rows = col.scan()
    assert list(rows) == ["name", "size", "vec"]
    assert rows["name"] == ["a", "c", "d"] and rows["size"] == [10, 30, 40]
    assert rows["vec"].tolist() == [[0, 0, 0, 0], [2, 0, 0, 0], [9, 9, 9, 9]] and rows["vec"].dtype == np.float32


def test_filter_fields_and_batches(numbers):
    rows = numbers.scan(["n"], filter="n >= 150")
    assert rows["id"].dtype == np.int64 and rows["id"].tolist() == rows["n"] == list(range(150, 600))
    numbers.insert({"n": np.arange(600, 9000, dtype=np.int32), "v": np.ones((8400, 2), np.float32)})
    rows = numbers.scan()
    assert rows["id"].tolist() == list(range(9000)) and rows["v"].shape == (9000, 2)


def test_nothing(numbers):
    rows = numbers.scan(filter="n > 10000")
    assert rows["id"].shape == (0,) and rows["n"] == [] and rows["v"].shape == (0, 2)


def test_goes_into_another_collection(db, col):
    other = db.create_collection("other", [
        {"name": "name", "type": "string", "primary": True},
        {"name": "size", "type": "int64", "nullable": True},
        {"name": "vec", "type": "vector<f32>", "dim": 4, "metric": "l2"}])
    other.insert(col.scan())
    assert other.get(["a", "b", "c"])[1]["size"] is None and len(other) == 3


def test_refusals(col):
    with pytest.raises(vss.InvalidArgument):
        col.scan(["nope"])
    with pytest.raises(vss.InvalidArgument):
        col.scan(filter="size <")
    with pytest.raises(vss.InvalidArgument):
        col.scan("name")
    col.close()
    with pytest.raises(vss.Error):
        col.scan()


def test_salvage(tmp_path, db, numbers):
    everything = numbers.scan()
    numbers.flush()
    segment = sorted((tmp_path / "db" / "numbers" / "s").iterdir())[0]
    numbers.close()
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.chmod(0o644)
    segment.write_bytes(data)
    with vss.open("mem:") as other:
        report = db.salvage("numbers", other, "saved")
        assert report.rows + report.lost == 600 and report.rows == len(other.collection("saved"))
        assert all("numbers/s/" in line for line in report.lines)
        saved = other.collection("saved").scan()
        assert set(saved["id"].tolist()) <= set(everything["id"].tolist())
        with pytest.raises(vss.Exists):
            db.salvage("numbers", other, "saved")
        with pytest.raises(vss.NotFound):
            db.salvage("nothing", other, "x")
    with pytest.raises(vss.InvalidArgument):
        db.salvage("numbers", "other", "x")
