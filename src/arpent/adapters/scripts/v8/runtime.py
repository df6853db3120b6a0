"""V8 runtime: runs evalscripts in V8, each in a disposable, sandboxed process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from arpent.adapters.scripts.v8 import seccomp as v8_seccomp
from arpent.adapters.scripts.v8.client import InterpreterClient
from arpent.adapters.scripts.v8.launcher import ChildProcess, Launcher
from arpent.adapters.scripts.v8.session import V8Session
from arpent.domain.errors import SandboxUnavailable
from arpent.domain.ports.scripts import ScriptSession

_LOG = logging.getLogger("arpent.evalscript")
_REFUSED = (
    "evalscripts are not run here, since the system-call filter of their sandbox cannot be installed: {}; "
    "set ARPENT_UNFILTERED_SCRIPTS=true to run them without it (docs/settings.md)"
)
_UNFILTERED = "evalscripts run without the system-call filter, as ARPENT_UNFILTERED_SCRIPTS says: %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """The sandbox that scripts run in on this machine."""

    engine: str
    """Version of V8."""
    obstacle: str | None
    """Why there is no system-call filter; None if there is one."""


class V8Runtime:
    """A ScriptRuntime over V8. It holds one zygote process, started by the first script; `close` ends it.

    It can be pickled and used in another process, which then has a zygote of its own.
    """

    def __init__(self, seconds: float, memory_mib: int, *, require_mask: bool = True, unfiltered: bool = False) -> None:
        """`seconds`: time limit of one call. `memory_mib`: heap limit of a script. `require_mask`: refuse scripts
        without a dataMask output, as statistics do (sentinelhub.md 5.1). `unfiltered`: run scripts, with a warning,
        even where no system-call filter can be installed."""
        self._seconds = seconds
        self._memory_mib = memory_mib
        self._require_mask = require_mask
        self._unfiltered = unfiltered
        self._launcher = Launcher(memory_mib)
        self._warned = False

    def __reduce__(self) -> tuple[object, ...]:
        return _revive, (self._seconds, self._memory_mib, self._require_mask, self._unfiltered)

    def __enter__(self) -> V8Runtime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def seconds(self) -> float:
        return self._seconds

    def close(self) -> None:
        """End all interpreters. The runtime can still be used: it then starts new ones."""
        self._launcher.close()

    @contextmanager
    def open(self, script: str) -> Iterator[ScriptSession]:
        """As in ScriptRuntime. Raises SandboxUnavailable if there is no system-call filter and `unfiltered` is
        not set."""
        client = InterpreterClient(self._filtered(), self._launcher.end, self._seconds, self._memory_mib)
        try:
            yield V8Session(client, script.lstrip("\ufeff"), require_mask=self._require_mask)
        finally:
            client.close()

    def about(self) -> Sandbox:
        """The sandbox that a script would run in. Raises SandboxUnavailable as `open` does."""
        child = self._filtered()
        self._launcher.end(child)
        return Sandbox(engine=child.engine, obstacle=child.obstacle)

    def _filtered(self) -> ChildProcess:
        """An interpreter behind the filter, or without one if the operator allows it."""
        child = self._launcher.start()
        if child.obstacle is not None:
            if not self._unfiltered:
                self._launcher.end(child)
                raise SandboxUnavailable(_REFUSED.format(child.obstacle))
            if not self._warned:
                self._warned = True
                _LOG.warning(_UNFILTERED, child.obstacle)
        return child


def announce(*, unfiltered: bool) -> None:
    """Log at start whether scripts will run, if no system-call filter can be installed; log nothing if one can."""
    obstacle = v8_seccomp.obstacle()
    if obstacle is not None and unfiltered:
        _LOG.warning(_UNFILTERED, obstacle)
    elif obstacle is not None:
        _LOG.error(_REFUSED.format(obstacle))


def _revive(seconds: float, memory_mib: int, require_mask: bool, unfiltered: bool) -> V8Runtime:
    return V8Runtime(seconds, memory_mib, require_mask=require_mask, unfiltered=unfiltered)
