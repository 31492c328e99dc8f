"""Values of Python to columns of the library and back.

In: numpy arrays keep their type, and the library judges whether it fits the field (integers widen, float32 widens to
float64). Lists take the field's type, value by value checked. None, masked and NaT values are nulls. Arrow arrays are
taken as numpy where they can be, else as lists. What vectors are made from, and what they become, is in vectors.py.
Out: nulls are None, timestamps are datetimes in UTC, json is what the text means.
"""

import ctypes
import datetime
import itertools
import json
from typing import NamedTuple

import numpy as np

from . import _structs as s
from . import vectors
from .errors import InvalidArgument

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MICROSECOND = datetime.timedelta(microseconds=1)
_TYPE_DTYPES = {s.INT8: np.int8, s.INT16: np.int16, s.INT32: np.int32, s.INT64: np.int64, s.FLOAT32: np.float32,
                s.FLOAT64: np.float64, s.TIMESTAMP: np.int64}
_DTYPE_TYPES = {"i1": s.INT8, "i2": s.INT16, "i4": s.INT32, "i8": s.INT64, "f4": s.FLOAT32, "f8": s.FLOAT64}
_WIDER = {"u1": np.int16, "u2": np.int32, "u4": np.int64, "u8": np.int64, "f2": np.float32}
_INT64_MAX = np.uint64(2**63 - 1)  # not a plain int: older numpy would compare as float64
_INTEGERS = (s.INT8, s.INT16, s.INT32, s.INT64)
_FLOATS = (s.FLOAT32, s.FLOAT64)


class Field(NamedTuple):
    """One field of a collection's schema."""
    name: str
    type: int
    element: int
    dim: int
    metric: int
    flags: int

    @property
    def type_name(self):
        if self.type == s.ARRAY:
            return f"array<{s.TYPE_NAMES[self.element]}>"
        return s.TYPE_NAMES.get(self.type, str(self.type))

    @property
    def is_vector(self):
        return self.type >= s.VECTOR_F32

    @property
    def is_key(self):
        return bool(self.flags & s.PRIMARY)


class Column:
    """A vss_column and the memory that it borrows."""

    __slots__ = ("info", "_keep")

    def __init__(self, type_, length, data, dim=0, offsets=None, nulls=None):
        validity = None if nulls is None else np.packbits(~nulls, bitorder="little")
        self.info = s.ColumnInfo(type=type_, dim=dim, length=length, validity=_address(validity),
                                 offsets=_address(offsets), data=_address(data))
        self._keep = (data, offsets, validity)


def _address(memory):
    if memory is None:
        return None
    if isinstance(memory, np.ndarray):
        return memory.ctypes.data
    if isinstance(memory, Column):
        return ctypes.addressof(memory.info)
    return ctypes.cast(ctypes.c_char_p(memory), ctypes.c_void_p).value


# ---- in ----

def encode(field, values):
    """The column of a field's values, borrowed where the memory fits, else copied."""
    values = _plain(field, values)
    if field.is_vector:
        return _encode_vectors(field, values)
    if isinstance(values, np.ndarray) and values.ndim != 1 and field.type != s.ARRAY:
        raise InvalidArgument(f'field "{field.name}": expected one dimension, got shape {values.shape}')
    if isinstance(values, np.ndarray) and values.dtype.kind in "biufM" and field.type not in (s.ARRAY, s.JSON):
        return _encode_typed(field, values)
    if isinstance(values, np.ndarray):
        values = list(values) if field.type == s.ARRAY and values.ndim == 2 else values.tolist()
    return _encode_list(field, values)


def encode_keys(field, keys):
    """Keys to look up, one or many: int64 or string whatever integers they came as."""
    if isinstance(keys, (str, int, np.integer)) and not isinstance(keys, bool):
        keys = [keys]
    keys = _plain(field, keys)
    if field.type == s.INT64 and isinstance(keys, np.ndarray) and keys.dtype.kind in "iu":
        keys = _signed(field, keys).astype(np.int64)
    column = encode(field, keys)
    if column.info.type != field.type:
        got = s.TYPE_NAMES[column.info.type]
        raise InvalidArgument(f'field "{field.name}": expected {field.type_name}, got {got}')
    if column.info.validity:
        raise InvalidArgument(f'field "{field.name}": a key is null')
    return column


