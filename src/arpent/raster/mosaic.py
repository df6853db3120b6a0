"""Mosaic: reads samples from many items. Each sample comes from the first item, in order, that has data there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from arpent.domain.boundary.unforeseen import environment_fault, panics_as_errors, sentence
from arpent.domain.errors import ArpentError, AssetUnreadable
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.ports.imagery import AssetReader, Block
from arpent.domain.request import Source
from arpent.raster.calibrate import Tell, calibrate, calibration_files
from arpent.raster.canvas import Canvas
from arpent.raster.conversion import BandRequest, hole
from arpent.raster.layer import Layer, layers
from arpent.raster.read_failures import Fault, ReadFailures
from arpent.raster.sampling_plan import SamplingPlan

log = logging.getLogger(__name__)


MOST_HEALED = 16
"""How many blocks may be damaged in transit and intact when they are read again; after that, a damaged block counts as
broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mosaic:
    """The samples of an input with SIMPLE mosaicking."""

    values: tuple[NDArray[np.generic], ...]
    """One array (N,) per requested band: digital numbers, and where there is no data the number that scales to the
    collection's no-data value."""
    mask: NDArray[np.uint8]
    """(N,): dataMask of the samples."""
    used: NDArray[np.signedinteger]
    """(N,): index, in the given items, of the item that the sample came from; -1: none."""
    faults: tuple[Fault, ...] = ()
    """Images that cannot be read; the features they name have no data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The samples of an input with ORBIT or TILE mosaicking."""

    values: tuple[NDArray[np.generic], ...]
    """One array (scenes, N) per requested band: digital numbers."""
    mask: NDArray[np.uint8]
    """(scenes, N): dataMask of each scene."""
    used: NDArray[np.signedinteger]
    """(scenes, N): index, in the scene's items, of the item that the sample came from; -1: none."""
    faults: tuple[Fault, ...] = ()
    """Images that cannot be read; the features they name have no data in any scene."""

    def scene(self, row: int) -> Mosaic:
        """One scene as a Mosaic, with the faults of all scenes."""
        values = tuple(each[row] for each in self.values)
        return Mosaic(values=values, mask=self.mask[row], used=self.used[row], faults=self.faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """One item's turn to fill the samples of its scene that are still empty."""

    scene: int
    """Index of the scene."""
    position: int
    """Index of the item among the scene's items."""
    item: Item
    """The item to read."""
    barred: NDArray[np.bool_] | None
    """(N,): samples of features that the item's footprint does not meet; None: there are none. The image may have
    pixels there, but is read only for neighbouring features, on which a feature's numbers must not depend."""


class MixedTypes(Exception):
    """Images have several data types: read together, the numbers of one scene would be rounded to another's type."""


_Plan = tuple[_Turn, tuple[Layer, ...]]
"""A turn, and the layers of its item."""


def simple(
    items: Sequence[Item],
    requests: Sequence[BandRequest],
    sampling: SamplingPlan,
    reader: AssetReader,
    *,
    source: Source,
    collection: Collection,
) -> Mosaic:
    """Read one value per sample and requested band. `items` are in mosaicking order (see `mosaicking_order.arrange`).

    An item has data at a sample if every requested band has data there; if no band is requested, the collection's mask
    band decides. An item that lacks a band, or whose footprint meets no feature with an empty sample, is not opened;
    reading stops when all samples are filled. An unreadable image is never replaced by that of the next item: only the
    features that need it fail (see `faults`). Raises AssetUnreadable if the error is transient.
    """
    return stack((items,), requests, sampling, reader, source=source, collection=collection).scene(0)


def stack(
    groups: Sequence[Sequence[Item]],
    requests: Sequence[BandRequest],
    sampling: SamplingPlan,
    reader: AssetReader,
    *,
    source: Source,
    collection: Collection,
    strict: bool = False,
) -> Stack:
    """Read one mosaic per group: the items of a day for ORBIT, one item for TILE. All groups are read together, so that
    the reader is never idle between scenes. Unreadable images and errors are treated as in `simple`. If `strict`, each
    scene is bit for bit what it would be alone: any unreadable image raises AssetUnreadable, and images with different
    data types raise MixedTypes."""
    read = bands_read(requests, collection)
    holes = tuple(hole(requested.unit, collection.no_data_value) for requested in read)
    canvas = Canvas(len(groups), len(sampling.samples), holes, max(map(len, groups), default=0))
    read_failures = None if strict else ReadFailures(samples=sampling.samples)
    tell = cache(reader.calibration)
    layers_of = partial(_layers, requests=read, sampling=sampling, reader=reader, source=source, tell=tell)
    queues = [_turns(scene, group, read, sampling, canvas) for scene, group in enumerate(groups)]
    while turns := [turn for queue in queues if (turn := next(queue, None)) is not None]:
        _play(turns, read, sampling, reader, layers_of, canvas=canvas, read_failures=read_failures)
    finished = canvas.finish(None if read_failures is None else read_failures.lost)[: len(requests)]
    values = tuple(
        calibrate(each, canvas.used, requested, groups, number, tell)
        for each, requested, number in zip(finished, requests, holes, strict=False)
    )
    faults = () if read_failures is None else tuple(read_failures.faults)
    return Stack(values=values, mask=canvas.mask, used=canvas.used, faults=faults)


def bands_read(requests: Sequence[BandRequest], collection: Collection) -> tuple[BandRequest, ...]:
    """The bands that are read for these requests: if a script asks only for dataMask, the band that determines it."""
    if requests:
        return tuple(requests)
    band = collection.bands[collection.mask_band] if collection.mask_band else next(iter(collection.bands.values()))
    return (BandRequest(band=band, unit=band.units[0]),)


def _turns(
    scene: int, group: Sequence[Item], requests: Sequence[BandRequest], sampling: SamplingPlan, canvas: Canvas
) -> Iterator[_Turn]:
    """The items of a scene that can still fill samples. A generator: each item is decided after those before it
    have been read."""
    for position, item in enumerate(group):
        vacant = canvas.vacant(scene, sampling.samples.offsets)
        if not vacant.any():
            return
        complete = all(requested.band.name in item.assets for requested in requests)
        reached = sampling.reached(item)
        if complete and (vacant & reached).any():
            barred = None if reached.all() else np.repeat(~reached, sampling.samples.counts)
            yield _Turn(scene=scene, position=position, item=item, barred=barred)


def _play(
    turns: Sequence[_Turn],
    requests: Sequence[BandRequest],
    sampling: SamplingPlan,
    reader: AssetReader,
    layers_of: Callable[[Item], tuple[Layer, ...]],
    *,
    canvas: Canvas,
    read_failures: ReadFailures | None,
) -> None:
    """Read everything that the turns need in one stream, and fill the canvas. `read_failures` None: strict, as in
    `stack`."""
    wanted = [(turn.item.assets[requested.band.name], requested) for turn in turns for requested in requests]
    reader.prepare([asset.href for asset, _ in wanted], calibration_files(wanted))
    plans: list[_Plan] = []
    for turn in turns:
        try:
            plans.append((turn, layers_of(turn.item)))
        except AssetUnreadable as error:
            if error.transient or read_failures is None:
                raise
            # Its pixels could be anywhere, so every feature that lacks samples and meets its footprint needed it.
            needy = canvas.vacant(turn.scene, sampling.samples.offsets) & sampling.reached(turn.item)
            canvas.abandon(read_failures.add(needy, turn.item, error))
    for _, plan in plans:
        for layer in plan:
            for band, conversion in layer.feeds:
                if not canvas.widen(band, conversion.dtype) and read_failures is None:
                    raise MixedTypes
    bands = {layer.band for _, plan in plans for layer in plan}
    # One read call is for one band number. If files have several bands, items must not be mixed: see Canvas.hits.
    for part in [plans] if len(bands) < 2 else [[plan] for plan in plans]:
        _persist(part, reader, canvas, read_failures)


def _layers(
    item: Item, *, requests: Sequence[BandRequest], sampling: SamplingPlan, reader: AssetReader, source: Source,
    tell: Tell,
) -> tuple[Layer, ...]:  # fmt: skip
    """The layers of the item. After an unforeseen error with an image's grid, that image counts as unreadable."""
    try:
        with panics_as_errors():
            return layers(item, requests, sampling, reader, source, tell=tell)
    except ArpentError:
        raise
    except Exception as error:
        if (fault := environment_fault(error)) is not None:
            raise fault from error
        log.exception("An image of item %s cannot be placed", item.id)
        href = item.assets[requests[0].band.name].href
        raise AssetUnreadable(sentence(error, "the image's grid cannot be used"), href=href) from error


def _persist(plans: Sequence[_Plan], reader: AssetReader, canvas: Canvas, read_failures: ReadFailures | None) -> None:
    """Read everything. An unreadable image fails the features that need it, and reading continues."""
    pending, healed = list(plans), 0
    while pending:
        try:
            _stream(pending, reader, canvas)
        except AssetUnreadable as error:
            canvas.forget()
            if error.transient or read_failures is None:
                raise
            if not _blame(error, pending, reader, canvas, read_failures, believed=healed >= MOST_HEALED):
                if error.block is None or healed >= MOST_HEALED:
                    raise
                healed += 1  # the block was damaged in transit, and is intact now
        else:
            return


def _blame(
    error: AssetUnreadable, plans: Sequence[_Plan], reader: AssetReader, canvas: Canvas, read_failures: ReadFailures,
    *, believed: bool,
) -> bool:  # fmt: skip
    """Record which features lose samples because of an unreadable image; returns False if there are none. `believed`:
    the block that failed counts as broken even if it can be read now."""
    found = False
    for turn, layer in [(turn, layer) for turn, plan in plans for layer in plan if layer.href == error.href]:
        filled = canvas.filled(turn.scene)
        needed = layer.read(filled)
        # If one block is broken, others may be, too: all are tried now, so that reading restarts only once.
        broken = needed if error.block is None else [
            one for one in needed
            if (believed and (one[1].level, one[1].row, one[1].column) == error.block) or _fails(one[1], layer, reader)
        ]  # fmt: skip
        owners = read_failures.owners([layer.index.samples_of(position) for position, _ in broken], filled)
        found |= bool(owners.any())
        canvas.abandon(read_failures.add(owners, turn.item, error))
    return found


def _fails(block: Block, layer: Layer, reader: AssetReader) -> bool:
    """Whether one block is permanently unreadable. Raises AssetUnreadable if the error is transient."""
    try:
        for _ in reader.read([(layer.href, [block])], layer.band):
            pass
    except AssetUnreadable as error:
        if error.transient:
            raise
        return True
    return False


def _stream(plans: list[_Plan], reader: AssetReader, canvas: Canvas) -> None:
    """Decode every needed block once and pass its pixels to the collectors. When all layers of an item have been read,
    its samples are committed and its plan is removed from `plans`."""
    left = {turn.scene: len(plan) for turn, plan in plans}
    for band in sorted({layer.band for _, plan in plans for layer in plan}):
        reads = [
            (turn, layer, layer.read(canvas.filled(turn.scene))) for turn, plan in plans for layer in plan
            if layer.band == band
        ]  # fmt: skip
        blocks = reader.read([(layer.href, [block for _, block in needed]) for _, layer, needed in reads], band)
        for turn, layer, needed in reads:
            collectors = layer.collectors(canvas, turn.scene)
            for (position, block), (_, _, pixels) in zip(needed, blocks, strict=False):
                _check(pixels, block, layer, turn.item)
                for collector in collectors:
                    collector.take(position, pixels)
            for collector in collectors:
                canvas.note(collector.finish())
            left[turn.scene] -= 1
            if not left[turn.scene]:
                canvas.commit(turn.scene, turn.position, turn.barred)
                plans[:] = [plan for plan in plans if plan[0] is not turn]


def _check(pixels: NDArray[np.generic], block: Block, layer: Layer, item: Item) -> None:
    """Check that a block has the size that its index assumes, on which the kernels rely. The size can differ if the
    image was replaced and its header was read again. Raises AssetUnreadable (transient)."""
    shape = layer.index.shape
    if pixels.shape[1] != shape.block_width or pixels.shape[0] < (block.rows or shape.block_height):
        raise AssetUnreadable(
            f"an image of item {item.id} was replaced while it was read", transient=True, href=layer.href
        )
