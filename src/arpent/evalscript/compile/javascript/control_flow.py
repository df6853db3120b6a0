"""Control flow: runs steps in sequence, in branches and in loops, turning jumps into conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from arpent.evalscript.compile.graph.operation import Operation
from arpent.evalscript.compile.javascript.symbolic_memory import SymbolicMemory
from arpent.evalscript.compile.javascript.values import JsValue, SpecialValue
from arpent.evalscript.compile.syntax_tree import Unsupported

_MOST_TURNS = 4096
Jump = Literal["return", "break", "continue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AbruptCompletion:
    """One way in which a statement jumps away: return, break or continue."""

    condition: Operation
    """Condition of the jump, as of the start of the statement."""
    jump: Jump
    """Kind and target of the jump."""
    value: JsValue
    """The value returned, for a return."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """All ways in which a statement ends; exactly one of the conditions holds."""

    normal: Operation
    """Condition under which the next statement follows."""
    abrupt: tuple[AbruptCompletion, ...] = ()
    """The jumps, each with its condition."""


Step = Callable[[], Completion]


def normal_completion(memory: SymbolicMemory) -> Completion:
    """The completion of a statement after which the next one always follows."""
    return Completion(normal=memory.graph.truth(True))


def jump_away(memory: SymbolicMemory, jump: Jump, value: JsValue = SpecialValue.UNDEFINED) -> Completion:
    """The completion of a statement that always jumps."""
    abrupt = AbruptCompletion(condition=memory.graph.truth(True), jump=jump, value=value)
    return Completion(normal=memory.graph.truth(False), abrupt=(abrupt,))


def _under(memory: SymbolicMemory, condition: Operation, jumps: Iterable[AbruptCompletion]) -> list[AbruptCompletion]:
    """The jumps of a step that runs only if the condition holds."""
    return [
        AbruptCompletion(condition=memory.graph.make("and", condition, one.condition), jump=one.jump, value=one.value)
        for one in jumps
    ]


def run_sequence(memory: SymbolicMemory, steps: Iterable[Step]) -> Completion:
    """Run the steps in sequence, each under the condition that it is reached."""
    graph = memory.graph
    reached = graph.truth(True)
    abrupt: list[AbruptCompletion] = []
    entered: list[Operation] = []
    for step in steps:
        completion = step()
        abrupt += _under(memory, reached, completion.abrupt)
        reached = graph.make("and", reached, completion.normal)
        truth = memory.known_truth(completion.normal)
        if truth is False:
            reached = graph.truth(False)
            break
        if truth is None:
            memory.enter_branch(completion.normal, True)
            entered.append(completion.normal)
    for condition in reversed(entered):
        memory.close_branch(condition)
    return Completion(normal=reached, abrupt=tuple(abrupt))


def run_conditional(memory: SymbolicMemory, condition: Operation, yes: Step, no: Step) -> Completion:
    """Run one of two steps; both, if the condition is not known."""
    truth = memory.known_truth(condition)
    if truth is not None:
        return yes() if truth else no()
    graph = memory.graph
    first, second = memory.run_both(condition, yes, no)
    opposite = graph.make("not", condition)
    abrupt = [*_under(memory, condition, first.abrupt), *_under(memory, opposite, second.abrupt)]
    return Completion(normal=graph.select(condition, first.normal, second.normal), abrupt=tuple(abrupt))


def run_loop(memory: SymbolicMemory, test: Callable[[], Operation], body: Step) -> Completion:
    """Unroll a loop: repeat while the test holds, each iteration under the condition that it is reached. Raises
    Unsupported for a loop of too many iterations."""
    graph = memory.graph
    entered: list[Operation] = []
    returns: list[AbruptCompletion] = []
    reached = graph.truth(True)

    def goes_on(condition: Operation) -> bool:
        nonlocal reached
        reached = graph.make("and", reached, condition)
        truth = memory.known_truth(condition)
        if truth is None:
            memory.enter_branch(condition, True)
            entered.append(condition)
        return truth is not False

    for _ in range(_MOST_TURNS):
        if not goes_on(test()):
            break
        completion = body()
        returns += _under(memory, reached, (one for one in completion.abrupt if one.jump == "return"))
        stays = completion.normal
        for one in completion.abrupt:
            stays = graph.make("or", stays, one.condition) if one.jump == "continue" else stays
        if not goes_on(stays):
            break
    else:
        raise Unsupported("a long loop")
    for condition in reversed(entered):
        memory.close_branch(condition)
    left = graph.truth(False)
    for leave in returns:
        left = graph.make("or", left, leave.condition)
    return Completion(normal=graph.make("not", left), abrupt=tuple(returns))
