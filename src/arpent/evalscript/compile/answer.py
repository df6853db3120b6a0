"""Answer: what evaluatePixel returned becomes numbers, by the same rules as the interpreter's loop."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from arpent.domain.evalscript import DATA_MASK, Evalscript
from arpent.evalscript.compile.graph import Node
from arpent.evalscript.compile.machine import Machine, shown
from arpent.evalscript.compile.memory import is_nothing
from arpent.evalscript.compile.property import item, member
from arpent.evalscript.compile.tree import Unsupported
from arpent.evalscript.compile.values import List, Record, Special, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One sample's numbers."""

    values: tuple[Node, ...]
    """Bands of the outputs, then of the mask."""
    missing: tuple[Node, ...]
    """1 or 0: which output was missing, in the order declared, dataMask last; then: nothing came back at all."""


def outputs_of(evalscript: Evalscript) -> list[tuple[str, int]]:
    """(id, bands) of all outputs, dataMask last."""
    masks = [(DATA_MASK, evalscript.mask_bands)] if evalscript.mask_bands else []
    return [(output.id, len(output.bands)) for output in evalscript.outputs] + masks


def answer_of(machine: Machine, evalscript: Evalscript, value: Value) -> Answer:
    """Every possible result, merged."""
    merged = machine.memory.each(value, lambda one: _settle(machine, evalscript, one))
    assert isinstance(merged, tuple)
    width = evalscript.width
    missing = tuple(machine.number(node) for node in merged[width:])
    return Answer(values=merged[:width], missing=missing)


def _settle(machine: Machine, evalscript: Evalscript, result: object) -> tuple[Node, ...]:
    outputs, alone = outputs_of(evalscript), len(evalscript.outputs) == 1
    nothing = is_nothing(result)
    if not nothing and not isinstance(result, Record) and not alone:
        raise Unsupported(f"evaluatePixel returned {shown(result)}")
    parts: tuple[object, ...] = ()
    for number, (name, count) in enumerate(outputs):
        bands: object = Special.UNDEFINED
        if isinstance(result, Record):
            bands = member(machine, result, name)
        if not nothing and alone and number == 0:
            whole = result
            bands = whole if not isinstance(result, Record) else bands
        part = machine.memory.each(bands, partial(_bands, machine, count, nothing))
        assert isinstance(part, tuple)
        parts += part
    values = tuple(one for one in parts if isinstance(one, Node) and one.is_number)
    missing = tuple(one for one in parts if isinstance(one, Node) and not one.is_number)
    return (*values, *missing, machine.graph.truth(nothing))


def _bands(machine: Machine, count: int, nothing: bool, bands: object) -> tuple[Node, ...]:
    """`count` numbers, and whether the output was missing."""
    missing = is_nothing(bands)
    if missing:
        values: list[Value] = [Special.UNDEFINED] * count
    elif isinstance(bands, List):
        values = [item(machine, bands, machine.constant(band)) for band in range(count)]
    elif isinstance(bands, Node):
        values = [bands, *[Special.UNDEFINED] * (count - 1)]
    else:
        raise Unsupported(f"an output is {shown(bands)}")
    return (*(_numeric(machine, value) for value in values), machine.graph.truth(missing and not nothing))


def _numeric(machine: Machine, value: Value) -> Node:
    """Nothing is NaN."""
    nan = machine.constant(float("nan"))
    answer = machine.each(value, lambda one: nan if is_nothing(one) else machine.number(one))
    assert isinstance(answer, Node)
    return answer
