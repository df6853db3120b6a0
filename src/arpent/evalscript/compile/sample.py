"""Sample: what evaluatePixel gets, as numbers that are not known yet; the same shapes as the harness makes."""

from __future__ import annotations

from collections.abc import Sequence

from arpent.domain.evalscript import Evalscript
from arpent.evalscript.compile.graph import Node
from arpent.evalscript.compile.machine import Machine
from arpent.evalscript.compile.values import List, Record, Special, Value
from arpent.evalscript.layout import Column, MemoryLayout
from arpent.evalscript.scenes import is_fusion, source_keys


def samples_of(machine: Machine, evalscript: Evalscript, layout: MemoryLayout) -> Value:
    """The first argument."""
    values: list[Value] = []
    first = 0
    for entry, columns in zip(evalscript.inputs, layout.inputs, strict=True):
        rows: tuple[Value, ...] = tuple(
            _record(machine, entry.bands, columns, first, row) for row in range(columns[0].rows)
        )
        alone = columns[0].simple and not is_fusion(evalscript)
        values.append(rows[0] if alone else machine.memory.list(rows))
        first += len(columns)
    if not is_fusion(evalscript):
        return values[0]
    return machine.memory.record(dict(zip(source_keys(evalscript), values, strict=True)))


def _record(machine: Machine, bands: Sequence[str], columns: Sequence[Column], first: int, row: int) -> Record:
    return machine.memory.record(
        {
            band: _scaled(machine, machine.graph.input(first + number, row), column.scale)
            for number, (band, column) in enumerate(zip(bands, columns, strict=True))
        }
    )


def _scaled(machine: Machine, stored: Node, scale: tuple[float, float]) -> Node:
    """In doubles: `stored * factor + summand`, without what changes nothing."""
    factor, summand = scale
    product = stored if factor == 1 else machine.graph.make("multiply", stored, machine.constant(float(factor)))
    return product if summand == 0 else machine.graph.make("add", product, machine.constant(float(summand)))


def arguments_of(machine: Machine, evalscript: Evalscript, layout: MemoryLayout) -> list[Value]:
    """(samples, scenes, inputMetadata, customData, outputMetadata); of the last four only lengths are known."""
    opaque: list[Value] = [Special.OPAQUE] * 4
    names = {"ORBIT": "orbits", "TILE": "tiles"}
    kind = names.get(evalscript.inputs[0].mosaicking)
    if kind is not None and not is_fusion(evalscript):
        scenes: List = machine.memory.list((Special.OPAQUE,) * layout.columns[0].rows)
        scenes.stamp = machine.memory.frozen
        known = machine.memory.record({kind: scenes})
        known.stamp, known.partial = machine.memory.frozen, True
        opaque[0] = known
    return [samples_of(machine, evalscript, layout), *opaque]
