"""Find and load libvss.so.0, declare its functions, and call them.

The library is looked for in this order: the file that the environment variable VSS_LIBRARY names, beside this package,
in build/release of a source tree, and where the system keeps its libraries.
"""

import ctypes
import ctypes.util
import os
from ctypes import POINTER, c_char_p, c_float, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

from . import _structs as s
from . import errors

VERSION = (0, 1)  # major and minor of the headers that _structs mirrors
FILE = "libvss.so.0"

_error = POINTER(s.ErrorInfo)
_texts = POINTER(c_char_p)

# name: (result, arguments). A function that can fail returns vss_status (an int) and takes the error last.
_FUNCTIONS = {
    "vss_version": (c_char_p, []),
    "vss_simd_level": (c_char_p, []),
    "vss_db_open": (c_int, [c_char_p, POINTER(s.DbOptions), POINTER(c_void_p), _error]),
    "vss_db_close": (c_int, [c_void_p, _error]),
    "vss_db_memory": (c_int, [c_void_p, POINTER(c_uint64), POINTER(c_uint64), _error]),
    "vss_db_list": (c_int, [c_void_p, POINTER(_texts), POINTER(c_size_t), _error]),
    "vss_names_free": (None, [_texts]),
    "vss_schema_parse": (c_int, [c_char_p, c_size_t, POINTER(POINTER(s.SchemaInfo)), _error]),
    "vss_schema_free": (None, [POINTER(s.SchemaInfo)]),
    "vss_collection_create": (c_int, [c_void_p, c_char_p, POINTER(s.SchemaInfo), POINTER(c_void_p), _error]),
    "vss_collection_open": (c_int, [c_void_p, c_char_p, POINTER(c_void_p), _error]),
    "vss_collection_close": (c_int, [c_void_p, _error]),
    "vss_collection_drop": (c_int, [c_void_p, c_char_p, _error]),
    "vss_collection_schema": (POINTER(s.SchemaInfo), [c_void_p]),
    "vss_collection_schema_json": (c_char_p, [c_void_p]),
    "vss_collection_stats_get": (c_int, [c_void_p, POINTER(s.StatsInfo), _error]),
    "vss_collection_insert": (c_int, [c_void_p, POINTER(s.Batch), POINTER(s.WriteInfo), _error]),
    "vss_collection_upsert": (c_int, [c_void_p, POINTER(s.Batch), POINTER(s.WriteInfo), _error]),
    "vss_collection_delete": (c_int, [c_void_p, POINTER(s.ColumnInfo), POINTER(s.WriteInfo), _error]),
    "vss_collection_delete_where": (c_int, [c_void_p, c_char_p, POINTER(s.WriteInfo), _error]),
    "vss_collection_get": (c_int, [c_void_p, POINTER(s.ColumnInfo), _texts, c_size_t, POINTER(c_void_p), _error]),
    "vss_collection_count": (c_int, [c_void_p, c_char_p, POINTER(c_uint64), _error]),
    "vss_collection_scan": (c_int, [c_void_p, POINTER(s.ScanOptions), s.SCAN_FN, c_void_p, _error]),
    "vss_collection_flush": (c_int, [c_void_p, _error]),
    "vss_collection_compact": (c_int, [c_void_p, _error]),
    "vss_collection_purge": (c_int, [c_void_p, _error]),
    "vss_collection_search": (c_int, [c_void_p, POINTER(s.SearchRequest), POINTER(c_void_p), _error]),
    "vss_result_queries": (c_size_t, [c_void_p]),
    "vss_result_rows": (c_size_t, [c_void_p]),
    "vss_result_offsets": (POINTER(c_int64), [c_void_p]),
    "vss_result_keys": (POINTER(s.ColumnInfo), [c_void_p]),
    "vss_result_distances": (POINTER(c_float), [c_void_p]),
    "vss_result_field": (POINTER(s.ColumnInfo), [c_void_p, c_char_p]),
    "vss_result_flags_get": (c_uint32, [c_void_p]),
    "vss_result_explain": (POINTER(s.ExplainInfo), [c_void_p]),
    "vss_result_free": (None, [c_void_p]),
    "vss_collection_build_index": (c_int, [c_void_p, c_char_p, c_char_p, c_char_p, POINTER(s.BuildOptions), _error]),
    "vss_collection_indexes": (c_int, [c_void_p, s.INDEX_FN, c_void_p, _error]),
    "vss_index_estimate": (c_int, [c_char_p, c_char_p, c_int, c_int, c_uint32, c_uint64, c_uint32,
                                   POINTER(s.IndexCost), _error]),
    "vss_collection_choose_index": (c_int, [c_void_p, c_char_p, c_uint64, c_uint32, POINTER(s.IndexChoice), _error]),
    "vss_index_type": (c_char_p, [c_size_t]),
    "vss_plugin_load": (c_int, [c_char_p, _error]),
    "vss_device_load": (c_int, [c_char_p, c_char_p, _error]),
    "vss_index_param": (c_int, [c_char_p, c_size_t, POINTER(s.ParamInfo), _error]),
    "vss_collection_check": (c_int, [c_void_p, c_char_p, s.CHECK_FN, c_void_p, s.PROGRESS_FN, c_void_p,
                                     POINTER(s.CheckInfo), _error]),
    "vss_collection_salvage": (c_int, [c_void_p, c_char_p, c_void_p, c_char_p, s.CHECK_FN, c_void_p, s.PROGRESS_FN,
                                       c_void_p, POINTER(s.SalvageInfo), _error]),
}


