"""V8 session: one script in one interpreter. Neither of them is trusted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from arpent import __version__
from arpent.adapters.scripts.v8.client import InterpreterClient
from arpent.adapters.scripts.v8.shared_memory import SharedBuffer, arrays_of, columns_of
from arpent.domain.errors import ScriptError, ScriptExecutionError, ScriptOutOfMemory, ScriptSetupError
from arpent.domain.evalscript import Evalscript, Mosaicking
from arpent.domain.interval import Interval
from arpent.domain.ports.scripts import Scene, ScriptAnswer, ScriptInput
from arpent.evalscript.harness import harness
from arpent.evalscript.layout import SEGMENTS, MemoryLayout, capacity_of
from arpent.evalscript.outputs import counted, declared, gaps_of
from arpent.evalscript.program import Thrown
from arpent.evalscript.scenes import is_fusion, preprocessing, scene_fields, source_keys
from arpent.evalscript.service_functions import PARAMETER, has_parameter
from arpent.evalscript.setup import check_defined, check_version, read_setup

_SMALLEST, _LARGEST = 1 << 20, 1 << 26
_HARNESSES = 32


class V8Session:
    """A ScriptSession over V8. The runtime owns and ends its interpreter."""

    def __init__(self, client: InterpreterClient, source: str, *, require_mask: bool) -> None:
        check_version(source)
        self._client = client
        self._log: list[str] = []
        functions = self._listed(client.load(source), "functions")
        self._functions = frozenset(str(name) for name in functions)
        check_defined("setup", self._functions, source)
        answer = self._set_up(source)
        if not isinstance(answer, dict):
            raise ScriptSetupError("setup() must return an object { input: [...], output: {...} }")
        self._evalscript = read_setup(
            source,
            answer.get("declared"),
            self._functions,
            misspelt=[str(name) for name in self._listed(answer.get("misspelt"), "misspelt")],
            require_mask=require_mask,
        )
        self._current = self._evalscript
        self._buffer: SharedBuffer | None = None
        self._harnesses: dict[tuple[Evalscript, MemoryLayout], int] = {}

    def _set_up(self, source: str) -> object:
        """The return value of setup(). Raises ScriptSetupError."""
        try:
            return self._ask("setup", kind=ScriptSetupError)
        except ScriptSetupError as error:
            if error.error_class == "TypeError" and has_parameter(source):
                raise ScriptSetupError(f"{error.args[0]}: {PARAMETER}", error.line, error.column) from None
            raise

    @property
    def evalscript(self) -> Evalscript:
        return self._evalscript

    def preprocess(self, scenes: Sequence[Sequence[Scene]], interval: Interval) -> tuple[tuple[int, ...], ...]:
        kept = tuple(tuple(range(len(group))) for group in scenes)
        if all(entry.mosaicking is Mosaicking.SIMPLE for entry in self._evalscript.inputs):
            return kept
        for name, function in (("preProcessScenes", "preprocess"), ("filterScenes", "filter")):
            if name in self._functions:
                left = [[group[row] for row in rows] for group, rows in zip(scenes, kept, strict=True)]
                chosen = self._chosen(name, function, left, interval)
                kept = tuple(tuple(before[row] for row in rows) for before, rows in zip(kept, chosen, strict=True))
        return kept

    def _chosen(
        self, name: str, function: str, scenes: Sequence[Sequence[Scene]], interval: Interval
    ) -> list[list[int]]:
        """Indices of the scenes that one of the script's functions keeps."""
        answer = self._listed(self._ask(function, preprocessing(self._evalscript, scenes, interval)), name)
        groups = [answer] if function == "filter" else answer
        if len(groups) != len(scenes):
            raise ScriptExecutionError(f"the interpreter gave an invalid answer ({name})")
        chosen = []
        for rows, group in zip(groups, scenes, strict=True):
            listed = self._listed(rows, name)
            if not all(isinstance(row, int) and 0 <= row < len(group) for row in listed):
                raise ScriptExecutionError(f"{name} returned scenes that it was not given")
            if len(listed) > len(group):  # memory was reserved only for the given ones
                raise ScriptExecutionError(f"{name} returned more scenes than it was given")
            chosen.append([int(str(row)) for row in listed])
        return chosen

    def update_output(self, scenes: Sequence[Sequence[Scene]]) -> Evalscript:
        if "updateOutput" not in self._functions:
            return self._evalscript
        question = {
            "output": declared(self._evalscript),
            "given": scene_fields(self._evalscript, scenes),
            "fusion": is_fusion(self._evalscript),
        }
        counts = self._ask("updateOutput", question)
        if not isinstance(counts, dict):
            raise ScriptExecutionError("updateOutput did not set numbers of bands")
        self._current = counted(self._evalscript, counts)
        return self._current

    # ---- pixels

    def evaluate(
        self, inputs: Sequence[ScriptInput], offsets: NDArray[np.int64], seconds: float | None = None
    ) -> ScriptAnswer:
        self._client.start_clock(seconds)
        evalscript = self._current
        mosaickings = [entry.mosaicking for entry in evalscript.inputs]
        arrays = [arrays_of(entry, kind) for entry, kind in zip(inputs, mosaickings, strict=True)]
        columns = tuple(columns_of(*parts) for parts in zip(arrays, inputs, mosaickings, strict=True))
        count = arrays[0][0].shape[1]
        layout = self._prepare(MemoryLayout(inputs=columns, width=evalscript.width), count)
        number = self._attach(evalscript, layout)
        self._ask("begin", self._call_of(inputs))
        values = np.empty((evalscript.width, count))
        values[:, : offsets[0]] = values[:, offsets[-1] :] = np.nan
        failures, counts = self._passes(arrays, layout, number, offsets, values)
        for segment in failures:
            values[:, offsets[segment] : offsets[segment + 1]] = np.nan
        if "updateOutputMetadata" in self._functions:
            self._ask("finish")
        log, self._log = tuple(self._log), []
        return ScriptAnswer(values=values, failures=failures, log=log, gaps=gaps_of(evalscript, counts))

    def machine_code(self, inputs: Sequence[ScriptInput]) -> None:
        """None, because an interpreter has no machine code."""

    def _call_of(self, inputs: Sequence[ScriptInput]) -> dict[str, object]:
        factors = [entry.normalization_factor for entry in inputs]
        metadata: dict[str, object] = {"serviceVersion": f"arpent {__version__}", "normalizationFactor": factors[0]}
        if is_fusion(self._current):
            for key, factor in zip(source_keys(self._current), factors, strict=True):
                metadata[key] = {"normalizationFactor": factor}
        return {
            "given": scene_fields(self._current, [entry.scenes for entry in inputs]),
            "fusion": is_fusion(self._current),
            "input": metadata,
        }

    def _prepare(self, layout: MemoryLayout, count: int) -> MemoryLayout:
        """The layout with a capacity, over a buffer that is large enough; the buffer grows by doubling, up to a
        limit."""
        wanted = replace(layout, capacity=max(1, min(count, capacity_of(layout, _LARGEST)))).size
        size = min(_LARGEST, max(_SMALLEST, 1 << (wanted - 1).bit_length()))
        if self._buffer is None or self._buffer.size < size:
            self._buffer = SharedBuffer(size)
            self._harnesses.clear()
            self._client.action("buffer", {"size": size}, self._buffer.descriptor)
            self._buffer.forget_descriptor()
        capacity = capacity_of(layout, self._buffer.size)
        if capacity == 0:
            raise ScriptOutOfMemory("one sample has more scenes and bands than fit the memory of an interpreter")
        return replace(layout, capacity=capacity)

    def _attach(self, evalscript: Evalscript, layout: MemoryLayout) -> int:
        key = (evalscript, layout)
        if key not in self._harnesses:
            if len(self._harnesses) >= _HARNESSES:
                self._harnesses.clear()
            number = len(self._harnesses)
            self._client.action("attach", {"harness": harness(evalscript, layout), "number": number})
            self._harnesses[key] = number
        return self._harnesses[key]

    def _passes(
        self,
        arrays: Sequence[Sequence[NDArray[np.generic]]],
        layout: MemoryLayout,
        number: int,
        offsets: NDArray[np.int64],
        values: NDArray[np.float64],
    ) -> tuple[dict[int, ScriptError], list[int]]:
        """Run all samples, as many at a time as fit the buffer; returns the error of each segment that threw, and the
        counts of `gaps_of`."""
        assert self._buffer is not None
        failures: dict[int, ScriptError] = {}
        known: dict[Thrown, ScriptError] = {}
        counts = [0] * (2 * len(declared(self._current)) + 1)
        for low, high, segments, ends in pieces(offsets, layout.capacity, failures):
            into = [self._buffer.cut(ends - low), *self._buffer.fill(layout, arrays, low, high)]
            out = self._buffer.pieces_out(layout, high - low)
            question = {"call": number * (SEGMENTS + 1) + len(segments), "into": into, "out": out}
            answer = self._value(self._client.action("run", question), ScriptExecutionError)
            values[:, low:high] = self._buffer.values(layout, high - low)
            faults, found = self._faults_and_counts(answer, len(counts))
            counts = [sum(both) for both in zip(counts, found, strict=True)]
            thrown: Thrown | None = None
            for fault in faults:
                position, thrown = self._fault(fault, len(segments), thrown)
                if thrown not in known:
                    known[thrown] = self._client.error(ScriptExecutionError, thrown)
                failures[int(segments[position])] = known[thrown]
        return failures, counts

    def _faults_and_counts(self, answer: object, size: int) -> tuple[list[object], list[int]]:
        """The faults and the counts that the engine's `run` returned."""
        match answer:
            case {"faults": list() as faults, "gaps": list() as counts} if len(counts) == size:
                if all(isinstance(count, int) and count >= 0 for count in counts):
                    return faults, counts
        raise ScriptExecutionError("the interpreter gave an invalid answer (run)")

    def _fault(self, fault: object, count: int, before: Thrown | None) -> tuple[int, Thrown]:
        """(position of the segment that threw, what it threw). A fault without a text repeats the previous one."""
        match fault:
            case [int() as position, str() as message, str() as stack, str() as kind] if 0 <= position < count:
                return position, Thrown(message=message, stack=stack, error_class=kind)
            case [int() as position] if 0 <= position < count and before is not None:
                return position, before
        raise ScriptExecutionError("the interpreter gave an invalid answer")

    # ---- answers

    def _ask(self, function: str, question: object = None, kind: type[ScriptError] = ScriptExecutionError) -> object:
        text = None if question is None else json.dumps(question)
        answer = self._client.action("call", {"function": function, "question": text})
        return self._value(answer, kind)

    def _value(self, answer: Mapping[str, object], kind: type[ScriptError]) -> object:
        self._log += [str(line)[:1000] for line in self._listed(answer.get("log"), "log")]
        return self._client.value(answer, kind)

    def _listed(self, value: object, what: str) -> list[object]:
        if isinstance(value, list):
            return value
        raise ScriptExecutionError(f"the interpreter gave an invalid answer ({what})")


def pieces(
    offsets: NDArray[np.int64], capacity: int, skipped: Mapping[int, object]
) -> Iterator[tuple[int, int, NDArray[np.intp], NDArray[np.int64]]]:
    """Divide all segments into passes: (first sample, end of samples, segment indices, segment bounds (n, 2)).

    Each has at most `capacity` samples and SEGMENTS segments, none of them in `skipped`, which is read before each.
    """
    low, last = int(offsets[0]), int(offsets[-1])
    while low < last:
        first = int(np.searchsorted(offsets, low, "right")) - 1
        high = min(last, low + capacity, int(offsets[min(first + SEGMENTS, len(offsets) - 1)]))
        segments = np.arange(first, int(np.searchsorted(offsets, high, "left")))
        if skipped:
            segments = segments[[segment not in skipped for segment in segments.tolist()]]
        ends = np.stack([offsets[segments].clip(low), offsets[segments + 1].clip(max=high)], axis=1)
        filled = ends[:, 0] < ends[:, 1]
        if filled.any():
            yield low, high, segments[filled], ends[filled]
        low = high
