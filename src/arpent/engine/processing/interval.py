"""Interval: processes intervals of one partition, from acquisitions through pixels and script to statistics."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from arpent.domain.calculation import Calculations
from arpent.domain.errors import ScriptError
from arpent.domain.ports.scripts import MachineCode, ScriptAnswer
from arpent.engine.band_bindings import BandBinding, has_scenes
from arpent.engine.budget import check_numbers, check_updated, kept_numbers
from arpent.engine.isolation import Isolation, unforeseen_failure
from arpent.engine.processing.acquisitions import IntervalAcquisitions
from arpent.engine.processing.inputs import Prepared, ScriptCall, prepare, prepare_together
from arpent.engine.processing.sample_geometry import SampleGeometry
from arpent.engine.processing.script_supervisor import ScriptSupervisor
from arpent.engine.processing.totals import IntervalTotals, as_failure, summed
from arpent.engine.services import Services
from arpent.engine.stage_timer import READ, REDUCE, SCRIPT
from arpent.evalscript.service_functions import BEFORE_SAMPLES

AT_ONCE = 1 << 18
"""Maximum number of samples that are evaluated and reduced at once, so that what the script returns for them stays in
the processor's caches, and its memory is reused …"""
NUMBERS_AT_ONCE = 1 << 24
"""… and maximum count of numbers in all bands that the script returns for them."""
MOST_TOGETHER, NUMBERS_TOGETHER = 32, 1 << 20
"""Maximum number of intervals that are read in one stream, and maximum count of numbers in all their bands, including
those kept until all are summed. The latter is small because the budget of a synchronous request is for one interval."""
OUTSIDE = np.iinfo(np.int64).min
"""Stands for the outside sample where segments are identified by feature ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Computation:
    """Everything that is the same for all intervals of a partition."""

    bindings: tuple[BandBinding, ...]
    """Inputs of the script with their collections."""
    geometry: SampleGeometry
    """The features' grids and samples."""
    session: ScriptSupervisor
    """The loaded script."""
    calculations: Calculations
    """The calculations that the request asks for."""
    services: Services
    """Ports for images, catalogue and buckets."""

    @property
    def shares(self) -> NDArray[np.float64] | None:
        """(N,): share of each sample that its polygon covers; None if no calculation needs it."""
        return self.geometry.shares if self.calculations.needs_shares else None

    def together(self, most: int) -> int:
        """How many intervals are read and summed together if at most `most` samples fit into memory. It is more than
        one only for small intervals, which take less time to compute than the steps between them."""
        if len(self.bindings) > 1 or has_scenes(self.bindings) or self.session.evalscript.functions & BEFORE_SAMPLES:
            return 1
        samples = max(1, len(self.geometry.samples))
        numbers = len(self.bindings[0].requests) + 1 + kept_numbers(self.session.evalscript, self.calculations)
        return max(1, min(MOST_TOGETHER, NUMBERS_TOGETHER // (samples * numbers), most // samples))


def add_intervals(
    computation: Computation,
    rows: NDArray[np.intp],
    found: Sequence[IntervalAcquisitions],
    totals: Sequence[IntervalTotals],
    isolation: Isolation,
) -> None:
    """Like `add_new`, for several intervals. They are read in one stream if possible, and after an error one by one, so
    that the error affects only its own interval."""
    pairs = list(zip(found, totals, strict=True))
    left = deque(pair for pair in pairs if pair[0].whole)
    if len(left) > 1:
        isolation.attempt(partial(_add_together, computation, rows, left))
    for one, total in (*left, *(pair for pair in pairs if not pair[0].whole)):
        add_new(computation, rows, one, total, isolation)


def add_new(
    computation: Computation,
    rows: NDArray[np.intp],
    found: IntervalAcquisitions,
    totals: IntervalTotals,
    isolation: Isolation,
) -> None:
    """Like `add_isolated`, but only for the features whose numbers no earlier request has computed."""
    if found.kept is not None and found.kept.any():
        places = np.flatnonzero(~found.kept)
        if not found.present[places].any():
            return
        computation = replace(computation, geometry=computation.geometry.take(places))
        rows, found = rows[places], found.take(places)
    add_isolated(computation, rows, found, totals, isolation)


def add_isolated(
    computation: Computation,
    rows: NDArray[np.intp],
    found: IntervalAcquisitions,
    totals: IntervalTotals,
    isolation: Isolation,
) -> None:
    """Evaluate the computation's samples in one interval and add the results to `totals`. `rows` (k,): the features, as
    rows of the partition; `found`: the items that reach them. A feature that fails for an unforeseen reason fails alone
    and only in this interval; if the acquisitions could not be determined, the interval fails for all features."""
    if found.error is not None:
        totals.fail(rows, unforeseen_failure(found.error))
        return
    # A single SIMPLE input makes one group: then all rows are processed, so that nothing has to be copied.
    alone = len(computation.bindings) == 1 and not has_scenes(computation.bindings)
    for members in groups(computation.bindings, found):
        group = np.arange(len(members)) if alone else np.flatnonzero(members)
        for part, error in isolation.run(rows[group], partial(_add, computation, rows, found, totals)):
            if isinstance(error, Exception):
                reached = found.present[np.searchsorted(rows, part)]
                totals.fail(part[reached], unforeseen_failure(error))


def _add(
    computation: Computation,
    rows: NDArray[np.intp],
    found: IntervalAcquisitions,
    totals: IntervalTotals,
    chosen: NDArray[np.intp],
) -> None:
    """Add the samples of features that see the same scenes; `chosen` (m,): these features, a subset of `rows` (k,)."""
    if len(chosen) < len(rows):
        places = np.searchsorted(rows, chosen)
        computation = replace(computation, geometry=computation.geometry.take(places))
        found = found.take(places)
    try:
        _evaluate(computation, read_samples(computation, found), found, totals, chosen)
    except ScriptError as error:
        totals.fail(chosen[found.present], as_failure(error))
    except Exception:
        computation.session.restart()  # its state is unknown after the error
        raise


def _evaluate(
    computation: Computation,
    prepared: Prepared,
    found: IntervalAcquisitions,
    totals: IntervalTotals,
    chosen: NDArray[np.intp],
) -> None:
    most = max(1, min(AT_ONCE, NUMBERS_AT_ONCE // prepared.evalscript.width))
    as_code, known = totals.takes_code(prepared.evalscript), totals.knows_outside(found)
    answered = answers(computation, prepared, most, as_code=as_code, outside=not known)
    totals.add(chosen, found, prepared, answered, computation.shares)


def _add_together(
    computation: Computation, rows: NDArray[np.intp], left: deque[tuple[IntervalAcquisitions, IntervalTotals]]
) -> None:
    """Read the intervals together and remove from `left` those that were added: one by one until machine code can
    compute the script's answers, then all remaining intervals at once."""
    services, session, evalscript = computation.services, computation.session, computation.session.evalscript
    with services.stopwatch.stage(READ):
        acquisitions = [found.inputs[0] for found, _ in left]
        read = prepare_together(computation.bindings[0], acquisitions, computation.geometry, evalscript, services)
    if read is None:
        return
    joined, prepared = read
    try:
        while left:
            place, (found, totals) = len(prepared) - len(left), left[0]
            entry = replace(joined, values=tuple(values[place:].reshape(-1) for values in joined.values))
            code = session.machine_code([entry]) if totals.takes_code(evalscript) else None
            if code is not None:
                _sum_together(computation, code, prepared[place:], rows, left)
                return
            _evaluate(computation, prepared[place], found, totals, rows)
            left.popleft()
    except ScriptError:
        return  # the interval concerned is the first of `left`; the error will occur again there
    except Exception:
        session.restart()
        raise


def _sum_together(
    computation: Computation,
    code: MachineCode,
    prepared: Sequence[Prepared],
    rows: NDArray[np.intp],
    left: deque[tuple[IntervalAcquisitions, IntervalTotals]],
) -> None:
    """Add all remaining intervals (n,); the code computes their samples, which follow each other interval by
    interval."""
    offsets, stopwatch = computation.geometry.samples.offsets, computation.services.stopwatch
    firsts = np.arange(len(prepared))[:, np.newaxis] * offsets[-1] + offsets[:-1]
    limits, evalscript = np.append(firsts.ravel(), code.count), prepared[0].evalscript
    with stopwatch.stage(REDUCE):
        sums = summed(code, limits, evalscript, computation.calculations, len(prepared))
    end = int(prepared[0].offsets[-1])
    outside, inside = prepared[0].call(end - 1, end), ScriptCall(inputs=(), offsets=offsets, first=0)
    with stopwatch.stage(SCRIPT):  # one answer serves all intervals: code is deterministic
        answer = computation.session.evaluate(outside.inputs, outside.offsets, np.array([OUTSIDE]))
    with stopwatch.stage(REDUCE):
        for one, mine in zip(prepared, sums, strict=True):
            found, totals = left[0]
            totals.add(rows, found, one, ((inside, mine), (outside, answer)))
            left.popleft()
    computation.session.end_interval()


def groups(bindings: Sequence[BandBinding], found: IntervalAcquisitions) -> Iterator[NDArray[np.bool_]]:
    """Groups (n,) of features that see the same scenes: a script's `samples` has one entry per scene of its feature;
    with several sources, `samples` of a SIMPLE input has length 0 or 1 (sentinelhub.md 5.2)."""
    scened = [
        one.reach if binding.has_scenes else one.reach.any(axis=0, keepdims=True)
        for binding, one in zip(bindings, found.inputs, strict=True)
        if len(bindings) > 1 or binding.has_scenes
    ]
    present = found.present
    group = np.zeros(len(present), np.intp)
    if scened:
        _, group = np.unique(np.packbits(np.concatenate(scened), axis=0).T, axis=0, return_inverse=True)
    for number in range(int(group.max(initial=0)) + 1):
        members = present & (group.ravel() == number)
        if members.any():
            yield members


def read_samples(computation: Computation, found: IntervalAcquisitions) -> Prepared:
    """Read the samples of all features, which must see the same scenes. Raises ScriptError if preProcessScenes or
    updateOutput fails."""
    with computation.services.stopwatch.stage(READ):
        prepared = prepare(
            computation.bindings,
            found.inputs,
            computation.geometry,
            computation.session,
            found.interval,
            computation.services,
        )
    if computation.services.synchronous is not None:  # updateOutput may have added bands
        check_numbers(prepared.evalscript, computation.calculations, 1)
    else:
        samples = int(prepared.offsets[-1])
        check_updated(prepared.evalscript, computation.session.evalscript, samples, computation.services)
    return prepared


def answers(
    computation: Computation, prepared: Prepared, most: int, *, as_code: bool = False, outside: bool = True
) -> Iterator[tuple[ScriptCall, ScriptAnswer | MachineCode]]:
    """The script's answers for all samples, at most `most` at once; they include errors of evaluatePixel. `as_code`: as
    soon as machine code can compute the answers, yield the code for all remaining samples except the outside sample,
    followed by an answer for that one. `outside` False: leave that answer out, since it is known from an earlier
    call."""
    owners, session = np.append(computation.geometry.features.ids, OUTSIDE), computation.session
    stopwatch, low, end = computation.services.stopwatch, 0, int(prepared.offsets[-1])
    while low < end:
        if as_code and low < end - 1:
            call = prepared.call(low, end - 1)
            code = session.machine_code(call.inputs)
            if code is not None:
                with stopwatch.stage(REDUCE):
                    yield call, code
                if not outside:
                    break
                low = end - 1
        call = prepared.call(low, min(low + most, end))
        with stopwatch.stage(SCRIPT):
            answer = session.evaluate(call.inputs, call.offsets, owners[call.first :][: len(call.offsets) - 1])
        with stopwatch.stage(REDUCE):
            yield call, answer
        low = min(low + most, end)
    session.end_interval()
