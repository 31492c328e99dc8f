"""Long calls: a progress callback that can stop them, and Ctrl-C.

Python handles signals in its main thread, between two instructions; while that thread is inside the library nothing
would happen. So a long call of the main thread runs in a thread of its own: the main thread waits, and when a signal's
handler raises there, the call is cancelled and the exception goes on. A callback is therefore called from other threads
than the caller's, one call at a time. What it raises ends the call and is raised again by it. The work takes its
handles itself, so that they stay open even where the waiting is given up.
"""

import threading

from . import errors
from ._structs import PROGRESS_FN

_inside = threading.local()


class _Reporter:
    """Takes the library's reports."""

    def __init__(self, callback):
        self.callback = callback
        self.cancelled = False
        self.error = None

    def report(self, _state, stage, done, total):
        if self.callback is not None and not self.cancelled:
            _inside.callback = True
            try:
                self.cancelled = bool(self.callback(stage.decode("utf-8", "replace"), done, total))
            except BaseException as error:  # raised again by run
                self.error = error
                self.cancelled = True
            finally:
                _inside.callback = False
        return 1 if self.cancelled else 0


def refuse_inside(what):
    """Closing from a callback would wait for the call that the callback belongs to."""
    if getattr(_inside, "callback", False):
        raise errors.InvalidArgument(f"{what} can't be closed from a progress callback")


def run(work, callback):
    """work(progress function), which calls the library; its result, or what went wrong first."""
    if callback is not None and not callable(callback):
        raise errors.InvalidArgument(f"progress: expected a callable, got {type(callback).__name__}")
    reporter = _Reporter(callback)
    function = PROGRESS_FN(reporter.report)
    try:
        if threading.current_thread() is threading.main_thread():
            result = _run_beside(lambda: work(function), reporter)
        else:
            result = work(function)
    except errors.Cancelled:
        if reporter.error is None:
            raise
        raise reporter.error from None
    if reporter.error is not None:
        raise reporter.error
    return result


def _run_beside(work, reporter):
    """Run work in a thread; cancel it when a signal's handler raises in this one."""
    done = threading.Event()
    outcome = {}

    def body():
        try:
            outcome["result"] = work()
        except BaseException as error:  # raised again in the caller's thread
            outcome["error"] = error
        finally:
            done.set()

    thread = threading.Thread(target=body, name="vss")
    interrupt = None
    try:
        thread.start()
    except BaseException:
        reporter.cancelled = True
        raise
    while not done.is_set():
        try:
            done.wait()
        except BaseException as error:
            reporter.cancelled = True
            interrupt = interrupt or error
    thread.join()
    if interrupt is not None:
        raise interrupt
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]
