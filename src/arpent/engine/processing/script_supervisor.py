"""Script supervisor: reopens a script's session when it dies, and finds the features that kill it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from arpent.domain.errors import ScriptError, ScriptExecutionError, ScriptOutOfMemory, ScriptTimeout
from arpent.domain.evalscript import Evalscript, Gap, sum_gaps
from arpent.domain.interval import Interval
from arpent.domain.ports.scripts import (
    MachineCode,
    Scene,
    ScriptAnswer,
    ScriptInput,
    ScriptRuntime,
    ScriptSession,
)

Answer = TypeVar("Answer")

OPENINGS = 3
"""Number of tries to open a script that has been opened before: if it fails now, its process was probably killed."""
PATIENCE = 4.0
"""One call may spend this many times the script's time limit on the search for features that cannot be finished …"""
LONGEST_PATIENCE = 8.0
"""… and all calls of a partition together this many times."""
LENIENCE = 10.0
"""A single feature may take this many times its share of the script's time limit."""
LEAST_SECONDS = 2.0
"""Minimum time limit for a part of the features, in seconds."""
_FATAL = (ScriptTimeout, ScriptOutOfMemory, ScriptExecutionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Some segments of a call."""

    segments: NDArray[np.intp]
    """Indices of the segments, ascending."""
    tries: int = 0
    """How often this part has failed."""


@dataclass(slots=True, kw_only=True)
class _Call:
    """One call of `evaluate`, and its results so far."""

    inputs: Sequence[ScriptInput]
    """Samples of all segments."""
    offsets: NDArray[np.int64]
    """Limits of all segments."""
    values: NDArray[np.float64] | None = None
    """(width, N): values that the script returned; None until the first part is done."""
    failures: dict[int, ScriptError] = field(default_factory=dict)
    """Index of a segment → its error."""
    log: list[str] = field(default_factory=list)
    """Lines that the script logged."""
    gaps: tuple[Gap, ...] = ()
    """What evaluatePixel left out for some samples."""
    wasted: float = 0.0
    """Seconds spent on parts that failed."""

    def share(self, part: _Part) -> float:
        """The part's share of all samples, from 0 to 1."""
        counts = np.diff(self.offsets)
        return float(counts[part.segments].sum() / max(1, counts.sum()))

    def samples(self, part: _Part) -> NDArray[np.int64]:
        """Indices of the part's samples."""
        ranges = [np.arange(self.offsets[one], self.offsets[one + 1]) for one in part.segments]
        return np.concatenate(ranges) if ranges else np.zeros(0, np.int64)

    def cut(self, part: _Part) -> tuple[Sequence[ScriptInput], NDArray[np.int64]]:
        """The arguments of the call for this part only."""
        if len(part.segments) == len(self.offsets) - 1:
            return self.inputs, self.offsets
        samples = self.samples(part)
        inputs = [
            replace(entry, values=tuple(np.ascontiguousarray(values[..., samples]) for values in entry.values))
            for entry in self.inputs
        ]
        return inputs, np.concatenate(([0], np.cumsum(np.diff(self.offsets)[part.segments])))

    def settle(self, part: _Part, answer: ScriptAnswer) -> None:
        """Store the answer for a part."""
        if len(part.segments) == len(self.offsets) - 1:
            self.values = answer.values
        else:
            if self.values is None:
                self.values = np.full((len(answer.values), int(self.offsets[-1])), np.nan)
            self.values[:, self.samples(part)] = answer.values
        self.failures |= {int(part.segments[row]): error for row, error in answer.failures.items()}
        self.log += answer.log
        self.gaps = sum_gaps((*self.gaps, *answer.gaps))

    def fail(self, part: _Part, error: ScriptError) -> None:
        """Store the error for all segments of a part."""
        self.failures |= dict.fromkeys(part.segments.tolist(), error)

    def answer(self, width: int) -> ScriptAnswer:
        """The answers of all parts together."""
        values = np.full((width, int(self.offsets[-1])), np.nan) if self.values is None else self.values
        return ScriptAnswer(values=values, failures=self.failures, log=tuple(self.log), gaps=self.gaps)


class ScriptSupervisor:
    """Runs a script over the intervals of one partition. Not thread-safe.

    A call that ends the session (timeout, out of memory, killed from outside) is repeated in a new session with each
    half of the features, down to single features; only those that cannot be finished fail. The time for this is
    limited; when it is used up, the remaining features fail with an error that says so. A feature that failed once is
    run separately from then on.
    """

    def __init__(
        self,
        runtime: ScriptRuntime,
        script: str,
        clock: Callable[[], float] = time.monotonic,
        *,
        opened_before: bool = True,
    ) -> None:
        """`opened_before`: the job's analysis has opened the script before."""
        self._runtime = runtime
        self._script = script
        self._clock = clock
        self._opened_before = opened_before
        self._stack = ExitStack()
        self._session: ScriptSession | None = None
        self._prelude: dict[str, Callable[[ScriptSession], object]] = {}
        self._suspects: set[int] = set()
        self._ended: dict[int, ScriptError] = {}
        self._wasted = 0.0
        self._last: ScriptError | None = None
        self._hopeless: ScriptError | None = None
        self._width = 0

    def __enter__(self) -> ScriptSupervisor:
        """Does not open the session, which is opened when it is first needed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def evalscript(self) -> Evalscript:
        """What setup() declared. Raises ScriptError if the script cannot be opened."""
        return self._opened().evalscript

    def restart(self) -> None:
        """End the session; the next call opens a new one."""
        self.end_interval()
        self._close()

    def end_interval(self) -> None:
        """Forget the state of an interval: a new session need not repeat the interval's preparations, and features that
        ended a session in this interval may be tried again in the next."""
        self._prelude.clear()
        self._ended.clear()

    def preprocess(self, scenes: Sequence[Sequence[Scene]], interval: Interval) -> tuple[tuple[int, ...], ...]:
        """As in ScriptSession, but repeated once in a new session if it fails."""
        return self._twice("preprocess", lambda session: session.preprocess(scenes, interval))

    def update_output(self, scenes: Sequence[Sequence[Scene]]) -> Evalscript:
        """As in ScriptSession, but repeated once in a new session if it fails."""
        evalscript = self._twice("update_output", lambda session: session.update_output(scenes))
        self._width = evalscript.width
        return evalscript

    def evaluate(
        self, inputs: Sequence[ScriptInput], offsets: NDArray[np.int64], owners: NDArray[np.int64]
    ) -> ScriptAnswer:
        """As in ScriptSession, but the answer contains errors that would otherwise be raised. `owners` (segments,):
        identifies each segment across calls."""
        call = _Call(inputs=inputs, offsets=offsets)
        parts = deque(self._parts(call, owners))
        while parts:
            part = parts.popleft()
            if len(part.segments):
                parts.extend(self._try(call, part, owners))
        return call.answer(self._width or self.evalscript.width)

    def machine_code(self, inputs: Sequence[ScriptInput]) -> MachineCode | None:
        """As in ScriptSession, but also None if features must be run separately or the script cannot be opened;
        `evaluate` then reports the error for each feature."""
        if self._suspects or self._ended or self._hopeless:
            return None
        try:
            return self._opened().machine_code(inputs)
        except ScriptError:
            return None

    def _parts(self, call: _Call, owners: NDArray[np.int64]) -> Iterator[_Part]:
        """One part with all segments, except those that failed before, which are parts of their own. Segments that
        ended the session in an earlier call of this interval fail again without being run."""
        if not self._suspects and not self._ended:
            yield _Part(segments=np.arange(len(owners)))
            return
        suspected = np.isin(owners, list(self._suspects))
        ended = np.isin(owners, list(self._ended))  # they have failed already, so further samples do not matter
        for row in np.flatnonzero(ended):
            call.fail(_Part(segments=np.array([row])), self._ended[int(owners[row])])
        yield _Part(segments=np.flatnonzero(~suspected & ~ended))
        for row in np.flatnonzero(suspected & ~ended):
            yield _Part(segments=np.array([row]))

    def _try(self, call: _Call, part: _Part, owners: NDArray[np.int64]) -> Sequence[_Part]:
        """Run a part and store its result, or return the parts to try next."""
        single, root = len(part.segments) == 1, not call.wasted
        impatient = self._wasted >= LONGEST_PATIENCE * self._runtime.seconds
        suspect = single and int(owners[part.segments[0]]) in self._suspects
        if self._hopeless or (impatient and (suspect or not root)) or self._exhausted(call):
            call.fail(part, self._untried(call))
            return ()
        began = self._clock()
        try:
            call.settle(part, self._run(call, part, whole=root and not suspect))
            return ()
        except ScriptError as error:
            seconds = max(self._clock() - began, 1e-6)
            call.wasted += seconds
            self._wasted += seconds
            self._last = error
            self._close()
            if impatient:
                self._hopeless = error
                call.fail(part, error)
                return ()
            if not single:
                half = len(part.segments) // 2
                return (_Part(segments=part.segments[:half]), _Part(segments=part.segments[half:]))
            if root and not suspect and not part.tries:  # the cause may be external
                return (replace(part, tries=1),)
            owner = int(owners[part.segments[0]])
            self._suspects.add(owner)
            self._ended[owner] = error
            call.fail(part, error)
            return ()

    def _run(self, call: _Call, part: _Part, *, whole: bool) -> ScriptAnswer:
        seconds = self._runtime.seconds
        if not whole:
            lenience = LENIENCE if len(part.segments) == 1 else 1.0
            seconds = min(seconds, max(LEAST_SECONDS, lenience * call.share(part) * seconds))
        session = self._opened()
        return session.evaluate(*call.cut(part), seconds)

    def _exhausted(self, call: _Call) -> bool:
        return call.wasted >= PATIENCE * self._runtime.seconds

    def _untried(self, call: _Call) -> ScriptError:
        """The error for features that were not tried separately because the time was used up."""
        error = self._hopeless or self._last
        assert error is not None, "patience is lost by errors only"
        return type(error)(
            f"not computed: {max(call.wasted, self._wasted):.0f} s were spent on finding the features for "
            f"which the script fails, and there are too many; the last error: {ScriptError.__str__(error)}"
        )

    # ---- the session

    def _opened(self) -> ScriptSession:
        """The session. If it has to be opened, the preparations of the current interval are repeated in it."""
        if self._session is None:
            self._session = self._open()
            for step in self._prelude.values():
                step(self._session)
        return self._session

    def _open(self) -> ScriptSession:
        for left in reversed(range(OPENINGS if self._opened_before else 1)):
            try:
                session = self._stack.enter_context(self._runtime.open(self._script))
            except _FATAL:
                if not left:
                    raise
            else:
                self._opened_before = True
                return session
        raise AssertionError

    def _close(self) -> None:
        self._session = None
        self._stack.close()

    def _twice(self, name: str, step: Callable[[ScriptSession], Answer]) -> Answer:
        try:
            answer = step(self._opened())
        except ScriptError:
            self._close()
            answer = step(self._opened())
        self._prelude[name] = step
        return answer
