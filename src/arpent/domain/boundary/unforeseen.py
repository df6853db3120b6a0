"""Unforeseen errors: how every boundary handles an unexpected exception. Users get one sentence, the log has the
exception, and only the unit of work concerned fails."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from arpent.domain.errors import ArpentError, EnvironmentFault

ENDS_THE_PROCESS = (KeyboardInterrupt, SystemExit, GeneratorExit)
"""Exceptions not derived from Exception with which Python ends a process or generator: boundaries let them pass."""


NO_RESOURCES = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.EROFS, errno.EIO}
)
"""Operating system errors that mean that disk space, memory, processes or file handles have run out, or that a disk is
read-only or broken."""


class NativePanic(Exception):
    """A native library failed. Its own errors (pyo3's PanicException) are not subclasses of Exception, so boundaries
    would miss them."""


@contextmanager
def panics_as_errors() -> Iterator[None]:
    """Turn errors of native libraries that are not derived from Exception into NativePanic; others pass unchanged."""
    try:
        yield
    except (Exception, *ENDS_THE_PROCESS):
        raise
    except BaseException as error:
        raise NativePanic(f"{type(error).__name__}: {error}") from error


def sentence(error: BaseException, what: str = "arpent failed here") -> str:
    """The error as a sentence for users: the text of arpent's own errors; only the class of others, since their text
    may hold secrets."""
    if isinstance(error, ArpentError):
        return str(error)
    named = error.__cause__ if isinstance(error, NativePanic) and error.__cause__ is not None else error
    return f"{what} ({type(named).__name__}); the server's log has the details"


def environment_fault(error: BaseException) -> EnvironmentFault | None:
    """The error as a fault of the machine or installation, rather than of a feature; None if it is not one."""
    if isinstance(error, EnvironmentFault):
        return error
    if isinstance(error, ImportError):
        return EnvironmentFault(
            f"arpent cannot work here: its installation lacks {error.name or 'a module'}; install it again, then send "
            "or START the request again",
            transient=False,
        )
    if isinstance(error, OSError) and error.errno in NO_RESOURCES:
        return EnvironmentFault(
            f"The machine that runs arpent has a problem: {os.strerror(error.errno)}. Fix it, then send or "
            "START the request again"
        )
    return None
