"""Budget: how much memory a request will need, computed before anything is allocated, and which request would fit.

The constants are measured upper bounds of what the engine allocates per sample (docs/adr/0009-bulkhead.md): a request
that passes stays within the memory of its process, whose own limit is only the second line of defence.
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
"""Memory of a process before its first sample, in mebibytes."""
SAMPLE_BYTES = 100
"""Bytes per sample, regardless of the bands read: its position in the grid, on the source grids, in the statistics."""
SCENE_BYTES = 4
"""Bytes per sample and scene: mask and origin."""
BAND_BYTES = 8
"""Bytes per sample, scene and band: the digital number, and its copy for the script."""
OUTPUT_BYTES = 16
"""Bytes per sample and band that the script returns: a double, and what the statistics derive from it."""
PLAIN_BANDS = 3
"""A setting that counts samples means samples with this many input bands and this many output bands."""
PLAIN_BYTES = SAMPLE_BYTES + OUTPUT_BYTES * PLAIN_BANDS + SCENE_BYTES + BAND_BYTES * PLAIN_BANDS
"""Bytes of a sample with PLAIN_BANDS bands in one scene."""
KEPT_PER_SAMPLE = 64
"""How many kept numbers a partition may have, one per sample of the bounding boxes, for each sample of the pixel
budget. A number takes four bytes, and usually at most half of the samples have one: valid ones inside the polygon."""
KEPT_AT_ONCE = 16
"""How many kept numbers the samples of the bounding boxes may have in all intervals that are processed at once, for
each sample that fits into memory."""
UPDATED_BANDS = 2
"""Number of output bands per scene that updateOutput is expected to create."""
NUMBER_BYTES = 8
"""Bytes per number of an answer."""
MOST_AT_ONCE = 2**31 - 1
"""Maximum number of samples at once, because samples are numbered by int32."""
KEPT_BYTES = 8
"""Additional bytes per number that the script sees or returns, if these are kept for an explanation."""
MOST_ANSWER_NUMBERS = 1_000_000
"""Maximum count of numbers in one answer."""
MOST_FEATURE_NUMBERS = 20_000_000
"""Maximum count of numbers that one feature of a batch request may have in all its intervals."""
USUAL_NUMBERS, HEAVY_BYTES = 10_000, 24
"""Numbers of a feature beyond the first count take this many bytes each, since fewer features then share the table that
is made of them."""
FEATURE_NUMBERS = 125
"""Memory of a feature itself (outline, names, grid), expressed as a count of numbers."""
BIN_NUMBERS = 3
"""Count of numbers per bin of a histogram: two edges and a count."""


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
    """Count of numbers in the answer for one feature and interval."""
    count = 0
    for output in evalscript.outputs:
        for band in output.bands:
            wish = calculations.of(output.id, band)
            bins = 0 if wish.histogram is None else _bins(wish.histogram.bin_count, len(wish.histogram.bins or ()))
            count += PLAIN_STATISTICS + len(wish.percentiles) + len(wish.more) + len(wish.shares) + BIN_NUMBERS * bins
    return count


def kept_numbers(evalscript: Evalscript, calculations: Calculations) -> int:
    """How many numbers per sample and interval must be kept until all samples of the feature have been computed."""
    bands = [calculations.of(output.id, band) for output in evalscript.outputs for band in output.bands]
    kept = sum(map(keeps_samples, bands))
    return max(kept, PLAIN_BANDS) if kept and "updateOutput" in evalscript.functions else kept


def intervals_at_once(samples: int, kept: int, pixel_budget: int) -> int:
    """In how many intervals this many samples may be processed at once, if `kept` numbers are kept for each."""
    return MOST_AT_ONCE if not kept else max(1, pixel_budget * KEPT_AT_ONCE // (samples * kept))


def numbers_as_samples(numbers: int, budgets: int) -> int:
    """How many samples a feature with this many `numbers` counts as, in addition to its own, in a partition of
    `budgets` pixel budgets: features and numbers are not processed in chunks, so those of a partition must fit into the
    memory of one budget."""
    beyond = max(0, numbers - USUAL_NUMBERS) * (HEAVY_BYTES - NUMBER_BYTES)
    return ((numbers + FEATURE_NUMBERS) * NUMBER_BYTES + beyond) * budgets // PLAIN_BYTES


def _bins(count: int | None, edges: int) -> int:
    return count if count is not None else max(0, edges - 1)


def check_grid(grids: Grids, evalscript: Evalscript, bands: Sequence[int], synchronous: SynchronousLimits) -> None:
    """Refuse a grid, before its samples are computed, that would be too large even with one scene per input. `bands`:
    number of bands that each input reads. Raises LimitExceeded."""
    check_scenes(grids, evalscript, bands, [1] * len(bands), synchronous)


def check_scenes(
    grids: Grids, evalscript: Evalscript, bands: Sequence[int], scenes: Sequence[int], synchronous: SynchronousLimits
) -> None:
    """Refuse a request, before pixels are read, that would need too much memory. `bands`, `scenes`: how many of them
    each input has. Raises LimitExceeded."""
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
    """How many samples of a partition are processed at once: as many as take the memory of `services.samples_at_once`
    samples with PLAIN_BANDS bands in one scene. A synchronous request is not cut, since its size was checked before."""
    if services.synchronous is not None:
        return MOST_AT_ONCE
    bands = [len(one.requests) for one in bindings]
    each = _sample_bytes(evalscript, bands, [scenes] * len(bands), 0)
    if "updateOutput" in evalscript.functions:
        each += OUTPUT_BYTES * UPDATED_BANDS * scenes
    return max(1, min(MOST_AT_ONCE, services.samples_at_once * PLAIN_BYTES // each))


def check_updated(evalscript: Evalscript, declared: Evalscript, samples: int, services: Services) -> None:
    """Refuse the output bands that updateOutput created if they do not fit into memory: the number of samples at once
    was chosen for the bands that setup() `declared`. Raises ScriptExecutionError."""
    if evalscript.width > declared.width and samples * OUTPUT_BYTES * evalscript.width > (
        services.samples_at_once * PLAIN_BYTES
    ):
        raise ScriptExecutionError(
            f"updateOutput makes {evalscript.width:,} bands of {declared.width:,}: {samples:,} samples of them do not "
            "fit into memory at once; let setup() declare as many, and the samples are worked on in smaller parts"
        )


def _sample_bytes(evalscript: Evalscript, bands: Sequence[int], scenes: Sequence[int], kept: int) -> int:
    """Bytes per sample, given the bands and scenes of each input; `kept`: additional bytes for each number."""
    each = SAMPLE_BYTES + (OUTPUT_BYTES + 2 * kept) * evalscript.width
    return each + sum(
        count * (SCENE_BYTES + (BAND_BYTES + kept) * wide) for count, wide in zip(scenes, bands, strict=True)
    )


def _described(samples: int, depth: int) -> str:
    scenes = f" in each of {depth} scenes" if depth > 1 else ""
    return f"The request holds {samples:,} samples{scenes},"


def _refused(why: str, would_do: int, grids: Grids, depth: int) -> LimitExceeded:
    """The error, which states how many samples would fit, and other solutions."""
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
    """The number rounded up to four significant digits, as text."""
    if not number > 0:
        return "0"
    step = 10.0 ** (math.floor(math.log10(number)) - 3)
    return f"{math.ceil(number / step) * step:.12g}"
