"""Budget: how much memory a request will need, computed before anything is allocated, and what request would fit.

The figures are measured upper bounds of what the engine allocates per sample (docs/adr/0009-bulkhead.md): a request
that passes stays within its process, whose own limit is only the second line of defence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from arpent.domain.calculation import Calculations
from arpent.domain.errors import LimitExceeded, ScriptExecutionError
from arpent.domain.evalscript import Evalscript
from arpent.domain.grid import Grids
from arpent.domain.result import PLAIN_STATISTICS
from arpent.engine.band_bindings import BandBinding
from arpent.engine.services import Services, SynchronousLimits
from arpent.zonal.statistics import keeps_samples

MEBIBYTE = 1 << 20
BASE_MIB = 400
"""Mebibytes of a process before its first sample."""
SAMPLE_BYTES = 100
"""Bytes per sample, whatever is read: its place in the grid, on the source grids, in the statistics."""
SCENE_BYTES = 4
"""Bytes per sample and scene: mask and origin."""
BAND_BYTES = 8
"""Bytes per sample, scene and band: the number, and its copy for the script."""
OUTPUT_BYTES = 16
"""Bytes per sample and band that the script returns: a double, and what the statistics make of it."""
PLAIN_BANDS = 3
"""Bands in and out of the script by which samples are counted where a setting speaks of samples."""
PLAIN_BYTES = SAMPLE_BYTES + OUTPUT_BYTES * PLAIN_BANDS + SCENE_BYTES + BAND_BYTES * PLAIN_BANDS
"""Bytes of such a sample."""
KEPT_PER_SAMPLE = 64
"""Samples of bounding boxes that may each keep one number, for each sample that is worked on. A number takes four
bytes, and mostly at most half of the samples have one: those inside the polygon that count."""
KEPT_AT_ONCE = 16
"""Numbers that samples of bounding boxes may keep in several intervals that are worked on at once, for each sample
that fits into memory."""
UPDATED_BANDS = 2
"""Bands for each scene that updateOutput is expected to make."""
NUMBER_BYTES = 8
"""Bytes of a number of an answer."""
MOST_AT_ONCE = 2**31 - 1
"""Samples are numbered by int32."""
KEPT_BYTES = 8
"""Additional bytes of both, if what the script saw and returned is kept for an explanation."""
MOST_ANSWER_NUMBERS = 1_000_000
"""Maximum count of numbers in one answer."""
MOST_FEATURE_NUMBERS = 20_000_000
"""Maximum count of numbers that one feature of a batch request has in all its intervals."""
USUAL_NUMBERS, HEAVY_BYTES = 10_000, 24
"""Count of numbers of a feature beyond which each takes more bytes: fewer features share the table made of them."""
FEATURE_NUMBERS = 125
"""Count of numbers that a feature itself takes as much memory as: outline, names, grid."""
BIN_NUMBERS = 3
"""Count of numbers of a bin: two edges and a count."""


def check_numbers(
    evalscript: Evalscript, calculations: Calculations, intervals: int, most: int = MOST_ANSWER_NUMBERS
) -> None:
    """Refuse a request whose answer for a feature would hold more than `most` numbers. Raises LimitExceeded."""
    count = answer_numbers(evalscript, calculations)
    if count > most:
        raise LimitExceeded(
            f"One interval of the answer would hold {count:,} numbers, more than the allowed {most:,}: ask for "
            "fewer output bands, percentiles or bins."
        )
    if count * intervals > most:
        raise LimitExceeded(
            f"The answer would hold {count * intervals:,} numbers, {count:,} for each of {intervals} intervals, more "
            f"than the allowed {most:,}: {most // count} such intervals would fit, or fewer output bands, "
            "percentiles or bins."
        )


def answer_numbers(evalscript: Evalscript, calculations: Calculations) -> int:
    """How many numbers one feature has in one interval."""
    count = 0
    for output in evalscript.outputs:
        for band in output.bands:
            wish = calculations.of(output.id, band)
            bins = 0 if wish.histogram is None else _bins(wish.histogram.bin_count, len(wish.histogram.bins or ()))
            count += PLAIN_STATISTICS + len(wish.percentiles) + len(wish.more) + len(wish.shares) + BIN_NUMBERS * bins
    return count


def kept_numbers(evalscript: Evalscript, calculations: Calculations) -> int:
    """How many numbers a sample leaves behind in one interval until all of its feature's samples are there."""
    bands = [calculations.of(output.id, band) for output in evalscript.outputs for band in output.bands]
    kept = sum(map(keeps_samples, bands))
    return max(kept, PLAIN_BANDS) if kept and "updateOutput" in evalscript.functions else kept


