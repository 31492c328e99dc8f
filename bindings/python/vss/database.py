"""A database: a directory, or memory, with collections in it."""

import ctypes
import json
import os
import weakref
from typing import List, NamedTuple

from . import _progress, errors
from . import _structs as s
from ._background import Background
from ._handle import Handle
from ._library import call, lib, number, text
from .collection import Collection


class CheckReport(NamedTuple):
    """Is every stored byte what was written: errors has one line a fault."""
    ok: bool
    files: int
    bytes: int
    errors: List[str]


class SalvageReport(NamedTuple):
    """What a salvage brought back: lines has one line for each thing that is lost."""
    rows: int
    lost: int
    batches: int
    version: int
    lines: List[str]


class Database:
    """An open database; made by vss.open. Usable from any number of threads and as a context manager."""

    def __init__(self, path, mode, memory_budget, sync, background):
        options = s.DbOptions(mode=mode, memory_budget=memory_budget, sync=sync[0],
                              sync_interval_ms=sync[1])
        self._background = Background() if background else None
        if background:
            options.executor = self._background.pointer()
        pointer = ctypes.c_void_p()
        self.path = os.fsdecode(path)
        try:
            call(lib.vss_db_open, path, ctypes.byref(options), ctypes.byref(pointer))
        except errors.Error:
            _stop(self._background)
            raise
        self._handle = Handle("database", pointer, lib.vss_db_close)
        weakref.finalize(self, _finish, self._handle, self._background)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Flush and close the open collections, then the database. Waits for calls under way in other threads."""
        _progress.refuse_inside("database")
        try:
            self._handle.close()
        finally:
            _stop(self._background)

    def create_collection(self, name, fields):
        """Make a collection with these fields, each a dict as in a schema file, and open it."""
        schema = ctypes.POINTER(s.SchemaInfo)()
        try:
            source = json.dumps({"fields": fields}).encode("utf-8")
        except (TypeError, ValueError, RecursionError) as error:
            raise errors.InvalidArgument(f"fields: not JSON: {error}") from None
        with self._handle as db:
            try:
                call(lib.vss_schema_parse, source, len(source), ctypes.byref(schema))
                pointer = ctypes.c_void_p()
                call(lib.vss_collection_create, db, _name(name), schema, ctypes.byref(pointer))
                return Collection(self, name, pointer)
            finally:
                lib.vss_schema_free(schema)

    def collection(self, name):
        """Open a collection. Every Collection is closed by itself; the last one flushes."""
        with self._handle as db:
            pointer = ctypes.c_void_p()
            call(lib.vss_collection_open, db, _name(name), ctypes.byref(pointer))
            return Collection(self, name, pointer)

    def drop_collection(self, name):
        """Remove a collection and its bytes. It must not be open."""
        with self._handle as db:
            call(lib.vss_collection_drop, db, _name(name))

    @property
    def collections(self):
        """The names of the collections, sorted."""
        names = ctypes.POINTER(ctypes.c_char_p)()
        count = ctypes.c_size_t()
        try:
            with self._handle as db:
                call(lib.vss_db_list, db, ctypes.byref(names), ctypes.byref(count))
            return [names[i].decode("utf-8") for i in range(count.value)]
        finally:
            lib.vss_names_free(names)

    @property
    def memory(self):
        """Bytes held now and held at most, mappings not counted."""
        used, peak = ctypes.c_uint64(), ctypes.c_uint64()
        with self._handle as db:
            call(lib.vss_db_memory, db, ctypes.byref(used), ctypes.byref(peak))
        return used.value, peak.value

    def check(self, name, progress=None):
        """Read every stored byte of a collection's newest version and compare every hash: a CheckReport."""
        faults = []
        report = s.CheckInfo()
        on_fault = _faults_into(faults)

        def work(on_progress):
            with self._handle as db:
                call(lib.vss_collection_check, db, _name(name), on_fault, None, on_progress, None,
                     ctypes.byref(report))

        try:
            _progress.run(work, progress)
        except errors.Corrupt as error:
            if not faults:
                faults.append(str(error))
        return CheckReport(not faults, report.files, report.bytes, faults)

    def salvage(self, name, to, new_name, progress=None):
        """What is whole of a damaged collection into a new one of the database `to`: a SalvageReport.

        The damaged one is only read; no one should write to it meanwhile.
        """
        lines = []
        report = s.SalvageInfo()
        on_line = _faults_into(lines)
        if not isinstance(to, Database):
            raise errors.InvalidArgument(f"salvage: expected a Database to write to, got {type(to).__name__}")

        def work(on_progress):
            with self._handle as source, to._handle as target:
                call(lib.vss_collection_salvage, source, _name(name), target, _name(new_name), on_line, None,
                     on_progress, None, ctypes.byref(report))

        _progress.run(work, progress)
        return SalvageReport(report.rows, report.lost, report.batches, report.version, lines)

    def __repr__(self):
        if self._handle.closed:
            return f"<vss.Database {self.path!r}, closed>"
        return f"<vss.Database {self.path!r}>"


def _faults_into(lines):
    """A callback that keeps each fault as a line."""
    def fault(_state, stored, line):
        lines.append(f"{(stored or b'').decode('utf-8', 'replace')}: {(line or b'').decode('utf-8', 'replace')}")
        return 0

    return s.CHECK_FN(fault)


def _stop(background):
    if background is not None:
        background.stop()


def _finish(handle, background):
    """What the garbage collector and the end of the process do."""
    try:
        handle.collect()
    finally:
        _stop(background)


def _name(name):
    if name is None:
        raise errors.InvalidArgument("collection: expected a name, got None")
    return text("collection", name)


def _sync(sync):
    """"commit", "off", or seconds, as vss_sync_mode and milliseconds."""
    if isinstance(sync, str) and sync in s.SYNC_MODES:
        return s.SYNC_MODES[sync], 0
    if isinstance(sync, (int, float)) and not isinstance(sync, bool) and 0.001 <= sync <= 4e6:
        return s.SYNC_INTERVAL, int(sync * 1000)
    raise errors.InvalidArgument(f"sync: expected 'commit', 'off' or 0.001 to 4,000,000 seconds, got {sync!r}")


def open(path, read_only=False, create=True, memory_budget=0, sync="commit", background=False):
    """Open a database: a directory, made if it is missing, or "mem:" for one in memory that ends with the handle.

    read_only takes no lock and writes no byte; create=False opens only what is there. memory_budget: bytes that the
    database may hold at once, mappings not counted; 0: no limit.

    sync: when a write is proof against a power cut. "commit": when it returns. A number: with the first write that many
    seconds after the last time, and at a flush or close. "off": at a flush or close. What can be lost is the newest
    whole writes; a crash of the process alone loses none.

    background: a thread seals, indexes and compacts what writes leave to do, beside them; else calls do it. A failure
    there changes nothing and is in col.stats["background"], 0 when all is well.
    """
    try:
        data = os.fsencode(path)
    except (TypeError, UnicodeEncodeError):
        raise errors.InvalidArgument(f"path: expected a string or a path, got {type(path).__name__}") from None
    if b"\0" in data:
        raise errors.InvalidArgument(f"path: contains a NUL character: {path!a}")
    mode = s.OPEN_READ_ONLY if read_only else s.OPEN_CREATE if create else s.OPEN_EXISTING
    return Database(data, mode, number("memory_budget", memory_budget, 2**64 - 1), _sync(sync),
                    bool(background))
