"""A thread for the library's work behind the program's back: vss.open(..., background=True).

The library hands over tasks (vss/executor.h); the thread calls them one after another, without the GIL. It holds no
database, so that one that is forgotten is still closed; it ends when the database is closed, and with the process.
"""

import ctypes
import queue
import threading

from . import _structs as s


class Background:
    """The executor of one database."""

    def __init__(self):
        self._tasks = queue.SimpleQueue()
        self.executor = s.Executor(submit=s.SUBMIT_FN(self._take))
        self._thread = threading.Thread(target=self._work, name="vss background", daemon=True)
        self._thread.start()

    def _take(self, _state, task, argument):
        self._tasks.put((task, argument))
        return 0

    def _work(self):
        while True:
            item = self._tasks.get()
            if item is None:
                return
            task, argument = item
            s.TASK_FN(task)(argument)

    def pointer(self):
        """What vss_db_options takes."""
        return ctypes.cast(ctypes.pointer(self.executor), ctypes.c_void_p)

    def stop(self):
        """After the database is closed: nothing more comes; tasks that wait do nothing."""
        self._tasks.put(None)
