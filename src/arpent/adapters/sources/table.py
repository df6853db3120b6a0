"""Table: the source table, made from the settings and from the presets that they name."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from arpent.domain.errors import InvalidSetting
from arpent.network.source import ArchiveSource, SourceTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A well-known archive, in `presets.toml`."""

    catalog: str
    """URL of its STAC API."""
    sources: Mapping[str, ArchiveSource]
    """Its entries for the source table, by name."""
    at: tuple[float, float] | None = None
    """Longitude and latitude of a place for which it has images; None: it covers the whole world."""


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by name."""
    presets = tomllib.loads(files("arpent.adapters.sources").joinpath("presets.toml").read_text("utf-8"))
    return {
        name: Preset(
            catalog=preset["catalog"],
            at=tuple(preset["at"]) if "at" in preset else None,
            sources={key: ArchiveSource.model_validate(entry).named(key) for key, entry in preset["sources"].items()},
        )
        for name, preset in presets.items()
    }


def catalog_address(address: str) -> str:
    """The URL of the catalogue if `address` is the name of a preset; any other address unchanged."""
    return presets()[address].catalog if address in presets() else address


def source_table(given: Mapping[str, ArchiveSource], catalogs: Iterable[str]) -> SourceTable:
    """The source table. `given`: entries of the settings by name; `catalogs`: addresses of catalogues, where the name
    of a preset enables its entries. A given entry with the name of a preset's entry overrides that entry, and enables
    the preset. Raises InvalidSetting."""
    homes = {key: name for name, preset in presets().items() for key in preset.sources}
    named = {address for address in catalogs if address in presets()}
    named |= {homes[key] for key in given if key in homes}
    found = {key: source for name in sorted(named) for key, source in presets()[name].sources.items()}
    for key, source in given.items():
        found[key] = source.named(key).over(found[key]) if key in found else source.named(key)
        if found[key].match is None:
            raise InvalidSetting(
                f"`sources.{key}` has no `match`: set it to the host or bucket that it is for, such as "
                f'"https://host" or "s3://bucket"; or name it after an entry of a preset ({", ".join(sorted(homes))})'
            )
    return SourceTable(tuple(found.values()))
