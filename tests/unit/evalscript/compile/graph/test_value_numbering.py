"""Value numbering by hand: what is the same operation, what is folded, what logic simplifies."""

from __future__ import annotations

import math

import pytest

from arpent.evalscript.compile import Unsupported
from arpent.evalscript.compile.graph import value_numbering
from arpent.evalscript.compile.graph.constant_folding import to_int32
from arpent.evalscript.compile.graph.operation import Operation, constant_value, live_operations
from arpent.evalscript.compile.graph.value_numbering import ValueGraph


@pytest.fixture
def graph() -> ValueGraph:
    return ValueGraph()


@pytest.fixture
def red(graph: ValueGraph) -> Operation:
    return graph.input(0, 0)


@pytest.fixture
def bright(graph: ValueGraph, red: Operation) -> Operation:
    """A condition that is not known."""
    return graph.make("less", graph.constant(1), red)


def test_an_operation_on_the_same_operands_exists_once(graph: ValueGraph, red: Operation) -> None:
    infrared = graph.input(1, 0)
    total = graph.make("add", red, infrared)
    assert graph.make("add", red, graph.input(1, 0)) is total
    assert graph.make("add", infrared, red) is total, "addition commutes"
    assert graph.make("subtract", infrared, red) is not graph.make("subtract", red, infrared)
    assert graph.input(0, 1) is not red, "another scene"


def test_zeros_differ_and_all_nan_are_one(graph: ValueGraph) -> None:
    assert graph.constant(0.0) is not graph.constant(-0.0)
    assert graph.constant(math.nan) is graph.constant(-math.nan)


def test_constants_are_folded(graph: ValueGraph) -> None:
    one, zero = graph.constant(1), graph.constant(0)
    assert constant_value(graph.make("divide", one, zero)) == math.inf
    assert constant_value(graph.make("less", zero, one)) is True
    assert constant_value(graph.make("add", one, graph.input(0, 0))) is None


def test_a_comparison_of_a_choice_among_constants_is_a_condition(graph: ValueGraph, bright: Operation) -> None:
    label = graph.select(bright, graph.constant(1), graph.constant(2))
    assert graph.make("equal", label, graph.constant(1)) is bright
    assert graph.make("equal", label, graph.constant(2)) is graph.make("not", bright)
    assert constant_value(graph.make("less", label, graph.constant(3))) is True


def test_a_sum_of_choices_is_a_choice_among_sums(graph: ValueGraph, bright: Operation) -> None:
    label = graph.select(bright, graph.constant(1), graph.constant(2))
    place = graph.as_constant_choice(graph.make("add", label, graph.constant(10)))
    assert place is graph.select(bright, graph.constant(11), graph.constant(12))


def test_logic(graph: ValueGraph, red: Operation, bright: Operation) -> None:
    dark, true, false = graph.make("not", bright), graph.truth(True), graph.truth(False)
    dim = graph.make("less", red, graph.constant(5))
    assert graph.make("not", dark) is bright
    assert graph.make("and", bright, true) is bright
    assert graph.make("and", bright, bright) is bright
    assert graph.make("and", bright, dark) is false
    assert graph.make("or", bright, dark) is true
    assert graph.select(bright, dim, false) is graph.make("and", bright, dim)
    assert graph.select(dark, red, graph.constant(0)) is graph.select(bright, graph.constant(0), red)
    assert graph.select(bright, red, red) is red


def test_live_operations_come_after_their_operands(graph: ValueGraph, red: Operation) -> None:
    graph.make("add", red, graph.constant(7))  # not used
    double = graph.make("multiply", red, graph.constant(2))
    assert live_operations([double, red]) == [red, graph.constant(2), double]


def test_there_is_a_limit(graph: ValueGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_numbering, "_MOST_OPERATIONS_MADE", 3)
    for number in range(3):
        graph.constant(number)
    assert graph.constant(0) is not None, "the old ones are still there"
    with pytest.raises(Unsupported, match="too many operations"):
        graph.constant(3)


@pytest.mark.parametrize(
    ("double", "integer"),
    [(0.0, 0), (-1.9, -1), (2.0**31, -(2**31)), (2.0**32 + 5, 5), (-(2.0**32) - 5, -5), (math.nan, 0), (math.inf, 0)],
)
def test_to_int32(double: float, integer: int) -> None:
    assert to_int32(double) == integer
