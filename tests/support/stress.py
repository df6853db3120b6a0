"""Stress: kernels over random worlds with guard pages round every array; `python -m tests.support.stress 0 200`.

A step beyond an array ends the process with SIGSEGV, hence a process of its own; the last line tells the world. With
NUMBA_BOUNDSCHECK=1 it is an IndexError, and with `--signed` so is a negative index, which numba otherwise counts from
the end, guard page or not. `--planted` brings back an old fault, to see that it is found.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import logging
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numba import njit, types
from numba.np import arrayobj
from numpy.typing import NDArray

from arpent.adapters.images.reader import CogReader
from arpent.adapters.scripts.jit.kernel_cache import KernelCache
from arpent.adapters.scripts.jit.kernel_folder import tolerate_faults
from arpent.adapters.scripts.v8.runtime import V8Runtime
from arpent.domain.calculation import Calculation, Histogram
from arpent.domain.errors import AssetUnreadable
from arpent.domain.evalscript import SampleType
from arpent.domain.result import BandStatistics
from arpent.raster import gather
from arpent.raster.layer import provenance
from arpent.raster.mosaic import Stack, stack
from arpent.zonal.reductions import OutsideSample
from arpent.zonal.statistics import summarise
from tests.support.guard_pages import guarded_kernels
from tests.support.random_world import World, worlds
from tests.support.referee import judge
from tests.support.scripts import GREENEST_DAY, NDVI
from tests.support.season_scripts import ANOMALY, PER_SCENE

HOSTILE = {"ImageWidth": 400, "ImageLength": 400, "TileWidth": 200, "TileLength": 200, "RowsPerStrip": 60,
           "BitsPerSample": 32, "SamplesPerPixel": 3, "Compression": 9, "Predictor": 3}  # fmt: skip
"""Tag of a header → largest number to put there."""
WISHES = (
    Calculation(percentiles=(0.0, 33.3, 50.0, 99.9, 100.0), histogram=Histogram(bin_count=7)),
    Calculation(percentiles=(50.0,), histogram=Histogram(bins=(-1.0, 0.0, 0.1, 1e9))),
    Calculation(histogram=Histogram(bin_width=0.3, low_edge=0.0)),
)


def mosaicked(world: World) -> Stack:
    """All samples of the world. Its reader is new: nothing is remembered."""
    reader = CogReader()
    try:
        return stack(
            world.groups, world.wants, world.sampling, reader, source=world.source, collection=world.collection
        )
    finally:
        reader.close()


def summaries(world: World, result: Stack, seed: int) -> list[BandStatistics]:
    """Statistics of every want and scene, of one type and wish or other."""
    types, count = list(SampleType), len(world.grids)
    outside = OutsideSample(value=np.full(count, 0.5), valid=np.arange(count) % 2 == seed % 2)
    return [
        summarise(
            values[scene] * want.unit.scale, result.mask[scene], world.samples.offsets,
            sample_count=world.grids.sample_count, calculation=WISHES[(seed + scene) % len(WISHES)],
            sample_type=types[(seed + scene) % len(types)], outside=outside if seed % 3 else None,
        )
        for want, values in zip(world.wants, result.values, strict=True)
        for scene in range(len(values))
    ]  # fmt: skip


def given(world: World, result: Stack) -> list[NDArray[np.bool_]]:
    """Per scene, which item gave samples to which feature."""
    return [
        provenance(used, world.samples.offsets, len(group))
        for used, group in zip(result.used, world.groups, strict=True)
    ]


def harm(random: np.random.Generator, path: str) -> None:
    """Put some other numbers into some of the headers, and cut a file here and there."""
    if random.random() < 0.3:
        return
    names = random.choice(list(HOSTILE), int(random.integers(1, 3)), replace=False)
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        for name in names:
            if (tag := tiff.pages[0].tags.get(str(name))) is not None:  # type: ignore[union-attr]
                tag.overwrite(int(random.integers(0, HOSTILE[str(name)] + 1)))
    if random.random() < 0.3:
        content = Path(path).read_bytes()
        Path(path).write_bytes(content[: int(random.integers(1, len(content)))])


def same(one: object, other: object) -> None:
    """Whether guarded kernels give the same as unguarded ones."""
    np.testing.assert_equal(_plain(other), _plain(one))


def _plain(value: Any) -> Any:
    """Dataclasses as dicts of arrays, deeply."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__ if name != "faults"}
    return value


