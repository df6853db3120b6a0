"""Unforeseen errors: what every boundary does with an exception that nobody foresaw: one sentence for people, the
exception itself for the log, and an end of the one unit that it concerns."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from arpent.domain.errors import ArpentError, EnvironmentFault

ENDS_THE_PROCESS = (KeyboardInterrupt, SystemExit, GeneratorExit)
"""The exceptions beside Exception that Python means so: no boundary stops them."""


NO_RESOURCES = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.EROFS, errno.EIO}
)
"""What the operating system says when a machine has no room, memory, processes or files left."""


class NativePanic(Exception):
    """A native library gave up. Such errors (pyo3's PanicException) are no Exception in Python, and would pass every
    boundary."""


@contextmanager
def panics_as_errors() -> Iterator[None]:
    """What a native library raises beside Exception comes out as NativePanic; all else as it is."""
    try:
        yield
    except (Exception, *ENDS_THE_PROCESS):
        raise
    except BaseException as error:
        raise NativePanic(f"{type(error).__name__}: {error}") from error


def sentence(error: BaseException, what: str = "arpent failed here") -> str:
    """What a person reads: our own errors' text; of others only the class, since their text may hold anything."""
    if isinstance(error, ArpentError):
        return str(error)
    named = error.__cause__ if isinstance(error, NativePanic) and error.__cause__ is not None else error
    return f"{what} ({type(named).__name__}); the server's log has the details"


def environment_fault(error: BaseException) -> EnvironmentFault | None:
    """The error as a fault of the machine or of the installation, if it is one: no feature can be blamed for it."""
    if isinstance(error, EnvironmentFault):
        return error
    if isinstance(error, ImportError):
        return EnvironmentFault(
            f"arpent cannot work here: its installation lacks {error.name or 'a module'}; install it again, then START "
            "the request again",
            transient=False,
        )
    if isinstance(error, OSError) and error.errno in NO_RESOURCES:
        return EnvironmentFault(
            f"The machine that does arpent's work has a problem: {os.strerror(error.errno)}. Mend it, then START the "
            "request again"
        )
    return None
