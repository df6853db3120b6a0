"""Harness: generates the JavaScript loop that calls evaluatePixel for every sample, for one script and one layout.

Measurement chose its shape: a fresh object literal per sample, in a strict closure over typed arrays, and `typeof` as
the only check of returned values. Values that fail this check take the slow path in engine.js.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from arpent.domain.evalscript import DATA_MASK, Evalscript
from arpent.evalscript.layout import Column, MemoryLayout
from arpent.evalscript.scenes import is_fusion, source_keys

_UNROLLED_SCENES = 32
_UNROLLED_VALUES = 1024


def harness(evalscript: Evalscript, layout: MemoryLayout) -> str:
    """A JavaScript expression: a function of (view, odd, list, evaluatePixel) that returns { span, gaps }."""
    outputs = _outputs(evalscript)
    before, samples = _samples(evalscript, layout)
    return f"""(function (view, odd, list, evaluatePixel) {{ 'use strict';
{_views(layout)}
const {{ settle, gaps }} = odd({json.dumps(outputs)}, {len(evalscript.outputs)}, [{_columns(layout.width)}]);
function span(low, high, scenes, inputMetadata, customData, outputMetadata) {{
for (let i = low; i < high; i++) {{
{before}const r = evaluatePixel({samples}, scenes, inputMetadata, customData, outputMetadata);
if (r === undefined || r === null) {{ settle(r, i); continue; }}
{_store(outputs)}
}} }}
return {{ span, gaps }}; }})"""


def _outputs(evalscript: Evalscript) -> list[tuple[str, int, bool]]:
    """(id, number of bands, whether the sample type is an integer type, so that undefined counts as 0)."""
    masks = [(DATA_MASK, evalscript.mask_bands, False)] if evalscript.mask_bands else []
    return [(output.id, len(output.bands), output.sample_type.integer) for output in evalscript.outputs] + masks


def _columns(width: int) -> str:
    return ", ".join(f"o{row}" for row in range(width))


def _views(layout: MemoryLayout) -> str:
    lines = [
        f"const c{number} = view({json.dumps(column.kind)}, {offset}, {column.rows * layout.capacity});"
        for number, (column, offset) in enumerate(zip(layout.columns, layout.offsets, strict=False))
    ]
    start = layout.offsets[-1]
    lines += [
        f"const o{row} = view('f8', {start + row * layout.capacity * 8}, {layout.capacity});"
        for row in range(layout.width)
    ]
    return "\n".join(lines)


# ---- samples


def _samples(evalscript: Evalscript, layout: MemoryLayout) -> tuple[str, str]:
    """Returns the statements to run before the call, and the expression for evaluatePixel's first argument."""
    before, values, first = "", [], 0
    for number, (entry, columns) in enumerate(zip(evalscript.inputs, layout.inputs, strict=True)):
        loop, value = _source(entry.bands, columns, first, layout.capacity, f"s{number}")
        listed = value if not columns[0].simple or not is_fusion(evalscript) else f"[{value}]" * columns[0].rows or "[]"
        before += loop
        values.append(listed)
        first += len(columns)
    if not is_fusion(evalscript):
        return before, values[0]
    keyed = zip(source_keys(evalscript), values, strict=True)
    return before, "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in keyed) + "}"


def _source(bands: Sequence[str], columns: Sequence[Column], first: int, capacity: int, name: str) -> tuple[str, str]:
    rows = columns[0].rows
    if columns[0].simple:
        return "", _literal(bands, columns, first, "i")
    if rows <= _UNROLLED_SCENES and rows * len(bands) <= _UNROLLED_VALUES:
        places = (f"i + {row * capacity}" if row else "i" for row in range(rows))
        return "", "[" + ", ".join(_literal(bands, columns, first, place) for place in places) + "]"
    loop = (
        f"const {name} = new list({rows}); for (let s = 0, k = i; s < {rows}; s++, k += {capacity}) "
        f"{name}[s] = {_literal(bands, columns, first, 'k')};\n"
    )
    return loop, name


def _literal(bands: Sequence[str], columns: Sequence[Column], first: int, place: str) -> str:
    values = (
        f"{json.dumps(band)}: {_value(f'c{first + number}[{place}]', column.scale)}"
        for number, (band, column) in enumerate(zip(bands, columns, strict=True))
    )
    return "{" + ", ".join(values) + "}"


def _value(stored: str, scale: tuple[float, float]) -> str:
    """JavaScript for `stored * factor + summand`, omitting a factor of 1 and a summand of 0."""
    factor, summand = scale
    product = stored if factor == 1 else f"{stored} * {float(factor)!r}"
    return product if summand == 0 else f"{product} + {float(summand)!r}".replace("+ -", "- ")


# ---- outputs


def _store(outputs: Sequence[tuple[str, int, bool]]) -> str:
    lines, values = [], []
    alone = len(outputs) == 1
    for number, (name, count, _) in enumerate(outputs):
        array = "r" if alone else f"q{number}"
        if not alone:
            lines.append(f"const {array} = r[{json.dumps(name)}];")
            lines.append(f"if ({array} === undefined || {array} === null) {{ settle(r, i); continue; }}")
        values += [f"{array}[{band}]" for band in range(count)]
    lines += [f"const v{row} = {value};" for row, value in enumerate(values)]
    checks = " || ".join(f"typeof v{row} !== 'number'" for row in range(len(values)))
    lines.append(f"if ({checks}) {{ settle(r, i); continue; }}")
    lines += [f"o{row}[i] = v{row};" for row in range(len(values))]
    return "\n".join(lines)
