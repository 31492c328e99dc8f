"""Vectors of every type as numpy arrays: what a field takes, and what it gives back.

In: f32, f16 and bf16 fields take numbers of any type, handed over as float32 and rounded by the library; f16 takes
float16 as it is, bf16 takes uint16 bit patterns and ml_dtypes' bfloat16 as they are. i8 and u8 take int8 and uint8.
binary takes uint8, eight components a byte, the lowest bit first, or bool, a component each. Lists of integers are
checked value by value; integers that an array holds in another type are refused.
Out: bf16 comes back as float32, binary packed as uint8, the others as the numpy type of the same name.
"""

import numpy as np

from . import _structs as s
from .errors import InvalidArgument

STORED = {s.VECTOR_F32: np.float32, s.VECTOR_F16: np.float16, s.VECTOR_BF16: np.uint16, s.VECTOR_I8: np.int8,
          s.VECTOR_U8: np.uint8, s.VECTOR_BINARY: np.uint8}
_FLOATS = (s.VECTOR_F32, s.VECTOR_F16, s.VECTOR_BF16)


def width(type_, dim):
    """Elements of an array that holds dim components."""
    return dim // 8 if type_ == s.VECTOR_BINARY else dim


def components(type_, elements):
    """Components that as many elements of an array hold."""
    return elements * 8 if type_ == s.VECTOR_BINARY else elements


def prepare(what, type_, values):
    """(column type, C-contiguous and aligned array of any shape) for a field of the type."""
    array = _array(what, values)
    if type_ in _FLOATS:
        type_, array = _floats(what, type_, array)
    else:
        if type_ == s.VECTOR_BINARY and array.dtype == bool:
            array = _pack(what, array)
        array = _integers(what, type_, array, _is_listed(values))
    return type_, np.require(array, STORED[type_], ["C", "A"])


def natural(type_, stored):
    """What a user gets for an array of stored values."""
    if type_ == s.VECTOR_BF16:
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored


def padded(type_, shape, dim):
    """An array for natural values, full of what stands where there is none: NaN, or 0 where the type has no NaN."""
    dtype = np.float32 if type_ == s.VECTOR_BF16 else STORED[type_]
    return np.full((*shape, width(type_, dim)), np.nan if type_ in _FLOATS else 0, dtype=dtype)


def _is_listed(values):
    return getattr(values, "dtype", None) is None or values.dtype == object


def _array(what, values):
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise InvalidArgument(f"{what}: a vector can't have masked components")
    try:
        array = np.asarray(values)
        if array.dtype.kind == "O":
            array = np.array([_row(row) for row in array])
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgument(f"{what}: not an array of numbers: {' '.join(str(error).split())}") from None
    return array


def _row(row):
    """One row of an array of objects, of the numbers' own type."""
    array = np.asarray(row)
    return np.asarray(array.tolist()) if array.dtype.kind == "O" else array


def _floats(what, type_, array):
    if array.dtype == np.float32:
        return s.VECTOR_F32, array
    if array.dtype.name == "bfloat16":
        if type_ == s.VECTOR_BF16:
            return type_, array.view(np.uint16)
        array = array.astype(np.float32)
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind not in "iuf":
        raise InvalidArgument(f"{what}: expected numbers, got {array.dtype}")
    if kind == "u" and size == 2 and type_ == s.VECTOR_F16:
        raise InvalidArgument(f"{what}: uint16 may be numbers or bit patterns: give .astype('f4') or .view('f2')")
    if kind == "f" and size == 2 and type_ == s.VECTOR_F16 or kind == "u" and size == 2 and type_ == s.VECTOR_BF16:
        return type_, array.astype(STORED[type_], copy=False)
    with np.errstate(over="ignore"):
        return s.VECTOR_F32, array.astype(np.float32, copy=False)


def _pack(what, array):
    """Eight components a byte, the lowest bit first."""
    if array.ndim == 0 or array.shape[-1] % 8:
        bits = array.shape[-1] if array.ndim else 1
        raise InvalidArgument(f"{what}: expected components in multiples of 8, got {bits}")
    return np.packbits(array, axis=-1, bitorder="little")


def _integers(what, type_, array, listed):
    stored = np.dtype(STORED[type_])
    if array.dtype == stored or array.size == 0 and listed:
        return array.astype(stored, copy=False)
    if array.dtype.kind not in "iu" or not listed:
        also = " or bool" if type_ == s.VECTOR_BINARY else ""
        raise InvalidArgument(f"{what}: expected {stored}{also}, got {array.dtype}")
    limits = np.iinfo(stored)
    wrong = (array < limits.min) | (array > limits.max)
    if wrong.any():
        raise InvalidArgument(f"{what}: {array[wrong].flat[0]} does not fit {stored}")
    return array.astype(stored)
