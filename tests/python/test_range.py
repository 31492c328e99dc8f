"""Search by range: all rows whose distance lies between two bounds, against numpy."""
import numpy as np
import pytest
import vss


@pytest.fixture(name="rows")
def fixture_rows():
    return np.random.default_rng(7).integers(0, 6, (3000, 5)).astype(np.float32)


def open_collection(db, rows):
    col = db.create_collection("c", fields=[{"name": "id", "type": "int64", "primary": True},
                                            {"name": "v", "type": "vector<f32>", "dim": rows.shape[1], "metric": "l2"}])
    col.insert({"id": np.arange(len(rows)), "v": rows})
    return col


@pytest.mark.parametrize("low, high", [(None, 9), (4, 9), (4, None), (9, 9), (-5, -1)])
def test_range_holds_every_row_between_its_bounds(rows, low, high):
    with vss.open("mem:") as db:
        col = open_collection(db, rows)
        query = np.array([2, 3, 1, 4, 0], dtype=np.float32)
        distances = ((rows - query) ** 2).sum(axis=1)
        inside = (distances >= (-np.inf if low is None else low)) & (distances <= (np.inf if high is None else high))
        order = np.lexsort((np.arange(len(rows)), distances))
        expected = order[inside[order]]
        hits = col.search(query, k=3000, within=(low, high))
        assert hits.keys[0][:hits.counts[0]].tolist() == expected.tolist()
        assert not hits.capped
        few = col.search(query, k=3, within=(low, high))
        assert few.keys[0][:few.counts[0]].tolist() == expected[:3].tolist()
        assert few.capped == (len(expected) > 3)


@pytest.mark.parametrize("within", [3, (1, 2, 3), ("a", "b"), (30, 20)])
def test_range_of_another_form_is_refused(rows, within):
    with vss.open("mem:") as db:
        col = open_collection(db, rows)
        with pytest.raises(vss.InvalidArgument, match="within|range"):
            col.search(rows[0], within=within)
