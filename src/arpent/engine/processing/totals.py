"""Totals: the statistics of one interval, accumulated from chunks of the features' samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from arpent.domain.calculation import Calculations
from arpent.domain.errors import ScriptError, ScriptTimeout
from arpent.domain.evalscript import Evalscript, Output
from arpent.domain.ports.scripts import MachineCode, ScriptAnswer, ScriptInput
from arpent.domain.result import BandStatistics, ErrorType, Failure, IntervalResult
from arpent.engine.band_bindings import BandBinding
from arpent.engine.processing.acquisitions import IntervalAcquisitions
from arpent.engine.processing.inputs import Prepared, ScriptCall
from arpent.engine.processing_units import band_samples, fusion
from arpent.zonal.computed import ComputedBand, computed_sums
from arpent.zonal.reductions import OutsideSample
from arpent.zonal.statistics import Reduction, ReductionPart, needs_samples, parts_of, values_suffice

Entry = TypeVar("Entry", bound=np.generic)
Key = tuple[object, ...]
"""Identifies a group of features that see the same scenes, in all chunks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summed:
    """The contribution of samples that were summed together with those of other intervals."""

    parts: list[ReductionPart]
    """Contribution of each band that the script returns, in the script's order."""


Answered = ScriptAnswer | MachineCode | Summed
"""What a script returned for some samples, machine code that computes this, or the sums of it."""


class IntervalTotals:
    """Accumulates what the script returned for parts of the samples. The statistics are the same, bit for bit, no
    matter how the samples were divided."""

    def __init__(
        self,
        bindings: Sequence[BandBinding],
        calculations: Calculations,
        sample_count: NDArray[np.int64],
        found: IntervalAcquisitions,
    ) -> None:
        """`sample_count` (n,): number of samples of each feature's grid; `found`: acquisitions that reach any feature
        of the partition."""
        self._bindings = bindings
        self._calculations = calculations
        self._sample_count = sample_count
        self._found = found
        self._groups: dict[Key, _Group] = {}
        self._failures: dict[int, Failure] = {}

    def add(
        self,
        rows: NDArray[np.intp],
        reaching: IntervalAcquisitions,
        prepared: Prepared,
        answers: Iterable[tuple[ScriptCall, Answered]],
        shares: NDArray[np.float64] | None = None,
    ) -> None:
        """Add samples, none of which was added before, of the features `rows` (n,), ascending. Nothing is added if
        `answers` raises an error. `reaching`: acquisitions that reach these features. `answers`: the prepared calls,
        each with its answer or with code that computes it (see `takes_code`); only the outside sample needs an answer,
        unless it is known already (see `knows_outside`). `shares` (N,): covered share of each sample, if needed."""
        key = self._key(reaching)
        group = self._groups.get(key) or _Group(
            self._bindings, self._calculations, self._sample_count, self._found, prepared
        )
        group.add(rows, reaching, prepared, answers, shares)
        self._groups[key] = group

    def takes_code(self, evalscript: Evalscript) -> bool:
        """Whether `add` accepts machine code in place of answers."""
        bands = ((output.id, band) for output in evalscript.outputs for band in output.bands)
        return all(values_suffice(self._calculations.of(*band)) for band in bands)

    def knows_outside(self, reaching: IntervalAcquisitions) -> bool:
        """Whether the answer for the outside sample is known from other features that see the same scenes."""
        return self._key(reaching) in self._groups

    def fail(self, rows: NDArray[np.intp], failure: Failure) -> None:
        """Record that these features have no numbers in this interval, no matter what else is added."""
        for row in rows.tolist():
            self._failures.setdefault(row, failure)

    def results(self) -> Iterator[IntervalResult]:
        """One result for each group of features that see the same scenes, and one for the features that failed as a
        whole; each covers all features of the partition."""
        failed = np.zeros(len(self._sample_count), bool)
        failed[list(self._failures)] = True
        for group in self._groups.values():
            yield group.result(~failed)
        if self._failures:
            yield IntervalResult(
                interval=self._found.interval, present=failed, outputs={}, failures=dict(self._failures)
            )

    def _key(self, part: IntervalAcquisitions) -> Key:
        """Key of the group that these acquisitions belong to. A SIMPLE input always makes one mosaic, so only with
        several sources does it matter, namely whether the input has any item."""
        several = len(self._bindings) > 1
        return tuple(
            (not several or len(one.items) > 0) if not binding.has_scenes else tuple(map(id, one.items))
            for binding, one in zip(self._bindings, part.inputs, strict=True)
        )


