"""A handle of the library that can't be used after it was closed, nor closed while it is used.

Every call takes the handle with `with handle as pointer`. close() lets no new call in, waits for those under way,
closes the handles that depend on this one, then this one. Locks: one a handle, held for a few instructions, never
during a call of the library. It is re-entrant because the garbage collector may close another handle at any point.
In a process that was forked off, calls pass through uncounted (the library refuses them) and nothing is closed by the
garbage collector: the handle is the parent's.
"""

import os
import threading

from . import errors
from ._library import call


class Handle:
    """Owns one vss_db or vss_collection."""

    __slots__ = ("_what", "_pointer", "_closer", "_parent", "_children", "_users", "_idle", "_pid")

    def __init__(self, what, pointer, closer, parent=None):
        self._what = what
        self._pointer = pointer
        self._closer = closer
        self._parent = parent
        self._children = set()
        self._users = 0
        self._idle = threading.Condition()
        self._pid = os.getpid()
        if parent is not None:
            parent._children.add(self)

    @property
    def closed(self):
        return self._pointer is None

    def __enter__(self):
        if os.getpid() != self._pid:
            return self._open_pointer()
        with self._idle:
            pointer = self._open_pointer()
            self._users += 1
            return pointer

    def __exit__(self, *_):
        if os.getpid() != self._pid:
            return
        with self._idle:
            self._users -= 1
            if self._users == 0:
                self._idle.notify_all()

    def _open_pointer(self):
        if self._pointer is None:
            raise errors.InvalidArgument(f"{self._what} is closed")
        return self._pointer

    def close(self):
        """Close the children and this. The first failure is raised when all is closed. Closing twice is fine."""
        pointer = self._take()
        if pointer is None:
            return
        failure = None
        for child in list(self._children):
            try:
                child.close()
            except errors.Error as error:
                failure = failure or error
        if self._parent is not None:
            self._parent._children.discard(self)
        try:
            call(self._closer, pointer)
        except errors.Error as error:
            failure = failure or error
        if failure is not None:
            raise failure

    def _take(self):
        """The pointer, now the caller's alone; None if it was closed before."""
        if os.getpid() != self._pid:
            pointer, self._pointer = self._pointer, None
            return pointer
        with self._idle:
            pointer, self._pointer = self._pointer, None
            try:
                while pointer is not None and self._users > 0:
                    self._idle.wait()
            except BaseException:
                self._pointer = pointer
                raise
            return pointer

    def collect(self):
        """What the garbage collector and the end of the process do."""
        if os.getpid() == self._pid:
            self.close()
