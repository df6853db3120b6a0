"""Files of collections: the built-in TOML files beside this module, and the operator's, which take precedence."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from arpent.domain.errors import ArpentError
from arpent.domain.imagery.collection import Band, Collection, NoData, Unit

Rule = Literal["flag", "raster-offset", "baseline"]


class CollectionFileError(ArpentError):
    """A collection's TOML file is invalid; the message names file, field and fix."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Unit(_Strict):
    name: str = Field(min_length=1)
    scale: float = 1.0
    offset: float = 0.0


class _Band(_Strict):
    assets: tuple[str, ...] = Field(min_length=1)
    units: str
    no_data: float | Literal["none"] | None = None
    fallback_no_data: float | Literal["none"] | None = None
    categorical: bool = False
    harmonized: bool = False
    index: int = Field(default=0, ge=0)


class _Match(_Strict):
    constellations: tuple[str, ...] = ()
    product_types: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    level_assets: tuple[str, ...] = ()
    foreign_assets: tuple[str, ...] = ()


class _Harmonize(_Strict):
    rules: tuple[Rule, ...] = Field(min_length=1)
    offset: float
    flag: str = ""
    baseline: tuple[str, ...] = ()
    since: str = Field(default="", pattern=r"^(\d+(\.\d+)*)?$")
    by_collection: dict[str, tuple[Rule, ...]] = Field(default_factory=dict)


class _Offers(_Strict):
    """What the pixels are, in the words of a request's `processing`."""

    backCoeff: Literal["BETA0", "SIGMA0_ELLIPSOID", "GAMMA0_ELLIPSOID", "GAMMA0_TERRAIN"] | None = None  # noqa: N815
    orthorectify: bool | None = None
    demInstance: Literal["MAPZEN", "COPERNICUS", "COPERNICUS_30", "COPERNICUS_90"] | None = None  # noqa: N815


class _File(_Strict):
    """Model of a collection's file; docs/collections.md explains the fields."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    aliases: tuple[str, ...] = ()
    stac_collections: tuple[str, ...] = ()
    cloud_cover: str | None = None
    mask_band: str | None = None
    no_data_value: float = 0.0
    maximum_resolution: float = Field(default=1500.0, gt=0)
    normalization_factor: float = 1.0
    timeless: bool = False
    offers: _Offers = _Offers()
    match: _Match = _Match()
    harmonize: _Harmonize | None = None
    units: dict[str, tuple[_Unit, ...]]
    bands: dict[str, _Band] = Field(min_length=1)


def load_collections(extra: Path | None = None) -> Mapping[str, Collection]:
    """Every collection by its id and by each of its aliases.

    `extra` is a folder of further `*.toml`; a file there replaces the built-in collection of the same id.
    Raises CollectionFileError.
    """
    collections = {collection.id: collection for collection in (parse_collection(*file) for file in _files(extra))}
    named = {alias: collection for collection in collections.values() for alias in collection.aliases}
    return {**named, **collections}


def _files(extra: Path | None) -> Iterator[tuple[str, str]]:
    """(name, text) of the built-in files, then of the operator's."""
    for entry in sorted(resources.files("arpent.adapters.collections").iterdir(), key=lambda file: file.name):
        if entry.name.endswith(".toml"):
            yield entry.name, entry.read_text(encoding="utf-8")
    if extra is None:
        return
    if not extra.is_dir():
        raise CollectionFileError(f"ARPENT_COLLECTIONS names {extra}, which is not a folder; make it, or unset it.")
    for path in sorted(extra.glob("*.toml")):
        try:
            yield str(path), path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise CollectionFileError(f"{path} (ARPENT_COLLECTIONS) cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError as error:
            raise CollectionFileError(f"{path} (ARPENT_COLLECTIONS) is not UTF-8: see byte {error.start}.") from None


def parse_collection(name: str, text: str) -> Collection:
    """The collection of one file; `name` is for messages. Raises CollectionFileError."""
    try:
        file = _File.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CollectionFileError(f"{name} is not TOML: {error}.") from None
    except ValidationError as error:
        faults = "; ".join(f"`{'.'.join(map(str, fault['loc']))}`: {fault['msg']}" for fault in error.errors())
        raise CollectionFileError(f"{name}: {faults} (see docs/collections.md).") from None
    _check(name, file)
    return Collection(
        id=file.id,
        aliases=file.aliases,
        stac_collections=file.stac_collections,
        bands={band: _band(band, entry, file.units) for band, entry in file.bands.items()},
        no_data_value=file.no_data_value,
        mask_band=file.mask_band,
        cloud_cover=file.cloud_cover,
        maximum_resolution=file.maximum_resolution,
        normalization_factor=file.normalization_factor,
        harmonize=file.harmonize.model_dump() if file.harmonize else {},
        timeless=file.timeless,
        offers={
            name: str(value).lower() if isinstance(value, bool) else value
            for name, value in file.offers.model_dump(exclude_none=True).items()
        },
        metadata=_metadata(file),
    )


def _check(name: str, file: _File) -> None:
    """Check what pydantic cannot: that names refer to something."""
    for band, entry in file.bands.items():
        if not file.units.get(entry.units):
            known = ", ".join(file.units) or "none"
            raise CollectionFileError(f"{name}: `bands.{band}.units` is {entry.units!r}; [units] has: {known}.")
        if entry.no_data is not None and entry.fallback_no_data is not None:
            raise CollectionFileError(f"{name}: `bands.{band}` has no_data and fallback_no_data; leave one of them.")
        if entry.harmonized and file.harmonize is None:
            raise CollectionFileError(f"{name}: `bands.{band}` is harmonized, but there is no [harmonize] table.")
    if file.mask_band is not None and file.mask_band not in file.bands:
        raise CollectionFileError(f"{name}: `mask_band` is {file.mask_band!r}, which is not one of its bands.")
    if "dataMask" in file.bands:
        raise CollectionFileError(f"{name}: `bands.dataMask` is made by arpent; remove it.")


def _band(name: str, entry: _Band, units: Mapping[str, tuple[_Unit, ...]]) -> Band:
    return Band(
        name=name,
        assets=entry.assets,
        units=tuple(Unit(name=unit.name, scale=unit.scale, offset=unit.offset) for unit in units[entry.units]),
        no_data=_no_data(entry),
        categorical=entry.categorical,
        harmonized=entry.harmonized,
        index=entry.index,
    )


def _no_data(entry: _Band) -> NoData:
    """One of four: nothing given (the file's own, else 0), `fallback_no_data` (the file's own, else this), `no_data`
    (this), or `no_data = "none"` (every number is data)."""
    always = entry.no_data is not None
    wish = entry.no_data if always else entry.fallback_no_data
    number = 0.0 if wish is None else wish
    return NoData(value=None if isinstance(number, str) else float(number), always=always)


def _metadata(file: _File) -> Mapping[str, str]:
    """What only the catalogue adapter reads, as comma-separated words; absent where the file does not say."""
    words = {name: ",".join(found) for name, found in file.match.model_dump().items()}
    return {key: value for key, value in words.items() if value}
