"""`arpent script run`: a script on given samples, or on one feature of a request."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from arpent import worker
from arpent.cli.script.samples import GivenSamples, days_of, understand
from arpent.domain.errors import ScriptError
from arpent.domain.evalscript import DATA_MASK, Evalscript, Mosaicking
from arpent.domain.interval import Interval
from arpent.domain.ports.scripts import ScriptInput, ScriptRuntime, ScriptSession
from arpent.engine.explain import explain_feature
from arpent.settings import Settings
from arpent.wire.explanation import render_explanation
from arpent.wire.iso import parse_instant
from arpent.wire.request.parse import parse_batch
from arpent.wiring import local


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleAnswer:
    """What a script returned for one sample."""

    outputs: Mapping[str, tuple[float, ...]]
    """Output id → values of its bands, NaN where nothing was returned; dataMask last. Empty if the script threw."""
    error: ScriptError | None
    """What the script threw; None if it did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRun:
    """What a script returned for all samples."""

    answers: tuple[SampleAnswer, ...]
    """One per sample."""
    log: tuple[str, ...]
    """Lines that the script wrote with console.log, then a line for each kind of value that it did not return."""


def run_on_samples(source: str, given: object, runtime: ScriptRuntime) -> ScriptRun:
    """Run the script on samples. Raises InvalidRequest if they do not fit the script, ScriptError if it cannot be
    loaded."""
    answers: list[SampleAnswer] = []
    log: list[str] = []
    with runtime.open(source) as session:
        for one in understand(given, session.evalscript):
            for answer, said in _asked(session, one):
                answers += answer
                log += said
    return ScriptRun(answers=tuple(answers), log=tuple(log))


def run_on_feature(settings: Settings, source: str, body: str, feature: int, start: str | None) -> dict[str, object]:
    """The explanation of one feature's numbers, computed with this script in place of the request's. Raises
    CallerError, ScriptError or WorldError."""
    worker.check_places(settings)
    services = worker.services_of(settings)
    request = replace(parse_batch(body), script=source)
    local.check_request(services.collections, request)
    found: dict[str, object] = json.loads(
        render_explanation(
            explain_feature(request, feature, parse_instant(start, "--from") if start else None, services)
        )
    )
    return found


def _asked(session: ScriptSession, given: GivenSamples) -> Iterator[tuple[list[SampleAnswer], tuple[str, ...]]]:
    scenes = [entry.scenes for entry in given.inputs]
    start, end = days_of(scenes)
    kept = session.preprocess(scenes, Interval(start=start, end=end))
    mosaickings = [entry.mosaicking for entry in session.evalscript.inputs]
    inputs = [_left(*parts) for parts in zip(given.inputs, kept, mosaickings, strict=True)]
    evalscript = session.update_output([entry.scenes for entry in inputs])
    answer = session.evaluate(inputs, np.arange(given.count + 1))
    answered = [
        SampleAnswer(
            outputs={} if number in answer.failures else _outputs(evalscript, answer.values[:, number].tolist()),
            error=answer.failures.get(number),
        )
        for number in range(given.count)
    ]
    yield answered, (*answer.log, *map(str, answer.gaps))


def _left(entry: ScriptInput, rows: Sequence[int], mosaicking: Mosaicking) -> ScriptInput:
    """The input with only the scenes that preProcessScenes kept, in its order."""
    if mosaicking is Mosaicking.SIMPLE:
        return entry
    values = tuple(np.ascontiguousarray(array[list(rows)]) for array in entry.values)
    return replace(entry, values=values, scenes=tuple(entry.scenes[row] for row in rows))


def _outputs(evalscript: Evalscript, values: Sequence[float]) -> dict[str, tuple[float, ...]]:
    found, row = {}, 0
    for output in evalscript.outputs:
        found[output.id] = tuple(values[row : row + len(output.bands)])
        row += len(output.bands)
    return found | ({DATA_MASK: tuple(values[row:])} if evalscript.mask_bands else {})


def number(value: float) -> float | str | None:
    """The number as JSON: NaN is null, infinities are text."""
    if math.isnan(value):
        return None
    return ("Infinity" if value > 0 else "-Infinity") if math.isinf(value) else value
