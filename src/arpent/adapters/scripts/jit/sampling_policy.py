"""Sampling policy: how many results of a compiled script to check in the interpreter, and which scripts are known."""

from __future__ import annotations

import threading
from collections import OrderedDict

from arpent.domain.evalscript import Evalscript
from arpent.evalscript.layout import MemoryLayout

REFEREED = 4096
"""Number of samples to check per session and layout, if any are checked."""
ALWAYS = 4
"""Number of first sessions of a script and layout in which samples are checked."""
SELDOM = 16
"""After these, samples are checked in one of this many sessions. Whether machine code is right depends on script and
layout, not on the partition, and opening the interpreter takes as long as decoding some megabytes."""
_KEPT = 256


class SamplingPolicy:
    """What a process remembers about the scripts that it has run. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._declared: OrderedDict[str, Evalscript] = OrderedDict()
        self._sessions: OrderedDict[tuple[Evalscript, MemoryLayout], int] = OrderedDict()

    def declared(self, script: str) -> Evalscript | None:
        """What setup() of this script returned; None if it has not run yet."""
        with self._lock:
            return self._declared.get(script)

    def remember(self, script: str, evalscript: Evalscript) -> None:
        """Store what setup() returned."""
        with self._lock:
            self._declared[script] = evalscript
            self._declared.move_to_end(script)
            while len(self._declared) > _KEPT:
                self._declared.popitem(last=False)

    def samples(self, evalscript: Evalscript, layout: MemoryLayout) -> int:
        """Number of samples to check in a session that uses this layout for the first time."""
        key = (evalscript, layout)
        with self._lock:
            before = self._sessions.pop(key, 0)
            self._sessions[key] = before + 1
            while len(self._sessions) > _KEPT:
                self._sessions.popitem(last=False)
        return REFEREED if before < ALWAYS or before % SELDOM == 0 else 0
