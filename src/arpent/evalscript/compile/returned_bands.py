"""Returned bands: converts what evaluatePixel returns to numbers, by the same rules as the interpreter."""

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
    """Each 1 or 0: per output, whether it is missing, in the same order; then whether nothing was returned; then, per
    output, whether undefined counts as 0."""


def declared_outputs(evalscript: Evalscript) -> list[tuple[str, int]]:
    """(id, number of bands) of all outputs in the order of the returned numbers: as declared, dataMask last."""
    masks = [(DATA_MASK, evalscript.mask_bands)] if evalscript.mask_bands else []
    return [(output.id, len(output.bands)) for output in evalscript.outputs] + masks


def collect_returned_bands(evaluator: PartialEvaluator, evalscript: Evalscript, result: JsValue) -> ReturnedBands:
    """The numbers of any value that evaluatePixel can return, merged. Raises Unsupported for an invalid value."""
    merged = evaluator.memory.map_phi(result, partial(_numbers_and_missing, evaluator, evalscript))
    assert isinstance(merged, tuple)
    width = evalscript.width
    missing = tuple(evaluator.to_number(truth) for truth in merged[width:])
    return ReturnedBands(values=merged[:width], missing=missing)


def _numbers_and_missing(evaluator: PartialEvaluator, evalscript: Evalscript, result: object) -> tuple[Operation, ...]:
    """All doubles, then all truth values. A script with one output may return its bands without the output's name."""
    outputs, single = declared_outputs(evalscript), len(evalscript.outputs) == 1
    nothing = is_nullish(result)
    if not nothing and not isinstance(result, PlainObject) and not single:
        raise Unsupported(f"evaluatePixel returned {describe(result)}")
    values: tuple[Operation, ...] = ()
    missing: tuple[Operation, ...] = ()
    undefined: tuple[Operation, ...] = ()
    for number, (name, count) in enumerate(outputs):
        whole = number < len(evalscript.outputs) and evalscript.outputs[number].sample_type.integer
        bands: object = SpecialValue.UNDEFINED
        if isinstance(result, PlainObject):
            if len(outputs) == 1 and read_property(evaluator, result, "0") is not SpecialValue.UNDEFINED:
                raise Unsupported("an object with numbers for names is returned")  # the interpreter takes it for a list
            bands = read_property(evaluator, result, name)
        elif not nothing and number == 0:
            bands = result
        part = evaluator.memory.map_phi(bands, partial(_bands_and_missing, evaluator, (count, whole), nothing))
        assert isinstance(part, tuple)
        values, missing, undefined = values + part[:-2], missing + part[-2:-1], undefined + part[-1:]
    return (*values, *missing, evaluator.graph.truth(nothing), *undefined)


def _bands_and_missing(
    evaluator: PartialEvaluator, kind: tuple[int, bool], nothing: bool, bands: object
) -> tuple[Operation, ...]:
    """One double per band, then whether the output is missing, then whether undefined counts as 0. `kind`: number of
    bands, and whether their sample type is an integer type."""
    count, whole = kind
    missing = is_nullish(bands)
    if missing:
        values: list[JsValue] = [SpecialValue.UNDEFINED] * count
    elif isinstance(bands, ArrayObject):
        values = [read_element(evaluator, bands, evaluator.constant(band)) for band in range(count)]
    elif isinstance(bands, Operation):
        values = [bands, *[SpecialValue.UNDEFINED] * (count - 1)]
    else:
        raise Unsupported(f"an output is {describe(bands)}")
    zero = whole and not missing
    undefined = evaluator.graph.truth(False)
    for value in values if zero else ():
        absent = evaluator.map_phi(value, lambda one: evaluator.graph.truth(is_nullish(one)))
        undefined = evaluator.graph.make("or", undefined, evaluator.to_boolean(absent))
    numbers = (_number_or(evaluator, 0.0 if zero else float("nan"), value) for value in values)
    return (*numbers, evaluator.graph.truth(missing and not nothing), undefined)


def _number_or(evaluator: PartialEvaluator, otherwise: float, value: JsValue) -> Operation:
    """The number, or `otherwise` for null and undefined."""
    constant = evaluator.constant(otherwise)
    number = evaluator.map_phi(value, lambda one: constant if is_nullish(one) else evaluator.to_number(one))
    assert isinstance(number, Operation)
    return number
