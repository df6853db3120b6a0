"""Masks: the dataMask output, and which of its bands masks which output (sentinelhub.md 5.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from arpent.domain.errors import ScriptSetupError
from arpent.domain.evalscript import DATA_MASK

_SHOWN = 20
"""Maximum number of outputs that a message names."""


def mask_of(entry: Mapping[str, object] | None, outputs: Sequence[str]) -> tuple[dict[str, int | None], int]:
    """Returns (output id → its band of the mask, or None if it is not masked; number of bands of the mask).

    `entry` is dataMask's entry in setup().output: `bands: 1` masks all outputs, `bands: [ids]` the listed ones in that
    order. Raises ScriptSetupError.
    """
    if entry is None:
        return dict.fromkeys(outputs), 0
    bands = entry.get("bands", 1)
    if isinstance(bands, list):
        if bands in ([DATA_MASK], ["B0"]) and bands[0] not in outputs:
            return dict.fromkeys(outputs, 0), 1
        known, shown = set(outputs), ", ".join(outputs[:_SHOWN]) + (", …" if len(outputs) > _SHOWN else "")
        unknown = next((name for name in bands if not isinstance(name, str) or name not in known), None)
        if unknown is not None or not bands or len({str(name) for name in bands}) != len(bands):
            fault = f"'{unknown}' is not one of them" if unknown is not None else "list each once"
            raise ScriptSetupError(f"dataMask: bands must list ids of outputs ({shown}); {fault}")
        places = {name: place for place, name in enumerate(bands)}
        return {name: places.get(name) for name in outputs}, len(bands)
    if bands in (1, "1") and bands is not True:
        return dict.fromkeys(outputs, 0), 1
    raise ScriptSetupError(
        f"dataMask: bands is {bands}; write bands: 1 for all outputs, or a list of output ids, "
        f'e.g. bands: ["{outputs[0]}"], for a mask each'
    )


def mask_lines(outputs: Sequence[str]) -> str:
    """Message text that says what to add to a script without a dataMask output."""
    return (
        "setup().output has no dataMask, so nothing says which samples count. Add three things: "
        '"dataMask" to the bands of input; '
        '{ id: "dataMask", bands: 1 } to output; '
        f"and dataMask: [samples.dataMask] to what evaluatePixel returns, "
        f"e.g. return {{ {outputs[0]}: [value], dataMask: [samples.dataMask] }}"
    )
