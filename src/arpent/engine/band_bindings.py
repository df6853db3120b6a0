"""Band bindings: bind each input of a script to the source, collection and bands that it reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from arpent.domain.errors import InvalidRequest, ScriptSetupError
from arpent.domain.evalscript import DATA_MASK, Evalscript, Input, Mosaicking
from arpent.domain.imagery.collection import Collection, Unit
from arpent.domain.imagery.item_choice import ItemChoice
from arpent.domain.request import Request, Source, chosen
from arpent.evalscript.lint import band_fault
from arpent.raster.conversion import BandRequest, hole

MASK_UNIT = Unit(name="DN")
"""dataMask is 0 or 1, without scaling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandBinding:
    """One input of a script, bound to its source and collection."""

    input: Input
    """The input as setup() declares it."""
    source: Source
    """The entry of the request's `input.data` that the input reads."""
    collection: Collection
    """The source's collection, with the joins that the bands need and the choice of items that `dataFilter` makes."""
    requests: tuple[BandRequest, ...]
    """Bands to read, in the order of the input, without dataMask."""

    @property
    def has_scenes(self) -> bool:
        """Whether the script sees the scenes of the input separately and not as one mosaic."""
        return self.input.mosaicking is not Mosaicking.SIMPLE

    @property
    def scales(self) -> tuple[tuple[float, float], ...]:
        """(scale, offset) per band of the input, dataMask included."""
        units = iter(requested.unit for requested in self.requests)
        chosen = (MASK_UNIT if band == DATA_MASK else next(units) for band in self.input.bands)
        return tuple((unit.scale, unit.offset) for unit in chosen)

    @property
    def holes(self) -> tuple[float, ...]:
        """Digital number of a sample without data, per band of the input, dataMask included."""
        numbers = iter(hole(requested.unit, self.collection.no_data_value) for requested in self.requests)
        return tuple(0 if band == DATA_MASK else next(numbers) for band in self.input.bands)


def has_scenes(bindings: Iterable[BandBinding]) -> bool:
    """Whether the script sees the scenes of any input separately."""
    return any(binding.has_scenes for binding in bindings)


def bind_bands(
    evalscript: Evalscript, request: Request, collections: Mapping[str, Collection]
) -> tuple[BandBinding, ...]:
    """Bind all inputs, in the order of setup().input. Raises InvalidRequest or ScriptSetupError, naming the fault."""
    return tuple(
        _binding(input_, ordinal, request.sources, collections) for ordinal, input_ in enumerate(evalscript.inputs)
    )


def collection_of(source: Source, collections: Mapping[str, Collection], ordinal: int = 0) -> Collection:
    """The source's collection. Raises InvalidRequest if this server has no collection of that name."""
    collection = chosen(source, collections.get)
    if collection is None:
        known = ", ".join(sorted({known.id for known in collections.values()}))
        raise InvalidRequest.at(
            f"input->data[{ordinal}]->type", f"collection '{source.collection}' is not known; known: {known}"
        )
    return collection


def _binding(
    input_: Input, ordinal: int, sources: tuple[Source, ...], collections: Mapping[str, Collection]
) -> BandBinding:
    source = _source(input_, ordinal, sources)
    return bind_input(input_, source, collection_of(source, collections, sources.index(source)))


def bind_input(input_: Input, source: Source, collection: Collection) -> BandBinding:
    """Bind an input to a collection. Raises ScriptSetupError if the collection lacks one of its bands or units."""
    requests = tuple(
        _want(collection, band, unit)
        for band, unit in zip(input_.bands, input_.units, strict=True)
        if band != DATA_MASK
    )
    choice = ItemChoice(clouds=source.max_cloud_coverage, fields=source.filters)
    needed = replace(collection.with_joins_of(requested.band.name for requested in requests), choice=choice)
    return BandBinding(input=input_, source=source, collection=needed, requests=requests)


def _source(input_: Input, ordinal: int, sources: tuple[Source, ...]) -> Source:
    if input_.datasource is None:
        if ordinal < len(sources):
            return sources[ordinal]
        raise ScriptSetupError(
            f"setup() declares {ordinal + 1} inputs, but input.data has {len(sources)}; "
            "give each input a `datasource` that is the `id` of an entry of input.data"
        )
    for source in sources:
        if source.id == input_.datasource:
            return source
    ids = ", ".join(f"'{source.id}'" for source in sources)
    raise ScriptSetupError(f"setup() names the datasource '{input_.datasource}', but the ids of input.data are {ids}")


def _want(collection: Collection, name: str, unit_name: str | None) -> BandRequest:
    fault = band_fault(collection, name, unit_name)
    if fault is not None:
        raise ScriptSetupError(f"setup().input: {fault}")
    band = collection.bands[name]
    return BandRequest(band=band, unit=next(unit for unit in band.units if unit_name in (None, unit.name)))