def run(first: int, count: int) -> None:
    """So many worlds: as they are, the numbers compared; then with images whose headers lie."""
    with tempfile.TemporaryDirectory() as folder:
        for seed, world in worlds(range(first, first + count), Path(folder)):
            print(f"world {seed}", flush=True)
            plain = mosaicked(world)
            expected = plain, given(world, plain), summaries(world, plain, seed)
            with guarded_kernels():
                result = mosaicked(world)
                same(expected, (result, given(world, result), summaries(world, result, seed)))
                random = np.random.default_rng(seed)
                hrefs = {asset.href for group in world.groups for one in group for asset in one.assets.values()}
                for href in sorted(hrefs):
                    harm(random, href)
                with contextlib.suppress(AssetUnreadable):
                    mosaicked(world)


def run_scripts() -> None:
    """Compiled scripts, in and out of guarded memory; the interpreter gives the same bits."""
    kernels = KernelCache(0)
    with V8Runtime(20, 256) as runtime, guarded_kernels():
        for script in (NDVI, GREENEST_DAY, PER_SCENE, ANOMALY):
            for count, scenes in ((1, 1), (7, 3), (4099, 5)):
                print(f"script of {', '.join(script.outputs)} over {count} samples", flush=True)
                verdict = judge(runtime, kernels, script.text, count=count, scenes=scenes)
                assert verdict.agreed


@contextlib.contextmanager
def planted() -> Iterator[None]:
    """The fault of old: load first, then ask whether the sample is filled."""

    @njit  # type: ignore[untyped-decorator]
    def load_first(stored, mask, order, pixels, filled, values, hits, check, no_data, offset, low, high):  # type: ignore[no-untyped-def]  # noqa: PLR0917
        for k in range(len(order)):
            n = order[k]
            number = stored[pixels[k]]
            if filled[n] == 0 and not (check and number == no_data) and number == number:  # noqa: PLR0124
                values[n] = min(max(number + offset, low), high)
                hits[n] += 1

    kernel, gather._gather = gather._gather, load_first
    try:
        yield
    finally:
        gather._gather = kernel


def refuse_negative_indices() -> None:
    """Kernels that are compiled from now on do not count from the end; to be called before any is, with a cache of
    their own. Raises AssertionError if numba has changed so that this does not work."""

    def as_it_is(context: Any, builder: Any, kind: Any, index: Any, _size: Any) -> Any:
        return context.cast(builder, index, kind, types.intp if kind.signed else types.uintp)

    @njit  # type: ignore[untyped-decorator]
    def last(array, place):  # type: ignore[no-untyped-def]
        return array[place]

    arrayobj.fix_integer_index = as_it_is
    try:
        last(np.zeros(3), -1)
    except IndexError:
        return
    raise AssertionError("a negative index went through")


def main() -> None:
    faulthandler.enable()
    tolerate_faults()  # as processes of arpent do: each kind of process would replace the kernels of the other
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.getLogger("tifffile").disabled = True  # it tells every lie of a header
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--planted", action="store_true")
    parser.add_argument("--signed", action="store_true")
    arguments = parser.parse_args()
    if arguments.signed:
        refuse_negative_indices()
    with planted() if arguments.planted else contextlib.nullcontext():
        run(arguments.first, arguments.count)
    if not arguments.planted:
        run_scripts()


if __name__ == "__main__":
    main()
