"""Inputs: reads acquisitions into the arrays that are the inputs of a script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from arpent.domain.errors import AssetUnreadable
from arpent.domain.evalscript import DATA_MASK, Evalscript, Mosaicking
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.domain.ports.scripts import Scene, ScriptInput
from arpent.domain.result import ErrorType, Failure
from arpent.engine.band_bindings import BandBinding
from arpent.engine.budget import check_scenes
from arpent.engine.processing.acquisitions import Acquisitions
from arpent.engine.processing.sample_geometry import SampleGeometry
from arpent.engine.processing.script_supervisor import ScriptSupervisor
from arpent.engine.services import Services
from arpent.evalscript.scenes import orbit_scene, tile_scene
from arpent.evalscript.service_functions import CHOOSE_SCENES
from arpent.raster.layer import provenance
from arpent.raster.mosaic import MixedTypes, Mosaic, simple, stack
from arpent.raster.mosaicking_order import orbits
from arpent.raster.read_failures import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which item each sample of one input came from."""

    scenes: tuple[tuple[int, ...], ...]
    """Items of each scene, as rows of the input's acquisitions; one scene for SIMPLE."""
    used: NDArray[np.signedinteger]
    """(scenes, N): index of the sample's item among the scene's items; -1: no data."""

    def rows(self) -> NDArray[np.int64]:
        """(scenes, N): row of the sample's item in the input's acquisitions; -1: no data."""
        found = np.full(self.used.shape, -1, np.int64)
        for scene, items in enumerate(self.scenes):
            found[scene] = np.array([*items, -1], np.int64)[self.used[scene]]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptCall:
    """Samples for one call of a script."""

    inputs: tuple[ScriptInput, ...]
    """Arrays of N samples."""
    offsets: NDArray[np.int64]
    """(k + 1,): limits of the segments."""
    first: int
    """Index of the call's first segment among all prepared segments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Everything that a script needs for the samples of n features in one interval."""

    inputs: tuple[ScriptInput, ...]
    """Arrays of N samples."""
    outside: tuple[tuple[float, ...], ...]
    """Per input and band: digital number of the outside sample in each scene (no data, mask 0)."""
    offsets: NDArray[np.int64]
    """(n + 2,): limits of one segment per feature, and of a last segment with one sample, called the outside sample,
    which stands for all samples outside the polygons."""
    evalscript: Evalscript
    """The script's declaration, with its outputs after updateOutput."""
    items: tuple[str, ...]
    """Ids of all items considered."""
    used: NDArray[np.bool_]
    """(items, n): whether the item gave samples to the feature."""
    origins: tuple[Origin, ...]
    """Origins per input."""
    failures: Mapping[int, Failure] = field(default_factory=dict)
    """Row of a feature → failure that names an image that could not be read for it."""

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(N,): whether every input has imagery for the sample in at least one of its scenes."""
        seen: NDArray[np.bool_] = np.logical_and.reduce([(one.used >= 0).any(axis=0) for one in self.origins])
        return seen

    def call(self, low: int, high: int) -> ScriptCall:
        """A call for the samples from `low` up to, but not including, `high`. The limits may divide segments; the last
        sample of all is the outside sample."""
        first = int(np.searchsorted(self.offsets, low, side="right")) - 1
        last = int(np.searchsorted(self.offsets, high))
        inputs = tuple(
            replace(entry, values=tuple(values[..., low:high] for values in entry.values)) for entry in self.inputs
        )
        if high == self.offsets[-1]:
            inputs = tuple(_closed(entry, outside) for entry, outside in zip(inputs, self.outside, strict=True))
        return ScriptCall(inputs=inputs, offsets=self.offsets[first : last + 1].clip(low, high) - low, first=first)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """The arrays read for one input, and the images that could not be read."""

    inputs: ScriptInput
    """Arrays for the script."""
    used: NDArray[np.bool_]
    """(items, n): whether the item gave samples to the feature."""
    origin: Origin
    """Item that each sample came from."""
    faults: tuple[Fault, ...]
    """Images that could not be read."""


def prepare(
    bindings: Sequence[BandBinding],
    acquisitions: Sequence[Acquisitions],
    geometry: SampleGeometry,
    session: ScriptSupervisor,
    interval: Interval,
    services: Services,
) -> Prepared:
    """Ask the script which scenes it keeps and how many bands it returns, then read only those scenes. Raises
    LimitExceeded before anything is read; AssetUnreadable for an image that may be readable later."""
    groups = [_scene_items(binding, one.items) for binding, one in zip(bindings, acquisitions, strict=True)]
    scenes = [_scenes(binding, group) for binding, group in zip(bindings, groups, strict=True)]
    evalscript = session.evalscript
    if evalscript.functions & CHOOSE_SCENES:
        kept = session.preprocess(scenes, interval)
        groups = [tuple(group[row] for row in rows) for group, rows in zip(groups, kept, strict=True)]
        scenes = [tuple(scene[row] for row in rows) for scene, rows in zip(scenes, kept, strict=True)]
    if "updateOutput" in evalscript.functions:
        evalscript = session.update_output(scenes)
    if services.synchronous is not None:
        depths = [max(1, len(group)) for group in groups]
        check_scenes(geometry.grids, evalscript, [len(one.requests) for one in bindings], depths, services.synchronous)
    read = [
        _read(*parts, geometry=geometry, services=services)
        for parts in zip(bindings, acquisitions, groups, scenes, strict=True)
    ]
    return _prepared(bindings, acquisitions, read, geometry, evalscript)


def prepare_together(
    binding: BandBinding,
    acquisitions: Sequence[Acquisitions],
    geometry: SampleGeometry,
    evalscript: Evalscript,
    services: Services,
) -> tuple[ScriptInput, list[Prepared]] | None:
    """Like `prepare`, but for n intervals of a script with one SIMPLE input, which are read in one stream so that the
    reader is never idle between them. Returns arrays (n, N) for the script, and one Prepared per interval, which are
    views of these. Returns None if an image cannot be read or its data type differs from the others': the intervals
    must then be prepared one by one, so that only the interval concerned is affected. Raises AssetUnreadable for an
    image that may be readable later, and LimitExceeded as `prepare` does."""
    if services.synchronous is not None:
        check_scenes(geometry.grids, evalscript, [len(binding.requests)], [1], services.synchronous)
    items = [item for one in acquisitions for item in one.items]
    sampling = geometry.sampling.knowing(items, np.concatenate([one.reach for one in acquisitions]))
    groups, source, collection = [one.items for one in acquisitions], binding.source, binding.collection
    try:
        read = stack(
            groups, binding.requests, sampling, services.reader, source=source, collection=collection, strict=True
        )
    except AssetUnreadable as error:
        if error.transient:
            raise
        return None
    except MixedTypes:
        return None
    together = [
        _prepared([binding], [one], [_simple(binding, one, read.scene(row), geometry)], geometry, evalscript)
        for row, one in enumerate(acquisitions)
    ]
    return _script_input(binding, read.values, read.mask, ()), together


def _prepared(
    bindings: Sequence[BandBinding],
    acquisitions: Sequence[Acquisitions],
    read: Sequence[_Read],
    geometry: SampleGeometry,
    evalscript: Evalscript,
) -> Prepared:
    inputs = [one.inputs for one in read]
    if len(bindings) > 1:
        inputs = [one if acquired.items else _absent(one) for one, acquired in zip(inputs, acquisitions, strict=True)]
    return Prepared(
        inputs=tuple(inputs),
        outside=tuple(one.holes for one in bindings),
        offsets=np.append(geometry.samples.offsets, len(geometry.samples) + 1),
        evalscript=evalscript,
        items=tuple(item.id for one in acquisitions for item in one.items),
        used=np.concatenate([one.used for one in read]),
        origins=tuple(one.origin for one in read),
        failures=_failures(fault for one in read for fault in one.faults),
    )


def scenes_of(binding: BandBinding, items: tuple[Item, ...]) -> tuple[Scene, ...]:
    """The scenes that the items form, with the fields that the script can read; none for SIMPLE."""
    return _scenes(binding, _scene_items(binding, items))


def _scene_items(binding: BandBinding, items: tuple[Item, ...]) -> tuple[tuple[Item, ...], ...]:
    """The items of each scene; none for SIMPLE."""
    if binding.input.mosaicking is Mosaicking.ORBIT:
        return orbits(items)
    return tuple((item,) for item in items) if binding.input.mosaicking is Mosaicking.TILE else ()


def _scenes(binding: BandBinding, groups: tuple[tuple[Item, ...], ...]) -> tuple[Scene, ...]:
    """These scenes, with the fields that the script can read."""
    if binding.input.mosaicking is Mosaicking.ORBIT:
        return tuple(orbit_scene(group, binding.input.metadata) for group in groups)
    return tuple(tile_scene(item, binding.input.metadata) for (item,) in groups)


def _read(
    binding: BandBinding,
    acquisitions: Acquisitions,
    groups: tuple[tuple[Item, ...], ...],
    scenes: tuple[Scene, ...],
    *,
    geometry: SampleGeometry,
    services: Services,
) -> _Read:
    """Read the samples of one input. Raises AssetUnreadable for an image that may be readable later."""
    sampling = geometry.sampling.knowing(acquisitions.items, acquisitions.reach)
    if binding.input.mosaicking is Mosaicking.SIMPLE:
        mosaic = simple(
            acquisitions.items,
            binding.requests,
            sampling,
            services.reader,
            source=binding.source,
            collection=binding.collection,
        )
        return _simple(binding, acquisitions, mosaic, geometry)
    read = stack(
        groups,
        binding.requests,
        sampling,
        services.reader,
        source=binding.source,
        collection=binding.collection,
    )
    kept = {id(item) for group in groups for item in group}  # items may share an `id`
    used = acquisitions.reach & np.array([[id(item) in kept] for item in acquisitions.items], bool).reshape(-1, 1)
    place = {id(item): row for row, item in enumerate(acquisitions.items)}
    origin = Origin(scenes=tuple(tuple(place[id(item)] for item in group) for group in groups), used=read.used)
    inputs = _script_input(binding, read.values, read.mask, scenes)
    return _Read(inputs=inputs, used=used, origin=origin, faults=read.faults)


def _simple(binding: BandBinding, acquisitions: Acquisitions, mosaic: Mosaic, geometry: SampleGeometry) -> _Read:
    """The input's arrays, from the mosaic of all items."""
    count = len(acquisitions.items)
    return _Read(
        inputs=_script_input(binding, mosaic.values, mosaic.mask, ()),
        used=provenance(mosaic.used, geometry.samples.offsets, count),
        origin=Origin(scenes=(tuple(range(count)),), used=mosaic.used[np.newaxis]),
        faults=mosaic.faults,
    )


