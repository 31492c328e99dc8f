"""What a search found, and rows by key: results of the library copied into numpy and Python."""

from typing import Any, Dict, List, NamedTuple, Optional

import numpy as np

from . import _structs as s
from . import columns, vectors
from ._library import lib


class Hit(NamedTuple):
    """One row found. fields holds those asked for."""
    key: Any
    distance: float
    fields: Dict[str, Any]


class SegmentExplain(NamedTuple):
    """What a search did in one segment, all queries together."""
    plan: str
    index: Optional[str]
    device: Optional[str]
    rows: int
    passing: int
    distances: int
    recomputed: int
    filter_ns: int
    search_ns: int


class Explain(NamedTuple):
    """What a search did."""
    version: int
    sequence: int
    total_ns: int
    segments: List[SegmentExplain]


class Hits:
    """The rows found for each query, nearest first.

    keys       [n][k] int64 padded with -1, or objects padded with None where keys are strings
    distances  [n][k] float32 padded with NaN
    counts     [n] rows found for each query
    fields     name: [n][k] objects, None for a null and as padding; for vectors [n][k][dim] padded with NaN: float32,
               float16 for f16; int8 and uint8 for i8 and u8, and [n][k][dim / 8] uint8 for binary, padded with 0
    truncated  the timeout ended the search: rows may be missing
    approximate  an index chose the rows
    estimated  distances are what an index's codes say (refine=0)
    capped     some query has more rows within its range than the k nearest that it got
    explain    what was done, where it was asked for

    len(hits) is n; hits[q] and iteration give each query's rows as a list of Hit.
    """

    __slots__ = ("keys", "distances", "counts", "fields", "truncated", "approximate", "capped", "estimated", "explain")

    def __init__(self, pointer, k, names, key_field):
        offsets = _offsets(pointer)
        n = len(offsets) - 1
        self.counts = offsets[1:] - offsets[:-1]
        place = _place(offsets, self.counts, k)
        self.keys = _scatter(lib.vss_result_keys(pointer).contents, place, (n, k), is_key=True)
        self.distances = _spread(columns.memory(lib.vss_result_distances(pointer), np.float32, int(offsets[-1])), place,
                                 np.full((n, k), np.nan, dtype=np.float32))
        self.fields = {name: self.keys if name == key_field.name else
                       _scatter(_field(pointer, name), place, (n, k)) for name in names}
        flags = lib.vss_result_flags_get(pointer)
        self.truncated = bool(flags & s.RESULT_TRUNCATED)
        self.approximate = bool(flags & s.RESULT_APPROXIMATE)
        self.capped = bool(flags & s.RESULT_CAPPED)
        self.estimated = bool(flags & s.RESULT_ESTIMATED)
        self.explain = _explain(pointer)

    def __len__(self):
        return len(self.counts)

    def __getitem__(self, query):
        query = range(len(self))[query]
        return [Hit(_plain(self.keys[query, rank]), float(self.distances[query, rank]),
                    {name: _plain(values[query, rank]) for name, values in self.fields.items()})
                for rank in range(self.counts[query])]

    def __iter__(self):
        return (self[query] for query in range(len(self)))

    def __repr__(self):
        return f"<vss.Hits: {len(self)} queries, {int(self.counts.sum())} rows>"


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


def _offsets(pointer):
    return columns.memory(lib.vss_result_offsets(pointer), np.int64, lib.vss_result_queries(pointer) + 1)


def _place(offsets, counts, k):
    """Where the rows go in an array of [n][k]; None: one after another, as every query has k."""
    n = len(counts)
    if offsets[-1] == n * k:
        return None
    return np.repeat(np.arange(n), counts), np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)


def _spread(values, place, out):
    """out, [n][k] and more, with the rows' values in it."""
    if place is None:
        out.reshape(values.shape)[...] = values
    else:
        out[place] = values
    return out


def _field(pointer, name):
    return lib.vss_result_field(pointer, name.encode("utf-8")).contents


def _scatter(info, place, shape, is_key=False):
    """A column of rows as a padded [n][k] array."""
    if is_key and info.type == s.INT64:
        return _spread(columns.decode_numbers(info), place, np.full(shape, -1, dtype=np.int64))
    if info.type in vectors.STORED:
        return _spread(columns.decode_vectors(info), place, vectors.padded(info.type, shape, info.dim))
    values = columns.decode(info)
    flat = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):  # one by one: numpy would unpack lists
        flat[row] = value
    return _spread(flat, place, np.empty(shape, dtype=object))


def _explain(pointer):
    found = lib.vss_result_explain(pointer)
    if not found:
        return None
    info = found.contents
    segments = []
    for i in range(info.n_segments):
        part = info.segments[i]
        segments.append(SegmentExplain(
            s.PLAN_NAMES.get(part.plan, str(part.plan)), part.index.decode() if part.index else None,
            part.device.decode() if part.device else None, part.rows, part.passing, part.distances, part.recomputed,
            part.filter_ns, part.search_ns))
    return Explain(info.version, info.sequence, info.total_ns, segments)


class Columns:
    """Gathers the batches of a scan by column."""

    def __init__(self, fields, key_field):
        self.key = key_field.name
        self.parts = {field.name: [] for field in fields}
        self.numbers = {field.name for field in fields if field.is_vector or (
            field.name == self.key and field.type == s.INT64)}
        self.shapes = {field.name: vectors.padded(field.type, (0,), field.dim) for field in fields if field.is_vector}
        self.error = None

    def add(self, _state, pointer, _total):
        """A vss_scan_fn; what goes wrong is kept in error."""
        try:
            for name, parts in self.parts.items():
                info = lib.vss_result_keys(pointer).contents if name == self.key else _field(pointer, name)
                if info.type in vectors.STORED:
                    parts.append(np.array(columns.decode_vectors(info)))
                else:
                    parts.append(np.array(columns.decode_numbers(info)) if name in self.numbers
                                 else columns.decode(info))
        except BaseException as error:  # raised again by the scan
            self.error = error
            return 1
        return 0

    def joined(self):
        """Arrays of vectors and of int64 keys, lists of the rest."""
        out = {}
        for name, parts in self.parts.items():
            if name in self.numbers:
                out[name] = np.concatenate([self.shapes.get(name, np.zeros(0, np.int64)), *parts])
            else:
                out[name] = [value for part in parts for value in part]
        return out


def read_rows(pointer, names, key_field):
    """A dict a key asked for, with its key and fields; None where there is no such row."""
    offsets = _offsets(pointer).tolist()
    keys = columns.decode(lib.vss_result_keys(pointer).contents)
    values = {name: keys if name == key_field.name else columns.decode(_field(pointer, name)) for name in names}
    return [{name: column[begin] for name, column in values.items()} if begin < end else None
            for begin, end in zip(offsets, offsets[1:])]
