"""Collection: the bands that a sensor offers, their units, and what counts as no data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """How a digital number becomes a value: `value = digital_number * scale + offset`, in doubles."""

    name: str
    """REFLECTANCE, DN, PERCENT, OPTICAL_DEPTH, DEGREES …"""
    scale: float = 1.0
    """Factor."""
    offset: float = 0.0
    """Summand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoData:
    """Which digital number of a band means no data. NaN is always no data, and so is what the file's mask hides."""

    value: float | None = 0.0
    """The digital number; None: every number is data."""
    always: bool = False
    """Whether this applies whatever the file says; otherwise only to a file with neither a GDAL_NODATA tag nor a mask.
    """

    def of(self, tag: float | None, *, masked: bool) -> float | None:
        """The no-data number of a file with this GDAL_NODATA and, if `masked`, a mask; None: every number is data."""
        if self.always or (tag is None and not masked):
            return self.value
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

    def unit(self, name: str | None) -> Unit | None:
        """The unit of that name, or the default unit for None. Returns None if the band does not offer it."""
        if name is None:
            return self.units[0]
        return next((unit for unit in self.units if unit.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A data collection by its Sentinel Hub name, and how to find it in a STAC catalogue."""

    id: str
    """sentinel-2-l2a."""
    aliases: tuple[str, ...]
    """Other names of the collection: S2L2A."""
    stac_collections: tuple[str, ...]
    """Collection ids in STAC catalogues; empty: any."""
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
    timeless: bool = False
    """Its items hold for all time: intervals do not select among them."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Further names used by the catalogue adapter."""