def encode_queries(type_, values):
    """[n][dim], or [dim] for one query, of a vector field."""
    type_, array = vectors.prepare("queries", type_, values)
    return _encode_matrix("queries", "n", type_, array.reshape(1, -1) if array.ndim == 1 else array)


def _encode_vectors(field, values):
    what = f'field "{field.name}"'
    type_, array = vectors.prepare(what, field.type, values)
    if array.ndim == 1 and array.size == 0:  # an empty list
        array = array.reshape(0, vectors.width(field.type, field.dim))
    return _encode_matrix(what, "rows", type_, array)


def _encode_matrix(what, axis, type_, array):
    if array.ndim != 2:
        raise InvalidArgument(f"{what}: expected an array of shape [{axis}][dim], got shape {array.shape}")
    dim = vectors.components(type_, array.shape[1])
    if dim > 0xffffffff:
        raise InvalidArgument(f"{what}: dimension {dim} is too large")
    return Column(type_, array.shape[0], array, dim=dim)


def _plain(field, values):
    """A list or a numpy array."""
    if isinstance(values, (list, np.ndarray)):
        return values
    if hasattr(values, "to_pylist"):
        return _plain_arrow(values)
    if hasattr(values, "__array__") and not isinstance(values, np.generic):
        return np.asarray(values)
    if not isinstance(values, (str, bytes, bytearray, dict, set)):
        try:
            return list(values)
        except TypeError:
            pass
    raise InvalidArgument(f'field "{field.name}": expected a list or an array, got {type(values).__name__}')


def _plain_arrow(values):
    """An Arrow array or chunked array as numpy where it holds plain numbers or vectors of them, else as a list."""
    if hasattr(values, "combine_chunks"):
        values = values.combine_chunks()
    width = getattr(values.type, "list_size", None)
    if width and values.null_count == 0 and hasattr(values, "flatten"):
        flat = values.flatten()
        if flat.null_count == 0:
            return flat.to_numpy(zero_copy_only=False).reshape(-1, width)
    if values.null_count == 0:
        array = values.to_numpy(zero_copy_only=False)
        if array.dtype.kind in "biuf":
            return array
    return values.to_pylist()


def _signed(field, array):
    """The same numbers as a native type that the library knows."""
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    name = array.dtype.str[1:]
    if name == "u8" and array.size and array.max() > _INT64_MAX:
        row = int(np.argmax(array > _INT64_MAX))
        raise InvalidArgument(f'field "{field.name}": row {row}: {array.flat[row]} does not fit int64')
    return array.astype(_WIDER[name]) if name in _WIDER else array


def _encode_typed(field, array):
    """One dimension of bool, numbers or datetime64: the column has the array's type."""
    nulls = None
    if isinstance(array, np.ma.MaskedArray):
        nulls = np.ma.getmaskarray(array) if np.ma.is_masked(array) else None
        array = array.filled(0) if nulls is not None else np.asarray(array)
    if array.dtype.kind == "b":
        return Column(s.BOOL, array.size, np.packbits(array, bitorder="little"), nulls=nulls)
    if array.dtype.kind == "M":
        missing = np.isnat(array)
        nulls = missing | (nulls if nulls is not None else False) if missing.any() else nulls
        array = array.astype("datetime64[us]").astype(np.int64)
        return Column(s.TIMESTAMP, array.size, np.ascontiguousarray(array), nulls=nulls)
    array = np.require(_signed(field, array), requirements=["C", "A"])
    type_ = _DTYPE_TYPES.get(array.dtype.str[1:])
    if type_ is None:
        raise InvalidArgument(f'field "{field.name}": expected {field.type_name}, got {array.dtype}')
    if field.type == s.TIMESTAMP and type_ == s.INT64:
        type_ = s.TIMESTAMP
    return Column(type_, array.size, array, nulls=nulls)


