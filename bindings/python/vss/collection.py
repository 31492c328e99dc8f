"""A collection: write rows, search them, read them back."""

import contextlib
import ctypes
import json
import math
import os
import weakref

import numpy as np

from . import _progress, columns, errors
from . import _structs as s
from ._handle import Handle
from ._library import call, lib, number, text, texts
from .result import Columns, Hits, read_rows

_LONG = 4_000_000_000  # components compared at most by a search that can't be interrupted: a thread costs some 0.2 ms


def default_threads():
    """The CPUs that this process may use."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:
        return os.cpu_count() or 1


class Collection:
    """An open collection; made by Database.create_collection and Database.collection.

    Usable from any number of threads: searches run side by side, writes one after another. What was written is visible
    to searches at once and durable as vss.open's sync says.
    """

    def __init__(self, database, name, pointer):
        self._database = database
        self._name = name
        self._handle = Handle("collection", pointer, lib.vss_collection_close, database._handle)
        weakref.finalize(self, self._handle.collect)
        self._schema_json = lib.vss_collection_schema_json(pointer).decode("utf-8")
        self._fields = _fields(lib.vss_collection_schema(pointer).contents)
        self._key = next(field for field in self._fields.values() if field.is_key)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Flush and close. Waits for calls under way in other threads."""
        _progress.refuse_inside("collection")
        self._handle.close()

    # ---- what it is ----

    @property
    def name(self):
        return self._name

    @property
    def schema(self):
        """The fields, each a dict as in a schema file."""
        return json.loads(self._schema_json)["fields"]

    @property
    def stats(self):
        """A dict: rows, deleted, segments, growing, version, sequence, bytes."""
        info = s.StatsInfo()
        with self._handle as col:
            call(lib.vss_collection_stats_get, col, ctypes.byref(info))
        return {name: getattr(info, name) for name, _ in s.StatsInfo._fields_ if name != "struct_size"}

    @property
    def indexes(self):
        """A dict an index defined: field, type, params, segments, rows, bytes."""
        found = []

        def take(_state, info):
            info = info.contents
            found.append({"field": info.field.decode(), "type": info.type.decode(),
                          "params": (info.params or b"").decode(), "segments": info.segments, "rows": info.rows,
                          "bytes": info.bytes})
            return 0

        with self._handle as col:
            call(lib.vss_collection_indexes, col, s.INDEX_FN(take), None)
        return found

    def __len__(self):
        return self.count()

    def __bool__(self):
        return True

    def __repr__(self):
        try:
            rows, indexes = len(self), {index["field"]: index for index in self.indexes}
        except errors.Error as error:
            return f"<vss.Collection {self._name!r}, {'closed' if self._handle.closed else error}>"
        parts = [f"{rows} rows"]
        for field in self._fields.values():
            if field.is_vector:
                index = indexes.get(field.name)
                built = f"{index['type']}({index['params']})" if index else "no index"
                metric = s.METRIC_NAMES.get(field.metric, field.metric)
                parts.append(f"{field.name} {field.type_name} dim {field.dim} {metric} {built}")
        return f"<vss.Collection {self._name!r}: {', '.join(parts)}>"

    # ---- write ----

    def insert(self, rows):
        """Insert rows given by column: a dict of arrays or lists, an Arrow table or a DataFrame.

        Fields left out get their default, or null. Returns the keys: int64 numbers where the collection counts them,
        else what was given. A key that is there already: Exists, and nothing was inserted.
        """
        return self._write(lib.vss_collection_insert, rows)

    def upsert(self, rows):
        """Insert rows in place of those whose keys are there: all of them or, when it raises, none."""
        return self._write(lib.vss_collection_upsert, rows)

    def _write(self, function, rows):
        given = _by_name(rows)
        encoded = [columns.encode(self._field(name), values) for name, values in given.items()]
        names = texts([name.encode("utf-8") for name in given])
        pointers = (ctypes.POINTER(s.ColumnInfo) * max(1, len(encoded)))(
            *(ctypes.pointer(column.info) for column in encoded))
        batch = s.Batch(n_columns=len(encoded), names=names, columns=pointers)
        info = s.WriteInfo()
        with self._handle as col:
            call(function, col, ctypes.byref(batch), ctypes.byref(info))
        if self._key.flags & s.AUTO_ID:
            return np.arange(info.first_key, info.first_key + info.rows, dtype=np.int64)
        return given[self._key.name]

    def delete(self, keys=None, *, filter=None):
        """Delete rows by key, or those that match a filter. Returns how many were there."""
        if (keys is None) == (filter is None):
            raise errors.InvalidArgument("delete: give either keys or filter=")
        info = s.WriteInfo()
        if filter is not None:
            where = text("filter", filter)
            with self._handle as col:
                call(lib.vss_collection_delete_where, col, where, ctypes.byref(info))
        else:
            column = columns.encode_keys(self._key, keys)
            with self._handle as col:
                call(lib.vss_collection_delete, col, ctypes.byref(column.info), ctypes.byref(info))
        return info.rows

    def flush(self):
        """Seal what was written into a segment, durable whatever vss.open's sync says."""
        with self._handle as col:
            call(lib.vss_collection_flush, col)

    def compact(self, purge=False):
        """Merge small segments and rewrite those with many deletes.

        purge: rewrite every segment with a deleted row; afterwards no file of the collection holds a byte of a row that
        was deleted or replaced before the call.
        """
        with self._handle as col:
            call(lib.vss_collection_purge if purge else lib.vss_collection_compact, col)

    def build_index(self, field, type, progress=None, threads=None, timeout=None, model_of=None, device=None,
                    device_required=False, **params):
        """Define the index of a vector field (one of vss.index_types) and build it for what is stored.

        params are the index type's: m=32, ef_construction=200 (vss.index_params tells them all). progress is called
        with (stage, done, total), from another thread, and stops the build by returning True. model_of: an open
        collection whose trained model (ivf_*) of the field of the same name is used in place of training one. device
        names what trains and fills inverted lists and compares the rows of a graph ("cuda", see load_device); with
        device_required the build fails where it can't.
        """
        if model_of is not None and not isinstance(model_of, Collection):
            raise TypeError(f"model_of: expected a collection, not {model_of!r}")
        names = text("field", field), _required("type", type), _params(params)
        limits, on = (_threads(threads), _milliseconds(timeout)), text("device", device)
        other = contextlib.nullcontext() if model_of is None else model_of._handle

        def work(on_progress):
            options = s.BuildOptions(threads=limits[0], deadline_ms=limits[1], progress=on_progress, device=on,
                                     device_required=bool(device_required))
            with self._handle as col, other as pointer:
                options.model_of = pointer
                call(lib.vss_collection_build_index, col, *names, ctypes.byref(options))

        _progress.run(work, progress)

    def choose_index(self, field=None, memory=0, threads=None):
        """The index to build for a vector field, with objects of at most memory bytes (0: no limit): a dict of type,
        params (a dict, for build_index), reason, index_bytes, build_bytes.
        """
        name, limit = text("field", field), _threads(threads)
        choice = s.IndexChoice()
        with self._handle as col:
            call(lib.vss_collection_choose_index, col, name, number("memory", memory, 2**64 - 1), limit,
                 ctypes.byref(choice))
        params = dict(item.split("=") for item in choice.params.decode().split(",") if item)
        return {"type": choice.type.decode(), "params": params, "reason": choice.reason.decode(),
                "index_bytes": choice.index_bytes, "build_bytes": choice.build_bytes}

    # ---- read ----

    def search(self, queries, k=10, *, field=None, filter=None, fields=None, exclude=None, threads=None, timeout=None,
               within=None, explain=False, progress=None, device=None, device_required=False, **params):
        """The k nearest rows of each query: Hits. queries is [n][dim], or [dim] for one, of what the field takes.

        field names the vector field where there are several. filter keeps the rows that match it, exclude leaves out
        keys, fields names what to return beside key and distance. timeout (seconds) ends the search with what was
        found, Hits.truncated set. within=(low, high) keeps the rows whose distance lies between, exactly; None is no
        bound, and Hits.capped says that there are more than k. device names what compares the rows ("cuda", see
        load_device); with device_required the search fails where it can't. params are the index's: ef=64, or
        exact=True to compare every row.
        """
        vectors = columns.encode_queries(self._vector_type(field), queries)
        names = self._names(fields, [])
        wanted = texts(self._beside_key(names))
        excluded = None if exclude is None else columns.encode_keys(self._key, exclude)
        request = s.SearchRequest(
            field=text("field", field), queries=vectors.info.data, n_queries=vectors.info.length,
            dim=vectors.info.dim, k=number("k", k, 2**32 - 1), filter=text("filter", filter), params=_params(params),
            fields=wanted, n_fields=len(self._beside_key(names)), threads=_threads(threads),
            deadline_ms=_milliseconds(timeout), explain=bool(explain), query_type=vectors.info.type,
            device=text("device", device), device_required=bool(device_required))
        if excluded is not None:
            request.exclude = ctypes.pointer(excluded.info)
        if within is not None:
            request.range, request.range_low, request.range_high = 1, *_bounds(within)

        def work(on_progress=None):
            if on_progress is not None:
                request.progress = on_progress
            return self._result(lambda pointer: Hits(pointer, request.k, names, self._key),
                                lib.vss_collection_search, ctypes.byref(request))

        if progress is None and vectors.info.length * vectors.info.dim * len(self) <= _LONG:
            return work()
        return _progress.run(work, progress)

    def get(self, keys, fields=None):
        """Rows by key, in the order asked: a list of dicts, None where there is no such row. All fields by default."""
        names = list(dict.fromkeys([self._key.name, *self._names(fields, list(self._fields))]))
        wanted = self._beside_key(names)
        column = columns.encode_keys(self._key, keys)
        return self._result(lambda pointer: read_rows(pointer, names, self._key), lib.vss_collection_get,
                            ctypes.byref(column.info), texts(wanted), len(wanted))

    def scan(self, fields=None, *, filter=None):
        """All rows that match, by column, in one committed state: a dict as insert takes it. All fields by default.

        Vectors and int64 keys are arrays, everything else lists, None for a null.
        """
        names = list(dict.fromkeys([self._key.name, *self._names(fields, list(self._fields))]))
        wanted = self._beside_key(names)
        gathered = Columns([self._fields[name] for name in names], self._key)
        options = s.ScanOptions(filter=text("filter", filter), fields=texts(wanted), n_fields=len(wanted))
        on_rows = s.SCAN_FN(gathered.add)
        try:
            with self._handle as col:
                call(lib.vss_collection_scan, col, ctypes.byref(options), on_rows, None)
        except errors.Cancelled:
            raise gathered.error from None
        return gathered.joined()

    def count(self, filter=None):
        """Rows that match the filter; all without one."""
        count = ctypes.c_uint64()
        with self._handle as col:
            call(lib.vss_collection_count, col, text("filter", filter), ctypes.byref(count))
        return count.value

    def check(self, progress=None):
        """Read every stored byte and compare every hash: a CheckReport. Rows not flushed are not part of it."""
        with self._handle:
            return self._database.check(self._name, progress)

    # ---- within ----

    def _result(self, read, function, *arguments):
        """read(what the call returns), which is freed after."""
        pointer = ctypes.c_void_p()
        with self._handle as col:
            try:
                call(function, col, *arguments, ctypes.byref(pointer))
                return read(pointer)
            finally:
                lib.vss_result_free(pointer)

    def _field(self, name):
        field = self._fields.get(name) if isinstance(name, str) else None
        if field is None:
            raise errors.InvalidArgument(f'collection "{self._name}" has no field {_quoted(name)}')
        return field

    def _vector_type(self, name):
        """The type of that vector field, or of the only one; f32 where the library will refuse the name."""
        types = [field.type for field in self._fields.values() if field.is_vector and name in (None, field.name)]
        return types[0] if len(types) == 1 else s.VECTOR_F32

    def _names(self, fields, default):
        """Names of fields to return, each once."""
        if fields is None:
            return default
        if isinstance(fields, (str, bytes)) or not hasattr(fields, "__iter__"):
            raise errors.InvalidArgument(f"fields: expected a list of names, got {type(fields).__name__}")
        return list(dict.fromkeys(self._field(name).name for name in fields))

    def _beside_key(self, names):
        return [name.encode("utf-8") for name in names if name != self._key.name]


