"""Misplaced fields of a body: arpent ignores them like the real service, but gives a hint about where they belong
(sentinelhub.md 2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from arpent.wire.request.schema import BatchBody
from arpent.wire.request.unserved import UNSERVED
from arpent.wire.request.violations import path

MOST_HINTS = 10
NAME_LETTERS = 60
"""Maximum number of characters shown of an unknown name, which can be of any length."""
ELSEWHERE = ("calculations",)
"""Parts of the body whose keys are chosen by the user or checked by other code."""
HARMLESS = frozenset({"previewMode", "id", "status", "name", "description", "user", "type"})
"""Fields that some clients send although they have no meaning there (sentinelhub.md 2.1, 2.2)."""
_ALIKE = 0.75
_ITEM = "*"
"""Placeholder for a list index in a path."""

Place = tuple[str, ...]


def _places(shape: type[BaseModel], place: Place = ()) -> Iterator[tuple[Place, frozenset[str]]]:
    """Each object that a body may contain: its path, and the names of its fields."""
    names = {info.alias or name: info.annotation for name, info in shape.model_fields.items()}
    yield place, frozenset(names) | frozenset(UNSERVED.get(place[-1], ()) if place else ())
    for name, annotation in names.items():
        if name not in ELSEWHERE:
            for inner, steps in _shapes(annotation):
                yield from _places(inner, (*place, name, *steps))


def _shapes(annotation: Any) -> Iterator[tuple[type[BaseModel], Place]]:
    """The models inside an annotation, each with the path steps that lead to it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, ()
    for argument in get_args(annotation):
        listed = getattr(annotation, "__origin__", None) is list
        for inner, steps in _shapes(argument):
            yield inner, ((_ITEM, *steps) if listed else steps)


KNOWN: Mapping[Place, frozenset[str]] = dict(_places(BatchBody))
"""Path of an object in the schema → names of its known fields, supported or not."""


def request_hints(body: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence for each field of a batch request that is unknown in its place and probably misspelt or misplaced; at
    most MOST_HINTS."""
    found: list[str] = []
    for hint in _hints(body, (), ()):
        found.append(hint)
        if len(found) == MOST_HINTS:
            break
    return tuple(found)


def _hints(value: object, place: Place, shown: tuple[str | int, ...]) -> Iterator[str]:
    """Hints for `value` and everything inside it. `place`: its path in the schema; `shown`: its path in the body, with
    list indices."""
    if isinstance(value, list):
        for position, entry in enumerate(value):
            yield from _hints(entry, (*place, _ITEM), (*shown, position))
    names = KNOWN.get(place)
    if not isinstance(value, dict) or names is None:
        return
    for name, inner in value.items():
        if name in names:
            if name not in ELSEWHERE:
                yield from _hints(inner, (*place, name), (*shown, name))
        elif name not in HARMLESS and inner is not None and (meant := _meant(name, place, shown)):
            at = path((*shown, name[:NAME_LETTERS]))
            yield f"`{at}` is not known there and was ignored; did you mean {meant}?"


def _meant(name: str, place: Place, shown: tuple[str | int, ...]) -> str | None:
    """Path of the field that was probably meant: the nearest field of the same name, or a field of this object with a
    similar name. None if that is unclear."""
    plain = {known.casefold(): known for known in KNOWN[place]}
    if name.casefold() in plain:
        return path((*_written(place, shown), plain[name.casefold()]))
    homes = [home for home, names in KNOWN.items() if name in names]
    if homes:
        nearest = min(homes, key=lambda home: (-_shared(home, place), len(home)))
        return path((*_written(nearest, shown), name))
    near = get_close_matches(name[:NAME_LETTERS].casefold().replace("_", ""), list(plain), n=1, cutoff=_ALIKE)
    return path((*_written(place, shown), plain[near[0]])) if near else None


def _shared(one: Place, other: Place) -> int:
    """Number of steps that two paths share, from the top."""
    return next((number for number, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))


def _written(place: Place, shown: tuple[str | int, ...]) -> Iterator[str | int]:
    """The schema path `place` with list indices: those of `shown` where it has them, otherwise 0."""
    for number, step in enumerate(place):
        position = shown[number] if number < len(shown) and isinstance(shown[number], int) else 0
        yield position if step == _ITEM else step