def _encode_list(field, values):
    """Python values, of the field's type or refused."""
    if field.type == s.TIMESTAMP:
        values = [None if _is_nat(value) else value for value in values]
    nulls = None
    if any(value is None for value in values):
        nulls = np.fromiter((value is None for value in values), bool, len(values))
    if field.type == s.BOOL:
        _check_types(field, values, (bool, np.bool_))
        bits = np.fromiter((bool(value) for value in values), bool, len(values))
        return Column(s.BOOL, len(values), np.packbits(bits, bitorder="little"), nulls=nulls)
    if field.type in _INTEGERS:
        _check_types(field, values, (int, np.integer), (bool,))
        return _encode_integers(field, values, nulls)
    if field.type in _FLOATS:
        _check_types(field, values, (float, int, np.floating, np.integer), (bool,))
        return _encode_floats(field, values, nulls)
    if field.type == s.STRING:
        _check_types(field, values, (str,))
        return _encode_texts(field, ["" if value is None else value for value in values], nulls)
    if field.type == s.JSON:
        return _encode_texts(field, _dump(field, values), nulls)
    if field.type == s.TIMESTAMP:
        micros = [0 if value is None else _micros(field, row, value) for row, value in enumerate(values)]
        return _encode_integers(field, micros, nulls)
    if field.type == s.ARRAY:
        return _encode_arrays(field, values, nulls)
    raise InvalidArgument(f'field "{field.name}": this package does not know type {field.type}')


def _is_nat(value):
    return value is not None and not isinstance(value, (list, np.ndarray)) and value != value


def _check_types(field, values, allowed, barred=()):
    """Every value is None or of an allowed class; else name the first row that is not."""
    wrong = {kind for kind in set(map(type, values))
             if kind is not type(None) and (not issubclass(kind, allowed) or issubclass(kind, barred))}
    if wrong:
        row = next(row for row, value in enumerate(values) if type(value) in wrong)
        got = type(values[row]).__name__
        raise InvalidArgument(f'field "{field.name}": row {row}: expected {field.type_name}, got {got}')


def _encode_integers(field, values, nulls):
    limits = np.iinfo(_TYPE_DTYPES[field.type])
    numbers = [0 if value is None else int(value) for value in values] if nulls is not None else values
    if numbers and not (limits.min <= min(numbers) and max(numbers) <= limits.max):
        row = next(row for row, value in enumerate(numbers) if not limits.min <= value <= limits.max)
        raise InvalidArgument(f'field "{field.name}": row {row}: {numbers[row]} does not fit {field.type_name}')
    return Column(field.type, len(values), np.array(numbers, dtype=_TYPE_DTYPES[field.type]), nulls=nulls)


def _encode_floats(field, values, nulls):
    try:
        array = np.array([0.0 if value is None else float(value) for value in values], dtype=np.float64)
    except OverflowError as error:
        raise InvalidArgument(f'field "{field.name}": {_line(error)}') from None
    with np.errstate(over="ignore"):
        array = array.astype(_TYPE_DTYPES[field.type], copy=False)
    return Column(field.type, len(values), array, nulls=nulls)


def _encode_texts(field, values, nulls):
    try:
        parts = [value.encode("utf-8") for value in values]
    except UnicodeEncodeError:
        row = next(row for row, value in enumerate(values) if not _is_unicode(value))
        raise InvalidArgument(f'field "{field.name}": row {row}: not a Unicode text') from None
    return Column(field.type, len(parts), b"".join(parts), offsets=_offsets(parts), nulls=nulls)


def _is_unicode(value):
    return not any("\ud800" <= letter <= "\udfff" for letter in value)


