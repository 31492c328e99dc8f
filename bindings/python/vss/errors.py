"""What can go wrong: vss.Error and one kind a status of the library, each with the library's one line."""


class Error(Exception):
    """A call to libvss that failed. str() is the library's line; status its number (include/vss/error.h)."""

    status = 0

    def __init__(self, message, os_errno=0):
        super().__init__(message)
        self.message = message
        self.os_errno = os_errno

    def __str__(self):
        return self.message


class InvalidArgument(Error, ValueError):
    """An argument, a value or a filter is wrong; the line names it."""
    status = -1


class NotFound(Error, KeyError):
    """No such database, collection, field or key."""
    status = -2


class Exists(Error):
    """The collection or the key is already there."""
    status = -3


class Busy(Error):
    """Another writer holds the collection; the line names its process and host."""
    status = -4


class ReadOnly(Error):
    """The database was opened read-only."""
    status = -5


class NoMemory(Error, MemoryError):
    """There is no memory."""
    status = -6


class Budget(Error):
    """The database's own memory budget is spent."""
    status = -7


class Cancelled(Error):
    """The progress callback asked to stop."""
    status = -8


class Deadline(Error, TimeoutError):
    """A call that can't give part of its result ran out of time."""
    status = -9


class StorageError(Error, OSError):
    """The storage failed; errno is the system's number, or 0."""
    status = -10

    def __init__(self, message, os_errno=0):
        super().__init__(message, os_errno)
        self.errno = os_errno


class NoSpace(StorageError):
    """The storage is full."""
    status = -11


class Corrupt(Error):
    """Stored bytes are damaged; the line names object and place."""
    status = -12


class NewerFormat(Error):
    """The data needs a newer libvss."""
    status = -13


class Unsupported(Error):
    """Valid, but not offered by this build or this type."""
    status = -14


class Fenced(Error):
    """Another writer has taken over."""
    status = -15


class UnknownCommit(Error):
    """The storage did not say whether the write happened."""
    status = -16


class Poisoned(Error):
    """An earlier failure made this handle unusable for writes: reopen."""
    status = -17


class Forked(Error):
    """The handle belongs to the parent process."""
    status = -18


class Stale(Error):
    """The version being read was collected: reopen."""
    status = -19


class Device(Error):
    """The GPU failed."""
    status = -20


class Internal(Error):
    """A bug in libvss."""
    status = -21


_KINDS = {kind.status: kind for kind in (
    InvalidArgument, NotFound, Exists, Busy, ReadOnly, NoMemory, Budget, Cancelled, Deadline, StorageError, NoSpace,
    Corrupt, NewerFormat, Unsupported, Fenced, UnknownCommit, Poisoned, Forked, Stale, Device, Internal)}


def from_status(status, message, os_errno=0):
    """The exception for a status of the library."""
    kind = _KINDS.get(status)
    if kind is not None:
        return kind(message, os_errno)
    error = Error(message, os_errno)
    error.status = status
    return error