def _fields(schema):
    """Field by name, in the schema's order."""
    infos = (schema.fields[i].contents for i in range(schema.n_fields))
    return {info.name.decode("utf-8"): columns.Field(info.name.decode("utf-8"), info.type, info.element, info.dim,
                                                     info.metric, info.flags) for info in infos}


def _by_name(rows):
    """A dict of columns."""
    if hasattr(rows, "column_names") and hasattr(rows, "column"):  # Arrow
        return {name: rows.column(name) for name in rows.column_names}
    if hasattr(rows, "keys") and hasattr(rows, "__getitem__"):
        return {name: rows[name] for name in rows.keys()}
    raise errors.InvalidArgument(f"rows: expected a dict of columns, got {type(rows).__name__}")


def _params(params):
    """The text form of keyword parameters; None without any."""
    parts = []
    for name, value in params.items():
        value = str(int(value)) if isinstance(value, (bool, np.bool_)) else str(value)
        if "," in name or "=" in name + value:  # a text may hold commas
            raise errors.InvalidArgument(f"{name}: {value!a} is no parameter's value")
        parts.append(f"{name}={value}")
    return text("parameters", ",".join(parts)) if parts else None


def _required(what, value):
    if value is None:
        raise errors.InvalidArgument(f"{what}: expected a string, got None")
    return text(what, value)


def _threads(threads):
    return default_threads() if threads is None else number("threads", threads, 2**32 - 1)


def _bounds(within):
    """low and high of a range of distances."""
    try:
        low, high = within
        return (-math.inf if low is None else float(low)), (math.inf if high is None else float(high))
    except (TypeError, ValueError):
        raise errors.InvalidArgument(f"within: expected (low, high), got {within!r:.80}") from None


def _milliseconds(timeout):
    """A timeout in seconds as the library takes it; 0 is none."""
    if timeout is None:
        return 0
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float, np.integer, np.floating)):
        raise errors.InvalidArgument(f"timeout: expected seconds, got {type(timeout).__name__}")
    if not 0 < timeout <= 2**53:
        raise errors.InvalidArgument(f"timeout: {timeout} is not a number of seconds above 0")
    return max(1, math.ceil(timeout * 1000))


def _quoted(name):
    return json.dumps(name) if isinstance(name, str) else ascii(name)
