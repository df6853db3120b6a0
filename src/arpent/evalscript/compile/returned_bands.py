"""Returned bands: what evaluatePixel returns becomes numbers, by the same rules as the interpreter's loop."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from arpent.domain.evalscript import DATA_MASK, Evalscript
from arpent.evalscript.compile.graph.operation import Operation
from arpent.evalscript.compile.javascript.evaluator import PartialEvaluator
from arpent.evalscript.compile.javascript.properties import read_element, read_property
from arpent.evalscript.compile.javascript.values import (
    ArrayObject,
    JsValue,
    PlainObject,
    SpecialValue,
    describe,
    is_nullish,
)
from arpent.evalscript.compile.syntax_tree import Unsupported


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedBands:
    """The numbers of one sample."""

    values: tuple[Operation, ...]
    """Doubles: the bands of all outputs, in the order of `declared_outputs`."""
    missing: tuple[Operation, ...]
    """1 or 0: per output whether it was missing, in the same order; then whether nothing came back at all."""


def declared_outputs(evalscript: Evalscript) -> list[tuple[str, int]]:
    """(id, bands) of all outputs in the order of the numbers that come back: as declared, dataMask last."""
    masks = [(DATA_MASK, evalscript.mask_bands)] if evalscript.mask_bands else []
    return [(output.id, len(output.bands)) for output in evalscript.outputs] + masks


def collect_returned_bands(evaluator: PartialEvaluator, evalscript: Evalscript, result: JsValue) -> ReturnedBands:
    """The numbers of whatever evaluatePixel may return, merged. Raises Unsupported for what is no result."""
    merged = evaluator.memory.map_phi(result, partial(_numbers_and_missing, evaluator, evalscript))
    assert isinstance(merged, tuple)
    width = evalscript.width
    missing = tuple(evaluator.to_number(truth) for truth in merged[width:])
    return ReturnedBands(values=merged[:width], missing=missing)


def _numbers_and_missing(evaluator: PartialEvaluator, evalscript: Evalscript, result: object) -> tuple[Operation, ...]:
    """All doubles, then all truth values. A script with one output may return its bands without its name."""
    outputs, single = declared_outputs(evalscript), len(evalscript.outputs) == 1
    nothing = is_nullish(result)
    if not nothing and not isinstance(result, PlainObject) and not single:
        raise Unsupported(f"evaluatePixel returned {describe(result)}")
    values: tuple[Operation, ...] = ()
    missing: tuple[Operation, ...] = ()
    for number, (name, count) in enumerate(outputs):
        bands: object = SpecialValue.UNDEFINED
        if isinstance(result, PlainObject):
            bands = read_property(evaluator, result, name)
        elif not nothing and number == 0:
            bands = result
        part = evaluator.memory.map_phi(bands, partial(_bands_and_missing, evaluator, count, nothing))
        assert isinstance(part, tuple)
        values, missing = values + part[:-1], missing + part[-1:]
    return (*values, *missing, evaluator.graph.truth(nothing))


def _bands_and_missing(evaluator: PartialEvaluator, count: int, nothing: bool, bands: object) -> tuple[Operation, ...]:
    """`count` doubles, and whether the output was missing."""
    missing = is_nullish(bands)
    if missing:
        values: list[JsValue] = [SpecialValue.UNDEFINED] * count
    elif isinstance(bands, ArrayObject):
        values = [read_element(evaluator, bands, evaluator.constant(band)) for band in range(count)]
    elif isinstance(bands, Operation):
        values = [bands, *[SpecialValue.UNDEFINED] * (count - 1)]
    else:
        raise Unsupported(f"an output is {describe(bands)}")
    return (*(_or_nan(evaluator, value) for value in values), evaluator.graph.truth(missing and not nothing))


def _or_nan(evaluator: PartialEvaluator, value: JsValue) -> Operation:
    """The number, or NaN for null and undefined."""
    nan = evaluator.constant(float("nan"))
    number = evaluator.map_phi(value, lambda one: nan if is_nullish(one) else evaluator.to_number(one))
    assert isinstance(number, Operation)
    return number
