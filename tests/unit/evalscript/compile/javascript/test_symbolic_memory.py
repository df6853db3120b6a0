"""Symbolic memory by hand: both sides of a branch run, and what they wrote is joined."""

from __future__ import annotations

import pytest

from arpent.evalscript.compile import Unsupported
from arpent.evalscript.compile.graph.operation import Operation
from arpent.evalscript.compile.graph.value_numbering import ValueGraph
from arpent.evalscript.compile.javascript.symbolic_memory import GlobalWrite, SymbolicMemory
from arpent.evalscript.compile.javascript.values import Phi, SpecialValue


@pytest.fixture
def memory() -> SymbolicMemory:
    return SymbolicMemory(ValueGraph())


@pytest.fixture
def cloudy(memory: SymbolicMemory) -> Operation:
    """A condition that is not known."""
    return memory.graph.make("number_to_truth", memory.graph.input(0, 0))


def test_two_numbers_join_as_a_select(memory: SymbolicMemory, cloudy: Operation) -> None:
    one, two = memory.graph.constant(1), memory.graph.constant(2)
    label = memory.new_variable("label", one)
    memory.run_both(cloudy, lambda: memory.write(label, two), lambda: None)
    assert label.content is memory.graph.select(cloudy, two, one)


def test_arrays_of_two_lengths_join_as_a_phi(memory: SymbolicMemory, cloudy: Operation) -> None:
    array = memory.new_array(())
    memory.run_both(cloudy, lambda: memory.write(array, (memory.graph.constant(1),)), lambda: None)
    assert isinstance(array.content, Phi)
    assert (array.content.condition, array.content.no) == (cloudy, ())
    lengths = memory.map_phi(array.content, lambda items: memory.graph.constant(len(items)))  # type: ignore[arg-type]
    assert lengths is memory.graph.select(cloudy, memory.graph.constant(1), memory.graph.constant(0))


def test_within_a_branch_its_condition_is_known(memory: SymbolicMemory, cloudy: Operation) -> None:
    clear = memory.graph.make("not", cloudy)
    value = memory.merge(cloudy, "a text", SpecialValue.NULL)
    sides = memory.run_both(
        clear,
        lambda: (memory.known_truth(cloudy), memory.resolve(value)),
        lambda: (memory.known_truth(cloudy), memory.resolve(value)),
    )
    assert sides == ((False, SpecialValue.NULL), (True, "a text"))
    assert memory.known_truth(cloudy) is None


def test_both_conditions_of_an_and_are_known(memory: SymbolicMemory, cloudy: Operation) -> None:
    snowy = memory.graph.make("number_to_truth", memory.graph.input(1, 0))
    memory.enter_branch(memory.graph.make("and", cloudy, snowy), True)
    assert memory.known_truth(cloudy) is True
    assert memory.known_truth(snowy) is True
    memory.leave_branch()
    memory.enter_branch(memory.graph.make("and", cloudy, snowy), False)
    assert memory.known_truth(snowy) is None


def test_the_sides_do_not_see_one_another(memory: SymbolicMemory, cloudy: Operation) -> None:
    variable = memory.new_variable("v", "before")

    def write() -> None:
        memory.write(variable, "written")

    seen: list[object] = []
    memory.run_both(cloudy, write, lambda: seen.append(variable.content))
    assert seen == ["before"]


def test_what_outlives_the_sample_is_not_written(memory: SymbolicMemory) -> None:
    total, kept = memory.new_variable("total", "0"), memory.new_array(())
    memory.freeze()
    with pytest.raises(GlobalWrite, match="total"):
        memory.write(total, "1")
    with pytest.raises(Unsupported, match="outlives"):
        memory.write(kept, ("1",))


def test_a_name_has_a_limited_number_of_values(memory: SymbolicMemory) -> None:
    conditions = [memory.graph.make("number_to_truth", memory.graph.input(number, 0)) for number in range(64)]
    value: object = "none"
    for number, condition in enumerate(conditions[:-1]):
        value = memory.merge(condition, f"text {number}", value)
    assert isinstance(value, Phi)
    assert value.size == 64
    with pytest.raises(Unsupported, match="too many different values"):
        memory.merge(conditions[-1], "one more", value)
