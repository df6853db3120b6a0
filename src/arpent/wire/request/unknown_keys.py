"""Unknown keys of `calculations`: rejected, since a misspelt key would otherwise be ignored silently
(sentinelhub.md 2.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

KEYS: Mapping[str, Sequence[str]] = {
    "output": ("histograms", "statistics"),
    "histograms": ("bins", "nBins", "binWidth", "lowEdge", "highEdge"),
    "statistics": ("percentiles", "more", "shares"),
    "percentiles": ("k",),
}
"""Object of `calculations` → the keys that it may have."""
HARMLESS = frozenset({"interpolation"})
"""Keys that old clients send in addition to `k`; their value is ignored."""
_ALIKE = 0.6
_ALIKE_AT_THE_TOP = 0.8


def unknown_keys(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Violations (parameter, violation) for unknown keys. Other code checks the values."""
    for name in body:
        if name != "calculations" and get_close_matches(name, ["calculations"], n=1, cutoff=_ALIKE_AT_THE_TOP):
            yield name, "is not known; did you mean 'calculations'?"
    for output, entry in _objects(body.get("calculations")):
        at = f"calculations->{output}"
        yield from _unknown(entry, "output", at)
        for kind in KEYS["output"]:
            for band, wish in _objects(entry.get(kind)):
                yield from _unknown(wish, kind, f"{at}->{kind}->{band}")
                if isinstance(wish.get("percentiles"), dict):
                    yield from _unknown(wish["percentiles"], "percentiles", f"{at}->{kind}->{band}->percentiles")


def _objects(given: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(given, dict):
        yield from ((name, entry) for name, entry in given.items() if isinstance(entry, dict))


def _unknown(entry: Mapping[str, Any], kind: str, at: str) -> Iterator[tuple[str, str]]:
    for name in entry:
        if name not in KEYS[kind] and not (kind == "percentiles" and name in HARMLESS):
            near = get_close_matches(name, KEYS[kind], n=1, cutoff=_ALIKE)
            meant = f"; did you mean '{near[0]}'?" if near else f". Valid: {', '.join(KEYS[kind])}"
            yield f"{at}->{name}", f"is not known{meant}"