def _dump(field, values):
    """The JSON text of each value; empty for a null."""
    texts = []
    for row, value in enumerate(values):
        try:
            texts.append("" if value is None else json.dumps(value, ensure_ascii=False, allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidArgument(f'field "{field.name}": row {row}: not JSON: {_line(error)}') from None
    return texts


def _micros(field, row, value):
    """Microseconds since 1970 UTC. A datetime without a zone is UTC."""
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, np.datetime64):
        return int(value.astype("datetime64[us]").astype(np.int64))
    if isinstance(value, str):
        try:
            value = datetime.datetime.fromisoformat(value[:-1] + "+00:00" if value.endswith(("Z", "z")) else value)
        except ValueError:
            raise InvalidArgument(f'field "{field.name}": row {row}: not an ISO 8601 time: {value!a}') from None
    if not isinstance(value, datetime.datetime):
        raise InvalidArgument(f'field "{field.name}": row {row}: expected timestamp, got {type(value).__name__}')
    if value.tzinfo is None:
        value = value.replace(tzinfo=datetime.timezone.utc)
    return (value - _EPOCH) // _MICROSECOND


def _encode_arrays(field, values, nulls):
    rows = [_elements(value) for value in values]
    for row, value in enumerate(rows):
        if not isinstance(value, (list, tuple)):
            got = type(value).__name__
            raise InvalidArgument(f'field "{field.name}": row {row}: expected {field.type_name}, got {got}')
        if any(element is None for element in value):
            raise InvalidArgument(f'field "{field.name}": row {row}: an element is null')
    element = field._replace(type=field.element, element=0)
    child = _encode_list(element, list(itertools.chain.from_iterable(rows)))
    return Column(s.ARRAY, len(rows), child, offsets=_offsets(rows), nulls=nulls)


def _elements(row):
    """One row of an array field as a list; what is none is refused by the caller."""
    if isinstance(row, np.ndarray):
        return row.astype("datetime64[us]").tolist() if row.dtype.kind == "M" else row.tolist()
    return [] if row is None else row


def _offsets(parts):
    offsets = np.zeros(len(parts) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, parts), np.int64, len(parts)), out=offsets[1:])
    return offsets


def _line(error):
    return " ".join(str(error).split())


# ---- out ----

def memory(address, dtype, count):
    """A copy of borrowed memory."""
    array = np.empty(count, dtype=dtype)
    if array.nbytes:
        ctypes.memmove(array.ctypes.data, address, array.nbytes)
    return array


def decode_numbers(info):
    """int64 keys or the like: an array, nulls not looked at."""
    return memory(info.data, _TYPE_DTYPES[info.type], info.length)


def decode_vectors(info):
    """[length][dim], of binary [length][dim / 8]."""
    width = vectors.width(info.type, info.dim)
    stored = memory(info.data, vectors.STORED[info.type], info.length * width)
    return vectors.natural(info.type, stored.reshape(info.length, width))


def decode(info):
    """A list of Python values; of arrays for vectors."""
    values = _decode_values(info)
    if info.validity:
        bits = memory(info.validity, np.uint8, (info.length + 7) // 8)
        for row in np.flatnonzero(np.unpackbits(bits, count=info.length, bitorder="little") == 0):
            values[row] = None
    return values


def _decode_values(info):
    if info.type == s.BOOL:
        bits = memory(info.data, np.uint8, (info.length + 7) // 8)
        return np.unpackbits(bits, count=info.length, bitorder="little").astype(bool).tolist()
    if info.type == s.TIMESTAMP:
        return [_moment(micros) for micros in decode_numbers(info).tolist()]
    if info.type in vectors.STORED:
        return [row.copy() for row in decode_vectors(info)]
    if info.type in _TYPE_DTYPES:
        return decode_numbers(info).tolist()
    offsets = memory(info.offsets, np.int64, info.length + 1).tolist()
    if info.type == s.ARRAY:
        elements = decode(s.ColumnInfo.from_address(info.data))
        return [elements[begin:end] for begin, end in zip(offsets, offsets[1:])]
    data = ctypes.string_at(info.data, offsets[-1]) if offsets[-1] else b""
    texts = [data[begin:end].decode("utf-8", "replace") for begin, end in zip(offsets, offsets[1:])]
    return [json.loads(text) if text else None for text in texts] if info.type == s.JSON else texts


def _moment(micros):
    """A datetime in UTC; numpy's where the year is beyond 1 to 9999."""
    try:
        return _EPOCH + datetime.timedelta(microseconds=micros)
    except OverflowError:
        return np.datetime64(micros, "us")
