"""Setup fields: which ones exist, their names in version 2, and remarks about unknown ones (sentinelhub.md 5.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from arpent.domain.errors import ScriptSetupError
from arpent.evalscript.names import suggestion

_KEYS: Mapping[str, Sequence[str]] = {
    "": ("input", "output", "mosaicking"),
    "input": ("bands", "units", "datasource", "mosaicking", "metadata"),
    "output": ("id", "bands", "sampleType", "nodataValue"),
}
"""Part of setup()'s return value → fields that it may have (sentinelhub.md 5.1)."""
_VERSION_2 = {
    "components": ("", 'input: ["B04", "dataMask"]'),
    "componentCount": ("output", "bands"),
    "temporal": ("", 'mosaicking: "ORBIT"'),
}
"""Field of version 2 → (part that had it, what to write in version 3)."""


def _parts(declared: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    yield "", declared
    for name in ("input", "output"):
        given = declared.get(name)
        for entry in given if isinstance(given, list) else [given]:
            if isinstance(entry, dict):
                yield name, entry


def check_version_2(declared: Mapping[str, object]) -> None:
    """Refuse fields of version 2, which version 3 would ignore silently. Raises ScriptSetupError."""
    for part, entry in _parts(declared):
        for name, (place, instead) in _VERSION_2.items():
            if place == part and entry.get(name) and instead.split(":")[0] not in entry:
                where = f"setup().{part}" if part else "setup()"
                raise ScriptSetupError(f"{where}: `{name}` is of version 2; in version 3 write {instead}")


def ignored_fields(declared: Mapping[str, object]) -> Iterator[str]:
    """A remark for each unknown field."""
    for part, entry in _parts(declared):
        for name in entry:
            if name not in _KEYS[part]:
                where = f"setup().{part}.{name}" if part else f"setup().{name}"
                yield f"{where} is not known and therefore ignored{suggestion(name, _KEYS[part])}"
