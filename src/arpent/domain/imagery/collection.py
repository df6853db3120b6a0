"""Collection: the bands that a sensor offers, their units, and what counts as no data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from arpent.domain.imagery.item_choice import EVERY_ITEM, ItemChoice
from arpent.domain.imagery.item_filter import ItemFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """How a digital number is converted to a value: `value = digital_number * scale + offset`, in doubles."""

    name: str
    """REFLECTANCE, DN, PERCENT, OPTICAL_DEPTH, DEGREES …"""
    scale: float = 1.0
    """Factor applied to the digital number."""
    offset: float = 0.0
    """Number added after scaling."""
    calibration: str = ""
    """Name of the rule by which each item declares how to convert stored numbers (`Asset.calibrations`); the results
    are this unit's digital numbers. Empty: the stored numbers themselves are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoData:
    """Which digital number of a band means no data. NaN and pixels hidden by the file's mask are always no data."""

    value: float | None = 0.0
    """The digital number; None: every number is data."""
    always: bool = False
    """Whether this overrides the file. If not, it applies only to files with neither a GDAL_NODATA tag nor a mask."""

    def of(self, tag: float | None, *, masked: bool, declared: float | None = None) -> float | None:
        """The no-data number of a file with GDAL_NODATA `tag` and, if `masked`, a mask; `declared`: the no-data number
        that its item states. None: every number is data."""
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
    """STAC asset keys that the band may have (red, B04, B04_10m); the first that exists is used."""
    units: tuple[Unit, ...]
    """Units that an evalscript may ask for; the first is the default."""
    no_data: NoData = NoData()
    """Digital number that means no data."""
    categorical: bool = False
    """Whether the values are classes, which are never interpolated."""
    harmonized: bool = False
    """Whether `harmonizeValues` applies to the band."""
    index: int = 0
    """Position of the band in the asset's file, from 0."""
    join: str = ""
    """Name of the join whose items have the band; empty: the collection's own items have it."""
    variant_assets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Variant of the collection → its asset keys, used instead of `assets`; variants not listed lack the band. Empty:
    `assets` applies to all variants."""

    def unit(self, name: str | None) -> Unit | None:
        """The unit of that name, or the default unit if `name` is None. Returns None if the band lacks the unit."""
        if name is None:
            return self.units[0]
        return next((unit for unit in self.units if unit.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A subset of a collection's items with its own asset names, such as the Landsat and Sentinel-2 parts of HLS."""

    stac_collections: tuple[str, ...]
    """Collection ids in catalogues; an API is queried for the first one that it has, for each variant."""
    id_pattern: str = ""
    """Regular expression for the ids of its items, for catalogues whose collection id does not identify the variant;
    empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A data collection under its Sentinel Hub name, and how to find it in a STAC catalogue."""

    id: str
    """Sentinel Hub name, such as sentinel-2-l2a."""
    aliases: tuple[str, ...]
    """Other names of the collection: S2L2A."""
    stac_collections: tuple[str, ...]
    """Collection ids in STAC catalogues; empty: any."""
    instance_of: str = ""
    """Id of the collection that requests name in order to select this one by `demInstance`; empty: they name this one.
    """
    bands: Mapping[str, Band]
    """Bands by name. dataMask is not listed: every collection has it."""
    no_data_value: float = 0.0
    """Value that an evalscript gets where there is no data: 0, but NaN for Landsat."""
    mask_band: str | None = None
    """Band that decides dataMask when the script reads no other band."""
    cloud_cover: str | None = None
    """Item property with the tile's cloud cover in percent; None: leastCC and maxCloudCoverage are refused."""
    maximum_resolution: float = 1500.0
    """Coarsest resolution of a request, in metres per pixel."""
    normalization_factor: float = 1.0
    """Value of `inputMetadata.normalizationFactor`."""
    harmonize: Mapping[str, object] = field(default_factory=dict)
    """Rule for the baseline offset, see docs/collections.md."""
    offers: Mapping[str, str] = field(default_factory=dict)
    """Processing that its pixels have already undergone, as option → value: backCoeff → GAMMA0_TERRAIN."""
    variants: Mapping[str, Variant] = field(default_factory=dict)
    """Variants by name; empty: all items are alike."""
    filters: Mapping[str, ItemFilter] = field(default_factory=dict)
    """Field of a request's `dataFilter` → how to filter items by it: orbitDirection, tiers, constellation …"""
    joins: tuple[Join, ...] = ()
    """Further items of the same acquisitions, which provide additional bands."""
    timeless: bool = False
    """Whether its items are valid at all times, so that intervals do not select among them."""
    calibrations: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Band → calibration constants that its items do not state, see `adapters/collections`."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Further names used by the catalogue adapter."""
    choice: ItemChoice = EVERY_ITEM
    """Which items a request uses. A catalogue may return the others without their assets."""

    def with_joins_of(self, bands: Iterable[str]) -> Collection:
        """The collection with only the joins that have one of these bands, so that a search queries no others."""
        wanted = frozenset(bands)
        return replace(self, joins=tuple(join for join in self.joins if wanted & join.collection.bands.keys()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Items of another collection that belong to the same acquisitions, such as third-party cloud masks."""

    collection: Collection
    """The bands of these items, and the STAC collections that have them."""
    catalog: str
    """Name of the catalogue in the setting `catalogs`; empty: the catalogue of the items that are joined to."""
    minutes: float
    """Maximum number of minutes between the sensing times of two items of one acquisition."""


def instance(name: str, wish: str) -> str:
    """The key of the collection that a request for collection `name` with demInstance `wish` refers to."""
    return f"{name}#{wish}"
