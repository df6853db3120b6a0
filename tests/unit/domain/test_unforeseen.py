"""Errors that nobody foresaw: panics become errors, ends of the process pass, faults of the machine are told apart."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from arpent.domain.boundary.unforeseen import NativePanic, environment_fault, panics_as_errors, sentence
from arpent.domain.errors import ArpentError, EnvironmentFault, StorageDenied


class PanicException(BaseException):
    """As pyo3's: no Exception."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, ValueError, StorageDenied("no")])
def test_what_is_meant_so_passes(error: Any) -> None:
    with pytest.raises(error if isinstance(error, type) else type(error)), panics_as_errors():
        raise error


def test_a_panic_is_an_error() -> None:
    with pytest.raises(NativePanic, match="PanicException: InvalidHeaderValue") as caught, panics_as_errors():
        raise PanicException("InvalidHeaderValue")
    assert isinstance(caught.value, Exception)
    assert sentence(caught.value) == "arpent failed here (PanicException); the server's log has the details"


def test_only_our_own_text_is_told() -> None:
    assert sentence(StorageDenied("no right")) == "no right"
    assert "hunter2" not in sentence(KeyError("hunter2"))


@pytest.mark.parametrize(
    ("error", "text", "passes"),
    [
        (OSError(errno.ENOSPC, "x"), "No space left on device", True),
        (OSError(errno.ENOMEM, "x"), "Cannot allocate memory", True),
        (OSError(errno.EMFILE, "x"), "Too many open files", True),
        (ModuleNotFoundError("x", name="numba"), "lacks numba", False),
        (EnvironmentFault("no workers"), "no workers", True),
        (OSError(errno.ENOENT, "x"), None, False),
        (ArpentError("x"), None, False),
        (MemoryError(), None, False),
    ],
    ids=repr,
)
def test_faults_of_the_machine(error: Exception, text: str | None, passes: bool) -> None:
    fault = environment_fault(error)
    if text is None:
        assert fault is None
        return
    assert fault is not None
    assert text in str(fault)
    assert fault.transient is passes
