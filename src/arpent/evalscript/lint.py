"""Lint: finds errors and likely mistakes in a script before it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice

from arpent.domain.errors import ScriptSetupError
from arpent.domain.evalscript import DATA_MASK, Evalscript, Input
from arpent.domain.imagery.collection import Band, Collection
from arpent.evalscript.masks import mask_lines
from arpent.evalscript.names import (
    Misnamed,
    built_in,
    misnamed,
    own_functions,
    suggestion,
    unasked_bands,
    uncalled_functions,
    unknown_calls,
)
from arpent.evalscript.scenes import source_keys
from arpent.evalscript.service_functions import OLDER, SERVED

_COMMENT = re.compile(r"/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z)|//[^\n]*")
_STRING = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"")
_MASK_IN_USE = re.compile(rf"\.\s*{DATA_MASK}\b|\[\s*['\"]{DATA_MASK}['\"]\s*\]|\b{DATA_MASK}\b(?!\s*:)")
_CONSTANT_MASK = re.compile(rf"\b{DATA_MASK}\s*:\s*\[\s*(?:1|true)\s*\]")

_BEFORE = 100
"""Number of characters before a quoted word in which to look for its opening bracket."""
MOST_NAMES, MOST_FUNCTIONS = 100, 1000
"""Maximum number of undefined names to report, and of the script's own functions to suggest instead."""
MOST_HINTS, LONGEST_HINT = 20, 300
"""Maximum number of hints per script, and of characters per hint: names in a script may be of any length."""


class Gravity(StrEnum):
    """How severe a remark is."""

    ERROR = "error"
    """The script will be refused."""
    WARNING = "warning"
    """The script runs, but probably not as intended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One finding in a script."""

    gravity: Gravity
    """How severe it is: whether the script will run."""
    message: str
    """What is wrong, and how to fix it."""
    line: int | None = None
    """Line in the user's text, from 1; None if unknown."""
    column: int | None = None
    """Column in the user's text, from 1; None if unknown."""
    undefined: str = ""
    """The undefined name, if the remark is about one; otherwise empty."""


def lint(evalscript: Evalscript, collections: Mapping[str, Collection]) -> tuple[Remark, ...]:
    """All remarks about a script, errors first. `collections`: key of an input (its datasource, or its number if it has
    none) → its collection; the bands of an input without an entry are not checked."""
    remarks = (*_unknown(evalscript, collections), *_masks(evalscript), *_names(evalscript, collections))
    return tuple(sorted(remarks, key=lambda remark: list(Gravity).index(remark.gravity)))


def check_script(evalscript: Evalscript, collections: Mapping[str, Collection]) -> None:
    """Refuse a script that cannot run. Raises ScriptSetupError with the first error of `lint`."""
    for remark in lint(evalscript, collections):
        if remark.gravity is Gravity.ERROR:
            raise ScriptSetupError(remark.message, remark.line)


def _unknown(evalscript: Evalscript, collections: Mapping[str, Collection]) -> Iterator[Remark]:
    for key, entry in zip(source_keys(evalscript), evalscript.inputs, strict=True):
        if key in collections:
            yield from _unknown_of(evalscript, entry, collections[key])


def band_fault(collection: Collection, name: str, unit: str | None) -> str | None:
    """Why a collection does not offer a band in a unit (None: the default unit), with a suggestion; None if it does."""
    band = collection.bands.get(name)
    if band is None:
        known = [*collection.bands, DATA_MASK]
        return f"{collection.id} has no band '{name}'{_near(name, known)} It has {', '.join(known)}"
    return None if band.unit(unit) is not None else _wrong_unit(collection, band, str(unit))


def _unknown_of(evalscript: Evalscript, entry: Input, collection: Collection) -> Iterator[Remark]:
    for name, unit in zip(entry.bands, entry.units, strict=True):
        fault = None if name == DATA_MASK else band_fault(collection, name, unit)
        if fault is not None:
            word = name if name not in collection.bands else str(unit)
            yield Remark(gravity=Gravity.ERROR, message=fault, line=_line_of(evalscript.source, word))


def _wrong_unit(collection: Collection, band: Band, unit: str) -> str:
    known = [each.name for each in band.units]
    return f"{collection.id} does not offer {band.name} in '{unit}'{_near(unit, known)} Its units: {', '.join(known)}"


def _near(word: str, known: Sequence[str]) -> str:
    return suggestion(word, known) or "."


def callable_names(source: str) -> list[str]:
    """Functions that a script may call: the built-in ones, and up to MOST_FUNCTIONS of its own."""
    return [*sorted(built_in()), *own_functions(source)[:MOST_FUNCTIONS]]


