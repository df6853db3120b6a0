"""TOML schema: the structure of a collection's TOML file; docs/collections.md explains the fields."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Rule = Literal["flag", "raster-offset", "baseline"]


def _compiles(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return text


Pattern = Annotated[str, AfterValidator(_compiles)]
"""A regular expression that compiles."""
Pair = tuple[float, float]


class TableModel(BaseModel):
    """Base of all tables; refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class UnitEntry(TableModel):
    """One unit in a list of the table `[units]`."""

    name: str = Field(min_length=1)
    scale: float = 1.0
    offset: float = 0.0
    calibration: Literal["", "item-scale", "toa-reflectance", "brightness-temperature"] = ""


class CalibrationEntry(TableModel):
    """Calibration constants of a band that its items do not give, by platform where they differ."""

    reflectance: Pair | None = None
    radiance: dict[str, Pair] = Field(default_factory=dict)
    irradiance: dict[str, float] = Field(default_factory=dict)
    planck: dict[str, Pair] = Field(default_factory=dict)


class BandEntry(TableModel):
    """One line of `[bands]`."""

    assets: Annotated[tuple[str, ...], Field(min_length=1)] | Annotated[dict[str, tuple[str, ...]], Field(min_length=1)]
    units: str
    no_data: float | Literal["none"] | None = None
    fallback_no_data: float | Literal["none"] | None = None
    categorical: bool = False
    harmonized: bool = False
    index: int = Field(default=0, ge=0)
    join: str = ""
    calibration: CalibrationEntry = CalibrationEntry()


class MatchEntry(TableModel):
    """Table `[match]` of a collection file."""

    constellations: tuple[str, ...] = ()
    product_types: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    instruments: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    level_assets: tuple[str, ...] = ()
    foreign_assets: tuple[str, ...] = ()


class HarmonizeEntry(TableModel):
    """Table `[harmonize]` of a collection file."""

    rules: tuple[Rule, ...] = Field(min_length=1)
    offset: float
    flag: str | tuple[str, ...] = ""
    baseline: tuple[str, ...] = ()
    since: str = Field(default="", pattern=r"^([0-9]{1,4}(\.[0-9]{1,4})*)?$")
    introduced: str = Field(default="", pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")
    by_collection: dict[str, tuple[Rule, ...]] = Field(default_factory=dict)


class OffersEntry(TableModel):
    """Table `[offers]` of a collection file: how its pixels were processed, in the terms of a request."""

    backCoeff: Literal["BETA0", "SIGMA0_ELLIPSOID", "GAMMA0_ELLIPSOID", "GAMMA0_TERRAIN"] | None = None  # noqa: N815
    orthorectify: bool | None = None
    demInstance: Literal["MAPZEN", "COPERNICUS", "COPERNICUS_30", "COPERNICUS_90"] | None = None  # noqa: N815


class VariantEntry(TableModel):
    """One table of `[variants]`."""

    stac_collections: tuple[str, ...] = ()
    id_pattern: Pattern = ""


class JoinEntry(TableModel):
    """One table of `[joins]`."""

    catalog: str = ""
    stac_collections: tuple[str, ...] = ()
    minutes: float = Field(default=10.0, ge=0, le=1440)


class FilterEntry(TableModel):
    """One table of `[filters]`."""

    properties: tuple[str, ...] = Field(min_length=1)
    values: dict[str, str | tuple[str, ...]] = Field(min_length=1)
    id_pattern: Pattern = ""


class CollectionFile(TableModel):
    """A whole collection file."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    extends: str = ""
    aliases: tuple[str, ...] = ()
    instance_of: str = ""
    stac_collections: tuple[str, ...] = ()
    cloud_cover: str | None = None
    mask_band: str | None = None
    no_data_value: float = 0.0
    maximum_resolution: float = Field(default=1500.0, gt=0)
    normalization_factor: float = 1.0
    timeless: bool = False
    open_range: bool = False
    date_in_id: Pattern = ""
    part_in_id: Pattern = ""
    offers: OffersEntry = OffersEntry()
    match: MatchEntry = MatchEntry()
    variants: dict[str, VariantEntry] = Field(default_factory=dict)
    filters: dict[str, FilterEntry] = Field(default_factory=dict)
    joins: dict[str, JoinEntry] = Field(default_factory=dict)
    harmonize: HarmonizeEntry | None = None
    units: dict[str, tuple[UnitEntry, ...]]
    bands: dict[str, BandEntry] = Field(min_length=1)
