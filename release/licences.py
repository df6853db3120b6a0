"""Licences of what is shipped: `make licences` writes docs/licences.md from the packages that are installed in the
environment that runs this, and from web/package-lock.json."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "licences.md"
LOCK = ROOT / "web" / "package-lock.json"
HEAD = """# Licences

arpent itself is under Apache-2.0. This page lists the packages installed with it and those contained in the page at
`/`, with the licence that each package states. `make licences` generates it; a test compares it with the pinned
packages. Wheels may contain third-party libraries (GDAL, PROJ, GEOS, LLVM, V8, Arrow …); their licences are in
the wheels.

"""


def closure(name: str, extras: tuple[str, ...]) -> Iterator[Distribution]:
    """The distributions that an installed one needs, itself left out, each once. Raises PackageNotFoundError if one is
    missing here."""
    seen: set[tuple[str, str]] = set()
    told: set[str] = {canonicalize_name(name)}
    waiting = [(canonicalize_name(name), extra) for extra in ("", *extras)]
    while waiting:
        entry = waiting.pop()
        if entry in seen:
            continue
        seen.add(entry)
        found = distribution(entry[0])
        if entry[0] not in told:
            told.add(entry[0])
            yield found
        for text in found.requires or []:
            wanted = Requirement(text)
            environment = {**default_environment(), "extra": entry[1]}
            if wanted.marker is None or wanted.marker.evaluate({k: str(v) for k, v in environment.items()}):
                waiting += [(canonicalize_name(wanted.name), extra) for extra in ("", *wanted.extras)]


def licence(found: Distribution) -> str:
    """The licence that a distribution states: its expression, else its short text, else its classifiers."""
    told = found.metadata
    if expression := told.get("License-Expression"):
        return str(expression)
    names = [text.rpartition(" :: ")[2] for text in told.get_all("Classifier") or [] if text.startswith("License ::")]
    text = str(told.get("License") or "").strip()
    if text and "\n" not in text and len(text) < 60:
        return text
    return ", ".join(names) or "see its files"


def of_python() -> list[tuple[str, str]]:
    """(package, licence) of all Python packages, by name."""
    extras = tuple(distribution("arpent").metadata.get_all("Provides-Extra") or ())
    rows = {canonicalize_name(each.metadata["Name"]): licence(each) for each in closure("arpent", extras)}
    return sorted(rows.items())


def of_page() -> list[tuple[str, str]]:
    """(package, licence) of the npm packages that may lie in the page, by name; tools of its build are left out."""
    packages = json.loads(LOCK.read_text())["packages"]
    return sorted(
        (path.rpartition("node_modules/")[2], entry.get("license", "see its files"))
        for path, entry in packages.items()
        if path and not entry.get("dev") and not entry.get("devOptional")
    )


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for title, rows in (("Python packages", of_python()), ("Packages of the page at `/`", of_page())):
        parts += [f"## {title}\n\n", "| package | licence |\n|---|---|\n"]
        parts += [f"| {name} | {re.sub('[|]', ' or ', text)} |\n" for name, text in rows]
        parts.append("\n")
    return "".join(parts).rstrip("\n") + "\n"


if __name__ == "__main__":
    try:
        PAGE.write_text(page(), encoding="utf-8")
    except PackageNotFoundError as missing:
        sys.exit(f"{missing} is not installed here: use the environment of `make check`")