def _failures(faults: Iterable[Fault]) -> dict[int, Failure]:
    """Row of a feature → failure that names the first image that could not be read for it."""
    failures: dict[int, Failure] = {}
    for fault in faults:
        failure = Failure(type=ErrorType.EXECUTION_ERROR, message=fault.message, passing=fault.passing)
        for row in np.flatnonzero(fault.features).tolist():
            failures.setdefault(row, failure)
    return failures


def _script_input(
    binding: BandBinding, values: Sequence[NDArray[np.generic]], mask: NDArray[np.uint8], scenes: tuple[Scene, ...]
) -> ScriptInput:
    """The arrays for the script, with the bands in the input's order, dataMask included."""
    bands = iter(values)
    return ScriptInput(
        values=tuple(mask if name == DATA_MASK else next(bands) for name in binding.input.bands),
        scales=binding.scales,
        scenes=scenes,
        normalization_factor=binding.collection.normalization_factor,
    )


def _absent(source: ScriptInput) -> ScriptInput:
    """The input for a source without items if there are several sources: an empty list of samples, even for SIMPLE
    (sentinelhub.md 5.2)."""
    return replace(source, values=tuple(np.atleast_2d(values)[:0] for values in source.values))


def _closed(entry: ScriptInput, outside: Sequence[float]) -> ScriptInput:
    """The input with the outside sample appended."""
    closed = []
    for values, number in zip(entry.values, outside, strict=True):
        longer = np.empty((*values.shape[:-1], values.shape[-1] + 1), values.dtype)
        longer[..., :-1] = values
        longer[..., -1] = number
        closed.append(longer)
    return replace(entry, values=tuple(closed))
