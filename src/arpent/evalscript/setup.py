"""Setup: turns setup()'s return value into an Evalscript, or an error that says how to fix it (sentinelhub.md 5.1)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import TypeVar

from arpent.domain.boundary.text import whole_number
from arpent.domain.errors import ScriptSetupError
from arpent.domain.evalscript import DATA_MASK, Evalscript, Input, Mosaicking, Output, SampleType
from arpent.evalscript.masks import mask_lines, mask_of
from arpent.evalscript.names import misnamed
from arpent.evalscript.service_functions import CHOOSE_SCENES, OLDER, ONE_SOURCE
from arpent.evalscript.setup_fields import check_version_2, ignored_fields

_VERSION = re.compile(r"//\s*VERSION\s*=\s*(\w+)", re.IGNORECASE)
_MOST_BANDS = 4096
_MOST_BANDS_IN_ALL = 4 * _MOST_BANDS
_Choice = TypeVar("_Choice", bound=StrEnum)


def check_version(source: str) -> None:
    """Check that the first line that is not blank or a comment declares version 3. Raises ScriptSetupError."""
    for number, line in enumerate(source.lstrip("\ufeff").splitlines(), start=1):
        text = line.strip()
        declared = _VERSION.match(text)
        if declared and declared[1] == "3":
            return
        if declared:
            raise ScriptSetupError(
                f"the script declares version {declared[1]}; only //VERSION=3 with setup() and evaluatePixel() is run",
                number,
            )
        if text and not text.startswith("//"):
            break
    older = next((f"; {name} shows that it is an older script: {OLDER[name]}" for name in OLDER if name in source), "")
    raise ScriptSetupError(f"the first line must be //VERSION=3{older}", 1)


def check_defined(name: str, functions: frozenset[str], source: str) -> None:
    """Check that the script defines a required function. Raises ScriptSetupError, which names the function that was
    most likely meant."""
    if name not in functions:
        near = next((place for place in misnamed(source) if place.meant == name), None)
        wrong = f"; did you mean '{name}' by '{near.place.word}'?" if near else ""
        call = {"evaluatePixel": "evaluatePixel(samples)"}.get(name, f"{name}()")
        where = (near.place.line, near.place.column) if near else (None, None)
        raise ScriptSetupError(f"the script defines no function {call}{wrong}", *where)


def read_setup(
    source: str,
    declared: object,
    functions: frozenset[str],
    *,
    misspelt: Sequence[str] = (),
    require_mask: bool = True,
) -> Evalscript:
    """The Evalscript that the return value of setup() describes; `declared` is that value as plain JSON.

    `functions`: functions that the script defines. `misspelt`: members of SampleType and Mosaicking that it uses but
    that do not exist. `require_mask`: refuse a script without a dataMask output. Raises ScriptSetupError.
    """
    if misspelt:
        raise ScriptSetupError(_misspelt(misspelt[0]), *_place(misspelt[0], source))
    check_defined("evaluatePixel", functions, source)
    if not isinstance(declared, dict):
        raise ScriptSetupError("setup() must return an object { input: [...], output: {...} }")
    check_version_2(declared)
    overall = _choice(Mosaicking, declared.get("mosaicking"), "mosaicking", Mosaicking.SIMPLE)
    inputs = _inputs(declared.get("input"), overall)
    outputs, mask_bands = _outputs(declared.get("output"), require_mask)
    if "filterScenes" in functions and len(inputs) > 1:
        raise ScriptSetupError(ONE_SOURCE, *_place("filterScenes", source))
    return Evalscript(
        source=source,
        inputs=inputs,
        outputs=outputs,
        mask_bands=mask_bands,
        functions=functions,
        remarks=(*ignored_fields(declared), *_idle(functions, inputs)),
    )


def _idle(functions: frozenset[str], inputs: Sequence[Input]) -> Iterator[str]:
    """A remark for each function that will never be called."""
    if all(entry.mosaicking is Mosaicking.SIMPLE for entry in inputs):
        for name in sorted(functions & CHOOSE_SCENES):
            yield f'{name} is not called with SIMPLE mosaicking, which has no scenes; set mosaicking: "ORBIT" or "TILE"'


def _misspelt(member: str) -> str:
    name, _, word = member.partition(".")
    known = [each.value for each in (SampleType if name == "SampleType" else Mosaicking)]
    return f"{member} does not exist; {_suggestion(word, known, name + '.')}"


def _place(text: str, source: str) -> tuple[int | None, int | None]:
    """Line and column of the first occurrence of the text, from 1; (None, None) if there is none."""
    for number, line in enumerate(source.splitlines(), start=1):
        if (found := line.find(text)) >= 0:
            return number, found + 1
    return None, None


def _suggestion(word: str, known: Sequence[str], prefix: str = "") -> str:
    near = get_close_matches(word.upper(), known, n=1, cutoff=0.6)
    listed = ", ".join(prefix + each for each in known)
    return (f"did you mean {prefix}{near[0]}? Valid: " if near else "valid: ") + listed


def _choice(kind: type[_Choice], given: object, field: str, default: _Choice) -> _Choice:
    if given is None:
        return default
    try:
        return kind(str(given).upper())
    except ValueError:
        raise ScriptSetupError(f"{field}: '{given}' is unknown; {_suggestion(str(given), list(kind))}") from None


# ---- inputs


def _inputs(given: object, overall: Mosaicking) -> tuple[Input, ...]:
    if isinstance(given, (str, dict)):
        given = [given]
    if not isinstance(given, list) or not given:
        raise ScriptSetupError('setup().input must list bands, e.g. input: ["B04", "B08", "dataMask"]')
    if all(isinstance(band, str) for band in given):
        given = [{"bands": given}]
    inputs = tuple(_input(entry, overall, f"input[{number}]") for number, entry in enumerate(given))
    named = [entry.datasource for entry in inputs if entry.datasource is not None]
    if len(named) != len(set(named)):
        raise ScriptSetupError("setup().input: two entries name the same datasource; put their bands into one entry")
    return inputs


def _input(given: object, overall: Mosaicking, place: str) -> Input:
    if not isinstance(given, dict):
        raise ScriptSetupError(f'setup().{place} must be an object {{ bands: ["B04", …] }}, like its neighbours')
    bands = [given["bands"]] if isinstance(given.get("bands"), str) else given.get("bands")
    if not isinstance(bands, list) or not bands or not all(isinstance(band, str) and band for band in bands):
        raise ScriptSetupError(f'setup().{place}.bands must list band names, e.g. ["B04", "dataMask"]')
    if "__proto__" in bands:
        raise ScriptSetupError(f"setup().{place}.bands: '__proto__' cannot be a band")
    units = dict(zip(bands, _units(given.get("units"), len(bands), place), strict=True))
    datasource = given.get("datasource")
    return Input(
        datasource=None if datasource is None else str(datasource),
        bands=tuple(units),
        units=tuple(units.values()),
        mosaicking=_choice(Mosaicking, given.get("mosaicking"), f"{place}.mosaicking", overall),
        metadata=_names(given.get("metadata"), f"{place}.metadata"),
    )


def _units(given: object, count: int, place: str) -> tuple[str | None, ...]:
    if given is None or isinstance(given, str):
        return (given.upper() if given else None,) * count
    if not isinstance(given, list) or not all(unit is None or isinstance(unit, str) for unit in given):
        raise ScriptSetupError(f"setup().{place}.units must be one unit, or a list with one unit per band")
    if len(given) == 1:
        given = given * count
    if len(given) != count:
        raise ScriptSetupError(f"setup().{place}.units lists {len(given)} units for {count} bands; give one per band")
    return tuple(unit.upper() if unit else None for unit in given)


def _names(given: object, place: str) -> tuple[str, ...]:
    if given is None:
        return ()
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise ScriptSetupError(f"setup().{place} must be a list of words")
    return tuple(listed)


# ---- outputs


def _outputs(given: object, require_mask: bool) -> tuple[tuple[Output, ...], int]:
    entries = [given] if isinstance(given, dict) else given
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ScriptSetupError('setup().output must be an object or a list, e.g. [{ id: "ndvi", bands: 1 }, …]')
    ids = [_identifier(entry) for entry in entries]
    twice = [name for name, count in Counter(ids).items() if count > 1]
    if twice:
        raise ScriptSetupError(f"setup().output: two outputs have the id '{twice[0]}'; give each its own")
    images = {name: entry for name, entry in zip(ids, entries, strict=True) if name != DATA_MASK}
    if not images:
        raise ScriptSetupError('setup().output declares only dataMask; add an output such as { id: "ndvi", bands: 1 }')
    if require_mask and DATA_MASK not in ids:
        raise ScriptSetupError(mask_lines(list(images)))
    masks, mask_bands = mask_of(entries[ids.index(DATA_MASK)] if DATA_MASK in ids else None, list(images))
    outputs = within_limit(
        Output(
            id=name,
            bands=_bands(entry.get("bands"), name),
            sample_type=_choice(SampleType, entry.get("sampleType"), f"{name}.sampleType", SampleType.FLOAT32),
            mask=masks[name],
        )
        for name, entry in images.items()
    )
    return outputs, mask_bands


def within_limit(outputs: Iterable[Output]) -> tuple[Output, ...]:
    """The outputs, created one by one. Raises ScriptSetupError as soon as they have too many bands in total."""
    found: list[Output] = []
    count = 0
    for output in outputs:
        found.append(output)
        count += len(output.bands)
        if count > _MOST_BANDS_IN_ALL:
            raise ScriptSetupError(f"all outputs together have more than {_MOST_BANDS_IN_ALL} bands: leave some out")
    return tuple(found)


def _identifier(entry: Mapping[str, object]) -> str:
    given = entry.get("id", "default")
    if isinstance(given, str) and given and given != "__proto__":
        return given
    raise ScriptSetupError(f"setup().output: the id {given!r} is not a word")


def _bands(given: object, name: str) -> tuple[str, ...]:
    if isinstance(given, list):
        if given and all(isinstance(band, str) and band for band in given) and len(set(given)) == len(given):
            return tuple(given)
        raise ScriptSetupError(f"output '{name}': bands must be a number, or a list of different names")
    count = whole_number(given) if isinstance(given, str) else given
    if isinstance(count, (int, float)) and not isinstance(count, bool) and count == int(count) and count >= 1:
        return numbered(int(count), name)
    raise ScriptSetupError(f"output '{name}': bands must be a whole number of at least 1, or a list of names")


def numbered(count: int, name: str) -> tuple[str, ...]:
    """Names for bands without names: B0, B1 … (sentinelhub.md 3.2). Raises ScriptSetupError if there are too many."""
    if count > _MOST_BANDS:
        raise ScriptSetupError(f"output '{name}': {count} bands are too many, at most {_MOST_BANDS} are possible")
    return tuple(f"B{band}" for band in range(count))
