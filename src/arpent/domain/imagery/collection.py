"""Collection: the bands that a sensor offers, their units, and what counts as no data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from arpent.domain.imagery.item_choice import EVERY_ITEM, ItemChoice
from arpent.domain.imagery.item_filter import ItemFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """How a digital number becomes a value: `value = digital_number * scale + offset`, in doubles."""

    name: str
    """REFLECTANCE, DN, PERCENT, OPTICAL_DEPTH, DEGREES …"""
    scale: float = 1.0
    """Factor applied to the digital number."""
    offset: float = 0.0
    """Number added after scaling."""
    calibration: str = ""
    """Name of a rule by which each item states how its stored numbers become values (`Asset.calibrations`); those are
    this unit's digital numbers. Empty: stored numbers are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoData:
    """Which digital number of a band means no data. NaN is always no data, and so is what the file's mask hides."""

    value: float | None = 0.0
    """The digital number; None: every number is data."""
    always: bool = False
    """Whether this applies whatever the file says; otherwise only to a file with neither a GDAL_NODATA tag nor a mask.
    """

    def of(self, tag: float | None, *, masked: bool, declared: float | None = None) -> float | None:
        """The no-data number of a file with this GDAL_NODATA and, if `masked`, a mask, for which the item gives
        `declared`; None: every number is data."""
        if self.always:
            return self.value
        if tag is None and not masked:
            return self.value if declared is None else declared
        return tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One band of a collection."""

    name: str
    """Name in an evalscript: B04."""
    assets: tuple[str, ...]
    """STAC asset keys it may have; the first that exists is used: red, B04, B04_10m."""
    units: tuple[Unit, ...]
    """Units that an evalscript may ask for; the first is the default."""
    no_data: NoData = NoData()
    """Digital number that means no data."""
    categorical: bool = False
    """Its values are classes: never interpolated."""
    harmonized: bool = False
    """Whether `harmonizeValues` applies to it."""
    index: int = 0
    """Band of the asset's file, from 0."""
    join: str = ""
    """Name of the join whose items have it; empty: the collection's own items."""
    variant_assets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Variant of the collection → asset keys there, in place of `assets`; a variant that is not there lacks the band.
    Empty: the same in all."""

    def unit(self, name: str | None) -> Unit | None:
        """The unit of that name, or the default unit for None. Returns None if the band does not offer it."""
        if name is None:
            return self.units[0]
        return next((unit for unit in self.units if unit.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Items of a collection whose assets have names of their own: Landsat's and Sentinel-2's part of HLS."""

    stac_collections: tuple[str, ...]
    """Collection ids in catalogues; an API is asked for the first that it has of each variant."""
    id_pattern: str = ""
    """Regular expression for the ids of its items, where the collection id does not say; empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A data collection by its Sentinel Hub name, and how to find it in a STAC catalogue."""

    id: str
    """sentinel-2-l2a."""
    aliases: tuple[str, ...]
    """Other names of the collection: S2L2A."""
    stac_collections: tuple[str, ...]
    """Collection ids in STAC catalogues; empty: any."""
    instance_of: str = ""
    """The collection which requests name, if they choose among several by `demInstance`; empty: they name this one."""
    bands: Mapping[str, Band]
    """Bands by name. dataMask is not listed: every collection has it."""
    no_data_value: float = 0.0
    """What an evalscript sees where there is no data: 0, NaN for Landsat."""
    mask_band: str | None = None
    """Band that decides dataMask when the script reads no other band."""
    cloud_cover: str | None = None
    """Item property with the tile's cloud cover in percent; None: leastCC and maxCloudCoverage are refused."""
    maximum_resolution: float = 1500.0
    """Coarsest resolution of a request, in metres per pixel."""
    normalization_factor: float = 1.0
    """Value of `inputMetadata.normalizationFactor`."""
    harmonize: Mapping[str, object] = field(default_factory=dict)
    """Rule of the baseline offset, see docs/collections.md."""
    offers: Mapping[str, str] = field(default_factory=dict)
    """What its pixels are, in the words of `processing`: backCoeff → GAMMA0_TERRAIN."""
    variants: Mapping[str, Variant] = field(default_factory=dict)
    """By name; empty: all items are alike."""
    filters: Mapping[str, ItemFilter] = field(default_factory=dict)
    """Field of a request's `dataFilter` → how items answer to it: orbitDirection, tiers, constellation …"""
    joins: tuple[Join, ...] = ()
    """Further items of the same acquisitions, with bands of their own."""
    timeless: bool = False
    """Its items hold for all time: intervals do not select among them."""
    calibrations: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Band → constants for what its items do not state, see `adapters/collections`."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Further names used by the catalogue adapter."""
    choice: ItemChoice = EVERY_ITEM
    """Which items a request uses. A catalogue may return the others without their assets."""

    def with_joins_of(self, bands: Iterable[str]) -> Collection:
        """The collection with only the joins that have one of these bands: a search then asks no other catalogue."""
        wanted = frozenset(bands)
        return replace(self, joins=tuple(join for join in self.joins if wanted & join.collection.bands.keys()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Items of another catalogue that belong to the same acquisitions: cloud masks that somebody else made."""

    collection: Collection
    """Its bands, and the STAC collections that have them."""
    catalog: str
    """Name of its catalogue in the setting `catalogs`; empty: the catalogue of the items it is joined to."""
    minutes: float
    """Longest time between the sensing times of two items of one acquisition."""


def instance(name: str, wish: str) -> str:
    """The key among the collections of the one that a request for collection `name` chooses by its demInstance."""
    return f"{name}#{wish}"