def undefined(name: str, known: Sequence[str], gravity: Gravity, line: int | None, column: int | None) -> Remark:
    """A remark about a name that is neither built in nor defined by the script. `known`: names to suggest instead."""
    if name in OLDER:
        message = f"{name} is not defined: {OLDER[name]}"
    else:
        near = suggestion(name, known)
        message = f"{name} is defined neither by the script nor as a built-in function{near}"
    return Remark(gravity=gravity, message=message, line=line, column=column, undefined=name)


def _names(evalscript: Evalscript, collections: Mapping[str, Collection]) -> Iterator[Remark]:
    source = evalscript.source
    known = callable_names(source)
    for place in islice(unknown_calls(source), MOST_NAMES):
        yield undefined(place.word, known, Gravity.WARNING, place.line, place.column)
    yield from _uncalled(evalscript)
    yield from (Remark(gravity=Gravity.WARNING, message=message) for message in evalscript.remarks)
    asked = [band for entry in evalscript.inputs for band in entry.bands]
    offered = [band for key in source_keys(evalscript) if key in collections for band in collections[key].bands]
    for place in unasked_bands(source, asked, [*offered, DATA_MASK]):
        message = f'{place.word} is read, but input does not list it, so it is undefined; add "{place.word}" to bands'
        yield Remark(gravity=Gravity.WARNING, message=message, line=place.line, column=place.column)


def script_hints(evalscript: Evalscript) -> tuple[str, ...]:
    """The first MOST_HINTS mistakes that could waste a whole job: misspelt names of service functions, and parts of
    setup() without effect. The number is limited because every task object shows the hints."""
    near = (f"line {one.place.line}: {_misnamed(one)}" for one in misnamed(evalscript.source))
    return tuple(hint[:LONGEST_HINT] for hint in islice(chain(near, evalscript.remarks), MOST_HINTS))


def _uncalled(evalscript: Evalscript) -> Iterator[Remark]:
    wrong = {one.place: one for one in misnamed(evalscript.source)}
    for place in uncalled_functions(evalscript.source):
        if place in wrong:
            message = _misnamed(wrong[place])
        elif place.word in SERVED:
            continue
        else:
            message = f"nothing calls {place.word}: of a script's functions arpent calls {', '.join(SERVED)}"
        yield Remark(gravity=Gravity.WARNING, message=message, line=place.line, column=place.column)


def _misnamed(one: Misnamed) -> str:
    return f"nothing calls {one.place.word}; did you mean '{one.meant}', which {SERVED[one.meant]}?"


def _masks(evalscript: Evalscript) -> Iterator[Remark]:
    code = _COMMENT.sub("", evalscript.source)
    if evalscript.mask_bands == 0:
        ids = [output.id for output in evalscript.outputs]
        yield Remark(gravity=Gravity.ERROR, message=mask_lines(ids), line=_line_of(evalscript.source, "output"))
    unmasked = [output.id for output in evalscript.outputs if output.mask is None and evalscript.mask_bands]
    for name in unmasked:
        message = f"output '{name}' is not masked: samples without data and outside the polygon count too"
        yield Remark(gravity=Gravity.WARNING, message=message)
    asked = any(DATA_MASK in entry.bands for entry in evalscript.inputs)
    used = _MASK_IN_USE.search(_without_declarations(code)) is not None
    if asked and not used:
        yield Remark(
            gravity=Gravity.WARNING,
            message="the input dataMask is read but never used: return dataMask: [samples.dataMask]",
            line=_line_of(evalscript.source, DATA_MASK),
        )
    if not asked and evalscript.mask_bands:
        yield Remark(
            gravity=Gravity.WARNING,
            message="dataMask is not among the bands of input, so samples without data and outside the polygon "
            'may count; add "dataMask" there and multiply it into the mask you return',
        )
    elif _CONSTANT_MASK.search(code):
        yield Remark(
            gravity=Gravity.WARNING,
            message="the mask is always 1, so samples outside the polygon count; return dataMask: [samples.dataMask]",
            line=_line_of(evalscript.source, DATA_MASK),
        )


def _without_declarations(code: str) -> str:
    """The code with all quoted words emptied, except keys such as samples["dataMask"]."""
    return _STRING.sub(lambda found: found[0] if _is_key(code, found.start()) else "''", code)


def _is_key(code: str, start: int) -> bool:
    """Whether the quoted word at `start` follows a name and a bracket: `sample[`, not `bands: [`."""
    bracket = code[max(0, start - _BEFORE) : start].rstrip()
    name = bracket[:-1].rstrip()
    return bracket.endswith("[") and name != "" and (name[-1].isalnum() or name[-1] in "_)]")


def _line_of(source: str, word: str) -> int | None:
    """Number of the first line that contains the word, from 1; None if there is none."""
    pattern = re.compile(rf"(?<![\w]){re.escape(word)}(?![\w])", re.IGNORECASE)
    return next((number for number, line in enumerate(source.splitlines(), start=1) if pattern.search(line)), None)
