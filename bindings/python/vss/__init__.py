"""libvss: an embeddable vector database. Open a directory, make a collection, insert, search.

    import vss
    with vss.open("catalog") as db:
        col = db.create_collection("packages", fields=[
            {"name": "name", "type": "string", "primary": True},
            {"name": "embedding", "type": "vector<f32>", "dim": 128, "metric": "cosine"}])
        col.insert({"name": names, "embedding": array})
        hits = col.search(queries, k=10)
        hits.keys, hits.distances
"""

import ctypes
import os

from ._library import call as _call, lib as _lib, number as _number, text as _text
from ._structs import IndexCost as _IndexCost, ParamInfo as _ParamInfo
from .collection import Collection, _params as _index_text
from .database import CheckReport, Database, SalvageReport, open
from .errors import (Budget, Busy, Cancelled, Corrupt, Deadline, Device, Error, Exists, Fenced, Forked, Internal,
                     InvalidArgument, NewerFormat, NoMemory, NoSpace, NotFound, Poisoned, ReadOnly, Stale,
                     StorageError, UnknownCommit, Unsupported)
from .result import Explain, Hit, Hits, SegmentExplain

__version__ = "0.1.0"

__all__ = [
    "Budget", "Busy", "Cancelled", "CheckReport", "Collection", "Corrupt", "Database", "Deadline", "Device", "Error",
    "Exists", "Explain", "Fenced", "Forked", "Hit", "Hits", "Internal", "InvalidArgument", "NewerFormat", "NoMemory",
    "NoSpace", "NotFound", "Poisoned", "ReadOnly", "SalvageReport", "SegmentExplain", "Stale", "StorageError",
    "UnknownCommit", "Unsupported", "index_estimate", "index_params", "index_types", "load_device", "load_plugin",
    "open", "simd_level", "version",
]


def version():
    """The version of the library that is loaded."""
    return _lib.vss_version().decode()


def simd_level():
    """The level of the distance kernels in use: "scalar", "avx2", "avx512", "avx512vnni", "amx" or an arm64 one."""
    return _lib.vss_simd_level().decode()


def index_types():
    """The names of the index types."""
    names = []
    while True:
        name = _lib.vss_index_type(len(names))
        if name is None:
            return names
        names.append(name.decode())


def load_plugin(path):
    """Load a shared library that brings index types, as libvss_faiss.so: its path, which holds a "/"."""
    _call(_lib.vss_plugin_load, _text("path", os.fspath(path)))


def load_device(path, **options):
    """Load a library of devices, as libvss_gpu.so: its path, which holds a "/", and its options, as memory_mb=8000.
    Searches with device="cuda" then compare rows there."""
    _call(_lib.vss_device_load, _text("path", os.fspath(path)), _index_text(options))


def index_estimate(type, vectors, metric, dim, rows, threads=1, **params):
    """What an index of rows vectors ("f32", "f16", "bf16", "i8", "u8", "binary") of dim components would take, in
    bytes: (of its objects, of memory that its build holds at most)."""
    cost = _IndexCost()
    kinds, metrics = ["f32", "f16", "bf16", "i8", "u8", "binary"], ["l2", "ip", "cosine", "hamming", "jaccard"]
    if vectors not in kinds or metric not in metrics:
        raise InvalidArgument(f"no vectors are {vectors!a} under {metric!a}")
    _call(_lib.vss_index_estimate, _text("type", type), _index_text(params), 32 + kinds.index(vectors),
          1 + metrics.index(metric), _number("dim", dim, 2**32 - 1), _number("rows", rows, 2**64 - 1),
          _number("threads", threads, 2**32 - 1), ctypes.byref(cost))
    return cost.index_bytes, cost.build_bytes


def index_params(type):
    """A dict a parameter of an index type: name, alias, min, max, default, search, text, help."""
    params = []
    while True:
        info = _ParamInfo()
        try:
            _call(_lib.vss_index_param, _text("type", type), len(params), ctypes.byref(info))
        except NotFound:
            return params
        params.append({"name": info.name.decode(), "alias": info.alias.decode() if info.alias else None,
                       "min": info.min, "max": info.max, "default": info.default_value, "search": bool(info.search),
                       "text": bool(info.text),
                       "help": (info.help or b"").decode()})
