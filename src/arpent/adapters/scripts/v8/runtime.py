"""V8Runtime: evalscripts in V8, each in a disposable, locked-in process of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from arpent.adapters.scripts.v8.client import Dialogue
from arpent.adapters.scripts.v8.launcher import Nursery
from arpent.adapters.scripts.v8.session import V8Session
from arpent.domain.ports.scripts import ScriptSession

_LOG = logging.getLogger("arpent.evalscript")


class V8Runtime:
    """A ScriptRuntime. It holds one zygote process, started by the first script; `close` ends it.

    May be pickled and used in another process, which then has a zygote of its own.
    """

    def __init__(self, seconds: float, memory_mib: int, *, require_mask: bool = True) -> None:
        """`seconds`: longest one call may take; `memory_mib`: heap of a script; `require_mask`: refuse scripts without
        a dataMask output, as statistics do (FACTS 5.1)."""
        self._seconds = seconds
        self._memory_mib = memory_mib
        self._require_mask = require_mask
        self._nursery = Nursery(memory_mib)
        self._warned = False

    def __reduce__(self) -> tuple[object, ...]:
        return _revive, (self._seconds, self._memory_mib, self._require_mask)

    def __enter__(self) -> V8Runtime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def seconds(self) -> float:
        return self._seconds

    def close(self) -> None:
        """End all interpreters. The runtime may still be used: it starts anew."""
        self._nursery.close()

    @contextmanager
    def open(self, script: str) -> Iterator[ScriptSession]:
        child = self._nursery.start()
        if not child.confined and not self._warned:
            self._warned = True
            _LOG.warning("evalscripts run without the system-call filter: it needs Linux on x86-64")
        dialogue = Dialogue(child, self._nursery.end, self._seconds, self._memory_mib)
        try:
            yield V8Session(dialogue, script.lstrip("\ufeff"), require_mask=self._require_mask)
        finally:
            dialogue.close()


def _revive(seconds: float, memory_mib: int, require_mask: bool) -> V8Runtime:
    return V8Runtime(seconds, memory_mib, require_mask=require_mask)
