"""Collection files: reads the built-in TOML files next to this module, and those of the operator, which take
precedence."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from arpent.adapters.collections.toml_schema import (
    BandEntry,
    CollectionFile,
    FilterEntry,
    JoinEntry,
    UnitEntry,
    VariantEntry,
)
from arpent.domain.errors import ArpentError
from arpent.domain.imagery.collection import Band, Collection, Join, NoData, Unit, Variant, instance
from arpent.domain.imagery.item_filter import ItemFilter


class CollectionFileError(ArpentError):
    """A collection's TOML file is invalid; the message names the file, the field and the fix."""


_Table = Mapping[str, Any]
_Read = tuple[dict[str, _Table], dict[str, Collection]]
"""The files read so far, as two mappings: id → TOML table, merged with the one that it extends; id → collection."""


def load_collections(extra: Path | None = None) -> Mapping[str, Collection]:
    """Every collection by its id and by each of its aliases.

    `extra` is a folder of further `*.toml`; a file there replaces the built-in collection of the same id.
    Raises CollectionFileError.
    """
    tables, collections = _built_in()
    if extra is not None:
        _, collections = _added(_files_in(extra), tables, collections)
    named = {alias: collection for collection in collections.values() for alias in collection.aliases}
    instances = {
        instance(name, collection.offers["demInstance"]): collection
        for collection in collections.values() if collection.instance_of in (named | collections)
        for name in (collection.instance_of, *(named | collections)[collection.instance_of].aliases)
    }  # fmt: skip
    return {**named, **instances, **collections}


@cache
def _built_in() -> _Read:
    """The built-in collections. Cached, since they are loaded for each client's services."""
    folder = resources.files("arpent.adapters.collections")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return _added(((file.name, file.read_text(encoding="utf-8")) for file in files), {}, {})


def _added(
    files: Iterable[tuple[str, str]], tables: Mapping[str, _Table], collections: Mapping[str, Collection]
) -> _Read:
    """The given tables and collections together with those of these files, each (name, text)."""
    all_tables, all_collections = dict(tables), dict(collections)
    for name, text in files:
        table = _extended(name, _table(name, text), all_tables)
        collection = _parsed(name, table)
        all_tables[collection.id], all_collections[collection.id] = table, collection
    return all_tables, all_collections


