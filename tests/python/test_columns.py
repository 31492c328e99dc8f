"""Columns without a collection: what is encoded is decoded to the same values."""

import datetime

import numpy as np
import pytest

from vss import _structs as s
from vss import columns
from vss.columns import Field
from vss.errors import InvalidArgument

UTC = datetime.timezone.utc


def field(type_, element=0, flags=s.NULLABLE):
    return Field("f", type_, element, 0, 0, flags)


def round_trip(given, values):
    column = columns.encode(given, values)
    assert column.info.length == len(values)
    return column.info.type, columns.decode(column.info)


@pytest.mark.parametrize("type_, values", [
    (s.BOOL, [True, False] * 9), (s.INT8, [-128, 0, 127]), (s.INT16, [-32768, 32767]), (s.INT32, [-2**31, 2**31 - 1]),
    (s.INT64, [-2**63, 2**63 - 1]), (s.FLOAT32, [0.5, -0.0]), (s.FLOAT64, [0.1, 1e308]),
    (s.STRING, ["", "aé", "\0", "🙂"]),
    (s.JSON, [{"a": [1, 2.5, None, True]}, [], "x", 5]),
    (s.TIMESTAMP, [datetime.datetime(1, 1, 1, tzinfo=UTC), datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)]),
])
def test_scalars(type_, values):
    assert round_trip(field(type_), values) == (type_, values)
    assert round_trip(field(type_), []) == (type_, [])
    for at in range(len(values) + 1):
        nulls = values[:at] + [None] + values[at:]
        assert round_trip(field(type_), nulls) == (type_, nulls)
    assert round_trip(field(type_), [None] * 17) == (type_, [None] * 17)
    assert round_trip(field(type_), tuple(values))[1] == values
    assert round_trip(field(type_), np.array(values + [None], dtype=object))[1] == values + [None]
    if type_ != s.JSON:
        rows = [values, [], None, values * 2]
        assert round_trip(field(s.ARRAY, type_), rows) == (s.ARRAY, rows)


@pytest.mark.parametrize("dtype, type_", [
    ("b1", s.BOOL), ("i1", s.INT8), ("i2", s.INT16), ("i4", s.INT32), ("i8", s.INT64), ("u1", s.INT16), ("u2", s.INT32),
    ("u4", s.INT64), ("u8", s.INT64), ("f2", s.FLOAT32), ("f4", s.FLOAT32), ("f8", s.FLOAT64), (">i4", s.INT32),
    (">u2", s.INT32), (">f8", s.FLOAT64),
])
def test_arrays_keep_their_type(dtype, type_):
    array = np.array([0, 1, 1, 0, 1, 0, 0, 1, 1, 1], dtype=dtype)
    for view in (array, array[::3], array[::-1], array[:0]):
        assert round_trip(field(s.INT64), view) == (type_, view.tolist())
    masked = np.ma.masked_array(array, mask=array.astype(bool))
    assert round_trip(field(s.INT64), masked)[1] == [None if value else 0 for value in array.tolist()]
    assert not columns.encode(field(s.INT64), np.ma.masked_array(array)).info.validity


@pytest.mark.parametrize("unit", ["D", "s", "ms", "us", "ns"])
def test_times(unit):
    array = np.array(["2026-01-02", "NaT"], dtype=f"datetime64[{unit}]")
    moment = datetime.datetime(2026, 1, 2, tzinfo=UTC)
    assert round_trip(field(s.TIMESTAMP), array) == (s.TIMESTAMP, [moment, None])
    assert round_trip(field(s.TIMESTAMP), list(array)) == (s.TIMESTAMP, [moment, None])
    assert round_trip(field(s.ARRAY, s.TIMESTAMP), [array[:1]]) == (s.ARRAY, [[moment]])
    assert round_trip(field(s.TIMESTAMP), np.array([0], dtype=np.int64))[0] == s.TIMESTAMP


@pytest.mark.parametrize("type_, values", [
    (s.INT8, [128]), (s.INT8, [-129]), (s.INT64, [2**63]), (s.INT64, [1, 2**64]), (s.INT64, [True]), (s.INT64, [1.0]),
    (s.INT64, ["1"]), (s.FLOAT64, [True]), (s.FLOAT64, ["1"]), (s.FLOAT64, [10**400]), (s.BOOL, [1]), (s.STRING, [1]),
    (s.STRING, [b"x"]), (s.STRING, ["\udfff"]), (s.STRING, "x"), (s.STRING, {"a"}), (s.TIMESTAMP, ["yesterday"]),
    (s.TIMESTAMP, [1.5]), (s.TIMESTAMP, [True]), (s.TIMESTAMP, [2**63]), (s.TIMESTAMP, [datetime.date(2026, 1, 1)]),
    (s.JSON, [object()]), (s.JSON, [float("inf")]), (s.JSON, [{1j: 1}]), (s.INT64, [[1], [1, 2]]),
    (s.INT64, np.zeros((2, 2))), (s.INT64, np.array([b"x"])), (s.INT64, np.array([(1, 2)], dtype="i4,i4")),
    (s.INT64, 5), (s.INT64, None), (s.INT64, object()), (s.INT64, np.int64(5)),
])
def test_refused(type_, values):
    with pytest.raises(InvalidArgument, match='^field "f": [^\n]+$'):
        columns.encode(field(type_), values)


def test_refused_row_is_named():
    with pytest.raises(InvalidArgument, match='field "f": row 2: expected int64, got str'):
        columns.encode(field(s.INT64), [1, None, "x", 1.5])
    with pytest.raises(InvalidArgument, match='field "f": row 1: 300 does not fit int8'):
        columns.encode(field(s.INT8), [None, 300])


def test_vectors():
    given = field(s.VECTOR_F32)
    array = np.arange(12.0).reshape(3, 4)
    for values in (array, array.tolist(), list(array), tuple(array), array.astype(np.int8), array.astype(">f4"),
                   np.asfortranarray(array), array.astype(object), np.ma.masked_array(array)):
        column = columns.encode(given, values)
        assert (column.info.type, column.info.length, column.info.dim) == (s.VECTOR_F32, 3, 4)
        assert np.array_equal(columns.decode_vectors(column.info), array)
    same = array.astype(np.float32)
    assert columns.encode(given, same).info.data == same.ctypes.data  # borrowed, not copied
    assert columns.encode(given, []).info.length == 0
    assert columns.encode(given, np.zeros((0, 4))).info.dim == 4
