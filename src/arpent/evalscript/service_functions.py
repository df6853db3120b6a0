"""Service functions: those that arpent calls in a script, and replacements for older ones (sentinelhub.md 5, 11)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

SERVED: Mapping[str, str] = {
    "setup": "says what goes in and comes out",
    "evaluatePixel": "is called for every sample",
    "preProcessScenes": "chooses scenes",
    "filterScenes": "chooses scenes, the older way",
    "updateOutput": "sets numbers of bands",
    "updateOutputMetadata": "is called at the end",
}
"""Function that a script may define and arpent calls → what it does, for messages."""
CHOOSE_SCENES = frozenset({"preProcessScenes", "filterScenes"})
"""Functions that select the scenes to read; SIMPLE mosaicking has no scenes."""
BEFORE_SAMPLES = CHOOSE_SCENES | {"updateOutput"}
"""Functions that are called in every interval, before its samples are read."""
BEFORE_PIXELS = ("setup", "preProcessScenes", "filterScenes", "updateOutput")
"""Functions that run before evaluatePixel."""
OLDER: Mapping[str, str] = {
    "setInputComponents": (
        'it is of version 1; in version 3 setup() returns the names of the bands: return { input: ["B04", "dataMask"], '
        "output: [...] }"
    ),
    "setOutputComponentCount": (
        'it is of version 1; in version 3 setup() returns the outputs: output: [{ id: "index", bands: 1 }, '
        '{ id: "dataMask", bands: 1 }]'
    ),
    "HighlightCompressVisualizerSingle": (
        "it is of version 1; write new HighlightCompressVisualizer(min, max), whose process(value) takes one value"
    ),
}
"""Name that versions 1 and 2 offered to scripts → what to write instead, for messages."""
ONE_SOURCE = (
    "filterScenes(scenes) is older than data fusion, so nothing says which of several inputs its scenes belong to; "
    "write preProcessScenes(collections) and filter collections.<datasource>.scenes.orbits or .tiles"
)
"""Why a script with several inputs may not define filterScenes."""
PARAMETER = (
    'setup() has a parameter, as in versions 1 and 2; in version 3 it has none, and bands are named: input: ["B04"]'
)
_WITH_PARAMETER = re.compile(
    r"\bsetup\s*+(?:=\s*+(?:function\b\s*+)?)?\(\s*+[A-Za-z_$]|\bsetup\s*=\s*[A-Za-z_$][\w$]*\s*=>"
)
_ALIKE = 0.8


def has_parameter(source: str) -> bool:
    """Whether setup is written with a parameter, which is undefined in version 3."""
    return _WITH_PARAMETER.search(source) is not None


def meant(name: str) -> str | None:
    """The service function with a similar name; None if there is none, or if the name is already right."""
    if name in SERVED:
        return None
    lower = {each.lower(): each for each in SERVED}
    near = get_close_matches(name.lower(), list(lower), n=1, cutoff=_ALIKE)
    return lower[near[0]] if near else None