def intervals_at_once(samples: int, kept: int, pixel_budget: int) -> int:
    """In how many intervals so many samples may be worked on at once, if each keeps so many numbers."""
    return MOST_AT_ONCE if not kept else max(1, pixel_budget * KEPT_AT_ONCE // (samples * kept))


def numbers_as_samples(numbers: int, budgets: int) -> int:
    """Samples that a feature of so many `numbers` counts for, beside its own, in a partition of so many pixel budgets:
    features and numbers are not worked on in chunks, and those of a partition fit into the memory of one budget."""
    beyond = max(0, numbers - USUAL_NUMBERS) * (HEAVY_BYTES - NUMBER_BYTES)
    return ((numbers + FEATURE_NUMBERS) * NUMBER_BYTES + beyond) * budgets // PLAIN_BYTES


def _bins(count: int | None, edges: int) -> int:
    return count if count is not None else max(0, edges - 1)


def check_grid(grids: Grids, evalscript: Evalscript, bands: Sequence[int], synchronous: SynchronousLimits) -> None:
    """Refuse, before samples are computed, a grid that would be too large even with one scene per input. `bands`:
    number of bands that each input reads. Raises LimitExceeded."""
    check_scenes(grids, evalscript, bands, [1] * len(bands), synchronous)


def check_scenes(
    grids: Grids, evalscript: Evalscript, bands: Sequence[int], scenes: Sequence[int], synchronous: SynchronousLimits
) -> None:
    """Refuse, before pixels are read, what would need too much memory. `bands`, `scenes`: numbers per input. Raises
    LimitExceeded."""
    samples = int(grids.sample_count.sum())
    depth = max([1, *scenes])
    if samples * depth > synchronous.samples:
        raise _refused(
            f"{_described(samples, depth)} more than the allowed {synchronous.samples:,}",
            synchronous.samples // depth, grids, depth,
        )  # fmt: skip
    each = _sample_bytes(evalscript, bands, scenes, KEPT_BYTES if synchronous.kept else 0)
    room = max(1, (synchronous.memory_mib - BASE_MIB) * MEBIBYTE)
    if samples * each > room:
        need = BASE_MIB + samples * each // MEBIBYTE
        raise _refused(
            f"{_described(samples, depth)} {sum(bands)} input and {evalscript.width} output bands, which may take "
            f"{need:,} MiB of memory, more than the allowed {synchronous.memory_mib:,}",
            room // each, grids, depth,
        )  # fmt: skip


def samples_at_once(evalscript: Evalscript, bindings: Sequence[BandBinding], scenes: int, services: Services) -> int:
    """How many samples of a partition are worked on at once: those that take as much memory as
    `services.samples_at_once` of one scene with PLAIN_BANDS bands. A synchronous request was checked before: it is not
    cut."""
    if services.synchronous is not None:
        return MOST_AT_ONCE
    bands = [len(one.requests) for one in bindings]
    each = _sample_bytes(evalscript, bands, [scenes] * len(bands), 0)
    if "updateOutput" in evalscript.functions:
        each += OUTPUT_BYTES * UPDATED_BANDS * scenes
    return max(1, min(MOST_AT_ONCE, services.samples_at_once * PLAIN_BYTES // each))


def check_updated(evalscript: Evalscript, declared: Evalscript, samples: int, services: Services) -> None:
    """Refuse numbers of bands that updateOutput made of those `declared`, for which the samples that are worked on at
    once were counted, if they do not fit into memory. Raises ScriptExecutionError."""
    if evalscript.width > declared.width and samples * OUTPUT_BYTES * evalscript.width > (
        services.samples_at_once * PLAIN_BYTES
    ):
        raise ScriptExecutionError(
            f"updateOutput makes {evalscript.width:,} bands of {declared.width:,}: {samples:,} samples of them do not "
            "fit into memory at once; let setup() declare as many, and the samples are worked on in smaller parts"
        )


def _sample_bytes(evalscript: Evalscript, bands: Sequence[int], scenes: Sequence[int], kept: int) -> int:
    """Bytes per sample, for the bands and scenes of each input; `kept`: more for each number."""
    each = SAMPLE_BYTES + (OUTPUT_BYTES + 2 * kept) * evalscript.width
    return each + sum(
        count * (SCENE_BYTES + (BAND_BYTES + kept) * wide) for count, wide in zip(scenes, bands, strict=True)
    )


def _described(samples: int, depth: int) -> str:
    scenes = f" in each of {depth} scenes" if depth > 1 else ""
    return f"The request holds {samples:,} samples{scenes},"


def _refused(why: str, would_do: int, grids: Grids, depth: int) -> LimitExceeded:
    """The error, with the number of samples that would fit, and other ways out."""
    would_do = max(1, would_do)
    wide, high = int(grids.width[0]), int(grids.height[0])
    shrink = math.sqrt(would_do / (wide * high))
    width, height = math.floor(wide * shrink), math.floor(high * shrink)
    if not width:
        width, height = 1, min(high, would_do)
    elif not height:
        width, height = min(wide, would_do), 1
    extent = (grids.bounds[0, 2:] - grids.bounds[0, :2]).tolist()
    resolution = ", ".join(
        f"{name} {_above(side / count)}"
        for name, side, count in zip(("resx", "resy"), extent, (width, height), strict=True)
    )
    shorter = ", or shorter intervals" if depth > 1 else ""
    return LimitExceeded(
        f"{why}. {width * height:,} samples would fit: {resolution}, or width {width}, height {height}{shorter}; or "
        "send it as a batch request."
    )


def _above(number: float) -> str:
    """The number with four digits, rounded up."""
    if not number > 0:
        return "0"
    step = 10.0 ** (math.floor(math.log10(number)) - 3)
    return f"{math.ceil(number / step) * step:.12g}"