class _Group:
    """Features that see the same scenes and therefore have the same outputs."""

    def __init__(
        self,
        bindings: Sequence[BandBinding],
        calculations: Calculations,
        sample_count: NDArray[np.int64],
        found: IntervalAcquisitions,
        prepared: Prepared,
    ) -> None:
        count = len(sample_count)
        self._bindings, self._sample_count, self._found = bindings, sample_count, found
        self._evalscript: Evalscript = prepared.evalscript
        self._calculations = calculations
        self._members, self._present = np.zeros(count, bool), np.zeros(count, bool)
        self._inside = np.zeros(count, np.int64)
        self._failures: dict[int, Failure] = {}
        self._outside: tuple[NDArray[np.float64], Failure | None] | None = None
        self._band_samples = 0.0
        self._places = [{id(item): place for place, item in enumerate(one.items)} for one in found.inputs]
        """Per input: `id` of the item object → its index among the items that reach any of the partition's features."""
        self._used = [np.zeros((len(places), count), bool) for places in self._places]
        self._considered = [np.zeros(len(places), bool) for places in self._places]
        self._reductions = {
            (output.id, band): Reduction(count, calculations.of(output.id, band), output.sample_type)
            for output in self._evalscript.outputs
            for band in output.bands
        }

    def add(
        self,
        rows: NDArray[np.intp],
        reaching: IntervalAcquisitions,
        prepared: Prepared,
        answers: Iterable[tuple[ScriptCall, Answered]],
        shares: NDArray[np.float64] | None = None,
    ) -> None:
        names = [(output.id, band) for output, band in _bands(self._evalscript)]
        parts: list[tuple[NDArray[np.intp], list[ReductionPart]]] = []
        failures: dict[int, ScriptError] = {}
        begun, outside = 0, None  # samples of earlier calls; answer for the outside sample
        seen = prepared.seen if self._calculations.needs_seen else None
        for call, answer in answers:
            count = min(len(rows) - call.first, len(call.offsets) - 1)  # without the outside sample
            if isinstance(answer, Summed):
                found = answer.parts
            elif isinstance(answer, MachineCode):
                found = summed(answer, call.offsets, self._evalscript, self._calculations)[0].parts
            else:
                further = _from(shares, begun), _from(seen, begun)
                found = self._reduced(call.offsets[: count + 1], answer.values, *further)
                failures |= {call.first + segment: error for segment, error in answer.failures.items()}
                outside = answer.values[:, -1].copy()
            if count:
                parts.append((rows[call.first : call.first + count], found))
            begun += int(call.offsets[count])
        for chosen, bands in parts:  # only now: if a call fails, these features are tried again in halves
            for name, reduced in zip(names, bands, strict=False):
                self._reductions[name].add(reduced, chosen)
        self._members[rows] = True
        self._present[rows] |= reaching.present
        self._inside[rows] += np.diff(prepared.offsets[:-1])
        self._note_used(rows, reaching, prepared)
        self._note_failures(rows, prepared, failures, outside)
        self._band_samples = fusion(binding.collection.id for binding in self._bindings) * band_samples(
            (binding.input.bands, _depth(inputs))
            for binding, inputs in zip(self._bindings, prepared.inputs, strict=True)
        )

    def _reduced(
        self,
        offsets: NDArray[np.int64],
        values: NDArray[np.float64],
        shares: NDArray[np.float64] | None,
        seen: NDArray[np.bool_] | None,
    ) -> list[ReductionPart]:
        """The contribution of each band; `values` (width, N or more): values of segments with limits `offsets`
        (k + 1,)."""
        values = values[:, : offsets[-1]]
        seen = None if seen is None else seen[: offsets[-1]]
        masks = values[self._evalscript.width - self._evalscript.mask_bands :]
        return [
            self._reductions[output.id, band].part(
                row, None if output.mask is None else masks[output.mask], offsets, shares, seen
            )
            for row, (output, band) in zip(values, _bands(self._evalscript), strict=False)
        ]

    def result(self, well: NDArray[np.bool_]) -> IntervalResult:
        items = tuple(item.id for one in self._found.inputs for item in one.items)
        used = np.concatenate(self._used) if self._used else np.zeros((0, len(self._members)), bool)
        seen = np.concatenate(self._considered) if self._considered else np.zeros(0, bool)
        return IntervalResult(
            interval=self._found.interval,
            present=self._present & well,
            outputs=self._statistics(),
            failures=self._all_failures(),
            items=tuple(item for item, one in zip(items, seen, strict=True) if one),
            band_samples=self._band_samples,
            used=used[seen],
        )

    def _statistics(self) -> dict[str, dict[str, BandStatistics]]:
        assert self._outside is not None, "a group has had samples added"
        values, count = self._outside[0], len(self._members)
        masks = masks_of(self._evalscript, values[:, np.newaxis])
        sample_count = np.where(self._members, self._sample_count, 0)
        found: dict[str, dict[str, BandStatistics]] = {output.id: {} for output in self._evalscript.outputs}
        for value, (output, band) in zip(values.tolist(), _bands(self._evalscript), strict=False):
            valid = True if output.mask is None else bool(masks[output.mask][0])
            outside = OutsideSample(value=np.full(count, value), valid=np.full(count, valid))
            found[output.id][band] = self._reductions[output.id, band].finish(sample_count, outside)
        return found

    def _note_used(self, rows: NDArray[np.intp], part: IntervalAcquisitions, prepared: Prepared) -> None:
        """Record which items gave samples; `prepared.used` has a row for each item of each input of the part."""
        start = 0
        for places, used, considered, one in zip(self._places, self._used, self._considered, part.inputs, strict=True):
            for item in one.items:
                used[places[id(item)], rows] |= prepared.used[start]
                considered[places[id(item)]] = True
                start += 1

    def _note_failures(
        self,
        rows: NDArray[np.intp],
        prepared: Prepared,
        failures: Mapping[int, ScriptError],
        outside: NDArray[np.float64] | None,
    ) -> None:
        """Record failures; `failures`: segment → error. The last segment is the outside sample, for which the script
        returned `outside`."""
        for segment, error in failures.items():
            if segment != len(rows):
                self._failures.setdefault(int(rows[segment]), as_failure(error))
        for row, failure in prepared.failures.items():
            self._failures.setdefault(int(rows[row]), failure)
        if self._outside is None:
            assert outside is not None, "the first samples come with the one outside"
            beyond = failures.get(len(rows))
            self._outside = (outside, None if beyond is None else as_failure(beyond))

    def _all_failures(self) -> dict[int, Failure]:
        """Row → failure. If the script threw for the outside sample, every feature with samples outside its polygon has
        failed."""
        failures = dict(self._failures)
        if self._outside is not None and self._outside[1] is not None:
            for row in np.flatnonzero(self._members & (self._sample_count > self._inside)).tolist():
                failures.setdefault(row, self._outside[1])
        return failures