def _files_in(extra: Path) -> Iterator[tuple[str, str]]:
    """(name, text) of the operator's files."""
    if not extra.is_dir():
        raise CollectionFileError(
            f"ARPENT_COLLECTIONS names {extra}, which is not a folder; create it, or unset the variable."
        )
    for path in sorted(extra.glob("*.toml")):
        try:
            yield str(path), path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise CollectionFileError(f"{path} (ARPENT_COLLECTIONS) cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError as error:
            raise CollectionFileError(f"{path} (ARPENT_COLLECTIONS) is not UTF-8: see byte {error.start}.") from None


def _table(name: str, text: str) -> _Table:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CollectionFileError(f"{name} is not TOML: {error}.") from None


def _extended(name: str, table: _Table, known: Mapping[str, _Table]) -> _Table:
    """The table, completed from the collection that it extends; bands, units and other tables are merged entry by
    entry."""
    base = table.get("extends")
    if base is None:
        return table
    if base not in known:
        raise CollectionFileError(f"{name}: `extends` is {base!r}; known: {', '.join(sorted(known))}.")
    whole = {**known[base], **table}
    for key, value in known[base].items():
        if isinstance(value, dict) and isinstance(table.get(key), dict):
            whole[key] = {**value, **table[key]}
    return {key: value for key, value in whole.items() if key != "extends"}


def _parsed(name: str, table: _Table) -> Collection:
    try:
        file = CollectionFile.model_validate(table)
    except ValidationError as error:
        faults = "; ".join(f"`{'.'.join(map(str, fault['loc']))}`: {fault['msg']}" for fault in error.errors())
        raise CollectionFileError(f"{name}: {faults} (see docs/collections.md).") from None
    _check(name, file)
    return Collection(
        id=file.id,
        aliases=file.aliases,
        stac_collections=(
            *file.stac_collections,
            *(name for variant in file.variants.values() for name in variant.stac_collections),
        ),
        instance_of=file.instance_of,
        bands={band: _band(band, entry, file.units) for band, entry in file.bands.items()},
        variants={name: _variant(entry) for name, entry in file.variants.items()},
        joins=tuple(_join(join, entry, file) for join, entry in file.joins.items()),
        filters={name: _filter(entry) for name, entry in file.filters.items()},
        calibrations={
            band: entry.calibration.model_dump(exclude_defaults=True)
            for band, entry in file.bands.items()
            if entry.calibration.model_dump(exclude_defaults=True)
        },
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


def _check(name: str, file: CollectionFile) -> None:
    """Check what pydantic cannot, mainly that names refer to something that exists. Raises CollectionFileError."""
    for band, entry in file.bands.items():
        if not file.units.get(entry.units):
            known = ", ".join(file.units) or "none"
            raise CollectionFileError(f"{name}: `bands.{band}.units` is {entry.units!r}; [units] has: {known}.")
        if entry.no_data is not None and entry.fallback_no_data is not None:
            raise CollectionFileError(f"{name}: `bands.{band}` has no_data and fallback_no_data; keep one of them.")
        if entry.join and entry.join not in file.joins:
            raise CollectionFileError(f"{name}: `bands.{band}.join` is {entry.join!r}, which is not in [joins].")
        if isinstance(entry.assets, dict) and not entry.assets.keys() <= file.variants.keys():
            raise CollectionFileError(f"{name}: `bands.{band}.assets` names variants; [variants] has: {_known(file)}.")
        if entry.harmonized and file.harmonize is None:
            raise CollectionFileError(f"{name}: `bands.{band}` is harmonized, but there is no [harmonize] table.")
    if file.mask_band is not None and file.mask_band not in file.bands:
        raise CollectionFileError(f"{name}: `mask_band` is {file.mask_band!r}, which is not one of its bands.")
    if file.instance_of and file.offers.demInstance is None:
        raise CollectionFileError(f"{name}: `instance_of` needs `offers.demInstance`, by which a request names it.")
    if "dataMask" in file.bands:
        raise CollectionFileError(f"{name}: `bands.dataMask` is made by arpent; remove it.")


def _known(file: CollectionFile) -> str:
    return ", ".join(file.variants) or "none"


def _variant(entry: VariantEntry) -> Variant:
    return Variant(stac_collections=entry.stac_collections, id_pattern=entry.id_pattern)


def _join(name: str, entry: JoinEntry, file: CollectionFile) -> Join:
    """The joined bands, as a collection of their own."""
    bands = {band: _band(band, each, file.units) for band, each in file.bands.items() if each.join == name}
    return Join(
        collection=Collection(
            id=f"{file.id}/{name}",
            aliases=(),
            stac_collections=entry.stac_collections,
            bands={band: replace(each, join="") for band, each in bands.items()},
        ),
        catalog=entry.catalog,
        minutes=entry.minutes,
    )


def _filter(entry: FilterEntry) -> ItemFilter:
    values = {value: (words,) if isinstance(words, str) else words for value, words in entry.values.items()}
    return ItemFilter(properties=entry.properties, values=values, id_pattern=entry.id_pattern)


def _band(name: str, entry: BandEntry, units: Mapping[str, tuple[UnitEntry, ...]]) -> Band:
    by_variant = entry.assets if isinstance(entry.assets, dict) else {}
    return Band(
        name=name,
        assets=() if isinstance(entry.assets, dict) else entry.assets,
        variant_assets=by_variant,
        units=tuple(Unit(**unit.model_dump()) for unit in units[entry.units]),
        no_data=_no_data(entry),
        categorical=entry.categorical,
        harmonized=entry.harmonized,
        index=entry.index,
        join=entry.join,
    )


def _no_data(entry: BandEntry) -> NoData:
    """The no-data rule of a band, one of four: neither field (the image's own value, else 0), `fallback_no_data` (the
    image's own value, else this), `no_data` (always this), or `no_data = "none"` (every number is data)."""
    always = entry.no_data is not None
    wish = entry.no_data if always else entry.fallback_no_data
    number = 0.0 if wish is None else wish
    return NoData(value=None if isinstance(number, str) else float(number), always=always)


def _metadata(file: CollectionFile) -> Mapping[str, str]:
    """Settings that only the catalogue adapters read, as comma-separated words; those that are not set are left out."""
    words = {name: ",".join(found) for name, found in file.match.model_dump().items()} | {
        "open_range": "yes" if file.open_range else "",
        "date_in_id": file.date_in_id,
        "part_in_id": file.part_in_id,
    }
    return {key: value for key, value in words.items() if value}