def _library_paths():
    """Where the library may be, best first."""
    named = os.environ.get("VSS_LIBRARY")
    if named:
        return [named]
    here = os.path.dirname(os.path.abspath(__file__))
    tree = os.path.normpath(os.path.join(here, "..", "..", "..", "build", "release"))
    paths = [path for path in (os.path.join(here, FILE), os.path.join(tree, FILE)) if os.path.exists(path)]
    system = ctypes.util.find_library("vss")
    return paths + [system if system else FILE]


def _library_load():
    """The first library that loads, with its functions declared and its version checked."""
    path = _library_paths()[0]
    try:
        library = ctypes.CDLL(path)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype = result
            function.argtypes = arguments
    except (OSError, AttributeError) as error:
        raise ImportError(f"libvss: {error} (set VSS_LIBRARY to the path of {FILE})") from None
    version = library.vss_version().decode()
    if version.split(".")[:2] != [str(part) for part in VERSION]:
        raise ImportError(f"libvss: {path} is version {version}, this package is for {VERSION[0]}.{VERSION[1]}")
    return library


lib = _library_load()


def call(function, *arguments):
    """Call a function that takes an error last; raise what it says."""
    info = s.ErrorInfo()
    status = function(*arguments, ctypes.byref(info))
    if status != 0:
        raise errors.from_status(status, info.message.decode("utf-8", "replace"), info.os_errno)


def text(what, value):
    """The UTF-8 bytes of an argument that C reads up to a NUL. None stays None."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise errors.InvalidArgument(f"{what}: expected a string, got {type(value).__name__}")
    try:
        data = value.encode("utf-8")
    except UnicodeEncodeError:
        raise errors.InvalidArgument(f"{what}: not a Unicode text: {value!a}") from None
    if b"\0" in data:
        raise errors.InvalidArgument(f"{what}: contains a NUL character: {value!a}")
    return data


def number(what, value, limit):
    """An integer argument from 0 to limit."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise errors.InvalidArgument(f"{what}: expected an integer, got {type(value).__name__}")
    try:
        value = value.__index__()
    except TypeError as error:
        raise errors.InvalidArgument(f"{what}: {error}") from None
    if not 0 <= value <= limit:
        raise errors.InvalidArgument(f"{what}: {value} is not in the range 0 to {limit}")
    return value


def texts(values):
    """A char *[n] of encoded texts, at least one long. The array keeps the texts alive."""
    return (c_char_p * max(1, len(values)))(*values)