def summed(
    code: MachineCode, offsets: NDArray[np.int64], evalscript: Evalscript, calculations: Calculations, times: int = 1
) -> list[Summed]:
    """Sum the samples that the code computes. They are those of the same k features several `times` (once per
    interval), with limits `offsets` (times * k + 1,). Returns the contribution of the k features for each time."""
    first_mask = evalscript.width - evalscript.mask_bands
    bands = [
        ComputedBand(
            row=row,
            mask=None if output.mask is None else first_mask + output.mask,
            sample_type=output.sample_type,
            kept=needs_samples(calculations.of(output.id, band), output.sample_type),
        )
        for row, (output, band) in enumerate(_bands(evalscript))
    ]
    found = [parts_of(np.diff(offsets), *each, times) for each in computed_sums(code, offsets, bands)]
    return [Summed(parts=[parts[place] for parts in found]) for place in range(times)]


def _bands(evalscript: Evalscript) -> Iterator[tuple[Output, str]]:
    """Output and name of each band that the script returns, in the script's order."""
    for output in evalscript.outputs:
        for band in output.bands:
            yield output, band


def as_failure(error: ScriptError) -> Failure:
    """The failure that a result file states for an error of the script."""
    kind = ErrorType.TIMEOUT if isinstance(error, ScriptTimeout) else ErrorType.EXECUTION_ERROR
    return Failure(type=kind, message=str(error))


def masks_of(evalscript: Evalscript, values: NDArray[np.float64]) -> list[NDArray[np.bool_]]:
    """One array per mask of the script: whether each sample counts, because the mask is neither 0 nor NaN
    (sentinelhub.md 3.3)."""
    first = evalscript.width - evalscript.mask_bands
    return [(values[row] != 0) & ~np.isnan(values[row]) for row in range(first, evalscript.width)]


def _from(column: NDArray[Entry] | None, begin: int) -> NDArray[Entry] | None:
    return None if column is None else column[begin:]


def _depth(inputs: ScriptInput) -> int:
    """Number of samples per pixel."""
    values = inputs.values[0]
    return 1 if values.ndim == 1 else values.shape[0]
